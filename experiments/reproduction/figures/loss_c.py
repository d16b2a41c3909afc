"""Of ours: what a twin that misses reports costs, on paper C's network."""

from ..stale_figures import stale

FIGURE = stale("C", "loss")
