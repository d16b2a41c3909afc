"""Makes the tables and the figure of learning.md, "Five learners, guided and as printed": `python docs/learners.py`.

Every learner is trained with guided and with printed actions on both papers' networks, five times, with as many environment
steps, and measured on seeds that no training has met. Settings of printed actions are the best of searches that are recorded in
docs/searches: NAME.toml is the sweep, NAME.csv its `trainings.csv`. A training is a line of `--rows` (docs/learners.jsonl), written as it ends:
started again, it goes on. `--jobs N`: so many at once; `--only REGEX`: of those named "tasks, sac, paper, 1"; `--page`: none.
"""

import argparse
import csv
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from matplotlib import pyplot as plt

import edgesim
from edgesim.experiments.evaluation import Evaluator
from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.traces.confidence_intervals import mean
from edgesim.traces.style import STYLE, save

DOCS = Path(__file__).resolve().parent
TRAININGS = 5
HELD_OUT = 1001
"""The first of the seeds that are reported."""
STEPS = {"stream": 64_000, "tasks": 19_200}

EASY = ("energy.theta_0=1e-28", 'tasks.cycles=["1000 Mcycles", "1500 Mcycles"]')
WORLDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "stream": ("iiot_20dev", ()),
    "tasks": ("carbon_6ue", EASY),
}
"""The scenario, and what is changed of it."""

REPLAY_STREAM = {"episodes": 20, "replicas": 16, "batch": 64, "warmup": 3200, "discount": 0.9}
REPLAY_STREAM |= {"soft_update": 5e-3, "rate_decay": 0.95}
REPLAY_TASKS = {"episodes": 60, "episode_slots": 5, "replicas": 64, "updates": 8, "discount": 0}
REPLAY_TASKS |= {"rate_decay": 0.95, "reward_unit": 0.01, "batch": 256, "hidden": [128, 64]}
LEARNERS: dict[str, dict[str, dict[str, Any]]] = {
    "ddpg": {
        "stream": REPLAY_STREAM
        | {"actor_rate": 1e-3, "critic_rate": 2e-3, "noise": 0.3, "noise_decay": 0.8}
        | {"logit_penalty": 0.02},
        "tasks": REPLAY_TASKS
        | {"actor_rate": 3e-5, "critic_rate": 1e-3, "noise": 0.1, "noise_decay": 0.5}
        | {"logit_penalty": 0.1, "warmup": 320},
    },
    "aac": {
        "stream": {"workers": 1, "steps": STEPS["stream"], "critic_rate": 2e-3},
        "tasks": {"workers": 1, "steps": STEPS["tasks"], "episode_slots": 5, "discount": 0}
        | {"t_max": 1, "actor_rate": 3e-4, "deviation": 0.15, "norm": 0.5, "hidden": [128, 64]},
    },
    "dqn": {"stream": REPLAY_STREAM, "tasks": REPLAY_TASKS | {"rate": 1e-4}},
    "sac": {"stream": REPLAY_STREAM | {"rate": 1e-3}, "tasks": REPLAY_TASKS | {"rate": 1e-4}},
    "ppo": {"stream": {}, "tasks": {}},
}
"""Keys of `[policy]` with guided actions; of PPO, which is that of Stable-Baselines3, all is as it is there."""

SEARCHES = DOCS / "searches"
IN_PAPERS = {"stream": "aac", "tasks": "ddpg"}
"""Whose settings were searched for first, as that paper has it."""

OF_REWARD = ("limit_weight", "discount")
"""What holds for any learner of a world, and is taken over by those for which nothing was searched."""

ACTIONS = {"guided": "guided", "paper": "as printed"}
FIELDS = ("result", "feasible", "energy", "steps", "cpu_s")
NUMBERS = {
    "stream": ("gap_closed", "energy_per_bit_nj"),
    "tasks": ("excess", "energy_per_slot_mj"),
}
HEADS = {
    "stream": "| `iiot_20dev` | actions | of the gap [%] | slots feasible [%] | energy [nJ/bit] |",
    "tasks": "| `carbon_6ue` | actions | above `exact` [%] | slots feasible [%] | energy [mJ/slot] |",
}


