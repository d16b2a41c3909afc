"""The figures of both papers, run again: their data, pictures, claims and verdicts."""
