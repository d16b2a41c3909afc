"""Trained policies that are shipped, on seeds that neither training nor the choice of the best has met."""

import shlex
from collections.abc import Iterator

import torch

from edgesim.experiments.evaluation import Evaluator
from edgesim.experiments.variants import VariedEvaluator, variants_of
from edgesim.policies.learning.checkpoint import FORMAT, read, shipped
from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.assembly.build import blueprint

from .measure import Row

SEED = 1001
MORE = 40
"""Devices that a policy trained with 20 is run with."""


def measure() -> Iterator[Row]:
    torch.set_num_threads(1)
    for path in shipped():
        command = read(path, FORMAT)["about"]
        scenario = trained_for(command, path.stem)
        evaluator = VariedEvaluator(variants_of(scenario, untrained(scenario)))
        before = evaluator.evaluate(untrained(scenario)).figures
        after = evaluator.evaluate(ready(scenario)).figures
        if scenario.run.problem == "drift-plus-penalty":
            yield Row(
                f"{path.stem}, untrained", 100.0 * before["gap_closed"], "% of the gap closed"
            )
            closed = 100.0 * after["gap_closed"]
            yield Row(path.stem, closed, "% of the gap closed", at_least=98.0)
            larger = trained_for(command, path.stem, f"devices.count={MORE}")
            beside = Evaluator(larger)
            epr = beside.evaluate(make_policy(larger.with_policy("epr"))).figures
            more = beside.evaluate(ready(larger)).figures
            what = f"{path.stem}, {MORE} devices, beside epr"
            yield Row(
                what,
                100.0 * more["gap_closed"],
                "% of the gap closed",
                at_least=100.0 * epr["gap_closed"],
            )
        else:
            yield Row(f"{path.stem}, untrained", 100.0 * before["excess"], "% above exact")
            yield Row(path.stem, 100.0 * after["excess"], "% above exact", at_most=2.0)
            yield Row(path.stem, 100.0 * after["feasible"], "% feasible", at_least=100.0)
            for name, of in after.items():
                if name.startswith("excess ("):
                    what = f"{path.stem}, {name.removeprefix('excess ')}"
                    yield Row(what, 100.0 * of, "% above exact", at_most=2.0)


def trained_for(command: str, name: str, *changes: str) -> Scenario:
    """The scenario of an `edgesim train`, with other seeds, under the policy that came of it."""
    words = shlex.split(command)
    keys = [words[k + 1] for k, word in enumerate(words) if word == "--set"]
    policy = words[words.index("--policy") + 1]
    overrides = [*keys, *changes, f"run.seed={SEED}", f'policy.checkpoint="{name}"']
    return load_scenario(words[2], overrides, policy=policy)


def ready(scenario: Scenario) -> TrainablePolicy:
    """The trained policy."""
    policy = make_policy(scenario)
    assert isinstance(policy, TrainablePolicy)
    policy.load(blueprint(scenario).problem)
    return policy


def untrained(scenario: Scenario) -> TrainablePolicy:
    """With weights as they are drawn: actions next to zero."""
    policy = make_policy(scenario)
    assert isinstance(policy, TrainablePolicy)
    policy.init_random(blueprint(scenario).problem, 1)
    return policy
