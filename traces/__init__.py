"""What a run leaves: writing, reading, statistics and figures."""
