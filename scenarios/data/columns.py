"""Columns of a piece of a table, as numbers: amounts and times, what is unknown, and what is wrong."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..workload_section import TimeUnit
from .moments import ALLOWED, in_utc, moment

if TYPE_CHECKING:
    import pyarrow as pa


PER_SECOND: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

AMOUNT = "a number that is finite and not negative"

_EPOCH_NS = 946_684_800_000_000_000
"""Dates count from 2000: doubles are finer near it than near 1970."""

_QUARTER_NS = 900 * 10**9
"""Clocks are put forward and back at such times."""

STAMP: TimeUnit = "YYYYMMDDhhmmss"
_SINCE_1970: tuple[tuple[TimeUnit, float, float], ...] = (
    ("s", -4.2e9, 4.2e9),
    ("ms", 6.3e11, 4.2e12),
    (STAMP, 1.99e13, 2.1e13),
    ("us", 6.3e14, 4.2e15),
    ("ns", 6.3e17, 4.2e18),
)
"""What numbers of this size are: seconds from any origin, or others since 1970, from 1990 to 2100."""

_IN_NAME = re.compile(r"(?:^|[^a-z0-9])(s|sec|seconds|ms|millis|us|µs|ns)\W*$")
_AS_UNIT: dict[str, TimeUnit] = {
    "s": "s",
    "sec": "s",
    "seconds": "s",
    "ms": "ms",
    "millis": "ms",
    "us": "us",
    "µs": "us",
    "ns": "ns",
}


class Column(NamedTuple):
    """A column of numbers.

    Attributes:
        values: (K,) NaN where there is none.
        unknown: by what stands there for unknown, (K,) where it does.
        wrong: (K,) where neither a number nor unknown stands; None if nowhere.
        allowed: what would be right, in words.
    """

    values: NDArray[np.float64]
    unknown: dict[str, NDArray[np.bool_]]
    wrong: NDArray[np.bool_] | None = None
    allowed: str = AMOUNT

    def but(self, wrong: NDArray[np.bool_], allowed: str = "") -> "Column":
        """The same, with more that is wrong, `wrong` of shape (K,)."""
        if not wrong.any():
            return self
        both = wrong if self.wrong is None else self.wrong | wrong
        return self._replace(wrong=both, allowed=allowed or self.allowed)


def amounts(
    cells: "pa.Array", unknown: Collection[str] = (), comma: bool = False, *, signed: bool = False
) -> Column:
    """Numbers, which are finite, and not negative unless `signed`.

    Args:
        cells: text, or numbers.
        unknown: what stands for unknown: "" for an empty cell, numbers such as "-1", or words.
        comma: whether 1,5 is a number.
        signed: whether they may be negative.
    """
    values, empty, words = _floats(cells, unknown, comma)
    missing = dict(words)
    if "" in unknown and empty is not None and empty.any():
        missing[""] = empty
    for marker in unknown:
        if (number := _number(marker)) is not None and (found := values == number).any():
            missing[marker] = found
    right = np.isfinite(values) if signed else np.isfinite(values) & (values >= 0.0)
    for found in missing.values():
        values[found] = np.nan
        right |= found
    allowed = "a number that is finite" if signed else AMOUNT
    return Column(values, missing, None if right.all() else ~right, allowed)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_text(cells: "pa.Array") -> bool:
    import pyarrow as pa

    kind = cells.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _floats(
    cells: "pa.Array", unknown: Collection[str], comma: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None, dict[str, NDArray[np.bool_]]]:
    """Values, NaN where there are none; where cells are empty; where words stand for unknown."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    try:
        if cells.null_count == 0:
            # Whole numbers beyond 2^53, as nanoseconds since 1970, are rounded.
            return _array(cells.cast(pa.float64(), safe=_is_text(cells))), None, {}
        if not _is_text(cells):
            empty = np.array(cells.is_null())
            return _array(cells.cast(pa.float64(), safe=False).fill_null(np.nan)), empty, {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        if not _is_text(cells):
            return np.full(len(cells), np.nan), None, {}
    text = compute.utf8_trim_whitespace(cells.fill_null(""))
    empty = np.array(compute.equal(text, ""))
    words = {
        marker: found
        for marker in unknown
        if marker
        and _number(marker) is None
        and (found := np.array(compute.equal(text, marker))).any()
    }
    none = np.logical_or.reduce([empty, *words.values()])
    text = compute.if_else(pa.array(none), "nan", text)
    if comma:
        text = compute.replace_substring(text, ",", ".")
    try:
        return _array(text.cast(pa.float64())), empty, words
    except pa.ArrowInvalid:
        each = [_number(cell) for cell in text.to_pylist()]
        return np.array([np.nan if one is None else one for one in each]), empty, words


def _array(cells: "pa.Array") -> NDArray[np.float64]:
    """A copy that can be written to."""
    return np.array(cells, np.float64)


@dataclass
class Clock:
    """Reads a column of times, all of one kind: numbers, or dates with a zone, or without.

    Attributes:
        column: its name.
        unit: of numbers; found from the name or from the first numbers if not given.
        zone: of dates without one.
        unknown: what stands for unknown, as for `amounts`.
        comma: whether 1,5 is a number.
        kind: of the times, once some have been read.
    """

    column: str
    unit: TimeUnit | None = None
    zone: tzinfo | None = None
    unknown: Collection[str] = ()
    comma: bool = False
    kind: Literal["numbers", "dates with a zone", "dates without a zone", ""] = ""
    _guessed: bool = False
    _last_ns: int = -(2**63)

    def seconds(self, cells: "pa.Array") -> Column:
        """(K,) seconds from whatever origin.

        Raises:
            ValueError: keys that do not go with these times, or are missing; with the fault, and what is
                allowed.
        """
        import pyarrow as pa

        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if not self.kind:
            self._find_kind(cells)
        if self.kind == "numbers" or not self.kind:
            return self._of_numbers(cells)
        ns, unknown, wrong = self._nanoseconds(cells)
        allowed = ALLOWED
        if self.kind == "dates without a zone" and self.zone is not None:
            none = [*unknown.values(), *([] if wrong is None else [wrong])]
            gone = self._to_utc(ns, ~np.logical_or.reduce([np.zeros(len(ns), np.bool_), *none]))
            wrong = gone if wrong is None else wrong | gone
            allowed += f", which clocks in {self.zone} do not skip"
        # As numpy divides two time spans.
        values = (ns - _EPOCH_NS).astype(np.float64) / 1e9
        for found in [*unknown.values(), *([] if wrong is None else [wrong])]:
            values[found] = np.nan
        allowed += f"; the first times are {self.kind}"
        return Column(
            values, unknown, wrong if wrong is not None and wrong.any() else None, allowed
        )

    def _find_kind(self, cells: "pa.Array") -> None:
        import pyarrow as pa

        if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
            aware = getattr(cells.type, "tz", None) is not None
            self.kind = "dates with a zone" if aware else "dates without a zone"
        elif not _is_text(cells):
            self.kind = "numbers"
        else:
            self.kind = next(filter(None, (self._kind_of(cell) for cell in cells.to_pylist())), "")
        if self.kind == "numbers" and self.zone is not None and self.unit not in (None, STAMP):
            raise ValueError("times that are numbers are on no clock", "no `time_zone`")
        if self.kind == "dates with a zone" and self.zone is not None:
            raise ValueError("the times have a zone", "no `time_zone`")
        if self.kind.startswith("dates") and self.unit is not None:
            raise ValueError("the times are dates", "no `time_unit`")

    def _kind_of(self, cell: str | None) -> Any:
        text = (cell or "").strip()
        if text in self.unknown or _number(text) in map(_number, filter(_number, self.unknown)):
            return ""
        if (number := _number(text.replace(",", ".") if self.comma else text)) is not None:
            return "numbers" if np.isfinite(number) else ""
        try:
            aware = moment(text).tzinfo is not None
        except ValueError:
            return ""
        return "dates with a zone" if aware else "dates without a zone"

    def _of_numbers(self, cells: "pa.Array") -> Column:
        column = amounts(cells, self.unknown, self.comma, signed=True)
        values = column.values
        known = values[np.isfinite(values)]
        if known.size and (self.unit is None or self._guessed):
            self._find_unit(float(known.min()), float(known.max()))
        if self.unit == STAMP:
            ns, right = _of_stamps(values)
            if self.zone is not None:
                right &= ~self._to_utc(ns, right)
            wrong = ~right
            for found in column.unknown.values():
                wrong &= ~found
            values = np.where(right, (ns - _EPOCH_NS).astype(np.float64) / 1e9, np.nan)
            return Column(values, column.unknown, wrong if wrong.any() else None, STAMP)
        if self.zone is not None and self.unit is not None:
            raise ValueError("times that are numbers are on no clock", "no `time_zone`")
        values = values / PER_SECOND[self.unit or "s"]
        allowed = "a number, as the first times are" if self.kind else f"a number or {ALLOWED}"
        return column._replace(values=values, allowed=allowed)

    def _find_unit(self, least: float, most: float) -> None:
        if self.unit is None and (named := _IN_NAME.search(self.column.lower())):
            self.unit = _AS_UNIT[named[1]]
            return
        fits = [unit for unit, low, high in _SINCE_1970 if low <= least and most < high]
        if not fits or self.unit not in (None, *fits):
            what = f"numbers from {least:.15g} to {most:.15g} may be times of several units"
            raise ValueError(what, "`time_unit`")
        self.unit, self._guessed = fits[0], True

    def _nanoseconds(
        self, cells: "pa.Array"
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]], NDArray[np.bool_] | None]:
        """Since 1970, 0 where there is none; what is unknown; what is wrong."""
        import pyarrow as pa
        from pyarrow import compute

        kind = pa.timestamp("ns", "UTC" if self.kind == "dates with a zone" else None)
        if cells.null_count == 0:
            try:
                return _counted(cells, kind), {}, None
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
        if not _is_text(cells):
            empty = np.array(cells.is_null())
            unknown = {"": empty} if "" in self.unknown else {}
            wrong = None if unknown else empty
            try:
                return _counted(cells, kind), unknown, wrong
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                return np.zeros(len(cells), np.int64), unknown, ~empty
        text = compute.utf8_trim_whitespace(cells.fill_null(""))
        unknown = {
            marker: found
            for marker in self.unknown
            if (found := np.array(compute.equal(text, marker))).any()
        }
        none = np.logical_or.reduce([np.zeros(len(text), np.bool_), *unknown.values()])
        text = compute.if_else(pa.array(none), pa.scalar(None, pa.string()), text)
        try:
            return _counted(text, kind), unknown, None
        except pa.ArrowInvalid:
            each = [None if cell is None else self._one(cell) for cell in text.to_pylist()]
        ns = np.array([one or 0 for one in each], np.int64)
        wrong = np.array([one is None for one in each], np.bool_) & ~none
        return ns, unknown, wrong

    def _one(self, cell: str) -> int | None:
        """Nanoseconds since 1970; None if it is no such time."""
        try:
            found = moment(cell)
        except ValueError:
            return None
        aware = found.tzinfo is not None
        if aware != (self.kind == "dates with a zone"):
            return None
        try:
            elapsed = (found - _SINCE) if aware else found - _SINCE.replace(tzinfo=None)
        except OverflowError:
            return None
        ns = elapsed // timedelta(microseconds=1) * 1000
        return ns if abs(ns) < 2**63 else None

    def _to_utc(self, ns: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Turn what clocks show into UTC, in place; where no clock shows it.

        Of the two moments of a doubled hour the earlier one is meant, unless the row before, of those whose
        time is known, lies after it.
        """
        assert self.zone is not None
        quarters, of_quarter = np.unique(ns // _QUARTER_NS, return_inverse=True)
        earlier, later = np.zeros((2, quarters.size), np.int64)
        gone = np.zeros(quarters.size, np.bool_)
        for index, quarter in enumerate(quarters.tolist()):
            try:
                clock = datetime(1970, 1, 1) + timedelta(seconds=quarter * 900)
                folds = [(one - clock) // timedelta(seconds=1) for one in in_utc(clock, self.zone)]
            except (ValueError, OverflowError):
                gone[index] = True
                continue
            earlier[index], later[index] = folds[0] * 10**9, folds[-1] * 10**9
        first, second = ns + earlier[of_quarter], ns + later[of_quarter]
        last_known = np.maximum.accumulate(np.where(known, np.arange(known.size), -1))
        for row in np.flatnonzero(first != second).tolist():
            place = last_known[row - 1] if row else -1
            before = self._last_ns if place < 0 else int(first[place])
            if first[row] < before <= second[row]:
                first[row] = second[row]
        if known.any():
            self._last_ns = int(first[last_known[-1]])
        ns[:] = first
        lost: NDArray[np.bool_] = gone[of_quarter]
        return lost


_SINCE = datetime(1970, 1, 1, tzinfo=UTC)


def _counted(cells: "pa.Array", kind: Any) -> NDArray[np.int64]:
    """Nanoseconds; 0 where there is none."""
    import pyarrow as pa

    return np.array(cells.cast(kind).cast(pa.int64()).fill_null(0), np.int64)


def _of_stamps(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Nanoseconds since 1970 of numbers such as 20240510120000, and which are such."""
    right = np.isfinite(values) & (np.floor(values) == values)
    right &= (values >= 1.678e13) & (values < 2.262e13)
    left = np.where(right, values, 20000101000000).astype(np.int64)
    parts = []
    for width in (100, 100, 100, 100, 100):
        left, part = np.divmod(left, width)
        parts.append(part)
    second, minute, hour, day, month = parts
    right &= (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 61)
    months = ((left - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    right &= days.astype("datetime64[M]") == months
    seconds = days.astype("datetime64[s]").astype(np.int64) + hour * 3600 + minute * 60 + second
    return seconds * 10**9, right
