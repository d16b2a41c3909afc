"""Policies for the task problem (paper C)."""
