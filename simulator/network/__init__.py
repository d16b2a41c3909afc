"""The network as a graph: where stations stand, who is associated with whom."""
