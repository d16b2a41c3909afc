"""SUMO's floating-car data in XML, read in pieces by a compiled loop.

The loop knows tags and attributes, and nothing else of XML: a document type is refused, entities are never
replaced, so a file can neither grow nor reach for another one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ...scenarios.data.movement import KINDS, MOST_METRES, Kind, Piece, clock_s
from ...scenarios.data.records import ISSUES, UNREADABLE, open_bytes, refuse
from ...scenarios.errors import Mistakes
from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled_in_place

Bytes = NDArray[np.uint8]

_CHUNK = 1 << 20
"""Bytes that are read at once; a tag or a comment is shorter."""

_LEAST_TAG = 8
"""Bytes of a tag with an id: a chunk has not more of them than this allows."""

_ROOT = b"fcd-export"

# What the loop stops at.
_MORE, _TAG, _LACKS, _DTD, _SYNTAX, _ENDED = 0, 1, 2, 3, 4, 5


class FcdXml:
    """An FCD file of SUMO; see `movement.Source`.

    Args:
        path: XML; compressed if its name ends in ".gz".
        kinds: of objects that count; None: all.
    """

    legs = False
    ordered = True
    form = "SUMO FCD, XML"

    def __init__(self, path: Path, kinds: tuple[Kind, ...] | None = None) -> None:
        self.path = path
        self._wanted = np.array([kinds is None or one in kinds for one in KINDS])
        self.degrees = self._says_degrees()
        self._ids = _Ids()

    def name(self, thing: int) -> str:
        """The kind and the id."""
        return self._ids.name(thing)

    def _says_degrees(self) -> bool | None:
        """None, unless SUMO's configuration, a comment at the head of the file, asks for them."""
        try:
            with open_bytes(self.path) as file:
                return None if b'<fcd-output.geo value="true"' not in file.read(65_536) else True
        except UNREADABLE as error:
            refuse(self.path, f"cannot be read: {error}")

    def pieces(self) -> Iterator[Piece]:
        """Its samples; see `movement.Source`."""
        self._ids = _Ids()
        try:
            with open_bytes(self.path) as file:
                yield from self._pieces(file)
        except UNREADABLE as error:
            refuse(self.path, f"cannot be read: {error}")

    def _pieces(self, file: IO[bytes]) -> Iterator[Piece]:
        text = np.empty(2 * _CHUNK, np.uint8)
        out = _Found(text.size)
        # Bytes in memory, those of the file before them, and the time that is begun.
        size, before, now_s = 0, 0, np.nan
        root = ended = False
        while more := file.readinto(text[size : size + _CHUNK].data):  # type: ignore[attr-defined]
            size += more
            if not root:
                root = self._root(text[:size].tobytes())
            stop, used = self._ids.scan(text[:size], self._wanted, out)
            if stop not in (_MORE, _ENDED):
                self._refuse(text[:size], stop, used, before)
            now_s, piece = self._piece(text[:size], out, now_s, before)
            if piece is not None:
                yield piece
            if stop == _ENDED:
                ended = True
                break
            text[: size - used] = text[used:size]
            size, before = size - used, before + used
            if size > _CHUNK:
                where = self._where(before)
                refuse(self.path, f"{where}: a tag or a comment without end", "XML of SUMO")
        if not ended:
            what = f"{self._where(before + size)}: ends before </fcd-export>"
            refuse(self.path, what, "a file that SUMO has closed")
        if not np.isfinite(now_s):
            refuse(self.path, "empty", "a <timestep>")

    def _where(self, byte: int) -> str:
        """The line of a byte of the file; lines are counted only where one is asked for."""
        line = 1
        with open_bytes(self.path) as file:
            while byte > 0 and (text := file.read(min(byte, _CHUNK))):
                line += text.count(b"\n")
                byte -= len(text)
        return f"line {line}"

    def _root(self, text: bytes) -> bool:
        at = 0
        while (at := text.find(b"<", at)) >= 0 and text[at + 1 : at + 2] in (b"?", b"!"):
            if text[at : at + 4] == b"<!--":
                at = text.find(b"-->", at)
            elif text[at + 1 : at + 2] == b"!":
                return True  # the loop refuses it
            at = text.find(b">", at) if at >= 0 else -1
            if at < 0:
                return False
        if at >= 0 and not text.startswith(_ROOT, at + 1):
            name = text[at + 1 : at + 41].split(b" ")[0].split(b">")[0].decode("utf-8", "replace")
            refuse(self.path, f"XML of <{name}>", "<fcd-export>, as sumo --fcd-output writes it")
        return at >= 0

    def _refuse(self, text: Bytes, stop: int, at: int, before: int) -> None:
        what, allowed = {
            _TAG: ("an object outside of a <timestep>", "<timestep time=…> around it"),
            _LACKS: ("a tag lacks an attribute", "time, or id, x and y"),
            _DTD: ("a document type or CDATA, which are not read", "XML of SUMO"),
            _SYNTAX: ("not well-formed", "XML of SUMO"),
        }[stop]
        shown = " ".join(_shown(text, at, at + 80).split())
        refuse(self.path, f"{self._where(before + at)}: {what}: {shown}", allowed)

    def _piece(
        self, text: Bytes, out: "_Found", now_s: float, before: int
    ) -> tuple[float, Piece | None]:
        """What was found, with times; the time that is begun."""
        rows, steps, left = (int(count) for count in out.counts)
        time_s, mistakes = np.full(steps + 1, now_s), Mistakes()
        for step in range(steps):
            start, end = (int(one) for one in out.step_span[step])
            try:
                time_s[step + 1] = clock_s(text[start:end].tobytes().decode("ascii"))
            except ValueError:
                time_s[step + 1] = np.nan
            last, now = time_s[step], time_s[step + 1]
            if not now >= last and not (np.isnan(last) and not np.isnan(now)):
                time_s[step + 1] = last
                what = f"{self._where(before + start)}: time {_shown(text, start, end)!r}"
                with mistakes:
                    refuse(self.path, what, "seconds or hh:mm:ss, in order")
                if len(mistakes) == ISSUES:
                    break
        if not steps and not rows:
            return now_s, None
        bounds = np.concatenate(([0], out.step_row[:steps], [rows]))
        if bounds[1] > 0 and np.isnan(time_s[0]) and not mistakes:
            self._refuse(text, _TAG, 0, before)
        for hard in range(left):
            row, axis, start, end = (int(one) for one in out.hard[hard])
            place = out.x if axis == 0 else out.y
            try:
                place[row] = float(text[start:end].tobytes().decode("ascii"))
            except ValueError:
                place[row] = np.nan
            if not abs(place[row]) <= MOST_METRES:
                shown = f"{'xy'[axis]} = {_shown(text, start, end)!r}"
                what = f"{self._where(before + start)}: {shown} is not a number"
                with mistakes:
                    refuse(self.path, what, f"within ±{MOST_METRES:g}")
                if len(mistakes) >= ISSUES:
                    break
        mistakes.tell()
        times = np.repeat(time_s, np.diff(bounds))
        begins_s = float(time_s[1] if np.isnan(time_s[0]) else time_s[0])
        reaches_s = float(time_s[-1])
        thing, x, y = out.thing[:rows].copy(), out.x[:rows].copy(), out.y[:rows].copy()
        return reaches_s, Piece(times, thing, x, y, begins_s, reaches_s)


