"""Runs that go on from a checkpoint leave the trace of a run that never stopped."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import SMALL
from continuing import STREAMS, assert_same, content, everything

from edgesim.cli import main
from edgesim.experiments import checkpoint
from edgesim.experiments.errors import CheckpointError
from edgesim.experiments.run import execute, prepare, resume
from edgesim.scenarios.loading import parse_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.clock import EventOrder
from edgesim.traces.layout import TraceFile
from edgesim.traces.reader import summarise

SLOTS, EVERY = 40, 9


def scenario(*overrides: str, slots: int = SLOTS) -> Scenario:
    return parse_scenario(SMALL, "test", [f"run.slots={slots}", *overrides])


def killed_at(what: Scenario, path: Path, slot: int, kept: Path) -> None:
    """Run up to a slot, and keep the files as SIGKILL would leave them."""
    experiment = prepare(what)

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == slot:
                for file in (path, checkpoint.checkpoint_path(path)):
                    if file.exists():
                        shutil.copy(file, kept / file.name)
                raise KeyboardInterrupt
            return decide(observation)

        simulation._decide = watched

    with pytest.raises(KeyboardInterrupt):
        execute(experiment, path, follow, EVERY)


@pytest.mark.parametrize(
    ("slot", "level"), [(9, "full"), (17, "summary"), (17, "slots"), (31, "summary"), (31, "full")]
)
def test_goes_on_as_if_nothing_had_happened(slot: int, level: str, tmp_path: Path) -> None:
    what = scenario(*STREAMS, f"trace.level={level}")
    whole, kept = tmp_path / "whole.h5", tmp_path / "kept"
    kept.mkdir()
    assert execute(prepare(what), whole) == "complete"
    killed_at(what, tmp_path / "run.h5", slot, kept)
    path = kept / "run.h5"
    assert resume(prepare(what), path) == "complete"
    assert_same(path, whole)
    assert not checkpoint.checkpoint_path(path).exists()


@pytest.mark.parametrize(
    ("problem", "policy"),
    [("stream", name) for name in ("random", "epr", "sca", "ddpg", "aac")]
    + [("tasks", name) for name in ("sca", "exact", "lyapunov", "random", "epr-ep", "dqn")],
)
def test_every_family_of_policies_goes_on(problem: str, policy: str, tmp_path: Path) -> None:
    """With all that its problem knows at once."""
    what = everything(problem, policy, tmp_path, "run.slots=14")
    whole, kept = tmp_path / "whole.h5", tmp_path / "kept"
    kept.mkdir()
    execute(prepare(what), whole)
    killed_at(what, tmp_path / "run.h5", 11, kept)
    assert resume(prepare(what), kept / "run.h5") == "complete"
    assert_same(kept / "run.h5", whole)


def test_a_checkpoint_meets_all_that_is_under_way(tmp_path: Path) -> None:
    """Else the tests here would show nothing."""
    kept = tmp_path / "kept"
    kept.mkdir()
    killed_at(everything("stream", "ddpg", tmp_path, "run.slots=30"), tmp_path / "run.h5", 29, kept)
    saved = checkpoint.load(checkpoint.checkpoint_path(kept / "run.h5"))
    state: Any = saved.simulation.world.state
    assert not state.station_up.all()  # a failed station
    assert 0.0 < state.battery_j.min() < state.battery_j.max() <= 0.05  # batteries in use
    twin: Any = saved.simulation.twin
    on_the_way = {report.order for report in twin.under_way}
    assert on_the_way == {EventOrder.AT_STATION, EventOrder.AT_MBS}
    assert state.station_queue_bits.any() and saved.written.following == 27


@pytest.mark.parametrize("level", ["summary", "slots"])
def test_killed_as_soon_as_it_goes_on(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment in which the new trace takes the old one's place."""
    what = scenario(*STREAMS, f"trace.level={level}")
    whole, kept, again = tmp_path / "whole.h5", tmp_path / "kept", tmp_path / "again"
    kept.mkdir()
    again.mkdir()
    execute(prepare(what), whole)
    killed_at(what, tmp_path / "run.h5", 31, kept)
    path = kept / "run.h5"

    def killed(file: TraceFile) -> None:
        appear(file)
        for one in (path, checkpoint.checkpoint_path(path)):
            shutil.copy(one, again / one.name)
        raise KeyboardInterrupt

    appear = TraceFile.appear
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TraceFile, "appear", killed)
        resume(prepare(what), path)
    assert summarise([again / "run.h5"])  # and it can be read
    assert resume(prepare(what), again / "run.h5") == "complete"
    assert_same(again / "run.h5", whole)


