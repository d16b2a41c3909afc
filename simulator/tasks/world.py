"""The task problem's world: one task per device and slot, an MRC uplink to one station, emissions."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ..core.answers import DEVICE, amounts, diagnostics
from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.errors import AnswerError
from ..core.recorder import COUNTED_TASK_ROW, OUTCOMES, TaskTable
from ..models.arrivals import SlotTasks
from ..models.carbon import JOULES_PER_KWH
from ..network.cells import of_present
from ..state import Columns
from ..twin.deviation import Deviation
from ..twin.twin import TwinView
from ..world import World
from .channel import AntennaFading, ComplexArray, MrcChannel, mrc_channel, rates_bps
from .decision import TaskDecision
from .network import TaskNetwork, Tasks
from .observation import TaskObservation
from .outcome import (
    TOLERANCE,
    DeviceService,
    ServerService,
    TaskOutcome,
    account,
    serve_device,
    serve_server,
)
from .state import TaskState

MILLIGRAMS = 1e3


@dataclass(slots=True)
class Slot:
    """A slot under way: what was decided, and how far its service is.

    Attributes:
        observation: what was decided upon.
        decision: scaled down to the capacities.
        scaled: (R,) how many of its entries were scaled down.
        local_hz: (R, N) f + fhat of the devices.
        edge_hz: (R, N) f^0 + fhat^0 of the server.
        rate_bps: (R, N) R_m.
        device: what happened at the devices.
        server: what happened at the server.
    """

    observation: TaskObservation
    decision: TaskDecision
    scaled: IntArray
    local_hz: FloatArray
    edge_hz: FloatArray
    rate_bps: FloatArray = field(init=False)
    device: DeviceService = field(init=False)
    server: ServerService = field(init=False)


@dataclass
class TaskWorld(World):
    """The world of the task problem (paper C).

    Attributes:
        network: capacities and limits of C(10).
        fades: what fades between devices and antennas.
        arrivals: sizes and cycles of the tasks.
        deadline_s: D_max, of tasks that have none of their own.
        device_cpu: fhat of the devices, C(4) and C(7).
        edge_cpu: fhat of the server, C(5) and C(8).
        record_gain: whether the channel gains are recorded.
    """

    remembers: ClassVar[tuple[str, ...]] = (*World.remembers, "fades")

    state: TaskState
    network: TaskNetwork
    fades: AntennaFading
    arrivals: SlotTasks
    deadline_s: float
    device_cpu: Deviation
    edge_cpu: Deviation
    record_gain: bool
    _slot: Slot = field(init=False)

    def update_channel(self) -> None:
        """h_m = sqrt(g_m) hbar_m."""
        self.state.channel = channel_of(self.state.path_gain, self.state.fading)

    def leave(self, left: BoolArray) -> None:
        """Those of (R, N) that leave leave nothing behind: the tasks of a slot have ended with it."""

    def fade(self) -> None:
        """A new coherence block."""
        self.state.fading = self.fades.next()
        self.update_channel()

    def arrive(self) -> None:
        """Every device has a new task."""
        bits, cycles, *own = self.arrivals.next()
        deadline_s = own[0] if own else np.full(bits.shape, np.nan)
        deadline_s = np.where(np.isnan(deadline_s), self.deadline_s, deadline_s)
        self.state.tasks = Tasks(bits, cycles, deadline_s)

    def observation(self, view: TwinView) -> TaskObservation:
        """The twin's columns."""
        columns, cells = view.devices, view.cells
        if not cells.complete:
            present = cells.present
            both = present[:, :, None] & present[:, None, :]
            none = {"interference_gain": np.where(both, columns["interference_gain"], 0.0)}
            none |= cells.of_present({name: columns[name] for name in _OF_PRESENT})
            columns = columns | none
        columns = {name: read_only(column) for name, column in columns.items()}
        return TaskObservation(
            slot=view.slot,
            time_s=view.time_s,
            tasks=Tasks(columns["task_bits"], columns["task_cycles"], columns["deadline_s"]),
            channel=MrcChannel(columns["gain"], columns["interference_gain"]),
            carbon_g_per_j=read_only(view.stations["carbon_g_per_j"]),
            position_m=columns["position_m"],
            last_emission_g=columns["emission_g"],
            age_s=view.age_s,
            present=cells.present,
            power=self.stations_seen(view),
        )

    def check(self, decision: Any) -> TaskDecision:
        """Refuse what no network can do."""
        if not isinstance(decision, TaskDecision):
            found = type(decision).__name__
            raise AnswerError("decision", f"expected a TaskDecision, got {found}")
        shape = self.state.tasks.bits.shape
        converted: dict[str, Any] = {}
        for name in ("power_w", "local_cpu_hz", "edge_cpu_hz"):
            values = getattr(decision, name)
            if (checked := amounts(name, values, shape, DEVICE)) is not values:
                converted[name] = checked
        offload = decision.offload
        if not isinstance(offload, np.ndarray) or offload.dtype != np.bool_:
            found = getattr(offload, "dtype", type(offload).__name__)
            raise AnswerError("offload", f"{found}, expected bool, C(10f)")
        if offload.shape != shape:
            raise AnswerError("offload", f"shape {offload.shape}, expected {shape}")
        given = diagnostics(decision.diagnostics, shape[0])
        if given is not decision.diagnostics:
            converted["diagnostics"] = given
        return replace(decision, **converted) if converted else decision

    def begin_slot(self, decision: TaskDecision, observation: TaskObservation) -> None:
        """Scale down what exceeds a capacity; CPUs run at their real speeds, C(4) and C(5).

        Who is absent has no task in this slot, and does nothing.
        """
        state = self.state
        state.tasks = of_present(state.cells, state.tasks, ("bits", "cycles"))
        decision = of_present(state.cells, decision, _DECIDED)
        fitted, scaled = self._fit(decision)
        self._slot = Slot(
            observation,
            fitted,
            scaled,
            self.device_cpu.real_hz(fitted.local_cpu_hz),
            self.edge_cpu.real_hz(fitted.edge_cpu_hz),
        )

    def transmit(self) -> None:
        """C(2): who transmits disturbs everybody else."""
        slot = self._slot
        slot.rate_bps = rates_bps(self.network, self.state.channel, slot.decision.power_w)

    def serve_devices(self) -> None:
        """C(3), C(4) and C(7)."""
        slot = self._slot
        slot.device = serve_device(
            self.network, self.state.tasks, slot.decision, slot.rate_bps, slot.local_hz
        )

    def serve_stations(self) -> None:
        """C(5) and C(8)."""
        slot = self._slot
        slot.server = serve_server(self.network, self.state.tasks, slot.decision, slot.edge_hz)

    def end_slot(self) -> tuple[Columns, TaskTable]:
        """C(6), C(9) and the limits (10b) to (10e); all tasks of the slot end with it."""
        state, slot = self.state, self._slot
        carbon = self.slot_carbon_g_per_j()
        outcome = account(
            self.network,
            state.tasks,
            carbon,
            slot.decision,
            slot.rate_bps,
            slot.device,
            slot.server,
            None if state.cells.complete else state.cells.present,
        )
        ended = self._ended(slot.decision, outcome)
        outcome, accounted = self._accounted(slot, outcome, carbon, ended)
        columns = {**self._columns(slot, outcome, carbon), **accounted}
        state.slot += 1
        if self.power is not None:
            state.power = self.power.reported()
        state.emission_g = outcome.emission_g
        del self._slot
        return columns, ended

    def unfinished(self) -> Iterator[TaskTable]:
        """None: a slot's tasks end with it."""
        return iter(())

    def _accounted(
        self, slot: Slot, outcome: TaskOutcome, carbon_g_per_j: FloatArray, ended: TaskTable
    ) -> tuple[TaskOutcome, Columns]:
        """What the station drew, and its part in C(9); the terms of the software carbon intensity.

        Its radio's load is the share of the slot in which some device sends its task, its CPU's what
        tasks use of it.
        """
        if self.power is None and self.sci is None:
            return outcome, {}
        decision, tasks_j = slot.decision, outcome.server_energy_j
        energy_j, found = (outcome.energy_j + tasks_j).sum(axis=1), Columns()
        emission_g = outcome.emission_g.sum(axis=1)
        if self.power is not None:
            sends = decision.offload & (decision.power_w > 0.0)
            busy = np.where(sends, np.minimum(outcome.transmission_s / self.slot_s, 1.0), 0.0)
            runs = np.minimum(slot.server.edge_s / self.slot_s, 1.0)
            used = (decision.offload * slot.edge_hz * runs).sum(axis=1, keepdims=True)
            cpu = np.minimum(used / self.network.server_cpu_hz, 1.0)
            power = self.power.account(
                self.slot_start_ns,
                (busy.max(axis=1, keepdims=True), cpu),
                tasks_j.sum(axis=1, keepdims=True),
                1.0,
                carbon_g_per_j,
            )
            own_g = carbon_g_per_j * outcome.energy_j
            at_station = carbon_g_per_j * power.grid_share * tasks_j
            outcome = replace(outcome, emission_g=own_g + at_station)
            found = self.power.columns(power, outcome.energy_j, own_g)
            energy_j = outcome.energy_j.sum(axis=1) + power.drawn_j.sum(axis=1)
            emission_g = found["network_emission_mg"] / MILLIGRAMS
        if self.sci is not None:
            present = self.state.cells.present.sum(axis=1)
            found |= self.sci.columns(self.slot_s, present, energy_j, emission_g, ended)
        return outcome, found

    def _columns(self, slot: Slot, outcome: TaskOutcome, carbon_g_per_j: FloatArray) -> Columns:
        """The trace variables of a slot; `state` is still that at its beginning."""
        state, fitted, scaled = self.state, slot.decision, slot.scaled
        columns: Columns = {
            "serving_station": state.cells.station,
            "task_bits": state.tasks.bits,
            "task_cycles": state.tasks.cycles,
            "deadline_s": state.tasks.deadline_s,
            "offload": fitted.offload,
            "rate_bps": outcome.rate_bps,
            "power_w": fitted.power_w,
            "local_cpu_hz": slot.local_hz,
            "edge_cpu_hz": slot.edge_hz,
            "delay_s": outcome.delay_s,
            "energy_j": outcome.energy_j,
            "server_energy_j": outcome.server_energy_j,
            "emission_mg": outcome.emission_g * MILLIGRAMS,
            "worst_emission_mg": outcome.worst_emission_g * MILLIGRAMS,
            "feasible": outcome.use.feasible,
            "violation": outcome.use.violation,
            "carbon_g_per_kwh": carbon_g_per_j * JOULES_PER_KWH,
            "twin_age_s": slot.observation.age_s,
            "x_m": state.position_m[..., 0],
            "y_m": state.position_m[..., 1],
            "scaled": scaled,
        }
        if self.tells_presence:
            columns["present"] = state.cells.present
            columns["twin_age_s"] = columns["twin_age_s"] * state.cells.present
        if not (self.device_cpu.is_zero and self.edge_cpu.is_zero):
            columns["local_deviation_hz"] = slot.local_hz - fitted.local_cpu_hz
            columns["edge_deviation_hz"] = slot.edge_hz - fitted.edge_cpu_hz
        if self.record_gain:
            columns["channel_gain"] = state.channel.gain[..., None]
            columns["interference_gain"] = state.channel.interference_gain
        return columns | dict(fitted.diagnostics)

    def _fit(self, decision: TaskDecision) -> tuple[TaskDecision, Any]:
        """Scale down what exceeds P_max, a CPU's speed, or F_max, C(10e); (R,) how many entries."""
        network = self.network
        room = 1.0 + TOLERANCE
        over_power = decision.power_w > network.device_power_max_w * room
        over_local = decision.local_cpu_hz > network.device_cpu_max_hz * room
        asked = (decision.offload * decision.edge_cpu_hz).sum(axis=1, keepdims=True)
        over_edge = decision.offload & (asked > network.server_cpu_hz * room)
        scaled = (over_power.astype(int) + over_local + over_edge).sum(axis=1)
        if not scaled.any():
            return decision, scaled
        share = network.server_cpu_hz / np.maximum(asked, network.server_cpu_hz)
        fitted = replace(
            decision,
            power_w=np.minimum(decision.power_w, network.device_power_max_w),
            local_cpu_hz=np.minimum(decision.local_cpu_hz, network.device_cpu_max_hz),
            edge_cpu_hz=np.where(over_edge, decision.edge_cpu_hz * share, decision.edge_cpu_hz),
        )
        return fitted, scaled

    def _ended(self, decision: TaskDecision, outcome: TaskOutcome) -> TaskTable:
        """Every task of the slot: done, late, or lost where it would take for ever."""
        tasks = self.state.tasks
        finite = np.isfinite(outcome.delay_s)
        late = outcome.delay_s > tasks.deadline_s * (1.0 + TOLERANCE)
        arrival_s = self.state.slot * self.slot_s
        ended = np.empty(tasks.bits.shape, COUNTED_TASK_ROW)
        ended["replication"], ended["device"] = np.indices(tasks.bits.shape)
        ended["station"] = np.where(decision.offload, 0, -1)
        ended["outcome"] = np.where(finite, np.where(late, _LATE, _DONE), _LOST)
        ended["arrival_s"] = arrival_s
        ended["completion_s"] = arrival_s + np.where(finite, outcome.delay_s, np.nan)
        ended["bits"] = tasks.bits
        ended["deadline_s"] = arrival_s + tasks.deadline_s
        ended["cycles"] = tasks.cycles
        return ended[self.state.cells.present]


def channel_of(path_gain: FloatArray, fading: ComplexArray) -> MrcChannel:
    """The gains of C(2) from (R, N, 1) path gains and (R, N, L) fading."""
    return mrc_channel(np.sqrt(path_gain) * fading)


_OF_PRESENT = ("task_bits", "task_cycles", "emission_g")
"""Columns that an absent device has no part in."""

_DECIDED = ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz")

_DONE, _LATE, _LOST = (OUTCOMES.index(name) for name in ("done", "late", "lost"))
