"""Moved to `simulator.network.network`: both problems and the models know it."""

from ..network.network import Network, NoiseModel

__all__ = ["Network", "NoiseModel"]
