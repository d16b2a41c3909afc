"""Sweeps: what a file asks for, what a folder holds, and what is said about both."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.stats
import tomli_w
import torch
from click.testing import CliRunner, Result
from conftest import mistakes, run_script
from forked import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pyarrow.csv import read_csv
from pyarrow.parquet import read_table
from sweeping import BASE, SMALL, Here, make, write

import edgesim
from edgesim.cli import main
from edgesim.experiments.errors import SweepStoppedError
from edgesim.experiments.sweeps import figures as sweep_figures
from edgesim.experiments.sweeps.comparison import compare_sweep, summarise_sweep
from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.sweeps.estimate import PolicyEstimate, SweepEstimate, estimate
from edgesim.experiments.sweeps.execute import _apart, execute_sweep, jobs, plan
from edgesim.experiments.sweeps.figures import plot_sweep
from edgesim.experiments.sweeps.jobs import JobOutcome, run_job
from edgesim.experiments.sweeps.results import load_results
from edgesim.experiments.sweeps.status import sweep_status
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.sweeps.table import NAME, SweepTable, TraceFacts
from edgesim.experiments.sweeps.workers import LocalPool
from edgesim.policies.learning.checkpoint import TRAINED
from edgesim.scenarios.errors import ScenarioError
from edgesim.traces.comparison import holm
from edgesim.traces.metrics import METRICS
from edgesim.traces.reader import TraceError

MIXED = """
title = "mixed"
scenario = "base.toml"
policies = ["local", "lyapunov", 'lyapunov{V=1e12}']
seeds = [4, 5, 6, 9]
[set]
run.slots = 20
[grid]
tasks.mean = ["0.3 Mbit", "0.5 Mbit"]
[[points]]
devices.count = 3
[[points]]
devices.count = 5
stations.sbs.count = 1
"""


def cli(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep with a grid, listed points, and seeds with a gap."""
    folder = tmp_path_factory.mktemp("mixed")
    ended = make(write(folder, MIXED), folder / "out")
    assert (ended.complete, ended.failed) == (48, 0)
    return folder / "out"


def test_every_combination_is_a_run_of_the_scenario_that_it_says(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, MIXED))
    wanted = {
        (policy, mean, count, sbs, seed)
        for policy in (("local", 1e13), ("lyapunov", 1e13), ("lyapunov", 1e12))
        for mean in ("0.3 Mbit", "0.5 Mbit")
        for count, sbs in ((3, 3), (5, 1))
        for seed in (4, 5, 6, 9)
    }
    found = set()
    for job in jobs(sweep, set()):
        said = json.loads(job.scenario)
        assert said["run"]["slots"] == 20 and said["trace"]["level"] == "summary"
        assert said["run"]["replications"] == len(job.run_ids)
        for r in range(len(job.run_ids)):
            found.add(
                (
                    (said["policy"]["name"], said["policy"]["V"]),
                    said["tasks"]["mean"],
                    said["devices"]["count"],
                    said["stations"]["sbs"]["count"],
                    said["run"]["seed"] + r,
                )
            )
    assert found == wanted and sweep.runs == len(wanted) == 48
    assert sweep.blocks == [(4, 3), (9, 1)]


def test_ids_are_those_of_scenario_policy_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids(text: str, base: str = BASE) -> dict[str, str]:
        sweep = load_sweep(write(tmp_path, text, base))
        return {
            f"{case.point} {case.policy} {seed}": case.run_id(seed)
            for case in sweep.cases
            for seed in sweep.seeds
        }

    first = ids(SMALL)
    assert len(set(first.values())) == len(first) == 16
    assert ids(SMALL) == first
    # However they are written, packed, or taken together.
    assert ids(SMALL.replace("replications = 2", "replications = 3")) == first
    assert ids(SMALL.replace("seeds = 4", "seeds = [1, 2, 3, 4]")) == first
    assert (
        ids(SMALL, BASE.replace('"0.4 Mbit"', '"0.4 Mbit"\n[energy]\nepsilon = "100 mW"')) == first
    )
    assert not set(ids(SMALL, BASE.replace("0.4", "0.5")).values()) & set(first.values())
    assert not set(ids(SMALL.replace("20", "21")).values()) & set(first.values())
    monkeypatch.setattr("edgesim.experiments.sweeps.sweep_file.__version__", "9.9.9")
    assert not set(ids(SMALL).values()) & set(first.values())


