"""Every row that a summary can print: what it is, and how it is worked out. Tables and documents use it."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..scenarios.errors import Issue, ScenarioError, likely
from .metrics import BATCH_METRICS, METRICS, SUMS
from .variables import (
    DECISION_S,
    NETWORK_VARIABLES,
    SLOT_COORDINATES,
    SLOT_VARIABLES,
    SUMMARY_VARIABLES,
    TASK_VARIABLES,
    Variable,
)


class Row(NamedTuple):
    """A row, as the reference has it.

    Attributes:
        label: as it is printed, without its unit.
        unit: in brackets after the label.
        key: in JSON and in `--number`; "" where it is not one of a summary's estimates.
        formula: of trace variables, summed over the network and the slots counted.
        meaning: in a sentence.
    """

    label: str
    unit: str
    key: str
    formula: str
    meaning: str

    @property
    def heading(self) -> str:
        """Label and unit, as a table has them."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


OTHER_ROWS = {
    row.label: row
    for row in (
        Row("scenario", "", "scenario", "", "the title of the scenario that was run"),
        Row("devices", "", "devices", "", "how many devices the network has, N"),
        Row("stations", "", "stations", "", "how many stations: the MBS, and the SBSs"),
        Row("policy", "", "policy", "", "who decided, `policy.name`"),
        Row("seed", "", "seed", "", "of each replication, `run.seed` and the following"),
        Row(
            "status",
            "",
            "status",
            "",
            "how the run ended: complete, interrupted, failed; running where it goes on or was killed",
        ),
        Row(
            "slots (counted)",
            "",
            "counted_slots",
            "",
            "slots recorded, and how many of them the numbers below are from, after the warm-up",
        ),
        Row(
            "intervals are about",
            "",
            "intervals_about",
            "",
            "this network: with its devices where they are, as a longer run would have it; networks like it: "
            "each seed is another one of these",
        ),
        Row(
            "carbon intensity",
            "",
            "carbon",
            "",
            "where it is from: constant, or a file, with what kind it is, on what basis, and its unit there",
        ),
        Row(
            "late of class",
            "%",
            "late_classes",
            "late / completed",
            "share of the completed tasks of a class of `tasks.classes` that were late; a row for each class, "
            "by its deadline, where the trace has its tasks",
        ),
        Row(
            "queues",
            "",
            "stability",
            "",
            "stable where all queues together grow by surely less than 1 % of what arrives, growing where they "
            "surely grow, else undecided",
        ),
        Row(
            "growth / arrivals",
            "%",
            "queue_growth",
            "(increase of queue_bits + increase of station_queue_bits) / arrived_bits",
            "how much of what arrives stays in the queues, in the mean; 0 in a stable network",
        ),
        Row(
            "decision, median",
            "ms",
            "decision_s",
            "median of decision_s",
            "wall-clock time that the policy took for a decision; of the machine, not of the network",
        ),
    )
}
"""By label, the rows that are no number of `METRICS`."""


def rows() -> dict[str, Row]:
    """All rows, by their heading, those of a table of traces first."""
    numbers = [
        Row(
            one.label,
            one.unit,
            key,
            one.formula or f"quantile {key[8:-2]} of latencies",
            one.meaning,
        )
        for key, one in BATCH_METRICS.items()
    ]
    return {row.heading: row for row in (*OTHER_ROWS.values(), *numbers)}


VARIABLES: Mapping[str, Mapping[str, Variable]] = {
    "slots": SLOT_VARIABLES | SLOT_COORDINATES,
    "tasks": TASK_VARIABLES,
    "network": NETWORK_VARIABLES,
    "timing": {"decision_s": DECISION_S},
    "summary": {"seed": SLOT_COORDINATES["seed"], **SUMMARY_VARIABLES},
}
"""By group of a trace."""


def explained(what: str | None, width: int) -> list[str]:
    """The lines of `edgesim explain`.

    Args:
        what: a row of a summary, as it is printed or as JSON has it, or a variable of a trace; None lists the
            rows.
        width: of the terminal.

    Raises:
        ScenarioError: there is no such thing.
    """
    known = rows()
    if what is None:
        widest = max(map(len, known))
        return [f"{heading:<{widest}}  {row.key}" for heading, row in known.items()]
    asked = what.strip().casefold()
    lines: list[str] = []
    for heading, row in known.items():
        if asked in (heading.casefold(), row.label.casefold(), row.key):
            lines += ["", *_of_row(row, width)]
    for group, variables in VARIABLES.items():
        # What /summary has of a variable of /slots is said there.
        if asked in variables and (group != "summary" or asked not in VARIABLES["slots"]):
            lines += ["", *_of_variable(group, asked, variables[asked], width)]
    if not lines:
        names = [
            *known,
            *(row.label for row in known.values()),
            *(row.key for row in known.values()),
        ]
        names += [name for variables in VARIABLES.values() for name in variables]
        allowed = (
            "a row of a summary, or a variable of a trace: edgesim explain lists the rows; "
            "keys of scenarios and models: edgesim keys"
        )
        raise ScenarioError([Issue(what, "not known", allowed=allowed, near=likely(asked, names))])
    return lines[1:]


def _of_row(row: Row, width: int) -> list[str]:
    key = f"  (in JSON {row.key})" if row.key != row.label else ""
    lines = [f"{row.heading}{key}", *_wrapped(row.meaning, width)]
    if row.formula:
        lines += _wrapped(f"= {row.formula}", width)
        lines += [line for name in terms(row.formula) for line in _wrapped(name, width, "    ")]
        if row.key in METRICS and METRICS[row.key].scale != 1.0:
            lines += _wrapped(f"in SI units, times {METRICS[row.key].scale:g}", width, "    ")
    return lines


def terms(formula: str) -> Iterator[str]:
    """What the names in a formula are, each once: "slots: slots counted"."""
    for name in dict.fromkeys(re.findall(r"[a-z]\w+", formula)):
        if name in SUMS:
            yield f"{name}: {SUMS[name]}"
        elif name in SLOT_VARIABLES:
            variable = SLOT_VARIABLES[name]
            unit = "" if variable.units == "1" else f", {variable.units}"
            yield f"{name}: {variable.long_name}{unit}; summed over network and slots"


def _of_variable(group: str, name: str, variable: Variable, width: int) -> list[str]:
    over = ", ".join(variable.dims)
    unit = {"": "text", "1": "a number"}.get(variable.units, variable.units)
    full = "; at level full only" if variable.full else ""
    lines = [f"/{group}/{name}  [{unit}] over {over}{full}"]
    return [*lines, *_wrapped(variable.long_name, width)]


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
