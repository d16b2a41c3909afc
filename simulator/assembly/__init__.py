"""From a scenario to a simulation: its models found, configured and put together."""
