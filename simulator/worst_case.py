"""World C: one task per device and slot, an MRC uplink, and the worst-case emission problem C(10).

Everything acts on the last axis (or two), so a column is (R, N) for R replications or (N,) for one
instance. A device either executes its whole task or offloads it. All devices share the band: who
transmits disturbs everybody else, whether it offloads or only keeps up its rate floor C(10d).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .arrays import BoolArray, FloatArray
from .compiled import compiled
from .randomness import Generators

RateFloor = Literal["all", "offloading"]
ComplexArray = NDArray[np.complex128]

JOULES_PER_KWH = 3.6e6
"""1 / eta of C(9)."""

TOLERANCE = 1e-9
"""A limit counts as held if it is exceeded by no more than this, relative."""


@dataclass(frozen=True)
class CarbonAwareNetwork:
    """What does not change during a run: capacities and limits of C(10). SI units.

    Attributes:
        bandwidth_hz: B.
        noise_w: N_0, the noise power over the whole band.
        device_power_max_w: (N,) P_max.
        device_cpu_min_hz: (N,) the slowest at which a device executes its task.
        device_cpu_max_hz: (N,) the fastest.
        server_cpu_hz: F_max, C(10e).
        theta_device: (N,) theta_m of C(7), W s^3 / cycle^3.
        theta_server: theta_0 of C(8).
        rate_min_bps: R_min, C(10d).
        energy_max_j: E_max of a device and slot, C(10c).
        rate_floor: who must reach R_min: "all" devices, as C(10d) is printed, or only those that are
            "offloading".
    """

    bandwidth_hz: float
    noise_w: float
    device_power_max_w: FloatArray
    device_cpu_min_hz: FloatArray
    device_cpu_max_hz: FloatArray
    server_cpu_hz: float
    theta_device: FloatArray
    theta_server: float
    rate_min_bps: float
    energy_max_j: float
    rate_floor: RateFloor = "all"

    @property
    def devices(self) -> int:
        """N (the paper's M)."""
        return len(self.device_power_max_w)


@dataclass(frozen=True)
class WorstCaseEmission:
    """C(10): the least worst-case emission under the network's limits.

    Attributes:
        network: capacities and limits.
    """

    network: CarbonAwareNetwork


@dataclass(frozen=True)
class Tasks:
    """J_m = (S_m, C_m, D_m^max), one task per device.

    Attributes:
        bits: (…, N) S_m.
        cycles: (…, N) C_m.
        deadline_s: (…, N) D_m^max.
    """

    bits: FloatArray
    cycles: FloatArray
    deadline_s: FloatArray


@dataclass(frozen=True)
class MrcChannel:
    """What the powers of the devices do to the base station after maximum-ratio combining.

    Attributes:
        gain: (…, N) ||h_m||^2, path loss included.
        interference_gain: (…, N, N) |h_m^H h_n|^2 / ||h_m||^2 of device m (second-last axis) and
            interferer n (last axis); zero where m = n.
    """

    gain: FloatArray
    interference_gain: FloatArray


@dataclass(frozen=True)
class TaskDecision:
    """The variables of C(10).

    Attributes:
        power_w: (…, N) p_m.
        offload: (…, N) alpha_m.
        local_cpu_hz: (…, N) f_m; means nothing for a device that offloads.
        edge_cpu_hz: (…, N) f_m^0; means nothing for a device that does not.
        diagnostics: (…,) what a policy tells the trace of how it decided, by variable name.
    """

    power_w: FloatArray
    offload: BoolArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)


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
    """What a decision does.

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


def path_gain(distance_m: FloatArray) -> FloatArray:
    """g_m: path loss of -35.3 - 37.6 log10 d dB, as a power gain.

    Args:
        distance_m: positive, any shape.
    """
    gain: FloatArray = 10.0 ** ((-35.3 - 37.6 * np.log10(distance_m)) / 10.0)
    return gain


def draw_channels(distance_m: FloatArray, antennas: int, rngs: Generators) -> ComplexArray:
    """h_m = sqrt(g_m) hbar_m with hbar_m ~ CN(0, I_L).

    Args:
        distance_m: (R, N) from the base station.
        antennas: L.
        rngs: one generator per replication.

    Returns:
        (R, N, L).
    """
    fading = draw_fading(distance_m.shape[1], antennas, rngs)
    return fading * np.sqrt(path_gain(distance_m))[..., None]


def draw_fading(devices: int, antennas: int, rngs: Generators) -> ComplexArray:
    """(R, N, L) hbar_m ~ CN(0, I_L), one generator per replication."""
    parts = np.stack([rng.standard_normal((2, devices, antennas)) for rng in rngs])
    # Real and imaginary part have variance 1/2 each.
    fading: ComplexArray = (parts[:, 0] + 1j * parts[:, 1]) * np.sqrt(0.5)
    return fading


def mrc_channel(channels: ComplexArray) -> MrcChannel:
    """The gains of C(2) after maximum-ratio combining.

    Args:
        channels: (…, N, L) complex channel vectors, path loss included.
    """
    devices, antennas = channels.shape[-2:]
    flat = np.ascontiguousarray(channels).reshape(-1, devices, antennas)
    gain, interference_gain = _mrc_gains(flat)
    lead = channels.shape[:-2]
    return MrcChannel(
        gain.reshape(*lead, devices), interference_gain.reshape(*lead, devices, devices)
    )


@compiled
def _mrc_gains(channels: ComplexArray) -> tuple[FloatArray, FloatArray]:
    """(R, N) ||h_m||^2 and (R, N, N) |h_m^H h_n|^2 / ||h_m||^2."""
    replications, devices, antennas = channels.shape
    gain = np.zeros((replications, devices))
    cross = np.zeros((replications, devices, devices))
    for r in range(replications):
        for m in range(devices):
            for a in range(antennas):
                h = channels[r, m, a]
                gain[r, m] += h.real * h.real + h.imag * h.imag
        for m in range(devices):
            for n in range(devices):
                if n != m:
                    product = 0.0 + 0.0j
                    for a in range(antennas):
                        product += np.conj(channels[r, m, a]) * channels[r, n, a]
                    square = product.real * product.real + product.imag * product.imag
                    cross[r, m, n] = square / gain[r, m]
    return gain, cross


def rates_bps(network: CarbonAwareNetwork, channel: MrcChannel, power_w: FloatArray) -> FloatArray:
    """C(2): B log2(1 + p ||h||^2 / (I + N_0)), disturbed by everybody else who transmits.

    Args:
        network: gives B and N_0.
        channel: the gains.
        power_w: (…, N) p, zero for who is silent.

    Returns:
        (…, N) bit/s.
    """
    interference = (channel.interference_gain * power_w[..., None, :]).sum(axis=-1)
    sinr = power_w * channel.gain / (interference + network.noise_w)
    rate: FloatArray = network.bandwidth_hz * np.log2(1.0 + sinr)
    return rate


def evaluate(
    network: CarbonAwareNetwork,
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

    Delays, energies and emissions are those of the real rates. What is asked for, f, is what counts
    for the server's capacity (10e) and for the range of a device's CPU.
    """
    alpha = decision.offload
    local_hz, edge_hz = decision.local_cpu_hz, decision.edge_cpu_hz
    real_local_hz = local_hz if real_local_hz is None else real_local_hz
    real_edge_hz = edge_hz if real_edge_hz is None else real_edge_hz
    rate = rates_bps(network, channel, decision.power_w)

    transmission_s = _time(alpha * tasks.bits, rate)  # C(3)
    local_s = _time(~alpha * tasks.cycles, real_local_hz)  # C(4)
    edge_s = _time(alpha * tasks.cycles, real_edge_hz)  # C(5)
    delay_s = local_s + transmission_s + edge_s  # C(6)

    # A silent radio spends nothing, however long (for ever) it takes.
    radio_j = decision.power_w * np.where(decision.power_w > 0.0, transmission_s, 0.0)
    energy_j = ~alpha * network.theta_device * tasks.cycles * real_local_hz**2 + radio_j  # C(7)
    server_energy_j = alpha * network.theta_server * tasks.cycles * real_edge_hz**2  # C(8)
    emission_g = carbon_g_per_j * (energy_j + server_energy_j)  # C(9)

    floor = alpha if network.rate_floor == "offloading" else np.True_
    asked_hz = (alpha * edge_hz).sum(axis=-1, keepdims=True)
    local_use = np.maximum(
        local_hz / network.device_cpu_max_hz, _time(network.device_cpu_min_hz, local_hz)
    )
    use = LimitUse(
        delay=delay_s / tasks.deadline_s,
        energy=energy_j / network.energy_max_j,
        rate=_time(np.where(floor, network.rate_min_bps, 0.0), rate),
        capacity=alpha * (asked_hz / network.server_cpu_hz),
        power=decision.power_w / network.device_power_max_w,
        local_cpu=np.where(alpha, 0.0, local_use),
    )
    return TaskOutcome(rate, transmission_s, delay_s, energy_j, server_energy_j, emission_g, use)


def _time(work: FloatArray, rate: FloatArray) -> FloatArray:
    """Work / rate: no work takes no time, work without a rate takes for ever."""
    quotient = work / np.where(rate > 0.0, rate, 1.0)
    return np.where((rate > 0.0) | (work == 0.0), quotient, np.inf)
