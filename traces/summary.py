"""The summary of a trace: long-run means with 95 % intervals, latency quantiles, queue stability."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..scenarios.key_list import shown_value
from .confidence_intervals import CONFIDENCE, Estimate, format_estimate
from .lateness import LateClass
from .metrics import METRICS
from .printing import Printable, finite, spoken
from .statistics import Stability, stability
from .summary_rows import OTHER_ROWS

if TYPE_CHECKING:
    from rich.table import Table

WARMUP = 0.1
"""Share of the slots left out at the beginning, if nothing else is asked for."""

THIS, LIKE_IT = "this network", "networks like it"

_MEANT = {
    THIS: "This network: with its devices where they are, as a longer run would have it.",
    LIKE_IT: "Networks like it: each seed is another one of these.",
}

Section = list[tuple[str, list[str]]]
"""Rows of a table: a label, and a text for each trace."""


_HAVE_ROWS = {"title", "policy.name", "run.seed", "run.replications", "run.slots", "devices.count"}
"""Keys that a summary has rows for."""

MOST_DIFFERENCES = 12
"""Rows of what differs between scenarios."""


def _time(seconds: float) -> str:
    if math.isinf(seconds):
        return "none"
    return f"{seconds / 3600.0:g} h" if seconds >= 3600.0 else f"{seconds:g} s"


def _row(label: str, cells: list[str]) -> tuple[str, list[str]]:
    """A row that the reference has."""
    return OTHER_ROWS[label].heading, cells


def subject(scenario: Mapping[str, Any], replications: int) -> str:
    """What intervals are about: "this network", or "networks like it" where replications differ in places or losses.

    Devices that move forget where they began, and not what an area of 3GPP's losses is like.

    Args:
        scenario: resolved, as a table.
        replications: that the interval is made from.
    """
    drawn = scenario.get("devices", {}).get("positions", "uniform") == "uniform"
    static = scenario.get("mobility", {}).get("model", "static") == "static"
    losses = str(scenario.get("channel", {}).get("path_loss", "")).startswith("3gpp")
    return LIKE_IT if replications > 1 and ((drawn and static) or losses) else THIS


def subjects(scenarios: Iterable[Mapping[str, Any]], replications: int) -> list[str]:
    """What intervals of several scenarios are about, each once."""
    return list(dict.fromkeys(subject(scenario, replications) for scenario in scenarios))


def meaning(subjects: Iterable[str]) -> str:
    """In a sentence, or two, what it means that intervals are about these."""
    found = set(subjects)
    return " ".join(text for about, text in _MEANT.items() if about in found)


def carbon_words(carbon: Mapping[str, Mapping[str, Any]]) -> str:
    """Where carbon intensity is from, kind, basis, unit in the file, and the file of each source.

    Args:
        carbon: as `Trace.carbon`.
    """

    def words(source: Mapping[str, Any]) -> str:
        if "file" not in source:
            return f"{source.get('g_per_kwh', math.nan):g} g/kWh, constant"
        kind, basis = (source.get(key) or f"{key} not stated" for key in ("kind", "basis"))
        of = f"{source['file']}, {source.get('source')}"
        return f"{kind}, {basis}, {source.get('unit')} in\n{of}"

    texts = {key: words(source) for key, source in carbon.items()}
    if len(texts) < 2:
        return "".join(texts.values()) or "-"
    return "\n".join(f"{key.removeprefix('carbon.')}: {text}" for key, text in texts.items())


@dataclass(frozen=True)
class TraceSummary(Printable):
    """The numbers of one trace, SI; prints as the table of `edgesim summary`.

    Attributes:
        path: of the trace.
        policy: its name.
        seeds: one per replication.
        status: of the run.
        slots: recorded.
        counted_slots: those that the estimates are taken from, after the warm-up.
        estimates: by key of `METRICS`, what the trace has.
        growth: of all queues together, as a share of the arrivals; None if there are no queues.
        decision_s: median wall-clock time of a decision; None if not recorded.
        warmup: share of the slots left out at the beginning.
        about: what the intervals are about, of `subject`.
        carbon: where the carbon intensity is from, as `Trace.carbon`.
        title: of the scenario.
        devices: N.
        stations: B, the MBS included.
        keys: the resolved scenario, by keys with dots.
        late_classes: how many tasks of each class of `tasks.classes` are late; none without classes or tasks.
    """

    path: Path
    policy: str
    seeds: list[int]
    status: str
    slots: int
    counted_slots: int
    estimates: dict[str, Estimate]
    growth: Estimate | None
    decision_s: float | None
    warmup: float
    about: str
    carbon: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    title: str = ""
    devices: int = 0
    stations: int = 0
    keys: Mapping[str, Any] = field(default_factory=dict)
    late_classes: list[LateClass] = field(default_factory=list)

    @property
    def stability(self) -> Stability | None:
        """Whether queues are "stable", "growing", or "undecided" where the growth's interval allows both.

        None where there are no queues.
        """
        return stability(self.growth)

    @property
    def advice(self) -> str:
        """What to do where the numbers say little, in a line; "" where there is nothing."""
        feasible = self.estimates.get("feasible_share")
        if feasible is not None and feasible.value == 0.0:
            least = "exact"
            age = self.estimates.get("twin_age_s")
            if age is not None and age.value > 0.0:
                what = f"the twin is {age.value:.3g} s old, and what is planned for its network comes too late in this one"
                return f'no slot is feasible: {what}; a policy that is trained with action = "corrected" learns how much to add'
            if self.policy == least:
                what = "no decision keeps them"
                return f"no slot is feasible: {what}; `edgesim keys limits` says what they ask for"
            what = f"`{self.policy}` breaks some limit of C(10) in each"
            return f"no slot is feasible: {what}; --policy {least} keeps them all where any decision does"
        if self.stability == "growing":
            assert self.growth is not None
            what = f"queues grow by {100.0 * self.growth.value:.2g} % of what arrives"
            return f"{what}, so queue and latency have no mean: a lower load, more capacity, or another policy"
        return ""

    def to_table(self) -> "Table":
        """A table for people, with 95 % intervals."""
        return Summary([self], self.warmup).to_table()

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return Summary([self], self.warmup).to_dict()


@dataclass(frozen=True)
class Summary(Printable):
    """The numbers of several traces, side by side.

    Attributes:
        traces: one each.
        warmup: share of the slots left out at the beginning.
    """

    traces: list[TraceSummary]
    warmup: float

    def to_table(self) -> "Table":
        """A table for people: one column per trace, with 95 % intervals."""
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.title) if self.title else None, caption=Text(self.caption))
        table.add_column("")
        names = [trace.path.name for trace in self.traces]
        for trace in self.traces:
            unique = names.count(trace.path.name) == 1
            name = Text(trace.path.name if unique else str(trace.path))
            table.add_column(name, justify="right")
        for section in self.sections():
            for label, cells in section:
                table.add_row(*map(escape, (label, *cells)))
            table.add_section()
        return table

    @property
    def title(self) -> str:
        """Of the scenario; "" where there are several."""
        titles = {trace.title for trace in self.traces}
        return titles.pop() if len(titles) == 1 else ""

    @property
    def caption(self) -> str:
        """What the numbers are, in a sentence or some."""
        text = f"95 % intervals; the first {100.0 * self.warmup:g} % of the slots left out."
        text += f" {meaning(trace.about for trace in self.traces)}"
        estimates = [one for trace in self.traces for one in trace.estimates.values()]
        if any(one.slots_needed for one in estimates):
            text += " Needs: the run is too short for an interval that holds what it says."
        return text

    def sections(self) -> list[Section]:
        """The rows of a table, in its sections."""
        traces = self.traces
        about = [
            *([] if self.title else [_row("scenario", [trace.title for trace in traces])]),
            _row("devices", [f"{trace.devices:,}" for trace in traces]),
            _row("stations", [f"{trace.stations:,}" for trace in traces]),
            _row("policy", [trace.policy for trace in traces]),
            *self.differences(),
            _row("seed", [spoken(trace.seeds) for trace in traces]),
            _row("status", [trace.status for trace in traces]),
            _row("slots (counted)", [f"{t.slots:,} ({t.counted_slots:,})" for t in traces]),
            _row("intervals are about", [trace.about for trace in traces]),
        ]
        if any("file" in source for trace in traces for source in trace.carbon.values()):
            about.append(_row("carbon intensity", [carbon_words(trace.carbon) for trace in traces]))
        numbers = [
            (metric.heading, [format_estimate(t.estimates.get(key), metric.scale) for t in traces])
            for key, metric in METRICS.items()
            if any(key in trace.estimates for trace in traces)
        ]
        rest: Section = []
        deadlines = {one.deadline_s for trace in traces for one in trace.late_classes}
        for deadline_s in sorted(deadlines):
            found = [{c.deadline_s: c.late for c in t.late_classes}.get(deadline_s) for t in traces]
            label = f"{OTHER_ROWS['late of class'].label}, deadline {_time(deadline_s)} [%]"
            numbers.append((label, [format_estimate(one, 100.0) for one in found]))
        if any(trace.growth is not None for trace in traces):
            rest.append(_row("queues", [str(trace.stability or "-") for trace in traces]))
            growth = [format_estimate(trace.growth, 100.0) for trace in traces]
            rest.append(_row("growth / arrivals", growth))
        times = [trace.decision_s for trace in traces]
        if any(time is not None for time in times):
            texts = ["-" if time is None else f"{1e3 * time:.3g}" for time in times]
            rest.append(_row("decision, median", texts))
        return [about, numbers, rest]

    def differences(self) -> Section:
        """What differs between the scenarios: a row for each key that has no row of its own."""
        tables = [trace.keys for trace in self.traces]
        keys = sorted({key for table in tables for key in table} - _HAVE_ROWS)
        found = []
        for key in keys:
            values = [table.get(key) for table in tables]
            if any(value != values[0] for value in values):
                found.append((key, [shown_value(key, value) or "-" for value in values]))
        if len(found) > MOST_DIFFERENCES:
            rest = len(found) - MOST_DIFFERENCES
            found = found[:MOST_DIFFERENCES]
            found.append((f"{rest} keys more differ", ["edgesim show"] * len(tables)))
        return found

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {
            "warmup": self.warmup,
            "confidence": CONFIDENCE,
            "traces": [
                {
                    "trace": str(trace.path),
                    "scenario": trace.title,
                    "devices": trace.devices,
                    "stations": trace.stations,
                    "policy": trace.policy,
                    "seed": trace.seeds[0],
                    "replications": len(trace.seeds),
                    "status": trace.status,
                    "slots": trace.slots,
                    "counted_slots": trace.counted_slots,
                    "intervals_about": trace.about,
                    "carbon": {key: dict(source) for key, source in trace.carbon.items()},
                    "estimates": {key: one.to_dict() for key, one in trace.estimates.items()},
                    "late_classes": [one.to_dict() for one in trace.late_classes],
                    "stability": trace.stability,
                    "queue_growth": None if trace.growth is None else trace.growth.to_dict(),
                    "decision_s": finite(trace.decision_s),
                }
                for trace in self.traces
            ],
        }
