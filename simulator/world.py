"""The physical network: what all worlds share, and what the simulation asks of each."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .core.arrays import BoolArray, FloatArray
from .core.clock import NANOSECONDS, Turn
from .core.recorder import TaskTable
from .models.association import Association
from .models.carbon import CarbonIntensity
from .models.fading import PathLoss
from .models.mobility import Mobility
from .network.cells import Cells
from .network.graph import LiveNetwork
from .network.topology import Topology
from .state import Columns, State
from .twin.twin import Sight


@dataclass(frozen=True)
class Change:
    """Something that happens at irregular times.

    Attributes:
        next_ns: when it happens next after a given time; None if never.
        act: what happens at a given time.
    """

    next_ns: Callable[[int], int | None]
    act: Callable[[int], None]


@dataclass
class World(ABC):
    """A network's models and its state, all replications in lock-step.

    Every method replaces columns of `state`; none writes into one.

    Attributes:
        slot_s: tau.
        live: the network's parameters, and its graph, which follows the state.
        topology: where the stations stand.
        path_loss: mean gains from distances.
        mobility: how devices move.
        association: which station serves whom.
        carbon: intensity at the stations.
        state: what is true now.
    """

    slot_s: float
    live: LiveNetwork
    topology: Topology
    path_loss: PathLoss
    mobility: Mobility
    association: Association
    carbon: CarbonIntensity
    state: State

    def move(self, elapsed_ns: int) -> None:
        """Devices move; path gains and the association follow."""
        state = self.state
        state.position_m = self.mobility.advance(state.position_m, elapsed_ns / NANOSECONDS)
        distance = self.topology.distance_m(state.position_m)
        state.path_gain = self.path_loss.gain(distance)
        self.update_channel()
        self.associate(distance)

    def associate(self, distance_m: FloatArray, chooses: BoolArray | None = None) -> None:
        """Devices choose their stations anew; see `Association`."""
        state = self.state
        path_gain = np.where(np.isinf(distance_m), 0.0, state.path_gain)
        station = self.association.associate(distance_m, path_gain, chooses)
        if chooses is not None:
            station = np.where(chooses[:, None], station, state.cells.station)
        if not np.array_equal(station, state.cells.station):
            state.cells = Cells(station, state.path_gain.shape[2])

    def update_carbon(self, now_ns: int) -> None:
        """The intensity that holds from now on."""
        self.state.carbon_g_per_j = np.broadcast_to(
            self.carbon.at(now_ns), self.state.carbon_g_per_j.shape
        )

    def changes(self) -> dict[Turn, Change]:
        """What happens at irregular times, by its turn."""
        return {Turn.CARBON: Change(self.carbon.next_change_ns, self.update_carbon)}

    @abstractmethod
    def update_channel(self) -> None:
        """Channel gains after path gains or fading have changed."""

    @abstractmethod
    def fade(self) -> None:
        """A new coherence block."""

    @abstractmethod
    def arrive(self) -> None:
        """Tasks of the slot that begins."""

    @abstractmethod
    def observation(self, sight: Sight) -> Any:
        """What the policy is shown of what the twin knows."""

    @abstractmethod
    def check(self, decision: Any) -> Any:
        """The decision, in the types that this world wants.

        Raises:
            DecisionError: nothing that a network could do.
        """

    @abstractmethod
    def carry_out(self, decision: Any, observation: Any) -> tuple[Columns, TaskTable]:
        """One slot under a checked decision.

        Returns:
            The trace variables of the slot, and the tasks that ended in it.
        """

    @abstractmethod
    def unfinished(self) -> TaskTable:
        """The tasks still in the network; asked for once, at the end of the run."""
