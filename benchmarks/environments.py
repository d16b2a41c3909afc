"""Environment steps: a vector beside single environments, and AAC beside one replica per worker."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from edgesim.experiments.train import make_environment
from edgesim.policies.learning.aac import Aac, GlobalAgent
from edgesim.policies.learning.environment import (
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)

from .measure import Row, rounds, scenario

REPLICAS = 64
SLOTS = 200


def measure() -> Iterator[Row]:
    torch.set_num_threads(1)
    classes: dict[str, Callable[..., VectorEnvironment]] = {
        "iiot_20dev": StreamVectorEnvironment,
        "carbon_6ue": TaskVectorEnvironment,
    }
    for name, cls in classes.items():
        plan = scenario(slots=SLOTS, name=name)
        works = [episode(cls(replicas, plan)) for replicas in (REPLICAS, 1)]
        for work in works:
            work()
        many, one = (np.array([REPLICAS, 1]) * SLOTS / rounds(*works)).T
        target = 20_000.0 if name == "iiot_20dev" else None
        yield Row(f"{name}, {REPLICAS} replicas", np.median(many), "steps/CPU-s", at_least=target)
        yield Row("one replica", np.median(one), "steps/CPU-s")
        yield Row(f"{REPLICAS} over one", np.median(many / one), "x", at_least=6.0)

    works = [training(replicas) for replicas in (REPLICAS, 1)]
    for work in works:
        work()
    many, one = (np.array([REPLICAS, 1]) * SLOTS / rounds(*works, count=3)).T
    yield Row(f"AAC, an agent of {REPLICAS} replicas", np.median(many), "steps/CPU-s")
    yield Row("A3C, an agent of one replica", np.median(one), "steps/CPU-s")
    yield Row("AAC over A3C", np.median(many / one), "x", at_least=5.0)


def episode(env: VectorEnvironment) -> Callable[[], object]:
    """An episode of random actions."""
    shape = (SLOTS, *env.action_space.shape)  # type: ignore[misc]
    actions = np.random.default_rng(1).uniform(-1.0, 1.0, shape)

    def run() -> None:
        env.reset(seed=1)
        for action in actions:
            env.step(action)

    return run


def training(replicas: int) -> Callable[[], object]:
    """An episode of learning, of the default network; agents beside it cost as much each."""
    config = Aac(workers=1, replicas=replicas, episode_slots=SLOTS)
    return GlobalAgent(config, partial(make_environment, scenario(slots=SLOTS)), 1).advance
