"""Damaged traces and checkpoints, given to every command that reads them: an answer or a message."""

import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import SMALL

from edgesim.cli import main
from edgesim.experiments import checkpoint
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import parse_scenario


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut, flipped bits, zeroed pages, noise, a shuffled header, a page too many."""
    spoiled = bytearray(data)
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randint(1, 5000))
    kind = rng.randrange(6)
    if kind == 0:
        del spoiled[start:]
    elif kind == 1:
        for _ in range(rng.randint(1, 30)):
            spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        spoiled[start:end] = bytes(end - start)
    elif kind == 3:
        spoiled[start:end] = rng.randbytes(end - start)
    elif kind == 4:
        for _ in range(rng.randint(1, 10)):
            spoiled[rng.randrange(2000)] = rng.randrange(256)
    else:
        spoiled[start:start] = spoiled[start:end]
    return bytes(spoiled)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scenario, trace and checkpoint of an interrupted run."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "small.toml").write_text(SMALL)
    scenario = parse_scenario(SMALL, "small.toml")

    def follow(simulation: Any) -> None:
        decide = simulation._decide

        def watched(observation: Any) -> Any:
            if observation.slot == 25:
                simulation.stop()
            return decide(observation)

        simulation._decide = watched

    execute(prepare(scenario), folder / "run.h5", follow, 12)
    assert checkpoint.beside(folder / "run.h5").exists()
    return folder


def reading(path: Path, rng: random.Random) -> list[list[str]]:
    commands = [
        ["summary", str(path)],
        ["summary", "--json", str(path)],
        ["export", str(path), "--format", "csv"],
    ]
    if rng.random() < 0.1:
        commands.append(["plot", str(path), "-o", str(path.with_suffix(".png"))])
        commands.append(["report", str(path), "-o", str(path.with_suffix(".html"))])
    return commands


def complaint(command: list[str]) -> str | None:
    """What is wrong with a command's end, if anything is."""
    with warnings.catch_warnings():
        # What was damaged may be a number, and no number is too large for that.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{command}: {result.exception!r}"
    if result.exit_code not in (0, 2):
        return f"{command}: exit status {result.exit_code}: {result.output}"
    if result.exit_code == 2 and "run.h5" not in result.output:
        return f"{command}: no file is named: {result.output}"
    return None


def check_traces(good: Path, folder: Path, seeds: range) -> None:
    data = (good / "run.h5").read_bytes()
    path = folder / "run.h5"
    for seed in seeds:
        rng = random.Random(seed)
        path.write_bytes(damaged(data, rng))
        found = [complaint(command) for command in reading(path, rng)]
        assert not any(found), (seed, found)


def check_checkpoints(good: Path, folder: Path, seeds: range) -> None:
    data = checkpoint.beside(good / "run.h5").read_bytes()
    path = folder / "run.h5"
    resume = ["run", str(good / "small.toml"), "-o", str(path), "--resume"]
    for seed in seeds:
        path.write_bytes((good / "run.h5").read_bytes())
        spoiled = damaged(data, random.Random(seed))
        if spoiled == data:
            continue  # zeros became zeros
        checkpoint.beside(path).write_bytes(spoiled)
        result = CliRunner().invoke(main, resume)
        assert isinstance(result.exception, SystemExit), (seed, result.exception)
        assert result.exit_code == 2 and "run.h5.checkpoint" in result.output, (seed, result.output)


def test_damaged_traces(good: Path, tmp_path: Path) -> None:
    check_traces(good, tmp_path, range(25))


def test_damaged_checkpoints(good: Path, tmp_path: Path) -> None:
    check_checkpoints(good, tmp_path, range(25))


@pytest.mark.slow
def test_a_thousand_damaged_files(good: Path, tmp_path: Path) -> None:
    check_traces(good, tmp_path, range(100, 1000))
    check_checkpoints(good, tmp_path, range(100, 200))
