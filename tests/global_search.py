"""A global search on P2 of few devices that knows nothing of the solver: what `lyapunov` is judged by.

P2 once more from the paper, given bandwidths and powers. Every set of senders is searched by an evolution
strategy, the (1+1)-CMA-ES (Igel, Suttorp, Hansen, GECCO 2006), from several starts, in two ways to write a
decision down: powers and shares of the band, and bits and shares of the band. It needs no slopes, and kinks
do it no harm. The MBS has a band of its own, so its devices are searched apart.
"""

from typing import Any, NamedTuple

import numpy as np

from edgesim.simulator.core.arrays import FloatArray, IntArray
from edgesim.simulator.core.compiled import compiled

_STARTS = 8
_STEPS = 500  # of a start, for each sender
_POLISH = 8000  # of each of the best
_BEST = 6


class P2(NamedTuple):
    """One slot's P2: n devices, B stations, a length of slot of tau."""

    tau: float
    station: IntArray  # (n,)
    gain: FloatArray  # (n, B)
    queue: FloatArray  # (n,)
    station_queue: FloatArray  # (B,)
    value: FloatArray  # (n,) V eta + Q - beta
    bandwidth: FloatArray  # (B,)
    noise: float  # W that do not grow with bandwidth
    noise_per_hz: FloatArray  # (B,)
    local_max: FloatArray  # (n,) bits, by the closed form
    local_cost: float  # of l^3 / 3
    V: float
    edge_cost: FloatArray  # (B,) of (sum sqrt D)^2
    power_max: FloatArray  # (n,)
    cap: float  # the greatest spectral efficiency, bit/s/Hz
    steps: FloatArray  # (K,) all there are, ascending; none where all up to the cap are


def p2(state: Any) -> P2:
    """P2 of a `State` of one replication."""
    network, seen, V = state.network, state.observation, state.problem.V
    c, tau = network.cycles_per_bit, network.slot_s
    queue = seen.queue_bits[0].copy()
    value = V * seen.energy_per_bit_j[0] + queue - seen.perturbation_bits[0]
    local_cost = 3 * V * network.varsigma * c**3 / tau**2
    bandwidth = np.array(network.station_bandwidth_hz)
    density = network.noise_model == "density"
    return P2(
        tau,
        seen.station[0].copy(),
        seen.channel_gain[0].copy(),
        queue,
        seen.station_queue_bits[0].copy(),
        value,
        bandwidth,
        0.0 if density else float(network.noise_w[0]),
        network.noise_w / bandwidth * density,
        np.minimum(network.device_cpu_hz * tau / c, np.sqrt(np.maximum(value, 0) / local_cost)),
        local_cost,
        V,
        V * network.epsilon_w * c / np.array(network.station_cpu_hz),
        seen.power_max_w[0].copy(),
        network.efficiency.cap,
        network.efficiency.steps,
    )


def best_gain(state: Any) -> float:
    """The best gain over doing nothing that is found, without the stations' service."""
    whole, total = p2(state), 0.0
    for band in (whole.station == 0, whole.station > 0):
        columns = ("station", "gain", "queue", "value", "local_max", "power_max")
        part = whole._replace(**{name: getattr(whole, name)[band] for name in columns})
        if band.any():
            total += _search(part)
    return total


@compiled
def _value(p: P2, w: FloatArray, power: FloatArray) -> float:
    """Gain over doing nothing of (n,) bandwidths and powers; by A(3) and A(8) to A(11)."""
    total = 0.0
    roots = np.zeros(len(p.bandwidth))
    for i in range(len(w)):
        j = p.station[i]
        bits, rate = 0.0, 0.0
        if power[i] > 0.0:
            noise = p.noise + p.noise_per_hz[j] * w[i] + _interference(p, power, j)
            rate = w[i] * _efficiency(p, np.log2(1 + power[i] * p.gain[i, j] / noise))
            bits = min(p.tau * rate, p.queue[i])
        if bits > 0.0:
            total -= p.V * power[i] * bits / rate
        local = min(p.local_max[i], p.queue[i] - bits)
        total += p.value[i] * (local + bits) - p.station_queue[j] * bits
        total -= p.local_cost * local**3 / 3
        roots[j] += np.sqrt(bits)
    return float(total - (p.edge_cost * roots**2).sum())


@compiled
def _efficiency(p: P2, shannon: float) -> float:
    """What a link carries, bit/s/Hz."""
    found = min(shannon, p.cap)
    if len(p.steps):
        found = 0.0
        for step in p.steps:
            if step <= shannon * (1.0 + 1e-9):
                found = step
    return found


@compiled
def _least(p: P2, wanted: float) -> float:
    """The least of Shannon's efficiencies that carries so much, or as much as there is."""
    found = min(wanted, p.cap)
    for step in p.steps[::-1]:
        if step >= wanted:
            found = step
    return found


@compiled
def _interference(p: P2, power: FloatArray, j: int) -> float:
    heard = 0.0
    for k in range(len(power)):
        if j > 0 and p.station[k] not in (0, j):
            heard += power[k] * p.gain[k, j]
    return heard


