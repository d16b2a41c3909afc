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
    if text.endswith((" UTC", " GMT")):
        text = f"{text[:-4]}+00:00"
    try:
        if text[4:5] == "-":
            return datetime.fromisoformat(text)
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


def in_utc(clock: datetime, place: tzinfo) -> list[datetime]:
    """The moments at which a local clock shows something, in UTC and without a zone.

    Args:
        clock: what it shows, without a zone.
        place: its zone.

    Returns:
        One; two where the clock is put back over it.

    Raises:
        ValueError: the clock never shows this, as it is put forward over it; with the reason.
        OverflowError: beyond the years that there are.
    """
    folds = (clock.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    found = sorted({one for one in folds if one.astimezone(place).replace(tzinfo=None) == clock})
    if not found:
        raise ValueError(f"a time that clocks in {place} skip, as they are put forward")
    return [one.replace(tzinfo=None) for one in found]


def are_aware(moments: Sequence[datetime]) -> bool | None:
    """Whether moments have time zones; None where some have and some have not."""
    aware = {one.tzinfo is not None for one in moments}
    return None if len(aware) > 1 else aware == {True}
