"""The Python interface: the abilities of the command as functions, `edgesim.run` and others.

They import the rest of the program when they are called, and raise

- `ScenarioError` where a scenario or a sweep file cannot be run, with all that is wrong;
- `TraceError` where a trace or a sweep cannot be read, or has no such numbers;
- `ArgumentError` where arguments exclude each other, or an output must not be replaced;
- `OutputError` where a link, a device or a folder is in the place of an output;
- `RunError` where a policy or a model fails during a run, or a training comes to nothing;
- `CheckpointError` where a run cannot be saved, or cannot go on from its checkpoint;
- `OSError` where an output cannot be written;
- `KeyboardInterrupt` after Ctrl-C, once what was made until then can be read; its attribute `left` is the
  trace, or the folder.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .experiments.arguments import Names, names_of, path_of, paths_of
from .experiments.errors import ArgumentError, interrupted

if TYPE_CHECKING:
    from .experiments.arguments import AnyTrace
    from .experiments.compare import Policies, Watch
    from .experiments.reproduction.engine import Reporter
    from .experiments.run import Follow
    from .experiments.sweeps.comparison import SweepComparison, SweepSummary
    from .experiments.sweeps.estimate import SweepEstimate
    from .experiments.sweeps.execute import ReportFailure, WatchSweep
    from .experiments.sweeps.status import SweepStatus
    from .experiments.sweeps.sweep_file import AnySweep
    from .experiments.train import Device, TrainingProgress
    from .experiments.training_result import TrainingResult
    from .experiments.training_time import Forecast
    from .policies.base import AnyPolicy
    from .scenarios.loading import AnyScenario, Overrides
    from .scenarios.schema import Scenario
    from .simulator.network.network import Network
    from .traces.comparison import Comparison
    from .traces.export import Format
    from .traces.figures import Kind
    from .traces.reader import Trace
    from .traces.style import Style
    from .traces.summary import Summary

AnyPath: TypeAlias = str | Path


def load_scenario(
    scenario: "AnyScenario",
    overrides: "Overrides" = (),
    data_dir: AnyPath | None = None,
    policy: "AnyPolicy | None" = None,
    *,
    seed: int | None = None,
    slots: int | None = None,
    replications: int | None = None,
    checkpoint: AnyPath | None = None,
    trust: bool = False,
) -> "Scenario":
    """Read a scenario, and change it; the arguments are those of `run`."""
    from .experiments.run import load
    from .scenarios.loading import with_values

    values = {
        "run.seed": seed,
        "run.slots": slots,
        "run.replications": replications,
        "policy.checkpoint": checkpoint,
    }
    return load(scenario, with_values(overrides, values), data_dir, policy, trust=trust)


def validate(scenario: "AnyScenario", policy: "AnyPolicy | None" = None) -> "Network":
    """Check a scenario with all files, models and the policy that it names; its network, with all sizes.

    Classes of its own that the file names are not imported, so neither they nor their keys are checked.

    Args:
        scenario: as for `run`, or as `load_scenario` has changed it.
        policy: as for `run`.
    """
    from .experiments.run import look

    return look(load_scenario(scenario, policy=policy), policy).network


def run(
    scenario: "AnyScenario",
    output: AnyPath | None = None,
    *,
    seed: int | None = None,
    slots: int | None = None,
    replications: int | None = None,
    policy: "AnyPolicy | None" = None,
    checkpoint: AnyPath | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool | None = None,
    overrides: "Overrides" = (),
    data_dir: AnyPath | None = None,
    trust: bool = False,
    workers: int | None = None,
    on_start: "Follow" = lambda run: None,
) -> "Trace":
    """Run a scenario, and open the trace that it leaves.

    SIGINT and SIGTERM end the run after the current slot; the trace's status is then "interrupted".
    Then the handler that the program had before is called: Python's own raises `KeyboardInterrupt` for
    Ctrl-C, and SIGTERM ends the program. Where a handler of the program's own returns, so does this.

    Args:
        scenario: a file, the name of a shipped scenario, a trace, whose scenario is run again, TOML
            text of several lines, tables, or a scenario that is loaded.
        output: path of the trace; a new file in `runs/` if not given.
        seed: of the first replication.
        slots: length of the run.
        replications: copies with seeds seed, seed + 1, ….
        policy: instead of the scenario's own: a name, "module:Class", or a class or an object with the
            methods of `Policy`. A class has its options from the scenario and the overrides,
            `{"policy.share": 0.5}`; an object has its own. The trace names a class "module:Class", or
            "__main__:Class" if no module has it, and an object "module:Class(share=0.5)", with those
            arguments of its constructor that it keeps as attributes. For a trace of "__main__" or of
            an object to be run again, the class or the object has to be given again.
        checkpoint: of a policy that learns: what `train` left.
        checkpoint_every: slots between checkpoints of the run, for `resume`. The policy must be
            saveable, docs/python.md.
        resume: go on with the run whose trace is `output`, if there is one; do nothing if it is
            complete.
        overwrite: replace a trace that is there; the default is to, unless `resume` is given.
        overrides: of any key, `["run.slots=100"]` as for the command's --set, or `{"run.slots": 100}`.
        data_dir: where data files are looked up that do not lie beside the scenario.
        trust: whether the scenario may name classes, "module:Class", of any module, and a trace of any at
            all; else only those of a .py file beside the scenario's own (docs/security.md). What is given
            as an argument here needs no trust.
        workers: processes that share the replications; if not given, one for each core where that pays,
            and one for a policy or model that is not the program's own (docs/python.md).
        on_start: is handed the run before its first slot, to follow it: the simulation, where it is all in
            this process, else what has its `slot`, `slots`, `notes()` and `stop()`.
    """
    from .experiments.checkpoint import checkpoint_path
    from .experiments.outputs import alone, new_output
    from .experiments.parallel_run import workers_for
    from .experiments.run import check_free, execute, execute_or_resume, prepare
    from .traces.reader import open_trace

    if resume and output is None:
        raise ArgumentError("`resume` needs `output`, the trace of the run to go on with")
    loaded = load_scenario(
        scenario,
        overrides,
        data_dir,
        policy,
        seed=seed,
        slots=slots,
        replications=replications,
        checkpoint=checkpoint,
        trust=trust,
    )
    experiment = prepare(loaded, policy)
    processes = workers_for(experiment, workers)
    path = Path(output) if output is not None else new_output(loaded, suffix=".h5")
    overwrite = not resume if overwrite is None else overwrite
    with alone(path, reserved=output is None):
        if resume and (not overwrite or checkpoint_path(path).exists()):
            execute_or_resume(experiment, path, on_start, checkpoint_every, processes)
        else:
            if output is not None and not overwrite:
                check_free(path)
            execute(experiment, path, on_start, checkpoint_every, workers=processes)
        return open_trace(path)


def train(
    scenario: "AnyScenario",
    output: AnyPath | None = None,
    *,
    seed: int | None = None,
    policy: "AnyPolicy | None" = None,
    steps: int | None = None,
    resume: bool = False,
    device: "Device" = "cpu",
    overrides: "Overrides" = (),
    data_dir: AnyPath | None = None,
    trust: bool = False,
    command: str = "",
    foretell: "Callable[[Forecast], None] | None" = None,
    follow: "Callable[[TrainingProgress], None]" = lambda progress: None,
) -> "TrainingResult":
    """Train a policy, and leave its best version, a checkpoint for `run`.

    It is evaluated on the scenario's own seeds, which the training does not use. Signals are as for
    `run`, after the current step.

    Args:
        scenario: as for `run`.
        output: folder for logs and checkpoints; a new one in `runs/` if not given.
        seed: of the training.
        policy: as for `run`.
        steps: environment steps, about: instead of the policy's own key for the length of its training.
        resume: go on with the training in `output`.
        device: "cpu", or "cuda" for networks and replay on a GPU.
        overrides: as for `run`; options of the policy say how it learns.
        data_dir: as for `run`.
        trust: as for `run`.
        command: noted in the checkpoint.
        foretell: is handed how long it will take here, measured before it starts.
        follow: is handed the progress from time to time.
    """
    from .experiments import train as training
    from .experiments.outputs import alone, filled, new_output

    loaded = load_scenario(scenario, overrides, data_dir, policy, seed=seed, trust=trust)
    loaded = training.with_steps(loaded, steps, policy)
    if resume and output is None:
        raise ArgumentError("`resume` needs `output`, the folder of the training")
    folder = Path(output) if output is not None else new_output(loaded, "train-")
    with alone(folder, reserved=output is None):
        if not resume and filled(folder):
            raise ArgumentError(f"{output} is not empty; `resume=True` goes on with what is there")
        return training.train(
            loaded,
            folder,
            policy=policy,
            resume=resume,
            device=device,
            command=command,
            foretell=foretell,
            follow=follow,
        )


def compare(
    scenario: "AnyScenario",
    policies: "Policies",
    output: AnyPath | None = None,
    *,
    seeds: int = 30,
    seed: int | None = None,
    slots: int | None = None,
    overrides: "Overrides" = (),
    data_dir: AnyPath | None = None,
    trust: bool = False,
    warmup: float = 0.1,
    watch: "Watch | None" = None,
) -> "Comparison":
    """Run policies on a scenario under the same seeds, and pair their differences by seed.

    Signals are as for `run`, but `KeyboardInterrupt` is raised after each; the traces up to there can be
    read.

    Args:
        scenario: as for `run`.
        policies: the baseline first: "lyapunov,lyapunov{V=1e14},epr", or a list of such names, classes
            and objects, or these by label.
        output: folder for the traces, with nothing in it; a new one in `runs/` if not given.
        seeds: runs of each policy, two or more.
        seed: the first.
        slots: length of the runs.
        overrides: as for `run`, for all policies. Totals alone are recorded unless they say otherwise.
        data_dir: as for `run`.
        trust: as for `run`.
        warmup: share of the slots that is left out first.
        watch: makes, for a label, its place and their number, a context that gives what follows a run.
    """
    from .experiments.compare import execute_each, prepare_each, unwatched
    from .experiments.outputs import alone, filled, reserve
    from .scenarios.loading import with_values
    from .traces.comparison import compare_traces

    if isinstance(scenario, str | Path) and "\n" not in str(scenario) and Path(scenario).is_dir():
        raise ArgumentError(f"{scenario} is a folder; the runs of a sweep are for `compare_sweep`")
    changes = with_values(overrides, {"run.seed": seed, "run.slots": slots})
    experiments = prepare_each(scenario, policies, seeds, changes, data_dir, trust=trust)
    source = next(iter(experiments.values())).scenario.source
    folder = Path(output) if output is not None else reserve(f"compare-{Path(source).stem}")
    with alone(folder, reserved=output is None):
        if filled(folder):
            raise ArgumentError(f"{folder} is not empty")
        traces = execute_each(experiments, folder, watch or unwatched)
        return compare_traces(traces, warmup)


def sweep(
    sweep: "AnySweep",
    output: AnyPath | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    fail_fast: bool = False,
    data_dir: AnyPath | None = None,
    trust: bool = False,
    watch: "WatchSweep" = lambda progress: None,
    report: "ReportFailure" = lambda failure: None,
) -> "SweepStatus":
    """Make all runs of a sweep that are not there yet; `open_sweep` has their results.

    Whatever ended it, the same call goes on from there. Ctrl-C raises `KeyboardInterrupt`, and what
    stands in the way of all runs alike, such as a full disk, `SweepStoppedError`.

    Args:
        sweep: a sweep file, or its tables, among whose `policies` there may be classes; of a module, as
            other processes make the runs.
        output: folder of the sweep; `runs/NAME` of the file if not given.
        workers: processes; one for each core if not given.
        scheduler: address of a dask.distributed scheduler, whose workers are used instead.
        fail_fast: stop at the first run that fails.
        data_dir: as for `run`.
        trust: as for `run`, of the sweep's file and its scenario.
        watch: is handed the progress several times a second.
        report: is handed each failure, in words.

    Returns:
        How many runs are complete: all but those that failed.
    """
    from .experiments.outputs import sweep_folder
    from .experiments.sweeps import status
    from .experiments.sweeps.execute import execute_sweep, plan
    from .experiments.sweeps.learned import learned
    from .experiments.sweeps.sweep_file import load_sweep
    from .experiments.sweeps.workers import DaskPool, LocalPool, Pool
    from .simulator.core.memory import cores

    folder = sweep_folder(sweep, output)
    load = partial(load_sweep, sweep, data_dir, trust=trust)

    def pool() -> Pool:
        return DaskPool(folder, scheduler) if scheduler else LocalPool(folder, workers or cores())

    try:
        asked = learned(load, folder, workers or cores())
        plan(asked, folder)
        execute_sweep(asked, folder, pool, fail_fast=fail_fast, watch=watch, report=report)
    except KeyboardInterrupt:
        what = f"what is complete is in {folder}: start it again to go on"
        raise interrupted(what, folder) from None
    return status.sweep_status(folder)


def sweep_status(sweep: AnyPath, output: AnyPath | None = None) -> "SweepStatus":
    """How far a sweep is, by its file or its folder; `output` as for `sweep`."""
    from .experiments.outputs import sweep_folder
    from .experiments.sweeps import status

    folder = Path(sweep) if Path(sweep).is_dir() and not output else sweep_folder(sweep, output)
    known = output or folder.exists() or Path(sweep).exists()
    return status.sweep_status(folder if known else sweep)


def estimate_sweep(
    sweep: "AnySweep",
    *,
    workers: int | None = None,
    data_dir: AnyPath | None = None,
    trust: bool = False,
) -> "SweepEstimate":
    """The runs of a sweep, about how long they take and how large they are; arguments as for `sweep`."""
    from .experiments.sweeps.estimate import estimate
    from .experiments.sweeps.sweep_file import load_sweep
    from .simulator.core.memory import cores

    return estimate(load_sweep(sweep, data_dir, trust=trust), workers or cores())


def compare_sweep(
    folder: AnyPath,
    *,
    between: str = "policy",
    values: Names = (),
    by: Names | None = None,
    numbers: Names = (),
    warmup: float = 0.1,
) -> "SweepComparison":
    """Means and differences, paired by seed, of the runs of a sweep, group by group.

    Args:
        folder: of the sweep.
        between: the key whose values are compared; "point" stands for all swept keys together.
        values: of it, the baseline first; all if not given.
        by: the keys to group by; all others if not given.
        numbers: keys as in JSON; those of a comparison if not given.
        warmup: share of the slots that is left out first.
    """
    from .experiments.sweeps import comparison
    from .experiments.sweeps.results import load_results

    return comparison.compare_sweep(
        load_results(folder, warmup),
        between=between,
        values=names_of(values),
        by=None if by is None else names_of(by),
        numbers=names_of(numbers),
        warmup=warmup,
    )


def summarise_sweep(
    folder: AnyPath, *, by: Names | None = None, numbers: Names = (), warmup: float = 0.1
) -> "SweepSummary":
    """Means over seeds of the runs of a sweep, group by group; arguments as for `compare_sweep`."""
    from .experiments.sweeps import comparison
    from .experiments.sweeps.results import load_results

    keys = None if by is None else names_of(by)
    results = load_results(folder, warmup)
    return comparison.summarise_sweep(results, by=keys, numbers=names_of(numbers))


def summarise(traces: "AnyTrace | Sequence[AnyTrace]", warmup: float = 0.1) -> "Summary":
    """Means with 95 % intervals, latency quantiles and queue stability of one or several traces.

    Args:
        traces: they may still be running.
        warmup: share of the slots that is left out first.
    """
    from .traces import reader

    return reader.summarise(paths_of(traces), warmup)


def plot(
    what: "AnyTrace | Comparison | SweepComparison",
    output: AnyPath | None = None,
    kind: "Kind" = "all",
    *,
    x: str | None = None,
    by: Names | None = None,
    numbers: Names = (),
    style: "Style" = "screen",
) -> Path:
    """Draw a trace, a comparison, or the numbers of a sweep against a key that it varies.

    Args:
        what: a trace, what `compare` or `compare_sweep` returned, or the folder of a sweep.
        output: the picture, PNG, SVG or PDF by its suffix; if not given, the trace's name with .png (for
            print .pdf), or sweep.png in the sweep's folder. A comparison needs one.
        kind: of a trace: "series", "latency", "map", or "all" in one.
        x: of a sweep: the key to draw against.
        by: of a sweep: what lines ("policy") and panels are for; all its keys if not given.
        numbers: of a sweep: as for `compare_sweep`.
        style: "screen"; for print "paper", as wide as one column of IEEE's, or "paper-wide", as two.

    Returns:
        The path of the picture.
    """
    from .experiments.sweeps.comparison import SweepComparison
    from .experiments.sweeps.pictures import picture
    from .traces.comparison import Comparison

    drawn = what if isinstance(what, Comparison | SweepComparison) else path_of(what)
    keys = None if by is None else names_of(by)
    return picture(drawn, output, kind, x, keys, names_of(numbers), style)


def report(
    traces: "AnyTrace | Sequence[AnyTrace]",
    output: AnyPath | None = None,
    warmup: float = 0.1,
    *,
    overwrite: bool = True,
) -> Path:
    """Write one HTML file about traces, or about a sweep, to be read offline; its path.

    Args:
        traces: one or several, or the folder of a sweep or of traces.
        output: the page; if not given, the trace's name with .html, or report.html in the folder.
        warmup: share of the slots that is left out of the numbers first.
        overwrite: replace a file that is there under the name that `output` gives.
    """
    from .experiments.report.report import write_report

    paths = paths_of(traces)
    if output is not None and not overwrite and Path(output).exists():
        raise ArgumentError(f"{output} exists; `overwrite=True` replaces it")
    first = paths[0]
    folder = first if first.is_dir() else first.parent
    single = len(paths) == 1 and not first.is_dir()
    default = first.with_suffix(".html") if single else folder / "report.html"
    return write_report(paths, output or default, warmup)


def export(
    trace: "AnyTrace", output: AnyPath | None = None, file_format: "Format" = "parquet"
) -> list[Path]:
    """Write a trace's slots and tasks as tables, or a sweep's runs as one; their paths.

    Args:
        trace: a trace, or the folder of a sweep.
        output: folder of the tables; if not given, the trace's name without suffix, or the sweep's.
        file_format: "csv" or "parquet".
    """
    path = path_of(trace)
    if path.is_dir():
        from .experiments.sweeps.export import export_sweep
        from .experiments.sweeps.results import load_results

        return [export_sweep(load_results(path), Path(output or path), file_format)]
    from .traces.export import export as export_trace

    return export_trace(path, output or path.with_suffix(""), file_format)


def export_graph(
    trace: "AnyTrace", output: AnyPath, slot: int | None = None, replication: int = 0
) -> Path:
    """Write the network of a trace as a graph, which `[topology] file` of a scenario reads.

    Args:
        trace: recorded at level "slots" or "full".
        output: the file: GraphML if it ends in .graphml, node-link JSON if in .json.
        slot: whose devices' places and association; the last one recorded if not given.
        replication: likewise.

    Returns:
        The path of the file.
    """
    from .traces.network_graph import export_graph as export_of_trace

    path = path_of(trace)
    return export_of_trace(path, output, slot, replication)


def reproduce(
    figures: Names = "all",
    output: AnyPath = "reproduction",
    *,
    quick: bool = False,
    train: bool = True,
    page: bool = False,
    workers: int | None = None,
    data_dir: AnyPath | None = None,
    style: "Style" = "screen",
    reporter: "Reporter | None" = None,
) -> Path:
    """Make figures of the source papers again, and judge the papers' claims about them.

    Whatever ended it, the same call goes on from there.

    Args:
        figures: ids as "c3", or "all".
        output: folder for data, pictures and the page.
        quick: few seeds and points.
        train: whether policies are trained; else what needs them is not run.
        page: only make pictures and page anew, of the numbers that are in the folder.
        workers: as for `sweep`.
        data_dir: as for `run`.
        style: of the pictures, as of `plot`.
        reporter: is handed the progress.

    Returns:
        The path of the page.
    """
    from .experiments.reproduction import engine
    from .experiments.reproduction.catalogue import FIGURES, chosen
    from .simulator.core.memory import cores

    try:
        asked = [FIGURES[name] for name in chosen(names_of(figures))]
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    folder, data = Path(output), Path(data_dir) if data_dir else None
    if page:
        return engine.redraw(folder, style)
    try:
        engine.reproduce(
            asked,
            folder,
            quick=quick,
            train=train,
            workers=workers or cores(),
            data_dir=data,
            reporter=reporter,
            style=style,
        )
    except KeyboardInterrupt:
        what = f"what is complete is in {folder}: start it again to go on"
        raise interrupted(what, folder) from None
    return folder / "index.html"
