"""What each kind of job does, and the store for its artifacts, without Ray."""
