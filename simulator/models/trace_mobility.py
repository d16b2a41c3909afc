"""Movements of a file: devices are where its objects are, and absent where it has none."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...scenarios.data.movement import Format, Kind, Piece, Reading
from ...scenarios.data.movement_plane import plane
from ...scenarios.data.records import refuse
from ...scenarios.sections import File, Rectangle
from ...scenarios.units import Number, PositiveMetres, Seconds
from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.compiled import compiled
from ..core.randomness import Generators
from .movement_survey import AtEnd, Survey, open_movement, survey

FASTEST_MPS = 100.0
"""Between two samples nothing is faster, unless `max_jump` says so: what seems to be was put elsewhere."""


@dataclass
class TraceMobility:
    """Devices move as the objects of a file do, in straight lines from sample to sample.

    Each object is a device, in the order of their first samples in the run, then those that are there
    between two samples, or after their last, alone; without `devices.count` there are as many devices as
    objects. Of more objects than devices the last are left out; of fewer, the last devices are absent all
    the time. A device is never two objects. An object is a kind and an id: a person and a vehicle of one id
    are two devices, as are a person and the vehicle that it rides in. All replications see the same.

    Args:
        file: SUMO's floating-car data (XML, CSV, Parquet), NS-2, BonnMotion, ONE, or a table (CSV,
            Parquet) with a row for each object and time; with ".gz" behind its name it is compressed.
        format: which of them; found by what is in the file, if not given. That of BonnMotion in 3D is
            not, and has to be said.
        coordinates: of the file; "degrees" are longitude and latitude, which have a place in
            `area.rectangle`, or by `net`. Not given: metres, unless columns are called otherwise.
        net: SUMO's net file, whose offset and projection lead from degrees to its metres, and, with
            `area.rectangle`, from its metres to the Earth. Needs pyproj.
        origin: x and y of the area's south-west corner in the file's metres.
        outside: a sample outside of the area refuses the file; or a device is then at the nearest place
            within ("clip"), or is absent.
        begin: on the file's clock, when the run begins; its first time, if not given. Dates count from
            the file's first row.
        at_end: after the last time of the file it begins again, or who is there then stays, or all are
            absent.
        max_gap: an object without a sample for longer is absent in between; three usual intervals, if not
            given, and for ever in NS-2 and BonnMotion, whose nodes are always somewhere.
        max_jump: an object that is farther away in its next sample was put there: it stays until then.
            Not given: 100 m/s times the time between them, and none in NS-2 and BonnMotion.
        kinds: of SUMO's objects, which count: "vehicle", "person", "container"; all, if not given.
        goals: of NS-2, whether `setdest` is obeyed, or is where a node is by then, as SUMO writes it;
            found out, if not given.
        time_column: of a table: seconds, hh:mm:ss or dates; by its name, if not given, like the others.
        id_column: of the object.
        x_column: metres to the east, or longitude.
        y_column: metres to the north, or latitude.

    Raises:
        ScenarioError: the file cannot be read, or is of no known format.
    """

    moves: ClassVar[bool] = True
    remembers: ClassVar[tuple[str, ...]] = ("_now_ns", "present")
    not_read_by: ClassVar[dict[str, Any]] = {
        "origin": (0.0, 0.0),
        "outside": "refuse",
        "begin": None,
        "at_end": "stay",
        "max_gap": None,
        "max_jump": None,
    }

    file: Path
    format: Format | None = None
    coordinates: Literal["metres", "degrees"] | None = None
    net: File | None = None
    origin: tuple[Number, Number] = (0.0, 0.0)
    outside: Literal["refuse", "clip", "absent"] = "refuse"
    begin: Seconds | None = None
    at_end: AtEnd = "stay"
    max_gap: Seconds | None = None
    max_jump: PositiveMetres | None = None
    kinds: tuple[Kind, ...] | None = None
    goals: bool | None = None
    time_column: str | None = None
    id_column: str | None = None
    x_column: str | None = None
    y_column: str | None = None

    def __post_init__(self) -> None:
        self.source = open_movement(
            self.file,
            Reading(
                self.format,
                self.goals,
                self.kinds,
                self.time_column,
                self.id_column,
                self.x_column,
                self.y_column,
            ),
        )
        said = self.coordinates and self.coordinates == "degrees"
        has = self.source.degrees
        if has and said is False and self.file.suffix not in (".xml", ".gz"):
            refuse(self.file, "columns of longitude and latitude", 'coordinates = "degrees"')
        if has and said is None and self.source.form.endswith("XML"):
            what = "was asked to have longitudes and latitudes (fcd-output.geo)"
            allowed = 'coordinates = "degrees", or "metres" if the net had no projection'
            refuse(self.file, what, allowed)
        self.in_degrees = bool(has) if said is None else said
        self._now_ns = 0
        self._window: _Window | None = None
        self.present: BoolArray = np.zeros((0, 0), np.bool_)

    def survey(
        self, area_m: FloatArray, rectangle: Rectangle | None, length_s: float, devices: int | None
    ) -> int:
        """Go through the file as far as a run does, before it.

        Args:
            area_m: (2,) width and height.
            rectangle: the area's piece of the Earth, if it is one.
            length_s: of the run.
            devices: how many; None: as many as there are objects.

        Returns:
            The number of devices.

        Raises:
            ScenarioError: the file cannot be read, has no object then, or one outside of the area.
        """
        net = None if self.net is None else Path(self.net.file)
        self._place = plane(self.file, self.in_degrees, rectangle, net, self.origin)
        gap_s = self.max_gap if self.max_gap is not None else np.inf if self.source.legs else None
        end_s = np.inf if self.at_end == "repeat" else length_s
        found = survey(self.source, self._place, area_m, self.begin, end_s, gap_s, self.at_end)
        self._begin_s = found.first_s if self.begin is None else self.begin
        if found.whole and self._begin_s > found.last_s:
            what = f"`begin` = {self._begin_s:g} s is after all of it"
            refuse(self.file, what, f"{found.first_s:g} s to {found.last_s:g} s")
        objects = int((found.device_of >= 0).sum())
        if objects == 0:
            when = f"from {self._begin_s:g} s on, for the {length_s:g} s of the run"
            refuse(self.file, f"no object {when}", "another `begin`, or more slots")
        if found.outside and self.outside == "refuse":
            self._refuse_outside(found, area_m)
        self._gap_s = found.gap_s
        self._period_s = found.last_s - found.first_s + (0.0 if self.source.legs else found.usual_s)
        if self.at_end == "repeat" and not self._period_s > 0.0:
            refuse(self.file, "cannot repeat, all samples are of one time")
        self._found = found
        return objects if devices is None else devices

    def _refuse_outside(self, found: Survey, area_m: FloatArray) -> None:
        low, high = (f"({one[0]:.9g}, {one[1]:.9g})" for one in (found.low, found.high))
        what = f"objects from {low} to {high} m, {found.outside:,} samples of them outside of the "
        what += f"area of {area_m[0]:.9g} x {area_m[1]:.9g} m"
        size = np.ceil(found.high - found.low)
        corner = np.floor(np.array(self.origin) + found.low)
        if self.net is None and not self.in_degrees:
            allowed = f"origin = [{corner[0]:.9g}, {corner[1]:.9g}] with area.size of at least "
            allowed += f'[{size[0] + 1:.9g}, {size[1] + 1:.9g}], or outside = "clip" or "absent"'
        else:
            allowed = 'a larger area, or outside = "clip" or "absent"'
        refuse(self.file, what, allowed)

    def start(
        self,
        position_m: FloatArray,
        area_m: FloatArray,
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> FloatArray:
        """Begin a run; see `Mobility`. Who has not been there yet is at its place of `position_m`."""
        self._shape = position_m.shape
        self._area_m, self._unseen_m = area_m, position_m[0].copy()
        self._now_ns, self._window = 0, None
        return self._at_now()

    def advance(self, position_m: FloatArray, dt_s: float) -> FloatArray:
        """(R, N, 2) m, where the devices are `dt_s` seconds later, in a new array."""
        self._now_ns += round(dt_s * 1e9)
        return self._at_now()

    def check_state(self) -> None:
        """A time that there is."""
        if self._now_ns < 0 or self.present.shape != self._shape[:2]:
            raise ValueError("a time before the run")

    def _at_now(self) -> FloatArray:
        """Places and presence now: they follow from the time, so whoever goes on reads up to it."""
        now_s = self._begin_s + self._now_ns / 1e9
        if self._window is None or self._window.now_s > now_s:
            self._window = _Window(self)
        position_m, present = self._window.at(now_s)
        self.present = np.repeat(present[None], self._shape[0], axis=0)
        return np.repeat(position_m[None], self._shape[0], axis=0)

    def _pieces(self) -> Iterator[tuple[int, Piece]]:
        """Of the file, and again and again if it repeats; how often it was gone through before."""
        cycle = 0
        while True:
            kept = self._found.kept
            again = self.source.pieces() if not (kept and self._found.whole) else ()
            for piece in chain(kept, islice(again, len(kept), None)):
                shift_s = cycle * self._period_s
                yield (
                    cycle,
                    piece._replace(
                        time_s=piece.time_s + shift_s, reaches_s=piece.reaches_s + shift_s
                    ),
                )
            if self.at_end != "repeat":
                return
            cycle += 1

    def __getstate__(self) -> dict[str, Any]:
        """A copy begins with a window of its own."""
        return vars(self) | {"_window": None}


class _Window:
    """The samples of all devices around a time that goes on; each device's in a chain."""

    def __init__(self, model: TraceMobility) -> None:
        self._model = model
        devices = model._shape[1]
        device_of = model._found.device_of
        self._device_of = np.where(device_of < devices, device_of, -1)
        self._pieces = model._pieces()
        self._reaches_s, self._end_s = -np.inf, np.inf
        self.now_s = -np.inf
        # Columns: time, x, y, and whether the way to it is gone (0) or jumped (1).
        self._samples = np.empty((1024, 4))
        self._next = np.empty(1024, np.int64)
        self._size = 0
        self._head, self._tail = np.full((2, devices), -1)
        self._cycle = np.zeros(devices, np.int64)
        # Of the last sample that is past, and of the last one that is known: time, x, y.
        self._past, self._known = np.full((2, devices, 3), np.nan)
        self._position_m = model._unseen_m.copy()

    def at(self, now_s: float) -> tuple[FloatArray, BoolArray]:
        """(N, 2) places and (N,) who is there; times do not fall."""
        model, gap_s = self._model, self._model._gap_s
        self.now_s = now_s
        # A file that repeats has each object within a period.
        ahead_s = min(gap_s, model._period_s) if model.at_end == "repeat" else gap_s
        while self._end_s == np.inf and not self._reaches_s > now_s + ahead_s:
            self._read(now_s)
        legs = model.source.legs
        stays = model.at_end == "stay" and self._end_s < np.inf
        slack_s = np.inf if legs else model._found.usual_s
        self._position_m = self._position_m.copy()
        present = np.empty(len(self._position_m), np.bool_)
        _places(
            now_s,
            self._samples,
            self._next,
            self._head,
            self._past,
            self._position_m,
            present,
            model._area_m,
            gap_s,
            ahead_s,
            self._end_s - slack_s if stays else np.inf,
            stays,
            model.outside == "absent",
        )
        return self._position_m, present

    def _read(self, now_s: float) -> None:
        try:
            cycle, piece = next(self._pieces)
        except StopIteration:
            self._end_s = self._reaches_s
            return
        self._reaches_s = piece.reaches_s
        if not piece.time_s.size:
            return
        model = self._model
        x, y = model._place(piece.x, piece.y)
        if self._size + piece.time_s.size > len(self._samples):
            # Those that are past have given their room; the others move up.
            self._samples, self._next, self._size = _pack(
                self._samples,
                self._next,
                self._head,
                self._tail,
                self._past,
                now_s,
                piece.time_s.size,
            )
        legs, jump = model.source.legs, model.max_jump
        self._size = _append(
            piece.time_s,
            piece.thing,
            x,
            y,
            self._device_of,
            self._samples,
            self._next,
            self._size,
            self._head,
            self._tail,
            self._known,
            self._cycle,
            cycle,
            np.inf if jump is None else jump,
            FASTEST_MPS if jump is None and not legs else np.inf,
        )


