"""Traces, checkpoints, networks, tables and data files as somebody might send them, to every command.

An answer or one message and status 2, within seconds; nothing is read that lies in other files. Changes
are drawn by `hostile.py`, the same in each run; the slow test draws thousands of them.
"""

import gzip
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hostile
import pandas as pd  # type: ignore[import-untyped]
import pytest
import test_carbon
import test_topologies
import test_workloads
from click.testing import CliRunner
from continuing import LEARNING, STREAMS, stop_at
from rich.console import Console

import edgesim
from edgesim.cli import main
from edgesim.experiments.run import execute, prepare
from edgesim.experiments.sweeps.table import _checksum
from edgesim.experiments.train import train
from edgesim.scenarios.loading import load_scenario
from edgesim.traces.reader import TraceError
from edgesim.traces.watch import watch

PATIENCE_S = 20

SMALL = """
title = "small"
[run]
slots = 20
[devices]
count = 3
[tasks]
mean = "0.1 Mbit"
[policy]
name = "random"
"""
WITH_CELLS = SMALL + "[stations.sbs]\ncount = 2\n"
SECRET = b"SECRET-CONTENT-"

Check = Callable[[Path, Iterable[int]], None]


def sets(keys: Iterable[str]) -> list[str]:
    return [word for key in keys for word in ("--set", key)]


@contextmanager
def in_time() -> Iterator[None]:
    """A hang is a failure that says where."""

    def handle(number: int, frame: Any) -> None:
        pytest.fail(f"over {PATIENCE_S} s:\n{''.join(traceback.format_stack(frame)[-6:])}")

    before = signal.signal(signal.SIGALRM, handle)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def answered(words: list[str], about: object) -> None:
    """A command ends well, or with one message and status 2."""
    with warnings.catch_warnings(), in_time():
        warnings.simplefilter("ignore", RuntimeWarning)  # there is no number that is too large
        result = CliRunner().invoke(main, words)
    fault = result.exception
    if fault is not None and not isinstance(fault, SystemExit):
        raise AssertionError((words, about)) from fault
    assert result.exit_code in (0, 2), (words, about, result.output)
    if result.exit_code:
        assert result.output.strip(), (words, about)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    Path("cells.toml").write_text(WITH_CELLS)
    return tmp_path


def check_traces(folder: Path, seeds: Iterable[int]) -> None:
    secret = folder / "secret.txt"
    secret.write_bytes(SECRET * 4000)
    edgesim.run("cells.toml", "good.h5").close()
    for seed in seeds:
        rng = random.Random(seed)
        shutil.copy("good.h5", "t.h5")
        what = seed, hostile.trace(Path("t.h5"), rng, secret)
        commands = [
            ["summary", "t.h5"],
            ["summary", "--json", "t.h5"],
            ["export", "t.h5", "--format", "csv", "-o", "out"],
            ["export", "t.h5", "--graph", "g.json"],
            ["validate", "t.h5"],
            ["report", "t.h5", "-o", "r.html", "--overwrite"],
        ]
        if seed % 5 == 0:
            commands.append(["plot", "t.h5", "-o", "p.png"])
            commands.append(["run", "t.h5", "-o", "again.h5", "--overwrite", "--slots", "3"])
        for words in commands:
            answered(words, what)
        with in_time():
            try:
                watch("t.h5", once=True, console=Console(quiet=True))
            except TraceError as error:
                assert str(error), what
        found = [
            path
            for path in (*Path("out").glob("*"), Path("r.html"), Path("g.json"))
            if path.exists()
        ]
        assert not any(SECRET in path.read_bytes() for path in found), what
        for path in found:
            path.unlink()
    assert secret.read_bytes() == SECRET * 4000


def check_checkpoints(folder: Path, seeds: Iterable[int]) -> None:
    execute(prepare(load_scenario("cells.toml", STREAMS)), Path("good.h5"), stop_at(11), 5)
    good = Path("good.h5.checkpoint").read_bytes()
    for seed in seeds:
        shutil.copy("good.h5", "t.h5")
        content, what = hostile.checkpoint(good, random.Random(seed))
        Path("t.h5.checkpoint").write_bytes(content)
        answered(["run", "cells.toml", *sets(STREAMS), "-o", "t.h5", "--resume"], (seed, what))


