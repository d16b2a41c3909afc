"""What will happen in a run, whatever is decided: found by letting it pass with idle devices."""

import numpy as np

from .simulation import Simulation
from .stream.decision import Decision
from .stream.green_problem import SamplePath
from .stream.green_world import GreenWorld


class Idle:
    """Decides nothing, and looks.

    Attributes:
        world: to be looked at; set before the first slot.
    """

    world: GreenWorld

    def __init__(self) -> None:
        self._seen: list[tuple[np.ndarray, ...]] = []

    def decide(self, observation: object) -> Decision:
        """The idle decision."""
        world, state = self.world, self.world.state
        cells, start_ns = state.cells, world.slot_start_ns
        device, station = world.accounted.mean(start_ns, start_ns + world.slot_ns, cells)
        where = np.where(cells.present, cells.station, -1)
        gain = state.path_gain * state.fading
        self._seen.append((gain, where, np.array(device), np.array(station)))
        return Decision.idle(world.network)

    def path(self) -> SamplePath:
        """What was seen, after the run."""
        seen = [np.stack(columns) for columns in zip(*self._seen, strict=True)]
        rows = list(self.world.unfinished())
        return SamplePath(np.concatenate(rows), *seen)


def path_of(simulation: Simulation, idle: Idle) -> SamplePath:
    """Let a simulation pass whose policy is `idle`.

    Raises:
        ValueError: what it does then is not what it does under every policy: queues go elsewhere.
    """
    world = simulation.world
    assert isinstance(world, GreenWorld)
    if world.tells_presence and world.absent_queue != "wait":
        raise ValueError(
            f"devices.absent_queue = {world.absent_queue!r}: in hindsight queues have to wait"
        )
    idle.world = world
    simulation.run()
    return idle.path()
