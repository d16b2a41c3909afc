"""Of ours: what a twin that misses reports costs, on paper A's network."""

from ..stale_figures import stale

FIGURE = stale("A", "loss")
