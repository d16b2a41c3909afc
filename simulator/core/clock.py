"""SimPy's clock in whole nanoseconds, and the order of what happens at one instant.

Integers make processes that are meant to coincide do so, for ever; sums of floats drift apart.
"""

from collections.abc import Generator, Iterator
from enum import IntEnum
from typing import Any, TypeAlias

import simpy

NANOSECONDS = 1_000_000_000

NEVER_NS = (1 << 63) - 1
"""A time that does not come."""

Process: TypeAlias = Generator[simpy.Event, object, None]
"""A SimPy process."""

Answer: TypeAlias = Generator[simpy.Event, object, Any]
"""What a process waits for with `yield from`: at once, or after an event."""


def to_ns(seconds: float) -> int:
    """Seconds to the clock's unit."""
    return round(seconds * NANOSECONDS)


class EventOrder(IntEnum):
    """The order of events at one instant: first what ends a slot, then what begins the next one.

    SimPy's own priorities, URGENT = 0 and NORMAL = 1, come before all of them.
    """

    SLOT_END = 2
    ARRIVALS = 3
    MOBILITY = 4
    FADING = 5
    FAILURES = 6
    CARBON = 7
    DEVICE_SYNC = 8
    AT_STATION = 9
    STATION_SYNC = 10
    AT_MBS = 11
    SLOT_START = 12


class Moment(simpy.Event):
    """A point in time, to be waited for: SimPy's Timeout, with a priority among its instant's events.

    Args:
        env: whose time it is.
        time_ns: when it comes; not in the past.
        order: its place among the events of the same instant.
    """

    def __init__(self, env: simpy.Environment, time_ns: int, order: EventOrder) -> None:
        # What simpy.Timeout does: it has happened as soon as its time has come.
        self.env = env
        self.callbacks = []
        self._ok = True
        self._value = None
        self._order = order
        env.schedule(self, order, time_ns - env.now)  # type: ignore[arg-type]

    def again(self, time_ns: int) -> None:
        """Come once more, now that its time has come and nobody waits for it any longer."""
        self.callbacks = []
        self.env.schedule(self, self._order, time_ns - self.env.now)  # type: ignore[arg-type]


class Clock:
    """The time of one run.

    Args:
        start_ns: zero, or where the run goes on.
        begun: what happens at that instant has happened, up to the decision upon the slot that begins.
    """

    def __init__(self, start_ns: int = 0, *, begun: bool = False) -> None:
        self._begun_ns = start_ns if begun else -1
        self._env = simpy.Environment(start_ns)
        self._paused = False
        self._slot_end: Moment | None = None

    @property
    def begun(self) -> bool:
        """Whether only the decision is left to be made at the present."""
        return self.now_ns == self._begun_ns

    @property
    def now_ns(self) -> int:
        """The present."""
        return self._env._now  # type: ignore[return-value]  # asked for so often that a property counts

    def at(self, time_ns: int, order: EventOrder) -> Moment:
        """A point in time, to be waited for."""
        return Moment(self._env, time_ns, order)

    def every(self, period_ns: int, order: EventOrder, first_ns: int = 0) -> Iterator[Moment]:
        """The multiples of a period from the present on, which included, but none before the first.

        So a process that goes on from a checkpoint knows its next moment from the time alone.
        """
        over = self.begun and order != EventOrder.SLOT_START
        time_ns = max(-(-(self.now_ns + over) // period_ns) * period_ns, first_ns)
        moment = self.at(time_ns, order)
        yield moment
        while True:
            time_ns += period_ns
            moment.again(time_ns)
            yield moment

    def slot_end(self, slot_ns: int) -> simpy.Event:
        """The end of the slot under way, one event for all who wait for it.

        They go on in the order in which they began to wait.
        """
        moment = self._slot_end
        if moment is None:
            moment = self._slot_end = self.at(self._end_ns(slot_ns), EventOrder.SLOT_END)
        elif moment.callbacks is None:  # the last one is over
            moment.again(self._end_ns(slot_ns))
        return moment

    def _end_ns(self, slot_ns: int) -> int:
        """When the slot under way ends."""
        return (self.now_ns // slot_ns + 1) * slot_ns

    def answer(self) -> simpy.Event:
        """An event that fires when somebody answers, `event.succeed(answer)`."""
        return simpy.Event(self._env)

    def start(self, process: Process) -> None:
        """Let a process run from the present on."""
        self._env.process(process)

    def pause(self) -> None:
        """End `run` after the event that happens now: somebody is to look, or to decide."""
        self._paused = True

    def run(self) -> None:
        """Let events happen, one after another, until one of them calls for a pause.

        Raises:
            BaseException: what a process raised.
        """
        self._paused, step = False, self._env.step
        try:
            while not self._paused:
                step()
            return
        except BaseException as copy:  # noqa: BLE001
            # SimPy raises a copy of what a process raised, made from its args, with the original as
            # the cause: a copy loses what an exception keeps elsewhere (a file's name, its cause).
            original = copy.__cause__ or copy
        raise original
