"""Comparisons of policies: numbers against scipy on the slots themselves, and the command."""

import io
import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from rich.console import Console
from trace_recording import record, run_info

from edgesim import run
from edgesim.cli import main
from edgesim.experiments import compare
from edgesim.experiments.compare import execute_each, labelled, prepare_each
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.policy_list import split
from edgesim.traces import figures
from edgesim.traces.comparison import Comparison, compare_traces, holm, p_value
from edgesim.traces.comparison_figures import plot_comparison
from edgesim.traces.confidence_intervals import mean
from edgesim.traces.reader import TraceError, open_trace, summarise
from edgesim.traces.watch import watch

Sample = NDArray[np.float64]

SEEDS = 8
EVERY_SLOT = ("trace.level=slots", "run.seed=5")


def compared(folder: Path, scenario: str, policies: str, *overrides: str) -> dict[str, Path]:
    return execute_each(prepare_each(scenario, policies, SEEDS, overrides), folder)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stream")
    return compared(folder, "iiot_20dev", "epr,epr-ep,epr{},local", *EVERY_SLOT, "run.slots=100")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    return compared(folder, "carbon_6ue", "offload-all,random,local", *EVERY_SLOT, "run.slots=20")


@cache
def slots_of(path: Path, first: int) -> dict[str, Sample]:
    """(R, …) sums over the slots from `first` on and over the network."""
    with open_trace(path) as trace:
        slots = trace.slots.load().isel(slot=slice(first, None))
        names = [name for name, column in slots.data_vars.items() if "slot" in column.dims]
        return {
            str(name): slots[name].values.reshape(SEEDS, -1).sum(axis=1).astype(float)
            for name in names
        }


STREAM: dict[str, Callable[[dict[str, Sample]], Any]] = {
    "energy_per_bit_j": lambda s: (
        (s["local_energy_j"] + s["offload_energy_j"]) / (s["local_bits"] + s["offloaded_bits"])
    ),
    "queue_bits": lambda s: s["queue_bits"] / (20 * 90),
    "emission_mg": lambda s: s["emission_mg"],
    "emission_mg_per_bit": lambda s: s["emission_mg"] / (s["local_bits"] + s["offloaded_bits"]),
    "offloaded_share": lambda s: s["offloaded_bits"] / (s["local_bits"] + s["offloaded_bits"]),
    "objective": lambda s: s["objective"] / 90,
}
TASKS: dict[str, Callable[[dict[str, Sample]], Any]] = {
    "worst_emission_mg": lambda s: s["worst_emission_mg"] / 18,
    "feasible_share": lambda s: s["feasible"] / 18,
    "energy_per_task_j": lambda s: (s["energy_j"] + s["server_energy_j"]) / (6 * 18),
    "offloaded_task_share": lambda s: s["offload"] / (6 * 18),
    "emission_mg": lambda s: s["emission_mg"],
}


@pytest.mark.parametrize(
    ("problem", "baseline", "other", "first", "formulas"),
    [
        ("stream", "epr", "epr-ep", 10, STREAM),
        ("stream", "epr", "local", 10, STREAM),
        ("tasks", "offload-all", "random", 2, TASKS),
        ("tasks", "offload-all", "local", 2, TASKS),
    ],
)
def test_means_and_differences_are_scipys_on_the_slots(
    request: pytest.FixtureRequest,
    problem: str,
    baseline: str,
    other: str,
    first: int,
    formulas: dict[str, Callable[[dict[str, Sample]], Any]],
) -> None:
    paths = request.getfixturevalue(problem)
    comparison = compare_traces({label: paths[label] for label in (baseline, other)})
    ours, base = comparison.policies[1], comparison.baseline
    tested = 0
    for key, formula in formulas.items():
        x, y = (formula(slots_of(paths[label], first)) for label in (other, baseline))
        assert_allclose(ours.by_seed[key], x, rtol=1e-11)
        for sample, estimate in ((x, ours.means[key]), (y, base.means[key])):
            assert_allclose(estimate.value, sample.mean(), rtol=1e-11)
            if sample.std() > 1e-9 * abs(sample.mean()):
                interval = scipy.stats.t.interval(
                    0.95, SEEDS - 1, sample.mean(), scipy.stats.sem(sample)
                )
                assert_allclose([estimate.low, estimate.high], interval, rtol=1e-9)
        difference = ours.differences[key]
        if not (x - y).any():
            assert difference.estimate.value == difference.estimate.half_width == 0.0
            continue
        if (x - y).std() < 1e-9 * abs((x - y).mean()):  # beyond scipy's precision, and any doubt
            assert difference.p_value < 1e-30 and difference.estimate.half_width < 1e-9
            continue
        test = scipy.stats.ttest_rel(x, y)
        interval = test.confidence_interval(0.95)
        assert_allclose([difference.estimate.low, difference.estimate.high], interval, rtol=1e-7)
        assert_allclose(difference.p_value, test.pvalue, rtol=1e-6)
        assert_allclose(difference.relative, (x - y).mean() / abs(y.mean()), rtol=1e-9)
        assert (difference.mark != "") == (interval.low > 0.0 or interval.high < 0.0)
        tested += 1
    assert tested >= 3


