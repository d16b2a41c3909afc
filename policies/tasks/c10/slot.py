"""One slot of C(10), the data of every decision: for one replication, or for R of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray
from ....simulator.network.spectral_efficiency import SpectralEfficiency
from ....simulator.tasks.channel import MrcChannel, rates_bps
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.network import TaskNetwork, Tasks
from ....simulator.tasks.observation import TaskObservation
from ....simulator.tasks.outcome import TaskOutcome, evaluate


@dataclass(frozen=True)
class Slot:
    """C(10) in one slot. Columns are (R, N), or (N,) for a single replication.

    Attributes:
        network: capacities and limits.
        tasks: (…, N) columns.
        channel: (…, N) and (…, N, N) gains.
        carbon_g_per_j: eta C_IE of C(9), a number or (…, 1).
    """

    network: TaskNetwork
    tasks: Tasks
    channel: MrcChannel
    carbon_g_per_j: FloatArray | float

    def evaluate(self, decision: TaskDecision) -> TaskOutcome:
        """C(2) to C(10f) of a decision, whose columns may be (…, N)."""
        return evaluate(self.network, self.tasks, self.channel, self.carbon_g_per_j, decision)

    def rates_bps(self, power_w: FloatArray) -> FloatArray:
        """(…, N) C(2), bit/s, of (…, N) powers."""
        return rates_bps(self.network, self.channel, power_w)

    def rows(self, chosen: BoolArray | int) -> "Slot":
        """Those replications of R that are chosen, by an (R,) mask or a number."""
        tasks, channel, carbon = self.tasks, self.channel, self.carbon_g_per_j
        return Slot(
            self.network,
            Tasks(tasks.bits[chosen], tasks.cycles[chosen], tasks.deadline_s[chosen]),
            MrcChannel(channel.gain[chosen], channel.interference_gain[chosen]),
            carbon[chosen] if isinstance(carbon, np.ndarray) else carbon,
        )

    def relaxed(self, factor: float) -> "Slot":
        """The limits that a decision can miss, relaxed by the same factor: (10b) to (10d) and f_min.

        P_max, f_max and F_max are not among them: a decision beyond them is scaled down.
        """
        network, tasks = self.network, self.tasks
        return replace(
            self,
            network=replace(
                network,
                energy_max_j=network.energy_max_j * factor,
                rate_min_bps=network.rate_min_bps / factor,
                device_cpu_min_hz=network.device_cpu_min_hz / factor,
            ),
            tasks=replace(tasks, deadline_s=tasks.deadline_s * factor),
        )

    def arrays(self) -> "SlotArrays":
        """The same for compiled functions, which would be compiled again for columns that are read-only.

        (N,) columns of a single replication.
        """
        network, tasks = self.network, self.tasks
        floor_bps = network.rate_min_bps if network.rate_floor == "all" else 0.0
        return SlotArrays(
            gain=np.array(self.channel.gain),
            cross_gain=np.array(self.channel.interference_gain, order="C"),
            bits=np.array(tasks.bits),
            cycles=np.array(tasks.cycles),
            deadline_s=np.array(tasks.deadline_s),
            floor_bps=np.full(network.devices, floor_bps),
            power_max_w=np.array(network.device_power_max_w),
            bandwidth_hz=network.bandwidth_hz,
            noise_w=network.noise_w,
            theta_server=network.theta_server,
            server_cpu_hz=network.server_cpu_hz,
            rate_min_bps=network.rate_min_bps,
            energy_max_j=network.energy_max_j,
            efficiency=network.efficiency,
        )


class SlotArrays(NamedTuple):
    """A slot of one replication, as compiled functions take it.

    Attributes:
        gain: (N,) ||h_m||^2.
        cross_gain: (N, N) |h_m^H h_n|^2 / ||h_m||^2, by interferer.
        bits: (N,) S_m.
        cycles: (N,) C_m.
        deadline_s: (N,) D_m.
        floor_bps: (N,) the least rate of a device that does not offload; offloaders have R_min.
        power_max_w: (N,) P_max.
        bandwidth_hz: B.
        noise_w: N_0.
        theta_server: theta_0.
        server_cpu_hz: F_max.
        rate_min_bps: R_min.
        energy_max_j: E_max.
        efficiency: what links carry at most, bit/s/Hz.
    """

    gain: FloatArray
    cross_gain: FloatArray
    bits: FloatArray
    cycles: FloatArray
    deadline_s: FloatArray
    floor_bps: FloatArray
    power_max_w: FloatArray
    bandwidth_hz: float
    noise_w: float
    theta_server: float
    server_cpu_hz: float
    rate_min_bps: float
    energy_max_j: float
    efficiency: SpectralEfficiency


def observed(network: TaskNetwork, observation: TaskObservation) -> Slot:
    """The slot of all R replications as the twin shows it."""
    return Slot(network, observation.tasks, observation.channel, observation.carbon_g_per_j)


def unstack(network: TaskNetwork, observation: TaskObservation) -> Iterator[Slot]:
    """One slot for each replication, with (N,) columns and a number for the carbon intensity."""
    together = observed(network, observation)
    for r, (carbon_g_per_j,) in enumerate(observation.carbon_g_per_j.tolist()):
        yield replace(together.rows(r), carbon_g_per_j=carbon_g_per_j)


def stack(decisions: Sequence[TaskDecision], diagnostics: Mapping[str, FloatArray]) -> TaskDecision:
    """R decisions of (N,) columns as one of (R, N), with (R,) diagnostics."""
    return TaskDecision(
        power_w=np.stack([one.power_w for one in decisions]),
        offload=np.stack([one.offload for one in decisions]),
        local_cpu_hz=np.stack([one.local_cpu_hz for one in decisions]),
        edge_cpu_hz=np.stack([one.edge_cpu_hz for one in decisions]),
        diagnostics=diagnostics,
    )
