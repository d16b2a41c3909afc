"""Damaged traces and checkpoints, given to every command that reads them: an answer or a message."""

import random
import shutil
import signal
import struct
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from click.testing import CliRunner
from conftest import SMALL
from continuing import LEARNING, stop_at
from forked import run
from rich.console import Console
from sweeping import SMALL as SWEEP
from sweeping import make, write

from edgesim.cli import main
from edgesim.experiments import checkpoint
from edgesim.experiments.run import execute, prepare
from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.train import FORMAT as TRAINING
from edgesim.experiments.train import train
from edgesim.policies.learning.checkpoint import FORMAT as POLICY
from edgesim.policies.learning.checkpoint import read
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.traces.global_heap import collections, is_whole
from edgesim.traces.open_file import _Bytes
from edgesim.traces.reader import TraceError
from edgesim.traces.watch import watch


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

    execute(prepare(scenario), folder / "run.h5", stop_at(25), 12)
    assert checkpoint.checkpoint_path(folder / "run.h5").exists()
    return folder


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep's file and, in out, its runs."""
    folder = tmp_path_factory.mktemp("swept")
    make(write(folder, SWEEP.replace("seeds = 4", "seeds = 2")), folder / "out", workers=1)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what an interrupted training leaves."""
    folder = tmp_path_factory.mktemp("trained")

    def interrupt(progress: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(load_scenario("carbon_6ue", LEARNING), folder, follow=interrupt)
    return folder


def reading(path: Path, rng: random.Random) -> list[list[str]]:
    commands = [
        ["summary", str(path)],
        ["summary", "--json", str(path)],
        ["export", str(path), "--format", "csv"],
        ["validate", str(path)],
    ]
    if rng.random() < 0.1:
        commands.append(["plot", str(path), "-o", str(path.with_suffix(".png"))])
        commands.append(["report", str(path), "-o", str(path.with_suffix(".html")), "--overwrite"])
    return commands


def reading_sweep(folder: Path, rng: random.Random) -> list[list[str]]:
    """With another warm-up all traces are read, else the table alone."""
    commands = [
        ["sweep", str(folder), "--status"],
        ["summary", str(folder)],
        ["summary", str(folder), "--warmup", "0.2"],
        ["compare", str(folder), "--warmup", "0.2"],
        ["export", str(folder), "--format", "csv"],
    ]
    if rng.random() < 0.1:
        commands.append(["plot", str(folder)])
        commands.append(["report", str(folder)])
    return commands


def complaint(command: list[str], names: tuple[str, ...]) -> str | None:
    """What is wrong with a command's end, if anything is: it answers, or names one of these files."""
    with warnings.catch_warnings():
        # What was damaged may be a number, and no number is too large for that.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{command}: {result.exception!r}"
    if result.exit_code not in (0, 2):
        return f"{command}: exit status {result.exit_code}: {result.output}"
    if result.exit_code == 2 and not any(name in result.output for name in names):
        return f"{command}: no file is named: {result.output}"
    return None


def check_traces(good: Path, folder: Path, seeds: range) -> None:
    data = (good / "run.h5").read_bytes()
    path = folder / "run.h5"
    for seed in seeds:
        rng = random.Random(seed)
        path.write_bytes(damaged(data, rng))
        found = [complaint(command, ("run.h5",)) for command in reading(path, rng)]
        with suppress(TraceError):
            watch(path, once=True, console=Console(quiet=True))
        assert not any(found), (seed, found)


def check_checkpoints(good: Path, folder: Path, seeds: range) -> None:
    data = checkpoint.checkpoint_path(good / "run.h5").read_bytes()
    path = folder / "run.h5"
    resume = ["run", str(good / "small.toml"), "-o", str(path), "--resume"]
    for seed in seeds:
        path.write_bytes((good / "run.h5").read_bytes())
        spoiled = damaged(data, random.Random(seed))
        if spoiled == data:
            continue  # zeros became zeros
        checkpoint.checkpoint_path(path).write_bytes(spoiled)
        result = CliRunner().invoke(main, resume)
        assert isinstance(result.exception, SystemExit), (seed, result.exception)
        assert result.exit_code == 2 and "run.h5.checkpoint" in result.output, (seed, result.output)