@compiled
def _append(
    time_s: FloatArray,
    thing: IntArray,
    x: FloatArray,
    y: FloatArray,
    device_of: IntArray,
    samples: FloatArray,
    following: IntArray,
    size: int,
    head: IntArray,
    tail: IntArray,
    known: FloatArray,
    cycles: IntArray,
    cycle: int,
    jump_m: float,
    fastest_mps: float,
) -> int:
    """Samples to the chains of their devices; the number of all."""
    for k in range(time_s.size):
        device = device_of[thing[k]] if thing[k] < device_of.size else -1
        if device < 0:
            continue
        dx, dy = x[k] - known[device, 1], y[k] - known[device, 2]
        way = np.sqrt(dx * dx + dy * dy)
        took_s = time_s[k] - known[device, 0]
        jumps = way > jump_m or way > fastest_mps * took_s or cycles[device] != cycle
        samples[size, 0], samples[size, 1], samples[size, 2] = time_s[k], x[k], y[k]
        samples[size, 3] = 1.0 if jumps else 0.0
        known[device, 0], known[device, 1], known[device, 2] = time_s[k], x[k], y[k]
        cycles[device] = cycle
        following[size] = -1
        if head[device] < 0:
            head[device] = size
        else:
            following[tail[device]] = size
        tail[device] = size
        size += 1
    return size


