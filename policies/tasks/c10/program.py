r"""C(10) for given offloading decisions, stated as a convex program.

Given who offloads, what is left are powers p_m and airtimes tau_m = S_m / R_m; the server's rate for
an offloader is the slowest in time, f_m^0 = C_m / (D_m - tau_m). In the logarithms q = log p and
s = log tau every limit is convex:

- C(2), SINR at least gamma(tau) = 2^(S / (B tau)) - 1: log gamma(e^s) + log(I_m + N_0) - q_m -
  log ||h_m||^2 <= 0. The second term is a log-sum-exp of q. The first, log(e^u - 1) with
  u = a e^-s, has the second derivative u e^u (e^u - 1 - u) / (e^u - 1)^2 >= 0.
- (10c), q + s <= log E_max, and (10d), s <= log(S / R_min), are linear.
- A cap c on spectral efficiency, s >= log(S / (B c)), is linear too. Steps are left to `steps`.
- (10e), sum of C / (D - e^s) <= F_max: -log(D - e^s) is convex in s, so each term is log-convex.
- C(9), e^(q + s) + theta_0 C^3 / (D - e^s)^2 <= e^t: a sum of log-convex terms.

The server's capacity couples the offloaders: more power buys a shorter airtime and a slower server.
Without it, the least powers at a given emission level would be a least fixed point; with it they
are not, and the convex program is what stays true.

Relaxing what a decision can miss by one factor e^sigma (D, E_max times it, R_min divided by it; P_max
and F_max are what they are) keeps this convex in (q, s, sigma) jointly:
D e^sigma - e^s = e^sigma (D - e^(s - sigma)). The least such sigma is the first phase: it finds a
strictly feasible point, or proves that there is none.

A point x is (w, s, sigma) in the first phase and (w, s, t) in the second, with K airtimes s and M
powers w = q + log(||h||^2 / N_0), in units of the noise as received.
"""

from typing import NamedTuple

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.core.compiled import compiled
from ....simulator.core.elementary import (
    LN_2,
    exp,
    exp_all,
    exp_each,
    expm1,
    expm1_each,
    log,
    log1p,
    log_each,
)
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.powers import fixed_point_w
from .closed_form_rates import slowest_edge_hz, slowest_local_hz
from .slot import Slot


class Program(NamedTuple):
    """The constants of the program; offloaders first, then those that only keep up the rate floor.

    M devices transmit, the first K of them offload.

    Attributes:
        cross_gain: (M, M) |h_m^H h_n|^2 / (||h_m||^2 ||h_n||^2), zero on the diagonal.
        power_max: (M,) the largest w.
        energy_coefficient: (K,) log(N_0 / ||h_m||^2), which makes w + s the log of the radio's energy.
        size: (K,) S ln 2 / B, seconds: airtime times log(1 + SINR).
        airtime_max: (K,) the largest s that the rate floor, or else the deadline, allows.
        deadline_s: (K,) D.
        cycles: (K,) C.
        theta_server: theta_0.
        server_cpu_hz: F_max.
        energy_max: log E_max.
        floor: R_min ln 2 / B, the least log(1 + SINR) of those that do not offload.
        airtime_min: (K,) the least s that the cap on spectral efficiency allows; none without one.
    """

    cross_gain: FloatArray
    power_max: FloatArray
    energy_coefficient: FloatArray
    size: FloatArray
    airtime_max: FloatArray
    deadline_s: FloatArray
    cycles: FloatArray
    theta_server: float
    server_cpu_hz: float
    energy_max: float
    floor: float
    airtime_min: FloatArray