@compiled
def _decoded(
    p: P2, senders: IntArray, by_bits: bool, x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bandwidths and powers of x: logarithms of powers, or logits of bits; logarithms of shares."""
    s, n = len(senders), len(p.queue)
    w, power, total = np.zeros(n), np.zeros(n), np.zeros(len(p.bandwidth))
    for k in range(s):
        w[senders[k]] = np.exp(min(max(x[s + k], -40.0), 40.0))
        total[p.station[senders[k]]] += w[senders[k]]
    for k in range(s):
        i = senders[k]
        w[i] *= p.bandwidth[p.station[i]] / total[p.station[i]]
        if not by_bits:
            power[i] = p.power_max[i] * np.exp(min(x[k], 0.0))
    for _ in range(60 if by_bits else 0):  # the least powers that carry the bits
        change = 0.0
        for k in range(s):
            i, j = senders[k], p.station[senders[k]]
            bits = p.queue[i] / (1.0 + np.exp(-min(max(x[k], -30.0), 60.0)))
            needed = 2.0 ** min(_least(p, bits / (p.tau * w[i])), 900.0) - 1.0
            noise = p.noise + p.noise_per_hz[j] * w[i] + _interference(p, power, j)
            new = min(p.power_max[i], noise * needed / max(p.gain[i, j], 1e-300))
            change = max(change, abs(new - power[i]) / max(new, 1e-300))
            power[i] = new
        if change < 1e-9:
            break
    return w, power


@compiled
def _evolve(
    p: P2, senders: IntArray, by_bits: bool, x: FloatArray, steps: int, sigma: float
) -> float:
    """The (1+1)-CMA-ES from x, which becomes the best that is found."""
    d = len(x)
    best = _value(p, *_decoded(p, senders, by_bits, x))
    shape, success, restarts = np.eye(d), 2 / 11, 0
    learned = 2 / (d * d + 6)
    for _ in range(steps):
        z = np.random.standard_normal(d)
        step = shape @ z
        y = x + sigma * step
        if not by_bits:
            y[: d // 2] = np.minimum(y[: d // 2], 0.0)
        value = _value(p, *_decoded(p, senders, by_bits, y))
        succeeds = value >= best
        success = 11 / 12 * success + succeeds / 12
        sigma *= np.exp((success - 2 / 11) / (9 / 11) / (1 + d / 2))
        if succeeds:
            best = value
            x[:] = y
            if success < 0.44:
                kept, length = np.sqrt(1 - learned), (z * z).sum()
                grown = np.sqrt(1 + learned / (1 - learned) * length) - 1
                shape = kept * shape + kept / length * grown * np.outer(step, z)
        if sigma < 1e-7:
            sigma, success, restarts = 0.3, 2 / 11, restarts + 1
            shape = np.eye(d)
            if restarts > 2:
                break
    return best


@compiled
def _sampled(p: P2, senders: IntArray, by_bits: bool) -> FloatArray:
    """The best x of 40 at random, half of them with bands about in proportion to what is needed."""
    s = len(senders)
    chosen, best = np.zeros(2 * s), -np.inf
    for turn in range(40):
        x = np.random.standard_normal(2 * s)
        for k in range(s):
            i, j = senders[k], p.station[senders[k]]
            x[k] = np.random.uniform(-4, 6) if by_bits else -np.random.exponential(2.0)
            noise = p.noise + p.noise_per_hz[j] * p.bandwidth[j]
            nats = np.log(1 + p.power_max[i] * p.gain[i, j] / noise)
            if turn % 2:
                x[s + k] += np.log(p.queue[i] / (nats + 1e-12))
        value = _value(p, *_decoded(p, senders, by_bits, x))
        if value > best:
            chosen, best = x, value
    return chosen


@compiled
def _senders_of(p: P2, which: int) -> IntArray:
    """The set of this number; empty if one of its devices could only lose."""
    chosen = np.zeros(len(p.queue), np.bool_)
    for i in range(len(p.queue)):
        j = p.station[i]
        chosen[i] = (which >> i) & 1
        gains = p.value[i] > p.station_queue[j] and p.queue[i] * p.gain[i, j] * p.power_max[i] > 0.0
        if chosen[i] and not gains:
            return np.zeros(0, np.int64)
    return np.flatnonzero(chosen)


@compiled
def _search(p: P2) -> float:
    np.random.seed(1)
    n = len(p.queue)
    best = _value(p, np.zeros(n), np.zeros(n))
    values, sets = np.full(_BEST, -np.inf), np.zeros(_BEST, np.int64)
    ways, points = np.zeros(_BEST, np.bool_), np.zeros((_BEST, 2 * n))
    for which in range(1, 2**n):
        senders = _senders_of(p, which)
        for start in range(_STARTS if len(senders) else 0):
            by_bits = start % 2 == 1
            x = _sampled(p, senders, by_bits)
            value = _evolve(p, senders, by_bits, x, _STEPS * len(senders), 0.5)
            worst = np.argmin(values)
            if value > values[worst]:
                values[worst], sets[worst], ways[worst] = value, which, by_bits
                points[worst, : len(x)] = x
    for k in range(_BEST):
        if values[k] > -np.inf:
            senders = _senders_of(p, sets[k])
            x = points[k, : 2 * len(senders)].copy()
            best = max(best, _evolve(p, senders, ways[k], x, _POLISH, 0.05))
    return best
