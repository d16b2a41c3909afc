"""The `edgesim` command: parses, calls, prints."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgesim.experiments.sweeps.execute import Progress
    from edgesim.experiments.sweeps.sweep_file import Sweep
    from edgesim.experiments.train import TrainingProgress
    from edgesim.scenarios.schema import Scenario
    from edgesim.simulator.simulation import Simulation
    from edgesim.traces.reader import Trace

MISTAKE = 2
"""Exit status for what the user can put right."""

FAILED = 1
"""Exit status for a run that failed."""

INTERRUPTED = 130
"""Exit status for a run that was ended by Ctrl-C, as shells have it."""

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="edgesim", message="%(prog)s %(version)s")
def main() -> None:
    """Simulate edge networks that are managed through digital twins."""


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override any key of the scenario, as in stations.sbs.count=5. Repeatable.",
)
data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of data files.  [default: ../shared/data]",
)


def experiment_options(command: Command) -> Command:
    """The argument and options of all commands that read a scenario."""
    for option in reversed(
        [
            click.argument("scenario"),
            click.option("--seed", type=int, help="Of the first replication."),
            click.option("--slots", type=int, help="Length of the run."),
            set_option,
            data_option,
        ]
    ):
        command = option(command)
    return command


def scenario_options(command: Command) -> Command:
    """The same of those that run it under one policy."""
    policy = click.option("--policy", metavar="NAME", help="Instead of the scenario's own.")
    replications = click.option(
        "--replications", type=int, help="Copies with seeds seed, seed + 1, …"
    )
    return policy(replications(experiment_options(command)))


@main.command()
@scenario_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The trace.  [default: a new file in runs/]",
)
@click.option("--overwrite", is_flag=True, help="Replace the trace that --output names.")
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of a policy that learns: what `edgesim train` left.",
)
@click.option("--train-first", is_flag=True, help="Train the policy, then run it.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="SLOTS",
    help="Save the run beside its trace from time to time, for --resume.",
)
@click.option(
    "--resume",
    "resumes",
    is_flag=True,
    help="Go on with the run whose trace --output names, if there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(
    output: Path | None,
    overwrite: bool,
    checkpoint: Path | None,
    train_first: bool,
    checkpoint_every: int | None,
    resumes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run SCENARIO and leave a trace.

    SCENARIO is a file, the name of a shipped one, or a trace, whose scenario is run again.
    """
    with user_errors():
        from edgesim.experiments.checkpoint import beside
        from edgesim.experiments.run import execute, prepare, resume
        from edgesim.traces.reader import open_trace
        from edgesim.traces.statistics import summarise

        if resumes and not output:
            raise click.UsageError("--resume needs --output, the trace of the run to go on with")
        if checkpoint and train_first:
            raise click.UsageError("--checkpoint and --train-first exclude each other")
        if train_first:
            checkpoint = trained(load(**options), None, False, False)
        if checkpoint:
            options["overrides"] += (f"policy.checkpoint={json.dumps(str(checkpoint))}",)
        scenario = load(**options)
        experiment = prepare(scenario)
        path = output or new_trace_path(options["scenario"], scenario)
        goes_on = resumes and beside(path).exists()
        done = False
        if output and output.exists() and not (overwrite or goes_on):
            if not resumes:
                raise click.UsageError(f"{output} exists; --overwrite replaces it")
            with open_trace(output) as trace:
                done = trace.status == "complete"
                if not done and not ended_before_checkpoint(trace, scenario, checkpoint_every):
                    raise click.UsageError(
                        f"{output} has no checkpoint to go on from; --overwrite starts it anew"
                    )
        if done:
            click.echo(f"{output} is complete", err=True)
            status = "complete"
        else:
            with progress(scenario.run.slots) as follow:
                if goes_on:
                    status = resume(experiment, path, follow)
                else:
                    status = execute(experiment, path, follow, checkpoint_every)
        if status != "complete":
            click.echo(f"interrupted; what was run is in {path}", err=True)
        print_summary(summarise([path]), as_json)
        if not as_json:
            click.echo(f"trace: {path}")
        if status != "complete":
            sys.exit(INTERRUPTED)


