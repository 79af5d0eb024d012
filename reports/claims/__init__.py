"""Claims held against a run's numbers: what they are asked by, the built-in ones, and what pages and tables say."""
