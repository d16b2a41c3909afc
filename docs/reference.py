"""Writes the generated pages of the reference, and the keys that `edgesim keys` tells: `python docs/reference.py`."""

import dataclasses
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import edgesim
from edgesim.cli import main
from edgesim.policies.catalogue import POLICIES
from edgesim.scenarios import key_list
from edgesim.scenarios.key_list import Key, KeyList, Model
from edgesim.scenarios.reference import as_table, gather, meanings_of
from edgesim.simulator.models.arrivals import ARRIVALS, SLOT_TASKS
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.fading import FADING
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS
from edgesim.traces.metrics import SUMS
from edgesim.traces.summary_rows import OTHER_ROWS, VARIABLES, Row, rows

FOLDER = Path(__file__).parent
STREAM, TASKS = POLICIES
COMPONENTS = {
    "policies": POLICIES,
    "arrivals": {STREAM: ARRIVALS, TASKS: SLOT_TASKS},
    "fading": {STREAM: FADING, TASKS: {name: FADING[name] for name in ("rayleigh", "clarke")}},
    "path_loss": dict.fromkeys(POLICIES, PATH_LOSS),
    "mobility": dict.fromkeys(POLICIES, MOBILITY),
    "association": dict.fromkeys(POLICIES, ASSOCIATION),
}
BY = "This page is written by `python docs/reference.py`."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Of Markdown."""
    for row in (heads, ["---"] * len(heads), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def key_table(keys: Sequence[Key]) -> Iterator[str]:
    """A row for each key."""

    def code(text: str) -> str:
        return text if text in (key_list.REQUIRED, key_list.NOT_GIVEN) else f"`{text}`"

    rows = [
        (f"`{one.name}`", one.meaning, one.kind, one.unit, one.bounds, code(one.default))
        for one in keys
    ]
    return table(("key", "meaning", "type", "unit", "range", "default"), rows)


def model_lines(models: Iterable[Model]) -> Iterator[str]:
    """A heading, what it is, and its keys, for each."""
    for model in models:
        alone = f" ({model.problems[0]})" if len(model.problems) == 1 else ""
        yield from ("", f'### {model.named_by} = "{model.name}"{alone}', "", model.text)
        if model.keys:
            yield from ("", *key_table(model.keys))


def scenario_page(keys: KeyList) -> Iterator[str]:
    """The keys of all sections, and those of models."""
    yield from (
        "# Keys of a scenario",
        "",
        'A scenario is a TOML file. A quantity is text with a unit (`"10 MHz"`) or a bare number in the unit',
        "of its row. Only keys that are marked so are required. `--set SECTION.KEY=VALUE` overrides a key from",
        "the command line, and `edgesim keys` has this page in the terminal. Of the two problems `[run]",
        "problem` poses one; keys that only C(10), `worst-case-emission`, has, or only the other, say so.",
        "Policies and their keys: [policies.md](policies.md). " + BY,
    )
    for section in keys.sections:
        yield from ("", f"## {section.heading}", "", section.text, "", *key_table(section.keys))
        for named_by in dict.fromkeys(one.named_by for one in keys.models):
            if named_by != "policy.name" and named_by.rpartition(".")[0] in section.paths:
                key = named_by.rpartition(".")[2]
                what = f'`{key}` is one of these, or `"module:Class"` of a .py file beside the scenario.'
                yield from ("", f"{what} Their keys stand in the same section.")
                yield from model_lines(keys.named(named_by))


def policy_page(keys: KeyList) -> Iterator[str]:
    """The policies of both problems."""
    yield from (
        "# Policies and their keys",
        "",
        '`[policy]` `name` is one of these, or `"module:Class"` of a .py file beside the scenario; the keys stand',
        "in `[policy]` too, as in `--set policy.V=1e12`. What each is for: [problems.md](problems.md). Those that",
        "learn are trained first: [learning.md](learning.md). " + BY,
        "",
        "## Of every policy",
        "",
    )
    section = keys.section("policy")
    assert section is not None
    yield from key_table(section.keys)
    for heading, problems in (
        ("Of the stream problem", (STREAM,)),
        ("Of the task problem", (TASKS,)),
        ("Of both problems", (STREAM, TASKS)),
    ):
        found = [one for one in keys.named("policy.name") if one.problems == problems]
        yield from ("", f"## {heading}", *model_lines(found))


def commands_of(group: click.Group, name: str = "edgesim") -> Iterator[tuple[str, click.Command]]:
    """All commands with their whole names."""
    for key, command in sorted(group.commands.items()):
        yield f"{name} {key}", command
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{name} {key}")


def command_page() -> Iterator[str]:
    """Every command, its arguments and options."""
    yield from (
        "# Commands",
        "",
        "`edgesim COMMAND --help` says the same in the terminal; [terminal.md](terminal.md) how a shell completes them.",
        "The exit status is 0, 1 where a run failed, 2 for a mistake that one can correct, 130 after Ctrl-C. "
        + BY,
    )
    for name, command in commands_of(main):
        context = click.Context(command, info_name=name)
        usage = " ".join(command.collect_usage_pieces(context))
        yield from ("", f"## {name}", "", f"`{name} {usage}`", "")
        yield inspect.cleandoc(command.help or "").replace("\b", "")
        options = [one for one in command.params if isinstance(one, click.Option)]
        if options:
            yield from (
                "",
                *table(("option", "meaning", "value", "default"), map(option_row, options)),
            )


def option_row(option: click.Option) -> tuple[str, ...]:
    """What the help says of an option."""
    meaning, _, default = (option.help or "").partition("  [")
    if option.show_default and option.default is not None:
        default = f"default: {option.default}]"
    kind = "" if option.is_flag else option.make_metavar(click.Context(click.Command("")))
    if isinstance(option.type, click.IntRange | click.FloatRange):
        kind = option.type._describe_range()
    names = ", ".join(f"`{one}`" for one in (*option.opts, *option.secondary_opts))
    return names, meaning, f"`{kind}`" if kind else "", default.removesuffix("]")


UNITS = {"1": "", "": "text"}


def variable_page() -> Iterator[str]:
    """Every variable of a trace, by group."""
    groups = {
        "slots": "Every slot, of level `slots` and `full`.",
        "tasks": "A row for each task that ended. `outcome` is the index of one of: done, late, queued, dropped, lost.",
        "network": "What does not change during the run.",
        "timing": "Of the machine: the one group that may differ between two runs of a seed. Its attributes are "
        "`started` and `ended`.",
        "summary": "Totals by batch of slots and the histogram of latencies, of every level.",
    }
    yield from (
        "# Variables of a trace",
        "",
        "R replications, N devices, B stations (the MBS is station 0); SI units. `edgesim explain NAME` has a row of",
        "this page in the terminal, [traces.md](traces.md) how to read a trace. " + BY,
    )
    for group, about in groups.items():
        yield from ("", f"## /{group}", "", about, "")
        yield from table(
            ("variable", "over", "unit", "type", "meaning"),
            (
                (
                    f"`{name}`",
                    ", ".join(one.dims),
                    UNITS.get(one.units, one.units),
                    one.dtype,
                    one.long_name + ("; of level `full` only" if one.full else ""),
                )
                for name, one in VARIABLES[group].items()
            ),
        )


def summary_page() -> Iterator[str]:
    """Every row that a summary can print."""
    yield from (
        "# Rows of a summary",
        "",
        "What `edgesim run`, `summary`, `compare`, `report` and sweeps print. In a formula each name is a",
        "[variable of the trace](variables.md) in SI units, summed over the network and the slots that are counted, or one",
        "of [these sums](#sums). A row is a mean with its 95 % interval: [statistics.md](statistics.md). `edgesim explain ROW`",
        "has it in the terminal. " + BY,
    )

    def shown(row: Row) -> tuple[str, ...]:
        formula = f"`{row.formula}`" if row.formula else ""
        return row.heading, f"`{row.key}`", row.meaning, formula

    heads = ("row", "in JSON", "meaning", "formula")
    numbers = {row.heading: row for row in rows().values() if row.label not in OTHER_ROWS}
    yield from ("", "## Of the run", "", *table(heads, map(shown, OTHER_ROWS.values())))
    yield from ("", "## Numbers", "", *table(heads, map(shown, numbers.values())))
    yield from (
        "",
        "The last two are of `edgesim plot` and `report`, batch by batch.",
        "",
        "## Sums",
        "",
        *table(("name", "meaning"), ((f"`{name}`", what) for name, what in SUMS.items())),
    )


FIELDS = {
    "Observation": "What the twin shows a policy of the stream problem.",
    "Decision": "What a policy of the stream problem answers.",
    "TaskObservation": "What the twin shows a policy of the task problem.",
    "TaskDecision": "What a policy of the task problem answers.",
}
FURTHER = (
    "simulator.network.cells:Cells",
    "simulator.network.network:Network",
    "simulator.tasks.network:TaskNetwork",
    "simulator.tasks.network:Tasks",
    "simulator.tasks.channel:MrcChannel",
)


def interface_page() -> Iterator[str]:
    """The Python interface: every public name, and the fields of what policies meet."""
    yield from (
        "# Python interface",
        "",
        "`import edgesim` has these names; [python.md](python.md) shows them at work. " + BY,
        "",
    )
    public = [name for name in edgesim.__all__ if name != "__version__"]
    heads = ("name", "what it is")
    yield from table(
        heads, ((f"[`{one}`](#{where(one)})", first(getattr(edgesim, one))) for one in public)
    )
    yield from ("| `__version__` | the version of edgesim, text |", "")
    yield from (
        "## What a policy sees and answers",
        "",
        "Arrays in SI units: R replications, N devices, B stations, of which the MBS is number 0.",
    )
    classes = [(getattr(edgesim, name), about) for name, about in FIELDS.items()]
    for place in FURTHER:
        module, _, name = place.partition(":")
        cls = getattr(import_module(f"edgesim.{module}"), name)
        classes.append((cls, first(cls)))
    for cls, about in classes:
        meanings = meanings_of(cls)
        names = (
            [one.name for one in dataclasses.fields(cls)]
            if dataclasses.is_dataclass(cls)
            else meanings
        )
        fields = [(f"`{one}`", meanings[one]) for one in names if one != "stations"]
        yield from (
            "",
            f"### Fields of {cls.__name__}",
            "",
            about,
            "",
            *table(("field", "what it is"), fields),
        )
    functions = [one for one in public if inspect.isfunction(getattr(edgesim, one))]
    yield from ("", "## Functions")
    for name in functions:
        yield from ("", f"::: {where(name)}")
    yield from ("", "## Classes and errors")
    for name in public:
        if name not in functions:
            yield from ("", f"::: {where(name)}")


def where(name: str) -> str:
    """The dotted path at which a public name is defined."""
    found = getattr(edgesim, name)
    return f"{found.__module__}.{found.__qualname__}"


def first(found: Any) -> str:
    """The first sentence of a docstring."""
    text = " ".join((inspect.getdoc(found) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", text)[0]


def as_json(lists: Mapping[str, Sequence[object]]) -> str:
    """A line for each item."""
    parts = [
        f'"{name}": [\n' + ",\n".join(json.dumps(one, ensure_ascii=False) for one in items) + "\n]"
        for name, items in lists.items()
    ]
    return "{" + ",\n".join(parts) + "}\n"


def pages() -> dict[Path, str]:
    """All that is generated, by file."""
    keys = gather(COMPONENTS)
    written = {
        "scenario.md": scenario_page(keys),
        "policies.md": policy_page(keys),
        "commands.md": command_page(),
        "variables.md": variable_page(),
        "summary.md": summary_page(),
        "interface.md": interface_page(),
    }
    return {
        key_list.FILE: as_json(as_table(keys)),
        **{FOLDER / name: "\n".join(lines) + "\n" for name, lines in written.items()},
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