def program_of(slot: Slot, offload: BoolArray) -> Program:
    """The program of a slot of one replication for (N,) offloading decisions."""
    network, tasks, channel = slot.network, slot.tasks, slot.channel
    sends = _transmitters(slot, offload)
    offloaders = sends[: int(offload.sum())]
    gain = channel.gain[sends]
    nats = LN_2 / network.bandwidth_hz
    deadline_s, bits = tasks.deadline_s[offloaders], tasks.bits[offloaders]
    cap = network.efficiency.cap
    slowest_s = bits / network.rate_min_bps if network.rate_min_bps > 0.0 else np.inf
    return Program(
        cross_gain=channel.interference_gain[np.ix_(sends, sends)] / gain,
        power_max=log_each(network.device_power_max_w[sends] * gain / network.noise_w),
        energy_coefficient=log_each(network.noise_w / channel.gain[offloaders]),
        size=bits * nats,
        airtime_max=log_each(np.minimum(slowest_s, deadline_s)),
        deadline_s=deadline_s,
        cycles=tasks.cycles[offloaders],
        theta_server=network.theta_server,
        server_cpu_hz=network.server_cpu_hz,
        energy_max=log(network.energy_max_j),
        floor=network.rate_min_bps * nats,
        airtime_min=(
            np.zeros(0) if cap == np.inf else log_each(bits / (network.bandwidth_hz * cap))
        ),
    )


def decision_at(slot: Slot, offload: BoolArray, x: FloatArray) -> TaskDecision:
    """(N,) powers and rates from a point of the program for (N,) offloading decisions.

    The airtimes decide: powers are the least that reach them, server rates the slowest in time.
    """
    network, tasks = slot.network, slot.tasks
    program = program_of(slot, offload)
    sends, offloaders = _transmitters(slot, offload), len(program.size)
    log_rate = np.full(len(sends), program.floor)
    log_rate[:offloaders] = program.size * exp_each(-x[len(sends) : len(sends) + offloaders])
    received = fixed_point_w(expm1_each(log_rate), program.cross_gain, 1.0)
    power_w = np.zeros(network.devices)
    power_w[sends] = received * network.noise_w / slot.channel.gain[sends]
    transmission_s = tasks.bits / np.where(offload, slot.rates_bps(power_w), np.inf)
    return TaskDecision(
        power_w=power_w,
        offload=offload,
        local_cpu_hz=np.where(offload, 0.0, slowest_local_hz(network, tasks)),
        edge_cpu_hz=np.where(offload, slowest_edge_hz(tasks, transmission_s), 0.0),
    )


def _transmitters(slot: Slot, offload: BoolArray) -> IntArray:
    """(M,) who transmits: the offloaders first, then those that only keep up their rate floor."""
    offloaders = np.flatnonzero(offload)
    if slot.network.rate_floor == "offloading" or slot.network.rate_min_bps == 0.0:
        return offloaders
    return np.concatenate([offloaders, np.flatnonzero(~offload)])


@compiled
def relaxed_start(program: Program) -> FloatArray:
    """(M + K + 1,) a point of the first phase inside all limits, relaxed as much as it takes."""
    offloaders, transmitters = len(program.size), len(program.power_max)
    x = np.zeros(transmitters + offloaders + 1)
    for k in range(transmitters):
        x[k] = program.power_max[k] - 1.0
    received = exp_all(x[:transmitters])
    sigma, busy_hz = 0.0, 0.0
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            disturbance += program.cross_gain[m, n] * received[n]
        log_rate = log1p(received[m] / disturbance)
        if m < offloaders:
            s = log(program.size[m] / log_rate) + 0.1
            if len(program.airtime_min) > 0:
                s = max(s, program.airtime_min[m] + 0.1)
            x[transmitters + m] = s
            deadline = log(program.deadline_s[m])
            # Half the deadline is left for the server.
            sigma = max(sigma, s + LN_2 - deadline, s - program.airtime_max[m])
            sigma = max(sigma, x[m] + s + program.energy_coefficient[m] - program.energy_max)
            busy_hz += 2.0 * program.cycles[m] / program.deadline_s[m]
        else:
            sigma = max(sigma, log(program.floor / log_rate))
    if offloaders > 0:
        sigma = max(sigma, log(busy_hz / program.server_cpu_hz))
    x[-1] = sigma + 0.1
    return x


def emission_start(program: Program, inside: FloatArray) -> FloatArray:
    """(M + K + 1,) a point of the second phase from one of the first with sigma < 0."""
    offloaders, transmitters = len(program.size), len(program.power_max)
    w, s = inside[:offloaders], inside[transmitters:-1]
    edge_hz = program.cycles / (program.deadline_s - exp_each(s))
    radio_j = exp_each(w + s + program.energy_coefficient)
    emitting_j = radio_j + program.theta_server * program.cycles * edge_hz**2
    return np.append(inside[:-1], log(emitting_j.max()) + 1.0)


