"""Movements of files: samples of places in order of time, piece by piece, whatever the format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from .records import UNREADABLE, open_text, refuse

Format = Literal["fcd", "csv", "parquet", "ns2", "bonnmotion", "bonnmotion-3d", "one"]
Kind = Literal["vehicle", "person", "container"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MOST_SECONDS = 1e9
"""Times and lengths beyond it are mistaken, and doubles would be too coarse for them."""

MOST_METRES = 1e9


@dataclass(frozen=True)
class Reading:
    """How a file of movements is read; see `TraceMobility` for the keys.

    Attributes:
        format: None: by what is in the file.
        goals: of NS-2, whether `setdest` is a goal to go to; else a place at a time.
        kinds: of SUMO's objects, those that count; None: all.
        time_column: of a table, None: found by its name; so are the others.
        id_column: of the object's name.
        x_column: metres to the east, or longitude.
        y_column: metres to the north, or latitude.
    """

    format: Format | None = None
    goals: bool | None = None
    kinds: tuple[Kind, ...] | None = None
    time_column: str | None = None
    id_column: str | None = None
    x_column: str | None = None
    y_column: str | None = None


class Piece(NamedTuple):
    """Samples of some time, in order of time.

    Attributes:
        time_s: (K,) on the file's clock.
        thing: (K,) the number of the object, from 0 in order of appearance.
        x: (K,) as the file has it.
        y: (K,) likewise.
        begins_s: the first time, which may have no samples, and
        reaches_s: the last one that is begun.
    """

    time_s: NDArray[np.float64]
    thing: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    begins_s: float
    reaches_s: float


class Source(Protocol):
    """A file that can be gone through as often as one likes.

    Attributes:
        path: of the file.
        form: what it is, in words.
        legs: whether objects go straight from sample to sample and are there from the first time to the
            last, as NS-2 and BonnMotion mean it; else samples are all that is known.
        ordered: whether its format has samples in order of time; else only its end tells.
        degrees: whether x and y are longitude and latitude; None where the file does not say.
    """

    path: Path
    form: str
    legs: bool
    ordered: bool
    degrees: bool | None

    def pieces(self) -> Iterator[Piece]:
        """Its samples from the beginning.

        Raises:
            ScenarioError: it cannot be read; names row or line, value and what is allowed.
        """

    def name(self, thing: int) -> str:
        """Of an object that pieces have had, with its kind where there are kinds."""


@dataclass
class Known:
    """A source whose samples are in memory.

    Attributes:
        path: as in `Source`, like the others.
        form: what it is.
        legs: whether nodes go from sample to sample.
        names: by number.
        piece: all samples.
        degrees: whether they are longitude and latitude.
        ordered: they are.
    """

    path: Path
    form: str
    legs: bool
    names: list[str]
    piece: Piece
    degrees: bool | None = False
    ordered: bool = True

    def pieces(self) -> Iterator[Piece]:
        """All at once."""
        yield self.piece

    def name(self, thing: int) -> str:
        """As the file has it."""
        return self.names[thing]


@dataclass
class Samples:
    """Samples that are being collected."""

    time_s: list[float] = field(default_factory=list)
    thing: list[int] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Of an object."""
        return self.numbers.setdefault(name, len(self.numbers))

    def add(self, time_s: float, thing: int, x: float, y: float) -> None:
        """One more."""
        self.time_s.append(time_s)
        self.thing.append(thing)
        self.x.append(x)
        self.y.append(y)

    def source(self, path: Path, form: str, *, legs: bool, until_s: float | None = None) -> Known:
        """All of them, in order of time; those of one time in the order of the file.

        Args:
            path: of the file.
            form: in words.
            legs: see `Source`; then the last place of each is held to the end.
            until_s: the end, if it is later than all samples.
        """
        if not self.time_s:
            refuse(path, "empty", "samples of places")
        end_s = max(*self.time_s, self.time_s[0], until_s or self.time_s[0])
        if legs:
            last = {thing: at for at, thing in enumerate(self.thing)}
            for at in last.values():
                self.add(end_s, self.thing[at], self.x[at], self.y[at])
        order = np.argsort(np.array(self.time_s), kind="stable")
        columns = (np.array(one)[order] for one in (self.time_s, self.thing, self.x, self.y))
        time_s, thing, x, y = columns
        piece = Piece(time_s, thing.astype(np.int64), x, y, float(time_s[0]), end_s)
        return Known(path, form, legs, list(self.numbers), piece)


def number_at(path: Path, place: str, text: str, most: float, what: str = "a number") -> float:
    """The number that a word is.

    Raises:
        ScenarioError: it is none, or beyond ±`most`; names file and place.
    """
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not abs(found) <= most or "_" in text:
        refuse(path, f"{place}: {text[:60]!r} is not {what}", f"within ±{most:g}")
    return found


_CLOCK = re.compile(r"\s*(?:(\d+):)?(\d+):([0-5]?\d):([0-5]?\d(?:\.\d*)?)\s*")


def clock_s(text: str) -> float:
    """Seconds of a time as SUMO writes it: 12.50, or with -H 00:00:12.50 and 1:01:00:00 (a day more).

    Raises:
        ValueError: it is none of them, or not finite.
    """
    if found := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = found.groups()
        time_s = (int(days or 0) * 24 + int(hours)) * 3600.0 + int(minutes) * 60.0 + float(seconds)
    else:
        time_s = float(text)
    if not (isfinite(time_s) and abs(time_s) <= MOST_SECONDS and "_" not in text):
        raise ValueError(text)
    return time_s


def seconds_between(first: datetime, moment: datetime) -> float:
    """From one to the other.

    Raises:
        ValueError: one has a time zone and the other none.
    """
    try:
        return (moment - first).total_seconds()
    except TypeError:
        raise ValueError("a time with a zone in all rows or in none") from None


def detect(path: Path) -> Format:
    """The format of a file by its beginning.

    Raises:
        ScenarioError: unreadable, or of none that is known.
    """
    try:
        with path.open("rb") as raw:
            if raw.read(4) == b"PAR1":
                return "parquet"
        with open_text(path) as text:
            head = text.read(65_536)
    except UNREADABLE as error:
        refuse(path, f"cannot be read: {error}")
    if head.lstrip().startswith("<"):
        return "fcd"
    lines = [line.strip() for line in head.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        refuse(path, "empty", "samples of places")
    if _NS2.match(lines[0]):
        return "ns2"
    words = [_count(line) for line in lines[:2]]
    if words[0] in (6, 8) and len(words) == 2 and words[1] in (4, 5):
        return "one"
    if path.name.removesuffix(".gz").endswith(".movements") or (words[0] and words[0] % 3 == 0):
        return "bonnmotion"
    if re.search(r"[,;\t]", lines[0]):
        return "csv"
    allowed = "SUMO FCD, NS-2, BonnMotion, ONE, or a table of t, id, x, y; or say which by `format`"
    refuse(path, "movements of no known format", allowed)


_NS2 = re.compile(r"set\s|\$(node_|ns_|god_)|puts\s|create-god")


def _count(line: str) -> int:
    """How many numbers it has, with spaces between; 0 where there is another word, ids of ONE apart."""
    words = line.split()
    numeric = [re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", word) is not None for word in words]
    if len(words) in (4, 5) and sum(numeric) >= len(words) - 1:
        return len(words)
    return len(words) if all(numeric) else 0
