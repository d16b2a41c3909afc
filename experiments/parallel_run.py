"""A run in several processes: each simulates a block of consecutive replications, this one writes the trace.

A replication does not depend on those beside it, so a block is, bit for bit, what it is in the whole run.
The processes are forks of this one: all that was read, made and compiled is there, also a class of a notebook.
They fill their rows of columns that all share; there are two such buffers, of which one is filled while the other
is written. Who simulates waits only where the trace is written more slowly.
"""

import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.columns import Shapes
from ..simulator.core.errors import RunError
from ..simulator.core.memory import cores
from ..simulator.core.recorder import NullRecorder, SlotColumns, TaskTable
from ..simulator.core.saved_state import Saved, StateError
from ..traces.column_buffer import ColumnBuffer
from ..traces.writer import TraceWriter
from .block_process import (
    Answers,
    Report,
    Segment,
    SharedRoom,
    bytes_of,
    live,
    memory_file,
    read_tasks,
)
from .errors import ArgumentError
from .replication_block import Block, Experiment

SEGMENT_S = 0.25
"""About how long the processes simulate between two reports, unless a slot takes longer."""

PAYS_S = 2.0
"""CPU time of a run, by the first slots of few replications, from which several processes are started unasked."""

NUMBER_S = 4e-8
"""Where a decision takes less than this for each number of its slot, processes wait for the one that writes what
all decide: two did no more than one alone (`local`), where it takes twice as long half as much again (`lyapunov`)."""

LOOK_SLOTS, LOOK_S = 12, 0.2
"""So many slots are looked at, or for so long: queues are empty in the first, and decisions easy."""

PARTS = 8
"""Of what the trace writes at a time, one fits into a buffer: it stays in the processor's cache."""

TOGETHER = 4
"""Replications that each of them has at least: fewer in lock-step cost up to three times as much."""

MOST = 6
"""Of them: more would simulate faster than the trace is written."""


@dataclass
class _Process:
    """A process, its line and its block, as this process sees them.

    Attributes:
        replications: of the run.
        line: for questions and answers.
        files: for the tasks of each buffer's slots.
        process: itself.
        reports: on the segments that are not yet in the trace.
        busy: it simulates one.
    """

    replications: range
    line: "Connection[Any, Any]"
    files: tuple[int, int]
    process: Any = None
    reports: deque[Report] = field(default_factory=deque)
    busy: bool = False

    def ask(self, question: str, *arguments: Any) -> None:
        """Have a method of `Answers` called.

        Raises:
            RunError: the process has ended.
        """
        try:
            self.line.send((question, *arguments))
        except OSError:
            raise self._ended() from None

    def answer(self) -> Any:
        """What that returned.

        Raises:
            RunError: the process has ended; and whatever was raised there.
        """
        try:
            answer = self.line.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self) -> RunError:
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        what = "; there may be too little memory" * (code == -signal.SIGKILL)
        first, last = self.replications[0], self.replications[-1]
        return RunError(f"the process of replications {first} to {last} {how}{what}")


