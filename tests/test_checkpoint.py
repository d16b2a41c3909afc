"""Runs that go on from a checkpoint leave the trace of a run that never stopped."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SMALL
from untrained import save_untrained

from edgesim.cli import main
from edgesim.experiments import checkpoint
from edgesim.experiments.errors import CheckpointError
from edgesim.experiments.run import execute, prepare, resume
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.scenarios.schema import Scenario

SLOTS, EVERY = 40, 9

FAILURES = "failures={time_to_failure=1, time_to_repair=0.5, queue=lost}"
EVERYTHING = (
    f"stations.sbs.{FAILURES.replace('lost', chr(34) + 'lost' + chr(34))}",
    "mobility.model=random-waypoint",
    'mobility.speed=["20 m/s", "30 m/s"]',
    'devices.battery={capacity="0.05 J", initial=0.5, harvest="60 mW"}',
    "twin.sync=periodic",
    "twin.device.period=0.2 s",
    "twin.device.latency={exponential=0.15}",
    "twin.device.loss=0.3",
    "twin.station.latency=0.1 s",
    'twin.predict=["location", "arrivals", "energy"]',
    "twin.deviation.device_cpu={noise=1e7}",
    "tasks.arrivals=mmpp",
    "tasks.rates=[5.0, 40.0]",
    "tasks.sojourns=[0.5, 0.5]",
    "tasks.deadline=1 s",
    "run.replications=2",
)


def scenario(*overrides: str, slots: int = SLOTS) -> Scenario:
    return parse_scenario(SMALL, "test", [f"run.slots={slots}", *overrides])


def content(path: Path) -> dict[str, Any]:
    """All that a trace holds, but for its timing and versions."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r", libver="latest", swmr=True, locking=False) as file:

        def take(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("timing"):
                found[name] = item[...]

        file.visititems(take)
        found |= {f"@{name}": value for name, value in file.attrs.items()}
    return found


def assert_same(path: Path, expected: Path) -> None:
    ours, theirs = content(path), content(expected)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)


def killed_at(what: Scenario, path: Path, slot: int, kept: Path) -> None:
    """Run up to a slot, and keep the files as SIGKILL would leave them."""
    experiment = prepare(what)

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == slot:
                for file in (path, checkpoint.beside(path)):
                    if file.exists():
                        shutil.copy(file, kept / file.name)
                raise KeyboardInterrupt
            return decide(observation)

        simulation._decide = watched

    with pytest.raises(KeyboardInterrupt):
        execute(experiment, path, follow, EVERY)


@pytest.mark.parametrize("level", ["summary", "slots", "full"])
@pytest.mark.parametrize("slot", [9, 17, 31])
def test_goes_on_as_if_nothing_had_happened(slot: int, level: str, tmp_path: Path) -> None:
    what = scenario(*EVERYTHING, f"trace.level={level}")
    whole, kept = tmp_path / "whole.h5", tmp_path / "kept"
    kept.mkdir()
    assert execute(prepare(what), whole) == "complete"
    killed_at(what, tmp_path / "run.h5", slot, kept)
    path = kept / "run.h5"
    assert resume(prepare(what), path) == "complete"
    assert_same(path, whole)
    assert not checkpoint.beside(path).exists()


@pytest.mark.parametrize(
    ("problem", "policy"),
    [("A", name) for name in ("random", "epr", "sca", "ddpg", "aac")]
    + [("C", name) for name in ("sca", "exact", "lyapunov", "random", "epr-ep", "dqn")],
)
def test_every_family_of_policies_goes_on(problem: str, policy: str, tmp_path: Path) -> None:
    name = "iiot_20dev" if problem == "A" else "carbon_6ue"
    overrides = ["run.slots=14"]
    if policy in ("ddpg", "aac", "dqn"):
        network = tmp_path / "network.pt"
        save_untrained(load_scenario(name, policy=policy), network)
        overrides.append(f'policy.checkpoint="{network}"')
    what = load_scenario(name, overrides, policy=policy)
    whole, kept = tmp_path / "whole.h5", tmp_path / "kept"
    kept.mkdir()
    execute(prepare(what), whole)
    killed_at(what, tmp_path / "run.h5", 11, kept)
    assert resume(prepare(what), kept / "run.h5") == "complete"
    assert_same(kept / "run.h5", whole)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    what = scenario(*EVERYTHING)
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    execute(prepare(what), whole)

    def stop_at(slot: int) -> Any:
        def follow(simulation: Any) -> None:
            decide = simulation._decide

            def watched(observation: Any) -> Any:
                if observation.slot == slot:
                    simulation.stop()
                return decide(observation)

            simulation._decide = watched

        return follow

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
    saved = checkpoint.beside(kept / "run.h5")
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
        from edgesim.simulator.decision import Decision

        self._decision = Decision.idle(network)

    def decide(self, observation: Any) -> Any:
        return self._decision


def test_a_policy_that_cannot_be_saved_is_told_so(tmp_path: Path) -> None:
    what = scenario("policy.name=test_checkpoint:Unsaveable")
    with pytest.raises(CheckpointError, match=r"cannot be saved.*--checkpoint-every"):
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
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "--overwrite" in result.output
    checkpoint.beside(kept / "other.h5").write_bytes(b"rubbish")
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "not a checkpoint" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["lyapunov", "random", "epr-ep", "sca"])
def test_fifty_kills(policy: str, tmp_path: Path) -> None:
    """SIGKILL at fifty random moments of a run's life."""
    slots = 300 if policy == "sca" else 20_000
    (tmp_path / "small.toml").write_text(SMALL)
    overrides = [f"run.slots={slots}", f"policy.name={policy}", "twin.sync=periodic"]
    overrides += ["twin.device.latency=0.3 s", "trace.level=slots"]
    command = [sys.executable, "-m", "edgesim", "run", str(tmp_path / "small.toml")]
    for override in overrides:
        command += ["--set", override]
    run = [*command, "-o", str(tmp_path / "run.h5"), "--resume", "--overwrite"]
    run += ["--checkpoint-every", str(slots // 100)]
    rng = np.random.default_rng(len(policy))
    kills = 0
    while kills < 50:
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2.0 + rng.exponential(0.5))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills > 3
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    whole = tmp_path / "whole.h5"
    subprocess.run([*command, "-o", str(whole)], check=True, stdout=subprocess.DEVNULL)
    assert_same(tmp_path / "run.h5", whole)
