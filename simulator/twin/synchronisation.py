"""Messages from devices to stations to the MBS: what was true when, and when it is known where."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.clock import to_ns
from ..core.randomness import Generators
from ..state import Columns

LOST = np.iinfo(np.int64).max
"""The arrival time of a message that never arrives."""


@dataclass
class Model:
    """A table of devices (or stations) as last reported.

    Attributes:
        columns: arrays whose axes are (R, n, …).
        stamp_ns: (R, n) the time at which each row was true.
    """

    columns: Columns
    stamp_ns: IntArray

    def update(self, columns: Columns, stamp_ns: IntArray, rows: BoolArray) -> None:
        """Take over the given rows (R, n)."""
        if rows.all():
            self.columns, self.stamp_ns = columns, stamp_ns
        elif rows.any():
            self.columns = {
                name: np.where(_like(rows, new), new, self.columns[name])
                for name, new in columns.items()
            }
            self.stamp_ns = np.where(rows, stamp_ns, self.stamp_ns)


@dataclass
class Message:
    """Rows under way, each with its own arrival time."""

    columns: Columns
    stamp_ns: IntArray
    arrival_ns: IntArray


class Mailbox:
    """Messages in flight to one model. A late row never overwrites a newer one."""

    def __init__(self) -> None:
        self.in_flight: list[Message] = []

    def send(self, columns: Columns, stamp_ns: IntArray, arrival_ns: IntArray) -> None:
        """Put one row per sender on its way; rows with arrival `LOST` vanish."""
        self.in_flight.append(Message(columns, stamp_ns, arrival_ns))

    def deliver(self, now_ns: int, model: Model) -> None:
        """Hand over what has arrived by now."""
        for message in self.in_flight:
            arrived = message.arrival_ns <= now_ns
            model.update(
                message.columns, message.stamp_ns, arrived & (message.stamp_ns > model.stamp_ns)
            )
            message.arrival_ns = np.where(arrived, LOST, message.arrival_ns)
        self.in_flight = [m for m in self.in_flight if (m.arrival_ns != LOST).any()]


class Latency(Protocol):
    """A latency distribution, in seconds."""

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """`size` independent latencies, s."""

    @property
    def is_zero(self) -> bool:
        """True if every latency is zero."""


class Hop:
    """One hop of the synchronisation: how long a message takes, and whether it arrives.

    Args:
        latency: its distribution.
        loss: probability that a message is lost.
        latency_rngs: one generator per replication.
        loss_rngs: one generator per replication.
    """

    def __init__(
        self, latency: Latency, loss: float, latency_rngs: Generators, loss_rngs: Generators
    ) -> None:
        self.latency = latency
        self.loss = loss
        self._latency_rngs = latency_rngs
        self._loss_rngs = loss_rngs
        self.instant = latency.is_zero and loss == 0.0

    def arrival_ns(self, now_ns: int, senders: int) -> IntArray:
        """(R, senders) when messages sent now arrive; `LOST` for those that do not."""
        latency_s = np.stack([self.latency.sample(rng, senders) for rng in self._latency_rngs])
        arrival = now_ns + np.round(latency_s * to_ns(1.0)).astype(np.int64)
        lost = np.stack([rng.random(senders) < self.loss for rng in self._loss_rngs])
        return np.where(lost, LOST, arrival)


def _like(rows: BoolArray, column: NDArray[Any]) -> BoolArray:
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
        return self.mean_s * rng.standard_exponential(size)
