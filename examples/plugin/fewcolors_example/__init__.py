"""A method and a task for fewcolors."""
