"""The stream problem's world: bits queued at devices and stations, over an OFDMA network."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..core.arrays import BoolArray, FloatArray, IntArray, read_only, remainder
from ..core.compiled import compiled
from ..core.recorder import TaskTable
from ..models.arrivals import Arrivals, Tasks
from ..models.battery import Battery
from ..models.carbon import JOULES_PER_KWH
from ..models.fading import Fading
from ..models.failures import Availability, Failures
from ..network.cells import Cells
from ..network.network import Network
from ..state import Columns
from ..twin.deviation import Deviation
from ..twin.twin import TwinView
from ..world import World
from .decision import Decision, check, fit
from .energy import within_battery
from .ledger import Admission, TaskLedger
from .observation import Observation
from .outcome import Outcome, Transmission, serve, transmit
from .problem import DriftPlusPenalty
from .queues import after_service
from .state import StreamState


@dataclass(slots=True)
class Slot:
    """A slot under way: what was decided, what was true when it began, and how far its service is.

    Attributes:
        observation: what was decided upon.
        diagnostics: what the policy records of how it decided.
        decision: what the hardware makes of it, before stations fail.
        scaled: (R,) how many entries were scaled down to a capacity.
        cells: the association at its beginning, for which resources were shared out.
        station_up: (R, B) at its beginning.
        channel_gain: (R, N, B) power gains, those to stations that are down for all of it zero.
        availability: when stations were up; None where none ever fails.
        transmission: what the radios could send.
        outcome: what was served.
        station_queue_bits: (R, B) Q_j at its end.
        lost_bits: (R, B) lost within it, by stations that failed.
        ended: the tasks that ended.
    """

    observation: Observation
    diagnostics: Columns
    decision: Decision
    scaled: IntArray
    cells: Cells
    station_up: BoolArray
    channel_gain: FloatArray
    availability: Availability | None = None
    transmission: Transmission = field(init=False)
    outcome: Outcome = field(init=False)
    station_queue_bits: FloatArray = field(init=False)
    lost_bits: FloatArray = field(init=False)
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
        """Devices choose among the stations that are up, and those that they wait for."""
        if self.failures is not None:
            gone = self.failures.reassociates & ~self.state.station_up
            distance_m = np.where(gone[:, None, :], np.inf, distance_m)
        super().associate(distance_m, chooses)

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

    def arrive(self) -> None:
        """Tasks arrive during the slot that begins; they are let in at its end."""
        self._arriving = self.arrivals.slot(self.state.slot)

    def observation(self, view: TwinView) -> Observation:
        """The twin's columns, the running ratio eta, and the perturbation beta that it predicts."""
        devices, stations = view.devices, view.stations
        ratio, earlier = _energy_per_bit(
            devices["total_energy_j"],
            devices["total_departed_bits"],
            devices["energy_j"],
            devices["departed_bits"],
        )
        beta = self.problem.perturbation_bits(earlier, devices["departed_bits"])
        for column in (*devices.values(), *stations.values(), ratio, beta):
            read_only(column)
        return Observation(
            slot=view.slot,
            time_s=view.time_s,
            cells=view.cells,
            channel_gain=devices["channel_gain"],
            queue_bits=devices["queue_bits"],
            station_queue_bits=stations["station_queue_bits"],
            station_up=stations["station_up"],
            power_max_w=devices["power_max_w"],
            position_m=devices["position_m"],
            battery_j=devices["battery_j"],
            arrived_bits=devices["arrived_bits"],
            departed_bits=devices["departed_bits"],
            energy_per_bit_j=ratio,
            perturbation_bits=beta,
            carbon_g_per_j=stations["carbon_g_per_j"],
            age_s=view.age_s,
            station_age_s=view.station_age_s,
        )

    def check(self, decision: Any) -> Decision:
        """Refuse what no network can do."""
        return check(decision, self.network)

    def begin_slot(self, decision: Decision, observation: Observation) -> None:
        """Scale down what exceeds a capacity; CPUs run at their real speeds, batteries set limits."""
        state = self.state
        fitted, scaled = fit(
            decision, self.network, state.cells, state.power_max_w, state.station_queue_bits
        )
        if self.failures is not None:
            self.failures.begin_slot()
        self._slot = Slot(
            observation,
            dict(decision.diagnostics),
            self._by_hardware(fitted),
            scaled,
            state.cells,
            state.station_up,
            state.channel_gain,
        )

    def transmit(self) -> None:
        """A(3) and A(4), for as long as a device's station is up."""
        state, slot = self.state, self._slot
        share = self._always
        if self.failures is not None:
            slot.availability = self.failures.availability(self.slot_start_ns, self.slot_ns)
            share = slot.availability.share
            self._with_failures(slot, slot.availability)
        slot.transmission = transmit(
            self.network, slot.cells, slot.channel_gain, state.queue_bits, slot.decision, share
        )

    def serve_devices(self) -> None:
        """A(5), A(8) to A(11)."""
        slot = self._slot
        slot.outcome = serve(
            self.network, slot.cells, self.state.queue_bits, slot.decision, slot.transmission
        )

    def serve_stations(self) -> None:
        """A(6), and the tasks that end at devices and stations; a station that fails may lose some."""
        state, slot, outcome = self.state, self._slot, self._slot.outcome
        slot.ended = self.ledger.serve(
            state.slot,
            slot.cells.station,
            outcome.local_bits,
            outcome.offloaded_bits,
            outcome.station_served_bits,
            slot.availability,
        )
        inflow = outcome.station_inflow_bits
        slot.station_queue_bits = after_service(
            state.station_queue_bits, outcome.station_served_bits, inflow
        )
        slot.lost_bits = self._none_lost
        if slot.availability is not None and (loses := slot.availability.loses).any():
            kept = inflow * (1.0 - slot.availability.lost_share)
            slot.lost_bits = np.where(loses, remainder(slot.station_queue_bits, kept), 0.0)
            slot.station_queue_bits = np.where(loses, kept, slot.station_queue_bits)

    def end_slot(self) -> tuple[Columns, TaskTable]:
        """Energy, emission and P2's value; what arrived is let in, A(5)."""
        state, slot, outcome = self.state, self._slot, self._slot.outcome
        departed, energy = outcome.departed_bits, outcome.energy_j
        left = np.maximum(state.queue_bits - departed, 0.0)
        admission = self.ledger.admit(self._arriving, left)
        columns = self._columns(slot, outcome, admission)
        state.slot += 1
        state.queue_bits = after_service(state.queue_bits, departed, admission.arrived_bits)
        state.station_queue_bits = slot.station_queue_bits
        state.lost_bits = slot.lost_bits
        state.arrived_bits = admission.arrived_bits
        state.departed_bits = departed
        state.energy_j = energy
        state.total_energy_j = state.total_energy_j + energy
        state.total_departed_bits = state.total_departed_bits + departed
        if self.battery is not None:
            used = outcome.local_energy_j + outcome.radio_energy_j
            state.battery_j = self.battery.after_slot(state.battery_j, used)
            state.power_max_w = self.battery.power_max_w(state.battery_j)
        del self._slot
        return columns, slot.ended

    def unfinished(self) -> TaskTable:
        """The tasks still in a queue."""
        return self.ledger.pending()

    def _columns(self, slot: Slot, outcome: Outcome, admission: Admission) -> Columns:
        """The trace variables of a slot; `state` is still that at its beginning."""
        state, observation = self.state, slot.observation
        station = slot.cells.station
        carbon = self.slot_carbon_g_per_j()
        columns: Columns = {
            "queue_bits": state.queue_bits,
            "station_queue_bits": state.station_queue_bits,
            "arrived_bits": admission.arrived_bits,
            "dropped_bits": admission.dropped_bits,
            "local_bits": outcome.local_bits,
            "offloaded_bits": outcome.offloaded_bits,
            "station_served_bits": outcome.station_served_bits,
            "serving_station": station,
            "rate_bps": outcome.rate_bps,
            "bandwidth_hz": outcome.bandwidth_hz,
            "power_w": outcome.power_w,
            "local_cpu_hz": outcome.local_cpu_hz,
            "edge_cpu_hz": outcome.edge_cpu_hz,
            "local_energy_j": outcome.local_energy_j,
            "offload_energy_j": outcome.offload_energy_j,
            "emission_mg": _emission_mg(outcome.energy_j, station, carbon),
            "carbon_g_per_kwh": carbon * JOULES_PER_KWH,
            "twin_age_s": observation.age_s,
            "x_m": state.position_m[..., 0],
            "y_m": state.position_m[..., 1],
            "energy_per_bit_j": observation.energy_per_bit_j,
            "perturbation_bits": observation.perturbation_bits,
            "scaled": slot.scaled,
            "objective": self.problem.objective(
                outcome,
                state.queue_bits,
                state.station_queue_bits,
                observation.perturbation_bits,
                observation.energy_per_bit_j,
                admission.arrived_bits,
            ),
        }
        if slot.availability is not None:
            columns["station_up"] = slot.station_up
            columns["station_availability"] = slot.availability.share
            columns["lost_bits"] = state.lost_bits
        if self.battery is not None:
            columns["battery_j"] = state.battery_j
            columns["power_max_w"] = state.power_max_w
        if self.record_gain:
            columns["channel_gain"] = slot.channel_gain
        columns.update(slot.diagnostics)
        return columns

    @cached_property
    def _always(self) -> FloatArray:
        """(R, B) the availability of stations that never fail."""
        return np.ones((self.network.replications, self.network.stations))

    @cached_property
    def _none_lost(self) -> FloatArray:
        """(R, B) the bits lost where no station fails."""
        return np.zeros((self.network.replications, self.network.stations))

    def _by_hardware(self, decision: Decision) -> Decision:
        """What CPUs at their real speeds, and batteries, make of a decision."""
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


