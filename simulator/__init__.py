"""The physical network, its digital twin, and time."""
