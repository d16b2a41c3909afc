"""The outcome of a decision in the task problem, C(2) to C(9), and its use of the limits of C(10).

Everything acts on the last axis (or two), so a column is (R, N) for R replications or (N,) for one
instance. A device either executes its whole task or offloads it. All devices share the band: who
transmits disturbs everybody else, whether it offloads or only keeps up its rate floor C(10d).
"""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import BoolArray, FloatArray
from .channel import MrcChannel, rates_bps
from .decision import TaskDecision
from .network import TaskNetwork, Tasks

TOLERANCE = 1e-9
"""A limit counts as held if it is exceeded by no more than this, relative."""


@dataclass(frozen=True)
class LimitUse:
    """How much of each limit is used, relative: a limit holds where its use is at most one.

    Attributes:
        delay: (…, N) D_m / D_max, (10b).
        energy: (…, N) E_m / E_max, (10c).
        rate: (…, N) R_min / R_m where the floor applies, else zero, (10d).
        capacity: (…, N) sum of alpha f^0 / F_max, the same for every device that offloads and zero
            for the others, (10e).
        power: (…, N) p_m / P_max.
        local_cpu: (…, N) the larger of f_m / f_max and f_min / f_m; zero for who offloads.

    (10f), alpha in {0, 1}, holds by type.
    """

    delay: FloatArray
    energy: FloatArray
    rate: FloatArray
    capacity: FloatArray
    power: FloatArray
    local_cpu: FloatArray

    @property
    def worst(self) -> FloatArray:
        """(…, N) the largest use of any limit by each device."""
        columns = (self.delay, self.energy, self.rate, self.capacity, self.power, self.local_cpu)
        worst: FloatArray = np.maximum.reduce(columns)
        return worst

    @property
    def held(self) -> BoolArray:
        """(…, N) True where all limits of a device hold, up to `TOLERANCE`."""
        held: BoolArray = self.worst <= 1.0 + TOLERANCE
        return held

    @property
    def feasible(self) -> BoolArray:
        """(…,) True where all limits of all devices hold."""
        return np.asarray(self.held.all(axis=-1))

    @property
    def violation(self) -> FloatArray:
        """(…,) the least s >= 0 such that everything holds with all limits relaxed by 1 + s.

        Zero where the decision is feasible.
        """
        excess = np.asarray(self.worst.max(axis=-1)) - 1.0
        return np.where(self.feasible, 0.0, excess)


@dataclass(frozen=True)
class TaskOutcome:
    """Rates, delays, energies and emissions of a decision. SI units, and grams.

    Attributes:
        rate_bps: (…, N) R_m, C(2).
        transmission_s: (…, N) D_m^tx, C(3).
        delay_s: (…, N) D_m, C(6); infinite where a task never gets done.
        energy_j: (…, N) E_m, the device's, C(7).
        server_energy_j: (…, N) E_m^0, C(8).
        emission_g: (…, N) xi_m, C(9).
        use: of the limits (10b) to (10e).
    """

    rate_bps: FloatArray
    transmission_s: FloatArray
    delay_s: FloatArray
    energy_j: FloatArray
    server_energy_j: FloatArray
    emission_g: FloatArray
    use: LimitUse

    @property
    def worst_emission_g(self) -> FloatArray:
        """(…,) max_m xi_m, the objective C(10a)."""
        return np.asarray(self.emission_g.max(axis=-1))


def evaluate(
    network: TaskNetwork,
    tasks: Tasks,
    channel: MrcChannel,
    carbon_g_per_j: FloatArray | float,
    decision: TaskDecision,
    real_local_hz: FloatArray | None = None,
    real_edge_hz: FloatArray | None = None,
) -> TaskOutcome:
    """C(2) to C(9) and the limits (10b) to (10f) of a decision.

    Args:
        network: capacities and limits.
        tasks: (…, N) columns.
        channel: the gains.
        carbon_g_per_j: eta C_IE, broadcast against (…, N).
        decision: (…, N) columns.
        real_local_hz: (…, N) f + fhat of the devices, C(4) and C(7); None where the twin is right.
        real_edge_hz: (…, N) f^0 + fhat^0 of the server, C(5) and C(8); None where the twin is right.

    Delays, energies and emissions are those of the real rates; the server's capacity (10e) and the
    range of a device's CPU limit the rates that are decided, f.
    """
    local_hz = decision.local_cpu_hz if real_local_hz is None else real_local_hz
    edge_hz = decision.edge_cpu_hz if real_edge_hz is None else real_edge_hz
    rate = rates_bps(network, channel, decision.power_w)
    device = serve_device(network, tasks, decision, rate, local_hz)
    server = serve_server(network, tasks, decision, edge_hz)
    return account(network, tasks, carbon_g_per_j, decision, rate, device, server)