def grouping_options(command: Command) -> Command:
    """The options of what shows the results of a sweep in groups."""
    by = click.option(
        "--by",
        "by",
        metavar="KEY,…",
        help="Of a sweep: the keys to group by.  [default: all]",
    )
    return by(numbers_option(command))


numbers_option = click.option(
    "--number",
    "numbers",
    multiple=True,
    metavar="NAME",
    help="Of a sweep: only this, as in latency_s; a name from --json. Repeatable.",
)


@main.command()
@experiment_options
@click.option(
    "--policies",
    metavar="A,B,…",
    help="The first is the baseline. Braces hold keys of [policy] for one policy alone, as in "
    "lyapunov,lyapunov{V=1e14},epr.  [required for a scenario]",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=2),
    help="Runs of each policy, with seeds seed, seed + 1, …  [default: 30]",
)
@grouping_options
@click.option(
    "--between",
    metavar="KEY",
    help="Of a sweep: compare the values of this key instead of the policies.",
)
@click.option(
    "--warmup",
    type=click.FloatRange(0.0, 1.0, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the slots left out first.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the traces.  [default: a new one in runs/]",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it too: PNG, SVG or PDF.",
)
def compare(
    scenario: str,
    policies: str | None,
    seeds: int | None,
    by: str | None,
    numbers: Sequence[str],
    between: str | None,
    seed: int | None,
    slots: int | None,
    overrides: Sequence[str],
    data_dir: Path | None,
    warmup: float,
    output: Path | None,
    as_json: bool,
    picture: Path | None,
) -> None:
    """Run policies on SCENARIO under the same seeds, and print how they differ.

    All policies of a seed meet the same world, so differences are paired by seed. Totals alone are
    recorded (level summary), unless --set trace.level=… says otherwise.

    SCENARIO may be the folder of a sweep: its runs are compared, group by group.
    """
    of_scenario: dict[str, object] = {
        "--seeds": seeds,
        "--seed": seed,
        "--slots": slots,
        "--data": data_dir,
    }
    of_scenario |= {"--set": overrides or None, "-o": output}
    of_sweep = {"--by": by, "--between": between, "--number": numbers or None}
    if Path(scenario).is_dir():
        refuse(of_scenario | {"--plot": picture}, "a sweep")
        with user_errors():
            print_sweep_comparison(
                Path(scenario), policies, by, between or "policy", numbers, warmup, as_json
            )
        return
    with user_errors():
        from edgesim.scenarios.loading import find_scenario

        find_scenario(scenario)  # a folder whose name is mistyped needs none of the options
        refuse(of_sweep, "a scenario")
        if policies is None:
            raise click.UsageError("Missing option '--policies'.")
        from edgesim.experiments.compare import execute_each, prepare_each
        from edgesim.traces.comparison import compare_traces
        from edgesim.traces.comparison_figures import plot_comparison

        check_picture(picture)
        if output and output.exists() and any(output.iterdir()):
            raise click.UsageError(f"{output} is not empty")
        changes = overridden(overrides, seed=seed, slots=slots)
        experiments = prepare_each(scenario, policies, seeds or 30, changes, data_dir)
        folder = output or unused(f"compare-{Path(scenario).stem}")
        labels = list(experiments)
        traces = execute_each(
            experiments,
            folder,
            lambda label, experiment: progress(
                experiment.scenario.run.slots,
                f"{label} ({labels.index(label) + 1} of {len(labels)})",
            ),
        )
        if len(traces) < len(labels):
            click.echo(f"interrupted; what was run is in {folder}", err=True)
            sys.exit(INTERRUPTED)
        comparison = compare_traces(traces, warmup)
        print_summary(comparison, as_json)
        if not as_json:
            click.echo(f"traces: {folder}")
        if picture:
            plot_comparison(comparison, picture)


@main.command()
@click.argument("sweep", type=click.Path(path_type=Path), metavar="SWEEP.toml")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Its folder.  [default: runs/NAME of the file]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  [default: one for each core]"
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Of a dask.distributed cluster, instead of processes."
)
@click.option("--dry-run", is_flag=True, help="List the runs, about how long they take, how large.")
@click.option("--status", is_flag=True, help="Tell how far it is.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of data files.  [default: ../shared/data]",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sweep(
    sweep: Path,
    output: Path | None,
    workers: int | None,
    scheduler: str | None,
    dry_run: bool,
    status: bool,
    fail_fast: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Make all runs of SWEEP.toml that are not there yet.

    Whatever ended it, the same command goes on from there.
    """
    with user_errors():
        folder = output or (sweep if sweep.is_dir() else Path("runs", sweep.stem))
        if status:
            from edgesim.experiments.sweeps.dataset import sweep_status

            if not (output or folder.exists() or sweep.exists()):
                folder = sweep  # of this the message then speaks
            print_summary(sweep_status(folder), as_json)
            return
        from edgesim.experiments.sweeps.sweep_file import load_sweep

        asked = load_sweep(sweep, data_dir)
        processes = workers or available_cores()
        if dry_run:
            from edgesim.experiments.sweeps.estimate import estimate

            print_summary(estimate(asked, processes), as_json)
            return
        make_runs(asked, folder, processes, scheduler, fail_fast)
        from edgesim.experiments.sweeps.dataset import sweep_status

        ended = sweep_status(folder)
        print_summary(ended, as_json)
        if not as_json:
            click.echo(f"results: edgesim compare {folder}")
        if ended.complete < ended.runs:
            sys.exit(FAILED)


@main.command()
@click.argument("scenario")
@click.option("--policy", metavar="NAME", help="Instead of the scenario's own.")
@click.option("--seed", type=int, help="Of the training; its own seeds are held out.")
@set_option
@data_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what the training leaves.  [default: a new one in runs/]",
)
@click.option("--resume", is_flag=True, help="Go on with the training in --output.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(output: Path | None, resume: bool, as_json: bool, **options: Any) -> None:
    """Train a policy on SCENARIO, and leave a checkpoint for `edgesim run --checkpoint`.

    Keys of [policy] say how, as in --set policy.episodes=200. The scenario's own seeds are held out
    for the evaluation. In --output are logs, a checkpoint from which --resume goes on, and the best.
    """
    with user_errors():
        scenario = load(**options, slots=None, replications=None)
        if resume and output is None:
            raise click.UsageError("--resume needs --output, the folder of the training")
        if not resume and output and output.exists() and any(output.iterdir()):
            raise click.UsageError(f"{output} is not empty; --resume goes on with what is there")
        trained(scenario, output, resume, as_json)


@main.command()
@click.argument("figures", nargs=-1, metavar="[FIGURE]…")
@click.option("--quick", is_flag=True, help="Few seeds and points: to see that it works.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="reproduction",
    show_default=True,
    help="Folder for data, pictures and the page.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  [default: one for each core]"
)
@data_option
def reproduce(
    figures: Sequence[str], quick: bool, output: Path, workers: int | None, data_dir: Path | None
) -> None:
    """Make figures of the source papers again, and judge what the papers say about them.

    FIGURE is an id as in c3, or all. Without it, the figures are listed with their claims and the CPU
    time that they take. Whatever ended it, the same command goes on from there.
    """
    from edgesim.experiments.reproduction.catalogue import FIGURES, chosen, listing

    if not figures:
        click.echo(listing())
        return
    with user_errors():
        from edgesim.experiments.reproduction.engine import Reporter
        from edgesim.experiments.reproduction.engine import reproduce as make

        try:
            asked = chosen(figures)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        reporter = Reporter(log=click.echo, runs=runs_progress)
        try:
            make(
                [FIGURES[name] for name in asked],
                output,
                quick=quick,
                workers=workers or available_cores(),
                data_dir=data_dir,
                reporter=reporter,
            )
        except KeyboardInterrupt:
            click.echo(
                f"interrupted; what is complete is in {output}: start it again to go on", err=True
            )
            sys.exit(INTERRUPTED)
        click.echo(f"page: {output / 'index.html'}")


@main.command()
@scenario_options
def validate(**options: Any) -> None:
    """Check SCENARIO, with all files, models and the policy that it names."""
    with user_errors():
        from edgesim.experiments.run import prepare

        network = prepare(load(**options)).blueprint.network
        click.echo(
            f"{options['scenario']}: right; {network.devices} devices, {network.stations} stations"
        )


@main.command()
def policies() -> None:
    """List the policies, by the problem that they solve."""
    from edgesim.policies.registry import POLICIES, descriptions

    for problem in POLICIES:
        click.echo(f"{problem}:")
        print_list([(f"  {name}", text) for name, text in descriptions(problem)])


@main.command()
def scenarios() -> None:
    """List the shipped scenarios."""
    from edgesim.scenarios.loading import shipped

    print_list([(scenario.name, scenario.title) for scenario in shipped()])


traces_argument = click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE…"
)
trace_argument = click.argument("trace", type=click.Path(path_type=Path))


@main.command()
@traces_argument
@click.option(
    "--warmup",
    type=click.FloatRange(0.0, 1.0, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the slots left out first.",
)
@grouping_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def summary(
    traces: Sequence[Path], warmup: float, by: str | None, numbers: Sequence[str], as_json: bool
) -> None:
    """Print means with 95 % intervals, latency quantiles and queue stability of traces.

    Of the folder of a sweep: means with 95 % intervals over seeds, group by group.
    """
    with user_errors():
        if len(traces) == 1 and traces[0].is_dir():
            from edgesim.experiments.sweeps.comparison import summarise_sweep
            from edgesim.experiments.sweeps.dataset import load_results

            results = load_results(traces[0], warmup)
            print_summary(summarise_sweep(results, by=keys_of(by), numbers=numbers), as_json)
            return
        refuse({"--by": by, "--number": numbers or None}, "traces")
        from edgesim.traces.statistics import summarise

        print_summary(summarise(traces, warmup), as_json)


@main.command()
@trace_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="PNG, SVG or PDF.  [default: the trace's name with .png]",
)
@click.option(
    "--kind",
    type=click.Choice(["all", "series", "latency", "map"]),
    default="all",
    show_default=True,
    help="Series over time, latency distribution, map of the network, or all in one.",
)
@numbers_option
@click.option("--x", "x", metavar="KEY", help="Of a sweep: the key to draw against.")
def plot(
    trace: Path, output: Path | None, kind: Any, numbers: Sequence[str], x: str | None
) -> None:
    """Draw a trace, or the numbers of a sweep's folder against a key that it varies."""
    with user_errors():
        from edgesim.traces.figures import plot as draw

        check_picture(output)
        if trace.is_dir():
            from edgesim.experiments.sweeps.dataset import load_results
            from edgesim.experiments.sweeps.figures import plot_sweep

            target = output or trace / "sweep.png"
            click.echo(plot_sweep(load_results(trace), target, x=x, numbers=numbers))
            return
        refuse({"--x": x, "--number": numbers or None}, "a trace")
        click.echo(draw(trace, output or trace.with_suffix(".png"), kind))


@main.command()
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE…|FOLDER"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page.  [default: the trace's name with .html, or report.html in the folder]",
)
@click.option(
    "--warmup",
    type=click.FloatRange(0.0, 1.0, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the slots left out of the numbers first.",
)
def report(traces: Sequence[Path], output: Path | None, warmup: float) -> None:
    """Write one HTML file about traces, or about the folder of a sweep; it can be read offline.

    It shows the numbers, the network over time and on its map, comparisons, and where all of it comes
    from.
    """
    with user_errors():
        from edgesim.experiments.report.report import write_report

        first = traces[0]
        if first.is_dir() or len(traces) > 1:
            default = (first if first.is_dir() else first.parent) / "report.html"
        else:
            default = first.with_suffix(".html")
        click.echo(write_report(traces, output or default, warmup))


@main.command()
@trace_argument
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two looks.")
def watch(trace: Path, interval: float) -> None:
    """Follow a run by the trace that it writes, until it ends."""
    with user_errors():
        from edgesim.traces.watch import watch as follow

        follow(trace, interval)


@main.command()
@trace_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tables.  [default: the trace's name without suffix, or the sweep's folder]",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
)
def export(trace: Path, output: Path | None, file_format: Any) -> None:
    """Write a trace's slots and tasks as tables, one row per device, station or task.

    Of the folder of a sweep: one table, one row per run.
    """
    with user_errors():
        from edgesim.traces.export import export as write

        if trace.is_dir():
            from edgesim.experiments.sweeps.comparison import export_sweep
            from edgesim.experiments.sweeps.dataset import load_results

            click.echo(export_sweep(load_results(trace), output or trace, file_format))
            return
        for path in write(trace, output or trace.with_suffix(""), file_format):
            click.echo(path)


def print_sweep_comparison(
    folder: Path,
    policies: str | None,
    by: str | None,
    between: str,
    numbers: Sequence[str],
    warmup: float,
    as_json: bool,
) -> None:
    """Compare within the groups of a sweep."""
    from edgesim.experiments.compare import split
    from edgesim.experiments.sweeps.comparison import compare_sweep
    from edgesim.experiments.sweeps.dataset import load_results

    results = load_results(folder, warmup)
    values = split(policies) if policies else ()
    compared = compare_sweep(
        results,
        between=between,
        values=values,
        by=keys_of(by),
        numbers=numbers,
        warmup=warmup,
    )
    print_summary(compared, as_json)


def keys_of(text: str | None) -> list[str] | None:
    """The keys of "A,B"; none of ""."""
    return None if text is None else [key.strip() for key in text.split(",") if key.strip()]


def refuse(options: Mapping[str, object], what: str) -> None:
    """Refuse options that are given, but do not go with this."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(f"{', '.join(given)} cannot be used with {what}")


def make_runs(
    sweep: "Sweep", folder: Path, workers: int, scheduler: str | None, fail_fast: bool
) -> None:
    """Make what is missing; tell of each failure as it happens, and once if they are all alike."""
    from edgesim.experiments.sweeps.execute import SweepStoppedError, execute_sweep, plan
    from edgesim.experiments.sweeps.workers import DaskPool, LocalPool, Pool

    def pool() -> Pool:
        return DaskPool(folder, scheduler) if scheduler else LocalPool(folder, workers)

    plan(sweep, folder)
    try:
        with runs_progress(sweep.runs) as (watch, tell):
            execute_sweep(sweep, folder, pool, fail_fast=fail_fast, watch=watch, tell=tell)
    except SweepStoppedError as error:
        click.echo(f"error: {error}; what is complete is kept, start it again to go on", err=True)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        click.echo(
            f"interrupted; what is complete is in {folder}: start it again to go on", err=True
        )
        sys.exit(INTERRUPTED)


def available_cores() -> int:
    """Those that this process may use."""
    import os

    return len(os.sched_getaffinity(0))


def ended_before_checkpoint(trace: "Trace", scenario: "Scenario", every: int | None) -> bool:
    """Whether this is a run of the scenario that was killed before it would have been saved."""
    return every is not None and trace.scenario == scenario.to_toml() and trace.recorded <= every


def trained(scenario: "Scenario", output: Path | None, resume: bool, as_json: bool) -> Path:
    """Train the scenario's policy, tell of it, and return the best checkpoint."""
    from edgesim.experiments.train import train

    name = scenario.policy.name
    folder = output or unused(f"train-{Path(scenario.source).stem}-{name}-seed{scenario.run.seed}")
    command = shlex.join(["edgesim", *sys.argv[1:]])
    with training_progress() as follow:
        result = train(scenario, folder, resume=resume, command=command, follow=follow)
    told = {"steps": result.steps, **result.best, "checkpoint": str(result.checkpoint)}
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for key, value in told.items():
            click.echo(
                f"{key:<26}{value:,.6g}" if isinstance(value, float) else f"{key:<26}{value}"
            )
    if not result.complete:
        click.echo(f"interrupted; --resume --output {folder} goes on", err=True)
        sys.exit(INTERRUPTED)
    return result.checkpoint


def load(
    scenario: str,
    policy: str | None,
    seed: int | None,
    slots: int | None,
    replications: int | None,
    overrides: Sequence[str],
    data_dir: Path | None,
) -> "Scenario":
    """The scenario with what the command line changes in it."""
    from edgesim.experiments.run import load as load_any

    changes = overridden(overrides, seed=seed, slots=slots, replications=replications)
    return load_any(scenario, changes, data_dir, policy=policy)


def overridden(overrides: Sequence[str], **flags: int | None) -> list[str]:
    """What --set changes, and then the flags for keys of [run]."""
    return [
        *overrides,
        *(f"run.{key}={value}" for key, value in flags.items() if value is not None),
    ]


def new_trace_path(name: str, scenario: "Scenario") -> Path:
    """A name in runs/ that says what the trace is, and that no file has yet."""
    policy = scenario.policy.name.replace(":", ".")
    return unused(f"{Path(name).stem}-{policy}-seed{scenario.run.seed}", ".h5")


def unused(stem: str, suffix: str = "") -> Path:
    """A path in runs/ where nothing is yet."""
    path, number = Path("runs", f"{stem}{suffix}"), 2
    while path.exists():
        path, number = Path("runs", f"{stem}-{number}{suffix}"), number + 1
    return path


def check_picture(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn before anything is run for it."""
    from edgesim.traces.figures import SUFFIXES

    if path and path.suffix.lower() not in SUFFIXES:
        raise click.UsageError(f"{path}: a picture ends in {', '.join(SUFFIXES)}")


@contextmanager
def user_errors() -> Iterator[None]:
    """One clear message, and no traceback, for what is not the program's fault."""
    from edgesim.experiments.errors import CheckpointError
    from edgesim.scenarios.errors import ScenarioError
    from edgesim.simulator.core.errors import RunError
    from edgesim.traces.reader import TraceError

    try:
        yield
    except (ScenarioError, TraceError, CheckpointError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(MISTAKE)
    except RunError as error:
        click.echo(f"run failed: {error}", err=True)
        sys.exit(FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        sys.exit(FAILED)


@contextmanager
def progress(slots: int, what: str = "") -> Iterator[Callable[["Simulation"], None]]:
    """A bar with slots/s and time left, on a terminal; the run itself knows nothing of it."""
    if not sys.stderr.isatty():
        yield lambda simulation: None
        return
    import threading

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        *([TextColumn(what, markup=False)] if what else []),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f} slots"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("run", total=slots, rate="compiling")
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def follow(simulation: "Simulation") -> None:
        def watch() -> None:
            while not ended.wait(0.2):
                done = simulation.world.state.slot
                speed = bar.tasks[task].speed
                rate = f"{speed:,.0f} slots/s" if speed else "compiling"
                bar.update(task, completed=done, rate=rate)

        threads.append(threading.Thread(target=watch, daemon=True))
        threads[0].start()

    with bar:
        try:
            yield follow
        finally:
            ended.set()
            for thread in threads:
                thread.join()


@contextmanager
def runs_progress(
    total: int,
) -> Iterator[tuple[Callable[["Progress"], None], Callable[[str], None]]]:
    """What shows the progress of a sweep, on a terminal, and what tells of failures anywhere."""
    if not sys.stderr.isatty():
        yield lambda progress: None, lambda failure: click.echo(f"failed: {failure}", err=True)
        return
    from rich import progress as shown
    from rich.console import Console

    console = Console(stderr=True)
    bar = shown.Progress(
        shown.TextColumn("{task.completed:,.0f} / {task.total:,.0f} runs"),
        shown.BarColumn(),
        shown.TextColumn("{task.fields[failed]}", style="red"),
        shown.TimeElapsedColumn(),
        shown.TextColumn("left"),
        shown.TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("runs", total=total, failed="", start=False)
    begun = False

    def watch(progress: "Progress") -> None:
        nonlocal begun
        if not begun:  # what was there before says nothing about the time left
            bar.update(task, completed=progress.complete)
            bar.reset(task, total=total, completed=progress.complete)
            begun = True
        failed = f"{progress.failed:,} failed" if progress.failed else ""
        bar.update(task, completed=progress.complete + progress.failed, failed=failed)

    with bar:
        yield watch, lambda failure: console.print(f"failed: {failure}", markup=False)


@contextmanager
def training_progress() -> Iterator[Callable[["TrainingProgress"], None]]:
    """A bar with reward, losses, steps/s and the last evaluation, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.completed:,.0f} / {task.total:,.0f} steps"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("train", total=None, told="preparing")

    def follow(progress: "TrainingProgress") -> None:
        figures = dict(progress.means)
        if progress.evaluation:
            figures |= progress.evaluation.figures
        told = [f"{progress.steps_per_s:,.0f} steps/s"]
        told += [f"{name} {value:.4g}" for name, value in figures.items()]
        bar.update(task, completed=progress.steps, total=progress.total, told=", ".join(told))

    with bar:
        yield follow


def print_summary(summary: Any, as_json: bool) -> None:
    """As JSON, or as a table as wide as it needs."""
    if as_json:
        click.echo(summary.to_json())
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(summary.to_table())


def print_list(rows: Sequence[tuple[str, str]]) -> None:
    """Names and what they stand for, in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")
