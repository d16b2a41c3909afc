"""Runs that go on from a checkpoint leave the trace of a run that never stopped."""

import json
import pickle
import shutil
import subprocess
import sys
from collections import deque
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import SMALL, Capture
from continuing import STREAMS, assert_same, content, everything, killed_at, stop_at
from kill_run import survive

from edgesim.cli import main
from edgesim.experiments import checkpoint
from edgesim.experiments.errors import CheckpointError
from edgesim.experiments.run import execute, prepare, resume
from edgesim.scenarios.loading import parse_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.clock import EventOrder
from edgesim.simulator.core.saved_state import Saved, load_state, save_state
from edgesim.simulator.simulation import Simulation
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.twin.synchronisation import Times
from edgesim.traces.reader import summarise
from edgesim.traces.trace_file import TraceFile

SLOTS, EVERY = 40, 9


def scenario(*overrides: str, slots: int = SLOTS) -> Scenario:
    return parse_scenario(SMALL, "test", [f"run.slots={slots}", *overrides])


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By level: the trace of a run that never stopped."""
    folder, levels = tmp_path_factory.mktemp("wholes"), ("full", "slots", "summary")
    for level in levels:
        what = scenario(*STREAMS, f"trace.level={level}")
        assert execute(prepare(what), folder / f"{level}.h5") == "complete"
    return {level: folder / f"{level}.h5" for level in levels}


@pytest.mark.parametrize(("slot", "level"), [(9, "full"), (17, "slots"), (31, "summary")])
def test_goes_on_as_if_nothing_had_happened(
    slot: int, level: str, tmp_path: Path, wholes: dict[str, Path]
) -> None:
    what = scenario(*STREAMS, f"trace.level={level}")
    kept = tmp_path / "kept"
    kept.mkdir()
    killed_at(what, tmp_path / "run.h5", slot, kept, EVERY)
    path = kept / "run.h5"
    assert resume(prepare(what), path) == "complete"
    assert_same(path, wholes[level])
    assert not checkpoint.checkpoint_path(path).exists()


@pytest.mark.parametrize(
    ("problem", "policy"),
    [("stream", name) for name in ("random", "epr", "sca", "ddpg", "aac")]
    + [("green", "lyapunov")]
    + [("tasks", name) for name in ("sca", "exact", "lyapunov", "random", "epr-ep", "dqn", "sac")],
)
def test_every_family_of_policies_goes_on(problem: str, policy: str, tmp_path: Path) -> None:
    """With all that its problem knows at once."""
    slots = 11 if policy == "sca" else 14  # whose slots take longest, and that remembers little
    what = everything(problem, policy, tmp_path, f"run.slots={slots}")
    whole, kept = tmp_path / "whole.h5", tmp_path / "kept"
    kept.mkdir()
    execute(prepare(what), whole)
    killed_at(what, tmp_path / "run.h5", slots - 2, kept, EVERY)
    assert resume(prepare(what), kept / "run.h5") == "complete"
    assert_same(kept / "run.h5", whole)


def gone_on(what: Scenario, saved: Saved) -> Simulation:
    """A simulation that has taken over what was saved."""
    experiment = prepare(what)
    return experiment.blueprint.simulation(lambda _: None, Capture(), experiment.streams, saved)


def test_a_checkpoint_meets_all_that_is_under_way(tmp_path: Path) -> None:
    """Else the tests here would show nothing."""
    kept = tmp_path / "kept"
    kept.mkdir()
    what = everything("stream", "ddpg", tmp_path, "run.slots=30")
    killed_at(what, tmp_path / "run.h5", 20, kept, EVERY)
    saved = checkpoint.load(checkpoint.checkpoint_path(kept / "run.h5")).blocks[0]
    simulation = gone_on(what, saved)
    state: Any = simulation.world.state
    assert not state.station_up.all()  # a failed station
    assert 0.0 < state.battery_j.min() < state.battery_j.max() <= 0.05  # batteries in use
    twin: Any = simulation.parts()["twin"]
    on_the_way = {report.order for report in twin.under_way}
    assert on_the_way == {EventOrder.AT_STATION, EventOrder.AT_MBS}
    assert state.station_queue_bits.any() and state.slot == 18


def attributes(value: Any, where: str, found: dict[str, Any], seen: set[int]) -> dict[str, Any]:
    """All arrays, numbers, texts and generators that an object leads to, by the way to them."""
    if id(value) in seen:
        return found
    if isinstance(value, Times):
        value = value.ns
    if isinstance(value, np.ndarray | int | float | str | np.generic):
        found[where] = value
    elif isinstance(value, np.random.Generator):
        found[where] = str(value.bit_generator.state)
    elif isinstance(value, dict):
        for key, one in value.items():
            attributes(one, f"{where}[{key!r}]", found, seen)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            attributes(one, f"{where}[{number}]", found, seen)
    elif type(value).__module__.startswith("edgesim."):
        seen.add(id(value))
        for name in [*getattr(value, "__dict__", ()), *getattr(value, "__slots__", ())]:
            made = isinstance(getattr(type(value), name, None), cached_property)
            if hasattr(value, name) and not made:
                attributes(getattr(value, name), f"{where}.{name}", found, seen)
    return found


DERIVED = (
    ".live",
    "._topology",
    "._known",
    "._arriving",
    "._cells",
    "._handed_over",
    "._common_deadlines",
    "._in_slot",
    ".slot_ns",
    "._stock",
)
"""What is made again: the graph, routes, the last slot's tasks, look-up tables, spent rows, a unit, a constant
column, and what is true as a slot begins."""


@pytest.mark.parametrize(
    ("problem", "policy", "overrides"),
    [
        ("stream", "lyapunov", ()),
        (
            "stream",
            "random",
            ('tasks={arrivals="uniform", mean="25 kbit"}', "channel.fading=rician"),
        ),
        ("stream", "epr", ("association.model=load-aware", "channel.fading=none")),
        ("green", "lyapunov", ()),
        ("tasks", "lyapunov", ()),
        ("tasks", "random", ()),
        ("tasks", "dqn", ()),
    ],
)
def test_nothing_that_changes_is_forgotten(
    problem: str, policy: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    """Whatever is another in a run than in one made anew is the same again after it took over."""
    what = everything(problem, policy, tmp_path, "run.slots=40", *overrides)
    ran = prepare(what)
    network, streams = ran.blueprint.problem.network, ran.streams
    ran.policy.reset(network, ran.blueprint.problem, streams.generators("policy"))
    first = ran.blueprint.simulation(ran.policy.decide, Capture(), streams)
    first.run(23)
    saved = save_state(first.parts() | {"policy": ran.policy})
    anew = prepare(what)
    anew.policy.reset(network, anew.blueprint.problem, anew.streams.generators("policy"))
    load_state(saved, {"policy": anew.policy})
    second = anew.blueprint.simulation(anew.policy.decide, Capture(), anew.streams, saved)
    one, other = (
        attributes(parts, "", {}, set())
        for parts in (
            first.parts() | {"policy": ran.policy},
            second.parts() | {"policy": anew.policy},
        )
    )
    compared = [name for name in one if not any(derived in name for derived in DERIVED)]
    assert len(compared) > 40
    for name in compared:
        assert np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes(), name


@pytest.mark.parametrize("level", ["summary", "slots"])
def test_killed_as_soon_as_it_goes_on(
    level: str, tmp_path: Path, wholes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the moment in which the new trace takes the old one's place."""
    what = scenario(*STREAMS, f"trace.level={level}")
    kept, again = tmp_path / "kept", tmp_path / "again"
    kept.mkdir()
    again.mkdir()
    killed_at(what, tmp_path / "run.h5", 31, kept, EVERY)
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
    assert_same(again / "run.h5", wholes[level])


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, wholes: dict[str, Path]
) -> None:
    what, path = scenario(*STREAMS, "trace.level=slots"), tmp_path / "run.h5"
    assert execute(prepare(what), path, stop_at(12), EVERY) == "interrupted"
    assert content(path)["@status"] == b"interrupted"
    assert resume(prepare(what), path, stop_at(20)) == "interrupted"
    assert len(content(path)["slots/slot"]) == 21
    assert resume(prepare(what), path) == "complete"
    assert_same(path, wholes["slots"])