def check_sweeps(swept: Path, folder: Path, seeds: range) -> None:
    """A damaged table, or a damaged trace; the sweep's next start mends both."""
    shutil.copytree(swept, folder, dirs_exist_ok=True)
    file, out = folder / "sweep.toml", folder / "out"
    undisturbed = open_sweep(swept / "out")
    for seed in seeds:
        rng = random.Random(seed)
        files = [out / "sweep.sqlite", *sorted((out / "traces").glob("*.h5"))]
        path = files[0] if seed % 2 else rng.choice(files[1:])
        path.write_bytes(damaged(path.read_bytes(), rng))
        names = (path.name, str(out))
        found = [complaint(command, names) for command in reading_sweep(out, rng)]
        with suppress(TraceError):
            open_sweep(out).load()
        assert not any(found), (seed, path, found)
        make(file, out, workers=1)
        again = [complaint(command, ()) for command in reading_sweep(out, rng)]
        assert not any(again), (seed, path, again)
        assert open_sweep(out).identical(undisturbed), seed


def content(path: Path) -> bytes | None:
    """What a file of `edgesim train` holds; None if it is refused."""
    form = TRAINING if path.name == "checkpoint.pt" else POLICY
    kept = BytesIO()
    try:
        torch.save(read(path, form), kept)
    except ValueError:
        return None
    return kept.getvalue()


def check_trainings(trained: Path, folder: Path, seeds: range) -> None:
    """Damage that is not told makes no difference: it hit what nobody reads."""
    out = folder / "out"
    keys = [word for key in LEARNING for word in ("--set", key)]
    run = ["run", "carbon_6ue", *keys, "--overwrite", "-o", str(folder / "run.h5")]
    commands = {
        "best.pt": [*run, "--checkpoint", str(out / "best.pt")],
        "checkpoint.pt": ["train", "carbon_6ue", *keys, "--resume", "-o", str(out)],
    }
    for seed in seeds:
        for name, command in commands.items():
            shutil.copytree(trained, out, dirs_exist_ok=True)
            path = out / name
            good = path.read_bytes()
            path.write_bytes(damaged(good, random.Random(seed)))
            if (kept := content(path)) is not None:
                path.write_bytes(good)
                assert kept == content(path), (seed, name)
                continue
            found = complaint(command, (name,))
            assert found is None, (seed, found)


def test_damaged_traces(good: Path, tmp_path: Path) -> None:
    check_traces(good, tmp_path, range(4))


def test_damaged_checkpoints(good: Path, tmp_path: Path) -> None:
    check_checkpoints(good, tmp_path, range(12))


def test_a_damaged_flag_keeps_nobody_waiting(good: Path, tmp_path: Path) -> None:
    """The file says that it is being written, and HDF5 reads again what does not match its checksum."""
    data = bytearray((good / "run.h5").read_bytes())
    data[11] |= 0x05
    data[44] ^= 0xFF
    path = tmp_path / "run.h5"
    path.write_bytes(data)
    told = run("summary", path)
    assert told.returncode == 2 and "run.h5: the file is torn" in told.stderr


