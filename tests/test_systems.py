"""Systems that are not the one that runs the tests, by what they lack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pseudo_terminal import COMMAND
from sweeping import write

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


def test_windows_is_told_what_to_do() -> None:
    code = "import sys; sys.platform = 'win32'; import edgesim"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: edgesim runs on Linux and macOS; on Windows")