@pytest.mark.parametrize("problem", ["stream", "tasks"])
def test_latencies_are_those_of_each_seeds_tasks(
    request: pytest.FixtureRequest, problem: str
) -> None:
    paths = request.getfixturevalue(problem)
    comparison = compare_traces(paths, warmup=0.0)
    for policy in comparison.policies:
        with open_trace(policy.trace) as trace:
            table = trace.tasks.load()
        done = np.isin(table["outcome"].values, (0, 1))
        latency = (table["completion_s"] - table["arrival_s"]).values
        for r in range(SEEDS):
            mine = latency[done & (table["replication"].values == r)]
            assert_allclose(policy.by_seed["latency_s"][r], mine.mean(), rtol=1e-11)
            # A bin of the histogram is at most 1/128 of its latency wide.
            low, high = np.quantile(mine, [0.95 - 1 / len(mine), 0.95 + 1 / len(mine)])
            assert low * (1 - 1 / 128) <= policy.by_seed["latency_p95_s"][r] <= high * (1 + 1 / 128)


def test_the_same_policy_differs_by_exactly_nothing(stream: dict[str, Path]) -> None:
    comparison = compare_traces(stream)
    same = next(policy for policy in comparison.policies if policy.label == "epr{}")
    assert len(same.differences) >= 10
    for difference in same.differences.values():
        assert (difference.estimate.value, difference.estimate.half_width) == (0.0, 0.0)
        assert np.isnan(difference.p_value) and difference.mark == ""
    # And it does not count for Holm's method.
    without = {label: path for label, path in stream.items() if label != "epr{}"}
    assert comparison.tests == compare_traces(without).tests > 0


def test_all_policies_meet_the_same_conditions(
    stream: dict[str, Path], tasks: dict[str, Path]
) -> None:
    for paths, names in ((stream, ["arrived_bits", "x_m"]), (tasks, ["task_bits", "task_cycles"])):
        traces = [open_trace(path) for path in paths.values()]
        for name in names:
            first, *others = (trace.slots[name].values for trace in traces)
            assert first.std() > 0.0
            for column in others:
                assert_array_equal(column, first)
        for trace in traces:
            trace.close()


def test_pairing_narrows_the_interval(stream: dict[str, Path]) -> None:
    comparison = compare_traces({label: stream[label] for label in ("epr", "epr-ep")})
    base, other = comparison.policies
    for key in ("energy_per_bit_j", "emission_mg"):
        welch = scipy.stats.ttest_ind(other.by_seed[key], base.by_seed[key], equal_var=False)
        low, high = welch.confidence_interval(0.95)
        assert other.differences[key].estimate.half_width < 0.8 * (high - low) / 2


