"""Commands that say what there is: scenarios, keys, policies, data, rows of a summary, and what a trace is."""

from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size

import click

from edgesim import terminal
from edgesim.commands import completion
from edgesim.exits import user_errors
from edgesim.terminal import say

DATA_KINDS = ("carbon", "arrivals", "mobility", "positions", "topology", "solar")

WIDEST = 100
"""Columns of a text, in however wide a terminal."""


def _width() -> int:
    return min(get_terminal_size().columns, WIDEST)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "origin",
    default="iiot_20dev",
    show_default=True,
    metavar="SCENARIO",
    help="Whose values it has.",
    shell_complete=completion.scenarios,
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value of a key, as in tasks.arrivals=mmpp. Repeatable.",
    shell_complete=completion.settings,
)
def new(file: Path, origin: str, overrides: Sequence[str]) -> None:
    """Write a scenario to start from into FILE, with a comment on each key.

    Of a model that --set names, the keys are there, too.
    """
    with user_errors():
        from edgesim.scenarios.template import template

        text = template(origin, overrides)
        try:
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except FileExistsError:
            raise click.UsageError(f"{file} exists; nothing was written") from None
        say(f"{file}: run it with `edgesim run {file}`")


@click.command()
@click.argument("what", required=False, shell_complete=completion.sections)
def keys(what: str | None) -> None:
    """Tell the keys of WHAT: a section, a key, a model or a policy. Without it, list them.

    As in `edgesim keys devices`, `edgesim keys tasks.arrivals`, `edgesim keys 3gpp-inf`; of a class of
    your own `edgesim keys mine:Fading`.
    """
    with user_errors():
        from edgesim.scenarios.key_list import explained, titled

        if what and ":" in what:
            from edgesim.scenarios.reference import of_own

            lines = titled(what, *of_own(what), _width())
        else:
            lines = explained(what, _width())
        for line in lines:
            say(line)


@click.command()
@click.argument("row", nargs=-1, metavar="[ROW]", shell_complete=completion.rows)
def explain(row: tuple[str, ...]) -> None:
    """Say what a ROW of a summary means, and its formula; or a variable of a trace. Without it, list the rows.

    As in `edgesim explain energy per bit`, `edgesim explain queue_bits`.
    """
    with user_errors():
        from edgesim.traces.summary_rows import explained

        for line in explained(" ".join(row) or None, _width()):
            say(line)


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(trace: Path, as_json: bool) -> None:
    """Say what TRACE is: its scenario, policy, seeds, sizes, versions, and what differs from what ships."""
    with user_errors():
        from edgesim.traces.origin import origin
        from edgesim.traces.reader import open_trace

        with open_trace(trace) as opened:
            found = origin(opened)
        if as_json:
            say(found.to_json())
        else:
            terminal.print_table(found.to_table())


@click.command()
def policies() -> None:
    """List the policies, by the problem that they solve."""
    from edgesim.policies.catalogue import POLICIES, descriptions

    for problem in POLICIES:
        say(f"{problem}:")
        print_list([(f"  {name}", text) for name, text in descriptions(problem)])


@click.command()
def scenarios() -> None:
    """List the shipped scenarios."""
    from edgesim.scenarios.shipped import shipped

    print_list([(scenario.name, scenario.title) for scenario in shipped()])


@click.group(invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> None:
    """List the data that ship, and where others are published; `check` says what a file is."""
    if context.invoked_subcommand is None:
        from edgesim.experiments.data_check import listing

        say(listing())


@data.command("check")
@click.argument("file")
@click.option("--as", "kind", required=True, type=click.Choice(DATA_KINDS), help="What it is of.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="How it is read.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check_data(file: str, kind: str, overrides: Sequence[str], as_json: bool) -> None:
    """Say what FILE is: columns, period, step, gaps, time zone, and what a scenario makes of it."""
    with user_errors():
        from edgesim.experiments.data_check import check_data

        terminal.print_result(check_data(file, kind, overrides), as_json)


def print_list(rows: Sequence[tuple[str, str]]) -> None:
    """Names and their descriptions, in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        say(f"{name:<{width}}  {text}")
