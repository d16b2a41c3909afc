"""The physical network: what both problems share, and what the processes ask of each."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .core.arrays import BoolArray, FloatArray, spread
from .core.clock import NANOSECONDS, to_ns
from .core.recorder import SlotColumns, TaskTable
from .models.association import Association, follows_carbon
from .models.carbon import CarbonIntensity
from .models.mobility import Mobility, present_of
from .models.path_loss import Links, PathLoss
from .models.sci import Sci
from .models.station_power import StationPower, StationsSeen
from .network.cells import Cells
from .network.graph import LiveNetwork
from .network.topology import Topology
from .state import State
from .twin.twin import TwinView


@dataclass
class World(ABC):
    """A network's models and its state, all replications in lock-step.

    Every method replaces columns of `state`; none writes into one. A slot is served at its end:
    `begin_slot`, then, one after another, `transmit`, `serve_devices`, `serve_stations`, `end_slot`.

    Attributes:
        slot_s: tau.
        live: the network's parameters, and its graph, which follows the state.
        topology: where the stations stand.
        path_loss: mean gains of links.
        mobility: how devices move.
        association: which station serves whom.
        carbon: intensity at the stations.
        state: what is true now.
        power: what stations draw; None where nothing is said of it.
        sci: terms of the software carbon intensity; None where it is not asked for.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "state",
        "path_loss",
        "mobility",
        "association",
        "arrivals",
        "device_cpu",
        "edge_cpu",
        "power",
    )

    slot_s: float
    live: LiveNetwork
    topology: Topology
    path_loss: PathLoss
    mobility: Mobility
    association: Association
    carbon: CarbonIntensity
    state: State
    power: StationPower | None = field(default=None, kw_only=True)
    sci: Sci | None = field(default=None, kw_only=True)
    _stock: State = field(init=False)

    @cached_property
    def tells_presence(self) -> bool:
        """Whether devices may be absent, by the mobility model."""
        return present_of(self.mobility) is not None

    @cached_property
    def slot_ns(self) -> int:
        """Tau on the clock."""
        return to_ns(self.slot_s)

    @property
    def slot_start_ns(self) -> int:
        """When the slot that begins, or is under way, begins."""
        return self.state.slot * self.slot_ns

    def take_stock(self) -> None:
        """Keep what is true as a slot begins."""
        self._stock = copy(self.state)  # columns are replaced, never written into

    def stock(self, now_ns: int) -> State:
        """What was true as the slot began, in which it is now so late."""
        return self.state if now_ns == self.slot_start_ns else self._stock

    def move(self) -> None:
        """Devices move for a slot; path gains and the association follow."""
        state = self.state
        if follows_carbon(self.association):  # what changes as they move: they choose once
            self.update_carbon(self.slot_start_ns)
        state.position_m = self.mobility.advance(state.position_m, self.slot_ns / NANOSECONDS)
        present = present_of(self.mobility)
        if present is not None and not np.array_equal(present, state.present):
            left = state.present & ~present
            state.present = present.copy()
            if left.any():
                self.leave(left)
        distance = self.topology.distance_m(state.position_m)
        state.path_gain = self.path_loss.gain(Links(state.position_m, distance))
        self.update_channel()
        self.associate(distance)

    def associate(self, distance_m: FloatArray, chooses: BoolArray | None = None) -> None:
        """Devices choose their stations anew, if they are there; see `Association.associate`.

        Args:
            distance_m: (R, N, B), infinite to a station that is not to be chosen.
            chooses: (R,) the replications whose devices choose; by default all.
        """
        state = self.state
        path_gain = np.where(np.isinf(distance_m), 0.0, state.path_gain)
        station = self.association.associate(distance_m, path_gain, chooses)
        before, present = state.cells, state.present
        if chooses is not None:
            station = np.where(chooses[:, None], station, before.station)
        if present is not before.present or not before.complete:
            station = np.where(present, station, before.station)
        if present is not before.present or not np.array_equal(station, before.station):
            state.cells = Cells(station, state.path_gain.shape[2], present)

    def change_carbon(self, now_ns: int) -> None:
        """The intensity changes, and devices whose association follows it choose anew.

        Where it was and is the same at all stations, nobody has a reason to.
        """
        state = self.state
        before = state.carbon_g_per_j
        self.update_carbon(now_ns)
        if not follows_carbon(self.association):
            return
        both = np.stack([before, state.carbon_g_per_j])
        chooses = (before != both[1]).any(axis=1) & (both != both[..., :1]).any(axis=(0, 2))
        if chooses.any():
            self.associate(self.topology.distance_m(state.position_m), chooses)

    def update_carbon(self, now_ns: int) -> None:
        """The intensity that holds from now on."""
        self.state.carbon_g_per_j = spread(self.carbon.at(now_ns), self.state.carbon_g_per_j.shape)

    def slot_carbon_g_per_j(self) -> FloatArray:
        """(R, B) the time-weighted mean intensity over the slot that ends, C_IE of C(9)."""
        present, start_ns = self.state.carbon_g_per_j, self.slot_start_ns
        end_ns = start_ns + self.slot_ns
        change_ns = self.carbon.next_change_ns(start_ns)
        if change_ns is None or change_ns >= end_ns:
            return present
        return spread(self.carbon.mean(start_ns, end_ns), present.shape)

    def stations_seen(self, view: TwinView) -> StationsSeen | None:
        """What a policy is shown of the stations' power."""
        if self.power is None:
            return None
        return self.power.seen(
            view.stations, self.topology.station_position_m, self.topology.coverage_m
        )

    @abstractmethod
    def update_channel(self) -> None:
        """Channel gains after path gains or fading have changed."""

    @abstractmethod
    def leave(self, left: BoolArray) -> None:
        """Devices leave, as a slot begins.

        Args:
            left: (R, N) those that were there in the slot before.
        """

    @abstractmethod
    def fade(self) -> None:
        """A new coherence block."""

    @abstractmethod
    def arrive(self) -> None:
        """Tasks of the slot that begins."""

    @abstractmethod
    def observation(self, view: TwinView) -> Any:
        """What the policy is shown of what the twin knows."""

    @abstractmethod
    def check(self, decision: Any) -> Any:
        """A decision as `begin_slot` wants it: one that the network can carry out.

        Raises:
            AnswerError: nothing that a network could do.
        """

    @abstractmethod
    def begin_slot(self, decision: Any, observation: Any) -> None:
        """Make a checked decision physical: it holds for the slot that begins."""

    @abstractmethod
    def transmit(self) -> None:
        """What the radios could send in the slot that ends."""

    @abstractmethod
    def serve_devices(self) -> None:
        """What the devices executed and sent."""

    @abstractmethod
    def serve_stations(self) -> None:
        """What the stations executed, and what they received."""

    @abstractmethod
    def end_slot(self) -> tuple[SlotColumns, TaskTable]:
        """Account the slot; the state becomes that at the start of the next one.

        Returns:
            The trace variables of the slot, and the tasks that ended in it.
        """

    @abstractmethod
    def unfinished(self) -> Iterator[TaskTable]:
        """The tasks still in the network, some at a time; asked for once, at the end of the run."""
