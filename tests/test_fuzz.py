"""Ten thousand mutated scenario and sweep files: a valid run, or a message that says what is wrong."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_scenarios
import test_sweep
import tomli_w
from conftest import Capture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgesim.experiments.run import prepare
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.core.randomness import Streams

thousands = settings(
    max_examples=5000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def run_two_slots(text: str) -> None:
    """As the command does, short of the trace."""
    scenario = parse_scenario(text, "fuzz")
    size = scenario.run.replications * (scenario.devices.count or 0)
    if size * ((scenario.stations.sbs.count or 0) + 1) > 5000 or scenario.channel.antennas > 100:
        return  # valid, and nothing that a test has the time for
    experiment = prepare(scenario)
    plan, streams = experiment.blueprint, Streams(scenario.run.seed, scenario.run.replications)
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    simulation = plan.simulation(experiment.policy.decide, Capture(), streams)
    with warnings.catch_warnings():
        # Values of 1e308 are allowed to overflow.
        warnings.simplefilter("ignore", RuntimeWarning)
        simulation.run(2)


@pytest.mark.slow
@thousands
@given(st.data())
def test_mutated_scenarios_run_or_are_told_what_is_wrong(data: st.DataObject) -> None:
    table = test_scenarios.mutated(data)
    try:
        run_two_slots(tomli_w.dumps(table))
    except (ScenarioError, RunError) as error:
        assert str(error).strip() and math.isfinite(len(str(error)))


sweep_files: Callable[..., None] = test_sweep.test_any_file_is_right_or_told_what_is_wrong


@pytest.mark.slow
@thousands
@given(
    st.dictionaries(test_sweep.WORDS, test_sweep.VALUES, max_size=4),
    st.booleans(),
    st.integers(0, 400),
    st.text(max_size=3),
)
def test_mutated_sweeps_are_right_or_told_what_is_wrong(
    tmp_path: Path, table: dict[str, Any], nested: bool, cut: int, inserted: str
) -> None:
    sweep_files.hypothesis.inner_test(tmp_path, table, nested, cut, inserted)  # type: ignore[attr-defined]
