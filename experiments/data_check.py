"""What a data file is, before a scenario names it: columns, period, step, gaps, zone, what it becomes."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..scenarios.carbon_section import CarbonReading
from ..scenarios.data.carbon import CarbonSeries, read_carbon
from ..scenarios.data.catalogue import catalogue
from ..scenarios.data.columns import amounts
from ..scenarios.data.lookup import look_up
from ..scenarios.data.positions import around, coordinate_columns, coordinates, in_metres, plane
from ..scenarios.data.records import Table, read_table, refuse
from ..scenarios.data.solar import read_solar
from ..scenarios.data.table_reader import open_pieces
from ..scenarios.data.workload_formats import format_of
from ..scenarios.data.workloads import MINUTE_S, Workload, read_workload
from ..scenarios.errors import Issue, ScenarioError, as_toml, nearest
from ..scenarios.loading import Overrides, data_folders, values_of
from ..scenarios.validation import validate
from ..scenarios.workload_section import WorkloadReading
from ..simulator.assembly.components import MOST_HELD
from ..traces.printing import Printable, duration
from .forecast_check import forecast_facts, forecast_of
from .movement_check import movement_facts
from .topology_check import topology_facts

if TYPE_CHECKING:
    from rich.table import Table as RichTable

MOST_ROWS = 1_000_000
"""Rows of a table of movements or positions that are looked at, and steps of requests that the usual one is
the median of: more say no more of what it is."""

Facts: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True)
class DataCheck(Printable):
    """What a file was found to be.

    Attributes:
        file: as named.
        kind: of data that it was taken for.
        facts: in words or numbers, by what they are about, in the order in which they are shown.
    """

    file: str
    kind: str
    facts: Mapping[str, str | int | float]

    def to_table(self) -> "RichTable":
        """A table for people."""
        from rich.markup import escape
        from rich.table import Table as RichTable

        table = RichTable(show_header=False)
        table.add_row("file", escape(self.file))
        for name, fact in self.facts.items():
            # Of a mean the last digits differ between processors.
            shown = f"{fact:.7g}" if isinstance(fact, float) else fact
            table.add_row(name, escape(f"{fact:,}" if isinstance(fact, int) else f"{shown}"))
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {"file": self.file, "as": self.kind, **self.facts}


def check_data(file: str | Path, kind: str, overrides: Overrides = ()) -> DataCheck:
    """Read a data file as a scenario would, and say what it is.

    Args:
        file: its path, or the name of one that ships or lies in a data folder.
        kind: one of `KINDS`.
        overrides: how it is to be read: keys of a carbon file (`unit`, `time_zone`, …), of
            arrivals and movements (`time_column`, …), of [topology] (`stations`, …).

    Raises:
        ScenarioError: it cannot be read, or is no such data, or a key is unknown.
    """
    path = Path(file)
    if not path.is_file():
        found = look_up(str(file), [Path.cwd(), *data_folders(None, None)])
        if found is None:
            allowed = "a file, or one that `edgesim data` lists"
            raise ScenarioError([Issue(str(file), "no such data file", allowed=allowed)])
        path = found[0]
    return DataCheck(str(file), kind, KINDS[kind](path, dict(values_of(overrides))))


def _carbon(path: Path, keys: Mapping[str, Any]) -> Facts:
    reading = validate(CarbonReading, keys, "--set")
    series = read_carbon(path, reading)
    about, table = series.about, read_table(path, 0)  # of a CSV, its header alone
    clock = "" if about.time_zone == "none" else " UTC"
    held = np.append(np.diff(series.times), series.end - series.times[-1]) / np.timedelta64(1, "s")
    mean = float(series.g_per_kwh @ held / held.sum()) if held.sum() else float(series.g_per_kwh[0])
    start = str(series.times[0].astype("datetime64[s]")) + ("Z" if clock else "")
    keys = {key: value for key, value in keys.items() if value is not None}
    becomes = _inline({"file": _name(path), "start": start} | keys)
    return {
        "form": table.form,
        **({"format of": about.source} if about.source != table.form else {}),
        "columns": ", ".join(table.columns),
        "time column": about.time_column,
        "value column": about.value_column,
        "rows": len(series.times) + about.left_out,
        "rows without value": about.left_out,
        **_period(series.times, clock),
        "time zone": about.time_zone,
        "unit": about.unit,
        "kind": about.kind or "not stated: `kind`",
        "basis": about.basis or "not stated: `basis`",
        "g/kWh, least": float(series.g_per_kwh.min()),
        "g/kWh, mean over time": mean,
        "g/kWh, most": float(series.g_per_kwh.max()),
        "becomes": f"[carbon] intensity = {becomes}",
        **_forecast(path, reading, series, table.columns),
    }


def _forecast(
    path: Path, reading: CarbonReading, series: CarbonSeries, columns: Sequence[str]
) -> Facts:
    """Of a file that has forecasts beside its values: how wrong they are."""
    column = forecast_of(series.about.value_column, columns)
    if column is None:
        return {}
    told: Facts = {"forecast column": column}
    as_well = {"value_column": column, "unit": series.about.unit}
    try:
        forecast = read_carbon(path, reading.model_copy(update=as_well))
    except ScenarioError as error:
        return told | {"forecast becomes": f"nothing: {error.issues[0]}"}
    times, first, second = np.intersect1d(forecast.times, series.times, return_indices=True)
    return told | forecast_facts(forecast.g_per_kwh[first], series.g_per_kwh[second], times)


def _arrivals(path: Path, keys: Mapping[str, Any]) -> Facts:
    reading = validate(WorkloadReading, keys, "--set")
    found = read_workload(path, reading, 1.0)
    requests = found.requests
    facts: Facts = {
        "form": found.form,
        **({"format of": found.format} if found.format else {}),
        "columns": found.columns,
        **({"time column": found.time_column} if found.time_column else {}),
        "times": found.times,
        "rows": found.rows,
        **{f"rows left out: {reason}": rows for reason, rows in found.left_out.items()},
    }
    if reading.device_column is not None:
        facts["devices"] = len(found.ids)
    if found.minutes:
        counts = [int(block["count"].sum()) for block in requests.blocks()]
        facts["requests"] = sum(counts)
        ends = (requests.read(row, row + 1)["time_s"][0] for row in (0, requests.size - 1))
        facts["period"] = "minute {:.0f} to {:.0f}".format(*(at / MINUTE_S + 1.0 for at in ends))
        facts["usual step"] = duration(MINUTE_S)
        sizes: Any = "… bit"
    else:
        facts |= _steps(found)
        facts["rows out of order"] = found.out_of_order[0]
        numbers = _number_columns(path, reading, found.time_column)
        facts |= numbers
        sizes = {name: "… bit" for name in numbers if _SIZE.search(name)} or "… bit"
    named = {"time_column": found.time_column} if found.time_column else {}
    given = {key: value for key, value in keys.items() if value is not None}
    written = ", ".join(f"{key} = {as_toml(value)}" for key, value in (named | given).items())
    facts["becomes"] = (
        f'[tasks] arrivals = "replay", file = {as_toml(_name(path))}, '
        + f"{written}, " * bool(written)
        + f"bits = {_inline(sizes) if isinstance(sizes, dict) else as_toml(sizes)}"
    )
    return facts


_SIZE = re.compile(r"(?i)(?<!total )(?<!total_)(?:bit|byte|octet|size|token|length|payload|images)")
"""Names of columns that a request's size may be made of; other numbers are no sizes."""