class Limits(NamedTuple):
    """All limits at a point.

    Order: SINR (M), power (M), energy (K), airtime (K), capacity (1 if K), emission (K, 2nd phase),
    cap on spectral efficiency (K, if there is one).

    Attributes:
        slack: (limits,) minus their values.
        gradient: (limits, M + K + 1).
        hessian: (M + K + 1, M + K + 1) sum of their Hessians, each divided by its slack.
    """

    slack: FloatArray
    gradient: FloatArray
    hessian: FloatArray


@compiled
def empty_limits(program: Program, size: int, emission: bool) -> Limits:
    """Room for the limits of points of this size; `emission` is the second phase."""
    offloaders = len(program.size)
    count = 2 * len(program.power_max) + 2 * offloaders
    if offloaders > 0:
        count += 1 + (offloaders if emission else 0) + len(program.airtime_min)
    return Limits(np.empty(count), np.empty((count, size)), np.empty((size, size)))


@compiled
def slacks(program: Program, x: FloatArray, emission: bool, slack: FloatArray) -> bool:
    """Minus the value of every limit at (n,) x, into (limits,) `slack`; False where one is not met."""
    offloaders, transmitters = len(program.size), len(program.power_max)
    sigma = 0.0 if emission else x[-1]
    received = exp_all(x[:transmitters])
    busy_hz = 0.0
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            disturbance += program.cross_gain[m, n] * received[n]
        if m < offloaders:
            u = program.size[m] * exp(-x[transmitters + m])
        else:
            u = program.floor * exp(-sigma)
        log_sinr = u + log(-expm1(-u))
        slack[m] = x[m] - log_sinr - log(disturbance)
        slack[transmitters + m] = program.power_max[m] - x[m]
    row = 2 * transmitters
    for k in range(offloaders):
        w, s = x[k], x[transmitters + k]
        radio = w + s + program.energy_coefficient[k]
        slack[row + k] = program.energy_max + sigma - radio
        slack[row + offloaders + k] = program.airtime_max[k] + sigma - s
        left_s = program.deadline_s[k] * exp(sigma) - exp(s)
        if not left_s > 0.0:
            return False
        busy_hz += program.cycles[k] / left_s
        if emission:
            server_j = program.theta_server * program.cycles[k] ** 3 / left_s**2
            slack[row + 2 * offloaders + 1 + k] = x[-1] - log(exp(radio) + server_j)
    if offloaders > 0:
        slack[row + 2 * offloaders] = log(program.server_cpu_hz / busy_hz)
    first = len(slack) - len(program.airtime_min)
    for k in range(len(program.airtime_min)):
        slack[first + k] = x[transmitters + k] - program.airtime_min[k]
    for value in slack:
        if not value > 0.0:
            return False
    return True


@compiled
def derivatives(program: Program, x: FloatArray, emission: bool, limits: Limits) -> None:
    """Fill in the gradients and Hessians of the limits at (n,) x, a point inside all of them."""
    limits.gradient[:] = 0.0
    limits.hessian[:] = 0.0
    _radio_derivatives(program, x, emission, limits)
    if len(program.size) > 0:
        _server_derivatives(program, x, emission, limits)
    first = len(limits.slack) - len(program.airtime_min)
    for k in range(len(program.airtime_min)):
        limits.gradient[first + k, len(program.power_max) + k] = -1.0