def test_a_seed_gives_what_it_gives_alone(tmp_path: Path, tasks: dict[str, Path]) -> None:
    changes = ["run.seed=7", "run.slots=20"]
    with run("carbon_6ue", tmp_path / "t.h5", policy="random", overrides=changes) as alone:
        with open_trace(tasks["random"]) as together:
            for name, column in alone.slots.data_vars.items():
                assert_array_equal(column.values[0], together.slots[name].values[2])
        emission = float(alone.slots["worst_emission_mg"].values.mean())
    values = compare_traces(tasks, warmup=0.0).policies[1].by_seed["worst_emission_mg"]
    assert_allclose(values[2], emission, rtol=1e-12)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis is rejected when Bonferroni rejects every intersection that it is part of."""
    adjusted = holm(np.array([*p_values, np.nan]))
    assert np.isnan(adjusted[-1])
    everyone = range(len(p_values))
    for i in everyone:
        bounds = [
            len(subset) * min(p_values[j] for j in subset)
            for size in range(1, len(p_values) + 1)
            for subset in itertools.combinations(everyone, size)
            if i in subset
        ]
        assert_allclose(adjusted[i], min(max(bounds), 1.0))


def test_marks_tell_a_difference_from_one_that_also_holm_calls_so(
    stream: dict[str, Path],
) -> None:
    difference = compare_traces(stream).policies[1].differences["energy_per_bit_j"]
    assert replace(difference, p_value=0.02, holm_p_value=0.03).mark == "**"
    assert replace(difference, p_value=0.02, holm_p_value=0.3).mark == "*"
    assert replace(difference, p_value=0.2, holm_p_value=1.0).mark == ""


def test_where_a_seed_has_no_number_there_is_no_mean() -> None:
    assert np.isnan(mean(np.array([1.0, np.nan])).value)
    assert np.isnan(p_value(np.array([1.0, np.nan])))
    assert p_value(np.array([0.5, 0.5])) == 0.0


def test_objectives_are_compared_only_where_they_are_the_same(tmp_path: Path) -> None:
    paths = compared(tmp_path, "iiot_20dev", "local,local{V=1e12}", "run.slots=20")
    assert "objective" not in compare_traces(paths).baseline.means
    alike = {"a": paths["local"], "b": paths["local"]}
    assert "objective" in compare_traces(alike).baseline.means


def test_summary_is_the_level_unless_asked_otherwise() -> None:
    one, two = prepare_each("iiot_20dev", "local,random", 3).values()
    assert one.scenario.trace.level == two.scenario.trace.level == "summary"
    assert one.scenario.run.replications == 3
    for asked in (["trace.level=full"], {"trace.level": "full"}):
        full, _ = prepare_each("iiot_20dev", "local,random", 3, asked).values()
        assert full.scenario.trace.level == "full"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (" a{x=[1, 2], y='p,q'} , b:C{} ", ["a{x=[1, 2], y='p,q'}", "b:C{}"]),
        ('a{x="]}"},b', ['a{x="]}"}', "b"]),
        ("a,", ["a", ""]),
    ],
)
def test_commas_in_brackets_and_quotes_do_not_split(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_options_are_those_of_set() -> None:
    assert labelled('a,a{x = [1, 2], y="p,q"},m:C{z=p}') == {
        "a": ("a", []),
        'a{x = [1, 2], y="p,q"}': ("a", ["x = [1, 2]", 'y="p,q"']),
        "m:C{z=p}": ("m:C", ["z=p"]),
    }
    one, two = prepare_each("iiot_20dev", "local,local{V=1e12}", 2, ["policy.V=2e12"]).values()
    assert (one.scenario.policy.V, two.scenario.policy.V) == (2e12, 1e12)


@pytest.mark.parametrize(
    ("policies", "messages"),
    [
        ("local", ["only `local`", "two or more"]),
        ("local,local", ["`local` is there twice"]),
        ("local,", ["cannot read ``"]),
        ("local,epr{power", ["cannot read `epr{power`"]),
        ("local,epr{power}", ["cannot read `epr{power}`"]),
        ("lokal,rndom", ["did you mean `local`?", "did you mean `random`?"]),
        ("local,random{power=1}", ["policy.power", "unknown key"]),
    ],
)
def test_all_mistakes_are_told_before_anything_runs(policies: str, messages: list[str]) -> None:
    with pytest.raises(ScenarioError) as error:
        prepare_each("iiot_20dev", policies, 2)
    for message in messages:
        assert message in str(error.value)


def test_a_mistake_of_the_scenario_is_told_once() -> None:
    with pytest.raises(ScenarioError) as error:
        prepare_each("iiot_20dev", "local,random", 2, ["devices.count=-1"])
    assert len(error.value.issues) == 1


def test_an_interrupt_ends_the_run_and_those_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs are told with their place among all, from 1 on; of three the second is interrupted."""
    ended = {"a": "complete", "b{x=1}": "interrupted", "c": "complete"}
    files, watched = list[str](), list[Any]()

    def execute(experiment: Any, path: Path, follow: Any, workers: int) -> str:
        assert workers == 3
        files.append(path.name)
        return ended[experiment]

    def watch(*place: Any) -> Any:
        watched.append(place)
        return compare.unwatched(*place)

    monkeypatch.setattr(compare, "execute", execute)
    monkeypatch.setattr(compare, "workers_for", lambda experiment: 3)
    experiments: Any = {label: label for label in ended}
    with pytest.raises(KeyboardInterrupt, match=re.escape(str(tmp_path))):
        execute_each(experiments, tmp_path, watch)
    assert files == ["1-a.h5", "2-b-x-1.h5"]
    assert watched == [("a", 1, 3), ("b{x=1}", 2, 3)]