def _steps(found: Workload) -> Facts:
    """Period and steps of requests, of which little is held at a time."""
    requests = found.requests
    every = -(-requests.size // MOST_ROWS)
    last = requests.read(0, 1)["time_s"]
    first_s, sample, alike, longest, begin = float(last[0]), list[Any](), 0, 0.0, 0

    def steps() -> Iterator[NDArray[Any]]:
        before = requests.read(0, 1)["time_s"]
        for block in requests.blocks():
            times = np.concatenate((before, block["time_s"]))
            before = times[-1:]
            yield np.diff(times)

    for some in steps():
        sample.append(some[-begin % every :: every])
        begin += some.size
        alike += int(np.count_nonzero(some == 0.0))
        longest = max(longest, float(some.max()))
    last_s = float(requests.read(requests.size - 1, requests.size)["time_s"][0])
    moments = [first_s, last_s]
    if found.since is None:
        told: Facts = {"period": f"{first_s:g} s to {last_s:g} s"}
    else:
        dates = [_short(found.since + np.timedelta64(round(at * 1e6), "us")) for at in moments]
        zone = " UTC" if found.times == "dates with a zone" or "since 1970" in found.times else ""
        told = {"period": f"{dates[0]} to {dates[1]}{zone}"}
    positive = np.concatenate(sample)
    positive = positive[positive > 0.0]
    if positive.size:
        usual = float(np.median(positive))
        slack = max(1e-6 * usual, 4.0 * float(np.spacing(abs(last_s))))
        other = gaps = 0
        for some in steps():
            other += int(np.count_nonzero((some > 0.0) & (np.abs(some - usual) > slack)))
            gaps += int(np.count_nonzero(some > MOST_HELD * usual))
        told |= _told(usual, other, gaps, longest)
    # The first step is from the first row to itself.
    return told | {"rows at the time of another": alike - 1}


def _number_columns(path: Path, reading: WorkloadReading, time_column: str) -> dict[str, str]:
    """Columns of numbers only, and of what is unknown: least, mean and most."""
    format_, table = format_of(open_pieces(path))
    names = [
        name for name in table.columns if name != time_column and table.columns.count(name) == 1
    ]
    least, most = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    total, count = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    unknown: dict[str, Counter[str]] = {name: Counter() for name in names}
    for piece in table.read(names) if names else ():
        for name in [name for name in names if name in total]:
            given = reading.unknown if reading.unknown is not None else format_.unknown_in(name)
            markers = dict.fromkeys(("", *given))
            read = amounts(piece.columns[name], markers, table.decimal_comma, signed=True)
            if read.wrong is not None:
                del total[name]
                continue
            known = read.values[~np.isnan(read.values)]
            if known.size:
                least[name] = min(least[name], float(known.min()))
                most[name] = max(most[name], float(known.max()))
                total[name] += float(known.sum())
                count[name] += known.size
            for marker, found in read.unknown.items():
                unknown[name][marker] += int(np.count_nonzero(found))
    told = {}
    for name in total:
        if count[name]:
            text = f"{least[name]:g} to {most[name]:g}, mean {total[name] / count[name]:.6g}"
            for marker, rows in unknown[name].items():
                text += f"; {as_toml(marker) if marker else 'nothing'} in {rows:,} rows"
            told[name] = text
    return told


def _positions(path: Path, keys: Mapping[str, Any]) -> Facts:
    _no_keys(keys, ())
    table = read_table(path, MOST_ROWS)
    degrees = not in_metres(table)
    axes = coordinate_columns(table)[::-1] if degrees else ("x", "y")
    places = coordinates(table) if degrees else plane(table)
    if not len(places):
        what = "a latitude and a longitude" if degrees else "an x and a y"
        refuse(path, "empty", f"rows with {what}")
    low, high = places.min(axis=0), places.max(axis=0)
    form, unit = ("{:.9g}", "degrees") if degrees else ("{:g}", "m")
    extent = {
        axis: f"{form.format(low[n])} to {form.format(high[n])} {unit}"
        for n, axis in enumerate(axes)
    }
    facts = {
        "form": table.form,
        "columns": ", ".join(table.columns),
        **_rows(table),
        **(dict(reversed(extent.items())) if degrees else extent),  # latitude comes first
        "rows at the place of another": len(places) - len(np.unique(places, axis=0)),
    }
    becomes = f"positions = {_inline({'file': _name(path)})}"
    if degrees:
        area = around([tuple(low.tolist()), tuple(high.tolist())])
        return {**facts, "area": area, "becomes": f"{becomes}, those in `area.rectangle`"}
    size = f", with [area] size = [{max(ceil(high[0]), 1)}, {max(ceil(high[1]), 1)}]"
    left = "; what lies left of or below 0 is left out" if (low < 0.0).any() else ""
    return {**facts, "becomes": f"{becomes}{size}{left}"}


def _solar(path: Path, keys: Mapping[str, Any]) -> Facts:
    _no_keys(keys, ())
    (times, power), table = read_solar(path, 0.0), read_table(path, 0)
    lasts = np.diff(times)  # the last row ends it
    joules = float(power[:-1] @ lasts)
    return {
        "form": table.form,
        "columns": ", ".join(table.columns),
        "rows": len(times),
        **_period(times, ""),
        "W, least": float(power[:-1].min()),
        "W, mean over time": joules / float(lasts.sum()),
        "W, most": float(power[:-1].max()),
        "energy, Wh": joules / 3600.0,
        "becomes": f"[stations.sbs.power] solar = {_inline({'file': _name(path)})}",
    }


KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], Facts]] = {
    "carbon": _carbon,
    "arrivals": _arrivals,
    "mobility": movement_facts,
    "positions": _positions,
    "topology": topology_facts,
    "solar": _solar,
}
"""What a file may be taken for."""


