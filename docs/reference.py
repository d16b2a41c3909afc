"""Writes the generated pages of the reference, and the keys that `edgesim keys` tells: `python docs/reference.py`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edgesim.policies.catalogue import POLICIES
from edgesim.scenarios import key_list
from edgesim.scenarios.key_list import Key, KeyList, Model
from edgesim.scenarios.reference import as_table, gather
from edgesim.simulator.models.arrivals import ARRIVALS, SLOT_TASKS
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.fading import FADING
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS

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
    }
    return {
        key_list.FILE: as_json(as_table(keys)),
        **{FOLDER / name: "\n".join(lines) + "\n" for name, lines in written.items()},
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
