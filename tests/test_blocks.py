"""What stands in blocks of README and documents runs: commands in a shell, Python as in a notebook."""

import gzip
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from test_terminal import PAGES as AT_A_TERMINAL
from test_terminal import ROOT

from edgesim.cli import main

PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md")))]
COMMAND = re.compile(r"^ *(?:\$ )?(edgesim [a-z]+\b.*)$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

SMALLER = """
edgesim() {
    case "$1" in
        run) more=(--slots 10) ;;
        compare) [ -d "$2" ] && more=() || more=(--seeds 2 --slots 3) ;;
        *) more=() ;;
    esac
    "$PYTHON" -m edgesim "$@" "${more[@]}"
}
"""
"""A shell's function: the same commands with few slots and seeds; of a folder of a sweep all that is in it."""

NOT_RUN = {
    "ray.rllib": "RLlib is none of the development tools",
    "dask_jobqueue": "there is no SLURM here",
}
BEFORE = {
    "README.md": "import numpy as np\nfrom edgesim.policies.local import Local as MyPolicy\n",
    "docs/sweeps.md": (
        "import edgesim\n"
        "edgesim.sweep({'scenario': 'iiot_20dev', 'title': 'load', 'seeds': 2,\n"
        "    'policies': ['epr', 'local'], 'set': {'run.slots': 3, 'trace.level': 'slots'},\n"
        "    'grid': {'tasks.mean': ['0.4 Mbit', '0.5 Mbit'], 'devices.count': [10, 20]}},\n"
        "    'runs/load', workers=1)\n"
    ),
}
"""What a page takes for granted."""


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    return COMMAND.findall(text(page).replace("\\\n", " "))


def blocks(page: str, language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(text(page)) if found == language]


WITH_COMMANDS = [page for page in PAGES if commands(page)]
WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def test_there_are_some() -> None:
    assert len(WITH_COMMANDS) > 10 and len(WITH_PYTHON) > 5


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_has_these_options(page: str) -> None:
    """Nothing is run: the words are read as the command would."""
    for line in commands(page):
        words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
        if any("$" in word for word in words):  # of a shell
            continue
        command: click.Command = main
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not main, line
        command.make_context("edgesim", words)


GALLERY = "docs/gallery.md"
TUTORIALS = [page for page in PAGES if page.startswith("docs/tutorial_")]
OF_THE_CLOCK = re.compile(r"decision, median|CPU time|│ size ")
LEARNS = "docs/tutorial_agent.md"
"""What is learned differs in the last bits between processors, and then in all."""


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_prints_what_it_shows(page: str, tmp_path: Path) -> None:
    """The same to the last digit, but for what a clock says; of what is learned, the same words."""
    run = runpy.run_path(str(ROOT / "docs" / "tutorials.py"))["executed"]
    printed, shown = run(text(page), tmp_path), text(page)
    if page == LEARNS:
        assert re.findall(r"[a-z_]{2,}", printed) == re.findall(r"[a-z_]{2,}", shown)
    else:
        printed, shown = (
            "\n".join(line for line in one.splitlines() if not OF_THE_CLOCK.search(line))
            for one in (printed, shown)
        )
        assert printed == shown
    for picture in re.findall(r"\]\((tutorial_\w+\.svg)\)", text(page)):
        assert (tmp_path / picture).stat().st_size < 300_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [one for one in WITH_COMMANDS if one not in (*AT_A_TERMINAL, *TUTORIALS, GALLERY)]
)
def test_every_block_of_commands_runs(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    shipped = ROOT / "scenarios" / "data" / "shipped"
    for name, whose in (
        ("grid", "carbon_intensity_gb_2020"),
        ("sites", "eua_stations_melbourne_cbd"),
    ):
        data = gzip.decompress((shipped / f"{whose}.csv.gz").read_bytes())
        (tmp_path / f"{name}.csv").write_bytes(data)
    # It says nothing of its unit, so that it has to be told.
    (tmp_path / "moer.csv").write_text(
        "Datetime (UTC),Carbon intensity\n2025-01-01,100\n2025-01-02,200\n"
    )
    lines = [
        re.sub(r"^ *\$ ", "", line)
        for language in ("", "console")
        for block in blocks(page, language)
        if COMMAND.search(block)
        for line in block.splitlines()
        if not re.match(r"^ *(\$ )?(python3|\.venv|source|eval|_EDGESIM)", line)
    ]
    script = "set -e\n" + SMALLER + "\n".join(lines)
    ended = subprocess.run(
        ["bash", "-c", script],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable, "MINARI_DATASETS_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, (ended.stdout[-2000:], ended.stderr[-2000:])


@pytest.mark.slow
@pytest.mark.parametrize("page", [one for one in WITH_PYTHON if one not in (*TUTORIALS, GALLERY)])
def test_every_block_of_python_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another in one notebook; learning as short as it can be."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "toml"):
        if block.startswith("title"):
            (tmp_path / "mine.toml").write_text(block)
    space: dict[str, object] = {"__name__": "__main__"}
    exec(BEFORE.get(page, ""), space)  # noqa: S102 - it is what a notebook does
    for block in blocks(page, "python"):
        if not any(name in block for name in NOT_RUN):
            exec(re.sub(r"learn\([\d_]+\)", "learn(64)", block), space)  # noqa: S102
