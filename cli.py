"""The `edgesim` command: parses, calls, prints. The work is done by `api.py`."""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgesim import terminal
from edgesim.commands import completion
from edgesim.commands.asking import data, explain, keys, new, policies, scenarios, show
from edgesim.commands.training import trained
from edgesim.exits import FAILED, Program, check_picture, refuse, user_errors
from edgesim.terminal import say

if TYPE_CHECKING:
    from edgesim.experiments.replication_block import Running

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="edgesim", message="%(prog)s %(version)s")
def main() -> None:
    """Simulate edge networks that are managed through digital twins."""


for command in (new, keys, explain, show, policies, scenarios, data):
    main.add_command(command)


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Arguments and options that several commands have, in the order of their help."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def folder_option(*names: str, text: str, **more: Any) -> Callable[[Command], Command]:
    """An option that is a folder."""
    return click.option(*names, type=click.Path(file_okay=False, path_type=Path), help=text, **more)


def file_option(*names: str, text: str, **more: Any) -> Callable[[Command], Command]:
    """An option that is a file."""
    return click.option(*names, type=click.Path(dir_okay=False, path_type=Path), help=text, **more)


def finite_range(least: float, most: float, **more: bool) -> click.FloatRange:
    """A number between two; NaN is none."""

    class Finite(click.FloatRange):
        def convert(self, value: Any, param: Any, ctx: Any) -> float:
            number = float(super().convert(value, param, ctx))
            return self.fail("nan is not a number", param, ctx) if math.isnan(number) else number

    return Finite(least, most, **more)


