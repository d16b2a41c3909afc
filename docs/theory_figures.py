"""The figures of docs/validation.md, simulation against closed forms: `python docs/figures.py theory` (a CPU-minute)."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import special, stats

import edgesim
from edgesim.traces.figures import save

DOCS = Path(__file__).resolve().parent
BLUE, ORANGE, GREY = "#1b3a6b", "#d1682b", "#666666"

ALONE = """
title = "Devices that do all by themselves: independent queues"
[run]
slot = "10 ms"
slots = 10_000
[devices]
count = 200
cpu = "1 MHz"
[stations.sbs]
count = 0
[tasks]
arrivals = "poisson"
mean = "1 kbit"
rate = "1 task/s"
cycles_per_bit = 10
[policy]
name = "local"
[trace]
level = "summary"
"""
SLOT_S = 0.01


def theory(folder: Path) -> None:
    """All of them."""
    for figure in (queue, fading, arrivals, drift):
        figure(folder)


def dots(
    ax: Axes, x: Any, value: Any, low: Any, high: Any, marker: str, colour: str, label: str = ""
) -> None:
    """What was measured, with its 95 % intervals."""
    value, low, high = (np.asarray(one) for one in (value, low, high))
    ax.errorbar(
        x, value, [value - low, high - value], fmt=marker, color=colour, markersize=4, capsize=2,
        linewidth=1.0, label=label or None,
    )  # fmt: skip


def plain(ax: Axes, ticks: tuple[float, ...]) -> None:
    """A logarithmic axis with these numbers at it."""
    ax.set_yscale("log")
    ax.set_yticks(ticks)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")


def over_devices(samples: Any) -> tuple[float, float, float]:
    """Mean of independent devices' values, and its 95 % interval by Student's t."""
    mean = float(np.mean(samples))
    half = stats.t.ppf(0.975, len(samples) - 1) * np.std(samples, ddof=1) / np.sqrt(len(samples))
    return mean, mean - float(half), mean + float(half)


LOADS = (0.3, 0.5, 0.7, 0.8, 0.9)
LAWS = {
    "exponential": (4, 2.0, "-", "o", BLUE),
    "uniform": (4, 4.0 / 3.0, "--", "s", ORANGE),
    "fixed": (1, 1.0, ":", "^", GREY),
}
"""Of the sizes: mean service in slots, second moment over squared mean, and how it is drawn."""


def queue(folder: Path) -> None:
    """Latency in a queue that is served slot by slot, against Pollaczek and Khinchine's formula.

    What arrives in a slot is served from the next on, half a slot later in the mean. With fixed
    sizes of one slot's service this is exact: Poisson batches, one task a slot. The interval is over
    devices, whose queues know nothing of each other.
    """
    figure, ax = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
    load = np.linspace(0.2, 0.92, 200)
    for sizes, (slots, moment, line, marker, colour) in LAWS.items():
        formula = _latency_slots(load, slots, moment)
        ax.plot(load, formula / slots, line, color=colour, linewidth=1.2, label=sizes)
        found = [_latency(folder, sizes, slots, one) for one in LOADS]
        dots(ax, LOADS, *np.transpose(found), marker, colour)
    plain(ax, (1, 2, 3, 5, 10))
    ax.set_title("mean latency, in mean services", loc="left")
    ax.set_xlabel("load")
    ax.legend(title="sizes; lines: formula", loc="upper left")
    save(figure, DOCS / "theory_queue.svg")


def _latency_slots(load: Any, service: float, moment: float) -> Any:
    """M/G/1 with a mean service of so many slots, and half a slot until the next begins.

    `local` runs only as fast as it takes to empty the queue within the slot. So a task that leaves
    it empty, which 1 - load of them do, ends with the slot: half a slot later, if no size is whole slots.
    """
    last = 0.0 if moment == 1.0 else 0.5 * (1.0 - load)
    return 0.5 + last + service + load * service * moment / (2.0 * (1.0 - load))


def _latency(folder: Path, sizes: str, service: int, load: float) -> tuple[float, float, float]:
    """Mean over devices of their tasks' mean latency, in mean services."""
    keys = {
        "tasks.rate": load / (service * SLOT_S),
        "tasks.mean": 1000.0 * service,
        "tasks.sizes": sizes,
        "trace.level": "slots",
        "run.slots": 2500 * service,
    }
    with edgesim.run(ALONE, folder / "q.h5", overrides=keys) as trace:
        begun, ended = (trace.tasks[one].values for one in ("arrival_s", "completion_s"))
        whose = trace.tasks["device"].values
    # Of what has arrived late, the long ones are not done: so only what had time to be.
    settled = 2500 * service * SLOT_S
    counted = (begun > 0.2 * settled) & (begun < 0.8 * settled)
    latency = (ended - begun)[counted] / (service * SLOT_S)
    total = np.bincount(whose[counted], latency, 200)
    return over_devices(total / np.bincount(whose[counted], minlength=200))


