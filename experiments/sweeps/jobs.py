"""A job of a sweep: seeds of one case in lock-step, in any process, and the trace that they leave.

A sweep survives a kill at any moment: a trace gets its name when it is complete, opened again and on the
disk; until then it is a hidden file that nobody counts. Who works on a job holds a lock, which ends with
its process.
"""

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...scenarios.code import Code
from ...scenarios.errors import ScenarioError
from ...scenarios.schema import Scenario
from ...simulator.core.errors import RunError
from ...simulator.core.outputs import OutputError
from ...traces.file_errors import error_number
from ...traces.locks import locked
from ...traces.printing import spoken
from ...traces.reader import TraceError
from ...traces.summary import WARMUP
from ...traces.trace_file import sync
from ...traces.writer import TraceWriter
from ..run import execute, prepare
from .table import TRACES, TraceFacts

_FATAL = {
    getattr(errno, name)
    for name in ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE"]
}
"""Errors of the system that stop all runs of a sweep alike."""


@dataclass(frozen=True)
class Job:
    """Runs that are made together: consecutive seeds of one case.

    Attributes:
        label: as a message calls it, but for the seeds.
        scenario: JSON, with first seed and number of replications.
        source: the scenario's file, for messages.
        folders: where data files are looked up.
        code: which classes it may name.
        run_ids: one for each seed.
        first_seed: the others follow.
    """

    label: str
    scenario: str
    source: str
    folders: tuple[Path, ...]
    code: Code
    run_ids: tuple[str, ...]
    first_seed: int

    @property
    def id(self) -> str:
        """The name of its trace."""
        return job_id(self.run_ids)

    @property
    def seeds(self) -> range:
        """One for each run."""
        return range(self.first_seed, self.first_seed + len(self.run_ids))

    def __str__(self) -> str:
        return f"{self.label}, seed{'s' * (len(self.seeds) > 1)} {spoken(self.seeds)}"


def job_id(run_ids: tuple[str, ...]) -> str:
    """The name of the trace that holds these runs."""
    return hashlib.sha256(" ".join(run_ids).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    Attributes:
        job: its id.
        end: "complete"; "failed": its policy, model or scenario; "locked": another process is at
            it; "interrupted": by a signal; "died": with its process; "fatal": the disk or the
            system, for all jobs alike.
        message: why, in one line.
        facts: about its trace, if it is complete.
        cpu_s: CPU time that it took.
    """

    job: str
    end: Literal["complete", "failed", "locked", "interrupted", "died", "fatal"]
    message: str = ""
    facts: TraceFacts | None = None
    cpu_s: float = field(default=0.0, compare=False)


def run_job(job: Job, folder: Path) -> JobOutcome:
    """Make the job's trace, unless it is there already.

    Args:
        job: what to run.
        folder: of the sweep.
    """
    started = time.process_time()
    part = folder / TRACES / f".{job.id}.part"
    try:
        with locked(part.with_suffix(".lock")) as mine:
            if not mine:
                return JobOutcome(job.id, "locked")
            facts = _facts(job, folder, part)
            if facts is None:
                return JobOutcome(job.id, "interrupted")
            return JobOutcome(job.id, "complete", "", facts, time.process_time() - started)
    except (ScenarioError, RunError, OutputError, TraceError) as error:
        return JobOutcome(job.id, "failed", str(error).replace("\n", "; "))
    except Exception as error:  # noqa: BLE001 - one run's bug must not end the sweep
        with suppress(OSError):
            part.unlink(missing_ok=True)
        number = error_number(error)
        if number in _FATAL:
            name = getattr(error, "filename", None) or folder
            return JobOutcome(job.id, "fatal", f"{name}: {os.strerror(number)}")
        return JobOutcome(job.id, "failed", f"{type(error).__name__}: {error}".replace("\n", "; "))


def _facts(job: Job, folder: Path, part: Path) -> TraceFacts | None:
    """About the job's trace, made if it is not there; None after an interrupt."""
    target = folder / TRACES / f"{job.id}.h5"
    scenario = Scenario.model_validate_json(job.scenario).located(job.source, job.folders, job.code)
    if target.is_file():
        with suppress(TraceError):
            return TraceFacts.read(target, scenario.to_toml())
    written: list[TraceWriter] = []
    if execute(prepare(scenario), part, on_end=written.append) != "complete":
        part.unlink()
        return None
    # It is opened again before anybody can find it. Then it has its name and all its bytes, or neither.
    writer = written[0]
    facts = TraceFacts.read(part, writer.run.scenario, writer.replication_values(WARMUP))
    sync(part)
    part.replace(target)
    sync(target.parent)
    return replace(facts, name=target.name)


def remove_stale_parts(folder: Path) -> None:
    """Remove what killed processes left in the folder of traces; what is in use is locked."""
    for path in folder.glob(".*.lock"):
        with locked(path, without=False) as mine:
            if mine:
                part = path.with_suffix(".part")
                for left in (part, part.with_name(f".{part.name}.new")):
                    left.unlink(missing_ok=True)