class Seeds(click.IntRange):
    """How many seeds; a list of them is asked about."""

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number."""
        if isinstance(value, str) and "," in value:
            self.fail("how many, from --seed on; seeds of a list are of a sweep", param, ctx)
        return int(super().convert(value, param, ctx))


def warmup_option(text: str = "Share of the slots left out first.") -> Callable[[Command], Command]:
    """How much of a run is not counted."""
    share = finite_range(0.0, 1.0, max_open=True)
    return click.option("--warmup", type=share, default=0.1, show_default=True, help=text)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override any key of the scenario, as in stations.sbs.count=5. Repeatable.",
    shell_complete=completion.settings,
)
data_option = folder_option(
    "--data",
    "data_dir",
    text="Folder of data files, looked into before those that `edgesim data` names.",
)
trust_help = "Import all classes that the file names, a trace's too: it runs their code."
trust_option = click.option("--trust", is_flag=True, help=trust_help)
json_option = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  [default: one for each core]"
)
policy_option = click.option(
    "--policy",
    metavar="NAME",
    help="Instead of the scenario's own, with its keys in braces as in lyapunov{V=1e14}.",
    shell_complete=completion.policies,
)
scenario_argument = click.argument("scenario", shell_complete=completion.scenarios)
numbers_option = click.option(
    "--number",
    "numbers",
    multiple=True,
    metavar="NAME",
    help="Of a sweep: only this, as in latency_s; a name from --json. Repeatable.",
)
grouping_options = options(
    click.option("--by", metavar="KEY,…", help="Of a sweep: the keys to group by.  [default: all]"),
    numbers_option,
)
experiment_options = options(
    scenario_argument,
    click.option("--seed", type=int, help="Of the first replication."),
    click.option("--slots", type=int, help="Length of the run."),
    set_option,
    data_option,
)
scenario_options = options(
    policy_option,
    click.option("--replications", type=int, help="Copies with seeds seed, seed + 1, …"),
    experiment_options,
)
style_option = click.option(
    "--style",
    type=click.Choice(["screen", "paper", "paper-wide"]),
    default="screen",
    show_default=True,
    help="For print: paper is one column of IEEE's wide, 3.5 inches, paper-wide is two, 7.16.",
)
trace_argument = click.argument("trace", type=click.Path(path_type=Path))


@main.command()
@scenario_options
@trust_option
@file_option("-o", "--output", text="The trace.  [default: a new file in runs/]")
@click.option("--overwrite", is_flag=True, help="Replace the trace that --output names.")
@file_option("--checkpoint", text="Of a policy that learns: what `edgesim train` left.")
@click.option("--train-first", is_flag=True, help="Train the policy, then run it.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="SLOTS",
    help="Save the run beside its trace from time to time, for --resume.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run whose trace --output names, if there is one.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that share the replications.  [default: one for each core, where that pays]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(train_first: bool, checkpoint: Path | None, as_json: bool, **arguments: Any) -> None:
    """Run SCENARIO and leave a trace.

    SCENARIO is a file, the name of a shipped one, or a trace, whose scenario is run again.
    """
    with user_errors():
        from edgesim import api
        from edgesim.experiments.progress import run_progress
        from edgesim.experiments.run import check_free
        from edgesim.traces.reader import open_trace

        if checkpoint and train_first:
            raise click.UsageError("--checkpoint and --train-first exclude each other")
        if train_first:
            if arguments["resume"]:
                raise click.UsageError("--resume and --train-first exclude each other")
            if (output := arguments["output"]) and not arguments["overwrite"]:
                check_free(output)
            own = ("output", "overwrite", "checkpoint_every", "resume", "workers")
            keys = {name: value for name, value in arguments.items() if name not in own}
            # As JSON the run's summary is all that is printed.
            checkpoint = trained({"scenario": api.load_scenario(**keys)}, told=not as_json)
        started = []
        with run_progress() as follow:

            def on_start(running: "Running") -> None:
                started.append(running)
                notes = [f"goes on at slot {running.slot:,}"] if running.slot else []
                for note in (*notes, *running.notes()):
                    say(f"note: {note}", err=True)
                follow(running)

            interrupt: KeyboardInterrupt | None = None
            try:
                trace = api.run(checkpoint=checkpoint, on_start=on_start, **arguments)
            except KeyboardInterrupt as ended:
                if not hasattr(ended, "left"):
                    raise
                interrupt, trace = ended, open_trace(ended.left)
        with trace:
            path = trace.path
            if not started:
                say(f"{path} is complete", err=True)
            counted = trace.summary()
            terminal.print_result(counted, as_json)
            if counted.advice:
                say(f"advice: {counted.advice}", err=True)
        if interrupt:
            raise interrupt
        if not as_json:
            say(f"trace: {path}")


@main.command()
@experiment_options
@trust_option
@click.option(
    "--policies",
    metavar="A,B,…",
    shell_complete=completion.policies,
    help="The first is the baseline. Braces hold keys of [policy] for one policy alone, as in "
    "lyapunov,lyapunov{V=1e14},epr.  [required for a scenario]",
)
@click.option(
    "--seeds",
    type=Seeds(min=2),
    help="Runs of each policy, with seeds seed, seed + 1, …  [default: 30]",
)
@grouping_options
@click.option(
    "--between",
    metavar="KEY",
    help="Of a sweep: compare the values of this key instead of the policies, each policy's by "
    "themselves; point compares all swept points. --policies names those compared, if not all.",
)
@warmup_option()
@folder_option("-o", "--output", text="Folder for the traces.  [default: a new one in runs/]")
@json_option
@file_option("--plot", "picture", text="Draw it too: PNG, SVG or PDF.")
@style_option
def compare(
    scenario: str,
    policies: str | None,
    warmup: float,
    as_json: bool,
    picture: Path | None,
    style: Any,
    **arguments: Any,
) -> None:
    """Run policies on SCENARIO under the same seeds, and print how they differ.

    All policies of a seed meet the same world, so differences are paired by seed. Totals alone are
    recorded (level summary), unless --set trace.level=… says otherwise.

    SCENARIO may be the folder of a sweep: its runs are compared, group by group.
    """
    given = {
        name: value
        for name, value in arguments.items()
        if value is not False and value not in (None, ())  # a zero is equal to False
    }
    of_sweep: dict[str, Any] = {
        name: given.pop(name) for name in ("by", "between", "numbers") if name in given
    }
    if Path(scenario).is_dir():
        refuse(given, "a sweep")
        with user_errors():
            from edgesim import api

            check_picture(picture)
            values = policies or ()
            compared = api.compare_sweep(scenario, values=values, warmup=warmup, **of_sweep)
            terminal.print_result(compared, as_json)
            if picture:
                api.plot(compared, picture, style=style)
        return
    with user_errors():
        from edgesim import api
        from edgesim.experiments.progress import run_progress
        from edgesim.scenarios.loading import find_scenario

        find_scenario(scenario)  # a folder whose name is mistyped needs none of the options
        refuse(of_sweep, "a scenario")
        if policies is None:
            raise click.UsageError("Missing option '--policies'.")
        check_picture(picture)
        comparison = api.compare(
            scenario,
            policies,
            warmup=warmup,
            watch=lambda label, number, count: run_progress(f"{label} ({number} of {count})"),
            **given,
        )
        terminal.print_result(comparison, as_json)
        of_each = api.summarise([policy.trace for policy in comparison.policies], warmup).traces
        for policy, one in zip(comparison.policies, of_each, strict=True):
            if one.advice:
                say(f"advice: {policy.label}: {one.advice}", err=True)
        if not as_json:
            say(f"traces: {comparison.baseline.trace.parent}")
        if picture:
            api.plot(comparison, picture, style=style)


@main.command()
@click.argument("sweep", type=click.Path(path_type=Path), metavar="SWEEP.toml")
@folder_option("-o", "--output", text="Its folder.  [default: runs/NAME of the file]")
@workers_option
@click.option(
    "--scheduler", metavar="ADDRESS", help="Of a dask.distributed cluster, instead of processes."
)
@click.option("--dry-run", is_flag=True, help="List the runs, about how long they take, how large.")
@click.option("--status", is_flag=True, help="Tell how far it is.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails.")
@data_option
@trust_option
@json_option
def sweep(
    sweep: Path,
    output: Path | None,
    workers: int | None,
    dry_run: bool,
    status: bool,
    data_dir: Path | None,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Make all runs of SWEEP.toml that are not there yet.

    Whatever ended it, the same command goes on from there.
    """
    with user_errors():
        from edgesim import api
        from edgesim.experiments.progress import sweep_progress

        if status:
            terminal.print_result(api.sweep_status(sweep, output), as_json)
            return
        if dry_run:
            trust = arguments["trust"]
            estimate = api.estimate_sweep(sweep, workers=workers, data_dir=data_dir, trust=trust)
            terminal.print_result(estimate, as_json)
            return
        with sweep_progress() as (watch, report):
            arguments |= {"workers": workers, "data_dir": data_dir}
            ended = api.sweep(sweep, output, watch=watch, report=report, **arguments)
        terminal.print_result(ended, as_json)
        if not as_json:
            say(f"results: edgesim compare {ended.folder}")
        if ended.complete < ended.runs:
            sys.exit(FAILED)


