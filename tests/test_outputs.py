"""Runs side by side, and runs that go on: each output has one writer, and goes on from its own only."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner, Result
from conftest import SMALL
from continuing import assert_same, stop_at
from forked import Forked, doing, run
from sweeping import SMALL as SWEEP
from sweeping import make, write

import edgesim
from edgesim.cli import main
from edgesim.experiments.checkpoint import checkpoint_path
from edgesim.experiments.errors import ArgumentError, CheckpointError
from edgesim.experiments.outputs import alone, reserve
from edgesim.simulator.core.outputs import OutputError
from edgesim.traces.locks import lock_of, locked

HELD = """
import sys, time
from pathlib import Path
from edgesim.experiments.outputs import alone
with alone(Path(sys.argv[1]), reserved=False):
    print("mine", flush=True)
    time.sleep(600)
"""

OWN = """
from dataclasses import replace
from edgesim import Decision

class Own:
    def reset(self, network, problem, rngs):
        self.network = network

    def decide(self, observation):
        idle = Decision.idle(self.network)
        return replace(idle, local_cpu_hz=idle.local_cpu_hz + self.network.device_cpu_hz)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process is at work on an output, and is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "mine\n"
        try:
            yield
        finally:
            process.kill()


def test_names_are_given_once() -> None:
    """Those of runs that were started at once, of which none has written anything yet."""
    files = [reserve("small-local-seed1", ".h5") for _ in range(3)]
    assert [path.name for path in files] == [
        "small-local-seed1.h5", "small-local-seed1-2.h5", "small-local-seed1-3.h5"
    ]  # fmt: skip
    assert [reserve("compare-small").name for _ in range(2)] == ["compare-small", "compare-small-2"]
    with alone(files[0], reserved=True):
        files[0].write_text("something")
    for path in files[1:]:
        with pytest.raises(ZeroDivisionError), alone(path, reserved=True):
            raise ZeroDivisionError
    assert [path.exists() for path in files] == [True, False, False]


def test_a_job_array_in_one_folder() -> None:
    """Two processes, one folder, no -o: each has a trace, and prints its own numbers."""
    jobs = [Forked(["run", "small.toml", "--json", "--seed", "1"]) for _ in range(2)]
    told = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0]
    names = sorted(path.name for path in Path("runs").iterdir())
    assert names == ["small-lyapunov-seed1-2.h5", "small-lyapunov-seed1.h5"]
    assert sorted(name for name in names for text in told if f'"runs/{name}"' in text) == names


def test_a_second_start_on_one_output_is_refused() -> None:
    edgesim.run("small.toml", "t.h5", slots=20, checkpoint_every=5)
    before = Path("t.h5").read_bytes()
    with held(Path("t.h5")):
        for more in (["--overwrite"], ["--resume", "--checkpoint-every", "5"]):
            result = CliRunner().invoke(main, ["run", "small.toml", "-o", "t.h5", *more])
            assert result.exit_code == 2, result.output
            assert "t.h5: another run is at work on it; nothing was changed" in result.stderr
        with pytest.raises(ArgumentError, match="another run"):
            edgesim.run("small.toml", Path.cwd() / "." / "t.h5")
        assert Path("t.h5").read_bytes() == before
        assert edgesim.run("small.toml", "other.h5", slots=5).status == "complete"
    assert edgesim.run("small.toml", "t.h5", slots=5).status == "complete"
    assert not lock_of(Path("t.h5")).exists()


def test_so_are_those_on_one_folder() -> None:
    with held(Path("out")):
        with pytest.raises(ArgumentError, match="out: another run is at work"):
            edgesim.compare("small.toml", "local,random", "out", seeds=2, slots=5)
        with pytest.raises(ArgumentError, match="out: another run is at work"):
            edgesim.train("small.toml", "out", policy="ddpg")


def test_two_starts_of_the_restartable_command(tmp_path: Path) -> None:
    """The second is refused while the first runs, and takes nothing away from it."""
    whole = tmp_path / "whole.h5"
    edgesim.run("small.toml", whole, slots=150)
    command = ["run", "small.toml", "--slots", "150"]
    command += ["-o", "t.h5", "--checkpoint-every", "5", "--resume"]
    first = Forked(command)
    saved = checkpoint_path(Path("t.h5"))
    while not saved.exists() and first.poll() is None:
        time.sleep(0.01)
    second = run(*command)
    if first.poll() is None:  # else it was too quick for the second to meet it
        assert second.returncode == 2 and "another run is at work" in second.stderr
    first.communicate()
    assert first.returncode == 0
    third = run(*command)
    assert third.returncode == 0 and "is complete" in third.stderr
    assert_same(Path("t.h5"), whole)


@pytest.fixture(params=["flock", "none"])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file system without `flock`, as a user meets it; and one without POSIX locks, too."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    if request.param == "none":
        monkeypatch.setattr(fcntl, "lockf", refuse)
    yield request.param