def _shown(text: Bytes, start: int, end: int) -> str:
    """Some of a text, for a message."""
    return text[start : min(end, start + 80)].tobytes().decode("utf-8", "replace")


class _Found:
    """What a chunk has, taken anew for each: rows, steps, and numbers that the loop leaves to Python."""

    def __init__(self, size: int) -> None:
        most = size // _LEAST_TAG + 1
        self.thing = np.empty(most, np.int64)
        self.x, self.y = np.empty(most), np.empty(most)
        self.step_row = np.empty(most, np.int64)
        self.step_span = np.empty((most, 2), np.int64)
        self.hard = np.empty((2 * most, 4), np.int64)
        self.counts = np.zeros(3, np.int64)
        self.spans = np.empty((4, 2), np.int64)


class _Ids:
    """Numbers of kinds and ids, in order of appearance: a table of hashes that the loop fills."""

    def __init__(self) -> None:
        self._count = np.zeros(1, np.int64)
        self._pool = np.empty(1 << 16, np.uint8)
        self._starts = np.zeros(1 << 10, np.int64)
        self._table = np.full(1 << 12, -1, np.int64)

    def name(self, thing: int) -> str:
        """Its kind and id."""
        key = self._pool[self._starts[thing] : self._starts[thing + 1]].tobytes()
        return f"{KINDS[key[0]]} {key[1:].decode('utf-8', 'replace')}"

    def scan(self, text: Bytes, wanted: NDArray[np.bool_], out: _Found) -> tuple[int, int]:
        """All whole tags of a text: why it stops, and where."""
        at = 0
        out.counts[:] = 0
        while True:
            stop, at = _scan(
                text,
                at,
                wanted,
                self._table,
                self._pool,
                self._starts,
                self._count,
                out.thing,
                out.x,
                out.y,
                out.step_row,
                out.step_span,
                out.hard,
                out.counts,
                out.spans,
            )
            if stop != _FULL:
                return int(stop), int(at)
            self._grow()

    def _grow(self) -> None:
        """Twice the room for ids."""
        count = int(self._count[0])
        self._starts = np.concatenate((self._starts, np.zeros_like(self._starts)))
        self._pool = np.concatenate((self._pool, np.empty_like(self._pool)))
        self._table = np.full(2 * self._table.size, -1, np.int64)
        _fill(self._table, self._pool, self._starts, count)


