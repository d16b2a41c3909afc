"""A run whose replications are simulated by several processes leaves the trace of one process."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import current_process
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from continuing import assert_same, everything, stop_at
from digests import LEARNED, LOSING, THREE, cases
from forked import Forked
from kill_run import survive
from untrained import save_untrained

import edgesim
from edgesim.cli import main
from edgesim.experiments import checkpoint, parallel_run
from edgesim.experiments.checkpoint import checkpoint_path
from edgesim.experiments.errors import ArgumentError, CheckpointError
from edgesim.experiments.run import execute, prepare, resume
from edgesim.policies.local import Local
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.core.randomness import Streams
from edgesim.traces.reader import open_trace

FIVE = ("run.replications=5", "run.slots=12")


def assert_alike(what: Scenario, folder: Path, *workers: int, policy: Any = None) -> None:
    """The trace does not tell how many processes made it."""
    alone = folder / "alone.h5"
    assert execute(prepare(what, policy), alone) == "complete"
    for count in workers:
        path = folder / f"{count}.h5"
        assert execute(prepare(what, policy), path, workers=count) == "complete"
        assert_same(path, alone)


@pytest.mark.parametrize(
    ("problem", "level"), [("stream", "full"), ("stream", "summary"), ("tasks", "slots")]
)
def test_the_trace_is_that_of_one_process(problem: str, level: str, tmp_path: Path) -> None:
    what = everything(problem, "random", tmp_path, *FIVE, f"trace.level={level}")
    assert_alike(what, tmp_path, 2)


@pytest.mark.parametrize(
    ("problem", "policy"),
    [("stream", "lyapunov"), ("stream", "ddpg"), ("tasks", "exact"), ("tasks", "dqn")],
)
def test_so_it_is_with_every_family_of_policies(problem: str, policy: str, tmp_path: Path) -> None:
    assert_alike(everything(problem, policy, tmp_path, *FIVE), tmp_path, 3)


@pytest.mark.parametrize(
    "keys",
    [
        ("run.slots=60", *THREE, LOSING),
        ("run.slots=30", *THREE, "tasks.buffer=0.7 Mbit", "tasks.deadline=200 ms"),
    ],
    ids=["lost with stations", "refused by full buffers"],
)
def test_tasks_come_in_the_same_order(keys: tuple[str, ...], tmp_path: Path) -> None:
    """What ends otherwise than by service, too; and many slots make several segments."""
    assert_alike(load_scenario("iiot_20dev", ["policy.name=epr-ep", *keys]), tmp_path, 2)
    with open_trace(tmp_path / "2.h5") as trace:
        assert {3, 4} & set(trace.tasks["outcome"].values.tolist())
        tasks = trace.tasks.to_dataframe()
    # Within a slot by replication, whatever ended them.
    done = tasks[tasks["outcome"] <= 1]
    slot = np.floor(done["completion_s"] / 0.1 - 1e-9)
    assert (done["replication"].diff()[slot.diff() == 0] >= 0).all()


def stopping(slot: int) -> Any:
    """To follow a run in several processes with, until this slot is in the trace."""

    def follow(running: Any) -> None:
        record = running._record

        def recorded(segment: Any) -> None:
            record(segment)
            if running.slot >= slot:
                running.stop()

        running._record = recorded

    return follow


@pytest.mark.parametrize("problem", ["stream", pytest.param("tasks", marks=pytest.mark.slow)])
def test_it_goes_on_with_any_number_of_processes(problem: str, tmp_path: Path) -> None:
    what = everything(problem, "random", tmp_path, "run.replications=4", "run.slots=24")
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    execute(prepare(what), whole)
    assert execute(prepare(what), path, stopping(7), 6, workers=3) == "interrupted"
    with open_trace(path) as trace:
        assert 7 <= trace.recorded < 24 and trace.status == "interrupted"
    left = path.read_bytes(), checkpoint_path(path).read_bytes()
    for workers in (1, 8):
        path.write_bytes(left[0])
        checkpoint_path(path).write_bytes(left[1])
        assert resume(prepare(what), path, workers=workers) == "complete"
        assert_same(path, whole)
        assert not checkpoint_path(path).exists()


def test_a_checkpoint_of_one_process_goes_on_whatever_is_asked_for(tmp_path: Path) -> None:
    """It is one block, and remains one."""
    what = everything("stream", "lyapunov", tmp_path, *FIVE)
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    execute(prepare(what), whole)
    assert execute(prepare(what), path, stop_at(7), 6) == "interrupted"
    assert resume(prepare(what), path, workers=2) == "complete"
    assert_same(path, whole)


def test_a_checkpoint_of_fewer_replications_is_refused(tmp_path: Path) -> None:
    what = everything("stream", "random", tmp_path, "run.replications=5", "run.slots=60")
    path = tmp_path / "run.h5"
    execute(prepare(what), path, stopping(7), 6, workers=2)
    saved = checkpoint.load(checkpoint_path(path))
    less = replace(saved, blocks=saved.blocks[:1])
    checkpoint.save(checkpoint_path(path), less)
    with pytest.raises(CheckpointError, match="does not fit this run"):
        resume(prepare(what), path, workers=2)


class Failing(Local):
    """Answers with what no network can do, in one replication alone."""

    def __init__(self, draw: float) -> None:
        self.draw = draw

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        super().reset(network, problem, rngs)
        self.bad = np.array([rng.random() == self.draw for rng in rngs])

    def decide(self, observation: Any) -> Any:
        decision = super().decide(observation)
        if observation.slot == 7:
            decision = replace(decision, power_w=decision.power_w.copy())
            decision.power_w[self.bad, 2] = np.nan
        return decision


def test_a_failure_is_told_as_by_one_process_and_leaves_the_same(tmp_path: Path) -> None:
    what = load_scenario("iiot_20dev", FIVE, policy="test_workers:Failing")
    fails = Failing(Streams(what.run.seed + 3, 1).generators("policy")[0].random())
    said = []
    for workers in (1, 2):
        with pytest.raises(
            RunError, match="slot 7, field power_w: nan at replication 3, device 2"
        ) as e:
            execute(prepare(what, fails), tmp_path / f"{workers}.h5", workers=workers)
        said.append(str(e.value))
    assert said[0] == said[1]
    assert_same(tmp_path / "2.h5", tmp_path / "1.h5")
    with open_trace(tmp_path / "2.h5") as trace:
        assert trace.status == "failed" and trace.recorded == 7


class Dying(Local):
    """Its process is killed, unless that is the one of the tests."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        super().reset(network, problem, rngs)
        self.last = len(rngs) == 3

    def decide(self, observation: Any) -> Any:
        if observation.slot == 7 and self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decide(observation)


