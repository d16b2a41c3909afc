"""The trace writer: the recorder that leaves a trace."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.recorder import EndStatus, TaskTable
from .layout import RunInfo, TraceFile
from .tally import BATCHES_PER_PART, SlotTally, TaskTally
from .variables import SLOT_VARIABLES, TASK_VARIABLES, Level, Variable

BUFFER_BYTES = 16 << 20
BUFFER_SLOTS = 4096
BUFFER_TASKS = 1 << 16
FLUSH_S = 1.0
"""A reader sees what happened until the last full buffer, or this long ago, whichever is later."""


class TraceWriter:
    """Records a run in an HDF5 file that can be read while it grows, and whenever it stops growing.

    Slots and tasks are gathered in buffers whose size does not depend on the length of the run, and
    written when a buffer is full or a second has passed. Which columns there are is settled by the
    first slot.

    Args:
        path: of the trace; what is there is overwritten.
        run: what the trace says about its run.
        level: "summary": totals by batch of slots; "slots": also every slot and every task;
            "full": also the gain of every link.

    Raises:
        OSError: if the file cannot be written.
    """

    def __init__(self, path: str | Path, run: RunInfo, *, level: Level = "slots") -> None:
        self._run = run
        self._replications = len(run.seeds)
        self._level = level
        self._file = TraceFile(Path(path), run, level)
        self._begun = False
        self._filled = self._task_rows = self._written_part = 0
        self._flush_at = math.inf
        self._decisions_s: list[float] = []

    def slot(self, slot: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Record one slot.

        Args:
            slot: t; the slots come in order.
            columns: names as in `SLOT_VARIABLES`; (R,), (R, N), (R, B) or (R, N, B).

        Raises:
            ValueError: at a name that no trace knows, a shape that is not the variable's, or a set
                of columns that is not the first slot's.
        """
        if not self._begun:
            self._begin(slot, columns)
        elif len(columns) != self._columns:
            raise ValueError(f"slot {slot}: the set of columns changed during the run")
        place = self._filled
        try:
            row = [columns[name] for name in self._flat]
            row += [columns[name].reshape(self._replications, -1) for name in self._shaped]
        except KeyError as error:
            raise ValueError(f"slot {slot}: column {error} is missing") from None
        np.concatenate(row, axis=1, out=self._buffer[:, place])
        self._filled = place + 1
        self._next = slot + 1
        if self._filled == self._capacity or time.monotonic() >= self._flush_at:
            self._flush()

    def tasks(self, tasks: TaskTable) -> None:
        """Record tasks that ended in the last slot recorded.

        Raises:
            ValueError: if no slot was recorded yet.
        """
        if not len(tasks):
            return
        if not self._begun:
            raise ValueError("tasks ended before the first slot")
        self._task_tally.add((self._next - 1) // self._slot_tally.batch_slots, tasks)
        if self._level == "summary":
            return
        # Unless the tasks know their cycles themselves.
        rows = {"cycles": tasks.bits * self._run.cycles_per_bit} | vars(tasks)
        done = 0
        while done < len(tasks):
            take = min(len(tasks) - done, BUFFER_TASKS - self._task_rows)
            for name, buffer in self._task_buffers.items():
                buffer[self._task_rows : self._task_rows + take] = rows[name][done : done + take]
            done += take
            self._task_rows += take
            if self._task_rows == BUFFER_TASKS:
                self._append_tasks()

    def decision_time(self, seconds: float) -> None:
        """Record the wall-clock time of a slot's decision."""
        if self._level != "summary":
            self._decisions_s.append(seconds)

    def close(self, status: EndStatus) -> None:
        """Write what is left, and how the run ended."""
        if self._begun:
            self._flush()
        self._file.close(status)

    def _begin(self, first: int, columns: Mapping[str, NDArray[Any]]) -> None:
        run = self._run
        sizes = {
            "replication": self._replications,
            "device": run.devices,
            "station": len(run.station_names),
            "interferer": run.devices,
        }
        for name, column in columns.items():
            if name not in SLOT_VARIABLES:
                raise ValueError(f"slot {first}: no trace knows a column {name!r}")
            shape = tuple(sizes[dim] for dim in SLOT_VARIABLES[name].dims if dim != "slot")
            if column.shape != shape:
                raise ValueError(f"slot {first}: {name} has shape {column.shape}, not {shape}")
        # All columns of a slot lie side by side in one row of the buffer: one copy instead of many.
        kept = [name for name in columns if self._keeps(SLOT_VARIABLES[name])]
        self._flat = [name for name in kept if columns[name].ndim == 2]
        self._shaped = [name for name in kept if columns[name].ndim != 2]
        widths = [columns[name][0].size for name in self._flat + self._shaped]
        slot_bytes = 8 * self._replications * sum(widths)
        self._capacity = min(max(BUFFER_BYTES // max(slot_bytes, 1), 1), BUFFER_SLOTS, run.slots)
        self._buffer = np.empty((self._replications, self._capacity, sum(widths)))
        self._columns = len(columns)
        self._buffers = {
            name: self._buffer[:, :, end - width : end].reshape(
                self._replications, self._capacity, *columns[name].shape[1:]
            )
            for name, width, end in zip(
                self._flat + self._shaped, widths, np.cumsum(widths), strict=True
            )
        }
        self._task_buffers = {
            name: np.empty(BUFFER_TASKS, what.dtype) for name, what in TASK_VARIABLES.items()
        }
        self._slot_tally = SlotTally(self._replications, run.slots, kept)
        self._task_tally = TaskTally(self._replications, self._slot_tally.batches)
        self._next = first
        self._file.begin(first, kept, self._capacity, self._slot_tally)
        self._flush_at = time.monotonic() + FLUSH_S
        self._begun = True

    def _keeps(self, what: Variable) -> bool:
        if self._level == "summary":
            return what.total is not None
        return self._level == "full" or not what.full

    def _append_tasks(self) -> None:
        self._file.append_tasks(self._task_buffers, self._task_rows)
        self._task_rows = 0

    def _flush(self) -> None:
        """Empty the buffers into the file, and show readers what is there."""
        start = time.monotonic()
        count, self._filled = self._filled, 0
        if count:
            self._slot_tally.add(self._next - count, count, self._buffers)
        if self._level != "summary":
            self._file.append_slots(self._buffers, count)
            self._append_tasks()
            self._file.append_decisions(self._decisions_s)
            self._decisions_s.clear()
        part = (self._next - 1) // self._slot_tally.batch_slots // BATCHES_PER_PART
        parts = slice(self._written_part, part + 1)
        self._file.write_summary(self._slot_tally, self._task_tally, parts)
        self._written_part = part
        self._file.publish()
        end = time.monotonic()
        # Writing takes a twentieth of the time at most, however much there is.
        self._flush_at = end + max(FLUSH_S, 20.0 * (end - start))
