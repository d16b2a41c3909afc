"""One run: a scenario, its policy and a trace put together."""

import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..policies.base import AnyPolicy
from ..policies.learning.agent import Agent
from ..policies.learning.encodings import encoding_about
from ..policies.learning.trainable import TrainablePolicy
from ..policies.registry import make_policy, policy_name
from ..scenarios.code import Code
from ..scenarios.components import unseen
from ..scenarios.data.lookup import check_inside
from ..scenarios.errors import Issue, ScenarioError, as_toml
from ..scenarios.loading import AnyScenario, Overrides, load_scenario, parse_scenario
from ..scenarios.schema import Scenario
from ..scenarios.tables import flatten, parse_toml
from ..simulator.assembly.build import Blueprint, blueprint
from ..simulator.assembly.green import leads_of
from ..simulator.core.errors import RunError, in_one_line
from ..simulator.core.outputs import OutputError
from ..simulator.core.recorder import EndStatus
from ..simulator.core.saved_state import StateError
from ..simulator.core.signals import stopped_by_signals
from ..traces.printing import counted
from ..traces.reader import TraceError, is_hdf5, open_trace
from ..traces.trace_file import RunInfo
from ..traces.writer import TraceWriter
from . import checkpoint
from .advice import advice, places_taken
from .checkpoint import Checkpoint, checkpoint_path
from .errors import ArgumentError, CheckpointError, interrupted
from .inputs import inputs_of
from .parallel_run import Blocks, begun
from .radio_notes import radio_notes
from .replication_block import Block, Experiment, Running

_ANEW = "`overwrite=True` without `resume=True` starts it anew"

Follow = Callable[[Running], None]
"""Is handed a run before its first slot, to follow its progress: its `Simulation`, if that is one."""


def load(
    scenario: AnyScenario,
    overrides: Overrides = (),
    data_dir: str | Path | None = None,
    policy: AnyPolicy | None = None,
    *,
    trust: bool = False,
) -> Scenario:
    """The scenario of whatever has one: as `load_scenario`, and that of a trace, as it was run.

    Args:
        scenario: as for `load_scenario`, or a trace.
        overrides: as for `load_scenario`.
        data_dir: as for `load_scenario`.
        policy: as for `load_scenario`, or a class or an object, for which its name stands.
        trust: as for `load_scenario`. A trace names no class without it.

    Raises:
        ScenarioError: no such file, or not a scenario; with all that is wrong.
        TraceError: an HDF5 file, but no trace, or one that cannot be read.
    """
    name = None if policy is None else policy_name(policy)
    named = isinstance(scenario, str | Path) and "\n" not in str(scenario)
    if not (named and is_hdf5(path := Path(str(scenario)))):
        try:
            return load_scenario(scenario, overrides, data_dir, name, trust=trust)
        except ScenarioError as error:
            raise ScenarioError([*error.issues, *_mistakes(error.rest, policy)]) from None
    with open_trace(path) as trace:
        text = trace.scenario
    code = Code(trust=trust, foreign=True)
    return parse_scenario(text, str(scenario), overrides, data_dir, name, path.parent, code)


def _mistakes(rest: object, policy: AnyPolicy | None) -> list[Issue]:
    """What is wrong with the files, models and policy of a scenario that has mistakes in its keys, too."""
    if not isinstance(rest, Scenario):
        return []
    try:
        look(rest, policy)
    except ScenarioError as error:
        return list(error.issues)
    return []


def look(scenario: Scenario, policy: AnyPolicy | None = None) -> Blueprint:
    """What `prepare` would make of a scenario, but for classes of its own, which are not imported.

    Raises:
        ScenarioError: with all that is wrong.
    """
    code = replace(scenario.code, trust=False, unseen=True)
    return prepare(scenario.located(scenario.source, scenario.folders, code), policy).blueprint