def test_a_process_that_is_killed_ends_the_run_with_a_message(tmp_path: Path) -> None:
    what = load_scenario("iiot_20dev", FIVE, policy="test_workers:Dying")
    path = tmp_path / "run.h5"
    expected = (
        "the process of replications 2 to 4 was ended by SIGKILL; there may be too little memory"
    )
    with pytest.raises(RunError, match=expected):
        execute(prepare(what, Dying()), path, workers=2)
    with open_trace(path) as trace:
        assert trace.status == "failed"
    assert not multiprocessing.active_children()


class Stumbling(Local):
    """A bug of its own, with an error that cannot be sent to another process."""

    class Error(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        raise self.Error(1, 2)


def test_a_reset_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    what = load_scenario("iiot_20dev", FIVE, policy="test_workers:Stumbling")
    for workers in (1, 2):
        with pytest.raises(RunError, match="reset: Error: 1 and 2"):
            execute(prepare(what, Stumbling()), tmp_path / "run.h5", workers=workers)
    assert not list(tmp_path.iterdir())


def test_objects_and_classes_of_a_notebook_work(tmp_path: Path) -> None:
    class Halved(Local):
        def __init__(self, share: float = 0.5) -> None:
            self.share = share

        def decide(self, observation: Any) -> Any:
            decision = super().decide(observation)
            return replace(decision, local_cpu_hz=self.share * decision.local_cpu_hz)

    for policy in (Halved, Halved(0.25)):
        for workers in (1, 3):
            keys: Any = {"slots": 12, "replications": 5, "workers": workers, "policy": policy}
            edgesim.run("iiot_20dev", tmp_path / f"{workers}.h5", **keys).close()
        assert_same(tmp_path / "3.h5", tmp_path / "1.h5")


def test_several_processes_are_the_default_where_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    def default(*keys: str) -> int:
        what = load_scenario("iiot_20dev", ["policy.name=local", *keys])
        return parallel_run.workers_for(prepare(what))

    monkeypatch.setattr(parallel_run, "NUMBER_S", 0.0)
    monkeypatch.setattr(parallel_run, "cores", lambda: 4)
    many = ("run.replications=64", "run.slots=100000")
    assert default(*many) == 4
    assert default("run.replications=9", "run.slots=1000000") == 2  # four each at least
    assert default("run.slots=1000000") == 1
    assert default("run.replications=64", "run.slots=20") == 1
    monkeypatch.setattr(parallel_run, "cores", lambda: 1)
    assert default(*many) == 1
    monkeypatch.setattr(parallel_run, "cores", lambda: 64)
    assert default(*many) == parallel_run.MOST
    experiment = prepare(load_scenario("iiot_20dev", many, policy="test_workers:Dying"), Dying())
    assert parallel_run.workers_for(experiment) == 1  # of others' classes nobody knows
    monkeypatch.setattr(parallel_run, "NUMBER_S", 1.0)
    assert default(*many) == 1  # decisions take less than to write them
    monkeypatch.setattr(parallel_run, "NUMBER_S", 0.0)
    monkeypatch.setitem(current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    assert default(*many) == 1  # as in a pool's process
    with pytest.raises(
        ArgumentError, match="`workers=2`: a run in a process of a pool is one process"
    ):
        parallel_run.workers_for(experiment, 2)


def test_a_decision_is_timed_once_there_is_something_to_decide() -> None:
    """P2 takes a hundred times as long as to compare a queue with a speed, but not of empty queues.

    Of so many replications that it counts beside what any call takes.
    """
    each = []
    for name in ("lyapunov", "local"):
        scenario = load_scenario("iiot_20dev", ["run.replications=64"], policy=name)
        each.append(parallel_run._first_slots(prepare(scenario), 64))
    assert each[0].decision_s > 20.0 * each[1].decision_s
    assert each[0].numbers == each[1].numbers > 64 * 20 * 18


def test_how_many_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["run", "iiot_20dev", "--slots", "3", "--replications", "2", "-o", "t.h5"]
    for wrong in ("0", "-3", "x"):
        result = CliRunner().invoke(main, [*command, "--workers", wrong])
        assert result.exit_code == 2 and "'--workers'" in result.output
    with pytest.raises(ArgumentError, match="`workers=0`: allowed: 1 or more"):
        edgesim.run("iiot_20dev", "t.h5", slots=3, workers=0)
    assert not list(tmp_path.iterdir())
    assert CliRunner().invoke(main, [*command, "--workers", "99"]).exit_code == 0
    alone = [*command[:-1], "alone.h5", "--replications", "2", "--workers", "1"]
    assert CliRunner().invoke(main, alone).exit_code == 0
    assert_same(Path("t.h5"), Path("alone.h5"))


def children(pid: int) -> list[int]:
    """Of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def until(condition: Any) -> None:
    """Wait for it."""
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[tuple[Forked, Path]]:
    """The command, in a session of its own, once it has recorded some slots."""
    path = tmp_path / "run.h5"
    words = ["run", "iiot_20dev", "--slots", "1000000", "--replications", "4", "--policy", "local"]
    words += ["--set", "trace.level=summary", "--workers", "2", "--checkpoint-every", "200"]
    process = Forked([*words, "-o", str(path)], before=os.setsid)
    until(lambda: checkpoint_path(path).exists())
    yield process, path
    process.send_signal(signal.SIGKILL)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


@needs_proc
def test_ctrl_c_ends_all_and_keeps_all(long_run: tuple[Forked, Path]) -> None:
    process, path = long_run
    workers = children(process.pid)
    assert len(workers) == 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err and f"what was run is in {path}" in err and "energy" in out
    with open_trace(path) as trace:
        assert trace.status == "interrupted" and trace.recorded >= 200
    assert not any(map(alive, workers)) and checkpoint_path(path).exists()


@needs_proc
def test_a_process_that_is_killed_from_outside(long_run: tuple[Forked, Path]) -> None:
    process, path = long_run
    workers = children(process.pid)
    os.kill(workers[1], signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "the process of replications 2 to 3 was ended by SIGKILL" in err
    assert "Traceback" not in err
    with open_trace(path) as trace:
        assert trace.status == "failed" and trace.recorded >= 200
    assert not any(map(alive, workers))


@needs_proc
def test_who_is_killed_leaves_no_processes(long_run: tuple[Forked, Path]) -> None:
    process, path = long_run
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: not any(map(alive, workers)))
    with open_trace(path) as trace:
        assert trace.recorded >= 200


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "policy"), [("stream", "lyapunov"), ("tasks", "random")])
def test_kills_at_random_moments(problem: str, policy: str, tmp_path: Path) -> None:
    assert "all bit for bit the same" in survive(problem, policy, tmp_path, 20, "--workers", "2")


@pytest.mark.slow
@pytest.mark.parametrize("name", cases())
def test_all_policies_and_scenarios(name: str, tmp_path: Path) -> None:
    scenario, keys = cases()[name]
    few = [*keys, "run.slots=20", "run.replications=5"]
    policy = keys[0].partition("=")[2]
    if policy in LEARNED:
        save_untrained(load_scenario(scenario, few), tmp_path / "untrained.pt")
        few.append(f'policy.checkpoint="{tmp_path / "untrained.pt"}"')
    assert_alike(load_scenario(scenario, few), tmp_path, 2, 3)
