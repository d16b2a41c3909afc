"""What `render` of an environment shows: the network's map, and queues or emissions beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray
from ..simulator.tasks.state import TaskState
from ..simulator.world import World
from ..traces.network_map import FEW_STATIONS, NetworkMap, draw_map
from ..traces.style import STYLE

METADATA: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 10}
"""Of the environments, as Gymnasium has it; ten slots of 100 ms pass as fast as in the network."""

MOST_LETTERS = 50
"""Of the names of all stations side by side; more are written aslant."""

SIZE = (9.6, 5.4)
"""Width and height, inches of 100 pixels; video codecs want even numbers of pixels."""


class MapDrawing:
    """Draws networks as pictures, and shows them in a window of pygame's.

    Args:
        modes: the render modes that an environment has.
    """

    def __init__(self, modes: Sequence[str]) -> None:
        self.metadata = METADATA | {"render_modes": list(modes)}
        self._window: Any = None

    def frames(self, world: World) -> tuple[NDArray[np.uint8], ...]:
        """A picture (540, 960, 3) of each replication."""
        return tuple(frame(world, r) for r in range(len(world.state.position_m)))

    def show(self, world: World) -> None:
        """The first replication in the window, which opens if it has to.

        Raises:
            DependencyNotInstalled: pygame is not there.
        """
        try:
            import pygame
        except ImportError:
            from gymnasium.error import DependencyNotInstalled

            text = "render_mode = 'human' needs pygame: pip install 'edgesim[environments]'"
            raise DependencyNotInstalled(text) from None
        pixels = frame(world, 0).swapaxes(0, 1)
        if self._window is None:
            pygame.display.init()
            pygame.display.set_caption("edgesim")
            self._window = pygame.display.set_mode(pixels.shape[:2]), pygame.time.Clock()
        window, clock = self._window
        window.blit(pygame.surfarray.make_surface(pixels), (0, 0))
        pygame.event.pump()
        clock.tick(self.metadata["render_fps"])
        pygame.display.flip()

    def close(self) -> None:
        """The window, if there is one."""
        if self._window is not None:
            import pygame

            self._window = None
            pygame.display.quit()

    def __getstate__(self) -> dict[str, Any]:
        # A copy of an environment opens a window of its own.
        return self.__dict__ | {"_window": None}


def frame(world: World, replication: int) -> NDArray[np.uint8]:
    """(540, 960, 3) picture of one replication: the map; of each device and station its queue.

    In the task problem, which has no queues, the emission of each device's last task. The larger, the
    larger is a device's dot, too.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    state = world.state
    there = np.flatnonzero(state.present[replication])
    stations = world.topology
    seen = NetworkMap(
        area_m=stations.area_m,
        device_m=state.position_m[replication, there],
        serving=state.cells.station[replication, there],
        station_m=stations.station_position_m,
        station_names=stations.station_names,
        coverage_m=stations.coverage_m,
        wires=list(zip(stations.links.source, stations.links.target, strict=True)),
    )
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, dpi=100)
        canvas: Any = FigureCanvasAgg(figure)
        grid = figure.add_gridspec(
            2, 2, left=0.07, right=0.98, bottom=0.09, top=0.94, hspace=0.35, width_ratios=[1.2, 1.0]
        )
        ax = figure.add_subplot(grid[:, 0])
        chart = figure.add_subplot(grid[:, 1] if isinstance(state, TaskState) else grid[0, 1])
        devices = len(state.present[replication])
        if isinstance(state, TaskState):
            heights = 1e3 * state.emission_g[replication, there]
            chart.set_title("emission of a device's last task, mg")
        else:
            column: Any = state
            heights = 1e-6 * column.queue_bits[replication, there]
            chart.set_title("queues of devices, Mbit")
            below = figure.add_subplot(grid[1, 1])
            queues = 1e-6 * column.station_queue_bits[replication]
            below.bar(np.arange(len(queues)), queues, color=seen.station_colours)
            below.set_title("queues of stations, Mbit")
            below.set_ylim(0.0, _round_up(queues))
            if len(queues) <= FEW_STATIONS:
                names = stations.station_names
                wide: Any = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
                how = wide if sum(map(len, names)) > MOST_LETTERS else {}
                below.set_xticks(np.arange(len(names)), names, fontsize=7.0, **how)
            below.set_xlim(-0.6, len(queues) - 0.4)
        draw_map(seen, ax, heights / max(heights.max(initial=0.0), 1e-30))
        ax.set_title(
            f"slot {state.slot} ({state.slot * world.slot_s:g} s), {len(there)} of {devices} devices"
        )
        colours = seen.station_colours[seen.serving]
        if devices <= 100:
            chart.bar(there, heights, color=colours)
        else:  # a thousand bars take a second
            chart.vlines(there, 0.0, heights, colors=colours, linewidth=0.8)
        chart.set_xlim(-0.6, devices - 0.4)
        chart.set_ylim(0.0, _round_up(heights))
        chart.set_xlabel("device")
        chart.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        canvas.draw()
        pixels: NDArray[np.uint8] = np.array(canvas.buffer_rgba())[..., :3]
        return np.ascontiguousarray(pixels)


def _round_up(heights: FloatArray) -> float:
    """Where an axis ends: a power of two, so that it moves seldom from one picture to the next."""
    return float(2.0 ** np.ceil(np.log2(max(heights.max(initial=0.0), 1e-3))))