def check_networks(folder: Path, seeds: Iterable[int]) -> None:
    def interrupt(progress: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    with pytest.raises(KeyboardInterrupt):
        train(load_scenario("carbon_6ue", LEARNING), Path("good"), follow=interrupt)
    run = ["run", "carbon_6ue", *sets(LEARNING), "--overwrite", "-o", "r.h5"]
    more = [*sets(LEARNING), "--set", "policy.episodes=22"]
    for seed in seeds:
        shutil.rmtree("out", ignore_errors=True)
        shutil.copytree("good", "out")
        rng = random.Random(seed)
        name = rng.choice(["best.pt", "checkpoint.pt"])
        hostile.network(Path("out", name), rng)
        if name == "best.pt":
            answered([*run, "--checkpoint", "out/best.pt"], (seed, name))
        else:
            answered(["train", "carbon_6ue", *more, "--resume", "-o", "out"], (seed, name))


def check_data(folder: Path, seeds: Iterable[int]) -> None:
    hours = [
        f"2020-06-01 0{hour}:{minute:02}:00,{100 + hour}" for hour in range(3) for minute in (0, 30)
    ]
    places = [f"-37.8{n},144.9{n}" for n in range(8)]
    replay = 'tasks={arrivals="replay", file="f.csv", time_column="time", bits={size=1.0}}'
    rectangle = "area.rectangle={south=-38.0, west=144.0, north=-37.0, east=145.5}"
    files = {
        "carbon": ["Time,Carbon Intensity", *hours],
        "places": ["Latitude,Longitude", *places],
        "replay": ["time,size", "0,1000", "0.1,2000", "0.3,300"],
        "dates": ["time,size", "2023-11-16 18:17:03.9,300", "2023-11-16 18:17:04,400"],
    }
    texts = {kind: "\n".join(lines) for kind, lines in files.items()}
    keys = {
        "carbon": ['carbon.intensity={file="f.csv", start="2020-06-01T00:10:00"}'],
        "places": [rectangle, 'devices.positions={file="f.csv"}'],
        "replay": [replay],
        "dates": [replay],
    }
    edgesim.run("cells.toml", "g.h5").close()
    for suffix in ("json", "graphml"):
        texts[suffix] = edgesim.export_graph("g.h5", f"net.{suffix}").read_text()
        keys[suffix] = [f"topology.file=f.{suffix}"]
    for seed in seeds:
        rng = random.Random(seed)
        kind = rng.choice(sorted(texts))
        name = f"f.{kind}" if kind in ("json", "graphml") else "f.csv"
        Path(name).write_text(hostile.text(texts[kind], rng), encoding="utf-8")
        words = ["run", "small.toml", "-o", "t.h5", "--overwrite", "--slots", "3"]
        answered([*words, *sets(keys[kind])], (seed, kind))


START = 'start="2025-01-01T00:00:00{}"'
GRIDS: dict[str, tuple[str, str]] = {
    "maps.csv": (test_carbon.ELECTRICITY_MAPS, f'{START.format("")}, basis="direct"'),
    "api.json": (json.dumps(test_carbon.UK_API, indent=1), START.format("Z")),
    "neso.csv": (test_carbon.NESO, f'{START.format("")}, time_zone="Europe/London"'),
    "watt.json": (json.dumps(test_carbon.WATT_TIME, indent=1), START.format("Z")),
    "watt.csv": (test_carbon.WATT_TIME_CSV, f'{START.format("Z")}, unit="lb/MWh"'),
    "sdk.json": (json.dumps(test_carbon.SDK, indent=1), START.format("Z")),
    "german.csv": (test_carbon.GERMAN, f'{START.format("")}, time_column="Datum", max_gap="1 h"'),
    "tabs.csv": (test_carbon.TABS, START.format("Z")),
    "clock.csv": (test_carbon.LONDON, 'start="2024-10-27T00:30Z", time_zone="Europe/London"'),
}
"""Carbon files of each layout, and the rest of the keys that read them."""


def write_damaged(name: str, text: str, rng: random.Random) -> str:
    """Write a text with some damage, now and then compressed and damaged there; gives the file's name."""
    content = hostile.text(text, rng).encode()
    if rng.random() < 0.1:
        name, packed = f"{name}.gz", bytearray(gzip.compress(content, mtime=0))
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
        content = bytes(packed[: rng.choice([None, -3])])
    Path(name).write_bytes(content)
    return name


def check_carbon(folder: Path, seeds: Iterable[int]) -> None:
    for name, (text, keys) in GRIDS.items():
        Path(name).write_text(text, encoding="utf-8")
        key = f'carbon.intensity={{file="{name}", {keys}}}'
        assert CliRunner().invoke(main, ["validate", "small.toml", "--set", key]).exit_code == 0
    for seed in seeds:
        rng = random.Random(seed)
        kind = rng.choice(sorted(GRIDS))
        text, keys = GRIDS[kind]
        name = write_damaged(f"f.{kind}", text, rng)
        key = f'carbon.intensity={{file="{name}", {keys}}}'
        answered(["validate", "small.toml", "--set", key], (seed, kind))
        told = [one for one in keys.split(", ")[1:] if not one.startswith("max_gap")]
        answered(["data", "check", name, "--as", "carbon", *sets(told)], (seed, kind))
        Path(name).unlink()


def check_workloads(folder: Path, seeds: Iterable[int]) -> None:
    """Of each published form, and as Parquet; damaged as text, and packed also as bytes."""
    published = {name: bits for name, (_, bits, *_) in test_workloads.PUBLISHED.items()}
    contents = {name: one[0].encode() for name, one in test_workloads.PUBLISHED.items()}
    contents["counts.csv"] = test_workloads.FUNCTIONS_2019.encode()
    contents["mixed.csv"] = (
        b"time;n;who\n31.12.2025 23:00;1,5;a\n01.01.2026 00:00;;b\n01.01.2026 01:00;2;b\n"
    )
    table = pd.read_csv(io.StringIO(test_workloads.LLM_2024), parse_dates=["TIMESTAMP"])
    table.to_parquet(packed := io.BytesIO())
    contents["table.parquet"] = packed.getvalue()
    more = {
        "counts.csv": ["tasks.bits=1e5", "tasks.device_column=HashFunction"],
        "mixed.csv": ["tasks.bits={n=1e5}", 'tasks.unknown=[""]', "tasks.device_column=who"],
        "table.parquet": ["tasks.bits={ContextTokens=1.0}"],
        "functions-2021.txt": ["tasks.device_column=app"],
        "jobs.swf": ["tasks.deadline_column=requested_time", "tasks.device_column=user"],
    }
    text = SMALL.replace('mean = "0.1 Mbit"', 'arrivals = "replay"\nmore_ids = "wrap"')
    Path("w.toml").write_text(text.replace('"random"', '"local"'))

    def words(name: str, file: str) -> list[str]:
        bits = published.get(name, {}).items()
        sizes = ", ".join(f"{json.dumps(key)}={value}" for key, value in bits)
        keys = ([f"tasks.bits={{{sizes}}}"] if sizes else []) + more.get(name, [])
        return ["w.toml", "--slots", "3", *sets([*keys, f"tasks.file={file}"])]

    for name, content in contents.items():
        Path(name).write_bytes(content)
        result = CliRunner().invoke(main, ["validate", *words(name, name)])
        assert result.exit_code == 0, result.output
    for seed in seeds:
        rng = random.Random(seed)
        name = rng.choice(sorted(contents))
        content, file = contents[name], f"f-{name}"
        if name != "table.parquet":
            content = hostile.text(content.decode(), rng).encode()
        if rng.random() < 0.1 and name != "table.parquet":
            file, content = f"{file}.gz", gzip.compress(content, mtime=0)
        if file.endswith((".gz", ".parquet")):
            spoiled = bytearray(content)
            for _ in range(rng.choice([0, 1, 1, 3])):
                spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
            content = bytes(spoiled[: rng.choice([None, None, -3])])
        Path(file).write_bytes(content)
        if rng.random() < 0.3:
            answered(["run", *words(name, file), "-o", "t.h5", "--overwrite"], (seed, name))
        else:
            answered(["validate", *words(name, file)], (seed, name))
        answered(["data", "check", file, "--as", "arrivals"], (seed, name))
        Path(file).unlink()


PLACES: dict[str, tuple[str, bool]] = {
    # A file, and whether it is one of cells or users.
    "eua.csv": (
        "SITE_ID,LATITUDE,LONGITUDE,NAME,ELEVATION\n"
        + "".join(f'{n},-37.8{n},144.9{n},"Site {n}",\n' for n in range(8)),
        False,
    ),
    "cells.csv": (
        "radio,mcc,net,area,cell,unit,lon,lat,range,samples\n"
        + "".join(f"LTE,505,1,{n},{n},-1,144.9{n},-37.8{n},0,5\n" for n in range(8)),
        False,
    ),
    "german.csv": (
        "Lat;Long\n" + "".join(f"-37,8{n};144,9{n}\n" for n in range(8)),
        True,
    ),
    "places.json": (
        json.dumps(
            {"sites": [{"latitude": -37.8 - n / 100, "lng": 144.9 + n / 100} for n in range(8)]},
            indent=1,
        ),
        True,
    ),
}
"""Files of positions of each form, and whether devices are there, or stations."""


def check_positions(folder: Path, seeds: Iterable[int]) -> None:
    rectangle = "area.rectangle={south=-38.0, west=144.0, north=-37.0, east=145.5}"

    def words(name: str, devices: bool) -> list[str]:
        key = "devices.positions" if devices else "stations.sbs.positions"
        return ["small.toml", *sets([rectangle, f"{key}={{file='{name}'}}"])]

    for name, (text, devices) in PLACES.items():
        Path(name).write_text(text, encoding="utf-8")
        begun = CliRunner().invoke(main, ["validate", *words(name, devices)])
        assert begun.exit_code == 0, begun.output
    for seed in seeds:
        rng = random.Random(seed)
        kind = rng.choice(sorted(PLACES))
        text, devices = PLACES[kind]
        name = write_damaged(f"f.{kind}", text, rng)
        if rng.random() < 0.2:
            run = ["run", *words(name, devices), "-o", "t.h5", "--overwrite", "--slots", "3"]
            answered(run, (seed, kind))
        else:
            answered(["validate", *words(name, devices)], (seed, kind))
        answered(["data", "check", name, "--as", "positions"], (seed, kind))
        Path(name).unlink()


def check_topologies(folder: Path, seeds: Iterable[int]) -> None:
    links = [("0", "1", {"LinkSpeedRaw": 1e9}), ("1", "2", {}), ("2", "1", {})]
    lines = test_topologies.graphml(links=links).replace("<", "\n<")
    texts = {
        "f.graphml": (lines.lstrip(), ["topology.stations=internal"]),
        "f.gml": (test_topologies.gml(links=links), ["topology.stations=internal"]),
        "f.json": (
            json.dumps(test_topologies.node_link(), indent=1),
            ["topology.coordinates=degrees"],
        ),
    }
    more = [
        test_topologies.AREA,
        "topology.mbs=Alpha",
        "topology.parallel=join",
        "twin.sync=periodic",
    ]
    for name, (text, keys) in texts.items():
        Path(name).write_text(text, encoding="utf-8")
        words = ["validate", "small.toml", *sets([*more, *keys, f"topology.file={name}"])]
        begun = CliRunner().invoke(main, words)
        assert begun.exit_code == 0, begun.output
    for seed in seeds:
        rng = random.Random(seed)
        name = rng.choice(sorted(texts))
        text, keys = texts[name]
        Path(name).write_text(hostile.text(text, rng), encoding="utf-8")
        words = ["validate", "small.toml", *sets([*more, *keys, f"topology.file={name}"])]
        answered(words, (seed, name))
        answered(["data", "check", name, "--as", "topology"], (seed, name))


def check_tables(folder: Path, seeds: Iterable[int]) -> None:
    Path("sweep.toml").write_text(
        'scenario = "cells.toml"\nseeds = 2\n[grid]\n"devices.count" = [2, 3]\n'
    )
    assert (
        CliRunner().invoke(main, ["sweep", "sweep.toml", "-o", "good", "--workers", "1"]).exit_code
        == 0
    )
    for seed in seeds:
        shutil.rmtree("out", ignore_errors=True)
        shutil.copytree("good", "out")
        what = hostile.table(Path("out/sweep.sqlite"), random.Random(seed), _checksum)
        for words in (
            ["sweep", "out", "--status"],
            ["summary", "out"],
            ["compare", "out", "--between", "devices.count"],
            ["export", "out", "--format", "csv"],
            ["plot", "out"],
            ["report", "out"],
        ):
            answered(words, (seed, what))


CHECKS: dict[str, tuple[Check, range, range]] = {
    "traces": (check_traces, range(2), range(1000, 1700)),
    "checkpoints": (check_checkpoints, range(12), range(1000, 1500)),
    "networks": (check_networks, range(1), range(1000, 1200)),
    "data": (check_data, range(15), range(1000, 5000)),
    "carbon": (check_carbon, range(25), range(1000, 3000)),
    "workloads": (check_workloads, range(25), range(1000, 3000)),
    "positions": (check_positions, range(15), range(1000, 3000)),
    "topologies": (check_topologies, range(25), range(1000, 3000)),
    "tables": (check_tables, range(1), range(1000, 1200)),
}
"""Each with the seeds of every day, and those of the slow test: 13,600 files."""


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.usefixtures("in_this_process")
def test_hostile_files(kind: str, folder: Path) -> None:
    check, seeds, _ = CHECKS[kind]
    check(folder, seeds)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHECKS)
