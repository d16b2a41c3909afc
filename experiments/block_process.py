"""A process that simulates some replications of a run, and what it shares with the one that writes the trace."""

import gc
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..simulator.core.arrays import FloatArray
from ..simulator.core.columns import Shapes
from ..simulator.core.errors import RunError
from ..simulator.core.recorder import TASK_ROW, EndStatus, SlotColumns, TaskTable
from ..simulator.core.saved_state import Saved
from ..simulator.core.signals import end_with_parent
from ..traces.column_buffer import ColumnBuffer
from ..traces.open_file import read_into
from .replication_block import Block, Experiment, counted_from

PIECE_BYTES = 1 << 24
"""Of an array, sent at a time."""


class Segment(NamedTuple):
    """Slots that all blocks simulate before the trace takes them.

    Attributes:
        first: slot.
        end: the one after the last.
        buffer: 0 or 1, into which they go.
    """

    first: int
    end: int
    buffer: int


class Report(NamedTuple):
    """What a block did of a segment.

    Attributes:
        tasks: (slots,) how many ended in each slot that is complete; they lie in the file of the buffer.
        dtype: of their rows; None if there are none.
        decisions_s: (slots,) wall-clock time of the policy.
        failure: what ended it before the segment's end.
    """

    tasks: list[int]
    dtype: "np.dtype[np.void] | None"
    decisions_s: list[float]
    failure: Exception | None


class SharedRoom:
    """Arrays side by side in memory that several processes share; each makes them in the same order.

    Args:
        file: of the memory.
        numbers: float64 in all.
    """

    def __init__(self, file: int, numbers: int) -> None:
        size = 8 * max(numbers, 1)
        if os.fstat(file).st_size < size:
            with _named():
                os.ftruncate(file, size)
        self._memory: FloatArray = np.frombuffer(mmap.mmap(file, size), np.float64)
        self._taken = 0

    def __call__(self, shape: tuple[int, ...]) -> FloatArray:
        """The next array."""
        begin = self._taken
        self._taken += int(np.prod(shape))
        return self._memory[begin : self._taken].reshape(shape)


class _BlockRecorder:
    """Puts what a block does where the process that writes the trace finds it."""

    def __init__(self, answers: "Answers") -> None:
        self._answers = answers
        self._buffers: list[ColumnBuffer] = []
        self._buffer = 0
        self._clear()

    def _clear(self) -> None:
        self._tasks: list[int] = []
        self._dtype: np.dtype[np.void] | None = None
        self._bytes = 0
        self._decisions_s: list[float] = []

    def begin(self, buffer: int) -> None:
        """A segment follows."""
        self._buffer = buffer
        self._clear()

    def report(self, failure: Exception | None) -> Report:
        """Of the segment."""
        return Report(self._tasks, self._dtype, self._decisions_s, failure)

    def slot(self, slot: int, columns: SlotColumns) -> None:
        """Its columns go into the rows of the block."""
        if not self._buffers:
            self._buffers = self._answers.buffers(Shapes.of(columns))
        rows = self._answers.rows
        self._buffers[self._buffer].put(len(self._tasks), columns, rows)
        self._tasks.append(0)

    def tasks(self, tasks: TaskTable) -> None:
        """Behind those of the slots before."""
        if len(tasks):
            self._tasks[-1] += len(tasks)
            self._bytes += self._answers.write(tasks, self._buffer, self._bytes)
            self._dtype = tasks.dtype

    def decision_time(self, seconds: float) -> None:
        """Of a slot."""
        self._decisions_s.append(seconds)

    def close(self, status: EndStatus) -> None:
        """Never called."""