def fading(folder: Path) -> None:
    """Gains of a link against their law, and against Clarke's autocorrelation.

    Of 32 waves from evenly spaced directions a power gain has J_0^2 - 1/32, of infinitely many J_0^2.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    x = np.linspace(0.02, 5.0, 200)
    for name, k, line, marker, colour in (
        ("rayleigh", 0.0, "-", "o", BLUE),
        ("rician", 4.0, "--", "s", ORANGE),
    ):
        # A sine of power K and noise of power 1, of mean 1 + K: noncentral chi-square.
        law = stats.ncx2(2, 2.0 * k, scale=0.5 / (1.0 + k))
        left.plot(x, law.sf(x), line, color=colour, linewidth=1.2, label=f"{name}, K = {k:g}")
        keys = {"channel.fading": name} | ({"channel.k_factor": k} if k else {})
        gains = _gains(folder, keys, 400)
        at = np.array([0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
        above = (gains[..., None] > at).sum((0, 1))
        share = above / gains.size
        low, high = _clopper_pearson(above, gains.size)
        dots(left, at, share, low, high, marker, colour)
    left.set_yscale("log")
    left.set_ylim(1e-4, 2.0)
    left.set_title("share of blocks above it", loc="left")
    left.set_xlabel("power gain, over its mean")
    left.legend(loc="lower left")
    speed, carrier = 3.0, 3.5e9
    doppler_hz = speed * carrier / 299_792_458.0
    keys = {
        "channel.fading": "clarke",
        "channel.carrier": carrier,
        "channel.speed": speed,
        "run.slot": 1e-3,
    }
    gains = _gains(folder, keys, 400)
    lags = np.arange(0, 61, 3)
    right_x = np.linspace(0.0, 60.0, 300)
    j0 = special.j0(2.0 * np.pi * doppler_hz * right_x * 1e-3)
    right.plot(right_x, j0 * j0, ":", color=GREY, linewidth=1.2, label="J₀(2π f t)²")
    right.plot(right_x, j0 * j0 - 1.0 / 32.0, color=BLUE, linewidth=1.2, label="of 32 waves")
    of_device = [np.mean((gains[: 400 - lag] - 1.0) * (gains[lag:] - 1.0), axis=0) for lag in lags]
    dots(right, lags, *np.transpose([over_devices(one) for one in of_device]), "o", BLUE)
    right.set_title(f"autocorrelation of the gain, Doppler {doppler_hz:.0f} Hz", loc="left")
    right.set_xlabel("lag, ms")
    right.legend(loc="upper right")
    save(figure, DOCS / "theory_fading.svg")


def _gains(folder: Path, keys: dict[str, Any], slots: int) -> Any:
    """(slots, 1000) gains of independent links of path gain 1."""
    flat = {
        "channel.path_loss_exponent": 0,
        "devices.count": 1000,
        "run.slots": slots,
        "trace.level": "full",
    }
    with edgesim.run(ALONE, folder / "g.h5", overrides=flat | keys) as trace:
        return trace.slots["channel_gain"].values[0, :, :, 0]


def _clopper_pearson(hits: Any, of: int) -> tuple[Any, Any]:
    """95 % interval of a share."""
    return stats.beta.ppf(0.025, hits, of - hits + 1), stats.beta.ppf(0.975, hits + 1, of - hits)


def arrivals(folder: Path) -> None:
    """How many tasks come in a slot, and how bursty they are: variance over mean of the counts."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    counts = _counts(folder, {"tasks.rate": 200.0}, 500)
    k = np.arange(9)
    hits = np.bincount(counts.ravel(), minlength=9)[:9]
    low, high = _clopper_pearson(hits, counts.size)
    left.bar(k, stats.poisson.pmf(k, 200.0 * SLOT_S), color="#c9d3e6", label="Poisson, mean 2")
    dots(left, k, hits / counts.size, low, high, "o", BLUE, "measured")
    left.set_title("share of slots with so many tasks", loc="left")
    left.set_xlabel("tasks in a slot")
    left.legend(loc="upper right")
    quiet, busy = 1.0 / 2.0, 1.0 / 0.5  # how fast either state is left, 1/s
    rates = (2.0, 40.0)
    keys = {"tasks": {"arrivals": "mmpp", "mean": 1000.0, "cycles_per_bit": 10.0,
                      "rates": list(rates), "sojourns": [1.0 / quiet, 1.0 / busy]}}  # fmt: skip
    bursts = _counts(folder, keys, 6400)
    windows = np.array([5, 10, 20, 40, 80, 160, 320, 640])
    t = np.geomspace(0.04, 8.0, 200)
    both = quiet + busy
    most = 2.0 * quiet * busy * (rates[0] - rates[1]) ** 2
    most /= both**2 * (rates[0] * busy + rates[1] * quiet)
    right.plot(
        t, 1.0 + most * (1.0 - (1.0 - np.exp(-both * t)) / (both * t)), color=ORANGE,
        linewidth=1.2, label="MMPP, two states",
    )  # fmt: skip
    right.plot(t, np.ones_like(t), ":", color=BLUE, linewidth=1.2, label="Poisson")
    mean = bursts.mean()
    found = []
    for window in windows:
        sums = bursts.reshape(-1, window, bursts.shape[1]).sum(1)
        found.append(over_devices(np.mean((sums - mean * window) ** 2, axis=0) / (mean * window)))
    dots(right, windows * SLOT_S, *np.transpose(found), "s", ORANGE)
    right.set_xscale("log")
    right.set_title("variance over mean of the count", loc="left")
    right.set_xlabel("window, s")
    right.legend(loc="upper left")
    save(figure, DOCS / "theory_arrivals.svg")


