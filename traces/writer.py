"""The trace writer: the recorder that leaves a trace."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..simulator.core.arrays import FloatArray
from ..simulator.core.columns import Shapes
from ..simulator.core.recorder import (
    TASK_ROW,
    EndStatus,
    SlotColumns,
    TaskTable,
)
from ..simulator.core.saved_state import Saved, StateError, load_state
from .column_buffer import ColumnBuffer
from .running_totals import BATCHES_PER_PART, SlotTally, TaskTally
from .statistics import BatchTotals, recorded_tasks, replication_values, sketched_tasks
from .trace_file import Lengths, RunInfo, TraceFile
from .variables import SLOT_VARIABLES, Level, Variable

BUFFER_BYTES = 32 << 20
BUFFER_SLOTS = 2048
BUFFER_TASKS = 1 << 16
_LENGTHS = tuple(field.name for field in fields(Lengths))
FLUSH_S = 1.0
"""A reader sees what happened until twice as long ago, or more while writing takes more of the time."""


class TraceWriter:
    """Records a run in an HDF5 file that can be read while it grows, and whenever it stops growing.

    Slots and tasks are gathered in buffers whose size does not depend on the length of the run, and
    written when a buffer is full or a second has passed. Which columns there are is settled by the
    first slot.

    Args:
        path: of the trace; an earlier one is overwritten.
        run: the run's description.
        level: "summary": totals by batch of slots; "slots": also every slot and every task;
            "full": also the gain of every link.
        earlier: a state that holds a writer's `parts`: go on from there with the trace that is there,
            once `go_on` is called.

    Attributes:
        run: the run's description.

    Raises:
        OSError: if the file cannot be written.
        StateError: `earlier` is of another run.
    """

    def __init__(
        self,
        path: str | Path,
        run: RunInfo,
        *,
        level: Level = "slots",
        earlier: Saved | None = None,
    ) -> None:
        self.run = run
        self._replications = len(run.seeds)
        self._level = level
        self._file = TraceFile(Path(path), run, level, resumes=earlier is not None)
        self._begun = False
        self._all_in_memory = earlier is None
        self._buffer: ColumnBuffer | None = None
        self._filled = self._task_rows = self._written_part = 0
        self._flush_at = math.inf
        self._decisions_s: list[float] = []
        self._make_task_buffer(0, TASK_ROW)
        self._last_tasks: TaskTable = self._task_buffer
        self._batch = self._tallied_rows = 0
        self._lengths: Lengths | None = None
        if earlier is not None:
            self._restore(earlier)

    @property
    def capacity(self) -> int:
        """Slots that are gathered at most, once `begin` has settled it."""
        return self._capacity

    @property
    def following(self) -> int:
        """The slot that comes next; 0 before the first."""
        return self._next if self._begun or self._lengths is not None else 0

    def slot(self, slot: int, columns: SlotColumns) -> None:
        """Record one slot.

        Args:
            slot: t; the slots come in order.
            columns: names as in `SLOT_VARIABLES`; (R,), (R, N), (R, B) or (R, N, B).

        Raises:
            ValueError: at a name that no trace knows, a shape that is not the variable's, or a set
                of columns that is not the first slot's.
        """
        if not self._begun:
            self.begin(slot, Shapes.of(columns))
        if self._buffer is None:
            self._buffer = ColumnBuffer(Shapes.of(columns), self._capacity, self._kept)
        try:
            self._buffer.put(self._filled, columns)
        except KeyError as error:
            raise ValueError(f"slot {slot}: column {error} is missing") from None
        except ValueError as error:
            raise ValueError(f"slot {slot}: {error}") from None
        self._filled += 1
        self._next = slot + 1
        # After the last slot of the run, `close` does it.
        full = self._filled == self._capacity and self._next < self.run.slots
        if full or time.monotonic() >= self._flush_at:
            self._flush(FLUSH_S)

    def begin(self, first: int, shapes: Shapes) -> None:
        """Settle which columns there are, before `slots_of` the first slot; `slot` does it by itself.

        Args:
            first: the first slot.
            shapes: of its columns.

        Raises:
            ValueError: as `slot`.
        """
        by_name = shapes.by_name()
        for name, shape in by_name.items():
            if name not in SLOT_VARIABLES:
                raise ValueError(f"slot {first}: no trace knows a column {name!r}")
            if shape != (expected := self._shape(name)):
                raise ValueError(f"slot {first}: {name} has shape {shape}, not {expected}")
        if self._begun:
            return  # it goes on, and has settled that
        self._first = self._next = first
        self._lay_out(by_name)
        self._begin_file(None)

    def buffer(self, shapes: Shapes, slots: int, room: Callable[..., FloatArray]) -> ColumnBuffer:
        """A buffer that others fill, for `slots_of`; arguments and shapes as for `ColumnBuffer`, see `Shapes`."""
        return ColumnBuffer(shapes, slots, self._kept, room)

    def slots_of(
        self,
        buffer: ColumnBuffer,
        tasks: Sequence[Sequence[TaskTable]],
        decisions_s: Sequence[float],
    ) -> None:
        """Record slots whose columns somebody has put into a buffer, from its first place on.

        Args:
            buffer: of `buffer`; it can be filled anew after this.
            tasks: of each of the slots the tasks that ended in it, in tables.
            decisions_s: of each the wall-clock time of its decision.
        """
        self._buffer, self._filled = buffer, len(tasks)
        self._decisions_s.extend(decisions_s)
        for tables in tasks:
            self._next += 1
            for table in tables:
                self.tasks(table)
        if time.monotonic() >= self._flush_at:
            # They were not long in the buffer, so others may be waited for the longer.
            self._flush(1.5 * FLUSH_S, 0.5 * FLUSH_S)
        else:
            self._empty_buffers()

    def tasks(self, tasks: TaskTable) -> None:
        """Record tasks that ended in the last slot recorded.

        Raises:
            ValueError: if no slot was recorded yet.
        """
        if not len(tasks):
            return
        if not self._begun:
            raise ValueError("tasks ended before the first slot")
        batch = (self._next - 1) // self._slot_tally.batch_slots
        if self._level == "summary":
            self._task_tally.add(batch, tasks)
            return
        if batch != self._batch:
            self._tally_tasks()
            self._batch = batch
        if len(tasks) <= BUFFER_TASKS:
            self._keep_tasks(tasks)
            return
        for first in range(0, len(tasks), BUFFER_TASKS):
            self._keep_tasks(tasks[first : first + BUFFER_TASKS])

    def _keep_tasks(self, tasks: TaskTable) -> None:
        """Put as many tasks into the buffer as it holds at most."""
        end = self._task_rows + len(tasks)
        if end > len(self._task_buffer):
            self._append_tasks()
            self._make_task_buffer(BUFFER_TASKS, tasks.dtype)
            end = len(tasks)
        size = tasks.itemsize
        self._task_bytes[self._task_rows * size : end * size] = tasks.tobytes()
        self._task_rows = end

    def _make_task_buffer(self, rows: int, dtype: "np.dtype[np.void]") -> None:
        self._task_buffer = np.empty(rows, dtype)
        # The same as plain bytes, for numpy copies rows field by field.
        self._task_bytes = self._task_buffer.view(np.uint8).data

    def decision_time(self, seconds: float) -> None:
        """Record the wall-clock time of a slot's decision."""
        if self._level != "summary":
            self._decisions_s.append(seconds)

    def parts(self) -> dict[str, Any]:
        """How far the trace has got, for `save_state`; all of that is now in the file and on the disk.

        Raises:
            ValueError: if no slot was recorded yet.
        """
        if not self._begun:
            raise ValueError("nothing was recorded yet")
        self._flush(0.0)
        written = {
            "columns": self._columns,
            "first": self._first,
            "following": self._next,
            **asdict(self._file.sync()),
        }
        return {
            "written": written,
            "slot_tally": self._slot_tally,
            "task_tally": self._task_tally,
        }

    def _restore(self, saved: Saved) -> None:
        written = load_state(saved, {"written": None})["written"]
        try:
            numbers = {name: written[name] for name in ("first", "following", *_LENGTHS)}
            shapes = {name: self._shape(name) for name in written["columns"]}
        except (TypeError, LookupError) as error:
            raise StateError(f"written: no {error}") from None
        whole = all(type(number) is int and number >= 0 for number in numbers.values())
        if not whole or not numbers["first"] < numbers["following"] <= self.run.slots:
            raise StateError(f"written: {numbers} of {self.run.slots} slots")
        self._first, self._next = numbers["first"], numbers["following"]
        self._lay_out(shapes)
        load_state(saved, {"slot_tally": self._slot_tally, "task_tally": self._task_tally})
        self._lengths = Lengths(**{name: numbers[name] for name in _LENGTHS})

    def go_on(self) -> None:
        """Take over the beginning of the trace that is there, which goes on from `earlier`.

        Raises:
            OSError: the file cannot be written, or does not reach that point.
        """
        self._begin_file(self._lengths)

    def _shape(self, name: str) -> tuple[int, ...]:
        run = self.run
        sizes = {
            "replication": self._replications,
            "device": run.devices,
            "station": len(run.station_names),
            "interferer": run.devices,
            "lead": run.leads,
        }
        return tuple(sizes[dim] for dim in SLOT_VARIABLES[name].dims if dim != "slot")

    def close(self, status: EndStatus) -> None:
        """Write what is left, and how the run ended."""
        wasted = False
        if self._begun and not self._file.lost:
            self._empty_buffers()
            self._file.end()
            self._write_totals()
            wasted = self._file.wasted
        self._file.close(status)
        if wasted:
            self._write_anew(status)

    def replication_values(self, warmup: float) -> dict[str, FloatArray] | None:
        """The numbers of each replication alone, once the trace is closed, but without a look at it.

        Args:
            warmup: share of the slots to leave out at the beginning.

        Returns:
            As `Trace.replication_values`, (R,) SI by key of `METRICS`; None where tasks are no longer in
            memory, or no slot was recorded.
        """
        if not self._begun or not self._all_in_memory:
            return None
        slots, tasks = self._slot_tally, self._task_tally
        arrays = slots.totals() | slots.initial | {"slots": slots.slots}
        for name in ("tasks", "latency_sum_s", "latency_min_s", "latency_max_s"):
            arrays[name] = getattr(tasks, name)
        begun = int(np.count_nonzero(slots.slots))
        arrays = {
            name: array[..., :begun] if array.ndim < 3 else array[:, :begun]
            for name, array in arrays.items()
        }
        if self._level == "summary":
            parts = -(-begun // BATCHES_PER_PART)
            arrays |= {
                "latency_tasks": tasks.histogram[:, :parts],
                "latency_bin_min_s": tasks.bin_min_s,
                "latency_bin_max_s": tasks.bin_max_s,
            }
        run = self.run
        totals = BatchTotals(
            arrays,
            slots.batch_slots,
            BATCHES_PER_PART,
            run.slot_s,
            run.devices,
            len(run.station_names),
        )
        if self._level == "summary":
            return replication_values(totals, sketched_tasks(totals), warmup)
        names = ("outcome", "replication", "arrival_s", "completion_s")
        columns = (self._last_tasks[name] for name in names)
        return replication_values(totals, recorded_tasks(totals, *columns), warmup)

    def _write_anew(self, status: EndStatus) -> None:
        """Put a file in its place that has nothing but what is read; where that fails, it stays."""
        with suppress(OSError):
            self._file = self._file.again()
            self._file.begin(self._first, self._kept, self._capacity, self._slot_tally)
            self._written_part = 0
            self._write_totals()
            self._file.close(status)
            self._file.appear()

    def _lay_out(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Settle which columns there are, and how many slots are gathered before they are written."""
        self._columns = list(shapes)
        self._kept = [name for name in shapes if self._keeps(SLOT_VARIABLES[name])]
        slot_bytes = 8 * sum(math.prod(shapes[name]) for name in self._kept)
        most = min(BUFFER_SLOTS, self.run.slots)
        self._capacity = min(max(BUFFER_BYTES // max(slot_bytes, 1), 1), most)
        self._slot_tally = SlotTally(self._replications, self.run.slots, self._kept)
        self._task_tally = TaskTally(self._replications, self._slot_tally.batches)

    def _begin_file(self, earlier: Lengths | None) -> None:
        self._file.begin(self._first, self._kept, self._capacity, self._slot_tally, earlier)
        if earlier is not None:
            self._write_totals()  # else a kill would leave less than was there
        self._file.appear()
        self._flush_at = time.monotonic() + FLUSH_S
        self._begun = True

    def _keeps(self, what: Variable) -> bool:
        if self._level == "summary":
            return what.total is not None
        return self._level == "full" or not what.full

    def _tally_tasks(self) -> None:
        """Take in what was gathered of a batch since the last time."""
        if self._task_rows > self._tallied_rows:
            rows = self._task_buffer[self._tallied_rows : self._task_rows]
            self._task_tally.add(self._batch, rows)
            self._tallied_rows = self._task_rows

    def _append_tasks(self) -> None:
        self._tally_tasks()
        self._all_in_memory &= not len(self._last_tasks)
        self._last_tasks = table = self._task_buffer[: self._task_rows]
        self._task_rows = self._tallied_rows = 0
        columns = {name: table[name] for name in table.dtype.names or ()}
        # Unless the tasks know their cycles themselves.
        columns.setdefault("cycles", table["bits"] * self.run.cycles_per_bit)
        self._file.append("tasks", columns, len(table))

    def _flush(self, waited_s: float, again_s: float = FLUSH_S) -> None:
        """Empty the buffers into the file, and let readers see what has waited there for so long.

        Args:
            waited_s: how long.
            again_s: when it is time for the next.
        """
        start = self._empty_buffers()
        self._write_totals(waited_s)
        end = time.monotonic()
        # Writing takes a twentieth of the time at most, however much there is.
        self._flush_at = end + max(again_s, 20.0 * (end - start))

    def _empty_buffers(self) -> float:
        """Hand what they hold to the file; when that began, without what was compiled for the first."""
        count, self._filled = self._filled, 0
        columns = {} if self._buffer is None else self._buffer.columns
        if count:
            self._slot_tally.add(self._next - count, count, columns)
        start = time.monotonic()
        if self._level != "summary":
            self._file.append("slots", columns, count)
            self._append_tasks()
            decisions = np.asarray(self._decisions_s, np.float64)
            self._file.append("timing", {"decision_s": decisions}, len(decisions))
            self._decisions_s.clear()
        return start

    def _write_totals(self, waited_s: float = 0.0) -> None:
        part = (self._next - 1) // self._slot_tally.batch_slots // BATCHES_PER_PART
        parts = slice(self._written_part, part + 1)
        self._file.write_summary(self._slot_tally, self._task_tally, parts)
        self._written_part = part
        self._file.publish(waited_s)
