"""Makes the runs of a sweep that are missing, also after a kill."""

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from ...scenarios.components import named_classes
from ...scenarios.errors import ScenarioError
from ...scenarios.loading import parse_scenario
from ...simulator.core.outputs import make_folder
from ...traces.reader import TraceError, open_trace
from ..errors import SweepStoppedError
from .jobs import Job, JobOutcome, job_id, remove_stale_parts
from .sweep_file import Digests, Sweep, json_with_run, place, points, run_id
from .table import TRACES, CaseRow, SweepTable, TraceFacts, digest
from .workers import Pool

ATTEMPTS = 3
"""Times that a job is tried whose process dies."""

COMMIT_S = 0.25
"""Time between two notes of results in the table. What a kill loses of them is found in the traces."""

WAIT_S = 0.5
"""Time after which jobs that another process has locked are tried again."""


@dataclass
class SweepProgress:
    """How far a sweep is.

    Attributes:
        total: runs that it asks for.
        complete: runs, those of earlier starts included.
        failed: runs.
        at_start: runs that were complete before this start.
    """

    total: int
    complete: int
    failed: int = 0
    at_start: int = field(init=False)

    def __post_init__(self) -> None:
        self.at_start = self.complete


WatchSweep = Callable[[SweepProgress], None]
ReportFailure = Callable[[str], None]


def plan(sweep: Sweep, folder: Path) -> None:
    """Note in the folder what the sweep asks for, and check the table against the disk.

    Traces that the table does not know are taken in, if they are what they should be; of those that
    are gone or damaged the results are dropped, such that they are made again.

    Args:
        sweep: what is asked for.
        folder: of the sweep; made if it is not there.

    Raises:
        OSError: it cannot be written.
    """
    make_folder(folder, TRACES)
    remove_stale_parts(folder / TRACES)
    with SweepTable(folder, create=True) as table:
        if table.metadata("plan") != (fingerprint := _fingerprint(sweep)):
            _write(sweep, table, fingerprint)
        _check(folder / TRACES, table)
        _take_in(sweep, folder / TRACES, table)


def jobs(sweep: Sweep, complete: set[str]) -> Iterator[Job]:
    """The jobs that are missing: of each case the seeds that run together, less the complete ones.

    Args:
        sweep: what is asked for.
        complete: ids of the complete runs.
    """
    folders = tuple(path.resolve() for path in sweep.folders)
    here = tuple(path.resolve() for path in sweep.code.beside)
    code = replace(sweep.code, beside=here)
    axes = list(points(sweep.axes))
    for case in sweep.cases:
        for first, count in sweep.blocks:
            ids = [case.run_id(seed) for seed in range(first, first + count)]
            for is_complete, group in groupby(enumerate(ids), lambda item: item[1] in complete):
                if is_complete:
                    continue
                places, run_ids = zip(*group, strict=True)
                seed = first + places[0]
                yield Job(
                    label=place(axes[case.point], case.policy),
                    scenario=json_with_run(case.scenario, seed=seed, replications=len(run_ids)),
                    source=sweep.source,
                    folders=folders,
                    code=code,
                    run_ids=run_ids,
                    first_seed=seed,
                )


def execute_sweep(
    sweep: Sweep,
    folder: Path,
    make_pool: Callable[[], Pool],
    *,
    fail_fast: bool = False,
    watch: WatchSweep = lambda progress: None,
    report: ReportFailure = lambda failure: None,
) -> SweepProgress:
    """Make the runs that are missing. Kill it at any moment, and start it again.

    Args:
        sweep: what is asked for; `plan` has noted it in the folder.
        folder: of the sweep.
        make_pool: for what makes the runs; called if any is missing.
        fail_fast: stop at the first run that fails.
        watch: is handed the progress, several times a second.
        report: is handed each failure, in words, as it happens.

    Raises:
        SweepStoppedError: all runs fail alike, as on a full disk.
        KeyboardInterrupt: what is complete is noted.
        OSError: the table cannot be written.
    """
    with SweepTable(folder, create=True) as table:
        complete = table.complete()
        missing = deque(jobs(sweep, complete))
        here = sweep.runs - sum(len(job.run_ids) for job in missing)
        execution = _Execution(table, missing, SweepProgress(sweep.runs, here), fail_fast, report)
        watch(execution.progress)
        if missing:
            pool = make_pool()
            try:
                execution.run(pool, watch)
            finally:
                pool.close()
                execution.commit()
            watch(execution.progress)
        return execution.progress


