"""What a trace is: of which scenario, how it differs from the one that ships, who made it, with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..scenarios.key_list import shown_value
from ..scenarios.loading import load_scenario
from ..scenarios.shipped import shipped
from ..scenarios.tables import flatten, parse_toml
from .printing import Printable
from .reader import Trace

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Origin(Printable):
    """What `edgesim show` tells of a trace.

    Attributes:
        path: of the trace.
        facts: by name, as they are printed.
        versions: of the program, python and the libraries that make numbers.
        shipped: the scenario that it is, or that is nearest to it.
        differences: by key, its value in the trace and in the shipped scenario, as a reader writes them; None
            where there is none.
    """

    path: Path
    facts: dict[str, str]
    versions: dict[str, str]
    shipped: str
    differences: dict[str, tuple[str | None, str | None]]

    def to_table(self) -> "Table":
        """A table for people."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(str(self.path)))
        table.add_column("")
        table.add_column("this trace")
        table.add_column(Text(self.shipped))
        for name, fact in self.facts.items():
            table.add_row(Text(name), Text(fact), "")
        table.add_section()
        for name, version in self.versions.items():
            table.add_row(Text(name), Text(version), "")
        table.add_section()
        if not self.differences:
            table.add_row("all keys", Text(f"as in {self.shipped}"), "")
        for key, values in self.differences.items():
            table.add_row(Text(key), *(Text("-" if one is None else one) for one in values))
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "trace": str(self.path),
            "facts": self.facts,
            "versions": self.versions,
            "shipped": self.shipped,
            "differences": {
                key: {"trace": here, "shipped": there}
                for key, (here, there) in self.differences.items()
            },
        }


def origin(trace: Trace) -> Origin:
    """What a trace is.

    Raises:
        TraceError: it is damaged.
    """
    name, differences = _nearest(flatten(trace.scenario_table))
    versions = {
        key.removesuffix("_version"): str(value)
        for key, value in trace.attrs.items()
        if key.endswith("_version") or key in ("processor", "blas", "c_library")
    }
    facts = trace.facts()
    if inputs := trace.inputs:
        facts["files and classes"] = "\n".join(
            f"{file}: {digest[:12]}" for file, digest in inputs.items()
        )
    return Origin(trace.path, facts, versions, name, differences)


def _nearest(
    scenario: Mapping[str, Any],
) -> tuple[str, dict[str, tuple[str | None, str | None]]]:
    """The shipped scenario of the same title, else the one of whose keys most are the same."""
    found = {}
    for one in shipped():
        table = flatten(parse_toml(load_scenario(one.path).to_toml(), one.name))
        keys = sorted(scenario.keys() | table.keys())
        other = [key for key in keys if scenario.get(key) != table.get(key)]
        same_title = scenario.get("title") == one.title
        found[one.name] = (not same_title, len(other)), other, table
    name = min(found, key=lambda each: found[each][0])
    _, other, table = found[name]
    return name, {
        key: (shown_value(key, scenario.get(key)), shown_value(key, table.get(key)))
        for key in other
    }