def stop_at(slot: int) -> Any:
    """To follow a simulation with, until the end of this slot."""

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == slot:
                simulation.stop()
            return decide(observation)

        simulation._decide = watched

    return follow


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    what = scenario(*STREAMS)
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    execute(prepare(what), whole)

    assert execute(prepare(what), path, stop_at(12), EVERY) == "interrupted"
    assert content(path)["@status"] == b"interrupted"
    assert resume(prepare(what), path, stop_at(20)) == "interrupted"
    assert len(content(path)["slots/slot"]) == 21
    assert resume(prepare(what), path) == "complete"
    assert_same(path, whole)


def test_messages(tmp_path: Path) -> None:
    what, path, kept = scenario(), tmp_path / "run.h5", tmp_path / "kept"
    kept.mkdir()
    killed_at(what, path, 20, kept)
    saved = checkpoint.checkpoint_path(kept / "run.h5")
    with pytest.raises(CheckpointError, match=r"of another scenario: run\.seed was 1"):
        resume(prepare(scenario("run.seed=2")), kept / "run.h5")
    with pytest.raises(CheckpointError, match="no such file"):
        resume(prepare(what), tmp_path / "nothing.h5")
    good = saved.read_bytes()
    for bad, message in (
        (good[:-1], "damaged"),
        (good[:300] + bytes([good[300] ^ 1]) + good[301:], "damaged"),
        (b"", "not a checkpoint"),
        (b"\x89HDF\n" + good, "not a checkpoint"),
        (b"[1]\n" + good, "not a checkpoint"),
        (good.replace(b'"edgesim_version": "', b'"edgesim_version": "9', 1), "of edgesim 9"),
    ):
        saved.write_bytes(bad)
        with pytest.raises(CheckpointError, match=message):
            resume(prepare(what), kept / "run.h5")
    saved.write_bytes(good)
    shutil.copy(kept / "run.h5", tmp_path / "long.h5")
    execute(prepare(scenario(slots=5)), tmp_path / "short.h5")
    shutil.copy(tmp_path / "short.h5", kept / "run.h5")
    with pytest.raises(OSError, match="holds less than its checkpoint"):
        resume(prepare(what), kept / "run.h5")
    # What cannot be gone on with is left as it was.
    assert_same(kept / "run.h5", tmp_path / "short.h5")


class Unsaveable:
    """A user's policy with something that no file can hold."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        self._idle = lambda: type("Idle", (), {})
        from edgesim.simulator.stream.decision import Decision

        self._decision = Decision.idle(network)

    def decide(self, observation: Any) -> Any:
        return self._decision


def test_a_policy_that_cannot_be_saved_is_told_so(tmp_path: Path) -> None:
    what = scenario("policy.name=test_checkpoint:Unsaveable")
    with pytest.raises(CheckpointError, match=r"cannot be saved.*`checkpoint_every`"):
        execute(prepare(what), tmp_path / "run.h5", checkpoint_every=5)
    assert execute(prepare(what), tmp_path / "run.h5") == "complete"


def test_command(tmp_path: Path) -> None:
    """As in the script of a job that a cluster restarts until it is done."""
    file, path = tmp_path / "small.toml", tmp_path / "run.h5"
    file.write_text(SMALL)
    command = ["run", str(file), "-o", str(path), "--checkpoint-every", "20", "--resume"]
    for expected in ("trace: ", "is complete"):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert expected in result.output
    result = CliRunner().invoke(main, ["run", str(file), "--resume"])
    assert result.exit_code == 2 and "--output" in result.output
    what = parse_scenario(SMALL, str(file))
    kept = tmp_path / "kept"
    kept.mkdir()
    killed_at(what, tmp_path / "other.h5", 4, kept)  # before the first checkpoint
    command[3] = str(kept / "other.h5")
    # Nothing is lost that the next checkpoint would have saved: it is begun again.
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0 and "trace: " in result.output
    assert_same(kept / "other.h5", path)
    # But longer runs, and others, are not thrown away unasked.
    execute(prepare(what), kept / "other.h5", stop_at(10))
    for other in (["--checkpoint-every", "3"], ["--checkpoint-every", "20", "--seed", "5"], []):
        result = CliRunner().invoke(main, [*command[:4], *other, "--resume"])
        assert result.exit_code == 2 and "--overwrite" in result.output
    checkpoint.checkpoint_path(kept / "other.h5").write_bytes(b"rubbish")
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "not a checkpoint" in result.output


KILLS = Path(__file__).parent / "kill_run.py"


def test_killed_at_random_moments() -> None:
    subprocess.run([sys.executable, KILLS, "3", "stream-lyapunov"], check=True, timeout=300)


@pytest.mark.slow
def test_fifty_kills() -> None:
    """Of each policy on each problem."""
    subprocess.run([sys.executable, KILLS, "50"], check=True, timeout=3600)
