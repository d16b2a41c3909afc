"""What a lossy twin costs on paper A's network: some of the devices' reports are lost."""

from ..stale_twin import LOSS, stream_figure

FIGURE = stream_figure(LOSS, "What a lossy twin costs")