def _counts(folder: Path, keys: dict[str, Any], slots: int) -> Any:
    """(slots, 200) tasks that arrived."""
    more = {"run.slots": slots, "trace.level": "slots", "devices.cpu": 1e9}
    with edgesim.run(ALONE, folder / "a.h5", overrides=more | keys) as trace:
        slot = np.floor(trace.tasks["arrival_s"].values / SLOT_S).astype(int)
        return np.bincount(
            slot * 200 + trace.tasks["device"].values, minlength=slots * 200
        ).reshape(slots, 200)


WEIGHTS = (1e14, 2e14, 4e14, 1e15)
MEAN_BITS = 0.3e6


def drift(folder: Path) -> None:
    """Energy and queue of drift-plus-penalty against V, where both have closed forms.

    Devices out of reach of any station execute l bits a slot, for k l^3 joules; nobody can do with
    less than k a^2 a bit, a the mean arrivals. A(20) is least where 3 V k l^2 = V eta + Q. So Q tends
    to 2 V eta. About it l moves by alpha = a / (6 V eta) of Q, as a first-order autoregression with
    the arrivals' variance, a^2 / 3: the excess of energy is 3 Var(l) / a^2 = alpha / (2 - alpha).
    """
    least = 1e-27 * 100.0**3 * (MEAN_BITS / 0.1) ** 2  # J/bit
    figure, (energy, bits) = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    V = np.geomspace(8e13, 1.2e15, 200)
    alpha = MEAN_BITS / (6.0 * V * least)
    energy.plot(V, 100.0 * alpha / (2.0 - alpha), color=BLUE, linewidth=1.2, label="theory, ~ 1/V")
    bits.plot(V, 2.0 * V * least * 1e-6, color=BLUE, linewidth=1.2, label="theory, ~ V")
    found = [_drift(folder, one) for one in WEIGHTS]
    for ax, one in ((energy, 0), (bits, 1)):
        dots(ax, WEIGHTS, *np.transpose([pair[one] for pair in found]), "o", ORANGE, "measured")
        ax.set_xscale("log")
        plain(ax, (0.2, 0.5, 1, 2, 5) if one == 0 else (2, 5, 10, 20))
        ax.set_xlabel("V, bit²/J")
        ax.legend(loc="best")
    energy.set_title("energy above the least possible, %", loc="left")
    bits.set_title("mean queue of a device, Mbit", loc="left")
    save(figure, DOCS / "theory_drift.svg")


def _drift(folder: Path, V: float) -> list[tuple[float, float, float]]:
    """Excess of energy in per cent, and queue in Mbit, each with its interval over devices."""
    keys = {
        "devices.count": 100,
        "devices.cpu": "5 GHz",
        "stations.sbs.count": 0,
        "channel.reference_gain": 1e-30,
        "tasks.mean": MEAN_BITS,
        "policy.V": V,
        "policy.perturbation": "none",
        "run.slots": 3000,
    }
    with edgesim.run("iiot_20dev", folder / "d.h5", overrides=keys) as trace:
        done, queues = (trace.slots[one].values[0, 1000:] for one in ("local_bits", "queue_bits"))
    # E[l^3] / E[l]^3 - 1, with what each device adds to it about the common mean.
    share = done / done.mean()
    excess = np.mean(share**3 - 3.0 * share + 2.0, axis=0)
    return [over_devices(100.0 * excess), over_devices(1e-6 * queues.mean(0))]
