"""One run: a scenario, its policy and a trace put together."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ..policies.base import Policy
from ..policies.learned import Learned
from ..policies.registry import make_policy
from ..scenarios.errors import Problem, ScenarioError, as_toml
from ..scenarios.loading import load_scenario
from ..scenarios.schema import Scenario
from ..simulator.build import Blueprint, blueprint
from ..simulator.randomness import Streams
from ..simulator.recorder import EndStatus
from ..simulator.simulation import Simulation
from ..traces.layout import RunInfo
from ..traces.reader import Trace, open_trace
from ..traces.writer import TraceWriter


@dataclass(frozen=True)
class Experiment:
    """A scenario in which everything was found to be right, ready for one run."""

    scenario: Scenario
    blueprint: Blueprint
    policy: Policy


def prepare(scenario: Scenario) -> Experiment:
    """Find and configure all that a scenario names, its policy included.

    Raises:
        ScenarioError: with all that is wrong.
    """
    problems: list[Problem] = []
    try:
        policy = make_policy(scenario)
    except ScenarioError as error:
        problems.extend(error.problems)
    try:
        plan = blueprint(scenario)
    except ScenarioError as error:
        problems.extend(error.problems)
    if problems:
        raise ScenarioError(problems)
    if isinstance(policy, Learned):
        try:
            policy.load(plan.problem)
        except ValueError as error:
            value = policy.checkpoint and as_toml(policy.checkpoint)
            problem = Problem(scenario.source, str(error), "policy.checkpoint", value)
            raise ScenarioError([problem]) from None
    return Experiment(scenario, plan, policy)


def execute(
    experiment: Experiment,
    path: Path,
    on_start: Callable[[Simulation], None] = lambda simulation: None,
) -> EndStatus:
    """Run an experiment and leave its trace; an interrupt ends it after the current slot.

    Args:
        experiment: used up by this.
        path: of the trace; a file that is there is overwritten.
        on_start: is handed the simulation before its first slot, to follow its progress.

    Returns:
        How it ended: "complete" or "interrupted".

    Raises:
        RunError: a policy or model failed; what was recorded up to there is readable.
        OSError: the trace cannot be written.
    """
    scenario, plan = experiment.scenario, experiment.blueprint
    streams = Streams(scenario.run.seed, scenario.run.replications)
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TraceWriter(path, _run_info(experiment, streams), level=scenario.trace.level)
    status: EndStatus = "failed"
    try:
        simulation = plan.simulation(experiment.policy.decide, writer, streams)
        on_start(simulation)
        with stopped_by_signals(simulation.stop):
            status = "complete" if simulation.run() else "interrupted"
        writer.tasks(simulation.world.unfinished())
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        writer.close(status)
    return status


def run(
    scenario: str | Path | Scenario,
    output: str | Path,
    *,
    policy: str | None = None,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
) -> Trace:
    """Run a scenario and open the trace that it leaves.

    Args:
        scenario: a file, the name of a shipped scenario, or a scenario already loaded.
        output: path of the trace; a file that is there is overwritten.
        policy: instead of the scenario's own.
        overrides: "a.b.c=VALUE", as for the command's --set.
        data_dir: where data files are looked up.

    Raises:
        ScenarioError: the scenario cannot be run.
        RunError: a policy or model failed during the run.
    """
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario, overrides, data_dir, policy=policy)
    execute(prepare(scenario), Path(output))
    return open_trace(output)


def _run_info(experiment: Experiment, streams: Streams) -> RunInfo:
    network, topology = experiment.blueprint.network, experiment.blueprint.topology
    scenario = experiment.scenario
    return RunInfo(
        scenario=scenario.to_toml(),
        policy=scenario.policy.name,
        seeds=streams.seeds,
        devices=network.devices,
        station_names=network.station_names,
        station_position_m=topology.station_position_m,
        station_coverage_m=topology.coverage_m,
        area_m=scenario.area.size,
        slots=scenario.run.slots,
        slot_s=network.slot_s,
        cycles_per_bit=network.cycles_per_bit,
    )


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an end, after the current slot; a second one ends it at once.

    Args:
        stop: is called in a signal handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
