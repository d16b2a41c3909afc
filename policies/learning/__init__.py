"""Policies that learn, their features and actions, and their environments."""
