"""What a file of movements is: gone through once, before a run goes through it again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...scenarios.data.movement import Piece, Reading, Source, detect
from ...scenarios.data.movement_plane import Column
from ...scenarios.data.movement_tables import OutOfOrderError, TableSource
from ...scenarios.data.movement_text import read_bonnmotion, read_ns2, read_one
from ...scenarios.data.records import refuse
from ...scenarios.data.row_store import RowStore
from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled
from .movement_xml import FcdXml

AtEnd: TypeAlias = Literal["stay", "absent", "repeat"]

_GAP = 3.0
"""So many usual intervals an object may be without a sample, and is still there."""

_ENOUGH = 100_000
"""Intervals between samples whose median is the usual one."""

_SAMPLE = np.dtype([("time_s", "f8"), ("thing", "i4"), ("x", "f8"), ("y", "f8")])


def open_movement(path: Path, reading: Reading) -> Source:
    """The source that a file is, by its beginning or as it is said to be.

    Raises:
        ScenarioError: of no known format, or it cannot be read.
    """
    form = reading.format or detect(path)
    if form == "fcd":
        return FcdXml(path, reading.kinds)
    if form in ("csv", "parquet"):
        return TableSource(path, reading, parquet=form == "parquet")
    if form == "ns2":
        return read_ns2(path, reading.goals)
    if form == "one":
        return read_one(path)
    return read_bonnmotion(path, spatial=form == "bonnmotion-3d")


class Kept:
    """The pieces of a file, as numbers, so that a run need not read it again; most in a temporary file.

    A copy shares them. One that is pickled has none.
    """

    def __init__(self) -> None:
        self._rows = RowStore(_SAMPLE)
        self._ends: list[tuple[int, float, float]] = []
        self._full = False

    def __len__(self) -> int:
        """How many pieces there are, from the beginning of the file on."""
        return len(self._ends)

    def append(self, piece: Piece) -> None:
        """Keep the next one, unless there was no room for one before."""
        rows = np.empty(piece.time_s.size, _SAMPLE)
        for name in _SAMPLE.names or ():
            rows[name] = getattr(piece, name)
        try:
            if not self._full:
                self._rows.append(rows)
                self._ends.append((self._rows.size, piece.begins_s, piece.reaches_s))
        except OSError:
            self._full, self._rows, self._ends = True, RowStore(_SAMPLE), []

    def __iter__(self) -> Iterator[Piece]:
        """All of them, as they were."""
        start = 0
        for end, begins_s, reaches_s in self._ends:
            rows = self._rows.read(start, end)
            time_s, x, y = (rows[name].astype(np.float64) for name in ("time_s", "x", "y"))
            yield Piece(time_s, rows["thing"].astype(np.int64), x, y, begins_s, reaches_s)
            start = end

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Kept, ()


@dataclass
class Survey:
    """What was found from the beginning of a file to its end, or to where nothing more is needed.

    Attributes:
        samples: places of objects at times.
        first_s: the first time, of the file.
        last_s: the last time that was read.
        whole: whether that is the last of the file.
        objects: how many there are.
        usual_s: median interval between two samples of an object; 0 where none has two.
        other: intervals that are not the usual one, of those that it is the median of.
        gap_s: between two samples of an object that are farther apart it is absent.
        longest_s: interval between two samples of an object.
        jump: the longest way between two samples of an object, metres or degrees as they are given.
        low: (2,) least x and y, and
        high: (2,) greatest, within the time that is asked for.
        outside: samples outside of the area then.
        at_once: most objects with a sample at one time.
        device_of: (objects,) number of each as a device: in order of their first sample in that time, then those that
            are there without one; -1 of those that are not.
        kept: the pieces that were read.
    """

    samples: int = 0
    first_s: float = np.nan
    last_s: float = np.nan
    whole: bool = False
    objects: int = 0
    usual_s: float = 0.0
    other: int = 0
    gap_s: float = 0.0
    longest_s: float = 0.0
    jump: float = 0.0
    low: FloatArray = field(default_factory=lambda: np.full(2, np.inf))
    high: FloatArray = field(default_factory=lambda: np.full(2, -np.inf))
    outside: int = 0
    at_once: int = 0
    device_of: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    kept: Kept = field(default_factory=Kept)


def survey(
    source: Source,
    place: Callable[[Column, Column], tuple[Column, Column]],
    area_m: FloatArray,
    start_s: float | None = None,
    length_s: float = np.inf,
    gap_s: float | None = None,
    at_end: AtEnd = "absent",
) -> Survey:
    """Go through a file.

    Args:
        source: the file.
        place: from its x and y to those of the area; NaN for what is no place.
        area_m: (2,) width and height; infinite if it does not matter.
        start_s: when the run begins, on the file's clock; None: with the file.
        length_s: of the run.
        gap_s: by how much more the run reads ahead, and between how distant samples an object is there; None: three
            usual intervals.
        at_end: what then is of the objects; see `TraceMobility`.

    Raises:
        ScenarioError: it cannot be read, or an object has two places at one time.
    """
    try:
        return _Surveyor(source, place, area_m).go(start_s, length_s, gap_s, at_end)
    except OutOfOrderError:
        return _Surveyor(source, place, area_m).go(start_s, length_s, gap_s, at_end)


class _Surveyor:
    def __init__(
        self,
        source: Source,
        place: Callable[[Column, Column], tuple[Column, Column]],
        area_m: FloatArray,
    ) -> None:
        self._source, self._place = source, place
        slack_m = np.where(np.isfinite(area_m), 1e-9 * area_m, 0.0)
        self._low_m, self._high_m = -slack_m, area_m + slack_m
        self._found = Survey()
        # Time, x and y of each object's last sample; and of who passes the run between two samples: the interval,
        # and both places.
        self._last, self._across = np.full((0, 3), np.nan), np.full((0, 5), np.nan)
        self._intervals: list[NDArray[np.float64]] = []
        self._counted = 0
        self._at_once = (np.nan, 0)
        self._devices = 0

    def go(
        self, start_s: float | None, length_s: float, gap_s: float | None, at_end: AtEnd
    ) -> Survey:
        found = self._found
        for piece in self._source.pieces():
            if np.isnan(found.first_s):
                found.first_s = piece.begins_s
                start_s = found.first_s if start_s is None else start_s
            found.last_s = piece.reaches_s
            # A file that begins again is met from its beginning on.
            self._look(piece, start_s or 0.0, (start_s or 0.0) + length_s, at_end == "repeat")
            ahead_s = _GAP * self._usual() if gap_s is None else gap_s
            needed_s = (start_s or 0.0) + length_s + ahead_s
            if self._source.ordered and piece.reaches_s > needed_s:
                break
        else:
            found.whole = True
        if np.isnan(found.first_s) or not found.samples:
            refuse(self._source.path, "empty", "samples of places")
        found.usual_s = self._usual()
        if self._intervals:
            steps = np.concatenate(self._intervals)
            found.other = int((np.abs(steps - found.usual_s) > 1e-6 * found.usual_s).sum())
        found.gap_s = _GAP * found.usual_s if gap_s is None else gap_s
        self._count_others(start_s or 0.0, at_end)
        return found

    def _count_others(self, start_s: float, at_end: AtEnd) -> None:
        """Objects without a sample in the run that are devices all the same.

        Who is on its way from a sample before the run to one after it; who stays after the last time of the file; and
        who comes when it begins again.
        """
        found = self._found
        passes = self._across[:, 0] <= found.gap_s
        stays = np.full(passes.shape, at_end == "stay" and found.whole)
        last_s, slack_s = self._last[:, 0], np.inf if self._source.legs else found.usual_s
        stays &= (last_s < start_s) & (last_s > found.last_s - slack_s)
        others = np.flatnonzero((passes | stays | (at_end == "repeat")) & (found.device_of < 0))
        found.device_of[others] = self._devices + np.arange(others.size)
        places = np.concatenate((self._across[passes, 1:].reshape(-1, 2), self._last[stays, 1:]))
        found.low = np.minimum(found.low, places.min(axis=0, initial=np.inf))
        found.high = np.maximum(found.high, places.max(axis=0, initial=-np.inf))
        within = (self._low_m <= places) & (places <= self._high_m)
        found.outside += int((~within.all(axis=1)).sum())

    def _usual(self) -> float:
        if not self._intervals:
            return 0.0
        if self._counted < 0:
            return self._found.usual_s
        usual_s = float(np.median(np.concatenate(self._intervals)))
        if self._counted >= _ENOUGH:
            self._found.usual_s, self._counted = usual_s, -1
        return usual_s

    def _look(self, piece: Piece, start_s: float, end_s: float, again: bool) -> None:
        found = self._found
        size = piece.time_s.size
        found.samples += size
        found.kept.append(piece)
        if not size:
            return
        x, y = self._place(piece.x, piece.y)
        if (at := np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))).size:
            shown = f"({piece.x[at[0]]:.9g}, {piece.y[at[0]]:.9g})"
            who = f"time {piece.time_s[at[0]]:g} s, object {self._source.name(int(piece.thing[at[0]]))}"
            refuse(
                self._source.path, f"{who}: {shown} is no place on the Earth", "longitude, latitude"
            )
        self._grow(int(piece.thing.max()) + 1)
        interval = np.empty(size)
        bounds = np.array([*found.low, *found.high])
        limits = np.array([*self._low_m, *self._high_m])
        twice, jump, outside, self._devices = _go_through(
            piece.time_s,
            piece.thing,
            x,
            y,
            self._last,
            self._across,
            found.device_of,
            self._devices,
            interval,
            bounds,
            limits,
            start_s,
            end_s,
            again,
        )
        if twice >= 0 and not self._source.legs:
            who = self._source.name(int(piece.thing[twice]))
            what = f"object {who} has two places at time {piece.time_s[twice]:g} s"
            allowed = "one; SUMO rounds times to 2 decimals unless told `--precision`"
            refuse(self._source.path, what, allowed)
        found.low, found.high = bounds[:2], bounds[2:]
        found.jump = max(found.jump, float(jump))
        found.outside += int(outside)
        steps = interval[interval > 0.0]
        found.longest_s = max(found.longest_s, float(steps.max(initial=0.0)))
        if self._counted >= 0 and steps.size:
            self._intervals.append(steps)
            self._counted += steps.size
        times, counts = np.unique(piece.time_s, return_counts=True)
        if times[0] == self._at_once[0]:
            counts[0] += self._at_once[1]
        self._at_once = float(times[-1]), int(counts[-1])
        found.at_once = max(found.at_once, int(counts.max()))

    def _grow(self, objects: int) -> None:
        found = self._found
        found.objects = max(found.objects, objects)
        if (more := objects - len(self._last)) > 0:
            more += len(self._last)
            self._last = np.concatenate((self._last, np.full((more, 3), np.nan)))
            self._across = np.concatenate((self._across, np.full((more, 5), np.nan)))
            found.device_of = np.concatenate((found.device_of, np.full(more, -1)))


@compiled
def _go_through(
    time_s: FloatArray,
    thing: IntArray,
    x: FloatArray,
    y: FloatArray,
    last: FloatArray,
    across: FloatArray,
    device_of: IntArray,
    devices: int,
    interval: FloatArray,
    bounds: FloatArray,
    limits: FloatArray,
    start_s: float,
    end_s: float,
    again: bool,
) -> tuple[int, float, int, int]:
    """Row of an object's second place at a time, or -1; longest way; rows outside; number of devices."""
    twice, jump, outside = -1, 0.0, 0
    for k in range(time_s.size):
        who = thing[k]
        interval[k] = time_s[k] - last[who, 0]
        dx, dy = x[k] - last[who, 1], y[k] - last[who, 2]
        if interval[k] == 0.0 and twice < 0:
            twice = k
        way = np.sqrt(dx * dx + dy * dy)
        jump = max(jump, way)
        if last[who, 0] < start_s and time_s[k] > end_s:
            across[who, 0] = interval[k]
            across[who, 1], across[who, 2] = last[who, 1], last[who, 2]
            across[who, 3], across[who, 4] = x[k], y[k]
        last[who, 0], last[who, 1], last[who, 2] = time_s[k], x[k], y[k]
        if again or start_s <= time_s[k] <= end_s:
            if device_of[who] < 0 and time_s[k] >= start_s:
                device_of[who] = devices
                devices += 1
            bounds[0], bounds[1] = min(bounds[0], x[k]), min(bounds[1], y[k])
            bounds[2], bounds[3] = max(bounds[2], x[k]), max(bounds[3], y[k])
            if not (limits[0] <= x[k] <= limits[2] and limits[1] <= y[k] <= limits[3]):
                outside += 1
    return twice, jump, outside, devices
