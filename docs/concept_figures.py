"""The figures of docs/concepts.md: `python docs/figures.py twin slot problems interval`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

import edgesim
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.traces.style import save

DOCS = Path(__file__).resolve().parent
BLUE, ORANGE, GREY = "#1b3a6b", "#d1682b", "#666666"


class Looks(Lyapunov):
    """Decides as `lyapunov`, and keeps what the twin showed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, float]] = []

    def decide(self, observation: edgesim.Observation) -> Any:
        """As `Lyapunov`."""
        self.seen.append((observation.queue_bits[0, 0], observation.age_s[0, 0]))
        return super().decide(observation)


def twin(folder: Path) -> None:
    """A queue, what the policy sees of it through a twin that is late, and how old that is."""
    policy = Looks()
    late = {"twin.sync": "periodic", "twin.device.period": "2 s", "twin.device.latency": "0.5 s"}
    with edgesim.run("iiot_20dev", folder / "t.h5", slots=200, policy=policy, overrides=late) as t:
        truth = t.slots["queue_bits"].values[0, :, 0] * 1e-6
    seen = np.array(policy.seen) * (1e-6, 1.0)
    time_s = 0.1 * np.arange(len(truth))
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7.0, 4.0), sharex=True, layout="constrained"
    )
    above.plot(time_s, truth, color=BLUE, linewidth=1.2, label="the network")
    above.step(time_s, seen[:, 0], color=ORANGE, linewidth=1.2, where="post", label="its twin")
    above.set_title("queue of a device, Mbit", loc="left")
    above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    below.plot(time_s, seen[:, 1], color=GREY, linewidth=1.2)
    below.set_title("age of what the policy sees, s", loc="left")
    below.set_xlabel("time, s")
    save(figure, DOCS / "concept_twin.svg")


STEPS = (
    ("tasks\narrive", "traffic"),
    ("devices move,\nchannels fade", "world"),
    ("the twin shows an\nObservation", "twin"),
    ("the policy answers\na Decision", "policy"),
    ("checked, cut to\nthe capacities", "world"),
    ("served for a slot:\nradio, CPUs", "world"),
    ("energy, CO2,\nrecorded", "trace"),
)


def slot(folder: Path) -> None:
    """What happens in a slot, in its order."""
    figure, ax = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
    ax.axis("off")
    for place, (text, who) in enumerate(STEPS):
        colour = ORANGE if who in ("twin", "policy") else BLUE
        ax.text(
            0.6, -place, text.replace("\n", " "), ha="center", va="center", fontsize=9, color=colour,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": colour},
        )  # fmt: skip
        if place:
            arrow = {"arrowstyle": "->", "color": GREY}
            ax.annotate("", (0.6, -place + 0.3), (0.6, -place + 0.7), arrowprops=arrow)
    ax.annotate("", (0.0, -6.4), (0.0, 0.4), arrowprops={"arrowstyle": "->", "color": GREY})
    ax.text(-0.04, -3.0, "one slot, 100 ms in iiot_20dev", ha="center", va="center", fontsize=9,
            rotation=90)  # fmt: skip
    ax.set_xlim(-0.12, 1.1)
    ax.set_ylim(-6.6, 0.6)
    save(figure, DOCS / "concept_slot.svg")


def problems(folder: Path) -> None:
    """Queues of the stream problem; emissions of the tasks of the task problem."""
    with edgesim.run("iiot_20dev", folder / "a.h5", slots=100) as a:
        queue = a.slots["queue_bits"].values[0, :, :2] * 1e-6
    with edgesim.run("carbon_6ue", folder / "c.h5", slots=30, policy="exact") as c:
        emission = c.slots["emission_mg"].values[0]
        worst = c.slots["worst_emission_mg"].values[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.0), layout="constrained")
    for one, style in zip(queue.T, ("-", "--"), strict=True):
        left.plot(0.1 * np.arange(len(queue)), one, style, color=BLUE, linewidth=1.0)
    left.set_title("stream: queues of two devices, Mbit", loc="left", fontsize=9)
    left.set_xlabel("time, s")
    slots = np.arange(len(worst))
    right.plot(slots, emission, "o", color=BLUE, markersize=2.5)
    right.step(slots, worst, color=ORANGE, linewidth=1.2, where="mid")
    right.set_yscale("log")
    right.set_title("task: CO2 of each task, and the worst, mg", loc="left", fontsize=9)
    right.set_xlabel("slot")
    save(figure, DOCS / "concept_problems.svg")


SEEDS = 24


def interval(folder: Path) -> None:
    """95 % intervals of short runs, and the truth from a long one."""
    place = {"devices.positions": [[80.0 + 50.0 * k, 120.0 + 40.0 * k] for k in range(6)]}
    keys = place | {"devices.count": 6, "trace.level": "summary"}

    def energy(seed: int, slots: int) -> Any:
        """Of a run of a policy that decides at once."""
        run = {"seed": seed, "slots": slots, "policy": "epr", "workers": 1}
        with edgesim.run("iiot_20dev", folder / "i.h5", overrides=keys, **run) as trace:
            return trace.summary().estimates["energy_per_bit_j"]

    truth = energy(1000, 20_000).value * 1e9
    figure, ax = plt.subplots(figsize=(7.0, 2.8), layout="constrained")
    for seed in range(SEEDS):
        one = energy(seed, 600)
        low, high = 1e9 * one.low, 1e9 * one.high
        holds = low <= truth <= high
        ax.plot(
            (seed, seed),
            (low, high),
            color=BLUE if holds else ORANGE,
            linewidth=1.6 if holds else 2.4,
        )
        ax.plot(seed, 1e9 * one.value, "o", color=BLUE if holds else ORANGE, markersize=3)
    ax.axhline(truth, color=GREY, linewidth=1.0)
    ax.set_title(
        "energy per bit, nJ/bit: 24 runs of 600 slots; the line is a run of 20,000",
        loc="left",
        fontsize=9,
    )
    ax.set_xlabel("seed")
    save(figure, DOCS / "concept_interval.svg")
