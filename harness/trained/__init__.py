"""What a run trained, found again and used."""
