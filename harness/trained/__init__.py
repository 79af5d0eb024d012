"""Finding and using what a run trained."""
