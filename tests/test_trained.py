"""The shipped policies that learn: the command that each names comes to what the project promises."""

import csv
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgesim.cli import main
from edgesim.policies.learning.checkpoint import FORMAT, TRAINED, read


def trained(name: str, folder: Path) -> dict[str, float]:
    """Figures of the best policy that a shipped checkpoint's command finds."""
    words = shlex.split(read(TRAINED / f"{name}.pt", FORMAT)["about"])[1:]
    words[words.index("-o") + 1] = str(folder)
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    with (folder / "evaluation.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    score = "excess" if "excess" in rows[0] else "system_cost"
    return min(rows, key=lambda row: row[score])


@pytest.mark.slow
def test_aac_closes_the_gap_to_lyapunov(tmp_path: Path) -> None:
    """Paper A's network, three minutes."""
    assert trained("aac_iiot_20dev", tmp_path)["gap_closed"] > 0.98


@pytest.mark.slow
def test_ddpg_comes_near_the_optimum_at_any_theta_0(tmp_path: Path) -> None:
    """And of both ranges of tasks: Table I of paper C, two minutes; 200 slots of each."""
    figures = trained("ddpg_carbon_6ue", tmp_path)
    each = {
        name: value
        for name, value in figures.items()
        if name.startswith(("excess (", "feasible ("))
    }
    assert len(each) == 12
    for name, value in each.items():
        if '"1500 Mcycles"]' in name:
            assert value < 0.02 if name.startswith("excess") else value == 1.0
        elif name.startswith("feasible"):
            assert value > 0.97
