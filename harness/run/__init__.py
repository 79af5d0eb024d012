"""A run from spec to report: scheduling on Ray, progress, events, results."""
