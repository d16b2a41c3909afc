"""Readers of data files: where they are looked up, what ships, and one module for each kind of content."""