RATES = {
    "stream": ("1e-2, 1e-2", "1e-3, 1e-3", "1e-4, 1e-4"),
    "tasks": ("5e-4, 1e-4", "3e-5, 1e-4", "5e-6, 3e-5", "5e-6, 1e-5"),
}
"""Of actor and critic: those that A Fig. 8 and C Fig. 4 compare, under each paper's learner with printed actions."""

STAY = {"stream": {"final_rate": 1}, "tasks": {"rate_decay": 0}}
"""Keys with which rates do not fall, as in both papers."""


COLOURS = ("#1b3a6b", "#d1682b", "#3d8c5f", "#8c4a8c")


class Case(NamedTuple):
    """A training; with rates, it is one of `RATES`, and they stay."""

    world: str
    learner: str
    action: str
    seed: int
    rates: str = ""

    def __str__(self) -> str:
        return ", ".join(str(part) for part in self if part)


Row = dict[str, Any]
"""A training's `FIELDS`, and its curve."""

Rows = dict[Case, Row]


def cases() -> Iterator[Case]:
    """All trainings, so that the first of each come first."""
    for seed in range(1, TRAININGS + 1):
        for world in WORLDS:
            for learner in LEARNERS:
                for action in ACTIONS:
                    yield Case(world, learner, action, seed)
        for world, learner in IN_PAPERS.items():
            for rates in RATES[world]:
                yield Case(world, learner, "paper", seed, rates)


def searched(learner: str, world: str) -> dict[str, Any]:
    """Keys of `[policy]`: what all trials have, and of the best what was searched for.

    In the stream problem the best of those that take no more energy than `local`: P2's value, A(20), has a price for it that
    grows with what was wasted before, and who wastes first is paid without bound for what departs later.
    """
    name = SEARCHES / f"{learner}_{world}"
    sweep = tomllib.loads(name.with_suffix(".toml").read_text(encoding="utf-8"))
    with name.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        best = next(trial for trial in csv.DictReader(file) if not wasteful(trial))
    found = {key: best[f"policy.{key}"] for key in sweep["search"]["space"]["policy"]}
    return dict(sweep["set"]["policy"]) | found


def wasteful(trial: dict[str, str]) -> bool:
    """Whether a training of the stream problem takes more energy than `local`."""
    ours, local = (trial.get(f"{name}energy_per_bit_nj", 0.0) for name in ("", "local_"))
    return float(ours) > float(local)


def settings(case: Case) -> dict[str, Any]:
    """Keys of `[policy]` for a training."""
    guided = LEARNERS[case.learner][case.world] | {"action": case.action}
    if case.action == "guided" or case.learner == "ppo":
        return guided
    if (SEARCHES / f"{case.learner}_{case.world}.toml").exists():
        found = searched(case.learner, case.world)
        if case.rates:
            rates = zip(("actor_rate", "critic_rate"), case.rates.split(", "), strict=True)
            found |= dict(rates) | STAY[case.world]
        return found
    of_paper = searched(IN_PAPERS[case.world], case.world)
    return guided | {key: of_paper[key] for key in OF_REWARD}


def keys(case: Case) -> list[str]:
    """Overrides of the scenario for a training, and for a run of what it left."""
    return [
        *WORLDS[case.world][1],
        *(f"policy.{name}={value}" for name, value in settings(case).items()),
    ]