_FULL = 6


@compiled_in_place
def _hash(data: Bytes, start: int, end: int, kind: int) -> int:
    """FNV-1a, of 64 bits."""
    found = (np.uint64(14695981039346656037) ^ np.uint64(kind)) * np.uint64(1099511628211)
    for at in range(start, end):
        found = (found ^ np.uint64(data[at])) * np.uint64(1099511628211)
    return int((found ^ (found >> np.uint64(32))) & np.uint64(0x7FFFFFFF))


@compiled_in_place
def _fill(table: IntArray, pool: Bytes, starts: IntArray, count: int) -> None:
    """Put all ids into a table that has none."""
    for thing in range(count):
        start, end = starts[thing], starts[thing + 1]
        slot = _hash(pool, start + 1, end, pool[start]) % table.size
        while table[slot] >= 0:
            slot = (slot + 1) % table.size
        table[slot] = thing


@compiled_in_place
def _number_of(
    data: Bytes,
    start: int,
    end: int,
    kind: int,
    table: IntArray,
    pool: Bytes,
    starts: IntArray,
    count: IntArray,
) -> int:
    """The number of an id, new or not; -1 where there is no room for a new one."""
    size = end - start
    mask = table.size - 1
    slot = _hash(data, start, end, kind) & mask
    while table[slot] >= 0:
        thing = table[slot]
        begin = starts[thing]
        if starts[thing + 1] - begin == size + 1 and pool[begin] == kind:
            same = True
            for at in range(size):
                if pool[begin + 1 + at] != data[start + at]:
                    same = False
                    break
            if same:
                return int(thing)
        slot = (slot + 1) & mask
    thing = count[0]
    begin = starts[thing]
    if thing + 2 > starts.size or 2 * thing > table.size or begin + size + 1 > pool.size:
        return -1
    pool[begin] = kind
    for at in range(size):
        pool[begin + 1 + at] = data[start + at]
    starts[thing + 1] = begin + size + 1
    table[slot] = thing
    count[0] += 1
    return int(thing)


