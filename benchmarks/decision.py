"""One decision of the Lyapunov policy, alone, of many replications, and of many devices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgesim.experiments.run import prepare
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder

from .checkouts import Checkout, Comparison, checkouts, in_turn
from .measure import Row, rounds, scenario

SLOTS = 600

TIMED = """
import sys, time
from pathlib import Path
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import load_scenario

plan = load_scenario("iiot_20dev", sys.argv[1:])
kind, took = type(prepare(plan).policy), []
decide = kind.decide

def timed(self, observation):
    start = time.process_time()
    decision = decide(self, observation)
    took.append(time.process_time() - start)
    return decision

kind.decide = timed
execute(prepare(plan), Path("whole.h5"))
took = took[len(took) // 4:]
print(sum(took) / len(took) / plan.run.replications / plan.devices.count * 1e6)
"""
"""The mean over a run without its first quarter, in which queues fill; each build in the queues that it leaves."""

RUNS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "N = 20": (("run.slots=3000",), None),
    "N = 20, R = 64": (("run.slots=300", "run.replications=64"), 1.0 / 1.5),
    "N = 1000": (("run.slots=200", "devices.count=1000"), 1.0 / 2.0),
}
"""What is run, and its target as a ratio to the build of 2026-11-26."""


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:
        for what, (overrides, ratio) in RUNS.items():

            def work(one: Checkout, overrides: tuple[str, ...] = overrides) -> float:
                return float(one.spent("-c", TIMED, *overrides).printed)

            yield Comparison(what, *in_turn(each, work), "us/dev", ratio)


def measure() -> Iterator[Row]:
    for noise_model in ("total", "density"):
        plan = scenario(f"channel.noise_model={noise_model}", slots=SLOTS)
        experiment = prepare(plan)
        policy, streams = experiment.policy, Streams(plan.run.seed, 1)
        problem = experiment.blueprint.problem
        policy.reset(problem.network, problem, streams.generators("policy"))
        seen: list[Any] = []

        def remember(observation: Any, seen: list[Any] = seen, policy: Any = policy) -> Any:
            seen.append(observation)
            return policy.decide(observation)

        experiment.blueprint.simulation(remember, NullRecorder(), streams).run()

        def decide(seen: list[Any] = seen, policy: Any = policy) -> None:
            for observation in seen:
                policy.decide(observation)

        ms = np.median(rounds(decide)) * 1e3 / SLOTS
        yield Row(f"N = 20, noise model {noise_model}", ms, "ms of CPU", at_most=0.3)