class Blocks:
    """An experiment in several processes, as `Block` in this one.

    Args:
        experiment: used up by this.
        count: blocks, each with a process of its own.
        at_once: how many of them may work at the same time.
        file: of the run's checkpoint; None if it is not saved.
        saved: the states of the blocks, from which they go on, if they do; its arrays are gone after this.

    Raises:
        RunError: the policy's `reset` failed.
        CheckpointError: the policy has a state that cannot be saved.
        OSError: a process cannot be started.
    """

    def __init__(
        self,
        experiment: Experiment,
        count: int,
        at_once: int,
        file: Path | None = None,
        saved: Sequence[Saved] = (),
    ) -> None:
        self.experiment = experiment
        self.slots = experiment.scenario.run.slots
        self.slot = 0
        self._at_once = at_once
        self._stopping = False
        self._length = 1
        self._columns = memory_file()
        self._shapes: Shapes | None = None
        self._buffers: list[ColumnBuffer] = []
        self._segments: deque[Segment] = deque()
        self._planned = 0
        self._processes: list[_Process] = []
        try:
            for number in range(count):
                self._fork(number, count, file, saved)
            for one in saved:
                one.arrays.clear()
            for process in self._processes:
                process.answer()
        except BaseException:
            self.close()
            raise

    def _fork(self, number: int, count: int, file: Path | None, saved: Sequence[Saved]) -> None:
        replications = self.experiment.scenario.run.replications
        here = range(number * replications // count, (number + 1) * replications // count)
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = _Process(here, ours, (memory_file(), memory_file()))
        self._processes.append(process)
        inherited = [one.line for one in self._processes]
        answers = Answers(
            self.experiment, here, theirs, process.files, self._columns, file, saved, number
        )
        process.process = context.Process(target=live, args=(answers, inherited), daemon=True)
        # A terminal sends SIGINT to all, a cluster SIGTERM: this process alone decides upon them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        try:
            with warnings.catch_warnings():
                # Of threads, which a fork does not have; none of the program's holds a lock now.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    @property
    def running(self) -> "Blocks":
        """Who follows the run is handed this."""
        return self

    def notes(self) -> Sequence[str]:
        """As of a `Simulation`."""
        return self.experiment.blueprint.notes()

    def start(self, writer: TraceWriter) -> None:
        """As `Block.start`."""
        self._writer = writer
        slots = self._ask_all("start")
        if len(set(slots)) > 1:
            raise StateError("the blocks of replications are not at the same slot")
        self.slot = self._planned = slots[0]

    def run(self, until: int) -> bool:
        """As `Simulation.run`; after `stop` the slots are run that somebody has begun."""
        until = min(until, self.slots)
        self._recorded_s = time.monotonic()
        while self._segments or (self._planned < until and not self._stopping):
            while len(self._segments) < 2 and self._planned < until and not self._stopping:
                self._plan(until)
            self._hand_out()
            self._take_reports()
            while self._segments and all(one.reports for one in self._processes):
                # Those who have reported go on while the trace is written.
                self._hand_out()
                self._record(self._segments[0])
        return self.slot >= until

    def stop(self) -> None:
        """End the run soon; safe in a signal handler."""
        self._stopping = True

    def unfinished(self) -> Iterator[TaskTable]:
        """As `World.unfinished`: what ended lately comes first, of all."""
        for process in self._processes:
            yield from self._left(process)
        for process in self._processes:
            while tables := self._left(process):
                yield from tables

    def _left(self, process: _Process) -> list[TaskTable]:
        process.ask("more_unfinished")
        found = process.answer()
        return [] if found is None else [read_tasks(process.files[0], *found)]

    def look_at_state(self) -> None:
        """As `Block.look_at_state`."""
        self._ask_all("look_at_state")

    def saved(self) -> list[Saved]:
        """As `Block.saved`; the arrays come when numpy asks for them, and have to be asked for in order."""
        return [
            Saved(tree, [cast("NDArray[Any]", _Coming(process)) for _ in range(arrays)])
            for process, (tree, arrays) in zip(self._processes, self._ask_all("saved"), strict=True)
        ]

    def close(self) -> None:
        """End the processes."""
        for one in self._processes:
            if one.process.pid is not None:
                one.process.kill()
        for one in self._processes:
            if one.process.pid is not None:
                one.process.join()
            one.line.close()
            for file in one.files:
                os.close(file)
        os.close(self._columns)
        self._processes.clear()

    def _ask_all(self, question: str) -> list[Any]:
        for one in self._processes:
            one.ask(question)
        return [one.answer() for one in self._processes]

    def _plan(self, until: int) -> None:
        """The next segment."""
        end = min(self._planned + self._length, until)
        buffer = 1 - self._segments[-1].buffer if self._segments else 0
        self._segments.append(Segment(self._planned, end, buffer))
        self._planned = end

    def _hand_out(self) -> None:
        """Have blocks simulate what is planned, those first that are behind."""
        room = self._at_once - sum(one.busy for one in self._processes)
        idle = [one for one in self._processes if not one.busy and self._next(one) is not None]
        for one in sorted(idle, key=lambda process: len(process.reports))[:room]:
            one.ask("simulate", self._next(one))
            one.busy = True

    def _next(self, process: _Process) -> Segment | None:
        place = len(process.reports)
        if place and process.reports[-1].failure:
            return None
        return self._segments[place] if place < len(self._segments) else None

    def _take_reports(self) -> None:
        """What has come in; something does."""
        busy = {one.line: one for one in self._processes if one.busy}
        for line in wait(list(busy)):
            process = busy[line]  # type: ignore[index]
            answer = process.answer()
            if isinstance(answer, Shapes):
                process.line.send(self._room(answer))
            else:
                process.busy = False
                process.reports.append(answer)

    def _room(self, shapes: Shapes) -> int:
        """Slots that a buffer holds, for a block that has its first columns."""
        if self._shapes is None:
            self._shapes = shapes
            whole = shapes.of_replications(self.experiment.scenario.run.replications)
            self._writer.begin(self._segments[0].first, whole)
            self._slots_at_once = max(self._writer.capacity // PARTS, 1)
            room = SharedRoom(self._columns, 2 * whole.numbers * self._slots_at_once)
            self._buffers = [
                self._writer.buffer(whole, self._slots_at_once, room) for _ in range(2)
            ]
        elif shapes.by_name().keys() != self._shapes.by_name().keys():
            raise RunError(
                "replications have different columns: the policy gives diagnostics for some of them only"
            )
        return self._slots_at_once

    def _adapt(self, slots: int) -> None:
        """Make segments as long as wanted, after one of so many slots."""
        before, self._recorded_s = self._recorded_s, time.monotonic()
        if slots == self._length:
            grow = min(SEGMENT_S / max(self._recorded_s - before, 1e-3), 4.0)
            self._length = min(max(int(slots * grow), 1), self._slots_at_once)

    def _record(self, segment: Segment) -> None:
        """Hand a segment to the trace.

        Raises:
            Exception: what ended a block, after the slots up to there.
        """
        reports = [one.reports.popleft() for one in self._processes]
        count = min(len(report.tasks) for report in reports)
        tables = [
            _cut(
                read_tasks(one.files[segment.buffer], sum(report.tasks), report.dtype), report.tasks
            )
            for one, report in zip(self._processes, reports, strict=True)
        ]
        tasks = list(zip(*tables, strict=False))[:count]
        decisions = np.sum([report.decisions_s[:count] for report in reports], axis=0)
        if count:
            self._writer.slots_of(self._buffers[segment.buffer], tasks, decisions.tolist())
        self.slot = segment.first + count
        self._segments.popleft()
        self._adapt(count)
        if self.slot < segment.end:
            raise next(
                report.failure
                for report in reports
                if len(report.tasks) == count and report.failure is not None
            )


def workers_for(experiment: Experiment, asked: int | None = None) -> int:
    """How many processes simulate a run.

    Args:
        experiment: the run.
        asked: by the user; by default as many as pay.

    Raises:
        ArgumentError: there cannot be several, or less than one.
    """
    run = experiment.scenario.run
    alone = multiprocessing.current_process().daemon  # who must not have processes of its own
    if asked is not None:
        if asked < 1:
            raise ArgumentError(f"`workers={asked}`: allowed: 1 or more")
        if min(asked, run.replications) > 1 and (alone or not hasattr(os, "fork")):
            where = "in a process of a pool" if alone else "on this system"
            raise ArgumentError(f"`workers={asked}`: a run {where} is one process")
        if min(asked, run.replications) > 1 and experiment.is_our_own:
            _first_slots(experiment, 1)
        return min(asked, run.replications)
    most = min(cores(), run.replications // TOGETHER, MOST)
    if most < 2 or alone or sys.platform != "linux" or not experiment.is_our_own:
        return 1
    import resource  # which not all systems have

    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return 1  # a limit for files holds for the memory that processes share, too
    first = _first_slots(experiment, TOGETHER)
    run_s = run.slots * run.replications / TOGETHER * first.slot_s
    if run_s < PAYS_S or first.decision_s < NUMBER_S * first.numbers:
        return 1
    return most


def begun(
    experiment: Experiment,
    count: int,
    at_once: int,
    file: Path | None = None,
    saved: Sequence[Saved] = (),
) -> Block | Blocks:
    """An experiment in one process or several; arguments and errors as for `Blocks`, of which there may be one."""
    count = min(count, experiment.scenario.run.replications)
    if count == 1:
        return Block(experiment, file, *saved)
    return Blocks(experiment, count, at_once, file, saved)


class _Coming:
    """An array that a process is about to send."""

    def __init__(self, process: _Process) -> None:
        self._process = process

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        kind, shape = self._process.answer()
        array = np.empty(shape, kind)
        left = bytes_of(array)
        while left:
            left = left[self._process.line.recv_bytes_into(left) :]
        return array


class _FirstSlots(NullRecorder):
    """What the first slots take; nothing where they fail.

    Attributes:
        slot_s: CPU time of a slot, without what writes it.
        numbers: of a slot.
    """

    def __init__(self) -> None:
        self.slot_s, self.numbers = 0.0, 0
        self._decisions_s: list[float] = []

    @property
    def decision_s(self) -> float:
        """Time of a decision."""
        return float(np.median(self._decisions_s[-LOOK_SLOTS // 2 :]))

    def slot(self, slot: int, columns: SlotColumns) -> None:
        """How many numbers it has."""
        self.numbers = Shapes.of(columns).numbers

    def decision_time(self, seconds: float) -> None:
        """One more."""
        self._decisions_s.append(seconds)


def _first_slots(experiment: Experiment, count: int) -> _FirstSlots:
    """What the first slots of some replications take.

    Compiled code, which takes half a second to load, is there afterwards, for forks too.
    """
    first = _FirstSlots()
    with suppress(Exception):  # the run itself will tell
        block = Block(deepcopy(experiment).of_replications(0, count))
        block.start(first)
        block.run(2)
        begin = time.process_time()
        for slot in range(2, LOOK_SLOTS):
            if time.process_time() - begin < LOOK_S and block.run(slot + 1):
                first.slot_s = (time.process_time() - begin) / (slot - 1)
    return first


def _cut(table: TaskTable, counts: Sequence[int]) -> list[TaskTable]:
    """Into tables of so many rows."""
    ends = np.cumsum(counts, dtype=int).tolist()
    return [table[end - count : end] for count, end in zip(counts, ends, strict=True)]