def test_ids_follow_the_policys_file_and_the_data(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "docs" / "examples" / "max_weight.py"
    (tmp_path / "max_weight.py").write_text(example.read_text())
    (tmp_path / "load.csv").write_text("t,bits\n0.0,1000\n0.5,2000\n")
    base = 'title = "own"\n[tasks]\narrivals = "replay"\nfile = "load.csv"\ntime_column = "t"\n'
    base += 'bits = { bits = "1 bit" }\n'
    path = write(tmp_path, 'scenario = "base.toml"\npolicies = ["max_weight:MaxWeight"]\n', base)
    first = load_sweep(path).cases[0].digest
    (tmp_path / "load.csv").write_text("t,bits\n0.0,1000\n0.5,2001\n")
    second = load_sweep(path).cases[0].digest
    with (tmp_path / "max_weight.py").open("a") as file:
        file.write("# changed\n")
    assert len({first, second, load_sweep(path).cases[0].digest}) == 3


def test_ids_follow_what_a_run_notes_as_its_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trained network, and what a policy's file imports: an edited one makes the run anew, once."""
    shutil.copy(TRAINED / "aac_iiot_20dev.pt", tmp_path / "net.pt")
    (tmp_path / "share.py").write_text("SHARE = 0.5\n")
    (tmp_path / "own.py").write_text(
        "import share\nfrom edgesim.policies.local import Local\nclass Own(Local):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    policies = "['aac{checkpoint=net.pt}', 'own:Own', 'local']"
    text = f'scenario = "base.toml"\npolicies = {policies}\nseeds = 1\n[set]\nrun.slots = 3\n'
    path = write(tmp_path, text)
    (tmp_path / "traces").mkdir()

    def made() -> list[set[str]]:
        """Inputs of the traces that this start of the sweep made."""
        new = []
        for job in jobs(load_sweep(path), set()):
            there = (tmp_path / "traces" / f"{job.id}.h5").exists()
            assert run_job(job, tmp_path).end == "complete"
            if not there:
                with edgesim.open_trace(tmp_path / "traces" / f"{job.id}.h5") as trace:
                    new.append(set(trace.inputs or {}))
        return new

    assert made() == [{"net.pt"}, {"own.py", "share.py"}, set()]
    assert made() == []
    saved = torch.load("net.pt", weights_only=True)
    next(iter(saved["actor"].values())).mul_(0.5)
    torch.save(saved, "net.pt")
    assert made() == [{"net.pt"}]
    (tmp_path / "share.py").write_text("SHARE = 0.25\n")
    assert made() == [{"own.py", "share.py"}]
    assert made() == []


@pytest.mark.parametrize(
    "form",
    [
        "from share import SHARE\n",
        "from share import *\n",
        "import functools, share\nhalf = functools.partial(share.of, 2)\ndel share\n",
        "def later():\n    from share import SHARE\n",
        "def later():\n    import between\n",
    ],
)
def test_what_is_imported_counts_however_it_is(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant has no module, and what a function imports is no name of the file's; nor need it be imported yet."""
    for name in ("own", "share", "between"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "between.py").write_text("from share import SHARE\n")
    (tmp_path / "share.py").write_text("SHARE = 0.5\ndef of(x):\n    return x\n")
    own = "from edgesim.policies.local import Local\nclass Own(Local):\n    pass\n"
    (tmp_path / "own.py").write_text(form + own)
    monkeypatch.chdir(tmp_path)
    trace = edgesim.run(
        "iiot_20dev", "t.h5", policy="own:Own", overrides={"run.slots": 2}, trust=True
    )
    with trace:
        between = {"between.py"} if "between" in form else set()
        assert set(trace.inputs or {}) == {"own.py", "share.py"} | between


def test_a_run_gives_what_it_gives_alone(mixed: Path, tmp_path: Path) -> None:
    data = open_sweep(mixed)
    one = data.sel({"tasks.mean": 0.5e6, "policy": "lyapunov{V=1e12}", "seed": 6}).isel(point=1)
    changes = ["run.slots=20", "run.seed=6", "tasks.mean=0.5 Mbit", "policy.V=1e12"]
    changes += ["devices.count=5", "stations.sbs.count=1"]
    (tmp_path / "base.toml").write_text(BASE)
    with edgesim.run(
        tmp_path / "base.toml", tmp_path / "t.h5", policy="lyapunov", overrides=changes
    ) as trace:
        alone = trace.replication_values(0.1)
    assert alone.keys() <= set(map(str, data.data_vars))
    for key, values in alone.items():
        np.testing.assert_array_equal(one[key].values, values[0])
    with edgesim.open_trace(mixed / "traces" / one["trace"].item()) as trace:
        seeds = trace.batches["seed"].values
        assert seeds[one["replication"].item()] == 6


def test_open_sweep_is_labelled(mixed: Path) -> None:
    data = edgesim.open_sweep(mixed)
    assert dict(data.sizes) == {"point": 2, "tasks.mean": 2, "policy": 3, "seed": 4}
    assert data["tasks.mean"].values.tolist() == [0.3e6, 0.5e6]
    assert data["tasks.mean"].attrs["units"] == "bit"
    assert data["devices.count"].values.tolist() == [3, 5]
    assert data["stations.sbs.count"].values.tolist() == ["", "1"]
    assert data["queue_bits"].attrs == {"long_name": "queue of a device", "units": "bit"}
    assert data["latency_s"].notnull().all()
    # More tasks, longer queues; more devices, more energy: the labels are at the right places.
    assert (data["queue_bits"].diff("tasks.mean") > 0).all()
    assert (data["power_w"].sel(policy="local").diff("point") > 0).all()


def test_another_warm_up_reads_the_traces(mixed: Path) -> None:
    data = open_sweep(mixed, 0.5)
    name, place = (
        data[key].isel(point=0, policy=1, seed=2).values[1] for key in ("trace", "replication")
    )
    with edgesim.open_trace(mixed / "traces" / name) as trace:
        expected = trace.replication_values(0.5)["queue_bits"][place]
    found = data["queue_bits"].isel({"point": 0, "policy": 1, "seed": 2, "tasks.mean": 1})
    assert (
        found
        == expected
        != open_sweep(mixed)["queue_bits"].isel(
            {"point": 0, "policy": 1, "seed": 2, "tasks.mean": 1}
        )
    )


def test_groups_are_scipys(mixed: Path) -> None:
    results, data = load_results(mixed), open_sweep(mixed)
    compared = compare_sweep(
        results,
        by=["tasks.mean"],
        values=["lyapunov", "local"],
        numbers=["queue_bits", "power_w"],
        warmup=0.1,
    )
    assert [group.title for group in compared.groups] == [
        "tasks.mean = 0.3 Mbit",
        "tasks.mean = 0.5 Mbit",
    ]
    raw = []
    for group, mean in zip(compared.groups, (0.3e6, 0.5e6), strict=True):
        for key in ("queue_bits", "power_w"):
            # The points are taken together, seed by seed.
            sample = data[key].sel({"tasks.mean": mean}).mean("point")
            base, other = (sample.sel(policy=name).values for name in ("lyapunov", "local"))
            test = scipy.stats.ttest_rel(other, base)
            difference = group.policies[1].differences[key]
            np.testing.assert_allclose(difference.p_value, test.pvalue, rtol=1e-6)
            interval = test.confidence_interval(0.95)
            np.testing.assert_allclose(
                [difference.estimate.low, difference.estimate.high], interval, rtol=1e-7
            )
            raw.append((test.pvalue, difference.holm_p_value))
    # All groups count together.
    expected = holm(np.array([p for p, _ in raw]))
    np.testing.assert_allclose([adjusted for _, adjusted in raw], expected, rtol=1e-6)
    assert all(group.tests == 4 for group in compared.groups)


def test_any_key_can_be_compared_or_grouped_by(mixed: Path) -> None:
    results, data = load_results(mixed), open_sweep(mixed)
    between = compare_sweep(
        results, between="tasks.mean", by=["policy"], numbers=["power_w"], warmup=0.1
    )
    for group, policy in zip(between.groups, results.policies, strict=True):
        assert group.title == f"policy = {policy}" and group.baseline.label == "0.3 Mbit"
        power = data["power_w"].sel(policy=policy).mean("point")
        expected = (power[1] - power[0]).mean()
        np.testing.assert_allclose(
            group.policies[1].differences["power_w"].estimate.value, expected
        )
    summary = summarise_sweep(results, by=["devices.count"], numbers=["power_w"])
    for group_summary, point in zip(summary.groups, (0, 1), strict=True):
        by_seed = data["power_w"].isel(point=point).mean(["tasks.mean", "policy"]).values
        low, high = scipy.stats.t.interval(0.95, 3, by_seed.mean(), scipy.stats.sem(by_seed))
        estimate = group_summary.means["power_w"]
        np.testing.assert_allclose([estimate.low, estimate.high], [low, high])


def test_commands_on_a_folder(mixed: Path, tmp_path: Path) -> None:
    compared = cli(
        "compare", mixed, "--policies", "lyapunov,local", "--number", "latency_s", "--json"
    )
    assert compared.exit_code == 0, compared.stderr
    said = json.loads(compared.stdout)
    assert len(said["groups"]) == 4 and said["groups"][0]["baseline"] == "lyapunov"
    summary = cli("summary", mixed, "--by", "tasks.mean,policy")
    assert "0.5 Mbit" in summary.stdout and "lyapunov{V=1e12}" in summary.stdout
    picture = cli(
        "plot", mixed, "-o", tmp_path / "s.svg", "--number", "queue_bits", "--x", "tasks.mean"
    )
    text = (tmp_path / "s.svg").read_text()
    assert picture.exit_code == 0 and ">queue of a device [Mbit]</text>" in text
    assert ">tasks.mean [kbit]</text>" in text and text.count(">lyapunov{V=1e12}</text>") == 1
    wrongs: tuple[list[str | Path], ...] = (
        ["compare", mixed, "--by", "nix"],
        ["compare", mixed, "--policies", "nix,local"],
        ["summary", mixed, "--number", "nix"],
        ["plot", mixed, "--x", "nix", "-o", tmp_path / "x.png"],
        ["plot", mixed, "--x", "seed", "-o", tmp_path / "x.png"],
        ["compare", mixed, "--seeds", "3"],
        ["compare", tmp_path],
        ["sweep", tmp_path / "none.toml"],
        ["sweep", mixed / "none.toml", "--status"],
    )
    for wrong in wrongs:
        result = cli(*wrong)
        assert result.exit_code == 2 and result.stderr and "Traceback" not in result.stderr


def test_a_picture_draws_means_with_intervals_and_names_each_axis_once(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(sweep_figures, "save", lambda figure, output: drawn.append(figure))
    names, results = ["power_w", "latency_s"], load_results(mixed)
    plot_sweep(results, tmp_path / "s.png", x="tasks.mean", numbers=names)
    axes = np.array(drawn[0].axes).reshape(2, 2)
    assert [[ax.get_xlabel() for ax in row] for row in axes] == [
        ["", ""],
        ["tasks.mean [kbit]"] * 2,
    ]
    assert [[ax.get_ylabel() for ax in row] for row in axes] == [
        [METRICS[name].heading, ""] for name in names
    ]
    # A value is not parted from its unit.
    titles = ["devices.count =\xa03", "devices.count =\xa05, stations.sbs.count =\xa01"]
    assert [[ax.get_title("left") for ax in row] for row in axes] == [titles, ["", ""]]
    data = open_sweep(mixed)
    for name, row in zip(names, axes, strict=True):
        for point, ax in enumerate(row):
            assert ax.get_xscale() == "linear"
            for policy, line, band in zip(
                results.policies, ax.get_lines(), ax.collections, strict=True
            ):
                # (seeds, means of tasks)
                column = data[name].sel(policy=policy).isel(point=point).transpose("seed", ...)
                values = METRICS[name].scale * column.to_numpy()
                assert line.get_label() == policy
                np.testing.assert_array_equal(line.get_xdata(), [300.0, 500.0])
                np.testing.assert_allclose(line.get_ydata(), values.mean(axis=0))
                half = np.asarray(scipy.stats.t.ppf(0.975, 3) * scipy.stats.sem(values))
                corners = band.get_paths()[0].vertices
                for x, middle, aside in zip([300.0, 500.0], values.mean(axis=0), half, strict=True):
                    ends = corners[np.isclose(corners[:, 0], x), 1]
                    np.testing.assert_allclose(ends.min(), middle - aside)
                    np.testing.assert_allclose(ends.max(), middle + aside)


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_export_is_a_row_for_each_run(mixed: Path, tmp_path: Path, file_format: str) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    assert cli("export", mixed, "-o", folder, "--format", file_format).exit_code == 0
    path = folder / f"runs.{file_format}"
    rows = (read_table(path) if file_format == "parquet" else read_csv(path)).to_pylist()
    assert len(rows) == 48 == len({row["id"] for row in rows})
    wanted = {"policy": "local", "seed": 9, "tasks.mean": 0.5e6}
    found = [row["power_w"] for row in rows if row | wanted == row]
    assert sorted(found) == sorted(open_sweep(mixed)["power_w"].sel(wanted).values.tolist())


def test_missing_runs_are_missing_and_not_zero(tmp_path: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    sweep = load_sweep(path)
    plan(sweep, out)
    status = sweep_status(out)
    assert (status.runs, status.complete) == (16, 0) and np.isnan(status.left_cpu_s)
    assert open_sweep(out)["seed"].size == 4 and "power_w" not in open_sweep(out)
    with pytest.raises(TraceError, match="0 seeds are complete"):
        compare_sweep(load_results(out), warmup=0.1)
    with SweepTable(out) as table:
        assert not table.complete()
    make(path, out)
    with SweepTable(out, create=True) as table:
        name = next(iter(table.traces()))
    (out / "traces" / name).unlink()
    plan(sweep, out)
    data = open_sweep(out)
    assert int(data["power_w"].isnull().sum()) == 2 == int((data["trace"] == "").sum())
    status = sweep_status(out)
    assert status.left_cpu_s == pytest.approx(2 * status.cpu_s / 14)
    # Compared are the seeds of which each run is there.
    whole = data["power_w"].notnull().all([dim for dim in data["power_w"].dims if dim != "seed"])
    found = compare_sweep(load_results(out), numbers=["power_w"], warmup=0.1)
    assert found.groups[0].seeds == data["seed"].values[whole.values].tolist() != []
    [group] = summarise_sweep(load_results(out), by=[], numbers=["power_w"]).groups
    assert group.seeds == whole.sum()


def damage(how: str, path: Path) -> None:
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        middle = len(data) // 3
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])


def test_all_swept_points_are_compared_under_each_policy(mixed: Path) -> None:
    results = load_results(mixed)
    compared = compare_sweep(results, between="point", numbers=["power_w"], warmup=0.1)
    assert [one.title for one in compared.groups] == [f"policy = {one}" for one in results.policies]
    for group, policy in zip(compared.groups, results.policies, strict=True):
        cases = [k for k, case in enumerate(results.cases) if case.policy == policy]
        assert [one.label for one in group.policies] == [results.labels("point")[k] for k in cases]
        for one, case in zip(group.policies, cases, strict=True):
            assert np.array_equal(one.by_seed["power_w"], results.numbers["power_w"][case])
    chosen = ",".join(one.label for one in group.policies[1::-1])
    told = cli("compare", mixed, "--between", "point", "--policies", chosen, "--json")
    (first, second) = json.loads(told.stdout)["groups"][0]["policies"]
    assert f"{first['policy']},{second['policy']}" == chosen
    alone = replace(results, cases=[one for one in results.cases if one.policy == "local"])
    with pytest.raises(
        TraceError, match=r"only one policy, local: .* --between .*tasks.mean.* or point"
    ):
        compare_sweep(alone, warmup=0.1)
    refused = cli("compare", mixed, "--between", "point", "--by", "tasks.mean")
    assert "they cannot be the groups too; group by: policy" in refused.stderr


def test_a_sweep_is_drawn_by_the_keys_that_are_asked_for(
    mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(sweep_figures, "save", lambda figure, path: drawn.append(figure))
    results = load_results(mixed)
    for by, lines in ((["policy"], list(results.policies)), ([], ["mean"])):
        plot_sweep(results, "x.png", x="tasks.mean", by=by, numbers=["power_w"])
        (ax,) = drawn.pop().axes
        assert [line.get_label() for line in ax.lines] == lines
        groups = summarise_sweep(results, by=["tasks.mean", *by], numbers=["power_w"]).groups
        of_line = [one for one in groups if one.labels.get("policy", "mean") == lines[0]]
        expected = [one.means["power_w"].value * METRICS["power_w"].scale for one in of_line]
        assert sorted(np.asarray(ax.lines[0].get_ydata()).tolist()) == sorted(expected)
    with pytest.raises(TraceError, match="no point; there are"):
        plot_sweep(results, "x.png", by=["point"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep's file and, in out, its 16 runs; to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    make(write(folder), folder / "out")
    return folder


def test_torn_traces_and_tables_are_found_and_mended(tmp_path: Path) -> None:
    path, out = write(tmp_path), tmp_path / "out"
    make(path, out)
    whole = open_sweep(out).load()
    traces = sorted((out / "traces").iterdir())
    untouched = {trace: trace.stat().st_mtime_ns for trace in traces[4:]}
    for how, trace in zip(("gone", "cut", "empty", "flipped"), traces, strict=False):
        damage(how, trace)
    made = make(path, out)
    assert made.total - made.at_start == 8 and open_sweep(out).identical(whole)
    # Copied elsewhere, without its times: nothing is made again.
    shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copy)
    assert make(path, tmp_path / "copy").at_start == 16
    # The table is made again from the traces.
    for how in ("gone", "cut", "empty"):
        damage(how, out / NAME)
        if how == "cut":
            damaged = cli("sweep", path, "-o", out, "--status")
            assert damaged.exit_code == 2 and "damaged" in damaged.stderr
        assert make(path, out).at_start == 16
        assert open_sweep(out).identical(whole)
    assert {trace: trace.stat().st_mtime_ns for trace in untouched} == untouched
    # But of torn traces it is not.
    damage("gone", out / NAME)
    damage("cut", traces[0])
    assert make(path, out).at_start == 14
    assert open_sweep(out).identical(whole)
    # Nor of what has a trace's name but is of other runs, or of a run that did not go to its end.
    damage("gone", out / NAME)
    shutil.copy(traces[1], traces[0])
    with h5py.File(traces[2], "r+") as file:
        file.attrs["status"] = "interrupted"
    assert make(path, out).at_start == 12
    assert open_sweep(out).identical(whole)


@pytest.mark.parametrize("table", ["sweep", "cases", "runs", "results", "traces"])
def test_a_row_with_another_text_or_number_is_damaged(
    table: str, whole: Path, tmp_path: Path
) -> None:
    """Whatever the row: it is told, and the next start makes the table again from the traces."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    path, out = tmp_path / "sweep.toml", tmp_path / "out"
    undisturbed = open_sweep(out)
    with closing(sqlite3.connect(out / NAME)) as db:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    for column in columns:
        with closing(sqlite3.connect(out / NAME)) as db, db:
            (value,) = db.execute(f"SELECT {column} FROM {table} LIMIT 1 OFFSET 1").fetchone()
            text = isinstance(value, str)
            other = value[:-1] + chr(ord(value[-1]) ^ 1) if text else value + 100
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (other, value))
        told = f"sweep.sqlite: the file is damaged (a row of {table} is not what was written)"
        with pytest.raises(TraceError, match=re.escape(told)):
            open_sweep(out)
        status = cli("sweep", out, "--status")
        assert status.exit_code == 2 and told in status.stderr
        if column != columns[-1]:
            shutil.copy(whole / "out" / NAME, out)
    assert make(path, out).at_start == 16
    assert open_sweep(out).identical(undisturbed)


def test_a_row_that_is_gone_is_missed(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "out"
    undisturbed = open_sweep(out)
    for table in ("runs", "cases", "results", "traces"):
        with closing(sqlite3.connect(out / NAME)) as db, db:
            key = db.execute(f"PRAGMA table_info({table})").fetchone()[1]
            db.execute(f"DELETE FROM {table} WHERE {key} = (SELECT min({key}) FROM {table})")
        if table in ("runs", "cases"):
            with pytest.raises(TraceError, match="rows of runs are missing"):
                open_sweep(out)
        make(tmp_path / "sweep.toml", out, workers=1)
        where = ["trace", "replication"]  # one that is made again has a trace of its own
        assert open_sweep(out).drop_vars(where).identical(undisturbed.drop_vars(where)), table


def test_a_table_of_another_version_is_made_again(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "out"
    undisturbed = open_sweep(out)
    with closing(sqlite3.connect(out / NAME)) as db, db:
        db.execute("UPDATE sweep SET value = '1' WHERE name = 'format'")
    with pytest.raises(TraceError, match="another version of edgesim"):
        open_sweep(out)
    assert make(tmp_path / "sweep.toml", out).at_start == 16
    assert open_sweep(out).identical(undisturbed)


@pytest.mark.usefixtures("in_this_process")
def test_runs_that_fail_are_told_and_the_others_are_made(tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        "from edgesim.policies.local import Local\n"
        "class Picky(Local):\n"
        "    def reset(self, network, problem, rngs):\n"
        "        super().reset(network, problem, rngs)\n"
        "        self.draws = [rng.bit_generator.state['state']['state'] for rng in rngs]\n"
        "    def decide(self, observation):\n"
        "        if any(draw % 5 == 0 for draw in self.draws):\n"
        "            raise ValueError('not this seed')\n"
        "        return super().decide(observation)\n"
    )
    path = write(
        tmp_path, SMALL.replace('"random"', '"picky:Picky"').replace("seeds = 4", "seeds = 12")
    )
    sweep, out, told = load_sweep(path), tmp_path / "out", list[str]()
    plan(sweep, out)
    ended = execute_sweep(sweep, out, lambda: LocalPool(out, 2), report=told.append)
    # In lock-step a run that fails takes its neighbours with it; they are made by themselves.
    assert 0 < ended.failed == len(told) < 12 and ended.complete + ended.failed == 48
    assert all("picky:Picky, seed" in one and "not this seed" in one for one in told)
    status = sweep_status(out)
    assert status.failed == ended.failed and sum(status.failures.values()) == ended.failed
    again = cli("sweep", path, "-o", out, "--workers", "1")
    assert again.exit_code == 1 and again.stderr.count("failed: ") == ended.failed
    told.clear()
    plan(sweep, out)
    execute_sweep(sweep, out, lambda: Here(out, 1), fail_fast=True, report=told.append)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["key `scenario`: missing"]),
        ("scenario = 'nix'", ["nix: no such file"]),
        ("scenario = 'base.toml'\nseeds = 0\npolices = []", ["`seeds` = 0", "mean `policies`?"]),
        (SMALL + "run.seed = [1, 2]", ["`grid.run.seed`", "`seeds`, at the top"]),
        (SMALL + "tasks.mean = '1 bit'", ["`grid.tasks.mean`", "not a list"]),
        (SMALL + "tasks.mean = ['1 bit', '1 bit']", ['"1 bit" is there twice']),
        (
            SMALL + "tasks.mean = ['1 bit', '8 MHz']",
            ['sweep.toml: key `grid.tasks.mean` = "8 MHz"'],
        ),
        (SMALL + "energy.epsilon = ['1 W', 1]", ["are the same scenario"]),
        (SMALL + "devices.cont = [1]", ["`grid.devices.cont`", "did you mean `count`?"]),
        (SMALL + "run.slots = [1]", ["swept, and also in [set]"]),
        (SMALL + "[[points]]\ndevices.count = 3", ["also in the grid"]),
        (SMALL.replace('"local"', '"lokal"'), ["did you mean `local`?"]),
        (SMALL.replace('"local"', '"local{x"'), ["cannot read `local{x`"]),
        (SMALL.replace('"local"', "'local{x=1}'"), ["`policies: local{x=1}`", "unknown key"]),
        (SMALL.replace("seeds = 4", "seeds = [1, 1]"), ["`seeds`", "the same twice"]),
        (SMALL.replace("seeds = 4", "seeds = 1000000"), ["runs; allowed: <= 1,000,000"]),
        (SMALL + "run.slots = 2 3", ["not valid TOML"]),
    ],
)
def test_mistakes_are_told_with_file_key_and_value(
    tmp_path: Path, text: str, messages: list[str]
) -> None:
    result = cli("sweep", write(tmp_path, text), "-o", tmp_path / "out")
    assert result.exit_code == 2 and not (tmp_path / "out").exists()
    for message in messages:
        assert message in result.stderr


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (("tasks.mean = ['1 m', '1 bit']",), ("lokal", "`grid.tasks.mean`")),
        (
            ("energy.epsilon = [1, -1]", "stations.sbs.coverage = ['1 W', 3]"),
            ("`grid.energy.epsilon`", "`grid.stations.sbs.coverage`"),
        ),
    ],
)
def test_mistakes_are_told_together(
    tmp_path: Path, changes: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    text = "\n".join([SMALL.replace('"local"', '"lokal"'), *changes])
    with pytest.raises(ScenarioError) as error:
        load_sweep(write(tmp_path, text))
    for part in parts:
        assert part in str(error.value)


WORDS = st.sampled_from(
    ["scenario", "policies", "seeds", "grid", "points", "set", "run.slots", "devices", "local", "V",
     "base.toml", "lyapunov{V=1}", "replications", "title", "tasks.mean", "run", "policy", "name"]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.integers(-(10**20), 10**20), st.floats(), st.booleans(), st.text(max_size=8), WORDS, st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.text(max_size=5)), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(WORDS, VALUES, max_size=4),
    st.booleans(),
    st.integers(0, 400),
    st.text(max_size=3),
)
def test_any_file_is_right_or_told_what_is_wrong(
    tmp_path: Path, table: dict[str, Any], nested: bool, cut: int, inserted: str
) -> None:
    """Tables of any values, and valid files with a piece replaced; never a traceback."""
    if nested:
        text = tomli_w.dumps(
            {"scenario": "base.toml", "grid": {"devices": {"count": [1, 2]}}} | table
        )
    else:
        cut %= len(SMALL)
        text = SMALL[:cut] + inserted + SMALL[cut + 2 :]
    path = tmp_path / "sweep.toml"
    (tmp_path / "base.toml").write_text(BASE)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        sweep = load_sweep(path)
    except ScenarioError as error:
        assert str(error)
    else:
        assert sweep.runs >= 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 600 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_told_once_and_nothing_torn_counts(small_disk: Path, tmp_path: Path) -> None:
    path = write(tmp_path)
    full = cli("sweep", path, "-o", small_disk / "out", "--workers", "2")
    assert full.exit_code == 1
    message = full.stderr.strip()
    assert "No space left on device" in message or "disk is full" in message
    assert len(message.splitlines()) == 1 and "Traceback" not in message
    there = sweep_status(small_disk / "out").complete
    assert there < 16
    for trace in (small_disk / "out/traces").glob("*.h5"):
        with edgesim.open_trace(trace) as opened:
            assert opened.status == "complete"
    # With room it goes on.
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    made = make(path, small_disk / "out")
    assert made.complete == 16 and made.at_start >= there


@pytest.mark.parametrize("level", ["summary", "slots", "full"])
def test_a_run_on_a_full_disk_is_told_once(small_disk: Path, level: str) -> None:
    """In a process of its own: HDF5 by itself would crash it."""
    path = small_disk / "run.h5"
    command = ["run", "iiot_20dev", "-o", path, "--policy", "local"]
    command += ["--replications", "200", "--slots", "1000", "--set", f"trace.level={level}"]
    ended = run(*command)
    assert ended.returncode == 1
    assert mistakes(ended.stderr) == f"error: {path}: No space left on device\n"
    assert [file.name for file in small_disk.iterdir()] == ["run.h5"]
    with edgesim.open_trace(path) as trace:
        assert trace.status == "running"  # as after a kill


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "file").write_text("")
    inside = cli("sweep", path, "-o", tmp_path / "file/out")
    assert (
        inside.exit_code == 1 and len(inside.stderr.splitlines()) == 1 and "file" in inside.stderr
    )
    out = tmp_path / "out"
    make(path, out)
    disk = subprocess.run(["mount", "--bind", out, out], check=False, capture_output=True)
    if disk.returncode:
        pytest.skip("cannot mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", out], check=True)
        (tmp_path / "sweep.toml").write_text(SMALL.replace("seeds = 4", "seeds = 5"))
        told = cli("sweep", path, "-o", out)
        assert told.exit_code == 1 and len(told.stderr.splitlines()) == 1
        # What was there can still be read.
        assert sweep_status(out).complete == 16 and open_sweep(out)["power_w"].notnull().all()
    finally:
        subprocess.run(["umount", "-l", out], check=True)


def test_a_data_file_that_vanishes(tmp_path: Path) -> None:
    (tmp_path / "load.csv").write_text("t,bits\n0.0,1000\n0.5,2000\n")
    base = 'title = "own"\n[tasks]\narrivals = "replay"\nfile = "load.csv"\ntime_column = "t"\n'
    base += 'bits = { bits = "1 bit" }\n'
    path = write(tmp_path, SMALL, base)
    sweep, out, told = load_sweep(path), tmp_path / "out", list[str]()
    plan(sweep, out)
    (tmp_path / "load.csv").unlink()
    ended = execute_sweep(sweep, out, lambda: Here(out, 1), fail_fast=True, report=told.append)
    assert ended.complete == 0 and len(told) == 1 and "no such data file" in told[0]
    again = cli("sweep", path, "-o", out)
    assert again.exit_code == 2 and "load.csv" in again.stderr
    assert len(again.stderr.strip().splitlines()) == 1


def test_fatal_errors_stop_the_sweep(tmp_path: Path) -> None:
    sweep, out = load_sweep(write(tmp_path)), tmp_path / "out"
    plan(sweep, out)

    class Full:
        capacity = 1
        handed = ""

        def submit(self, job: Any) -> None:
            self.handed = job.id

        def next(self, timeout_s: float) -> JobOutcome:
            return JobOutcome(self.handed, "fatal", "out: No space left on device")

        def close(self) -> None:
            pass

    with pytest.raises(SweepStoppedError, match="No space left"):
        execute_sweep(sweep, out, Full)


def test_a_job_whose_process_dies_is_tried_three_times(tmp_path: Path) -> None:
    sweep, out = (
        load_sweep(write(tmp_path, SMALL.replace("seeds = 4", "seeds = 1"))),
        tmp_path / "out",
    )
    plan(sweep, out)
    submitted: list[str] = []

    class Dying:
        capacity = 1

        def submit(self, job: Any) -> None:
            submitted.append(job.id)

        def next(self, timeout_s: float) -> JobOutcome:
            return JobOutcome(submitted[-1], "died", "its process was killed")

        def close(self) -> None:
            pass

    told: list[str] = []
    ended = execute_sweep(sweep, out, Dying, report=told.append)
    assert (ended.failed, ended.complete) == (4, 0)
    assert sorted(submitted) == sorted(3 * sorted(set(submitted))) and len(submitted) == 12
    assert len(told) == 4 and all("killed, 3 times" in one for one in told)


def test_a_job_taken_apart_is_the_runs_of_its_seeds(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, MIXED))
    first, *others = jobs(sweep, set())
    assert list(first.seeds) == [4, 5, 6] and str(first).endswith("seeds 4 to 6")
    parts = _apart(first)
    assert [json.loads(part.scenario)["run"]["seed"] for part in parts] == [4, 5, 6]
    assert [part.run_ids for part in parts] == [
        (sweep.cases[0].run_id(seed),) for seed in (4, 5, 6)
    ]
    assert all(json.loads(part.scenario)["run"]["replications"] == 1 for part in parts)
    assert len({one.id for one in (first, *others, *parts)}) == len(others) + 4


def test_what_a_sweep_takes_is_the_sum_of_its_runs() -> None:
    policies = [PolicyEstimate("a", 10, 2.0, 1e3, ""), PolicyEstimate("b", 5, 4.0, 2e3, "")]
    found = SweepEstimate("t", 5, 1, 15, [], policies, workers=4, start_s=1.0, failures=[])
    assert (found.cpu_s, found.wall_s, found.size) == (40.0, 11.0, 2e4)


def test_what_is_probed_are_the_first_the_middle_and_the_last_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five points; the mean of these counts, and the slowest is named."""
    taken = {0: 2.0, 2: 6.0, 4: 4.0}
    probes: list[tuple[str, int]] = []

    def probe(case: Any, sweep: Any) -> tuple[float, float]:
        probes.append((case.policy, case.point))
        return taken[case.point], 1e3 * taken[case.point]

    monkeypatch.setattr("edgesim.experiments.sweeps.estimate._probe", probe)
    monkeypatch.setattr("edgesim.experiments.sweeps.estimate._start_s", lambda sweep: 1.0)
    path = write(tmp_path, SMALL.replace("[3, 5]", "[3, 4, 5, 6, 7]"))
    found = estimate(load_sweep(path), workers=100)
    assert probes == [(policy, point) for policy in ("local", "random") for point in (0, 2, 4)]
    assert [(one.cpu_s, one.size, one.runs) for one in found.policies] == [(4.0, 4e3, 20)] * 2
    assert all("devices.count = 5" in one.slowest for one in found.policies)
    # Two seeds in lock-step are a job: of 5 points, 2 policies and 4 seeds there are 20.
    assert (found.runs, found.points, found.seeds, found.workers) == (40, 5, 4, 20)


def test_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path)
    result = cli("sweep", path, "-o", tmp_path / "out", "--dry-run", "--json")
    said = json.loads(result.stdout)
    assert (said["runs"], said["points"], said["seeds"]) == (16, 2, 4)
    assert not (tmp_path / "out").exists() and not Path("runs", "sweep").exists()
    make(path, tmp_path / "out")
    size = sum(trace.stat().st_size for trace in (tmp_path / "out/traces").iterdir())
    assert 0.8 * size < said["bytes"] < 1.25 * size
    assert said["wall_s"] > said["start_s"] > 0.1
    with closing(sqlite3.connect(tmp_path / "out" / NAME)) as db:
        ids = {run for (run,) in db.execute("SELECT id FROM runs")}
    assert {run["id"] for run in said["planned"]} == ids and len(said["planned"]) == len(ids) == 16
    first, *_, last = said["planned"]
    assert first["point"] == {"devices.count": 3} and first["policy"] == "local"
    assert last["point"] == {"devices.count": 5} and last["seed"] == first["seed"] + 3


@pytest.mark.usefixtures("in_this_process")
def test_dry_run_lists_the_runs(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("[3, 5]", "[3, 5, 7]"))
    said = json.loads(cli("sweep", path, "--dry-run", "--json").stdout)
    shown = cli("sweep", path, "--dry-run").stdout
    told = [run["id"] in shown for run in said["planned"]]
    assert told == [True] * 20 + [False] * 4 and "and 4 more" in shown


@pytest.mark.usefixtures("in_this_process")
def test_dry_run_knows_how_large_a_summary_gets(tmp_path: Path) -> None:
    sizes = []
    for slots in ("300", "1_000_000"):  # a slot in every batch, or many
        text = SMALL.replace("run.slots = 20", f"run.slots = {slots}").replace("[3, 5]", "[3]")
        path = write(tmp_path, text.replace('"local", "random"', '"local"'))
        sizes.append(json.loads(cli("sweep", path, "--dry-run", "--json").stdout)["bytes"])
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


@pytest.mark.usefixtures("in_this_process")
def test_dry_run_tells_of_runs_that_fail_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(
        "from edgesim.policies.local import Local\n"
        "class Few(Local):\n"
        "    def reset(self, network, problem, rngs):\n"
        "        super().reset(network, problem, rngs)\n"
        "        self.many = network.devices > 3\n"
        "    def decide(self, observation):\n"
        "        if self.many:\n"
        "            raise ValueError('too many')\n"
        "        return super().decide(observation)\n"
    )
    path = write(tmp_path, SMALL.replace('"random"', '"few:Few"'))
    said = json.loads(cli("sweep", path, "--dry-run", "--json").stdout)
    assert said["runs"] == 16 and [one["policy"] for one in said["policies"]] == [
        "local",
        "few:Few",
    ]
    (failure,) = said["failures"]
    assert failure.startswith("devices.count = 5, few:Few: ") and "too many" in failure
    path.write_text(path.read_text().replace("[3, 5]", "[4, 5]"))
    shown = cli("sweep", path, "--dry-run")
    assert shown.exit_code == 0 and shown.stdout.count("too many") == 2


def test_ten_thousand_runs_answer_at_once(tmp_path: Path) -> None:
    values = ", ".join(f"{1e-3 * k:.3f}" for k in range(1, 101))
    text = SMALL.replace("[grid]\ndevices.count = [3, 5]", f"[grid]\nenergy.epsilon = [{values}]")
    path = write(tmp_path, text.replace("seeds = 4", "seeds = 50"))
    begin = time.process_time()
    sweep, out = load_sweep(path), tmp_path / "out"
    assert sweep.runs == 10_000
    plan(sweep, out)
    missing = list(jobs(sweep, set()))
    assert len(missing) == 5000
    assert time.process_time() - begin < 5.0
    with SweepTable(out) as table:
        table.record(
            (
                job.run_ids,
                TraceFacts(f"{job.id}.h5", 1, 1, "", {key: [1.5, 1.5] for key in METRICS}),
                0.0,
            )
            for job in missing
        )
    begin = time.process_time()
    assert sweep_status(out).complete == 10_000
    data = open_sweep(out)
    assert data["power_w"].shape == (100, 2, 50) and (data["power_w"] == 1.5).all()
    assert time.process_time() - begin < 5.0


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from edgesim.cli import main;"
        "assert CliRunner().invoke(main, ['sweep', '--help']).exit_code == 0;"
        "print(*{'torch', 'cvxpy', 'matplotlib', 'distributed', 'numba'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == ""


def test_a_table_in_set_takes_the_place_of_a_value_and_a_key_of_it_is_swept(tmp_path: Path) -> None:
    (tmp_path / "season.toml").write_text(
        'scenario = "iiot_20dev"\n[set]\ncarbon.intensity = {file = "carbon_intensity_gb_2020.csv"}\n'
        '[grid]\ncarbon.intensity.start = ["2020-01-15T08:00:00Z", "2020-07-15T08:00:00Z"]\n'
    )
    cases = load_sweep(tmp_path / "season.toml").cases
    assert [json.loads(case.scenario)["carbon"]["intensity"]["start"][:7] for case in cases] == [
        "2020-01",
        "2020-07",
    ]


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    """`if __name__ == "__main__"` is what nobody writes in the first hour."""
    path = write(tmp_path, SMALL)
    told = run_script(
        tmp_path,
        f"import edgesim\nprint('begun')\nended = edgesim.sweep({str(path)!r}, 'out', workers=2)\n"
        "print(ended.complete, ended.failed)\n",
    )
    assert told.stdout.split() == ["begun", "16", "0"] and "Traceback" not in told.stderr