@main.command()
@scenario_argument
@policy_option
@click.option("--seed", type=int, help="Of the training; its own seeds are held out.")
@click.option("--steps", type=click.IntRange(min=1), help="Environment steps, about, in all.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Of networks.")
@set_option
@data_option
@trust_option
@folder_option(
    "-o", "--output", text="Folder for what the training leaves.  [default: a new one in runs/]"
)
@click.option("--resume", is_flag=True, help="Go on with the training in --output.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(as_json: bool, **arguments: Any) -> None:
    """Train a policy on SCENARIO, and leave a checkpoint for `edgesim run --checkpoint`.

    Keys of [policy] say how, as in --set policy.episodes=200. The scenario's own seeds are held out
    for the evaluation. In --output are logs, a checkpoint from which --resume goes on, and the best.
    """
    with user_errors():
        trained(arguments, as_json=as_json)


@main.command()
@click.argument("figures", nargs=-1, metavar="[FIGURE]…")
@click.option("--quick", is_flag=True, help="Few seeds and points: to see that it works.")
@click.option(
    "--no-training", is_flag=True, help="Leave out what needs trained policies: minutes, not hours."
)
@click.option(
    "--page", is_flag=True, help="Only make pictures and page anew, of the numbers in --output."
)
@folder_option(
    "-o",
    "--output",
    text="Folder for data, pictures and the page.",
    default="reproduction",
    show_default=True,
)
@workers_option
@data_option
@style_option
def reproduce(figures: Sequence[str], **arguments: Any) -> None:
    """Make figures of the source papers again, and judge what the papers say about them.

    FIGURE is an id as in c3, or all. Without it, the figures are listed with their claims and the CPU
    time that they take. Whatever ended it, the same command goes on from there.
    """
    if not figures and not arguments["page"]:
        from edgesim.experiments.reproduction.catalogue import listing

        say(listing())
        return
    with user_errors():
        from edgesim import api
        from edgesim.experiments.progress import sweep_progress
        from edgesim.experiments.reproduction.engine import Reporter

        reporter = Reporter(log=click.echo, runs=sweep_progress)
        arguments["train"] = not arguments.pop("no_training")
        say(f"page: {api.reproduce(figures, reporter=reporter, **arguments)}")


@main.command()
@scenario_options
def validate(scenario: str, **arguments: Any) -> None:
    """Check SCENARIO, with all files, models and the policy that it names.

    Classes of its own, "module:Class", are not imported, and not checked.
    """
    with user_errors():
        from edgesim import api
        from edgesim.experiments.run import verdict

        for line in verdict(api.load_scenario(scenario, **arguments)):
            say(line)


@main.command()
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE…"
)
@warmup_option()
@grouping_options
@json_option
def summary(
    traces: Sequence[Path], warmup: float, by: str | None, numbers: Sequence[str], as_json: bool
) -> None:
    """Print means with 95 % intervals, latency quantiles and queue stability of traces.

    Of the folder of a sweep: means with 95 % intervals over seeds, group by group.
    """
    with user_errors():
        from edgesim import api

        if len(traces) == 1 and traces[0].is_dir():
            groups = api.summarise_sweep(traces[0], by=by, numbers=numbers, warmup=warmup)
            terminal.print_result(groups, as_json)
            return
        if all(one.exists() for one in traces):
            refuse({"by": by, "numbers": numbers}, "traces")
        counted = api.summarise(traces, warmup)
        terminal.print_result(counted, as_json)
        for one in counted.traces:
            if one.advice:
                say(f"advice: {one.path}: {one.advice}", err=True)


