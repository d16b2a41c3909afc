"""Movements as simulators of networks write them: NS-2, BonnMotion and ONE, read as wholes."""

import re
from collections.abc import Iterator
from math import hypot
from pathlib import Path

from ..errors import Mistakes
from .movement import MOST_METRES, MOST_SECONDS, Known, Samples, number_at
from .records import ISSUES, UNREADABLE, refuse, whole_text

_NUMBER = r"[^\s\"]+"
_SET = re.compile(rf"\$node_\((\S+?)\)\s+set\s+([XYZ])_\s+({_NUMBER})")
_GO = re.compile(
    rf"\$ns_\s+at\s+({_NUMBER})\s+\"\s*\$node_\((\S+?)\)\s+setdest"
    rf"\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s*\""
)
_LATER = re.compile(
    rf"\$ns_\s+at\s+({_NUMBER})\s+\"\s*\$node_\((\S+?)\)\s+set\s+([XYZ])_\s+({_NUMBER})\s*\""
)
_OTHER = re.compile(r"set\s|puts\s|create-god|\$god_|\$ns_\s+at\s+\S+\s+\"\s*\$(god_|ns_)|proc\s")


def _lines(path: Path, mistakes: Mistakes) -> Iterator[tuple[str, str]]:
    """Lines with something in them, and their places; comments are left out.

    No more of them after as many mistakes as a user wants to read.
    """
    try:
        text = whole_text(path)
    except UNREADABLE as error:
        refuse(path, f"cannot be read: {error}")
    for count, line in enumerate(text.splitlines(), 1):
        if (line := line.strip()) and not line.startswith("#"):
            yield f"line {count}", line
        if len(mistakes) >= ISSUES:
            return


def read_ns2(path: Path, goals: bool | None) -> Known:
    """A movement of NS-2: `set X_`, and `at T "… setdest x y SPEED"`.

    A node is where `set` puts it from the beginning. `setdest` sends it towards a goal from where it
    is by then, at a speed; it stays where it arrives. SUMO's exporter writes where a vehicle is just then
    as its goal, and `set X_` and others for the first one, within `at`: such a file is one of samples.

    Args:
        path: the file.
        goals: whether goals are gone to; None: unless every line of `set` of the file is the place of
            the first `setdest` of its node, which has no way to go then.

    Raises:
        ScenarioError: a line of another kind, or a number that is none; names the line.
    """
    placed: dict[str, dict[str, float]] = {}
    going: dict[str, list[tuple[float, float, float, float]]] = {}
    mistakes = Mistakes()
    for place, line in _lines(path, mistakes):
        with mistakes:
            if found := _GO.fullmatch(line):
                time, node, *numbers = found.groups()
                time_s = number_at(path, place, time, MOST_SECONDS, "a time")
                x, y, speed = (number_at(path, place, one, MOST_METRES) for one in numbers)
                if time_s < 0.0 or speed < 0.0:
                    refuse(path, f"{place}: a time or a speed below 0", ">= 0")
                going.setdefault(node, []).append((time_s, x, y, speed))
            elif found := _LATER.fullmatch(line) or _SET.fullmatch(line):
                node, axis, value = found.groups()[-3:]
                metres = number_at(path, place, value, MOST_METRES)
                placed.setdefault(node, {}).setdefault(axis, metres)
            elif not _OTHER.match(line):
                what = f"{place}: {line[:60]!r} is no movement"
                refuse(path, what, 'set X_, or at T "… setdest …"')
    mistakes.tell()
    for node in going:
        if not {"X", "Y"} <= placed.get(node, {}).keys():
            refuse(path, f"node {node} is nowhere before it moves", "`set X_` and `set Y_` of it")
    if goals is None:
        goals = not going or any(
            (at["X"], at["Y"]) != going[node][0][1:3]
            for node, at in placed.items()
            if node in going
        )
    samples = Samples()
    for node, at in placed.items():
        if not {"X", "Y"} <= at.keys():
            refuse(path, f"node {node} has no place", "`set X_` and `set Y_` of it")
        moves = sorted(going.get(node, []), key=lambda one: one[0])
        thing = samples.number(node)
        if goals:
            _go(samples, thing, (at["X"], at["Y"]), moves)
            continue
        for time_s, x, y, _ in moves:
            samples.add(time_s, thing, x, y)
        if not moves:
            samples.add(0.0, thing, at["X"], at["Y"])
    form = "NS-2, goals" if goals else "NS-2, places at times, as SUMO's exporter writes"
    return samples.source(path, form, legs=goals)


