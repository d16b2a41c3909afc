"""Progress bars on a terminal of 80 columns."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import SMALL
from rich.console import Console

import edgesim
from edgesim.experiments.evaluation import Evaluation
from edgesim.experiments.progress import run_progress, sweep_progress, training_progress
from edgesim.experiments.sweeps.execute import SweepProgress
from edgesim.experiments.train import TrainingProgress

Screen = Callable[[], str]


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A terminal in the place of stderr, and what is written on it, without control sequences."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    written: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(leader, 65536):
                written.append(data)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80"), ("LINES", "24")):
        monkeypatch.setenv(name, value)

    def screen() -> str:
        stream.close()
        os.close(follower)
        reader.join()
        os.close(leader)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(written).decode())
        assert max(map(len, re.split(r"[\r\n]+", text))) <= 80
        return text

    with monkeypatch.context() as patch, os.fdopen(os.dup(follower), "w") as stream:
        patch.setattr(sys, "stderr", stream)
        yield screen


def test_a_training_is_followed_before_and_after_its_first_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch) as screen:
        with training_progress() as (follow, _):
            follow(TrainingProgress(1_000, 600_000, 1234.5, {"reward": 0.5}, None))
            figures = {f"figure_{number}": float(number) for number in range(20)}
            evaluation = Evaluation(figures, 0.0)
            follow(TrainingProgress(300_000, 600_000, 1234.5, {"reward": 0.75}, evaluation))
        text = screen()
    assert "runs" not in text and "slots" not in text and "failed" not in text
    assert "preparing" in text and "300,000 / 600,000 steps" in text and "1,234 steps/s" in text
    assert "reward 0.75, figure_0 0" in text and "figure_19" not in text


def test_a_run_is_followed_under_any_label(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with terminal(monkeypatch) as screen:
        with run_progress("local{V=1e13} (1 of 2)") as follow:
            edgesim.run(SMALL, tmp_path / "t.h5", policy="local", on_start=follow).close()
        text = screen()
    assert "local{V=1e13} (1 of 2)" in text and "/ 50 slots" in text


def test_a_run_shows_how_far_it_is_and_how_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgesim.experiments.progress.REFRESH_S", 0.02)
    simulation: Any = SimpleNamespace(slots=60, slot=0)
    with terminal(monkeypatch) as screen:
        with run_progress() as follow:
            follow(simulation)
            for _ in range(30):
                simulation.slot += 1
                time.sleep(0.02)
        written = screen()
    assert re.search(r"\d slots/s", written) and re.search(r"2\d / 60 slots", written)


def test_a_sweep_is_followed_with_its_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as screen:
        with sweep_progress() as (watch, report):
            progress = SweepProgress(total=1_000, complete=400)
            watch(progress)
            watch(progress)
            progress.complete, progress.failed = 500, 2
            report("devices.count = 3, [bold]: it failed")
            watch(progress)
        text = screen()
    assert "502 / 1,000 runs" in text and "2 failed" in text and " 0 failed" not in text
    assert "failed: devices.count = 3, [bold]: it failed" in text


def test_a_sweep_is_timed_from_its_first_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what came before it nor earlier runs say how long the rest takes."""
    now = [0.0]
    console = partial(Console, get_time=lambda: now[0])
    monkeypatch.setattr("edgesim.experiments.progress_bar.Console", console)
    with terminal(monkeypatch) as screen:
        with sweep_progress() as (watch, report):
            for now[0], complete in ((100.0, 400), (110.0, 410), (120.0, 430)):
                watch(SweepProgress(total=1_000, complete=complete))
            report("of which nobody knows")
        text = screen()
    # Twenty in the last ten seconds: 570 are left.
    assert re.search(r"430 / 1,000 runs .* 0:00:20 left 0:04:45", text)


def test_off_a_terminal_failures_alone_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        sweep_progress() as (watch, report),
        run_progress(),
        training_progress() as (follow, _),
    ):
        watch(SweepProgress(total=3, complete=1))
        report("it failed")
        follow(TrainingProgress(1, 2, 3.0, {}, None))
    assert capsys.readouterr() == ("", "failed: it failed\n")