@dataclass
class Answers:
    """What a process of a block does when it is asked; each method is a question of `Blocks`."""

    experiment: Experiment
    replications: range
    line: "Connection[Any, Any]"
    files: tuple[int, int]
    columns: int
    file: Path | None
    saved_blocks: Sequence[Saved]
    number: int

    @property
    def rows(self) -> slice:
        """Of columns of all replications."""
        return slice(self.replications.start, self.replications.stop)

    def begin(self) -> None:
        """Get the policy ready."""
        here = self.experiment.of_replications(self.replications.start, len(self.replications))
        ours = self.saved_blocks[self.number] if self.saved_blocks else None
        self._block = Block(here, self.file, ours)
        self._unfinished: Iterator[TaskTable] | None = None
        self._following: list[NDArray[Any]] = []

    def start(self) -> int:
        """Make the simulation; the slot that it is at."""
        self._recorder = _BlockRecorder(self)
        self._block.start(self._recorder)
        for one in self.saved_blocks:
            one.arrays.clear()
        return self._block.slot

    def look_at_state(self) -> None:
        """See `Block`."""
        self._block.look_at_state()

    def simulate(self, segment: Segment) -> Report:
        """Some slots."""
        failure: Exception | None = None
        self._recorder.begin(segment.buffer)
        try:
            self._block.run(segment.end)
        except MemoryError as error:
            failure = RunError(f"too little memory: {error}")
        except Exception as error:  # noqa: BLE001 - it is raised again, where the trace is
            failure = self.told(error)
        sys.stdout.flush()  # this process is killed in the end
        return self._recorder.report(failure)

    def more_unfinished(self) -> tuple[int, "np.dtype[np.void]"] | None:
        """The next table of tasks that are left; None after the last."""
        if self._unfinished is None:
            self._unfinished = self._block.unfinished()
        table = next(self._unfinished, None)
        if table is None:
            return None
        self.write(table, 0, 0)
        return len(table), table.dtype

    def saved(self) -> tuple[Any, int]:
        """The tree of the state and how many arrays it has; they follow."""
        [saved] = self._block.saved()
        self._following = saved.arrays
        return saved.tree, len(saved.arrays)

    def following(self) -> Iterator[NDArray[Any]]:
        """The arrays, of any shape, that an answer is followed by."""
        arrays, self._following = self._following, []
        yield from arrays

    def buffers(self, shapes: Shapes) -> list[ColumnBuffer]:
        """Both, once the shapes of the columns are known."""
        self.line.send(shapes)
        slots: int = self.line.recv()
        whole = shapes.of_replications(self.experiment.scenario.run.replications)
        room = SharedRoom(self.columns, 2 * whole.numbers * slots)
        return [ColumnBuffer(whole, slots, room=room) for _ in range(2)]

    def write(self, tasks: TaskTable, buffer: int, place: int) -> int:
        """Put tasks into a buffer's file, with the numbers of replications that the run has; bytes."""
        rows = tasks.copy()
        rows["replication"] += self.replications.start
        left = bytes_of(rows)
        with _named():
            while left:
                written = os.pwrite(self.files[buffer], left, place)
                left, place = left[written:], place + written
        return rows.nbytes

    def told(self, error: Exception) -> Exception:
        """An error that can be sent."""
        if isinstance(error, RunError):
            return RunError(counted_from(self.replications.start, str(error)))
        where = "".join(traceback.format_exception(error))
        if type(error).__module__.partition(".")[0] not in (__name__.partition(".")[0], "builtins"):
            return RuntimeError(where)
        error.add_note(where)
        return error


def live(answers: Answers, inherited: Sequence["Connection[Any, Any]"]) -> None:
    """A process's life: answer after answer, until whoever asks is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    for line in inherited:
        line.close()
    end_with_parent()
    gc.freeze()  # what was there stays shared with the parent
    question = "begin"
    arguments: list[Any] = []
    with threadpool_limits(1), suppress(EOFError, OSError):
        while True:
            try:
                answer = getattr(answers, question)(*arguments)
            except Exception as error:  # noqa: BLE001 - it is raised again by whoever asks
                answer = answers.told(error)
            answers.line.send(answer)
            for array in answers.following():
                ordered = np.asarray(array, order="C")
                answers.line.send((ordered.dtype, ordered.shape))
                content = bytes_of(ordered)
                for begin in range(0, len(content), PIECE_BYTES):
                    answers.line.send_bytes(content[begin : begin + PIECE_BYTES])
            question, *arguments = answers.line.recv()


def bytes_of(array: NDArray[Any]) -> memoryview:
    """Of an array of any shape whose rows lie one after another."""
    return array.reshape(-1).view(np.uint8).data


@contextmanager
def _named() -> Iterator[None]:
    """What goes wrong with a file without a name says what the file is for."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, "memory that processes share") from None


def memory_file() -> int:
    """A file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("edgesim")
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def read_tasks(file: int, rows: int, dtype: "np.dtype[np.void] | None") -> TaskTable:
    """The first rows of tasks in a file."""
    table: TaskTable = np.empty(rows, TASK_ROW if dtype is None else dtype)
    left, place = bytes_of(table), 0
    while left:
        count = read_into(file, left, place)
        left, place = left[count:], place + count
    return table
