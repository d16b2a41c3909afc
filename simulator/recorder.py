"""What the simulation hands to whoever records it, slot after slot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .arrays import FloatArray

OUTCOMES = ("done", "late", "queued", "dropped", "lost")
"""How a task ends, by its code: completed; completed after its deadline; still in a queue when the
run ended; refused by a full buffer; lost with a failed part of the network."""

EndStatus = Literal["complete", "interrupted", "failed"]


@dataclass(frozen=True)
class TaskTable:
    """Tasks that ended, one row each. Times count from the start of the run.

    Attributes:
        replication: int32.
        device: int32, the device it arrived at.
        station: int32, the station that executed a part of it; -1 if wholly local.
        arrival_s: when it arrived.
        completion_s: when its last bit was executed; NaN if it never was.
        bits: its size.
        deadline_s: the time by which it had to be complete; inf if it has none.
        outcome: uint8, index into `OUTCOMES`.
    """

    replication: NDArray[np.int32]
    device: NDArray[np.int32]
    station: NDArray[np.int32]
    arrival_s: FloatArray
    completion_s: FloatArray
    bits: FloatArray
    deadline_s: FloatArray
    outcome: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.replication)


@dataclass(frozen=True)
class CountedTaskTable(TaskTable):
    """Tasks whose cycles do not follow from their bits.

    Attributes:
        cycles: CPU cycles that each takes.
    """

    cycles: FloatArray


class Recorder(Protocol):
    """Keeps what a run leaves. It must copy what it keeps: the arrays are not its own."""

    def slot(self, slot: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """One slot, in order. The set of columns is the same in every slot of a run.

        Args:
            slot: t.
            columns: by name, arrays of (R,), (R, N), (R, B) or (R, N, B).
        """

    def tasks(self, tasks: TaskTable) -> None:
        """Tasks that ended in the slot recorded last; any number, also none. It may be kept."""

    def decision_time(self, seconds: float) -> None:
        """Wall-clock time that the policy took for its decision; once per slot."""

    def close(self, status: EndStatus) -> None:
        """The run has ended; nothing follows."""