def test_without_flock(no_locks: str, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert edgesim.run("small.toml", "t.h5", slots=5).status == "complete"
        ended = make(write(tmp_path, SWEEP.replace("seeds = 4", "seeds = 2")), tmp_path / "out")
    assert ended.complete == ended.total
    said = {str(warning.message) for warning in told}
    if no_locks == "none":
        untold = "there are no locks here (Function not implemented)"
        assert {f"{folder}: {untold}" for folder in (tmp_path, tmp_path / "out" / "traces")} <= {
            one.partition(": nothing")[0] for one in said
        }
    else:
        assert not said


def test_what_another_sweep_does_is_left_alone_without_locks(no_locks: str, tmp_path: Path) -> None:
    (tmp_path / ".a.lock").touch()
    with locked(tmp_path / ".a.lock", without=False) as mine:
        assert mine == (no_locks == "flock")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run of a policy of one's own, interrupted after its checkpoint: in a folder, to be copied."""
    folder = tmp_path / "stopped"
    folder.mkdir()
    (folder / "small.toml").write_text(SMALL)
    (folder / "own.py").write_text(OWN)
    (folder / "run.toml").write_text(
        SMALL.replace("[devices]", '[policy]\nname = "own:Own"\n[devices]')
    )
    return folder


def go_on(scenario: str = "run.toml") -> Result:
    """As in a process of its own, where modules are imported anew."""
    for name in [name for name in sys.modules if name.endswith(("_own", "shared"))]:
        del sys.modules[name]
    command = ["run", scenario, "--slots", "50", "--seed", "1"]
    return CliRunner().invoke(
        main, [*command, "-o", "t.h5", "--checkpoint-every", "10", "--resume"]
    )


def stop_in_between(scenario: str, trace: str, seed: int = 1) -> None:
    edgesim.run(
        scenario, trace, slots=50, seed=seed, checkpoint_every=10, on_start=stop_at(25)
    ).close()


def test_a_run_goes_on_from_its_own_only(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(stopped)
    stop_in_between("run.toml", "t.h5")
    stop_in_between("run.toml", "seed2.h5", seed=2)
    good, saved = Path("t.h5").read_bytes(), checkpoint_path(Path("t.h5")).read_bytes()

    def refused(part: str) -> None:
        before = Path("t.h5").read_bytes()
        told = go_on()
        assert told.exit_code == 2 and part in told.stderr, told.stderr
        assert Path("t.h5").read_bytes() == before, "what cannot be gone on with is left as it was"
        assert checkpoint_path(Path("t.h5")).read_bytes() == saved
        Path("t.h5").write_bytes(good)

    Path("own.py").write_text(OWN + "\n# edited\n")
    refused(
        "t.h5: own.py changed since this run was begun; --overwrite without --resume starts it anew"
    )
    Path("own.py").write_text(OWN)
    shutil.copy("seed2.h5", "t.h5")
    refused("t.h5: of another scenario: run.seed was 2")
    with h5py.File("t.h5", "r+") as file:
        file["slots/queue_bits"][0, 3, 2] += 2.0**-10
    refused("t.h5: this is not the trace of its checkpoint, or it was changed")
    with h5py.File("t.h5", "r+") as file:
        file["tasks/outcome"][0] ^= 1
    refused("t.h5: this is not the trace of its checkpoint, or it was changed")
    told = go_on()
    assert told.exit_code == 0, told.stderr
    # Complete, it is refused under another policy, too.
    Path("own.py").write_text(OWN + "\n# edited\n")
    told = go_on()
    assert told.exit_code == 2 and "own.py changed" in told.stderr


def test_without_its_trace_a_run_begins_anew() -> None:
    stop_in_between("small.toml", "t.h5")
    Path("t.h5").unlink()
    told = go_on("small.toml")
    assert told.exit_code == 0, told.stderr
    edgesim.run("small.toml", "whole.h5", slots=50, seed=1)
    assert_same(Path("t.h5"), Path("whole.h5"))
    assert not checkpoint_path(Path("t.h5")).exists()


def test_data_files_and_what_a_policy_imports_count(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stopped)
    Path("shared.py").write_text("SHARE = 0.5\n")
    Path("own.py").write_text("import shared\n" + OWN)
    Path("carbon.csv").write_text(
        "Time,Carbon Intensity\n2020-06-01T00:00,100\n2020-06-02T00:00,200\n"
    )
    toml = (
        Path("run.toml").read_text()
        + '\n[carbon]\nintensity = {file = "carbon.csv", start = "2020-06-01T00:00"}\n'
    )
    Path("run.toml").write_text(toml)
    with edgesim.run("run.toml", "t.h5", slots=5) as trace:
        known = trace.inputs
    assert known is not None and list(known) == ["carbon.csv", "own.py", "shared.py"]
    Path("carbon.csv").write_text(Path("carbon.csv").read_text().replace("200", "201"))
    with pytest.raises(CheckpointError, match=r"carbon\.csv changed since this run was begun"):
        edgesim.run("run.toml", "t.h5", slots=5, resume=True)


def test_a_lock_ends_with_its_process_though_forks_of_it_live(tmp_path: Path) -> None:
    """Those of a run in several processes end a moment after it, and it is started again at once."""
    path, (told, tell) = tmp_path / "lock", os.pipe()

    def hold() -> None:
        with locked(path) as mine:
            fork = os.fork()
            if fork:
                os.write(tell, f"{fork} {mine}".encode())
            signal.pause()

    holder = doing(hold)
    number, had = os.read(told, 40).decode().split()
    try:
        with locked(path) as also:
            assert had == "True" and not also
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        with locked(path) as also:
            assert also
    finally:
        os.kill(int(number), signal.SIGKILL)


def test_a_fork_that_leaves_where_a_lock_is_held_leaves_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ExitStack() as held:
        assert held.enter_context(locked(path))
        doing(held.close).communicate()
        with locked(path) as also:
            assert path.exists() and not also
    assert not path.exists()


def test_a_folder_is_asked_for_where_a_file_is(tmp_path: Path) -> None:
    """A trace without a suffix has the name that its tables' folder would have."""
    edgesim.run("small.toml", "plain")
    for output in (None, "small.toml"):
        with pytest.raises(OutputError, match="a file; allowed: another output, a folder or"):
            edgesim.export("plain", output)
    found = CliRunner().invoke(main, ["export", "plain"])
    assert found.exit_code == 2 and "plain: a file; allowed: another output" in found.output
    assert edgesim.export("plain", "tables")