@compiled
def _pack(
    samples: FloatArray,
    following: IntArray,
    head: IntArray,
    tail: IntArray,
    past: FloatArray,
    now_s: float,
    more: int,
) -> tuple[FloatArray, IntArray, int]:
    """The samples to come alone, chain after chain, with room for as many and `more`; their number."""
    count = 0
    for device in range(head.size):
        at = head[device]
        while at >= 0 and samples[at, 0] <= now_s:
            past[device] = samples[at, :3]
            at = following[at]
        head[device] = at
        while at >= 0:
            count += 1
            at = following[at]
    packed, chain = np.empty((2 * count + more, 4)), np.empty(2 * count + more, np.int64)
    size = 0
    for device in range(head.size):
        at = head[device]
        if at < 0:
            continue
        head[device] = size
        while at >= 0:
            packed[size] = samples[at]
            chain[size] = size + 1
            at = following[at]
            size += 1
        chain[size - 1] = -1
        tail[device] = size - 1
    return packed, chain, size


@compiled
def _places(
    now_s: float,
    samples: FloatArray,
    following: IntArray,
    head: IntArray,
    past: FloatArray,
    position_m: FloatArray,
    present: BoolArray,
    area_m: FloatArray,
    gap_s: float,
    ahead_s: float,
    stays_from_s: float,
    stays: bool,
    leaves: bool,
) -> None:
    """Where devices are, and who is there. At its last sample a device is there, after it gone."""
    for i in range(head.size):
        at = head[i]
        while at >= 0 and samples[at, 0] <= now_s:
            past[i] = samples[at, :3]
            at = following[at]
        head[i] = at
        before_s, x, y = past[i]
        if np.isnan(before_s):
            present[i] = False
            # What lies farther ahead is known by chance: it depends on how the file was read.
            if at < 0 or samples[at, 0] - now_s > ahead_s:
                continue
            x, y = samples[at, 1], samples[at, 2]
        elif at >= 0 and samples[at, 0] - before_s <= gap_s:
            present[i] = True
            if samples[at, 3] == 0.0:
                share = (now_s - before_s) / (samples[at, 0] - before_s)
                x += share * (samples[at, 1] - x)
                y += share * (samples[at, 2] - y)
        else:
            present[i] = now_s == before_s or (stays and at < 0 and before_s > stays_from_s)
        within_x, within_y = min(max(x, 0.0), area_m[0]), min(max(y, 0.0), area_m[1])
        if leaves and (within_x != x or within_y != y):
            present[i] = False
        position_m[i, 0], position_m[i, 1] = within_x, within_y
