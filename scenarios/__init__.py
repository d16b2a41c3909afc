"""Scenario files: their schema, units and errors."""