@compiled
def _energy_per_bit(
    total_energy_j: FloatArray,
    total_bits: FloatArray,
    energy_j: FloatArray,
    bits: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """(R,) eta_EE and eta'_EE, the ratio one slot earlier, J/bit; zero before the first bit."""
    replications, devices = bits.shape
    ratio = np.zeros((2, replications))
    for r in range(replications):
        joules, joules_before, all_bits, bits_before = 0.0, 0.0, 0.0, 0.0
        for i in range(devices):
            joules += total_energy_j[r, i]
            all_bits += total_bits[r, i]
            # One slot earlier: without the last slot's share.
            joules_before += total_energy_j[r, i] - energy_j[r, i]
            bits_before += total_bits[r, i] - bits[r, i]
        if all_bits > 0.0:
            ratio[0, r] = joules / all_bits
        if bits_before > 0.0:
            ratio[1, r] = joules_before / bits_before
    return ratio[0], ratio[1]


@compiled
def _emission_mg(energy_j: FloatArray, station: IntArray, carbon_g_per_j: FloatArray) -> FloatArray:
    """(R, N) what each device's tasks emit, at its station's intensity."""
    replications, devices = energy_j.shape
    emission = np.empty((replications, devices))
    for r in range(replications):
        for i in range(devices):
            emission[r, i] = energy_j[r, i] * (carbon_g_per_j[r, station[r, i]] * 1e3)
    return emission