def verdict(scenario: Scenario) -> list[str]:
    """What `edgesim validate` says of a scenario that is right, a line each.

    Raises:
        ScenarioError: it is not; with all that is wrong.
    """
    plan = look(scenario)
    devices, stations = plan.network.devices, plan.network.stations
    return [
        f"{scenario.source}: right; {counted(devices, 'device')}, {counted(stations, 'station')}",
        *(f"note: {note}" for note in plan.notes()),
        *(f"not looked at: {name}" for name in unseen(scenario)),
    ]


def prepare(scenario: Scenario, policy: AnyPolicy | None = None) -> Experiment:
    """Find and configure all that a scenario names, its policy included.

    Args:
        scenario: names the policy too.
        policy: the class or object that it names, where it is given in Python.

    Raises:
        ScenarioError: with all that is wrong.
    """
    issues: list[Issue] = []
    made: Any = None
    plan: Blueprint | None = None
    try:
        if not scenario.doubts("policy.name", "run.problem"):
            made = make_policy(scenario, policy)
    except ScenarioError as error:
        issues.extend(error.issues)
        made = error.rest
    try:
        plan = blueprint(scenario)
    except ScenarioError as error:
        issues.extend(error.issues)
    try:
        _load(made, scenario, plan)
    except ScenarioError as error:
        issues.extend(error.issues)
    if issues or plan is None:
        raise ScenarioError(issues)
    try:
        if (check := getattr(made, "check", None)) is not None:
            check(plan.problem.network, plan.problem)
    except Exception as error:
        what = str(error) if isinstance(error, ValueError) else f"its `check`: {in_one_line(error)}"
        issue = Issue(scenario.source, what, "policy.name", as_toml(scenario.policy.name))
        raise ScenarioError([issue]) from error
    return Experiment(scenario, replace(plan, notes=partial(_notes, plan)), made)


def _load(policy: Any, scenario: Scenario, plan: Blueprint | None) -> None:
    """Have a policy that learned read its file, as far as it is known what for.

    Raises:
        ScenarioError: there is none, it may not be read, or it does not fit.
    """
    if isinstance(policy, Agent):
        policy.load(None if plan is None else plan.problem, scenario)
    if not isinstance(policy, TrainablePolicy):
        return
    if (name := policy.checkpoint) is not None:
        check_inside(scenario, Path(name), Path.cwd(), "policy.checkpoint", name)
    try:
        if plan is None:
            policy.look(scenario.run.problem)
        else:
            policy.load(plan.problem)
    except ValueError as error:
        issue = Issue(scenario.source, str(error), "policy.checkpoint", name and as_toml(name))
        raise ScenarioError([issue]) from None


def _notes(plan: Blueprint) -> list[str]:
    return [*plan.notes(), *places_taken(plan), *radio_notes(plan), *advice(plan)]


def execute(
    experiment: Experiment,
    path: Path,
    on_start: Follow = lambda simulation: None,
    checkpoint_every: int | None = None,
    on_end: Callable[[TraceWriter], None] = lambda writer: None,
    workers: int = 1,
) -> EndStatus:
    """Run an experiment and leave its trace; SIGINT and SIGTERM end it after the current slot.

    Args:
        experiment: used up by this.
        path: of the trace; a file that is there is overwritten.
        on_start: is handed the run before its first slot.
        checkpoint_every: slots between checkpoints, from which `resume` goes on; an interrupted run
            leaves one as well, a complete one leaves none.
        on_end: is handed what wrote the trace, once that is closed and if the run did not fail.
        workers: processes that simulate, not more than there are replications; this one, if it is one.

    Returns:
        How it ended: "complete" or, where the program's own handler of a signal goes on, "interrupted".

    Raises:
        KeyboardInterrupt: Ctrl-C, as Python handles it by itself.
        RunError: a policy or model failed, there is too little memory, or a process was killed; the slots
            up to there can be read.
        CheckpointError: the policy or a model has a state that cannot be saved.
        OSError: the trace or a checkpoint cannot be written.
    """
    saved = checkpoint_path(path)
    blocks = begun(experiment, workers, workers, saved if checkpoint_every is not None else None)
    with closing(blocks):
        path.parent.mkdir(parents=True, exist_ok=True)
        saved.unlink(missing_ok=True)
        level = experiment.scenario.trace.level
        writer = TraceWriter(path, run_info(experiment), level=level)
        try:
            blocks.start(writer)
        except RunError:
            writer.close("failed")
            raise
        status = _record(experiment, writer, blocks, path, on_start, checkpoint_every)
    on_end(writer)
    return status


