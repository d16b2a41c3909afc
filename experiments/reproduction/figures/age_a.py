"""What an old twin costs on paper A's network: every device's report is some slots late."""

from ..stale_twin import ages, stream_figure

FIGURE = stream_figure(ages(slot_s=0.1), "What an old twin costs")
