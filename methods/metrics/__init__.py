"""What reduced images lost, as numbers: each metric is a plugin like any stranger's."""
