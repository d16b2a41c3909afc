"""Systems that are not the one that runs the tests, by what they lack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pseudo_terminal import COMMAND
from sweeping import write

from edgesim.traces import open_file

NOT_ON_MACOS = """
import errno, os
for name in (
    "sched_getaffinity", "sched_setaffinity", "posix_fadvise", "posix_fallocate", "memfd_create",
    "eventfd", "pidfd_open", "copy_file_range", "splice", "getrandom", "preadv", "pwritev",
    "O_TMPFILE", "O_DIRECT",
):
    delattr(os, name) if hasattr(os, name) else None
"""


@pytest.mark.slow
def test_without_what_macos_lacks_runs_and_sweeps_are_made(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NOT_ON_MACOS)
    path = write(tmp_path)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    lacking = os.environ | {"PYTHONPATH": paths}
    for words in (
        ("run", "base.toml", "--policy", "local", "--slots", "9", "-o", "t.h5"),
        ("sweep", path.name, "-o", "out"),
        ("summary", "t.h5"),
    ):
        done = subprocess.run(
            [*COMMAND, *words],
            check=False,
            cwd=tmp_path,
            env=lacking,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "traces").glob("*.h5"))) == 8


@pytest.mark.parametrize("lacks", [(), ("preadv",)])
def test_parts_of_a_file_are_its_bytes(
    lacks: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they lie, and zeros where the file has ended."""
    for name in lacks:
        monkeypatch.delattr(os, name, raising=False)
    content = bytes(range(1, 256)) * 9
    path = tmp_path / "f"
    path.write_bytes(content)
    file = open_file._Bytes(path)
    for place, size in ((0, 7), (2000, 200), (100, 1), (2290, 9), (5000, 3), (1, len(content))):
        assert file.seek(place) == file.tell() == place
        part = bytearray(size)
        assert file.readinto(part) == size
        assert bytes(part) == content[place : place + size].ljust(size, b"\0")
        assert file.tell() == place + size
    file.close()
    assert file.closed


def test_windows_is_told_what_to_do() -> None:
    code = "import sys; sys.platform = 'win32'; import edgesim"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: edgesim runs on Linux and macOS; on Windows")