def test_messages(tmp_path: Path) -> None:
    what, path, kept = scenario(), tmp_path / "run.h5", tmp_path / "kept"
    kept.mkdir()
    killed_at(what, path, 20, kept, EVERY)
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
    with pytest.raises(CheckpointError, match=r"of another scenario: run\.slots was 5"):
        resume(prepare(what), kept / "run.h5")
    # What cannot be gone on with is left as it was.
    assert_same(kept / "run.h5", tmp_path / "short.h5")


class Unsaveable:
    """A user's policy with something that no file can hold."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        self._idle = lambda: type("Idle", (), {})
        self._decision = Decision.idle(network)

    def decide(self, observation: Any) -> Any:
        return self._decision


class Remembering:
    """A user's policy with a state of every kind, which decides by it."""

    class Helper:
        """An object that is no data, but its attributes are."""

        def __init__(self) -> None:
            self.seen = deque([0.5], maxlen=3)

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        self._network, self._rngs, self._mode = network, rngs, "begin"
        self._helper = self.Helper()
        self._counts: dict[int, float] = {}
        self._shapes = {(1, 2), (3, 4)}
        self._module = torch.nn.Linear(1, 1, dtype=torch.float64)

    def decide(self, observation: Any) -> Any:
        self._mode = "goes on"
        self._helper.seen.append(float(self._rngs[0].random()))
        self._counts[observation.slot % 5] = sum(self._helper.seen)
        self._total = np.float64(sum(self._counts.values()))
        with torch.no_grad():
            share = min(abs(self._module(torch.tensor([self._total])).item()), 1.0)
        assert len(self._shapes) == 2 and (self._mode == "goes on" or observation.slot == 0)
        return replace(Decision.idle(self._network), local_cpu_hz=share * self._cpu())

    def _cpu(self) -> Any:
        return np.broadcast_to(self._network.device_cpu_hz, (self._network.replications, 6))


