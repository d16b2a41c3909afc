"""Sweeps whose processes are killed: nothing is lost but what was under way, nothing is made twice."""

import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from sweeping import SMALL, assert_whole, kill_all, make, start, write

from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.sweeps.execute import execute_sweep, jobs, plan
from edgesim.experiments.sweeps.jobs import Job, JobOutcome
from edgesim.experiments.sweeps.status import sweep_status
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.sweeps.table import SweepTable
from edgesim.experiments.sweeps.workers import DaskPool, LocalPool, Submission

KILLS = Path(__file__).parent / "kill_sweep.py"


def wait_for_trace(folder: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Until so many traces are complete, or the command is through."""
    until = time.monotonic() + 120.0
    while len(list(folder.glob("traces/*.h5"))) < count and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep of most of these tests, made in peace."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = make(write(folder), folder / "out")
    assert (ended.complete, ended.failed) == (ended.total, 0)
    return folder / "out"


def test_killed_with_all_its_processes_in_the_middle(tmp_path: Path, undisturbed: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    process = start(path, "-o", "out", "--workers", "2")
    wait_for_trace(out, 1, process)
    time.sleep(0.02)  # not just when it is there
    kill_all(process)
    assert 1 <= len(list(out.glob("traces/*.h5"))) <= len(list(jobs(load_sweep(path), set())))
    make(path, out)
    assert_whole(path, out, undisturbed)


class Killing(LocalPool):
    """Kills a worker as soon as it was handed each of the first three jobs."""

    kills: ClassVar[list[int]] = []

    def submit(self, job: Submission) -> None:
        super().submit(job)
        if len(self.kills) < 3:
            worker = max(self._workers, key=lambda one: len(one.jobs))
            self.kills.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGKILL)


def test_a_worker_that_is_killed_loses_only_its_job_which_is_made_again(
    tmp_path: Path, undisturbed: Path
) -> None:
    path = write(tmp_path)
    ended = make(path, tmp_path / "out", Killing)
    assert (ended.complete, ended.failed) == (ended.total, 0)
    assert len(Killing.kills) == 3
    assert_whole(path, tmp_path / "out", undisturbed)


@pytest.mark.slow
def test_the_server_that_forks_the_workers_may_be_killed(tmp_path: Path, undisturbed: Path) -> None:
    """At the worst moment: while it forks one."""
    path, out = write(tmp_path), tmp_path / "out"
    sweep = load_sweep(path)
    plan(sweep, out)
    LocalPool(out, 1).close()
    server: int = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (server, signal.SIGKILL)).start()
    ended = execute_sweep(sweep, out, lambda: LocalPool(out, 1))
    assert (ended.complete, ended.failed) == (sweep.runs, 0)
    assert_whole(path, out, undisturbed)


class Deadly(LocalPool):
    """Kills the worker of one job, again and again."""

    victim = ""

    def submit(self, job: Submission) -> None:
        self.victim = self.victim or job.id
        super().submit(job)

    def next(self, timeout_s: float) -> JobOutcome | None:
        for worker in self._workers:
            if worker.jobs and worker.jobs[0].id == self.victim:
                os.kill(worker.process.pid, signal.SIGKILL)
        return super().next(timeout_s)


def test_a_job_that_kills_its_process_is_given_up_and_the_others_are_made(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, SMALL.replace("seeds = 4", "seeds = 1")))
    plan(sweep, tmp_path / "out")
    told: list[str] = []
    ended = execute_sweep(
        sweep, tmp_path / "out", lambda: Deadly(tmp_path / "out", 1), report=told.append
    )
    assert (ended.complete, ended.failed) == (sweep.runs - 1, 1)
    assert len(told) == 1 and "its process died (SIGKILL), 3 times" in told[0]


def test_two_at_one_sweep_share_its_runs(tmp_path: Path, undisturbed: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    with ThreadPoolExecutor(2) as both:
        ended = [both.submit(make, path, out, LocalPool, 1) for _ in range(2)]
    assert [one.result().complete for one in ended] == [ended[0].result().total] * 2
    assert_whole(path, out, undisturbed)


@pytest.mark.slow
def test_workers_end_with_the_command_that_started_them(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("run.slots = 20", "run.slots = 10000000"))
    process = start(path, "-o", "out", "--workers", "1")
    until = time.monotonic() + 60.0
    while not list(tmp_path.glob("out/traces/.*.lock")):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()  # alone: its processes are not told
    process.communicate()
    until = time.monotonic() + 30.0
    while subprocess.run(
        ["pgrep", "-s", str(process.pid)], capture_output=True, check=False
    ).stdout:
        assert time.monotonic() < until, "a worker outlived its sweep"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_loses_nothing(tmp_path: Path, undisturbed: Path) -> None:
    distributed = pytest.importorskip("distributed")
    path, out = write(tmp_path), tmp_path / "out"
    sweep = load_sweep(path)
    plan(sweep, out)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        killed: list[int] = []

        class Pool(DaskPool):
            def submit(self, job: Job) -> None:
                super().submit(job)
                if len(killed) < 1:
                    time.sleep(0.2)
                    worker = next(iter(cluster.workers.values()))
                    killed.append(worker.process.process.pid)
                    os.kill(killed[0], signal.SIGKILL)

        ended = execute_sweep(sweep, out, lambda: Pool(out, cluster.scheduler_address))
    assert killed and (ended.complete, ended.failed) == (sweep.runs, 0)
    assert_whole(path, out, undisturbed)


def test_jobs_do_not_change_when_seeds_are_added(tmp_path: Path, undisturbed: Path) -> None:
    path, out = write(tmp_path, SMALL.replace("seeds = 4", "seeds = 3")), tmp_path / "out"
    few = make(path, out)
    there = {entry.name: entry.stat().st_mtime_ns for entry in (out / "traces").iterdir()}
    write(tmp_path)
    more = load_sweep(path)
    plan(more, out)
    assert sweep_status(out).complete == few.total == 12
    with SweepTable(out) as table:
        missing = list(jobs(more, table.complete()))
    assert [job.first_seed for job in missing] == [4] * 4
    make(path, out)
    for name, mtime in there.items():
        assert (out / "traces" / name).stat().st_mtime_ns == mtime
    assert (
        open_sweep(out)
        .drop_vars(["trace", "replication"])
        .identical(open_sweep(undisturbed).drop_vars(["trace", "replication"]))
    )


@pytest.mark.slow
def test_fifty_kills() -> None:
    subprocess.run([sys.executable, KILLS, "50"], check=True, timeout=1800)
