"""SimPy's clock in whole nanoseconds, and the periodic processes that run on it.

Integers make processes that are meant to coincide do so, for ever; sums of floats drift apart. What
happens at one instant happens in the order of `Turn`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

import simpy
from simpy.events import EventPriority

NANOSECONDS = 1_000_000_000


def to_ns(seconds: float) -> int:
    """Seconds to the clock's unit."""
    return round(seconds * NANOSECONDS)


class Turn(IntEnum):
    """The order of processes that fire at the same instant."""

    ARRIVALS = 2
    MOBILITY = 3
    FADING = 4
    FAILURES = 5
    CARBON = 6
    DEVICE_SYNC = 7
    STATION_SYNC = 8
    SLOT = 9


@dataclass
class Clock:
    """When a process acts next. The process keeps nothing else, so this is all there is to save.

    Attributes:
        turn: its place among the processes of the same instant.
        next_ns: when it acts next.
        period_ns: added after each act.
    """

    turn: Turn
    next_ns: int
    period_ns: int


Process = Generator[simpy.Event, None, None]


def every(env: simpy.Environment, clock: Clock, act: Callable[[], None]) -> Process:
    """Call `act` at each tick of `clock`."""
    turn = cast(EventPriority, int(clock.turn))
    while True:
        tick = simpy.Event(env)
        tick._ok, tick._value = True, None
        env.schedule(tick, turn, clock.next_ns - env.now)
        yield tick
        clock.next_ns += clock.period_ns
        act()
