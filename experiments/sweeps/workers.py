"""Where the jobs of a sweep are run: processes of this machine, or workers of dask.distributed."""

import os
import queue
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from ...scenarios.errors import Issue, ScenarioError
from ...simulator.core.forked_processes import started
from ...simulator.core.signals import end_with_parent
from .jobs import Job, JobOutcome, run_job

AHEAD = 2
"""Jobs handed to each worker: the one it runs, and one that it finds when it is done."""


class Submission(Protocol):
    """What a process is handed: a job, or anything else with an id that can be pickled."""

    @property
    def id(self) -> str:
        """Its outcome's `job`."""


class Pool(Protocol):
    """Runs jobs in other processes. The caller hands over no more than `capacity` at a time."""

    @property
    def capacity(self) -> int:
        """How many jobs it takes."""

    def submit(self, job: Job) -> None:
        """Hand over a job."""

    def next(self, timeout_s: float) -> JobOutcome | None:
        """How the next job ended; None if none did in this time."""

    def close(self) -> None:
        """End all at once, also what is running."""


@dataclass
class _Worker:
    """A process, the line to it, and the jobs that it was handed."""

    process: Any
    line: "Connection[Any, Any]"
    jobs: deque[Submission] = field(default_factory=deque)


class LocalPool:
    """Processes of this machine, of one thread each, which stay for all the jobs.

    A pool of concurrent.futures breaks as a whole when one of its processes is killed; here only the
    job that the process was at is lost.

    Args:
        folder: of the sweep.
        workers: how many processes.
        run: what they do with a job; a function of a module.
        parents: jobs start processes of their own, as asynchronous agents do.
        imports: modules that all of them need, beside that of `run`.
    """

    def __init__(
        self,
        folder: Path,
        workers: int,
        run: Callable[[Any, Path], JobOutcome] = run_job,
        parents: bool = False,
        imports: Sequence[str] = (),
    ) -> None:
        self._folder = folder.resolve()
        self._run = run
        self._parents = parents
        self._imports = (run.__module__, *imports)
        self._workers = [self._start() for _ in range(workers)]

    @property
    def capacity(self) -> int:
        """How many jobs it takes."""
        return AHEAD * len(self._workers)

    def submit(self, job: Submission) -> None:
        """Hand over a job."""
        worker = min(self._workers, key=lambda one: len(one.jobs))
        worker.jobs.append(job)
        with suppress(OSError):  # it has died: `next` will find its jobs
            worker.line.send(job)

    def next(self, timeout_s: float) -> JobOutcome | None:
        """How the next job ended; None if none did in this time."""
        for ready in wait([worker.line for worker in self._workers], timeout_s):
            worker = next(one for one in self._workers if one.line is ready)
            try:
                outcome: JobOutcome = worker.line.recv()
            except (EOFError, OSError):
                return self._replace_dead_worker(worker)
            worker.jobs.popleft()
            return outcome
        return None

    def close(self) -> None:
        """End all at once, also what is running."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.line.close()

    def _start(self) -> _Worker:
        """A new worker.

        Raises:
            OSError: no process can be started.
        """
        arguments = (self._run, self._folder, str(Path.cwd()))
        # Python lets a daemon have no processes.
        return _Worker(*started(_work, arguments, self._imports, daemon=not self._parents))

    def _replace_dead_worker(self, worker: _Worker) -> JobOutcome | None:
        """Replace a worker that died; what it had not begun goes to the others."""
        worker.process.join()
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        worker.line.close()
        self._workers[self._workers.index(worker)] = self._start()
        begun, *others = worker.jobs or [None]
        for job in others:
            if job is not None:
                self.submit(job)
        if begun is None:
            return None
        return JobOutcome(begun.id, "died", f"its process died ({how})")


def _work(
    line: "Connection[Any, Any]",
    run: Callable[[Any, Path], JobOutcome],
    folder: Path,
    directory: str,
) -> None:
    """A worker's life: job after job, until the other end of the line is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    end_with_parent()
    os.chdir(directory)
    with suppress(EOFError, OSError):
        while True:
            line.send(run(line.recv(), folder))


class DaskPool:
    """Workers of a dask.distributed cluster, which see the sweep's folder under the same path.

    Args:
        folder: of the sweep.
        address: of the scheduler.

    Raises:
        ScenarioError: dask.distributed is not installed.
        OSError: nobody answers at the address.
    """

    def __init__(self, folder: Path, address: str) -> None:
        try:
            import distributed
        except ImportError:
            what = "needs dask.distributed"
            allowed = "pip install 'edgesim[cluster]'"
            raise ScenarioError([Issue("--scheduler", what, allowed=allowed)]) from None
        try:
            # Its methods are not typed.
            self._client: Any = distributed.Client(address, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError, ValueError) as error:
            what = str(error).partition("\n")[0] or "no answer within 10 s"
            raise OSError(None, f"no scheduler there: {what}", address) from None
        self._folder = folder.resolve()
        self._ended: queue.SimpleQueue[tuple[Job, Any]] = queue.SimpleQueue()
        self._submitted = 0

    @property
    def capacity(self) -> int:
        """How many jobs it takes: by the present workers."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        threads: int = sum(worker["nthreads"] for worker in workers)
        return AHEAD * max(threads, 1)

    def submit(self, job: Job) -> None:
        """Hand over a job."""
        self._submitted += 1
        key = f"edgesim-{job.id}-{self._submitted}"
        future = self._client.submit(run_job, job, self._folder, key=key, pure=False)
        future.add_done_callback(lambda ended: self._ended.put((job, ended)))

    def next(self, timeout_s: float) -> JobOutcome | None:
        """How the next job ended; None if none did in this time."""
        try:
            job, future = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if future.cancelled():
            return JobOutcome(job.id, "died", "the scheduler lost it")
        error = future.exception()
        if error is None:
            outcome: JobOutcome = future.result()
            return outcome
        # dask has tried it again by itself, on other workers, before it gives up.
        return JobOutcome(job.id, "failed", f"{type(error).__name__}: {error}".partition("\n")[0])

    def close(self) -> None:
        """End all at once; the cluster stays."""
        self._client.close()