def measured(case: Case) -> Row:
    """What came out of a training, on the seeds that are reported; in a process of its own."""
    import torch

    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        train = trained_by_ppo if case.learner == "ppo" else trained
        scenario, steps, curve = train(case, Path(folder))
        spent = sum(os.times()[:4])  # with that of processes that it started
        figures = Evaluator(scenario).evaluate(prepare(scenario).policy).figures
    result, energy = NUMBERS[case.world]
    values = (figures[result], figures["feasible"], figures[energy], steps, spent)
    numbers = (float(f"{value:.6g}") for value in values)
    return dict(zip(FIELDS, numbers, strict=True)) | {"curve": curve}


Curve = list[tuple[float, ...]]
"""Of each evaluation, on seeds that choose the best: steps, result, share of slots that are feasible."""


def trained(case: Case, folder: Path) -> tuple[Scenario, int, Curve]:
    """One of the program's own learners: the scenario under what it left, its steps, and its course."""
    name = WORLDS[case.world][0]
    result = edgesim.train(
        name, folder / "training", seed=case.seed, policy=case.learner, overrides=keys(case)
    )
    kept = f"policy.checkpoint={str(result.checkpoint)!r}"
    overrides = [*keys(case), kept, f"run.seed={HELD_OUT}"]
    with (folder / "training" / "evaluation.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = ("steps", NUMBERS[case.world][0], "feasible")
    curve = [tuple(float(f"{float(row[name]):.6g}") for name in shown) for row in rows]
    return load_scenario(name, overrides, policy=case.learner), result.steps, curve


def trained_by_ppo(case: Case, folder: Path) -> tuple[Scenario, int, Curve]:
    """Stable-Baselines3's PPO on the environment, which is not evaluated as it learns."""
    import gymnasium
    from stable_baselines3 import PPO

    edgesim.register_envs()
    name, changed = WORLDS[case.world]
    slots = {"stream": 200, "tasks": 5}[case.world]
    env = gymnasium.make(
        {"stream": "edgesim/Stream-v0", "tasks": "edgesim/Tasks-v0"}[case.world],
        scenario=name, overrides=[*changed, f"run.slots={slots}"], action=case.action,
    )  # fmt: skip
    model = PPO("MlpPolicy", env, seed=case.seed, device="cpu").learn(STEPS[case.world])
    model.save(folder / "ppo.zip")
    overrides = [*changed, f"run.seed={HELD_OUT}", "policy.file=ppo.zip"]
    overrides.append(f"policy.action={case.action}")
    scenario = load_scenario(name, overrides, data_dir=folder, policy="agent")
    return scenario, model.num_timesteps, []


def read(path: Path) -> Rows:
    """What is in the file."""
    rows: Rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        rows[Case(*(row.pop(name, "") for name in Case._fields))] = row
    return rows


def results(wanted: Iterable[Case], path: Path, jobs: int) -> Rows:
    """What is not in the file yet is trained, and written into it as it ends."""
    rows = read(path)
    missing = [case for case in wanted if case not in rows]
    # A process of its own for each: its CPU time is the training's.
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {pool.submit(measured, case): case for case in missing}
        for done in as_completed(running):
            case = running[done]
            rows[case] = done.result()
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(case._asdict() | rows[case]) + "\n")
            print(case, {name: rows[case][name] for name in FIELDS}, flush=True)
    return rows


def trainings(rows: Rows, world: str, learner: str, action: str, rates: str = "") -> list[Row]:
    """Those that there are, by seed."""
    alike = (Case(world, learner, action, 1 + n, rates) for n in range(TRAININGS))
    return [rows[one] for one in alike if one in rows]