@pytest.mark.parametrize("change", [{"seed": 8}, {"slots": 99}, {"replications": 1}])
def test_traces_that_cannot_be_compared(tmp_path: Path, change: dict[str, int]) -> None:
    record(tmp_path / "one.h5", run_info(replications=2), level="summary")
    record(tmp_path / "two.h5", run_info(**{"replications": 2} | change), level="summary")
    with pytest.raises(TraceError, match=r"two\.h5"):
        compare_traces({"one": tmp_path / "one.h5", "two": tmp_path / "two.h5"})
    assert compare_traces({"one": tmp_path / "one.h5"}).seeds == [7, 8]  # two are enough


def test_a_picture_has_a_panel_for_each_number(tmp_path: Path, tasks: dict[str, Path]) -> None:
    comparison = compare_traces(tasks)
    text = plot_comparison([comparison], tmp_path / "t.svg").read_text()
    for words in (
        "worst-case emission [mg]",
        "slots feasible [%]",
        "offload-all",
        "mean, 95 % interval",
    ):
        assert f">{words}" in text
    assert text.count(">random</text>") == 2  # at the left of each row of panels
    again = plot_comparison([comparison], tmp_path / "again.svg").read_text()
    assert text == again
    with pytest.raises(ValueError, match="a picture ends in"):
        plot_comparison([comparison], tmp_path / "t.gif")


def test_the_summary_of_a_run_has_the_numbers_of_its_problem(tasks: dict[str, Path]) -> None:
    summary = summarise([tasks["random"]]).traces[0]
    sums = slots_of(tasks["random"], 2)
    for key, formula in TASKS.items():
        assert_allclose(summary.estimates[key].value, formula(sums).mean(), rtol=1e-11)
    assert summary.growth is None and summary.stability is None
    assert not {"queue_bits", "energy_per_bit_j", "dropped_share"} & set(summary.estimates)


def test_pictures_and_watch_show_the_numbers_of_their_problem(tasks: dict[str, Path]) -> None:
    with open_trace(tasks["random"]) as trace:
        worst, energy, share, emission = figures.draw(trace, "series").axes
        slots = trace.slots.load()
    for line, series in (
        (worst.lines[0], slots["worst_emission_mg"].values.mean(axis=0)),
        (
            energy.lines[0],
            (slots["energy_j"] + slots["server_energy_j"]).values.mean(axis=(0, 2)),
        ),
        (share.lines[0], 100.0 * slots["offload"].values.mean(axis=(0, 2))),
        (share.lines[1], 100.0 * slots["feasible"].values.mean(axis=0)),
        (emission.lines[0], slots["emission_mg"].values.sum(axis=2).mean(axis=0) / 2.0),
    ):
        assert_allclose(np.asarray(line.get_ydata()), series, rtol=1e-11)
    out = io.StringIO()
    assert watch(tasks["random"], console=Console(file=out, width=140)) == "complete"
    assert "worst-case emission" in out.getvalue() and "queue" not in out.getvalue()


# The command.


def edgesim(*words: str) -> Result:
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


QUICK = ("--seeds", "3", "--slots", "20")


@pytest.mark.usefixtures("_here")
def test_the_command_prints_a_table_and_keeps_the_traces() -> None:
    words = ("compare", "carbon_6ue", "--policies", "local,random", *QUICK, "--seed", "4")
    result = edgesim(*words, "--plot", "p.png")
    assert result.exit_code == 0 and Path("p.png").stat().st_size > 10_000
    for part in (
        "worst-case emission [mg]",
        "difference to local",
        "3 seeds (4 to 6)",
        "Holm's method",
        "traces: runs/compare-carbon_6ue\n",
    ):
        assert part in result.stdout
    assert re.search(r"  random +│ +[\d.]+ ± [\d.]+ │ +[+-]", result.stdout)
    folder = Path("runs", "compare-carbon_6ue")
    assert sorted(path.name for path in folder.iterdir()) == ["1-local.h5", "2-random.h5"]
    with open_trace(folder / "2-random.h5") as trace:
        assert (trace.status, trace.level, trace.policy) == ("complete", "summary", "random")
        assert trace.batches["seed"].values.tolist() == [4, 5, 6]
    assert "traces: runs/compare-carbon_6ue-2\n" in edgesim(*words).stdout
    refused = edgesim(*words, "-o", str(folder))
    assert refused.exit_code == 2 and "is not empty" in refused.stderr