def test_what_a_policy_of_ones_own_keeps_goes_on(tmp_path: Path) -> None:
    """An object among its attributes, a module of torch, and generators; nothing is imported."""
    what = scenario(slots=20)
    whole, path = tmp_path / "whole.h5", tmp_path / "run.h5"
    torch.manual_seed(1)
    execute(prepare(what, Remembering()), whole)
    torch.manual_seed(1)
    assert execute(prepare(what, Remembering()), path, stop_at(12), EVERY) == "interrupted"
    torch.manual_seed(2)  # its weights come from the checkpoint
    assert resume(prepare(what, Remembering()), path) == "complete"
    assert_same(path, whole)


class Appears(Remembering):
    """A policy with an object that is not there as the run begins."""

    def decide(self, observation: Any) -> Any:
        self._late = self.Helper()
        return super().decide(observation)


class Touch:
    """What a pickle would call as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_checkpoint_is_data(tmp_path: Path) -> None:
    """A pickle in its place, or among its arrays, is not read as one."""
    what, path, touched = scenario(), tmp_path / "run.h5", tmp_path / "touched"
    execute(prepare(what), path, stop_at(12), EVERY)
    saved = checkpoint.checkpoint_path(path)
    header, _, content = saved.read_bytes().partition(b"\n")
    with np.load(BytesIO(content), allow_pickle=False) as file:
        arrays = dict(file)
    hostile = np.empty(1, object)
    hostile[0] = Touch(touched)
    compressed, objects = BytesIO(), BytesIO()
    np.savez_compressed(compressed, **arrays)
    np.savez(objects, **arrays | {"0": hostile})
    for bad in (pickle.dumps(Touch(touched)), objects.getvalue(), compressed.getvalue()):
        about = json.loads(header) | {"sha256": sha256(bad).hexdigest()}
        saved.write_bytes(json.dumps(about).encode() + b"\n" + bad)
        with pytest.raises(CheckpointError, match=r"run.h5.checkpoint: it cannot be restored here"):
            resume(prepare(what), path)
    assert not touched.exists()


def test_a_policy_that_cannot_be_saved_is_told_so(tmp_path: Path) -> None:
    what = scenario("policy.name=test_checkpoint:Unsaveable")
    with pytest.raises(CheckpointError, match=r"cannot be saved.*`checkpoint_every`"):
        execute(prepare(what), tmp_path / "run.h5", checkpoint_every=5)
    assert execute(prepare(what), tmp_path / "run.h5") == "complete"
    with pytest.raises(CheckpointError, match=r"policy\._late is an object that was not there"):
        execute(prepare(scenario(), Appears()), tmp_path / "late.h5", checkpoint_every=5)


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
    killed_at(what, tmp_path / "other.h5", 4, kept, EVERY)  # before the first checkpoint
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
    # Where there is a checkpoint, it is told of, and from where the run goes on.
    execute(prepare(what), kept / "other.h5", stop_at(10), checkpoint_every=4)
    result = CliRunner().invoke(main, command[:4])
    assert result.exit_code == 2 and "--resume goes on with its run" in result.output
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0 and "note: goes on at slot 11\n" in result.output
    assert_same(kept / "other.h5", path)
    execute(prepare(what), kept / "other.h5", stop_at(10))
    checkpoint.checkpoint_path(kept / "other.h5").write_bytes(b"rubbish")
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2 and "not a checkpoint" in result.output


KILLS = Path(__file__).parent / "kill_run.py"


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    assert "3 kills" in survive("stream", "lyapunov", tmp_path, 3)


@pytest.mark.slow
def test_fifty_kills() -> None:
    """Of each policy on each problem."""
    subprocess.run([sys.executable, KILLS, "50"], check=True, timeout=3600)
