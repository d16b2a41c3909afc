"""Sweeps: many runs, their results in one folder."""
