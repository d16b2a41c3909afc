"""The tables of carbon.md: paired savings by hand, and that their script runs, goes on, and pairs what it says."""

import csv
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDY: Any = runpy.run_path(str(ROOT / "docs" / "carbon_study.py"))


def test_savings_of_paired_weeks_by_hand() -> None:
    """Of 10 mg each week 1, 2 and 3 are saved: 20 %, and t(0.975, 2) sqrt(1 / 3) = 4.3027 / 1.7321 mg around it."""
    beside = np.full(3, 10.0)
    one = STUDY["saved"](beside - np.array([1.0, 2.0, 3.0]), beside)
    half = 10.0 * 4.302653 / np.sqrt(3.0)
    assert [one.value, one.low, one.high] == pytest.approx([20.0, 20.0 - half, 20.0 + half])
    # Weeks that differ fivefold, and are saved a tenth of each: nothing is left to be unsure of.
    weeks = np.array([10.0, 20.0, 50.0])
    one = STUDY["saved"](0.9 * weeks, weeks)
    assert [one.value, one.low, one.high] == pytest.approx([10.0, 10.0, 10.0])


def test_thirty_weeks_and_all_of_their_days() -> None:
    weeks = {np.datetime64(STUDY["start"](week).rstrip("Z")) for week in range(STUDY["WEEKS"])}
    days = [one.astype("datetime64[D]").astype(int) for one in weeks]
    assert len({day // 7 for day in days}) == STUDY["WEEKS"] == 30
    assert {day % 7 for day in days} == set(range(7))


def test_runs_are_written_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def measured(case: Any, folder: Path) -> dict[str, float]:
        made.append(case)
        mass = {"energy": 10.0, "carbon": 8.0}[case.policy] * (1 + case.week)
        return dict.fromkeys(STUDY["FIELDS"], mass)

    monkeypatch.setitem(STUDY["results"].__globals__, "measured", measured)
    factor = "V, bit²/g"
    for _ in range(2):
        rows = STUDY["results"](STUDY["cases"](factor, 2, False), tmp_path)
    # Two weeks of four V, and of one baseline for all of them.
    assert len(made) == 10
    lines = list(STUDY["table"](rows, factor, 2, False))
    assert lines[3].split("|")[2:5] == [
        ' `lyapunov`, `penalty = "carbon"` ', " 12 ", " 20.0 (20.0 to 20.0) "
    ]  # fmt: skip
    with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == len(made)


def test_a_run_of_the_script(tmp_path: Path) -> None:
    """Its tasks all end within the run, in whatever slack."""
    for hours in (0.0, 12.0):
        case = STUDY["Case"](STUDY["slack"](hours), "local", 0)
        found = STUDY["measured"](case, tmp_path)
        assert found["late"] == 0.0 and 1.0 < found["emission_mg"] < 20.0


@pytest.mark.slow
def test_its_quick_form(tmp_path: Path) -> None:
    STUDY["main"](tmp_path, True, None)
    assert (tmp_path / "carbon_study.svg").stat().st_size > 1000
