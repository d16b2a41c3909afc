"""Decisions of the task problem: `sca`, `lyapunov` and `exact` in `carbon_6ue`, also with more devices."""

from collections.abc import Iterator
from pathlib import Path

from .checkouts import Checkout, Comparison, checkouts, in_turn

TIMED = """
import sys, time
from statistics import median
from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder

name, *overrides = sys.argv[1:]
plan = load_scenario("carbon_6ue", overrides, policy=name)
experiment, streams = prepare(plan), Streams(plan.run.seed, 1)
problem, took = experiment.blueprint.problem, []
experiment.policy.reset(problem.network, problem, streams.generators("policy"))

def decide(observation):
    start = time.process_time()
    decision = experiment.policy.decide(observation)
    took.append(time.process_time() - start)
    return decision

experiment.blueprint.simulation(decide, NullRecorder(), streams).run()
print(median(took[2:]) * 1e3)
"""

TARGETS: dict[int, float] = {6: 1.0 / 8.0, 20: 1.0 / 4.0}
"""`sca`, by N, as a ratio to the build of 2026-11-26."""

EXACT_30_MS = 1000.0


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:

        def both(policy: str, devices: int, theta_0: str, slots: int) -> tuple[float | None, float]:
            words = (f"devices.count={devices}", f"energy.theta_0={theta_0}", f"run.slots={slots}")

            def took(one: Checkout) -> float:
                return float(one.spent("-c", TIMED, policy, *words).printed)

            return in_turn(each, took, 3)

        for theta_0 in ("1e-27", "1e-28"):
            for devices, slots in ((6, 42), (20, 12)):
                name, given = f"N = {devices}, theta_0 = {theta_0}", (devices, theta_0, slots)
                yield Comparison(f"{name}: sca", *both("sca", *given), "ms", TARGETS[devices])
                before, exact = both("exact", *given)
                yield Comparison(f"{name}: exact", before, exact, "ms")
                what = f"{name}: lyapunov, against exact"
                yield Comparison(what, *both("lyapunov", *given), "ms", this_at_most=exact)
        yield Comparison(
            "N = 30: exact", *both("exact", 30, "1e-27", 8), "ms", this_at_most=EXACT_30_MS
        )
