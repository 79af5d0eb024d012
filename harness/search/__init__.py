"""The search for a method's parameters on Ray Tune."""
