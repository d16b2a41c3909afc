"""One run: a scenario, its policy and a trace put together."""

import signal
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ..policies.base import Policy
from ..policies.learning.trainable import Learned
from ..policies.registry import make_policy
from ..scenarios.errors import Problem, ScenarioError, as_toml
from ..scenarios.loading import load_scenario, parse_scenario
from ..scenarios.schema import Scenario
from ..simulator.build import Blueprint, blueprint
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import EndStatus
from ..simulator.simulation import Simulation, Snapshot
from ..traces.layout import RunInfo
from ..traces.reader import Trace, is_hdf5, open_trace
from ..traces.writer import TraceWriter
from . import checkpoint
from .checkpoint import Checkpoint
from .errors import CheckpointError


@dataclass(frozen=True)
class Experiment:
    """A scenario in which everything was found to be right, ready for one run."""

    scenario: Scenario
    blueprint: Blueprint
    policy: Policy


def load(
    path_or_name: str | Path,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    policy: str | None = None,
) -> Scenario:
    """The scenario of a file or of a shipped one, or that of a trace, as it was run.

    Args:
        path_or_name: a scenario file, a trace, or the name of a shipped scenario.
        overrides: as for `load_scenario`.
        data_dir: likewise.
        policy: likewise.

    Raises:
        ScenarioError: no such file, or not a scenario; with all that is wrong.
        TraceError: an HDF5 file, but no trace, or one that cannot be read.
    """
    path = Path(path_or_name)
    if not is_hdf5(path):
        return load_scenario(path_or_name, overrides, data_dir, policy=policy)
    with open_trace(path) as trace:
        text = trace.scenario
    return parse_scenario(text, str(path_or_name), overrides, data_dir, policy, path.parent)


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
    checkpoint_every: int | None = None,
) -> EndStatus:
    """Run an experiment and leave its trace; an interrupt ends it after the current slot.

    Args:
        experiment: used up by this.
        path: of the trace; a file that is there is overwritten.
        on_start: is handed the simulation before its first slot, to follow its progress.
        checkpoint_every: slots between checkpoints, from which `resume` goes on; an interrupted run
            leaves one as well, a complete one leaves none.

    Returns:
        How it ended: "complete" or "interrupted".

    Raises:
        RunError: a policy or model failed; what was recorded up to there is readable.
        CheckpointError: the policy or a model has a state that cannot be saved.
        OSError: the trace or a checkpoint cannot be written.
    """
    scenario, policy = experiment.scenario, experiment.policy
    problem = experiment.blueprint.problem
    streams = Streams(scenario.run.seed, scenario.run.replications)
    policy.reset(problem.network, problem, streams.generators("policy"))
    path.parent.mkdir(parents=True, exist_ok=True)
    if checkpoint.beside(path).exists():
        checkpoint.beside(path).unlink()
    writer = TraceWriter(path, _run_info(experiment, streams), level=scenario.trace.level)
    return _record(experiment, policy, writer, path, checkpoint_every, on_start)


def resume(
    experiment: Experiment,
    path: Path,
    on_start: Callable[[Simulation], None] = lambda simulation: None,
) -> EndStatus:
    """Go on with a run from its last checkpoint; the trace becomes what it would have been.

    Args:
        experiment: the same; used up by this.
        path: of the trace. What it holds beyond the checkpoint is run again.
        on_start: see `execute`.

    Returns:
        How it ended: "complete" or "interrupted".

    Raises:
        CheckpointError: there is none, or it cannot be used, or is of another scenario.
        RunError: a policy or model failed; what was recorded up to there is readable.
        OSError: the trace or a checkpoint cannot be read or written.
    """
    file = checkpoint.beside(path)
    if not file.exists():
        raise CheckpointError(f"{file}: there is no such file; --checkpoint-every leaves one")
    saved = checkpoint.load(file)
    scenario = experiment.scenario
    if changes := _differences(saved.scenario, scenario.to_toml()):
        raise CheckpointError(f"{file}: of another scenario: {', '.join(changes)}")
    streams = Streams(scenario.run.seed, scenario.run.replications)
    info = _run_info(experiment, streams)
    writer = TraceWriter(path, info, level=scenario.trace.level, earlier=saved.written)
    every, snapshot = saved.every, saved.simulation
    return _record(experiment, saved.policy, writer, path, every, on_start, snapshot)


def _record(
    experiment: Experiment,
    policy: Policy,
    writer: TraceWriter,
    path: Path,
    checkpoint_every: int | None,
    on_start: Callable[[Simulation], None],
    snapshot: Snapshot | None = None,
) -> EndStatus:
    """Run from the start, or from a snapshot, to the end or an interrupt."""
    scenario, plan = experiment.scenario, experiment.blueprint
    file = checkpoint.beside(path)
    status: EndStatus = "failed"
    try:
        streams = Streams(scenario.run.seed, scenario.run.replications)
        simulation = plan.simulation(policy.decide, writer, streams, snapshot)
        on_start(simulation)
        slots = every = scenario.run.slots
        if checkpoint_every is not None:
            every = checkpoint_every
        with stopped_by_signals(simulation.stop):
            goes_on = True
            while goes_on:
                following = (simulation.world.state.slot // every + 1) * every
                goes_on = simulation.run(following) and simulation.world.state.slot < slots
                if checkpoint_every is not None and simulation.world.state.slot < slots:
                    state = simulation.snapshot()
                    saved = Checkpoint(scenario.to_toml(), every, policy, state, writer.written())
                    checkpoint.save(file, saved)
        status = "complete" if simulation.world.state.slot >= slots else "interrupted"
        writer.tasks(simulation.world.unfinished())
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        writer.close(status)
    if status == "complete":
        file.unlink(missing_ok=True)
    return status


def _differences(saved: str, now: str) -> list[str]:
    """The keys in which two scenarios differ."""
    ours, theirs = _flat(tomllib.loads(now)), _flat(tomllib.loads(saved))
    return [
        f"{key} was {as_toml(theirs.get(key))}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


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
        scenario: a file, a trace, the name of a shipped scenario, or a scenario already loaded.
        output: path of the trace; a file that is there is overwritten.
        policy: instead of the scenario's own.
        overrides: "a.b.c=VALUE", as for the command's --set.
        data_dir: where data files are looked up.

    Raises:
        ScenarioError: the scenario cannot be run.
        TraceError: it is to be that of a trace, which cannot be read.
        RunError: a policy or model failed during the run.
    """
    if not isinstance(scenario, Scenario):
        scenario = load(scenario, overrides, data_dir, policy=policy)
    execute(prepare(scenario), Path(output))
    return open_trace(output)


def _run_info(experiment: Experiment, streams: Streams) -> RunInfo:
    network, topology = experiment.blueprint.network, experiment.blueprint.topology
    links = topology.links
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
        network={
            "station_bandwidth_hz": network.station_bandwidth_hz,
            "station_cpu_hz": network.station_cpu_hz,
            "device_cpu_hz": network.device_cpu_hz,
            "device_power_max_w": network.device_power_max_w,
            "link_source": links.source,
            "link_target": links.target,
            "link_latency_s": links.latency_s,
            "link_capacity_bps": links.capacity_bps,
        },
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
