"""What a lossy twin costs on paper C's network: some of the devices' reports are lost."""

from ..stale_twin import LOSS, task_figure

FIGURE = task_figure(LOSS, "What a lossy twin costs")