def _go(
    samples: Samples,
    thing: int,
    at: tuple[float, float],
    moves: list[tuple[float, float, float, float]],
) -> None:
    """The corners of a way: where it sets out, is sent elsewhere, and arrives."""
    samples.add(0.0, thing, *at)
    for index, (start_s, x, y, speed) in enumerate(moves):
        next_s = moves[index + 1][0] if index + 1 < len(moves) else MOST_SECONDS
        way = hypot(x - at[0], y - at[1])
        samples.add(start_s, thing, *at)
        if way == 0.0 or speed == 0.0:
            continue
        arrives_s = start_s + way / speed
        if arrives_s <= next_s:
            at = (x, y)
            samples.add(arrives_s, thing, *at)
        else:
            share = (next_s - start_s) / (arrives_s - start_s)
            at = (at[0] + share * (x - at[0]), at[1] + share * (y - at[1]))
            if next_s == MOST_SECONDS:
                samples.add(next_s, thing, *at)


def read_bonnmotion(path: Path, *, spatial: bool) -> Known:
    """A movement of BonnMotion: of each node a line of t x y, or t x y z, between which it goes straight.

    A line without anything, or a comment, is no node.

    Args:
        path: the file.
        spatial: whether there is a z, which the file does not say; it is left out.

    Raises:
        ScenarioError: a line of another number of numbers, or times that fall; names the line.
    """
    width, samples, mistakes = 4 if spatial else 3, Samples(), Mistakes()
    for place, line in _lines(path, mistakes):
        with mistakes:
            words = line.split()
            if len(words) % width:
                allowed = f"{width} for each: t x y{' z' if spatial else ''}"
                if not spatial and len(words) % 4 == 0:
                    allowed += ', or format = "bonnmotion-3d"'
                refuse(path, f"{place}: {len(words)} numbers", allowed)
            thing, before_s = samples.number(str(len(samples.numbers))), -MOST_SECONDS
            for first in range(0, len(words), width):
                time_s = number_at(path, place, words[first], MOST_SECONDS, "a time")
                if time_s < before_s:
                    refuse(path, f"{place}: time {time_s:g} after {before_s:g}", "times in order")
                before_s = time_s
                x, y = (
                    number_at(path, place, one, MOST_METRES) for one in words[first + 1 : first + 3]
                )
                samples.add(time_s, thing, x, y)
    mistakes.tell()
    return samples.source(path, f"BonnMotion, {'3D' if spatial else '2D'}", legs=True)


def read_one(path: Path) -> Known:
    """An external movement of ONE: a header of bounds, then time id x y (z) in order of time.

    The least time, x and y of the header are subtracted, as ONE does. Other than in ONE, an object that
    is not there in the first instant counts, too.

    Raises:
        ScenarioError: a line of another form, times that fall, or a header that is none; names the line.
    """
    samples, mistakes = Samples(), Mistakes()
    lines = _lines(path, mistakes)
    place, header = next(lines, ("line 1", ""))
    words = header.split()
    if len(words) not in (6, 8):
        refuse(path, f"{place}: {len(words)} bounds", "minTime maxTime minX maxX minY maxY")
    bounds = [number_at(path, place, one, MOST_METRES) for one in words]
    if any(low > high for low, high in zip(bounds[::2], bounds[1::2], strict=True)):
        refuse(path, f"{place}: a least bound that is greater than the greatest", "min <= max")
    before_s = 0.0
    for place, line in lines:
        with mistakes:
            words = line.split()
            if len(words) not in (4, 5):
                refuse(path, f"{place}: {len(words)} words", "time id x y, or time id x y z")
            time_s = number_at(path, place, words[0], MOST_SECONDS, "a time") - bounds[0]
            x, y = (number_at(path, place, one, MOST_METRES) for one in words[2:4])
            if time_s < before_s:
                what = f"{place}: a time before the line above it, or before minTime"
                refuse(path, what, "in order")
            before_s = time_s
            samples.add(time_s, samples.number(words[1]), x - bounds[2], y - bounds[4])
    mistakes.tell()
    return samples.source(path, "ONE, external movement", legs=False)
