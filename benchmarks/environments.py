"""Environment steps: a vector beside single environments, and AAC beside one replica per worker."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from edgesim.experiments.train import make_environment
from edgesim.policies.learning.aac import Aac, GlobalAgent
from edgesim.policies.learning.environment import (
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)

from .checkouts import Checkout, Comparison, checkouts, in_turn
from .measure import Row, rounds, scenario

REPLICAS = 64
SLOTS = 200

TARGETS = {("iiot_20dev", "guided"): 20_000.0}
"""Steps per CPU-second, of a scenario and a kind of action."""

TIMED = """
import sys, time
from importlib import import_module
import numpy as np

name, action, replicas, slots = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
names = {"iiot_20dev": "StreamVectorEnvironment", "carbon_6ue": "TaskVectorEnvironment"}
try:
    module = import_module("edgesim.policies.learning.environment")
    keys = {"action": action}
except ModuleNotFoundError:  # builds that had no kinds of action, and other names
    module = import_module("edgesim.simulator.environment")
    names = {"iiot_20dev": "DigitalTwinNetworkVector", "carbon_6ue": "CarbonAwareEdgeVector"}
    keys = {}
env = getattr(module, names[name])(replicas, name, overrides=(f"run.slots={slots}",), **keys)
actions = np.random.default_rng(1).uniform(-1.0, 1.0, (slots, *env.action_space.shape))
best = float("inf")
for episode in range(4):
    start = time.process_time()
    env.reset(seed=1)
    for action in actions:
        env.step(action)
    if episode:  # the first one compiles
        best = min(best, time.process_time() - start)
print(best / slots / replicas * 1e6)
"""


def compare(base: Path | None) -> Iterator[Comparison]:
    """CPU time of a step, random actions; a base without kinds of action has one kind, which stands for all.

    Printed actions are to take half of what steps took it: as they are, a slot and its features. Guided
    ones carry out a rule besides.
    """
    if base is None:  # `measure` tells
        return
    with checkouts(base) as each:
        for name in ("iiot_20dev", "carbon_6ue"):
            for action, ratio in (("guided", None), ("paper", 0.5)):
                words = name, action, str(REPLICAS), str(SLOTS)

                def work(one: Checkout, words: tuple[str, ...] = words) -> float:
                    return float(one.spent("-c", TIMED, *words).printed)

                what = f"{name}, {action} actions, {REPLICAS} replicas"
                yield Comparison(what, *in_turn(each, work), "us/step", ratio)


def measure() -> Iterator[Row]:
    torch.set_num_threads(1)
    classes: dict[str, Callable[..., VectorEnvironment]] = {
        "iiot_20dev": StreamVectorEnvironment,
        "carbon_6ue": TaskVectorEnvironment,
    }
    for name, cls in classes.items():
        plan = scenario(slots=SLOTS, name=name)
        for action in ("guided", "paper"):
            works = [episode(cls(replicas, plan, action=action)) for replicas in (REPLICAS, 1)]
            for work in works:
                work()
            many, one = (np.array([REPLICAS, 1]) * SLOTS / rounds(*works)).T
            what = f"{name}, {action} actions, {REPLICAS} replicas"
            target = TARGETS.get((name, action))
            yield Row(what, np.median(many), "steps/CPU-s", at_least=target)
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
