"""What each kind of job does, and the store it leaves its artifact in, without Ray."""