@compiled
def _radio_derivatives(program: Program, x: FloatArray, emission: bool, limits: Limits) -> None:
    """Of SINR and power."""
    slack, gradient, hessian = limits.slack, limits.gradient, limits.hessian
    offloaders, transmitters = len(program.size), len(program.power_max)
    last = len(x) - 1
    sigma = 0.0 if emission else x[-1]
    received = exp_all(x[:transmitters])
    share = np.empty(transmitters)
    for m in range(transmitters):
        disturbance = 1.0
        for n in range(transmitters):
            share[n] = program.cross_gain[m, n] * received[n]
            disturbance += share[n]
        for n in range(transmitters):
            share[n] /= disturbance
            gradient[m, n] = share[n]
        for n in range(transmitters):
            hessian[n, n] += share[n] / slack[m]
            for i in range(transmitters):
                hessian[n, i] -= share[n] * share[i] / slack[m]
        gradient[m, m] = -1.0
        # log(e^u - 1), u falling as e^-s of an offloader or as e^-sigma of the others.
        at = transmitters + m if m < offloaders else last
        u = program.size[m] * exp(-x[at]) if m < offloaders else program.floor * exp(-sigma)
        if m < offloaders or not emission:
            idle = -expm1(-u)
            gradient[m, at] = -u / idle
            hessian[at, at] += u * (idle - u * exp(-u)) / idle**2 / slack[m]
        gradient[transmitters + m, m] = 1.0


@compiled
def _server_derivatives(program: Program, x: FloatArray, emission: bool, limits: Limits) -> None:
    """Of energy, airtime, capacity and emission."""
    slack, gradient, hessian = limits.slack, limits.gradient, limits.hessian
    offloaders, transmitters = len(program.size), len(program.power_max)
    last = len(x) - 1
    sigma = 0.0 if emission else x[-1]
    row = 2 * transmitters
    capacity = row + 2 * offloaders
    busy_hz = 0.0
    for k in range(offloaders):
        left_s = program.deadline_s[k] * exp(sigma) - exp(x[transmitters + k])
        busy_hz += program.cycles[k] / left_s
    for k in range(offloaders):
        at = transmitters + k
        gradient[row + k, k] = 1.0
        gradient[row + k, at] = 1.0
        gradient[row + offloaders + k, at] = 1.0
        left_s = program.deadline_s[k] * exp(sigma) - exp(x[at])
        ratio = exp(x[at]) / left_s
        curve = ratio + ratio**2
        part = program.cycles[k] / left_s / busy_hz
        gradient[capacity, at] = part * ratio
        weight = part / slack[capacity]
        hessian[at, at] += weight * (curve + ratio**2)
        if emission:
            radio_j = exp(x[k] + x[at] + program.energy_coefficient[k])
            server_j = program.theta_server * program.cycles[k] ** 3 / left_s**2
            by_radio = radio_j / (radio_j + server_j)
            by_server = 1.0 - by_radio
            level = capacity + 1 + k
            gradient[level, k] = by_radio
            gradient[level, at] = by_radio + by_server * 2.0 * ratio
            gradient[level, last] = -1.0
            mixed = by_radio * by_server / slack[level]
            turn = 1.0 - 2.0 * ratio
            hessian[k, k] += mixed
            hessian[k, at] += mixed * turn
            hessian[at, k] += mixed * turn
            hessian[at, at] += mixed * turn**2 + by_server * 2.0 * curve / slack[level]
        else:
            gradient[row + k, last] = -1.0
            gradient[row + offloaders + k, last] = -1.0
            # The limit depends on sigma through s - sigma, and once more in C / D e^-sigma.
            gradient[capacity, last] -= part * (1.0 + ratio)
            cross = weight * (curve + ratio * (1.0 + ratio))
            hessian[at, last] -= cross
            hessian[last, at] -= cross
            hessian[last, last] += weight * (curve + (1.0 + ratio) ** 2)
    for i in range(transmitters, last + 1):
        for j in range(transmitters, last + 1):
            outer = gradient[capacity, i] * gradient[capacity, j]
            hessian[i, j] -= outer / slack[capacity]


@compiled
def in_box(program: Program, j: int, looser: float) -> tuple[float, float]:
    """The least and the largest x_j < x_last of all points within limits relaxed by `looser`."""
    transmitters = len(program.power_max)
    if j < transmitters:
        least = program.floor
        if j < len(program.size):
            least = program.size[j] * exp(-program.airtime_max[j])
        return log(expm1(least / looser)), program.power_max[j]
    k = j - transmitters
    low = log(program.size[k] / log1p(exp(program.power_max[k])))
    return low, program.airtime_max[k] + log(looser)
