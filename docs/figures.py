"""Makes the pictures of README and docs: `python docs/figures.py` (a few minutes).

- docs/iiot_20dev.png: what `edgesim plot` draws of a run of the shipped scenario
- docs/melbourne_cbd.png: its map of Melbourne
- docs/tradeoff.svg: energy against queues, by V and by the reading of the perturbation
- docs/concept_*.svg: see docs/concept_figures.py
- docs/theory_*.svg, by the one name `theory`: see docs/theory_figures.py
- docs/scaling.svg: CPU time against the number of devices, as `python -m benchmarks scaling` has it

With names, only these: `python docs/figures.py tradeoff`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from concept_figures import interval, problems, slot, twin
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter
from theory_figures import theory

from edgesim import run
from edgesim.traces.figures import plot
from edgesim.traces.style import STYLE, save
from edgesim.traces.summary import TraceSummary

DOCS = Path(__file__).resolve().parent
PERTURBATIONS = {
    "observed": ("#1b3a6b", "-", "o"),
    "local": ("#d1682b", "--", "s"),
    "none": ("#666666", ":", "^"),
}
"""How A(19) is read: colour, line and marker, which a grey print tells apart too."""
WEIGHTS = (1e12, 1e13, 3e13, 1e14, 3e14, 1e15, 3e15, 1e16, 3e16, 1e17)


def iiot_20dev(folder: Path) -> None:
    """The overview of a run."""
    with run("iiot_20dev", folder / "iiot_20dev.h5") as trace:
        plot(trace.path, DOCS / "iiot_20dev.png")


def melbourne_cbd(folder: Path) -> None:
    """The map."""
    overrides = ["run.slots=200"]
    with run("melbourne_cbd", folder / "melbourne_cbd.h5", overrides=overrides) as trace:
        plot(trace.path, DOCS / "melbourne_cbd.png", "map")


def tradeoff(folder: Path) -> None:
    """Energy per bit and mean queue against V, means of eight replications with 95 % intervals."""
    figure, (energy, queue) = plt.subplots(1, 2, figsize=(8.0, 3.4), layout="constrained")
    for perturbation, (colour, line, marker) in PERTURBATIONS.items():
        summaries = [measured(folder / "tradeoff.h5", perturbation, V) for V in WEIGHTS]
        for ax, key, scale in ((energy, "energy_per_bit_j", 1e9), (queue, "queue_bits", 1e-6)):
            estimates = [summary.estimates[key] for summary in summaries]
            ax.errorbar(
                WEIGHTS,
                [scale * one.value for one in estimates],
                [[scale * one.arms[side] for one in estimates] for side in (0, 1)],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=4,
                linewidth=1.3,
                capsize=2,
                label=perturbation,
            )
    steep = (1e16, 1e17)
    queue.plot(steep, [45.0, 450.0], color="black", linewidth=0.8)
    queue.annotate("~ V", (3.2e16, 142.0), xytext=(-22, 0), textcoords="offset points")
    energy.set_title("energy per bit, nJ/bit", loc="left")
    queue.set_title("mean queue of a device, Mbit", loc="left")
    for ax in (energy, queue):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("V, bit²/J")
    energy.set_yticks([0.5, 1, 2, 5, 10, 20])
    energy.legend(title="perturbation", loc="lower left")
    save(figure, DOCS / "tradeoff.svg")


def measured(path: Path, perturbation: str, V: float) -> TraceSummary:
    """Paper A's network at one V."""
    overrides = [
        f"policy.V={V}",
        f"policy.perturbation={perturbation}",
        "run.replications=8",
        "run.slots=2000",
        "trace.level=summary",
    ]
    with run("iiot_20dev", path, overrides=overrides) as trace:
        return trace.summary(warmup=0.5)


def scaling(folder: Path) -> None:
    """CPU time of a slot against N, beside a straight line through the origin."""
    sys.path.insert(0, str(DOCS.parent))
    from benchmarks.scaling import SLOTS, microseconds

    devices = list(SLOTS)
    ms = [microseconds(count) * count * 1e-3 for count in devices]
    figure, ax = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
    ax.loglog(devices, ms, "o-", color="#1b3a6b", markersize=4, label="measured")
    line = [ms[1] * count / devices[1] for count in devices]
    ax.loglog(devices, line, ":", color="#666666", label="in proportion to N")
    for count, value in zip(devices, ms, strict=True):
        ax.annotate(
            f"{value / count * 1e3:.2g} µs per device",
            (count, value),
            xytext=(-12, 12) if count == devices[0] else (6, -9),
            textcoords="offset points",
            fontsize=7,
        )
    ax.set_xlim(50, 800_000)
    ax.set_title("CPU time of a slot, ms", loc="left")
    ax.set_xlabel("devices N")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="upper left")
    save(figure, DOCS / "scaling.svg")


OWN = (iiot_20dev, melbourne_cbd, tradeoff, scaling)
CONCEPTS = (twin, slot, problems, interval)
FIGURES = {figure.__name__: figure for figure in (*OWN, *CONCEPTS, theory)}


def main(names: Iterable[str]) -> None:
    """Make the named figures, or all."""
    for name in names:
        with TemporaryDirectory() as folder, plt.rc_context(STYLE):
            FIGURES[name](Path(folder))
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or FIGURES)
