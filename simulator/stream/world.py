"""The stream problem's world: bits queued at devices and stations, over an OFDMA network."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, IntArray, read_only, remainder
from ..core.columns import ColumnBlocks
from ..core.errors import AnswerError
from ..core.recorder import SlotColumns, TaskTable
from ..models.arrivals import Arrivals, Tasks
from ..models.association import follows_carbon
from ..models.battery import Battery
from ..models.fading import Fading
from ..models.failures import Availability, Failures
from ..models.station_power import SlotPower, StationPower
from ..network.cells import Cells, of_present
from ..network.network import Network
from ..twin.deviation import Deviation
from ..twin.twin import TwinView
from ..world import World
from . import slot_columns as at
from .account import account
from .decision import Decision, fit
from .energy import within_battery
from .ledger import TaskLedger
from .observation import Observation
from .outcome import serve, transmit
from .problem import DriftPlusPenalty
from .queues import stations_after_service
from .state import StreamState

AbsentQueue = Literal["wait", "hand-over", "lost"]

_OF_PRESENT = ("queue_bits", "power_max_w", "arrived_bits", "departed_bits", "energy_j")
"""Columns that an absent device has no part in."""

_NO_COLUMNS = ("slot", "time_s", "cells", "power")
_columns = attrgetter(*(one.name for one in fields(Observation) if one.name not in _NO_COLUMNS))
"""All columns of an observation."""

_DECIDED = ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz")


@dataclass(slots=True)
class Slot:
    """A slot under way: what was decided, what was true when it began, and how far its service is.

    Attributes:
        observation: what was decided upon.
        decision: what the hardware makes of it, before stations fail.
        scaled: (R,) how many entries were scaled down to a capacity.
        cells: the association at its beginning, for which resources were shared out.
        station_up: (R, B) at its beginning.
        channel_gain: (R, N, B) power gains, those to stations that are down for all of it zero.
        columns: (DEVICE_ROWS, R, N) of the devices, filled process by process; see `slot_columns`.
        station_columns: (STATION_ROWS, R, B) likewise.
        lost_bits: (R, B) lost within it, by stations that failed.
        availability: when stations were up; None where none ever fails.
        power: what stations drew; None where nothing is said of it.
        ended: the tasks that ended.
    """

    observation: Observation
    decision: Decision
    scaled: IntArray
    cells: Cells
    station_up: BoolArray
    channel_gain: FloatArray
    columns: FloatArray
    station_columns: FloatArray
    lost_bits: FloatArray
    availability: Availability | None = None
    power: SlotPower | None = None
    ended: TaskTable = field(init=False)


@dataclass
class StreamWorld(World):
    """The world of the stream problem (paper A).

    Attributes:
        network: sizes, capacities and constants.
        problem: P2, by which a slot's outcome is scored.
        fading: gains around the mean.
        arrivals: when tasks arrive, and how large they are.
        ledger: whose bits lie in the queues.
        battery: None on mains.
        failures: which stations are up; None where none ever fails.
        absent_queue: what becomes of the queue of a device that leaves.
        device_cpu: deviation of the devices' CPUs from what the twin believes.
        edge_cpu: the same of the edge CPUs.
        record_gain: whether the (R, N, B) channel gains are recorded.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        *World.remembers,
        "fading",
        "ledger",
        "battery",
        "failures",
    )

    state: StreamState
    network: Network
    problem: DriftPlusPenalty
    fading: Fading
    arrivals: Arrivals
    ledger: TaskLedger
    battery: Battery | None
    failures: Failures | None
    absent_queue: AbsentQueue
    device_cpu: Deviation
    edge_cpu: Deviation
    record_gain: bool
    _arriving: Tasks = field(init=False)
    _slot: Slot = field(init=False)

    def update_channel(self) -> None:
        """h_ij r_ij^-alpha; nothing is heard of a station that is down."""
        state = self.state
        state.channel_gain = state.path_gain * state.fading
        if self.failures is not None:
            state.channel_gain = state.channel_gain * state.station_up[:, None, :]

    def fade(self) -> None:
        """A new coherence block."""
        self.state.fading = self.fading.next()
        self.update_channel()

    def associate(self, distance_m: FloatArray, chooses: BoolArray | None = None) -> None:
        """Devices choose among the stations that are up, and those that they wait for, by (R, N, B) m.

        `chooses` is (R,): the replications for which it is time to; all by default.
        """
        if self.failures is not None:
            down = ~self.state.station_up
            gone = (self.failures.reassociates & down)[:, None, :]
            if follows_carbon(self.association):
                gone = self._not_by_carbon(distance_m, down, gone)
            distance_m = np.where(gone, np.inf, distance_m)
        if self.power is not None:
            distance_m = np.where(self.power.open[:, None, :], distance_m, np.inf)
        super().associate(distance_m, chooses)

    def _not_by_carbon(self, distance_m: FloatArray, down: BoolArray, gone: BoolArray) -> BoolArray:
        """(R, N, B) what is not to be chosen, however green: who waits goes on to wait, while it is covered.

        Nobody goes to a station that is down. `gone`, (R, 1, B), are those that nobody waits for.
        """
        own = self.state.cells.station[..., None] == np.arange(distance_m.shape[2])
        waits = own & down[:, None, :] & ~gone & (distance_m < self.topology.coverage_m)
        return np.where(waits.any(axis=2, keepdims=True), ~waits, down[:, None, :])

    def fail_or_repair(self, failures: Failures, now_ns: int) -> None:
        """Stations fail or are repaired now.

        Who is associated with them looks for another station, and shares its resources from the next
        slot on. Within a slot, `serve_stations` has what is lost.
        """
        state = self.state
        was_up, lost = failures.up, failures.change(now_ns)
        state.station_up = failures.up
        if now_ns == self.slot_start_ns:
            state.lost_bits = state.lost_bits + np.where(lost, state.station_queue_bits, 0.0)
            state.station_queue_bits = np.where(lost, 0.0, state.station_queue_bits)
            self.ledger.lose(lost)
        self.update_channel()
        changed = (was_up != state.station_up).any(axis=1)
        self.associate(self.topology.distance_m(state.position_m), changed)

    def leave(self, left: BoolArray) -> None:
        """The queues of those of (R, N) that leave wait, are handed over to their stations, or are lost.

        A station that is down takes over none, which then waits.
        """
        state = self.state
        if self.absent_queue == "wait":
            return
        hands_over = self.absent_queue == "hand-over"
        if hands_over:
            left = left & np.take_along_axis(state.station_up, state.cells.station, axis=1)
        state.left_bits = np.where(left, state.queue_bits, 0.0)
        state.queue_bits = np.where(left, 0.0, state.queue_bits)
        if hands_over:
            handed_bits = state.cells.total(state.left_bits)
            state.station_queue_bits = state.station_queue_bits + handed_bits
        self.ledger.leave(left, state.cells.station if hands_over else None)

    def arrive(self) -> None:
        """Tasks arrive during the slot that begins; they are let in at its end."""
        self._arriving = self.arrivals.slot(self.state.slot)

    def observation(self, view: TwinView) -> Observation:
        """The twin's columns, the running ratio eta, and the perturbation beta that it predicts.

        An absent device has nothing to do, nothing to do it with, and did nothing in the last slot.
        """
        devices, stations, cells = view.devices, view.stations, view.cells
        if not cells.complete:
            devices = devices | cells.of_present({name: devices[name] for name in _OF_PRESENT})
        energy_per_bit_j, perturbation_bits = self.problem.predict(
            devices["total_energy_j"],
            devices["total_departed_bits"],
            devices["energy_j"],
            devices["departed_bits"],
        )
        observation = Observation(
            view.slot,
            view.time_s,
            cells,
            devices["channel_gain"],
            devices["queue_bits"],
            stations["station_queue_bits"],
            stations["station_up"],
            devices["power_max_w"],
            devices["position_m"],
            devices["battery_j"],
            devices["arrived_bits"],
            devices["departed_bits"],
            energy_per_bit_j,
            perturbation_bits,
            stations["carbon_g_per_j"],
            view.age_s,
            view.station_age_s,
            power=self.stations_seen(view),
        )
        for column in _columns(observation):
            column.setflags(False)  # as `read_only`
        return observation

    def check(self, decision: Any) -> tuple[Decision, IntArray]:
        """Refuse what no network can do, scale down what exceeds a capacity; shapes as of `decision.fit`."""
        state = self.state
        if isinstance(decision, Decision) and decision.awake is not None:
            if self.power is None:
                what = "no station may sleep; allowed: None, without `stations.sbs.power.sleep`"
                raise AnswerError("awake", what)
            decision = replace(decision, awake=self.power.ordered(decision.awake))
        return fit(decision, self.network, state.cells, state.power_max_w, state.station_queue_bits)

    def begin_slot(self, decision: tuple[Decision, IntArray], observation: Observation) -> None:
        """CPUs run at their real speeds, batteries set limits; the (R, N) decision is what `check` gave."""
        state = self.state
        fitted, scaled = decision
        if self.failures is not None:
            self.failures.begin_slot()
        if self.power is not None:
            fitted = self._order_sleep(fitted, self.power)
        self._slot = Slot(
            observation,
            self._by_hardware(fitted),
            scaled,
            state.cells,
            state.station_up,
            state.channel_gain,
            np.empty((at.DEVICE_ROWS, *state.queue_bits.shape)),
            np.empty((at.STATION_ROWS, *state.station_queue_bits.shape)),
            self._none_lost,
        )

    def transmit(self) -> None:
        """A(3) and A(4), for as long as a device's station is up."""
        state, slot = self.state, self._slot
        share = self._always
        if self.failures is not None:
            slot.availability = self.failures.availability(self.slot_start_ns, self.slot_ns)
            share = slot.availability.share
            self._with_failures(slot, slot.availability)
        transmit(
            self.network,
            slot.cells,
            slot.channel_gain,
            state.queue_bits,
            slot.decision,
            share,
            slot.columns,
        )

    def serve_devices(self) -> None:
        """A(5), A(8) to A(11)."""
        slot = self._slot
        serve(
            self.network,
            slot.cells,
            self.state.queue_bits,
            slot.decision,
            slot.columns,
            slot.station_columns[at.INFLOW],
        )

    def serve_stations(self) -> None:
        """A(6), and the tasks that end at devices and stations; a station that fails may lose some."""
        state, slot = self.state, self._slot
        served = slot.decision.served_bits
        slot.ended = self.ledger.serve(
            state.slot,
            slot.cells.station,
            slot.columns[at.LOCAL],
            slot.columns[at.OFFLOADED],
            served,
            slot.availability,
        )
        columns = slot.station_columns
        stations_after_service(state.station_queue_bits, served, columns)
        if slot.availability is not None and (loses := slot.availability.loses).any():
            queue_bits = columns[at.NEXT_STATION_QUEUE]
            kept = columns[at.INFLOW] * (1.0 - slot.availability.lost_share)
            slot.lost_bits = np.where(loses, remainder(queue_bits, kept), 0.0)
            columns[at.NEXT_STATION_QUEUE] = np.where(loses, kept, queue_bits)

    def end_slot(self) -> tuple[SlotColumns, TaskTable]:
        """Energy, emission and P2's value; what arrived is let in, A(5)."""
        state, slot = self.state, self._slot
        columns, station_columns = slot.columns, slot.station_columns
        self.ledger.admit(
            self._arriving_at(slot.cells),
            state.queue_bits,
            columns[at.DEPARTED],
            columns[at.ADMITTED],
        )
        network_columns = np.empty((at.NETWORK_ROWS, len(slot.scaled)))
        if self.power is not None:
            slot.power = self._powered(slot, self.power)
        account(
            self.problem,
            state,
            slot.observation,
            slot.decision,
            slot.scaled,
            slot.cells.station,
            self.slot_carbon_g_per_j(),
            columns,
            station_columns,
            network_columns,
        )
        self._emit(slot)
        recorded = self._recorded(slot, network_columns)
        state.slot += 1
        state.queue_bits = columns[at.NEXT_QUEUE]
        state.station_queue_bits = station_columns[at.NEXT_STATION_QUEUE]
        state.lost_bits = slot.lost_bits
        state.left_bits = self._none_left
        state.arrived_bits = columns[at.ARRIVED]
        state.departed_bits = columns[at.DEPARTED]
        state.energy_j = columns[at.TOTAL_J]
        state.total_energy_j = columns[at.ALL_J]
        state.total_departed_bits = columns[at.ALL_DEPARTED]
        if self.battery is not None:
            used = columns[at.LOCAL_J] + columns[at.RADIO_J]
            charge_j = self.battery.after_slot(state.battery_j, used)
            if not slot.cells.complete:
                charge_j = np.where(slot.cells.present, charge_j, state.battery_j)
            state.battery_j = charge_j
            state.power_max_w = self.battery.power_max_w(state.battery_j)
        if self.power is not None:
            changed = self.power.end_slot(self.slot_start_ns, state.station_queue_bits)
            state.power = self.power.reported()
            if changed.any():
                self.associate(self.topology.distance_m(state.position_m), changed)
        del self._slot
        return recorded, slot.ended

    def unfinished(self) -> Iterator[TaskTable]:
        """The tasks still in a queue."""
        return self.ledger.pending()

    def _recorded(self, slot: Slot, network_columns: FloatArray) -> SlotColumns:
        """The trace variables of a slot; `state` is still that at its beginning."""
        state, stations = self.state, slot.station_columns
        layout, of_stations = at.LAYOUT, at.TRACED_STATION
        others: dict[str, NDArray[Any]] = dict(slot.decision.diagnostics)
        if slot.availability is not None:
            layout, of_stations = at.LAYOUT_WITH_FAILURES, at.TRACED_FAILING_STATION
            stations[at.UP] = slot.station_up
            stations[at.AVAILABILITY] = slot.availability.share
            stations[at.LOST] = state.lost_bits
        if self.battery is not None:
            others["battery_j"] = state.battery_j
            others["power_max_w"] = state.power_max_w
        if self.tells_presence:
            others["present"] = slot.cells.present
            slot.columns[at.AGE] *= slot.cells.present
            if self.absent_queue != "wait":
                left = "handed_over_bits" if self.absent_queue == "hand-over" else "left_bits"
                others[left] = state.left_bits
        if self.record_gain:
            others["channel_gain"] = slot.channel_gain
        if self.power is not None or self.sci is not None:
            others |= self._accounted(slot)
        for block in (slot.columns, stations, network_columns):
            read_only(block)
        blocks = slot.columns[at.TRACED_DEVICE], stations[of_stations], network_columns
        return ColumnBlocks(layout, blocks, others)

    def device_carbon_g_per_j(self, cells: Cells) -> FloatArray:
        """(R, N) the mean intensity of each device's own electricity over the slot that ends, as accounted."""
        return cells.at_station(self.slot_carbon_g_per_j())

    def _order_sleep(self, decision: Decision, power: StationPower) -> Decision:
        """Stations wake that are to be awake; who is at one that devices may not choose sends nothing."""
        state, covers = self.state, None
        if power.sleep is not None and power.sleep.when == "empty":
            near = self.topology.distance_m(state.position_m) < self.topology.coverage_m
            covers = np.asarray((near & state.cells.present[..., None]).any(axis=1))
        power.begin_slot(decision.awake, covers, self.slot_start_ns)
        if power.open.all():
            return decision
        here = state.cells.at_station(power.open.astype(np.float64))
        return replace(decision, bandwidth_hz=decision.bandwidth_hz * here)

    def _powered(self, slot: Slot, power: StationPower) -> SlotPower:
        """What the stations drew; a radio's load is the share of band and time that its devices send in."""
        columns, network, cells = slot.columns, self.network, slot.cells
        sent, rate = columns[at.OFFLOADED], columns[at.RATE] * self.slot_s
        busy = np.divide(sent, rate, out=np.zeros(sent.shape), where=sent > 0.0)
        radio = cells.total(slot.decision.bandwidth_hz * busy) / network.station_bandwidth_hz
        cpu = slot.decision.served_bits / network.station_service_bits
        tasks_j = cells.total(columns[at.OFFLOAD_J] - columns[at.RADIO_J])
        up = 1.0 if slot.availability is None else slot.availability.share
        carbon = self.slot_carbon_g_per_j()
        return power.account(self.slot_start_ns, (radio, cpu), tasks_j, up, carbon)

    def _emit(self, slot: Slot) -> None:
        """Emission of tasks at stations of which a part is from the grid."""
        if slot.power is not None:
            columns, cells = slot.columns, slot.cells
            edge_j = columns[at.OFFLOAD_J] - columns[at.RADIO_J]
            at_edge = cells.at_station(self.slot_carbon_g_per_j() * slot.power.grid_share)
            own = (columns[at.LOCAL_J] + columns[at.RADIO_J]) * self.device_carbon_g_per_j(cells)
            columns[at.EMISSION] = (own + edge_j * at_edge) * 1e3

    def _accounted(self, slot: Slot) -> dict[str, NDArray[Any]]:
        """The trace variables of stations' power and of the software carbon intensity."""
        columns, found = slot.columns, dict[str, NDArray[Any]]()
        energy_j, emission_g = (
            columns[at.TOTAL_J].sum(axis=1),
            columns[at.EMISSION].sum(axis=1) / 1e3,
        )
        if slot.power is not None:
            assert self.power is not None
            own_j = columns[at.LOCAL_J] + columns[at.RADIO_J]
            own_g = own_j * self.device_carbon_g_per_j(slot.cells)
            found = self.power.columns(slot.power, own_j, own_g)
            energy_j = own_j.sum(axis=1) + slot.power.drawn_j.sum(axis=1)
            emission_g = found["network_emission_mg"] / 1e3
        if self.sci is not None:
            present = slot.cells.present.sum(axis=1)
            found |= self.sci.columns(self.slot_s, present, energy_j, emission_g, slot.ended)
        return found

    @cached_property
    def _always(self) -> FloatArray:
        """(R, B) the availability of stations that never fail."""
        return np.ones((self.network.replications, self.network.stations))

    @cached_property
    def _none_lost(self) -> FloatArray:
        """(R, B) the bits lost where no station fails."""
        return np.zeros((self.network.replications, self.network.stations))

    @cached_property
    def _none_left(self) -> FloatArray:
        """(R, N) the bits that devices lose or hand over where none leaves."""
        return np.zeros((self.network.replications, self.network.devices))

    @cached_property
    def _as_believed(self) -> bool:
        """Whether hardware does what it is told to: CPUs run at their speeds, and no battery is empty."""
        exact = self.device_cpu.is_zero and self.edge_cpu.is_zero
        return bool(exact and self.battery is None)

    def _arriving_at(self, cells: Cells) -> Tasks:
        """The slot's tasks; those of an absent device do not happen."""
        tasks = self._arriving
        if cells.complete:
            return tasks
        happens = cells.present[tasks.replication, tasks.device]
        columns = {one.name: getattr(tasks, one.name) for one in fields(Tasks)}
        return replace(
            tasks, **{name: one[happens] for name, one in columns.items() if one is not None}
        )

    def _by_hardware(self, decision: Decision) -> Decision:
        """What CPUs at their real speeds, and batteries, make of a decision; absent devices nothing."""
        if self.state.cells.complete and self._as_believed:
            return decision
        decision = of_present(self.state.cells, decision, _DECIDED)
        if not (self.device_cpu.is_zero and self.edge_cpu.is_zero):
            decision = replace(
                decision,
                local_cpu_hz=self.device_cpu.real_hz(decision.local_cpu_hz),
                edge_cpu_hz=self.edge_cpu.real_hz(decision.edge_cpu_hz),
            )
        if self.battery is not None:
            local_cpu, power = within_battery(
                self.network, self.state.battery_j, decision.local_cpu_hz, decision.power_w
            )
            decision = replace(decision, local_cpu_hz=local_cpu, power_w=power)
        return decision

    def _with_failures(self, slot: Slot, availability: Availability) -> None:
        """Nothing goes on at a station that is down; one that is up for a part serves in that part."""
        ever = (availability.share > 0.0).astype(np.float64)
        here = slot.cells.at_station(ever)
        slot.decision = replace(
            slot.decision,
            bandwidth_hz=slot.decision.bandwidth_hz * here,
            edge_cpu_hz=slot.decision.edge_cpu_hz * here,
            served_bits=slot.decision.served_bits * availability.serving_share,
        )
        slot.channel_gain = self.state.path_gain * self.state.fading * ever[:, None, :]
