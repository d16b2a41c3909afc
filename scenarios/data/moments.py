"""Times of data files: moments as text or numbers, time zones, and what clocks do twice a year."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

ALLOWED = 'a date and time such as "2020-06-01 00:00:00" or "2020-06-01T00:00Z"'

_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})[ T](\d{1,2}:\d{2}(?::\d{2})?)")
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2}):?(\d{2})?")
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Numbers are seconds or milliseconds of the Unix epoch where they fall between these."""


def moment(value: Any) -> datetime:
    """A moment of a file: ISO 8601, day.month.year, or seconds or milliseconds since 1970.

    Args:
        value: text, or a number of JSON.

    Returns:
        With a time zone where the value has one; numbers are in UTC.

    Raises:
        ValueError: with what is allowed.
    """
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    for ending in (" UTC", " GMT"):
        if text.endswith(ending):
            text = f"{text.removesuffix(ending)}+00:00"
    try:
        if re.fullmatch(r"\d{9,13}(\.\d*)?", text):
            return _of_epoch(float(text))
        if found := _GERMAN.fullmatch(text):
            day, month, year, clock = found.groups()
            text = f"{year}-{month:0>2}-{day:0>2} {clock:0>5}"
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(ALLOWED) from None


def _of_epoch(number: float) -> datetime:
    for seconds in (number, number / 1e3):
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        if _FIRST <= found < _LAST:
            return found
    raise ValueError


def zone(name: str) -> tzinfo:
    """A time zone by its name.

    Args:
        name: "UTC", one of the IANA database as "Europe/London", or an offset as "+10:00".

    Raises:
        ValueError: there is none.
    """
    from zoneinfo import ZoneInfo

    if name.upper() in ("UTC", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError):  # KeyError: none of this name
        raise ValueError("a time zone") from None


def in_utc(clock: datetime, place: tzinfo, after: datetime | None = None) -> datetime:
    """A moment of a local clock, in UTC.

    Args:
        clock: what it shows, without a zone.
        place: its zone.
        after: a moment in UTC that comes before it: tells which of two is meant where the clock is put
            back; without it the first.

    Raises:
        ValueError: the clock never shows this, as it is put forward over it; with the reason.
    """
    first, second = (
        clock.replace(tzinfo=place, fold=fold).astimezone(UTC).replace(tzinfo=None)
        for fold in (0, 1)
    )
    shown = first.replace(tzinfo=UTC).astimezone(place).replace(tzinfo=None)
    if shown != clock:
        raise ValueError(f"a time that clocks in {place} skip, as they are put forward")
    return second if after is not None and first <= after else first


def is_doubled(clock: datetime, place: tzinfo) -> bool:
    """Whether a local clock shows this twice, as it is put back."""
    first, second = (clock.replace(tzinfo=place, fold=fold).utcoffset() for fold in (0, 1))
    return first != second


def are_aware(moments: Sequence[datetime]) -> bool | None:
    """Whether moments have time zones; None where some have and some have not."""
    aware = {one.tzinfo is not None for one in moments}
    return None if len(aware) > 1 else aware == {True}
