"""Reports from devices to stations to the MBS: what was true when, and when it is known where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.clock import NEVER_NS, EventOrder, to_ns
from ..core.randomness import Generators, standard_exponential
from ..state import Columns

LOST = NEVER_NS
"""The arrival time of a message that never arrives."""


class Times:
    """(R, n) a time for each row of a table; mostly one for all, and then an array only when asked for.

    Args:
        shape: (R, n).
        of_all_ns: of all rows.
        by_row_ns: of each.
    """

    __slots__ = ("_by_row_ns", "of_all_ns", "shape")

    def __init__(
        self, shape: tuple[int, ...], of_all_ns: int | None, by_row_ns: IntArray | None = None
    ) -> None:
        self.shape = shape
        self.of_all_ns = of_all_ns
        self._by_row_ns = by_row_ns

    @classmethod
    def by_row(cls, times_ns: IntArray) -> "Times":
        """From an array of (R, n) ns."""
        return cls(times_ns.shape, None, times_ns)

    @property
    def ns(self) -> IntArray:
        """(R, n)."""
        if self._by_row_ns is None:
            self._by_row_ns = np.full(self.shape, self.of_all_ns, np.int64)
        return self._by_row_ns


class Model:
    """A table of devices (or stations) as last reported.

    Args:
        columns: arrays whose axes are (R, n, …).
        stamp: when each row was true.
        sent: when it was sent.
    """

    remembers: ClassVar[tuple[str, ...]] = ("columns", "stamp_ns", "sent_ns")

    def __init__(self, columns: Columns, stamp: Times, sent: Times) -> None:
        self.columns = columns
        self.stamp = stamp
        self.sent = sent

    @property
    def stamp_ns(self) -> IntArray:
        """(R, n) the time at which each row was true."""
        return self.stamp.ns

    @stamp_ns.setter
    def stamp_ns(self, stamp_ns: IntArray) -> None:
        self.stamp = Times.by_row(stamp_ns)

    @property
    def sent_ns(self) -> IntArray:
        """(R, n) the time at which each row was sent."""
        return self.sent.ns

    @sent_ns.setter
    def sent_ns(self, sent_ns: IntArray) -> None:
        self.sent = Times.by_row(sent_ns)

    def check_alike(self, other: "Model") -> None:
        """Look at whether rows of another one can take the place of its own.

        Raises:
            ValueError: they have other columns, shapes or types.
        """

        def forms(model: "Model") -> dict[str, Any]:
            arrays = model.columns | {"stamp": model.stamp_ns, "sent": model.sent_ns}
            return {name: (array.dtype, array.shape) for name, array in arrays.items()}

        if forms(self) != forms(other):
            raise ValueError("a report with other columns")

    def replace(self, other: "Model") -> None:
        """Take over all rows."""
        self.renew(other.columns, other.stamp, other.sent)

    def renew(self, columns: Columns, stamp: Times, sent: Times) -> None:
        """All rows are new; arguments as for the class."""
        self.columns, self.stamp, self.sent = columns, stamp, sent

    def update(self, other: "Model", rows: BoolArray) -> None:
        """Take over those of the given rows (R, n) that are newer: none is overwritten by a late one."""
        rows = rows & (other.sent_ns > self.sent_ns)
        if rows.all():
            self.replace(other)
        elif rows.any():
            self.columns = {
                name: np.where(like(rows, new), new, self.columns[name])
                for name, new in other.columns.items()
            }
            self.stamp_ns = np.where(rows, other.stamp_ns, self.stamp_ns)
            self.sent_ns = np.where(rows, other.sent_ns, self.sent_ns)


@dataclass(eq=False)
class Report:
    """Rows under way to a model, which arrive together.

    Attributes:
        sent: what was true when, and sent when.
        rows: (R, n) those that arrive.
        arrival_ns: when they do.
        order: before which other events of that instant.
        model: where they arrive.
        under_way: the reports that have not arrived, of which this is one until it does.
    """

    sent: Model
    rows: BoolArray
    arrival_ns: int
    order: EventOrder
    model: Model
    under_way: "list[Report]"

    def deliver(self) -> None:
        """It arrives."""
        self.model.update(self.sent, self.rows)
        self.under_way.remove(self)


def reports(
    sent: Model,
    arrival_ns: IntArray,
    order: EventOrder,
    model: Model,
    under_way: list[Report],
    readings_ns: Sequence[int],
) -> list[Report]:
    """What is sent now, as reports, which are under way from now on.

    Rows that arrive between two readings of the model are one report, which arrives with the last of
    them: nobody can tell the difference, and their number does not grow with that of the senders.

    Args:
        sent: one row per sender.
        arrival_ns: (R, n) when each row arrives; `LOST` for those that do not.
        order: see `Report`; so are the following two.
        model: likewise.
        under_way: likewise.
        readings_ns: the periods at whose multiples the model is read.
    """
    found = []
    arrives = arrival_ns != LOST
    due_ns = np.where(arrives, arrival_ns, 0)
    reading_ns = np.minimum.reduce([-(-due_ns // period) * period for period in readings_ns])
    for reading in np.unique(reading_ns[arrives]):
        rows = arrives & (reading_ns == reading)
        found.append(Report(sent, rows, int(arrival_ns[rows].max()), order, model, under_way))
    under_way += found
    return found


class Latency(Protocol):
    """A latency distribution, in seconds."""

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """(size,) independent latencies, s."""

    @property
    def is_zero(self) -> bool:
        """True if every latency is zero."""


class Hop:
    """One hop of the synchronisation: how long a message takes, and whether it arrives.

    Args:
        latency: its distribution.
        loss: probability that a message is lost.
        latency_rngs: one generator per replication; none of a hop that takes no time and loses nothing.
        loss_rngs: likewise.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_latency_rngs", "_loss_rngs")

    def __init__(
        self, latency: Latency, loss: float, latency_rngs: Generators, loss_rngs: Generators
    ) -> None:
        self.latency = latency
        self.loss = loss
        self._latency_rngs = latency_rngs
        self._loss_rngs = loss_rngs
        self.instant = latency.is_zero and loss == 0.0

    def arrival_ns(self, now_ns: int, shape: tuple[int, ...]) -> IntArray:
        """(R, senders), the shape, when messages sent now arrive; `LOST` for those that do not."""
        if self.instant:
            return np.full(shape, now_ns)
        senders = shape[1]
        latency_s = np.stack([self.latency.sample(rng, senders) for rng in self._latency_rngs])
        arrival = now_ns + np.round(latency_s * to_ns(1.0)).astype(np.int64)
        lost = np.stack([rng.random(senders) < self.loss for rng in self._loss_rngs])
        return np.where(lost, LOST, arrival)


def like(rows: BoolArray, column: NDArray[Any]) -> BoolArray:
    """Rows (R, n) with as many axes as a column (R, n, …)."""
    return rows.reshape(rows.shape + (1,) * (column.ndim - rows.ndim))


@dataclass(frozen=True)
class Constant:
    """Always the same latency, s."""

    latency_s: float

    @property
    def is_zero(self) -> bool:
        """True if messages arrive at once."""
        return self.latency_s == 0.0

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """(size,) the latency, s."""
        return np.full(size, self.latency_s)


@dataclass(frozen=True)
class Uniform:
    """Uniform between two latencies, s."""

    least_s: float
    greatest_s: float

    is_zero = False

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """(size,) latencies, s."""
        return rng.uniform(self.least_s, self.greatest_s, size)


@dataclass(frozen=True)
class Exponential:
    """Exponentially distributed, s."""

    mean_s: float

    is_zero = False

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """(size,) latencies, s."""
        return self.mean_s * standard_exponential(rng, size)