def test_thousands_of_hostile_files(kind: str, folder: Path) -> None:
    check, _, seeds = CHECKS[kind]
    check(folder, seeds)


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("traces", 131),
        ("traces", 236),
        ("traces", 1260),
        ("traces", 1561),
        ("checkpoints", 191),
        ("checkpoints", 350),
        ("checkpoints", 1202),
        ("data", 78),
        pytest.param("tables", 1154, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("in_this_process")
def test_what_was_found(kind: str, seed: int, folder: Path) -> None:
    """By an earlier draw of the slow test; each was a traceback or a run that failed."""
    CHECKS[kind][0](folder, [seed])


HOSTILE_KEYS = [
    ".".join(["a"] * 500) + "=1",
    'area.size=["1e99999999999999999999 m", "1 m"]',
    "devices.cpu=1 " + "*".join(["Hz"] * 2000),
    "devices.cpu=1 " + " " * 60_000 + "x",
    'mobility={model="random-waypoint", speed=["1 m/s", "1e150 m/s"]}',
    'carbon.intensity={file="carbon_intensity_gb_2020.csv", start="9999-12-31T23:59:59-12:00"}',
    'carbon.intensity={file="carbon_intensity_gb_2020.csv", start="0001-01-01T00:00:00+12:00"}',
    "devices.count=1000000 run.replications=100000",
    "tasks.x=" + "[" * 400 + "]" * 400,
    "policy.name=exact devices.count=20",
]


@pytest.mark.parametrize("keys", HOSTILE_KEYS, ids=lambda keys: keys[:30])
def test_hostile_values(keys: str) -> None:
    each = keys.split() if keys.count("=") == 2 and "{" not in keys and "[" not in keys else [keys]
    with in_time():
        result = CliRunner().invoke(main, ["run", "cells.toml", "-o", "t.h5", *sets(each)])
    assert isinstance(result.exception, SystemExit) and result.exit_code == 2, result.output
    assert result.output.count("\n") == 1 and len(result.output) < 500
    assert not Path("t.h5").exists()


def test_a_cell_that_covers_the_world_is_drawn() -> None:
    edgesim.run("cells.toml", "t.h5", overrides={"stations.sbs.coverage": "1e30 m"}).close()
    for words in (["plot", "t.h5", "--kind", "map"], ["report", "t.h5"]):
        answered(words, "")
    assert Path("t.png").is_file()


def test_dimensions_of_another_type_crash_nobody() -> None:
    """HDF5's own functions follow them without a look; in a process of its own, to see it."""
    edgesim.run("cells.toml", "t.h5").close()
    values: list[Any] = [3, [1.0, 2.0, 3.0], "x", h5py.Empty("f8")]
    for number, value in enumerate(values):
        shutil.copy("t.h5", f"{number}.h5")
        with h5py.File(f"{number}.h5", "r+", locking=False) as file:
            for name in ("slots/queue_bits", "tasks/bits", "summary/tasks"):
                del file[name].attrs["DIMENSION_LIST"]
                file[name].attrs["DIMENSION_LIST"] = value
    program = (
        "import edgesim\nfor number in range(4):\n    for part in ('slots', 'tasks', 'batches'):\n"
        "        try:\n            getattr(edgesim.open_trace(f'{number}.h5'), part).load()\n"
        "        except edgesim.TraceError as error:\n            print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for number in range(len(values)):
        assert told.stdout.count(f"{number}.h5: the file is torn") == 3


@pytest.mark.parametrize("words", [["watch", "--interval"], ["summary", "--warmup"]])
@pytest.mark.parametrize("number", ["-1", "nan", "inf"])
def test_numbers_of_options(words: list[str], number: str) -> None:
    edgesim.run("cells.toml", "t.h5").close()
    result = CliRunner().invoke(main, [words[0], "t.h5", words[1], number])
    assert result.exit_code == 2 and words[1] in result.output
    with pytest.raises(ValueError, match="allowed: > 0"):
        watch("t.h5", float(number))


@pytest.mark.slow
def test_a_full_disk_ends_a_training_with_a_message() -> None:
    """A file can have no more bytes than the process may write: the system refuses as a full disk does."""
    program = (
        "import resource, sys\n"
        "from edgesim.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "main(sys.argv[1:])\n"
    )
    words = ["train", "carbon_6ue", *sets(LEARNING), "-o", "out"]
    command = [sys.executable, "-c", program, *words]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert told.returncode == 1 and "Traceback" not in told.stderr, told.stderr
    assert "File too large" in told.stderr
