"""Runs put together from a scenario, a policy and a recorder."""
