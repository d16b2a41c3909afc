"""What the simulation hands to whoever records it, slot after slot."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

OUTCOMES = ("done", "late", "queued", "dropped", "lost")
"""How a task ends, by its code: completed; completed after its deadline; still in a queue when the
run ended; refused by a full buffer; lost with a station that failed, or a device that left."""

LATE = OUTCOMES.index("late")
"""The greatest code of a task that was completed."""

EndStatus = Literal["complete", "interrupted", "failed"]


SlotColumns: TypeAlias = Mapping[str, NDArray[Any]]
"""The trace variables of a slot by name: (R,), (R, N), (R, B), … each. See also `ColumnBlocks`."""

TaskTable: TypeAlias = NDArray[np.void]
"""Tasks that ended, one row each: an array of `TASK_ROW` or `COUNTED_TASK_ROW`."""

_COLUMNS = [
    ("replication", "i4"),
    ("device", "i4"),
    ("station", "i4"),
    ("outcome", "u1"),
    ("arrival_s", "f8"),
    ("completion_s", "f8"),
    ("bits", "f8"),
    ("deadline_s", "f8"),
]
TASK_ROW = np.dtype(_COLUMNS, align=True)
"""The device that a task arrived at; the station that executed a part of it, -1 if wholly local or if it
was lost as its device left; how it ended, an index into `OUTCOMES`; when it arrived, from the start of the run; when its last bit was
executed, NaN if it never was; its size; the time by which it had to be complete, inf if it has none."""

COUNTED_TASK_ROW = np.dtype([*_COLUMNS, ("cycles", "f8")], align=True)
"""The same of tasks whose CPU cycles do not follow from their bits."""


class Recorder(Protocol):
    """Keeps what a run leaves. It must copy what it keeps: the arrays are not its own."""

    def slot(self, slot: int, columns: SlotColumns) -> None:
        """One slot, in order. The set of columns is the same in every slot of a run.

        Args:
            slot: t.
            columns: by name, arrays of (R,), (R, N), (R, B) or (R, N, B), many perhaps in blocks.
        """

    def tasks(self, tasks: TaskTable) -> None:
        """Tasks that ended in the slot recorded last; any number, also none."""

    def decision_time(self, seconds: float) -> None:
        """Wall-clock time that the policy took for its decision; once per slot."""

    def close(self, status: EndStatus) -> None:
        """The run has ended; nothing follows."""


class NullRecorder:
    """Keeps nothing; also the base of recorders that keep only some of it."""

    def slot(self, slot: int, columns: SlotColumns) -> None:
        """Not kept."""

    def tasks(self, tasks: TaskTable) -> None:
        """Not kept."""

    def decision_time(self, seconds: float) -> None:
        """Not kept."""

    def close(self, status: EndStatus) -> None:
        """Nothing to close."""
