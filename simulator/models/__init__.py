"""Models of the world outside: arrivals, fading, mobility, association, failures, batteries, carbon."""