def table(rows: Rows, world: str) -> Iterator[str]:
    """Lines of Markdown: means over trainings, with 95 % intervals."""
    yield f"{HEADS[world]} steps | CPU time [s] |"
    yield "| --- " * 7 + "|"
    for learner in LEARNERS:
        for action, called in ACTIONS.items():
            found = trainings(rows, world, learner, action)
            if len(found) < 2:
                continue
            cells = []
            for name, times in zip(FIELDS[:3], (100.0, 100.0, 1.0), strict=True):
                one = mean(times * np.array([row[name] for row in found]))
                digits = 0 if name == "feasible" else 1
                cells.append(f"{one.value:.{digits}f} ± {one.half_width:.{digits}f}")
            if world == "tasks" and not any(row["feasible"] for row in found):
                cells[0] = "-"  # what breaks limits in every slot may emit anything
            steps, spent = (np.mean([row[name] for row in found]) for name in FIELDS[3:])
            few = "" if len(found) == TRAININGS else f", {len(found)} trainings"
            yield f"| `{learner}` | {called}{few} | {' | '.join(cells)} | {steps:,.0f} | {spent:.0f} |"


def figure(rows: Rows, path: Path) -> None:
    """The courses of trainings: their median, guided and as printed."""
    shown, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), layout="constrained")
    for action, line in zip(ACTIONS, ("-", "--"), strict=True):
        for learner, colour in zip(LEARNERS, COLOURS, strict=False):
            style: dict[str, Any] = {"linestyle": line, "color": colour}
            style["label"] = f"{learner}, {ACTIONS[action]}"
            draw(axes[0], trainings(rows, "stream", learner, action), 1, style)
            # Of decisions that break limits the emission says nothing.
            place, column = (1, 1) if action == "guided" else (2, 2)
            draw(axes[place], trainings(rows, "tasks", learner, action), column, style)
    axes[0].axhline(100.0, color="black", linewidth=0.8)
    axes[0].set_title("iiot_20dev: of the gap from\nlocal to lyapunov, %")
    axes[1].set_yscale("symlog", linthresh=1.0)
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].axhline(0.0, color="black", linewidth=0.8)
    axes[1].set_title("carbon_6ue, guided: emission\nabove that of exact, %")
    axes[2].set_title("carbon_6ue, as printed: slots in\nwhich all limits are kept, %")
    shown.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=7)
    save(shown, path)


def rates_figure(rows: Rows, path: Path) -> None:
    """Printed actions at rates that stay: the courses of all trainings."""
    shown, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    for ax, (world, learner), column in zip(axes, IN_PAPERS.items(), (1, 2), strict=True):
        for rates, colour in zip(RATES[world], COLOURS, strict=False):
            for number, one in enumerate(trainings(rows, world, learner, "paper", rates)):
                style = {"color": colour, "label": "" if number else rates}
                draw(ax, [one], column, style)
        if ax.lines:
            ax.legend(title="actor, critic", fontsize=7)
    axes[0].set_title("aac on iiot_20dev: of the gap from\nlocal to lyapunov, %")
    axes[1].set_title("ddpg on carbon_6ue: slots in\nwhich all limits are kept, %")
    save(shown, path)


def draw(ax: Any, found: list[Row], column: int, style: dict[str, Any]) -> None:
    """A course over steps: the median of trainings, in percent."""
    curves = [[(one[0], one[column]) for one in row["curve"]] for row in found if row["curve"]]
    if curves:
        steps, shares = np.median(curves, axis=0).T
        ax.plot(steps, 100.0 * shares, linewidth=1.3, **style)
    ax.set_xlabel("environment steps")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.tick_params(axis="x", labelrotation=30)


def main(rows: Path, jobs: int, only: str, train: bool) -> None:
    """Train what is missing, print the tables, and draw."""
    wanted = [case for case in cases() if train and re.search(only, str(case))]
    found = results(wanted, rows, jobs)
    for world in WORLDS:
        print("\n".join(table(found, world)), end="\n\n")
    with plt.rc_context(STYLE):
        figure(found, rows.with_suffix(".svg"))
        rates_figure(found, rows.with_name(f"{rows.stem}_rates.svg"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=Path, default=DOCS / "learners.jsonl")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--page", action="store_true", help="tables and figure of what is there")
    given = parser.parse_args(sys.argv[1:])
    main(given.rows, given.jobs, given.only, not given.page)
