"""Files that may not grow as large as they have to (RLIMIT_FSIZE, as `ulimit -f` sets it)."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import mistakes
from forked import run
from sweeping import write

import edgesim
from edgesim.cli import main
from edgesim.traces.export import write_tables


@contextmanager
def limited(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def too_large(path: Path, *words: object) -> None:
    """This command says so of this file, and leaves the folder as it was."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with limited(3000):
        result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 1, result.output
    assert result.stderr == f"error: {path}: File too large\n"
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "run.h5"
    edgesim.run("iiot_20dev", path, policy="local", overrides=["run.slots=100"]).close()
    return path


def edgesim_within(size: int, *words: object) -> "subprocess.CompletedProcess[str]":
    """In a process of its own: HDF5 by itself would crash it."""
    return run(*words, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def test_memory_that_processes_share_is_told(tmp_path: Path) -> None:
    """It is a file for the system, and has no name that would help; by default there is one process then."""
    words = ("run", "iiot_20dev", "--policy", "local", "--slots", 300, "--replications", 50)
    ended = edgesim_within(3_000_000, *words, "-o", tmp_path / "run.h5", "--workers", 2)
    told = "error: memory that processes share: File too large\n"
    assert (ended.returncode, mistakes(ended.stderr)) == (1, told)


@pytest.mark.parametrize(
    ("level", "replications", "size"),
    [
        ("slots", 1, 30_000),  # it cannot even begin
        ("slots", 50, 3_000_000),
        pytest.param("summary", 200, 500_000, marks=pytest.mark.slow),
        pytest.param("full", 5, 1_000_000, marks=pytest.mark.slow),
    ],
)
def test_a_run_is_told_once_and_its_trace_can_be_read(
    tmp_path: Path, level: str, replications: int, size: int
) -> None:
    path = tmp_path / "run.h5"
    ended = edgesim_within(
        size, "run", "iiot_20dev", "--policy", "local", "--slots", 300, "-o", path,
        "--replications", replications, "--set", f"trace.level={level}",
    )  # fmt: skip
    said = ended.returncode, mistakes(ended.stderr)
    assert said == (1, f"error: {path}: File too large\n")
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
    with edgesim.open_trace(path) as trace:
        assert trace.status == "running"  # as after a kill


@pytest.mark.slow
def test_what_shows_a_trace_replaces_nothing_by_half(trace: Path, tmp_path: Path) -> None:
    for name in ("p.png", "p.html", "slots.csv", "slots.parquet"):
        (tmp_path / name).write_text("of before")
    too_large(tmp_path / "p.png", "plot", trace, "-o", tmp_path / "p.png")
    too_large(tmp_path / "p.html", "report", trace, "-o", tmp_path / "p.html", "--overwrite")
    for form in ("csv", "parquet"):
        too_large(tmp_path / f"slots.{form}", "export", trace, "-o", tmp_path, "--format", form)


def test_a_table_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "t.csv"

    def pieces() -> Iterator[dict[str, list[int]]]:
        yield {"a": [1]}
        assert not target.exists()
        yield {"a": [2]}

    write_tables(target, pieces(), "csv")
    assert target.read_text().split() == ['"a"', "1", "2"]
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.slow
def test_a_sweep_is_told_once(tmp_path: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    full = edgesim_within(60_000, "sweep", path, "-o", out)
    assert full.returncode == 1 and len(full.stderr.splitlines()) == 1
    assert "File too large; what is complete is kept" in full.stderr
    assert edgesim_within(10**9, "sweep", path, "-o", out).returncode == 0
