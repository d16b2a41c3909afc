"""What an old twin costs on paper C's network: every device's report is some slots late."""

from ..stale_twin import ages, task_figure

FIGURE = task_figure(ages(slot_s=2.0), "What an old twin costs")