@pytest.mark.usefixtures("_here")
def test_a_policy_whose_queues_grow_is_told() -> None:
    words = ("compare", "iiot_20dev", "--policies", "epr,local", "--seeds", "2", "--slots", "300")
    lines = edgesim(*words).stderr.splitlines()
    told = [line for line in lines if line.startswith("advice: ")]
    assert len(told) == 1 and told[0].startswith("advice: local: queues grow by"), lines


@pytest.mark.usefixtures("_here")
def test_json_has_every_number_in_si() -> None:
    result = edgesim(
        "compare", "iiot_20dev", "--policies", "local,epr", *QUICK, "--json", "-o", "out"
    )  # fmt: skip
    found: dict[str, Any] = json.loads(result.stdout)
    assert set(found) == {
        "title", "seeds", "warmup", "confidence", "intervals_about", "baseline", "tests", "policies",
    }  # fmt: skip
    assert found["intervals_about"] == ["networks like it"]
    assert found["seeds"] == [1, 2, 3] and found["baseline"] == "local"
    comparison: Comparison = compare_traces(
        {"local": Path("out/1-local.h5"), "epr": Path("out/2-epr.h5")}
    )
    local, epr = found["policies"]
    assert local["differences"] == {} and local["trace"] == "out/1-local.h5"
    other = comparison.policies[1]
    for key, difference in epr["differences"].items():
        expected = other.differences[key]
        assert set(difference) == {
            "value", "low", "high", "relative", "p_value", "holm_p_value",
        }  # fmt: skip
        assert difference["value"] == expected.estimate.value
        assert difference["low"] == expected.estimate.low
        assert epr["by_seed"][key] == other.by_seed[key].tolist()
        high = other.means[key].high  # of a share that was always 0 there is none
        assert epr["means"][key]["high"] == (None if math.isnan(high) else high)
    assert epr["differences"]["dropped_share"]["p_value"] is None
    assert "energy_per_bit_j" in epr["differences"]


@pytest.mark.usefixtures("_here")
def test_mistakes_end_it_before_it_begins() -> None:
    unknown = edgesim("compare", "iiot_20dev", "--policies", "local,eppr", *QUICK)
    assert unknown.exit_code == 2 and "did you mean `epr`?" in unknown.stderr
    picture = edgesim(
        "compare", "iiot_20dev", "--policies", "local,epr", *QUICK, "--plot", "x.gif"
    )  # fmt: skip
    assert picture.exit_code == 2 and "a picture ends in" in picture.stderr
    assert not Path("runs").exists()


@pytest.mark.usefixtures("_here")
def test_a_run_that_fails_says_so_and_the_others_are_kept() -> None:
    Path("broken.py").write_text(
        "from edgesim.policies.local import Local\n"
        "class Broken(Local):\n"
        "    def decide(self, observation):\n"
        "        if observation.slot == 10:\n"
        "            raise KeyError('nothing')\n"
        "        return super().decide(observation)\n"
    )
    result = edgesim(
        "compare", "iiot_20dev", "--policies", "local,broken:Broken", *QUICK, "-o", "out"
    )  # fmt: skip
    assert result.exit_code == 1
    assert "run failed: policy 'broken:Broken', slot 10" in result.stderr
    for name, status in (("1-local.h5", "complete"), ("2-broken-Broken.h5", "failed")):
        with open_trace(Path("out", name)) as trace:
            assert trace.status == status


@pytest.mark.usefixtures("_here")
def test_a_seed_of_zero_is_one() -> None:
    """And no slots at all are refused, as by `run`: a zero is no option that was not given."""
    words = ("compare", "carbon_6ue", "--policies", "local,random")
    assert (
        "2 seeds (0 to 1)" in edgesim(*words, "--seeds", "2", "--slots", "5", "--seed", "0").stdout
    )
    refused = edgesim(*words, "--slots", "0")
    assert refused.exit_code == 2 and "run.slots" in refused.stderr
