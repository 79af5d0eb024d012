"""What a user asks for: a spec's file, its keys, the space of a search, and all of it checked against the plugins."""