def _name(path: Path) -> str:
    """As a scenario names it."""
    return path.name.removesuffix(".gz")


def _inline(table: Mapping[str, Any]) -> str:
    """A table in a line, of whatever length."""
    return "{" + ", ".join(f"{key} = {as_toml(value)}" for key, value in table.items()) + "}"


def _no_keys(keys: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in keys:
        if key not in known:
            allowed = ", ".join(known) or "none for these data"
            issue = Issue("--set", "unknown key", key, allowed=allowed, near=nearest(key, known))
            raise ScenarioError([issue])


def _rows(table: Table) -> Facts:
    cut = len(table.rows) == MOST_ROWS
    return {"rows": f"the first {MOST_ROWS:,}, no more are looked at" if cut else len(table.rows)}


def _period(times: NDArray[Any], clock: str) -> Facts:
    """Of times in order, datetime64 or seconds."""
    seconds = times.dtype.kind != "M"
    first, last = times[0], times[-1]
    steps = np.diff(times) if seconds else np.diff(times) / np.timedelta64(1, "s")
    steps = steps[steps > 0.0]
    told: Facts = {
        "period": f"{first:g} s to {last:g} s"
        if seconds
        else f"{_short(first)} to {_short(last)}{clock}"
    }
    if steps.size:
        usual = float(np.median(steps))
        other = int((np.abs(steps - usual) > 1e-6 * usual).sum())
        told |= _told(usual, other, int((steps > MOST_HELD * usual).sum()), float(steps.max()))
    return told


def _told(usual_s: float, other: int, gaps: int, longest_s: float) -> Facts:
    return {
        "usual step": duration(usual_s),
        "other steps": other,
        f"gaps, over {MOST_HELD:g} usual steps": gaps,
        "longest step": duration(longest_s),
    }


def _short(moment: np.datetime64) -> str:
    """Without zeros at its end."""
    text = str(moment)
    return text.rstrip("0").rstrip(".") if "." in text else text


def listing() -> str:
    """What ships, with all that is known of it, and where other data are published."""
    lines = ["Ships with edgesim; named in a scenario by the file's name:"]
    for one in catalogue().shipped:
        lines += ["", f"{one.file}: {one.title}"]
        lines += [f"  {key}: {getattr(one, key)}" for key in one._fields[2:]]
    lines += ["", "Published elsewhere; a file is looked up beside the scenario, then in:"]
    lines += [f"  {folder}" for folder in ("the folder of --data", "that of EDGESIM_DATA")]
    lines += [f"  {folder}" for folder in data_folders(None, None)[-1:]]
    for other in catalogue().published:
        lines += ["", f"{other.name} (--as {other.kind}): {other.where}", f"  {other.note}"]
    return "\n".join(lines)
