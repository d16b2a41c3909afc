"""A report: one HTML file, readable offline, of a trace, of several, or of a sweep."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ... import __version__
from ...scenarios.errors import as_toml
from ...scenarios.tables import flatten
from ...simulator.core.outputs import put_text
from ...traces.comparison import compare_traces
from ...traces.file_errors import reported
from ...traces.panels import panels
from ...traces.printing import counted, duration, shown, spoken
from ...traces.reader import Trace, TraceError, open_trace
from ...traces.statistics import check_warmup
from ...traces.summary import WARMUP, Summary, meaning
from ..sweeps.comparison import compare_sweep, intervals_about
from ..sweeps.results import SweepResults, load_results
from ..sweeps.status import SweepStatus, sweep_status
from ..sweeps.table import NAME, TRACES
from .data import latency_chart, network_map, series_charts, sweep_charts
from .page import (
    code,
    comparison_table,
    figures,
    folded,
    header,
    note,
    page,
    section,
    table,
)

MAX_TRACES = 12
"""More lines in one diagram cannot be distinguished."""

MAX_GROUPS = 12
"""Groups of a sweep whose comparison is shown."""

_CONTROLS = (
    "A click on a name, or its box above the diagrams where all share their names, hides a line; the cursor, or the arrow keys, read values. Dragging across a diagram, or +, "
    "zooms; a double click, or -, shows all again."
)

_ENDS = {
    "running": "still going, or killed, when this report was made",
    "interrupted": "interrupted",
    "failed": "ended by a failure",
}


def write_report(paths: Sequence[str | Path], output: str | Path, warmup: float = WARMUP) -> Path:
    """Write a report.

    Of one trace: its numbers, queues, energy, emission and latency over time, the network's map, the
    scenario, and where it comes from. Of several: the same beside each other, and their comparison if
    their seeds are the same. Of a sweep: its numbers against the keys that it varies, and the
    comparison of its policies.

    Args:
        paths: of traces, or one folder: of a sweep, or of traces. Traces may still be running. Of
            several, those that cannot be read are left out, with a warning in the report.
        output: the HTML file; it is replaced in one step, or left as it is.
        warmup: share of the slots left out of the numbers and the comparison, not of the diagrams.

    Returns:
        The path of the report.

    Raises:
        TraceError: there is nothing to report on, it cannot be read, or there are too many traces.
        ValueError: if the warm-up is not in [0, 1).
        OSError: the report cannot be written.
    """
    check_warmup(warmup)
    output, found = Path(output), [Path(path) for path in paths]
    if len(found) == 1 and found[0].is_dir():
        folder = found[0]
        if (folder / NAME).is_file():
            return _write(output, _sweep_report(folder, warmup))
        found = sorted(folder.glob("*.h5"))
        if not found:
            raise TraceError(f"{folder}: neither a sweep nor a folder of traces: no *.h5 here")
    if folders := [path for path in found if path.is_dir()]:
        raise TraceError(f"{folders[0]}: a folder; a report is of traces, or of one folder")
    if len(found) > MAX_TRACES:
        raise TraceError(
            f"a report shows {MAX_TRACES} traces at most, and these are {len(found)}; name some of "
            "them, or make a sweep of their scenarios"
        )
    return _write(output, _traces_report(found, warmup))


def _traces_report(paths: Sequence[Path], warmup: float) -> str:
    with ExitStack() as stack:
        traces: list[Trace] = []
        errors: list[TraceError] = []
        for path in dict.fromkeys(paths):
            try:
                trace = open_trace(path)
                stack.enter_context(trace)
                with reported(path):
                    panels(trace)
                    trace.summary(warmup)
                    trace.scenario_table  # noqa: B018 - whether it can be read
            except TraceError as error:
                errors.append(error)
            else:
                traces.append(trace)
        if not traces:
            raise errors[0]
        with reported(", ".join(str(trace.path) for trace in traces)):
            return _page_of(_labelled(traces), [f"Left out: {error}" for error in errors], warmup)


def _page_of(traces: Mapping[str, Trace], warnings: list[str], warmup: float) -> str:
    first = next(iter(traces.values()))
    several = len(traces) > 1
    warnings += _unfinished(traces)
    maps = []
    for name, trace in traces.items():
        try:
            drawn = network_map(trace, name if several else "stations and devices")
        except TraceError as error:
            warnings.append(f"No map of {name}: {error}")
        else:
            maps += [drawn] if drawn else []
    latency = latency_chart(traces)
    charts = series_charts(traces) + ([latency] if latency else [])
    numbers = Summary([trace.summary(warmup) for trace in traces.values()], warmup)
    who = f"{len(traces)} runs: {', '.join(traces)}" if several else f"policy {first.policy}"
    title = "; ".join(dict.fromkeys(trace.title for trace in traces.values()))
    lead = "; ".join([who, *map(_one_or_all, zip(*map(_sizes, traces.values()), strict=True))])
    bands = any(len(trace.seeds) > 1 for trace in traces.values())
    ranges = " and over replications; bands are the range of the replications" if bands else ""
    parts = [
        header(title, lead, warnings),
        _comparison_of(traces, warmup) if several else "",
        section(
            "Numbers",
            table(list(traces), numbers.sections(), "numbers"),
            note(numbers.caption),
        ),
        section(
            "Over time",
            figures("chart", len(charts)),
            note(f"Each point is the mean over a batch of slots{ranges}. {_CONTROLS}"),
        ),
        section(
            "Network",
            figures("map", len(maps))
            or note(f"No positions were recorded (level {first.level}), so there is no map."),
        ),
        section("Scenario", *_scenario_of(traces)),
        section("Where this comes from", _origin_of(traces), code(_commands_of(traces))),
    ]
    return page(f"{title}: {who}", parts, {"charts": charts, "maps": maps, "sweep": None})


def _sizes(trace: Trace) -> list[str]:
    """Seeds and sizes of a run, in words."""
    about = trace.attrs
    return [
        f"seed{'s' * (len(trace.seeds) > 1)} {spoken(trace.seeds)}",
        f"{about['slots']:,} slots of {about['slot_s']:g} s",
        f"{counted(about['devices'], 'device')}, {counted(about['stations'], 'station')}",
    ]


def _one_or_all(texts: Sequence[str]) -> str:
    """What all traces have, or what each has, in their order."""
    return " | ".join(texts if len(set(texts)) > 1 else texts[:1])


def _unfinished(traces: Mapping[str, Trace]) -> Iterator[str]:
    for name, trace in traces.items():
        if trace.status in _ENDS:
            what = f"The run {name} was" if len(traces) > 1 else "This run was"
            planned = f"{trace.recorded:,} of {trace.attrs['slots']:,} slots are recorded"
            yield f"{what} {_ENDS[trace.status]}: {planned}."


def _comparison_of(traces: Mapping[str, Trace], warmup: float) -> str:
    try:
        compared = compare_traces({name: trace.path for name, trace in traces.items()}, warmup)
    except TraceError as error:
        return section("Comparison", note(f"Not compared seed by seed: {error}."))
    return section("Comparison", comparison_table(compared))


def _scenario_of(traces: Mapping[str, Trace]) -> list[str]:
    """The scenario of the first, and in which keys others differ."""
    flat = [flatten(trace.scenario_table) for trace in traces.values()]
    keys = dict.fromkeys(key for one in flat for key in one)
    rows = []
    for key in keys:
        texts = [as_toml(one[key]) if key in one else "" for one in flat]
        if len(set(texts)) > 1:
            rows.append((key, texts))
    first, trace = next(iter(traces.items()))
    title = f"Of {first}, as resolved" if len(traces) > 1 else "As resolved"
    differing = (
        [table(list(traces), [rows], "keys that differ"), note("Keys that differ.")] if rows else []
    )
    return [*differing, folded(title, code(trace.scenario))]


def _origin_of(traces: Mapping[str, Trace]) -> str:
    """Files, versions and times."""

    def of(trace: Trace) -> dict[str, str]:
        timing = trace.timing.attrs
        versions = {
            name.removesuffix("_version"): str(value)
            for name, value in trace.attrs.items()
            if name.endswith("_version")
        }
        return {
            "file": trace.path.name,
            "size": f"{trace.path.stat().st_size / 1e6:,.1f} MB",
            "level": trace.level,
            "status": trace.status,
            "seeds": spoken(trace.seeds),
            "started": str(timing.get("started") or "-"),
            "ended": str(timing.get("ended") or "-"),
        } | {name: versions[name] for name in sorted(versions, key=lambda n: n != "edgesim")}

    columns = [of(trace) for trace in traces.values()]
    rows = [(key, [column.get(key, "-") for column in columns]) for key in columns[0]]
    return table(list(traces), [rows], "files and versions") + note(
        f"This report was made by edgesim {__version__}."
    )


def _commands_of(traces: Mapping[str, Trace]) -> str:
    version = next(iter(traces.values())).attrs["edgesim_version"]
    what = "# each trace holds its scenario, with policy and seed: run it again, bit for bit"
    lines = [f"{what}, with edgesim {version}"]
    lines += [_again(trace.path) for trace in traces.values()]
    paths = shlex.join(str(trace.path) for trace in traces.values())
    return "\n".join([*lines, f"edgesim report {paths}"])


def _again(path: Path) -> str:
    """The command that repeats a run; it replaces nothing."""
    again = path.with_name(f"{path.stem}-again.h5")
    return f"edgesim run {shlex.quote(str(path))} --output {shlex.quote(str(again))}"


def _sweep_report(folder: Path, warmup: float) -> str:
    results = load_results(folder, warmup)
    status = sweep_status(folder)
    warnings = []
    if status.complete < status.runs:
        warnings.append(f"{status.complete:,} of {status.runs:,} runs are complete.")
    warnings += [f"{count:,} failed: {message}" for message, count in status.failures.items()]
    charts = sweep_charts(results)
    points = len(results.cases) // max(len(results.policies), 1)
    lead = (
        f"sweep of {status.runs:,} runs: {points:,} points, {len(results.policies)} policies, "
        f"{len(results.seeds)} seeds"
    )
    drawn = (
        '<div id="sweep"></div>'
        + note(
            f"Means over seeds, with 95 % intervals as bands. {meaning(intervals_about(results))} {_CONTROLS}"
        )
        if charts
        else note("No key varies, or no run is complete: there is nothing to draw.")
    )
    parts = [
        header(results.title, lead, warnings),
        section("Numbers against swept keys", drawn),
        section("Comparison", *_groups_of(results, warmup)),
        section("Sweep", _asked_for(results)),
        *_origin_of_sweep(results, status),
    ]
    return page(results.title, parts, {"charts": [], "maps": [], "sweep": charts})


def _groups_of(results: SweepResults, warmup: float) -> list[str]:
    try:
        groups = compare_sweep(results, warmup=warmup).groups
    except TraceError as error:
        return [note(f"No comparison: {error}.")]
    shown = [
        folded(one.title, comparison_table(one), unfolded=one is groups[0])
        for one in groups[:MAX_GROUPS]
    ]
    left = len(groups) - len(shown)
    more = f"{left:,} more groups: edgesim compare {shlex.quote(str(results.folder))}"
    return [*shown, *([note(more)] if left else [])]


def _asked_for(results: SweepResults) -> str:
    rows = [(key, [", ".join(dict.fromkeys(results.labels(key)))]) for key in results.keys]
    rows += [("policies", [", ".join(results.policies)]), ("seeds", [spoken(results.seeds)])]
    return table(["values"], [rows])


def _origin_of_sweep(results: SweepResults, status: SweepStatus) -> list[str]:
    """Versions, commands and one scenario, by the first trace that can be read."""
    folder = shlex.quote(str(results.folder))
    commands = [
        "# what is missing, or has changed, is made; what is there is kept",
        f"edgesim sweep SWEEP.toml --output {folder}",
        f"edgesim compare {folder}",
        f"edgesim report {folder}",
    ]
    rows = [
        ("folder", [str(results.folder)]),
        ("CPU time", [duration(status.cpu_s)]),
        ("size of the traces", [f"{status.bytes / 1e6:,.1f} MB"]),
    ]
    scenario = ""
    for name in dict.fromkeys(run.trace for case in results.runs for run in case if run.trace):
        path = results.folder / TRACES / name
        try:
            with open_trace(path) as trace:
                scenario = section(
                    "Scenario", folded(f"Of {name}, as resolved", code(trace.scenario))
                )
                origin = _origin_of({name: trace})
        except TraceError:
            continue
        commands += [f"# one trace of it again, as {name}", *_again(path)]
        break
    else:
        origin = note(f"This report was made by edgesim {__version__}.")
    return [
        scenario,
        section("Where this comes from", table([""], [rows]), origin, code("\n".join(commands))),
    ]


def _labelled(traces: Sequence[Trace]) -> dict[str, Trace]:
    """By policy, by scenario, or by both, whatever tells them apart; else by file."""
    for say in (
        lambda trace: trace.policy,
        lambda trace: trace.title,
        lambda trace: f"{trace.title}, {trace.policy}",
        lambda trace: trace.path.stem,
    ):
        names = [say(trace) for trace in traces]
        alike = len({trace.title for trace in traces}) == 1
        if len(set(names)) == len(traces) and (alike or say(traces[0]) != traces[0].policy):
            return dict(zip(names, traces, strict=True))
    return {str(trace.path): trace for trace in traces}


def _write(output: Path, text: str) -> Path:
    """Write the page whole or not at all."""
    put_text(output, shown(text))
    return output