@compiled_in_place
def _decimal(data: Bytes, start: int, end: int) -> float:
    """A number of at most 15 digits without exponent, as exact as float(); NaN where it is none.

    Digits below 2**53 over a power of ten below 10**23 are one division of two exact doubles.
    """
    at, negative = start, False
    if at < end and (data[at] == 45 or data[at] == 43):
        negative = data[at] == 45
        at += 1
    digits, count, scale, point = 0, 0, 1.0, False
    while at < end:
        byte = data[at]
        if 48 <= byte <= 57:
            digits = digits * 10 + (int(byte) - 48)
            count += 1
            if point:
                scale *= 10.0
            if count > 15:
                return np.nan
        elif byte == 46 and not point:
            point = True
        else:
            return np.nan
        at += 1
    if count == 0:
        return np.nan
    found = np.float64(digits) / scale
    return -found if negative else found


@compiled_in_place
def _tag_end(data: Bytes, at: int) -> int:
    """From within a tag, outside of quotes, to its `>`; -1: not here, -2: another `<` comes before."""
    size = data.size
    while at < size:
        byte = data[at]
        if byte == 62:
            return at
        if byte == 60:
            return -2
        at += 1
        if byte == 34 or byte == 39:
            while at < size and data[at] != byte:
                at += 1
            at += 1
    return -1


@compiled_in_place
def _special_end(data: Bytes, at: int) -> int:
    """Of a comment or an instruction, where its `>` stands; -1: not here, -3: neither of them."""
    size = data.size
    if at + 4 > size:
        return -1
    if data[at + 1] == 63:
        for k in range(at + 3, size):
            if data[k] == 62 and data[k - 1] == 63:
                return k
        return -1
    if data[at + 2] != 45 or data[at + 3] != 45:
        return -3
    for k in range(at + 6, size):
        if data[k] == 62 and data[k - 1] == 45 and data[k - 2] == 45:
            return k
    return -1


@compiled_in_place
def _attributes(data: Bytes, at: int, wanted: int, spans: IntArray) -> int:
    """Where the values of id, x, y and time stand, rows of `spans`, -1 if nowhere; as `_tag_end`.

    When `wanted` of them are found the others are passed over.
    """
    size = data.size
    for row in range(4):
        spans[row, 0] = -1
    while True:
        while at < size and data[at] <= 32:
            at += 1
        if at >= size or wanted == 0 or data[at] == 47 or data[at] == 62:
            return _tag_end(data, at)
        name = at
        while at < size and data[at] != 61 and data[at] > 32 and data[at] != 62:
            at += 1
        length = at - name
        while at < size and data[at] <= 32:
            at += 1
        if at < size and data[at] != 61:
            return -2
        at += 1
        while at < size and data[at] <= 32:
            at += 1
        if at >= size:
            return -1
        quote = data[at]
        if quote != 34 and quote != 39:
            return -2
        value = at + 1
        at = value
        while at < size and data[at] != quote:
            at += 1
        if at >= size:
            return -1
        which = _attribute(data, name, length)
        if which >= 0:
            if spans[which, 0] >= 0:
                return -2
            spans[which, 0], spans[which, 1] = value, at
            wanted -= 1
        at += 1


@compiled_in_place
def _attribute(data: Bytes, name: int, length: int) -> int:
    """0: id, 1: x, 2: y, 3: time; -1: another."""
    if length == 1:
        return 1 if data[name] == 120 else 2 if data[name] == 121 else -1
    if length == 2:
        return 0 if data[name] == 105 and data[name + 1] == 100 else -1
    if length == 4 and data[name] == 116 and data[name + 1] == 105 and data[name + 2] == 109:
        return 3 if data[name + 3] == 101 else -1
    return -1


@compiled_in_place
def _is(data: Bytes, at: int, word: Bytes) -> bool:
    """Whether the name that begins at `at` is this one; there are as many bytes as `_CLOSING`."""
    size = word.size
    for k in range(size):
        if data[at + k] != word[k]:
            return False
    after = int(data[at + size])
    return after <= 32 or after == 47 or after == 62