@dataclass(frozen=True)
class DeviceService:
    """A task's way through its device.

    Attributes:
        transmission_s: (…, N) D_m^tx, C(3).
        local_s: (…, N) C(4).
        energy_j: (…, N) E_m, C(7).
    """

    transmission_s: FloatArray
    local_s: FloatArray
    energy_j: FloatArray


@dataclass(frozen=True)
class ServerService:
    """A task's way through the server.

    Attributes:
        edge_s: (…, N) C(5).
        energy_j: (…, N) E_m^0, C(8).
    """

    edge_s: FloatArray
    energy_j: FloatArray


def serve_device(
    network: TaskNetwork,
    tasks: Tasks,
    decision: TaskDecision,
    rate_bps: FloatArray,
    real_local_hz: FloatArray,
) -> DeviceService:
    """C(3), C(4) and C(7): the device executes its task, or sends it.

    Args:
        network: see `evaluate`; so are the following two.
        tasks: likewise.
        decision: likewise.
        rate_bps: (…, N) R_m, C(2).
        real_local_hz: (…, N) f + fhat.
    """
    alpha = decision.offload
    transmission_s = _time(alpha * tasks.bits, rate_bps)  # C(3)
    local_s = _time(~alpha * tasks.cycles, real_local_hz)  # C(4)
    # A silent radio spends nothing, however long (for ever) it takes; nor does one that nobody can decode.
    sends = (decision.power_w > 0.0) & (rate_bps > 0.0)
    radio_j = decision.power_w * np.where(sends, transmission_s, 0.0)
    energy_j = ~alpha * local_energy_j(network, tasks, real_local_hz) + radio_j  # C(7)
    return DeviceService(transmission_s, local_s, energy_j)


def serve_server(
    network: TaskNetwork, tasks: Tasks, decision: TaskDecision, real_edge_hz: FloatArray
) -> ServerService:
    """C(5) and C(8): the server executes what was sent.

    Args:
        network: see `evaluate`; so are the following two.
        tasks: likewise.
        decision: likewise.
        real_edge_hz: (…, N) f^0 + fhat^0.
    """
    alpha = decision.offload
    edge_s = _time(alpha * tasks.cycles, real_edge_hz)  # C(5)
    return ServerService(edge_s, alpha * network.theta_server * tasks.cycles * real_edge_hz**2)


def account(
    network: TaskNetwork,
    tasks: Tasks,
    carbon_g_per_j: FloatArray | float,
    decision: TaskDecision,
    rate_bps: FloatArray,
    device: DeviceService,
    server: ServerService,
    present: BoolArray | None = None,
) -> TaskOutcome:
    """C(6), C(9) and the limits (10b) to (10e).

    Args:
        network: see `evaluate`; so are the following three.
        tasks: likewise.
        carbon_g_per_j: likewise.
        decision: likewise.
        rate_bps: (…, N) R_m, C(2).
        device: what happened at the devices.
        server: what happened at the server.
        present: (…, N) those whom limits hold; by default all. Others have no task, and do nothing.
    """
    alpha = decision.offload
    local_hz, edge_hz = decision.local_cpu_hz, decision.edge_cpu_hz
    delay_s = device.local_s + device.transmission_s + server.edge_s  # C(6)
    emission_g = carbon_g_per_j * (device.energy_j + server.energy_j)  # C(9)

    floor = alpha if network.rate_floor == "offloading" else np.True_
    idle = alpha
    if present is not None:
        floor, idle = floor & present, alpha | ~present
    asked_hz = (alpha * edge_hz).sum(axis=-1, keepdims=True)
    local_use = np.maximum(
        local_hz / network.device_cpu_max_hz, _time(network.device_cpu_min_hz, local_hz)
    )
    use = LimitUse(
        delay=delay_s / tasks.deadline_s,
        energy=device.energy_j / network.energy_max_j,
        rate=_time(np.where(floor, network.rate_min_bps, 0.0), rate_bps),
        capacity=alpha * (asked_hz / network.server_cpu_hz),
        power=decision.power_w / network.device_power_max_w,
        local_cpu=np.where(idle, 0.0, local_use),
    )
    return TaskOutcome(
        rate_bps,
        device.transmission_s,
        delay_s,
        device.energy_j,
        server.energy_j,
        emission_g,
        use,
    )


def local_energy_j(network: TaskNetwork, tasks: Tasks, cpu_hz: FloatArray) -> FloatArray:
    """E_m^cp of C(7): the energy of a device that executes its task itself.

    Args:
        network: gives theta_m.
        tasks: (…, N) columns.
        cpu_hz: (…, N) its processing rate.

    Returns:
        (…, N) J.
    """
    energy_j: FloatArray = network.theta_device * tasks.cycles * cpu_hz**2
    return energy_j


def _time(work: FloatArray, rate: FloatArray) -> FloatArray:
    """Work / rate: no work takes no time, work without a rate takes for ever."""
    runs = rate > 0.0
    quotient = work / np.where(runs, rate, 1.0)
    return np.where(runs | (work == 0.0), quotient, np.inf)
