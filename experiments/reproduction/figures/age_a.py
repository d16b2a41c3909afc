"""Of ours: what a twin that is old costs, on paper A's network."""

from ..stale_figures import stale

FIGURE = stale("A", "age")