_STEP = np.frombuffer(b"timestep", np.uint8).copy()
_VEHICLE = np.frombuffer(b"vehicle", np.uint8).copy()
_PERSON = np.frombuffer(b"person", np.uint8).copy()
_CONTAINER = np.frombuffer(b"container", np.uint8).copy()
_CLOSES = np.frombuffer(b"/fcd-export", np.uint8).copy()
_CLOSING = len(b"</fcd-export>")
"""Bytes of the longest tag that is looked for, which a file has at its end."""


@compiled_in_place
def _kind_of(data: Bytes, at: int) -> tuple[int, int]:
    """0 to 2: an object of `KINDS`; 3: a step; 4: the end; -1: whatever else. Length of the name."""
    first = data[at]
    if first == 118 and _is(data, at, _VEHICLE):
        return 0, 7
    if first == 112 and _is(data, at, _PERSON):
        return 1, 6
    if first == 99 and _is(data, at, _CONTAINER):
        return 2, 9
    if first == 116 and _is(data, at, _STEP):
        return 3, 8
    if first == 47 and _is(data, at, _CLOSES):
        return 4, 11
    return -1, 0


@compiled_in_place
def _next_tag(data: Bytes, at: int) -> tuple[int, int]:
    """Why to stop, or -1, and where the next tag begins, comments and instructions skipped."""
    size = data.size
    while True:
        while at < size and data[at] != 60:
            at += 1
        if at + _CLOSING > size:
            return _MORE, at
        if data[at + 1] != 33 and data[at + 1] != 63:
            return -1, at
        end = _special_end(data, at)
        if end < 0:
            return (_MORE if end == -1 else _DTD), at
        at = end + 1


@compiled_in_place
def _scan(
    data: Bytes,
    at: int,
    wanted: NDArray[np.bool_],
    table: IntArray,
    pool: Bytes,
    starts: IntArray,
    count: IntArray,
    thing: IntArray,
    x: FloatArray,
    y: FloatArray,
    step_row: IntArray,
    step_span: IntArray,
    hard: IntArray,
    counts: IntArray,
    spans: IntArray,
) -> tuple[int, int]:
    """Read whole tags from `at` on; why it stops, and where. `counts`: rows, steps, numbers left over."""
    while True:
        stop, at = _next_tag(data, at)
        if stop >= 0:
            return stop, at
        kind, length = _kind_of(data, at + 1)
        if kind == 4:
            return _ENDED, at
        if kind < 0 or (kind < 3 and not wanted[kind]):
            end = _tag_end(data, at + 1)
        else:
            end = _attributes(data, at + 1 + length, 1 if kind == 3 else 3, spans)
        if end < 0:
            return (_MORE if end == -1 else _SYNTAX), at
        if kind < 0 or (kind < 3 and not wanted[kind]):
            at = end + 1
            continue
        if kind == 3:
            if spans[3, 0] < 0:
                return _LACKS, at
            step_row[counts[1]] = counts[0]
            step_span[counts[1], 0], step_span[counts[1], 1] = spans[3, 0], spans[3, 1]
            counts[1] += 1
        else:
            if spans[0, 0] < 0 or spans[1, 0] < 0 or spans[2, 0] < 0:
                return _LACKS, at
            number = _number_of(data, spans[0, 0], spans[0, 1], kind, table, pool, starts, count)
            if number < 0:
                return _FULL, at
            row = counts[0]
            thing[row] = number
            x[row] = _decimal(data, spans[1, 0], spans[1, 1])
            y[row] = _decimal(data, spans[2, 0], spans[2, 1])
            for axis in range(2):
                if not abs(x[row] if axis == 0 else y[row]) <= 1e9:
                    hard[counts[2], 0], hard[counts[2], 1] = row, axis
                    hard[counts[2], 2], hard[counts[2], 3] = spans[1 + axis, 0], spans[1 + axis, 1]
                    counts[2] += 1
            counts[0] += 1
        at = end + 1