@pytest.mark.parametrize(
    ("name", "number", "command"),
    [
        ("slots/serving_station", -251658241, ["plot", "run.h5", "--kind", "map"]),
        ("slots/serving_station", 4, ["report", "run.h5"]),
        ("tasks/outcome", 9, ["export", "run.h5"]),
    ],
)
def test_numbers_of_what_there_is_not(
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: int,
    command: list[str],
) -> None:
    """Whole as a file, but a device's station is none of them, or a task's end."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(good / "run.h5", "run.h5")
    with h5py.File("run.h5", "r+", locking=False) as file:
        column = file[name][...]
        column[(0, -1, 0) if column.ndim == 3 else 0] = number
        file[name][...] = column
    result = CliRunner().invoke(main, command)
    told = result.stderr
    if command[0] == "report":  # goes on without its map
        told = Path("run.html").read_text(encoding="utf-8")
    else:
        assert result.exit_code == 2
    assert f"run.h5: the file is damaged: it names number {number} of " in told


def test_damaged_sweeps(swept: Path, tmp_path: Path) -> None:
    check_sweeps(swept, tmp_path, range(3))


def test_damaged_trainings(trained: Path, tmp_path: Path) -> None:
    check_trainings(trained, tmp_path, range(5))


def heap(*objects: tuple[int, int], size: int = 96) -> bytes:
    """A collection of the global heap, of objects of these numbers and sizes."""
    words = [struct.pack("<4sBxxxQ", b"GCOL", 1, size)]
    for index, length in objects:
        words.append(struct.pack("<HHxxxxQ", index, 1, length))
        words.append(bytes(-(-length // 8) * 8 if index else max(length - 16, 0)))
    return b"".join(words)[:size].ljust(size, b"\0")


def test_a_heap_of_texts_is_walked_through() -> None:
    """By hand: 16 bytes of header, 16 and 8 for a text of 5, 24 and 16 + 3 -> 8; and the free rest."""
    assert is_whole(heap((1, 5), (2, 3), (0, 32)))
    assert is_whole(heap((1, 5), (2, 40)))  # nothing is left
    assert is_whole(heap((1, 5), (2, 32)))  # 8 bytes are, too few for a header
    assert not is_whole(heap((1, 5), (2, 41)))
    assert not is_whole(heap((1, 5), (2, 3), (0, 40)))
    assert not is_whole(heap((1, 5), (0, 8), size=64))
    assert not is_whole(heap((1, 5), (2, 40), size=96)[:-8])
    block = memoryview(b"GCOL" + bytes(4) + heap((1, 5)) + heap((1, 9)))
    assert list(collections(block)) == [8, 8 + 96]


def test_a_trace_whose_texts_are_damaged(good: Path, tmp_path: Path) -> None:
    data = bytearray((good / "run.h5").read_bytes())
    place = next(collections(memoryview(data))) + 16
    while data[place]:  # object 0 is the free room
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    data[place + 8] += 8  # and reaches beyond the heap's end now
    (tmp_path / "run.h5").write_bytes(data)
    told = run("summary", tmp_path / "run.h5")
    assert told.returncode == 2 and "(texts in it are damaged)" in told.stderr


def test_a_piece_is_not_longer_than_its_file(good: Path) -> None:
    """HDF5 asks for as much as a damaged size says, and zeros the rest: a minute for some gigabytes."""
    size = (good / "run.h5").stat().st_size
    file = _Bytes(good / "run.h5")
    assert len(file.read(size)) == size and len(file.read(1 << 20)) == 1 << 20
    with pytest.raises(ValueError, match="claims 1,048,577 bytes"):
        file.read((1 << 20) + 1)
    file.close()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 900, 100))
def test_hundreds_of_damaged_traces(good: Path, tmp_path: Path, first: int) -> None:
    check_traces(good, tmp_path, range(first, first + 100))


@pytest.mark.slow
def test_a_hundred_damaged_checkpoints(good: Path, tmp_path: Path) -> None:
    check_checkpoints(good, tmp_path, range(100, 200))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 200, 25))
def test_a_hundred_damaged_sweeps(swept: Path, tmp_path: Path, first: int) -> None:
    check_sweeps(swept, tmp_path / "sweep", range(first, first + 25))


@pytest.mark.slow
def test_fifty_damaged_trainings(trained: Path, tmp_path: Path) -> None:
    check_trainings(trained, tmp_path, range(100, 150))