def check_free(path: Path) -> None:
    """Refuse to write in the place of a file; a trace in which no slot is, of a run that failed, is none.

    Raises:
        ArgumentError: there is one.
    """
    if not path.exists():
        return
    with suppress(TraceError), open_trace(path) as trace:
        if trace.status == "failed" and trace.recorded == 0:
            return
    more = ", `resume=True` goes on with its run" if checkpoint_path(path).exists() else ""
    raise ArgumentError(f"{path} exists; `overwrite=True` replaces it{more}")


def resume(
    experiment: Experiment,
    path: Path,
    on_start: Follow = lambda simulation: None,
    workers: int = 1,
) -> EndStatus:
    """Go on with a run from its last checkpoint; the trace becomes that of a run that never stopped.

    Slots of the trace that follow the checkpoint are run again. Arguments and result as for `execute`; but
    the blocks of replications are those that the run was begun with, and so many workers at most.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be used, or is of another scenario.
        RunError: as for `execute`.
        OSError: the trace or a checkpoint cannot be read or written.
    """
    file = checkpoint_path(path)
    if not file.exists():
        raise CheckpointError(f"{file}: there is no such file; `checkpoint_every` leaves one")
    saved = checkpoint.load(file)
    info = run_info(experiment)
    _check_same(file, saved.scenario, None, info)
    with open_trace(path) as trace:
        _check_same(path, trace.scenario, trace.inputs, info)
    with closing(begun(experiment, len(saved.blocks), workers, file, saved.blocks)) as blocks:
        try:
            level = experiment.scenario.trace.level
            writer = TraceWriter(path, info, level=level, earlier=saved.written)
            blocks.start(writer)
            if blocks.slot != writer.following:
                raise StateError("the trace and the run are not at the same slot")
        except StateError as error:
            raise CheckpointError(
                f"{file}: the checkpoint does not fit this run: {error}"
            ) from None
        try:
            writer.go_on()
        except TraceError as error:
            raise CheckpointError(f"{error}; {_ANEW}") from None
        try:
            every = saved.every
            del saved  # with arrays that grow in the run
            return _record(experiment, writer, blocks, path, on_start, every)
        except (RunError, CheckpointError, OutputError, TraceError, OSError):
            raise
        except Exception as error:
            # Of numbers that fit and mean nothing, nobody but the run itself can tell.
            what = f"the run that goes on from it fails: {type(error).__name__}: {error}"
            raise CheckpointError(f"{file}: {what}") from error


def execute_or_resume(
    experiment: Experiment,
    path: Path,
    on_start: Follow = lambda simulation: None,
    checkpoint_every: int | None = None,
    workers: int = 1,
) -> EndStatus:
    """Bring a run to its end, wherever an earlier start of it got to.

    It goes on from the checkpoint, if there is one, does nothing if the trace is complete, and begins
    anew if the run was killed before its first checkpoint, or its trace is gone, without which a
    checkpoint is worth nothing. Arguments and result as for `execute`.

    Raises:
        ArgumentError: the trace is incomplete, has no checkpoint, and is too long to be begun anew
            unasked.
        CheckpointError: of another scenario, or as for `execute` and `resume`.
        TraceError: the file is no trace.
        RunError: as for `execute`.
        OSError: as for `execute`.
    """
    if checkpoint_path(path).exists() and path.exists():
        return resume(experiment, path, on_start, workers)
    if path.exists():
        with open_trace(path) as trace:
            if trace.status == "complete":
                _check_same(path, trace.scenario, trace.inputs, run_info(experiment))
                return "complete"
            same = trace.scenario == experiment.scenario.to_toml()
            if not same or checkpoint_every is None or trace.recorded > checkpoint_every:
                what = "has no checkpoint to go on from; `overwrite=True` starts it anew"
                raise ArgumentError(f"{path} {what}")
    return execute(experiment, path, on_start, checkpoint_every, workers=workers)


