"""World A: a stream of bits, queued at devices and stations, over an OFDMA network."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.clock import Turn
from ..core.compiled import compiled
from ..core.recorder import TaskTable
from ..models.arrivals import Arrivals, Tasks
from ..models.battery import Battery
from ..models.carbon import JOULES_PER_KWH
from ..models.fading import Fading
from ..models.failures import Failures
from ..state import Columns
from ..twin.deviation import Deviation
from ..twin.twin import Sight
from ..world import Change, World
from .decision import Decision, check, fit
from .energy import within_battery
from .ledger import TaskLedger
from .network import Network
from .observation import Observation
from .outcome import Outcome, carry_out
from .problem import DriftPlusPenalty
from .queues import after_slot
from .state import StreamState


@dataclass
class StreamWorld(World):
    """The world of paper A.

    Attributes:
        network: sizes, capacities and constants.
        problem: P2, by which a slot's outcome is scored.
        fading: gains around the mean.
        arrivals: when tasks arrive, and how large they are.
        ledger: whose bits lie in the queues.
        battery: None on mains.
        failures: None where no station ever fails.
        device_cpu: deviation of the devices' CPUs from what the twin believes.
        edge_cpu: the same of the edge CPUs.
        record_gain: whether the (R, N, B) channel gains are recorded.
    """

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

    def changes(self) -> dict[Turn, Change]:
        """Carbon intensity, and failures."""
        changes = super().changes()
        if (failures := self.failures) is not None:
            changes[Turn.FAILURES] = Change(
                failures.next_change_ns, lambda now_ns: self.fail(failures, now_ns)
            )
        return changes

    def fail(self, failures: Failures, now_ns: int) -> None:
        """Stations fail or are repaired, which takes effect from the next slot on."""
        state = self.state
        was_up, state.station_up = state.station_up, failures.change(now_ns)
        lost = was_up & ~state.station_up & failures.loses
        state.lost_bits = state.lost_bits + np.where(lost, state.station_queue_bits, 0.0)
        state.station_queue_bits = np.where(lost, 0.0, state.station_queue_bits)
        self.ledger.lose(lost)
        self.update_channel()
        changed = (was_up != state.station_up).any(axis=1)
        self.associate(self.topology.distance_m(state.position_m), changed)

    def arrive(self) -> None:
        """Tasks arrive during the slot that begins; they are let in at its end."""
        self._arriving = self.arrivals.slot(self.state.slot)

    def observation(self, sight: Sight) -> Observation:
        """The twin's columns, the running ratio eta, and the perturbation beta that it predicts."""
        devices, stations = sight.devices, sight.stations
        ratio, earlier = _energy_per_bit(
            devices["total_energy_j"],
            devices["total_departed_bits"],
            devices["energy_j"],
            devices["departed_bits"],
        )
        beta = self.problem.perturbation_bits(earlier, devices["departed_bits"])
        return Observation(
            slot=sight.slot,
            time_s=sight.time_s,
            cells=sight.cells,
            channel_gain=read_only(devices["channel_gain"]),
            queue_bits=read_only(devices["queue_bits"]),
            station_queue_bits=read_only(stations["station_queue_bits"]),
            station_up=read_only(stations["station_up"]),
            power_max_w=read_only(devices["power_max_w"]),
            position_m=read_only(devices["position_m"]),
            battery_j=read_only(devices["battery_j"]),
            arrived_bits=read_only(devices["arrived_bits"]),
            departed_bits=read_only(devices["departed_bits"]),
            energy_per_bit_j=read_only(ratio),
            perturbation_bits=read_only(beta),
            carbon_g_per_j=read_only(stations["carbon_g_per_j"]),
            age_s=sight.age_s,
            station_age_s=sight.station_age_s,
        )

    def check(self, decision: Any) -> Decision:
        """Refuse what no network can do."""
        return check(decision, self.network)

    def carry_out(self, decision: Decision, observation: Observation) -> tuple[Columns, TaskTable]:
        """Make the decision physical, serve, account, and let in what arrived."""
        state, network = self.state, self.network
        fitted, scaled = fit(
            decision, network, state.cells, state.power_max_w, state.station_queue_bits
        )
        outcome = carry_out(
            network, state.cells, state.channel_gain, state.queue_bits, self._real(fitted)
        )
        ended = self.ledger.serve(
            state.slot,
            state.cells.station,
            outcome.local_bits,
            outcome.offloaded_bits,
            outcome.station_served_bits,
        )
        departed, energy = outcome.departed_bits, outcome.energy_j
        left = np.maximum(state.queue_bits - departed, 0.0)
        admission = self.ledger.admit(self._arriving, left)
        columns: Columns = {
            "queue_bits": state.queue_bits,
            "station_queue_bits": state.station_queue_bits,
            "arrived_bits": admission.arrived_bits,
            "dropped_bits": admission.dropped_bits,
            "local_bits": outcome.local_bits,
            "offloaded_bits": outcome.offloaded_bits,
            "station_served_bits": outcome.station_served_bits,
            "station": state.cells.station,
            "rate_bps": outcome.rate_bps,
            "bandwidth_hz": outcome.bandwidth_hz,
            "power_w": outcome.power_w,
            "local_cpu_hz": outcome.local_cpu_hz,
            "edge_cpu_hz": outcome.edge_cpu_hz,
            "local_energy_j": outcome.local_energy_j,
            "offload_energy_j": outcome.offload_energy_j,
            "emission_mg": _emission_mg(energy, state.cells.station, state.carbon_g_per_j),
            "carbon_g_per_kwh": state.carbon_g_per_j * JOULES_PER_KWH,
            "twin_age_s": observation.age_s,
            "x_m": state.position_m[..., 0],
            "y_m": state.position_m[..., 1],
            "energy_per_bit_j": observation.energy_per_bit_j,
            "perturbation_bits": observation.perturbation_bits,
            "scaled": scaled,
            "objective": self.problem.objective(
                outcome,
                state.queue_bits,
                state.station_queue_bits,
                observation.perturbation_bits,
                observation.energy_per_bit_j,
                admission.arrived_bits,
            ),
        }
        if self.failures is not None:
            columns["station_up"] = state.station_up
            columns["lost_bits"] = state.lost_bits
        if self.battery is not None:
            columns["battery_j"] = state.battery_j
            columns["power_max_w"] = state.power_max_w
        if self.record_gain:
            columns["channel_gain"] = state.channel_gain
        columns.update(decision.diagnostics)
        self._go_on(outcome, departed, energy, admission.arrived_bits)
        return columns, ended

    def unfinished(self) -> TaskTable:
        """The tasks still in a queue."""
        return self.ledger.pending()

    def _go_on(
        self, outcome: Outcome, departed: FloatArray, energy: FloatArray, arrived: FloatArray
    ) -> None:
        """The state at the start of the next slot, A(5) and A(6)."""
        state = self.state
        state.slot += 1
        state.queue_bits = after_slot(state.queue_bits, departed, arrived)
        state.station_queue_bits = after_slot(
            state.station_queue_bits, outcome.station_served_bits, outcome.station_inflow_bits
        )
        state.lost_bits = np.zeros(state.lost_bits.shape)
        state.arrived_bits = arrived
        state.departed_bits = departed
        state.energy_j = energy
        state.total_energy_j = state.total_energy_j + energy
        state.total_departed_bits = state.total_departed_bits + departed
        if self.battery is not None:
            used = outcome.local_energy_j + outcome.radio_energy_j
            state.battery_j = self.battery.after_slot(state.battery_j, used)
            state.power_max_w = self.battery.power_max_w(state.battery_j)

    def _real(self, decision: Decision) -> Decision:
        """What the hardware makes of it: stations down, CPUs' real speeds, batteries' limits."""
        if self.failures is not None:
            up = self.state.station_up.astype(np.float64)
            here = self.state.cells.at_station(up)
            decision = replace(
                decision,
                bandwidth_hz=decision.bandwidth_hz * here,
                edge_cpu_hz=decision.edge_cpu_hz * here,
                served_bits=decision.served_bits * up,
            )
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
