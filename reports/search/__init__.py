"""The page's section on a search."""