def _record(
    experiment: Experiment,
    writer: TraceWriter,
    blocks: Block | Blocks,
    path: Path,
    on_start: Follow,
    checkpoint_every: int | None,
) -> EndStatus:
    """Run from where the blocks stand to the end or a signal.

    Raises:
        KeyboardInterrupt: as `execute`.
    """
    scenario, file = experiment.scenario, checkpoint_path(path)
    status: EndStatus = "failed"
    try:
        with ExitStack() as signals:  # ends last: who handles a signal finds the trace whole
            try:
                if checkpoint_every is not None:
                    blocks.look_at_state()
                on_start(blocks.running)
                slots = scenario.run.slots
                every = checkpoint_every or slots
                signals.enter_context(stopped_by_signals(blocks.stop))
                goes_on = True
                while goes_on:
                    following = (blocks.slot // every + 1) * every
                    goes_on = blocks.run(following) and blocks.slot < slots
                    if checkpoint_every is not None and blocks.slot < slots:
                        written = checkpoint.state_of(writer.parts(), file)
                        state = Checkpoint(scenario.to_toml(), every, written, blocks.saved())
                        checkpoint.save(file, state)
                status = "complete" if blocks.slot >= slots else "interrupted"
                for tasks in blocks.unfinished():
                    writer.tasks(tasks)
            except (KeyboardInterrupt, SystemExit):
                status = "interrupted"
                raise
            except MemoryError as error:
                raise RunError(f"too little memory: {error}") from error
            finally:
                writer.close(status)
            if status == "complete":
                file.unlink(missing_ok=True)
    except KeyboardInterrupt:
        raise interrupted(f"what was run is in {path}", path) from None
    return status


def _check_same(file: Path, scenario: str, inputs: Mapping[str, str] | None, info: RunInfo) -> None:
    """Check that a trace or a checkpoint is of this run.

    Args:
        file: for the message.
        scenario: of the trace or the checkpoint.
        inputs: likewise, if known.
        info: of the run that is to go on.

    Raises:
        CheckpointError: names the keys, or the files and classes, that differ.
    """
    try:
        theirs = flatten(parse_toml(scenario, str(file)))
    except ScenarioError as error:
        raise CheckpointError(f"{file}: it is damaged: {error}") from None
    ours = flatten(tomllib.loads(info.scenario))
    changes = [
        f"{key} was {as_toml(theirs.get(key))}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    if changes:
        raise CheckpointError(f"{file}: of another scenario: {', '.join(changes)}")
    if inputs is not None and (changed := sorted(dict(info.inputs.items() ^ inputs.items()))):
        what = f"{', '.join(changed)} changed since this run was begun"
        raise CheckpointError(f"{file}: {what}; {_ANEW}")


def run_info(experiment: Experiment) -> RunInfo:
    """What its trace says of a run, apart from what happens in it."""
    network, topology = experiment.blueprint.network, experiment.blueprint.topology
    links = topology.links
    scenario, policy = experiment.scenario, experiment.policy
    encoding = {}
    if isinstance(policy, Agent | TrainablePolicy):
        of_file = policy.about if isinstance(policy, Agent) else {}
        encoding = encoding_about(experiment.blueprint.problem, policy.action) | of_file
    return RunInfo(
        scenario=scenario.to_toml(),
        policy=scenario.policy.name,
        seeds=experiment.streams.seeds,
        devices=network.devices,
        station_names=network.station_names,
        station_position_m=topology.station_position_m,
        station_coverage_m=topology.coverage_m,
        area_m=scenario.area.size,
        slots=scenario.run.slots,
        slot_s=network.slot_s,
        cycles_per_bit=network.cycles_per_bit,
        inputs=inputs_of(scenario, experiment.blueprint, experiment.policy),
        carbon=experiment.blueprint.carbon_about,
        leads=leads_of(scenario),
        encoding=encoding,
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
