"""One decision of the Lyapunov policy."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgesim.experiments.run import prepare
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder

from .measure import Row, rounds, scenario

SLOTS = 600


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
