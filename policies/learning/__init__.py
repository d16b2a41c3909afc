"""Policies that learn, what they see, and their environments."""