@main.command()
@trace_argument
@file_option(
    "-o", "--output", text="PNG, SVG or PDF.  [default: the trace's name with .png, or .pdf]"
)
@click.option(
    "--kind",
    type=click.Choice(["all", "series", "latency", "map"]),
    default="all",
    show_default=True,
    help="Series over time, latency distribution, map of the network, or all in one.",
)
@grouping_options
@click.option("--x", metavar="KEY", help="Of a sweep: the key to draw against.")
@style_option
def plot(trace: Path, output: Path | None, kind: Any, **of_sweep: Any) -> None:
    """Draw a trace, or a sweep's numbers against a key: lines by policy, panels by the other keys of --by."""
    style = of_sweep.pop("style")
    with user_errors():
        from edgesim import api

        check_picture(output)
        if not trace.is_dir():
            here = (
                "a trace, whose devices and stations one by one `edgesim export` writes as tables"
            )
            refuse(of_sweep, here)
        say(api.plot(trace, output, kind, style=style, **of_sweep))


@main.command()
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE…|FOLDER"
)
@file_option(
    "-o",
    "--output",
    text="The page.  [default: the trace's name with .html, or report.html in the folder]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file that --output names.")
@warmup_option("Share of the slots left out of the numbers first.")
def report(traces: Sequence[Path], output: Path | None, warmup: float, overwrite: bool) -> None:
    """Write one HTML file about traces, or about the folder of a sweep; it can be read offline.

    It shows the numbers, the network over time and on its map, comparisons, and where all of it comes
    from. Boxes above the diagrams choose whose lines all of them show. It needs no --style: a browser
    prints it light, as wide as the paper, with the lines that are chosen.
    """
    with user_errors():
        from edgesim import api

        say(api.report(traces, output, warmup, overwrite=overwrite))


@main.command()
@trace_argument
@click.option(
    "--interval",
    type=finite_range(0.01, 86_400.0),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
def watch(trace: Path, interval: float) -> None:
    """Follow a run by the trace that it writes, until it ends."""
    with user_errors():
        from edgesim.traces.watch import watch as follow

        follow(trace, interval)


@main.command()
@trace_argument
@folder_option(
    "-o",
    "--output",
    text="Folder for the tables.  [default: the trace's name without suffix, or the sweep's folder]",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
)
@file_option(
    "--graph",
    metavar="FILE",
    text="Write the network as a graph instead: stations, backhaul, devices and association, as "
    "GraphML (.graphml) or node-link JSON (.json), which [topology] file reads.",
)
@click.option("--slot", type=int, help="Of --graph.  [default: the last one recorded]")
@click.option(
    "--minari", metavar="ID", help="Write the runs as an offline data set of Minari's instead."
)
@click.option("--trust", is_flag=True, help=f"Of --minari. {trust_help}")
def export(
    trace: Path,
    output: Path | None,
    file_format: Any,
    graph: Path | None,
    slot: int | None,
    minari: str | None,
    trust: bool,
) -> None:
    """Write a trace's slots and tasks as tables, one row per device, station or task.

    Of the folder of a sweep: one table, one row per run.
    """
    with user_errors():
        from edgesim import api

        if minari is not None:
            from edgesim.experiments.offline import export_minari

            refuse({"output": output, "graph": graph, "slot": slot}, "--minari")
            say(export_minari(trace, minari, trust=trust))
            return
        refuse({"trust": trust or None}, "tables or a graph")
        if graph is not None:
            from edgesim.traces.network_graph import SUFFIXES

            refuse({"output": output}, "--graph")
            if graph.suffix not in SUFFIXES:
                raise click.UsageError(f"{graph}: a graph ends in {', '.join(SUFFIXES)}")
            say(api.export_graph(trace, graph, slot))
            return
        refuse({"slot": slot}, "tables")
        for path in api.export(trace, output, file_format):
            say(path)
