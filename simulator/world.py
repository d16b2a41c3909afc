"""The physical network: its models, its columns, and what one slot does to them."""

from dataclasses import dataclass, field, replace

import numpy as np

from .arrays import FloatArray, IntArray
from .association import Association
from .battery import Battery
from .carbon import CarbonIntensity
from .cells import Cells
from .clock import NANOSECONDS
from .decision import Decision, fit
from .deviation import Deviation
from .energy import within_battery
from .fading import Fading, PathLoss
from .ledger import TaskLedger
from .mobility import Mobility
from .network import Network
from .outcome import Outcome, carry_out
from .queues import after_slot
from .recorder import TaskTable
from .state import State
from .topology import Topology
from .traffic import Arrivals, Tasks


@dataclass(frozen=True)
class SlotReport:
    """What one slot did.

    Attributes:
        outcome: bits, rates and energies.
        arrived_bits: (R, N) lambda_i, admitted to the queues at the slot's end.
        dropped_bits: (R, N) arrived, but found the buffer full.
        emission_mg: (R, N) CO2 of the energy spent for the device's tasks.
        scaled: (R,) entries of the decision that exceeded a capacity.
        ended: the tasks that ended in this slot.
    """

    outcome: Outcome
    arrived_bits: FloatArray
    dropped_bits: FloatArray
    emission_mg: FloatArray
    scaled: IntArray
    ended: TaskTable


@dataclass
class World:
    """The models of a network and its state, all replications in lock-step.

    Every method replaces columns of `state`; none writes into one.
    """

    network: Network
    topology: Topology
    path_loss: PathLoss
    fading: Fading
    mobility: Mobility
    association: Association
    arrivals: Arrivals
    carbon: CarbonIntensity
    battery: Battery | None
    device_cpu: Deviation
    edge_cpu: Deviation
    ledger: TaskLedger
    state: State
    arriving: Tasks = field(init=False)

    def arrive(self) -> None:
        """The tasks that arrive during the slot that begins; they are let in at its end."""
        self.arriving = self.arrivals.slot(self.state.slot)

    def move(self, elapsed_ns: int) -> None:
        """Devices move; path gains and the association follow."""
        position = self.mobility.advance(self.state.position_m, elapsed_ns / NANOSECONDS)
        distance = self.topology.distance_m(position)
        self.state.position_m = position
        self.state.path_gain = self.path_loss.gain(distance)
        self.state.channel_gain = self.state.path_gain * self.state.fading
        station = self.association.associate(distance, self.state.path_gain)
        if not np.array_equal(station, self.state.cells.station):
            self.state.cells = Cells(station, self.network.stations)

    def fade(self) -> None:
        """A new coherence block."""
        self.state.fading = self.fading.next()
        self.state.channel_gain = self.state.path_gain * self.state.fading

    def update_carbon(self, now_ns: int) -> None:
        """The intensity that holds from now on."""
        self.state.carbon_g_per_j = np.broadcast_to(
            self.carbon.at(now_ns), self.state.station_queue_bits.shape
        )

    def carry_out(self, decision: Decision) -> SlotReport:
        """One slot: make the decision physical, serve, account, and let in what arrived."""
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
        departed = outcome.departed_bits
        left = np.maximum(state.queue_bits - departed, 0.0)
        admission = self.ledger.admit(self.arriving, left)
        energy = outcome.energy_j
        report = SlotReport(
            outcome=outcome,
            arrived_bits=admission.arrived_bits,
            dropped_bits=admission.dropped_bits,
            emission_mg=energy * (state.cells.at_station(state.carbon_g_per_j) * 1e3),
            scaled=scaled,
            ended=ended,
        )
        state.slot += 1
        state.queue_bits = after_slot(state.queue_bits, departed, report.arrived_bits)
        state.station_queue_bits = after_slot(
            state.station_queue_bits, outcome.station_served_bits, outcome.station_inflow_bits
        )
        state.arrived_bits = report.arrived_bits
        state.departed_bits = departed
        state.total_energy_j = state.total_energy_j + energy
        state.total_departed_bits = state.total_departed_bits + departed
        if self.battery is not None:
            used = outcome.local_energy_j + outcome.radio_energy_j
            state.battery_j = self.battery.after_slot(state.battery_j, used)
            state.power_max_w = self.battery.power_max_w(state.battery_j)
        return report

    def _real(self, decision: Decision) -> Decision:
        """What the hardware makes of it: the CPUs' real speeds, and the battery's limits."""
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
