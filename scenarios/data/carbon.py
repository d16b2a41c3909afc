"""Carbon intensity over time, from a file of any source: times, values in g/kWh, and what they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..carbon_section import Basis, CarbonReading, Kind, Unit
from ..errors import Issue, Mistakes, ScenarioError, as_toml, nearest
from .carbon_formats import G_PER_KWH, Said, of_column, of_table, time_columns, value_columns
from .moments import are_aware, in_utc, moment, zone
from .records import ISSUES, Table, normal, number, read_table, refuse

MOST_G_PER_KWH = 3000.0
"""More than any grid has: one of oil shale alone emits 1,500."""

PLACES = (
    "zone",
    "zone id",
    "zone name",
    "location",
    "region",
    "region id",
    "regionid",
    "balancing authority",
)
"""Names of columns that say where a value holds."""

Clock = Literal["offsets", "zone", "none"]
"""Whether rows have a time zone each, or one is stated for all, or there is none."""


@dataclass(frozen=True)
class CarbonAbout:
    """What a series of carbon intensity is.

    Attributes:
        source: whose format it is, or the form of the table.
        time_column: of the times.
        value_column: of the values.
        unit: of the values in the file.
        kind: "average" or "marginal"; None if neither file nor scenario says.
        basis: "direct" or "life-cycle"; likewise.
        time_zone: of times in the file, in words.
        left_out: rows without a value.
    """

    source: str
    time_column: str
    value_column: str
    unit: Unit
    kind: Kind | None
    basis: Basis | None
    time_zone: str
    left_out: int

    def __str__(self) -> str:
        return f"{self.kind or 'kind not stated'}, {self.basis or 'basis not stated'}"


@dataclass(frozen=True)
class CarbonSeries:
    """A step function of a file's clock: a value holds from its time to the next.

    Attributes:
        times: (n,) datetime64[us], increasing; UTC unless `clock` is "none".
        g_per_kwh: (n,)
        end: datetime64[us] at which the last value ends: where the file says it, or a usual step later.
        clock: what the file's times are.
        place: zone of a file whose rows have none.
        about: what the series is.
    """

    times: NDArray[np.datetime64]
    g_per_kwh: NDArray[np.float64]
    end: np.datetime64
    clock: Clock
    place: tzinfo | None
    about: CarbonAbout

    @property
    def usual_step_s(self) -> float:
        """The median time between rows, seconds; how long the value holds of one row."""
        if self.times.size < 2:
            return float((self.end - self.times[0]) / np.timedelta64(1, "s"))
        return float(np.median(np.diff(self.times)) / np.timedelta64(1, "s"))

    def until(self, row: int) -> np.datetime64:
        """When the value of a row ends."""
        end: np.datetime64 = self.times[row + 1] if row + 1 < self.times.size else self.end
        return end

    def moment(self, start: datetime) -> np.datetime64:
        """A moment of the file, on the clock of `times`.

        Args:
            start: with a time zone where the file's times have one. Without it, on the clock that is
                stated for the whole file, or where neither has one.

        Raises:
            ValueError: one has a time zone and the other has none, or the clock shows this twice or
                never; with what is wrong and what is allowed, separated by "; allowed: ".
        """
        if start.tzinfo is not None:
            if self.clock == "none":
                what = "has a time zone, and the file's times have none"
                raise ValueError(
                    f"{what}; allowed: `time_zone` of the file, or a start without one"
                )
            return np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us")
        if self.clock == "offsets":
            what = "has no time zone, and the file's times have"
            raise ValueError(f'{what}; allowed: one with it, as "{start.isoformat()}Z"')
        if self.place is None:
            return np.datetime64(start, "us")
        try:
            found = in_utc(start, self.place)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{error}; allowed: a time with its offset from UTC") from None
        if len(found) > 1:
            what = f"clocks in {self.place} show this twice, as they are put back"
            raise ValueError(f"{what}; allowed: a time with its offset from UTC")
        return np.datetime64(found[0], "us")


def read_carbon(path: Path, reading: CarbonReading) -> CarbonSeries:
    """Carbon intensity over time from a file, CSV or JSON.

    Args:
        path: the file.
        reading: how it is to be read, in what the file does not say by itself.

    Raises:
        ScenarioError: it cannot be read; it is no such table; something has to be said of it, or is said
            otherwise by the file; malformed rows, or such that are not in order of time.
    """
    # Of its keys those alone that it is read by: runs of a sweep start at different moments of one file.
    words = CarbonReading(**{key: getattr(reading, key) for key in CarbonReading.model_fields})
    try:
        with path.open("rb") as content:
            digest = file_digest(content, "sha256").digest()
    except OSError as error:
        refuse(path, f"cannot be read: {error.strerror}")
    return _read(path, digest, words)


@lru_cache(maxsize=8)
def _read(path: Path, digest: bytes, reading: CarbonReading) -> CarbonSeries:
    """Once for a file of a content, in a process that runs it many times."""
    table = read_table(path)
    if not table.columns:
        refuse(path, "empty", "a header, and rows")
    said, mistakes = of_table(table), Mistakes()
    time = value = unit = None
    with mistakes:
        time = _time_column(table, reading, said)
    with mistakes:
        value = _value_column(table, reading, said)
    column = of_column(value or "")
    known = said if value == said.value else said._replace(unit=None, rank=False, unknown_unit="")
    kind, basis = column.kind or said.kind, column.basis or known.basis
    if value is not None:
        with mistakes:
            unit = _unit(path, value, reading, column, known)
        with mistakes:
            _check(path, "kind", reading.kind, kind)
        with mistakes:
            _check(path, "basis", reading.basis, basis)
    with mistakes:
        if value is not None and time == value:
            refuse(path, f"column {value} for the times and the values", "two columns")
    with mistakes:
        _zone(path, reading.time_zone)
    # Of the rows all is looked at that can be, whatever else is wrong.
    begins, values, left_out, kept = _rows(table, time, value, unit, mistakes)
    with mistakes:
        _one_place(table, kept)
    with mistakes:
        if begins:
            clock, place, times = _times(table, time, begins, kept, reading, said)
            _increasing(table, kept, begins, times)
    mistakes.tell()
    assert time is not None and value is not None and unit is not None  # else it was told
    grams = np.array(values)
    for column_of in (times, grams):
        column_of.flags.writeable = False
    if reading.unit is None and column.unit is None and 0.0 < grams.max() < 1.0:
        what = f"column {value}: all values are below 1 g/kWh, and the file does not say that it is g/kWh"
        refuse(path, what, '`unit`, as in unit = "kg/kWh"')
    form = said.source or table.form
    zoned = {"offsets": "offsets in the rows", "zone": str(place), "none": "none"}[clock]
    about = CarbonAbout(
        form,
        time,
        value,
        unit,
        reading.kind or kind or said.usual,
        reading.basis or basis,
        zoned,
        left_out,
    )
    end = _end(table, said, kept, times, clock)
    return CarbonSeries(times, grams, end, clock, place if clock == "zone" else None, about)


def _named(table: Table, key: str, name: str) -> str:
    if name in table.columns:
        return name
    what = f"no column {as_toml(name)}, which `{key}` names"
    allowed = ", ".join(table.columns)
    raise ScenarioError(
        [Issue(str(table.path), what, allowed=allowed, near=nearest(name, table.columns))]
    )


def _time_column(table: Table, reading: CarbonReading, said: Said) -> str:
    if reading.time_column is not None:
        return _named(table, "time_column", reading.time_column)
    fits = [said.time] if said.time else time_columns(table.columns)
    if len(fits) == 1:
        return fits[0]
    if fits:
        what = f"{len(fits)} columns fit for the time: {', '.join(fits)}"
        refuse(table.path, what, f"`time_column`, as in time_column = {as_toml(fits[0])}")
    what = f"no column of times by its name; its columns: {', '.join(table.columns)}"
    refuse(table.path, what, "`time_column`")


def _value_column(table: Table, reading: CarbonReading, said: Said) -> str:
    if reading.value_column is not None:
        found = _named(table, "value_column", reading.value_column)
        if of_column(found).rank:
            refuse(
                table.path, f"column {found} is an index or a share, no intensity", "one in g/kWh"
            )
        return found
    if said.rank:
        what = "its values are an index or a share between 0 and 100, no carbon intensity"
        refuse(table.path, what, "values in g/kWh, kg/kWh, kg/MWh, t/MWh or lb/MWh")
    if said.value:
        return said.value
    fits = value_columns(table)
    chosen = [one for one in fits if reading.basis and of_column(one).basis == reading.basis]
    if len(chosen) == 1 or len(fits) == 1:
        return (chosen or fits)[0]
    if fits:
        allowed = f"`value_column`, as in value_column = {as_toml(fits[0])}"
        if {of_column(one).basis for one in fits} == {"direct", "life-cycle"}:
            allowed += ', or basis = "direct" or "life-cycle"'
        what = f"{len(fits)} columns fit for the carbon intensity: {', '.join(fits)}"
        refuse(table.path, what, allowed)
    what = f"no column of carbon intensity by its name; its columns: {', '.join(table.columns)}"
    refuse(table.path, what, "`value_column`, and `unit`")


def _unit(path: Path, value: str, reading: CarbonReading, column: Said, said: Said) -> Unit:
    if unknown := column.unknown_unit or said.unknown_unit:
        refuse(path, f"column {value}: its unit is {unknown}", ", ".join(G_PER_KWH))
    stated = column.unit or said.unit
    _check(path, "unit", reading.unit, stated)
    found = reading.unit or stated
    if found is None:
        what = f"column {value}: its unit is not stated"
        refuse(path, what, f"`unit`, one of {', '.join(G_PER_KWH)}")
    return found


def _check(path: Path, key: str, given: str | None, said: str | None) -> None:
    """Refuse what the scenario says of a key where the file says otherwise."""
    if said is not None and given is not None and given != said:
        what = f"`{key}` = {as_toml(given)}, and by its own words it is {as_toml(said)}"
        refuse(path, what, f"{key} = {as_toml(said)}, or not given")


def _rows(
    table: Table, time: str | None, value: str | None, unit: Unit | None, mistakes: Mistakes
) -> tuple[list[datetime], list[float], int, list[int]]:
    """Times and values in g/kWh of the rows that have a value, how many have none, and which have.

    Nothing of a column that is not known; what is wrong in the others is added to the mistakes.
    """
    factor = G_PER_KWH[unit] if unit else 1.0
    most = MOST_G_PER_KWH / factor if unit else np.inf
    allowed = f"a carbon intensity in {unit} between 0 and {most:,.4g}"
    allowed = allowed if unit else "a carbon intensity, a number that is not negative"

    def intensity(cell: object) -> float:
        return number(cell, 0.0, most, allowed, table.decimal_comma) * factor

    def is_empty(cell: object) -> bool:
        return cell is None or (isinstance(cell, str) and not cell.strip())

    kept = list(range(len(table.rows)))
    if value is not None:
        index = table.columns.index(value)
        kept = [
            i for i, row in enumerate(table.rows) if not (len(row) > index and is_empty(row[index]))
        ]
    read: dict[str, Callable[[Any], Any]] = {} if time is None else {time: moment}
    if value is not None:
        read[value] = intensity
    rows: list[tuple[Any, ...]] = []
    with mistakes:
        if not kept:
            what = f"column {value} has no value" if table.rows else "empty"
            refuse(table.path, what, "rows with times and values")
        full = Table(
            table.path,
            table.form,
            table.columns,
            [table.rows[i] for i in kept],
            [table.places[i] for i in kept],
        )
        rows = full.read(read)
    begins = [row[0] for row in rows] if time not in (None, value) else []
    values = [row[-1] for row in rows] if value is not None else []
    return begins, values, len(table.rows) - len(kept), kept


def _times(
    table: Table,
    time: str | None,
    begins: Sequence[datetime],
    kept: Sequence[int],
    reading: CarbonReading,
    said: Said,
) -> tuple[Clock, tzinfo | None, NDArray[np.datetime64]]:
    """Whose clock it is, and the times on it, in UTC if it has a zone."""
    aware = are_aware(begins)
    if aware is None:
        odd = next(i for i, one in enumerate(begins) if one.tzinfo is None)
        even = next(i for i, one in enumerate(begins) if one.tzinfo is not None)
        what = f"{table.places[kept[odd]]} has a time without a zone, {table.places[kept[even]]} one with"
        refuse(table.path, what, "a zone in all rows, or in none")
    if aware:
        if reading.time_zone is not None:
            what = f"`time_zone` = {as_toml(reading.time_zone)}, and its times have offsets of their own"
            refuse(table.path, what, "`time_zone` not given")
        return "offsets", None, _in_utc(table, begins, kept)
    utc = said.utc or of_column(time or "").utc
    place: tzinfo | None = UTC if utc else None
    if reading.time_zone is not None:
        place = _zone(table.path, reading.time_zone)
        if utc and place is not UTC:
            what = f"`time_zone` = {as_toml(reading.time_zone)}, and column {time} is in UTC"
            refuse(table.path, what, '"UTC", or not given')
    if place is None or place is UTC:
        clock: Clock = "none" if place is None else "zone"
        return clock, place, np.array(begins, dtype="datetime64[us]")
    return "zone", place, _local(table, begins, kept, place)


def _zone(path: Path, name: str | None) -> tzinfo | None:
    try:
        return None if name is None else zone(name)
    except ValueError:
        what = f"`time_zone` = {as_toml(name)}: no such time zone"
        refuse(path, what, '"UTC", a name such as "Europe/London", or "+10:00"')


def _in_utc(
    table: Table, begins: Sequence[datetime], kept: Sequence[int]
) -> NDArray[np.datetime64]:
    found = []
    for i, one in enumerate(begins):
        try:
            found.append(one.astimezone(UTC).replace(tzinfo=None))
        except OverflowError:
            refuse(table.path, f"{table.places[kept[i]]}: {one} is in UTC a year that there is not")
    return np.array(found, dtype="datetime64[us]")


def _local(
    table: Table, begins: Sequence[datetime], kept: Sequence[int], place: tzinfo
) -> NDArray[np.datetime64]:
    """Of two moments at which a clock shows the same, the one is meant that keeps the step of the rows.

    Those without a value, which are not among `kept`, count as rows.
    """
    found: list[datetime] = []
    issues = []
    rows = np.diff(kept, prepend=kept[:1]).tolist()
    shown = [(begins[i] - begins[i - 1]) / rows[i] for i in range(1, len(begins))]
    step = sorted(shown)[len(shown) // 2] if shown else timedelta(0)
    for i, one in enumerate(begins):
        try:
            moments = in_utc(one, place)
            if found and len(moments) > 1:
                before = found[-1]
                moments = [each for each in moments if each > before] or moments
                moments.sort(key=lambda each: abs(each - before - step * rows[i]))
            if found:
                step = (moments[0] - found[-1]) / rows[i]
            found.append(moments[0])
        except (ValueError, OverflowError) as error:
            reason = (
                str(error) if isinstance(error, ValueError) else "beyond the years that there are"
            )
            what = f"{table.places[kept[i]]}: {one} is {reason}"
            allowed = "the `time_zone` of the file's clock; it may be UTC, or without summer time"
            issues.append(Issue(str(table.path), what, allowed=allowed))
            if len(issues) == ISSUES:
                break
    if issues:
        raise ScenarioError(issues)
    return np.array(found, dtype="datetime64[us]")


def _one_place(table: Table, kept: Sequence[int]) -> None:
    """Refuse rows of several places, whose values would take turns."""
    for index, column in enumerate(table.columns):
        if normal(column) in PLACES:
            cells = (str(table.rows[i][index]) for i in kept if index < len(table.rows[i]))
            found = list(dict.fromkeys(cells))
            if len(found) > 1:
                what = f"rows of {len(found)} places by column {column}: {', '.join(found[:3])}"
                refuse(table.path, what + ", …" * (len(found) > 3), "rows of one place")


def _increasing(
    table: Table, kept: Sequence[int], begins: Sequence[datetime], times: NDArray[np.datetime64]
) -> None:
    back = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "us"))
    if back.size:
        i = int(back[0])
        what = f"{table.places[kept[i + 1]]}: {begins[i + 1]} does not come after {begins[i]}"
        refuse(table.path, what, "rows in order of time, of one place")


def _end(
    table: Table,
    said: Said,
    kept: Sequence[int],
    times: NDArray[np.datetime64],
    clock: Clock,
) -> np.datetime64:
    """When the last value ends."""
    last: np.datetime64 = times[-1]
    if said.end is not None and clock == "offsets":
        cell = table.rows[kept[-1]][table.columns.index(said.end)]
        try:
            stated = np.datetime64(moment(cell).astimezone(UTC).replace(tzinfo=None), "us")
        except (ValueError, OverflowError) as error:
            what = f"{table.places[kept[-1]]}, column {said.end}: {as_toml(cell)} is not {error}"
            refuse(table.path, what)
        return max(stated, last)
    if times.size < 2:
        return last
    end: np.datetime64 = last + np.median(np.diff(times)).astype("timedelta64[us]")
    return end


def longest_hold(
    series: CarbonSeries, begin: np.datetime64, end: np.datetime64
) -> tuple[int, float]:
    """The row whose value holds longest of those that hold between two moments, and its seconds."""
    first = max(int(np.searchsorted(series.times, begin, side="right")) - 1, 0)
    after = max(int(np.searchsorted(series.times, end, side="left")), first + 1)
    held = np.diff(np.append(series.times, series.end))[first:after]
    row = int(np.argmax(held))
    return first + row, float(held[row] / np.timedelta64(1, "s"))