@dataclass
class _Execution:
    """The jobs that are missing, under way and done."""

    table: SweepTable
    missing: deque[Job]
    progress: SweepProgress
    fail_fast: bool
    report: ReportFailure
    _under_way: dict[str, Job] = field(default_factory=dict)
    _locked: list[Job] = field(default_factory=list)
    _deaths: Counter[str] = field(default_factory=Counter)
    _complete: list[tuple[tuple[str, ...], TraceFacts, float]] = field(default_factory=list)
    _failed: list[tuple[str, str]] = field(default_factory=list)
    _stopping: bool = False

    def run(self, pool: Pool, watch: WatchSweep) -> None:
        """To the end."""
        committed = looked = time.monotonic()
        while not self._stopping and (self.missing or self._under_way or self._locked):
            self._fill(pool)
            outcome = pool.next(COMMIT_S if self._under_way else WAIT_S)
            if outcome is not None:
                self._take(outcome)
            now = time.monotonic()
            if now - committed >= COMMIT_S:
                self._fill(pool)
                self.commit()
                watch(self.progress)
                committed = now
            if self._locked and now - looked >= WAIT_S:
                self.missing += self._locked
                self._locked.clear()
                looked = now

    def commit(self) -> None:
        """Note in the table what came in."""
        if self._complete or self._failed:
            self.table.record(self._complete, self._failed)
            self._complete.clear()
            self._failed.clear()

    def _fill(self, pool: Pool) -> None:
        room = pool.capacity - len(self._under_way) if self.missing else 0
        while self.missing and room > 0:
            job = self.missing.popleft()
            if self.table.done(job.run_ids):  # by another process, meanwhile
                self.progress.complete += len(job.run_ids)
                continue
            self._under_way[job.id] = job
            pool.submit(job)
            room -= 1

    def _take(self, outcome: JobOutcome) -> None:
        job = self._under_way.pop(outcome.job)
        match outcome.end:
            case "complete":
                assert outcome.facts is not None
                self._complete.append((job.run_ids, outcome.facts, outcome.cpu_s))
                self.progress.complete += len(job.run_ids)
            case "locked":
                self._locked.append(job)
            case "interrupted":
                raise KeyboardInterrupt
            case "fatal":
                raise SweepStoppedError(outcome.message)
            case "died":
                self._deaths[job.id] += 1
                if self._deaths[job.id] < ATTEMPTS:
                    self.missing.appendleft(job)
                else:
                    self._fail(job, f"{outcome.message}, {ATTEMPTS} times")
            case "failed":
                self._fail(job, outcome.message)

    def _fail(self, job: Job, message: str) -> None:
        """A run failed. Of several in lock-step, find out which."""
        if len(job.run_ids) > 1 and not self.fail_fast:
            self.missing.extendleft(reversed(_apart(job)))
            return
        self.report(f"{job}: {message}")
        self.progress.failed += len(job.run_ids)
        self._failed += [(run_id, message) for run_id in job.run_ids]
        self._stopping = self.fail_fast


def _apart(job: Job) -> list[Job]:
    """The runs of a job, each by itself."""
    return [
        replace(
            job,
            scenario=json_with_run(job.scenario, seed=seed, replications=1),
            run_ids=(run,),
            first_seed=seed,
        )
        for seed, run in zip(job.seeds, job.run_ids, strict=True)
    ]


def _fingerprint(sweep: Sweep) -> str:
    """Of all that `_write` writes."""
    about = [sweep.title, repr(sweep.axes), repr(sweep.seeds)]
    about += [f"{case.policy} {case.digest}" for case in sweep.cases]
    return sha256("\n".join(about).encode()).hexdigest()


def _write(sweep: Sweep, table: SweepTable, fingerprint: str) -> None:
    keys = list(points(sweep.axes))
    axes = [
        {"keys": axis.keys, "where": axis.where, "places": len(axis.settings)}
        for axis in sweep.axes
    ]
    table.plan(
        {
            "title": sweep.title,
            "axes": json.dumps(axes),
            "policies": json.dumps(sweep.policies),
            "seeds": json.dumps(sweep.seeds),
            "file": sweep.text,
            "plan": fingerprint,
        },
        [CaseRow(case.point, case.policy, keys[case.point], case.scenario) for case in sweep.cases],
        (
            (case.run_id(seed), number, seed)
            for number, case in enumerate(sweep.cases)
            for seed in sweep.seeds
        ),
    )


def _check(folder: Path, table: SweepTable) -> None:
    """Drop the results of traces that are gone, or not the bytes that they were."""
    there = {entry.name: entry for entry in os.scandir(folder)}
    lost = []
    for name, (size, mtime_ns, known) in table.traces().items():
        if name not in there or (state := there[name].stat()).st_size != size:
            lost.append(name)
        elif state.st_mtime_ns != mtime_ns:
            if digest(folder / name) == known:
                table.note_time(name, state.st_mtime_ns)
            else:
                lost.append(name)
    if lost:
        table.forget(lost)
        for name in lost:
            (folder / name).unlink(missing_ok=True)


def _take_in(sweep: Sweep, folder: Path, table: SweepTable) -> None:
    """Take in traces that the table does not know: made before a kill, or before it was lost."""
    known = table.traces()
    digests = Digests()
    asked = sweep.classes
    found = []
    for path in sorted(folder.glob("*.h5")):
        if path.name in known:
            continue
        with suppress(TraceError, ScenarioError):
            with open_trace(path) as trace:
                text = trace.scenario
            scenario = parse_scenario(text, str(path), code=sweep.code)
            scenario = scenario.located(str(path), sweep.folders, sweep.code)
            if not asked.issuperset(named_classes(scenario).items()):
                continue  # it is of no run that is asked for, and its classes are nobody's
            run = scenario.run
            of = digests.of(scenario, scenario.model_dump_json(exclude_none=True))
            run_ids = tuple(run_id(of, run.seed + r) for r in range(run.replications))
            if path.stem == job_id(run_ids):
                found.append((run_ids, TraceFacts.read(path, text), 0.0))
    if found:
        table.record(found)
