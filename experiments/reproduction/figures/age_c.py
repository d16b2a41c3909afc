"""Of ours: what a twin that is old costs, on paper C's network."""

from ..stale_figures import stale

FIGURE = stale("C", "age")
