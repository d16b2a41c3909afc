"""Policies for the stream problem (paper A)."""
