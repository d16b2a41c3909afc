import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from rich.console import Console
from trace_recording import (
    completed,
    random_columns,
    record,
    record_columns,
    run_info,
    task_table,
    zero_columns,
)

from edgesim.traces.confidence_intervals import Estimate, by_group, format_estimate, ratio
from edgesim.traces.metrics import BATCH_METRICS, QUANTILES, metric_values
from edgesim.traces.panels import panels, time_unit
from edgesim.traces.reader import TraceError, open_trace, summarise
from edgesim.traces.statistics import BatchTotals
from edgesim.traces.summary import Summary, TraceSummary
from edgesim.traces.variables import Level
from edgesim.traces.writer import TraceWriter

Series = NDArray[np.float64]


def only(path: Path, warmup: float = 0.1) -> TraceSummary:
    return summarise([path], warmup).traces[0]


def test_what_a_time_axis_counts_in() -> None:
    """A unit of which there are three or more."""
    told = [time_unit(seconds)[1] for seconds in (1.0, 179.0, 180.0, 10_799.0, 10_800.0, 259_200.0)]
    assert told == ["s", "s", "min", "min", "h", "days"]
    assert [time_unit(seconds)[0] for seconds in (1.0, 180.0, 1e4, 1e5, 1e6)] == [
        1,
        60,
        60,
        3600,
        86400,
    ]


def test_metrics_by_hand() -> None:
    """Each sum another power of two, so that none passes for another."""
    names = [
        "worst_emission_mg",
        "lower_bound_mg",
        "feasible",
        "slots",
        "energy_j",
        "server_energy_j",
        "offload",
        "there",
        "local_energy_j",
        "offload_energy_j",
        "local_bits",
        "offloaded_bits",
        "seconds",
        "emission_mg",
        "replications",
        "present_queue_bits",
        "device_slots",
        "station_queue_bits",
        "station_slots",
        "dropped_bits",
        "arrived_bits",
        "completed",
        "late",
        "lost",
        "latency_sum_s",
        "objective",
        "present",
        "twin_age_s",
        "scaled",
        "failed_solves",
        "stations_at_work",
        "signal_emission_mg",
        "late_debt_bits",
        "budget_debt_mg",
    ]
    sums = {name: np.array(2.0**k) for k, name in enumerate(names)}
    s = {name: float(value) for name, value in sums.items()}
    energy, bits = (
        s["local_energy_j"] + s["offload_energy_j"],
        s["local_bits"] + s["offloaded_bits"],
    )
    runs = s["replications"]
    assert {key: float(value) for key, value in metric_values(sums, BATCH_METRICS).items()} == {
        "worst_emission_mg": s["worst_emission_mg"] / s["slots"],
        "lower_bound_mg": s["lower_bound_mg"] / s["slots"],
        "feasible_share": s["feasible"] / s["slots"],
        "energy_per_task_j": (s["energy_j"] + s["server_energy_j"]) / s["device_slots"],
        "offloaded_task_share": s["offload"] / s["there"],
        "energy_per_bit_j": energy / bits,
        "power_w": energy / s["seconds"],
        "emission_mg": s["emission_mg"] / runs,
        "signal_emission_mg": s["signal_emission_mg"] / runs,
        "emission_mg_per_bit": s["emission_mg"] / bits,
        "queue_bits": s["present_queue_bits"] / s["device_slots"],
        "station_queue_bits": s["station_queue_bits"] / s["station_slots"],
        "offloaded_share": s["offloaded_bits"] / bits,
        "dropped_share": s["dropped_bits"] / (s["arrived_bits"] + s["dropped_bits"]),
        "completed_tasks": s["completed"] / runs,
        "late_share": s["late"] / s["completed"],
        "late_debt_bits": s["late_debt_bits"] / s["slots"],
        "budget_debt_mg": s["budget_debt_mg"] / s["slots"],
        "lost_share": s["lost"] / (s["completed"] + s["lost"]),
        "latency_s": s["latency_sum_s"] / s["completed"],
        "objective": s["objective"] / s["slots"],
        "present_share": s["present"] / s["slots"],
        "twin_age_s": s["twin_age_s"] / s["there"],
        "scaled": s["scaled"] / runs,
        "failed_solves": s["failed_solves"] / runs,
        "emission_mg_per_s": s["emission_mg"] / s["seconds"],
        "stations_at_work": s["stations_at_work"] / s["slots"],
    }


def test_each_number_of_a_summary_from_the_slots_themselves(tmp_path: Path) -> None:
    """Means over slots, and over devices or stations where it is theirs; sums by replication; ratios of sums."""
    run = run_info(replications=2, devices=3, stations=2, slots=120)  # two slots in a batch
    record(tmp_path / "t.h5", run, slots=12, status="interrupted")
    columns = [random_columns(run, slot) for slot in range(12)]
    s: dict[str, Any] = {
        name: np.stack([one[name] for one in columns], axis=1) for name in columns[0]
    }
    total = {name: float(column.sum()) for name, column in s.items()}
    bits, seconds = total["local_bits"] + total["offloaded_bits"], 2 * 12 * 0.1
    energy, there = total["local_energy_j"] + total["offload_energy_j"], total["present"]
    drawn = total["station_energy_j"]
    expected = {
        "energy_per_task_j": (total["energy_j"] + total["server_energy_j"]) / there,
        "offloaded_task_share": total["offload"] / there,
        "energy_per_bit_j": energy / bits,
        "power_w": energy / seconds,
        "emission_mg_per_bit": total["emission_mg"] / bits,
        "network_power_w": (total["device_energy_j"] + drawn) / seconds,
        "solar_power_w": total["station_solar_j"] / seconds,
        "curtailed_share": total["station_curtailed_j"] / total["station_solar_j"],
        "grid_share": total["station_grid_j"] / drawn,
        "sci_mg": (total["sci_operational_mg"] + total["sci_embodied_mg"])
        / total["functional_units"],
        "sci_energy_j": total["sci_energy_j"] / total["functional_units"],
        "sci_intensity_mg_per_j": total["sci_operational_mg"] / total["sci_energy_j"],
        "sci_embodied_mg": total["sci_embodied_mg"] / total["functional_units"],
        "queue_bits": (s["queue_bits"] * (s["present"] > 0)).sum() / there,
        "station_queue_bits": s["station_queue_bits"].mean(),
        "offloaded_share": total["offloaded_bits"] / bits,
        "dropped_share": total["dropped_bits"] / (total["arrived_bits"] + total["dropped_bits"]),
        "stations_awake": s["station_awake"].mean(),
        "present_share": s["present"].mean(),
        "twin_age_s": total["twin_age_s"] / there,
        "late_debt_bits": total["late_debt_bits"] / 24,
    }
    names = ("worst_emission_mg", "lower_bound_mg", "feasible", "budget_debt_mg", "objective")
    expected |= {name.replace("feasible", "feasible_share"): s[name].mean() for name in names}
    sums = ("emission_mg", "signal_emission_mg", "network_emission_mg")
    for name in (*sums, "scaled", "failed_solves", "functional_units"):
        expected[name] = total[name] / 2
    found = only(tmp_path / "t.h5", warmup=0.0).estimates
    assert_allclose([found[key].value for key in expected], list(expected.values()), rtol=1e-12)
    of_tasks = {"completed_tasks", "late_share", "lost_share", "latency_s"}
    assert set(found) - set(expected) - of_tasks == {f"latency_{p}_s" for p in QUANTILES}


def test_a_ratio_over_equal_groups_is_the_mean_with_its_t_interval() -> None:
    values = np.random.default_rng(1).normal(3.0, 1.0, 12)
    estimate = ratio(values * 5.0, np.full(12, 5.0))
    low, high = scipy.stats.t.interval(0.95, 11, values.mean(), scipy.stats.sem(values))
    assert_allclose([estimate.value, estimate.low, estimate.high], [values.mean(), low, high])


def test_a_ratio_of_unequal_groups_is_that_of_the_sums_and_covers() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        weight = rng.uniform(0.5, 1.5, 20)
        estimate = ratio(weight * rng.normal(2.0, 0.5, 20), weight)
        hits += estimate.low <= 2.0 <= estimate.high
    assert 0.93 <= hits / 2000 <= 0.97
    assert_allclose(ratio(np.array([1.0, 9.0]), np.array([1.0, 3.0])).value, 2.5)


def test_one_group_has_no_interval_and_nothing_has_no_value() -> None:
    assert np.isnan(ratio(np.array([1.0]), np.array([2.0])).half_width)
    assert np.isnan(ratio(np.zeros(4), np.zeros(4)).value)


def test_groups_take_in_every_batch() -> None:
    for batches in range(1, 101):
        values = np.random.default_rng(batches).random((1, batches))
        groups = by_group(values)
        assert len(groups) == min(batches, 25)
        assert_allclose(groups.sum(), values.sum())


def test_means_and_ratios_are_those_of_the_slots_after_the_warm_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    run = run_info(replications=3, devices=4, stations=2, slots=1000)
    names = [
        "queue_bits",
        "station_queue_bits",
        "arrived_bits",
        "dropped_bits",
        "local_bits",
        "offloaded_bits",
        "local_energy_j",
        "offload_energy_j",
        "emission_mg",
    ]
    series = {name: rng.random((3, 1000)) for name in names}
    record_columns(tmp_path / "t.h5", run, series)
    summary = only(tmp_path / "t.h5", warmup=0.2)
    s = {name: values[:, 200:].sum() for name, values in series.items()}
    energy = s["local_energy_j"] + s["offload_energy_j"]
    departed = s["local_bits"] + s["offloaded_bits"]
    expected = {
        "energy_per_bit_j": energy / departed,
        "power_w": energy / (3 * 80.0),
        "emission_mg": s["emission_mg"] / 3,
        "emission_mg_per_bit": s["emission_mg"] / departed,
        "queue_bits": s["queue_bits"] / (3 * 800 * 4),
        "station_queue_bits": s["station_queue_bits"] / (3 * 800 * 2),
        "offloaded_share": s["offloaded_bits"] / departed,
        "dropped_share": s["dropped_bits"] / (s["dropped_bits"] + s["arrived_bits"]),
    }
    assert summary.counted_slots == 800
    for key, value in expected.items():
        assert_allclose(summary.estimates[key].value, value, rtol=1e-12, err_msg=key)


def test_the_warm_up_leaves_out_a_transient(tmp_path: Path) -> None:
    values = np.where(np.arange(500) < 100, 1e9, 5.0)[None, :]
    record_columns(tmp_path / "t.h5", run_info(slots=500), {"queue_bits": values})
    assert_allclose(only(tmp_path / "t.h5", 0.2).estimates["queue_bits"].value, 1.0)
    assert only(tmp_path / "t.h5", 0.19).estimates["queue_bits"].value > 1e5


@pytest.mark.parametrize("level", ["summary", "slots"])
@pytest.mark.parametrize("replications", [1, 4])
def test_latency_quantiles_are_those_of_the_tasks(
    tmp_path: Path, replications: int, level: Level
) -> None:
    rng = np.random.default_rng(5)
    run = run_info(replications, devices=1, slots=200)
    writer = TraceWriter(tmp_path / "t.h5", run, level=level)
    kept = []
    for slot in range(200):
        writer.slot(slot, zero_columns(run))
        for r in range(replications):
            latency = rng.exponential(0.3, 200)
            writer.tasks(completed(latency, r))
            kept.append(latency if slot >= 20 else latency[:0])
    writer.close("complete")
    estimates = only(tmp_path / "t.h5").estimates
    latency = np.concatenate(kept)
    assert_allclose(estimates["latency_s"].value, latency.mean(), rtol=1e-12)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        estimate = estimates[f"latency_{name}_s"]
        error = 1e-10 if level == "slots" else 1.0 / 128.0
        assert_allclose(estimate.value, np.quantile(latency, share), rtol=error)
        exact = -0.3 * np.log(1.0 - share)
        assert estimate.low < exact < estimate.high < estimate.low + 0.2 * exact


@pytest.mark.parametrize("level", ["summary", "slots"])
@pytest.mark.parametrize("replications", [1, 2])
def test_latencies_of_the_warm_up_are_left_out(
    tmp_path: Path, level: Level, replications: int
) -> None:
    """100 s in the first fifth of the run, then 1 s."""
    run = run_info(slots=200, replications=replications)
    writer = TraceWriter(tmp_path / "t.h5", run, level=level)
    for slot in range(200):
        writer.slot(slot, zero_columns(run))
        tasks = [completed(np.full(3, 100.0 if slot < 40 else 1.0)) for _ in range(replications)]
        for r, table in enumerate(tasks):
            table["replication"] = r
        writer.tasks(np.concatenate(tasks))
    writer.close("complete")
    for warmup, largest in ((0.2, 1.0), (0.0, 100.0)):
        estimates = only(tmp_path / "t.h5", warmup).estimates
        assert_allclose(estimates["latency_p99_s"].value, largest, rtol=1e-12)


def test_late_and_lost_tasks(tmp_path: Path) -> None:
    run = run_info(slots=10)
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(10):
        writer.slot(slot, zero_columns(run))
        rows = np.zeros(5)
        done = [1.0, 3.0, np.nan, np.nan, np.nan]
        writer.tasks(task_table(rows, rows, rows, rows, done, rows, rows + 2.0, [0, 1, 2, 3, 4]))
    writer.close("complete")
    estimates = only(tmp_path / "t.h5", 0.0).estimates
    assert estimates["completed_tasks"].value == 20.0
    assert estimates["late_share"].value == 0.5
    assert estimates["latency_s"].value == 2.0


def queue(rng: np.random.Generator, slots: int, service: float, rows: int = 1) -> dict[str, Series]:
    """Lindley's recursion: uniform arrivals of mean 1 against a constant service."""
    arrived = rng.uniform(0.0, 2.0, (rows, slots))
    queued = np.zeros((rows, slots))
    for slot in range(1, slots):
        queued[:, slot] = np.maximum(queued[:, slot - 1] - service, 0.0) + arrived[:, slot - 1]
    return {"queue_bits": queued, "arrived_bits": arrived}


@pytest.mark.parametrize(
    ("service", "slots", "replications", "verdict"),
    [
        (1.2, 5000, 1, "stable"),
        (1.2, 1000, 5, "stable"),
        (0.9, 2000, 1, "growing"),
        (0.9, 1000, 5, "growing"),
    ],
)
def test_stability_of_queues(
    tmp_path: Path, service: float, slots: int, replications: int, verdict: str
) -> None:
    for seed in range(5):
        series = queue(np.random.default_rng(seed), slots, service, replications)
        record_columns(tmp_path / "t.h5", run_info(replications, slots=slots), series)
        summary = only(tmp_path / "t.h5")
        assert summary.stability == verdict, (seed, summary.growth)
        assert summary.growth is not None
        if verdict == "growing":
            assert summary.growth.low < 0.1 < summary.growth.high


@pytest.mark.parametrize(
    ("low", "value", "high", "verdict"),
    [
        (-0.5, -0.2, 0.009, "stable"),
        (0.001, 0.005, 0.009, "stable"),  # by less than a hundredth of what arrives
        (-0.001, 0.03, 0.06, "undecided"),
        (-0.001, 0.005, 0.011, "undecided"),
        (0.001, 0.03, 0.06, "growing"),
        (math.nan, 0.5, math.nan, "undecided"),
    ],
)
def test_the_interval_of_the_growth_decides(
    low: float, value: float, high: float, verdict: str
) -> None:
    growth = Estimate(value, low, high)
    summary = TraceSummary(Path("t.h5"), "", [1], "complete", 1, 1, {}, growth, None, 0.1, "")
    assert summary.stability == verdict


@pytest.mark.parametrize(
    ("policy", "share"), [("exact", 0.0), ("sca", 0.0), ("sca", 0.01), ("sca", 1.0)]
)
def test_advice_where_no_slot_is_feasible(policy: str, share: float) -> None:
    known = {"feasible_share": Estimate(share)}
    summary = TraceSummary(Path("t.h5"), policy, [1], "complete", 1, 1, known, None, None, 0.1, "")
    assert summary.advice.startswith("no slot is feasible") == (share == 0.0)
    assert ("--policy exact" in summary.advice) == (share == 0.0 and policy != "exact")
    late = known | {"twin_age_s": Estimate(2.0)}
    summary = TraceSummary(Path("t.h5"), policy, [1], "complete", 1, 1, late, None, None, 0.1, "")
    assert ("the twin is 2 s old" in summary.advice) == (share == 0.0)
    assert "--policy exact" not in summary.advice and "no decision" not in summary.advice


def test_a_decision_takes_the_median_of_its_times(tmp_path: Path) -> None:
    """Of 1, 2, 4 and 1000 ms: one that was compiled counts as one."""
    run = run_info(slots=4)
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot, taken_s in enumerate((0.004, 0.001, 1.0, 0.002)):
        writer.decision_time(taken_s)
        writer.slot(slot, random_columns(run, slot))
    writer.close("complete")
    summary = only(tmp_path / "t.h5")
    assert summary.decision_s == 0.003
    rows = dict(Summary([summary], 0.1).sections()[-1])
    assert rows["decision, median [ms]"] == ["3"]


def test_too_short_a_run_leaves_stability_undecided(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    series = {"queue_bits": rng.uniform(0.0, 20.0, (1, 40)), "arrived_bits": np.ones((1, 40))}
    record_columns(tmp_path / "t.h5", run_info(slots=40), series)
    assert only(tmp_path / "t.h5").stability == "undecided"


def test_a_station_queue_that_grows_is_not_stable(tmp_path: Path) -> None:
    series = {
        "queue_bits": np.ones((1, 500)),
        "station_queue_bits": 0.2 * np.arange(500.0)[None, :],
        "arrived_bits": np.ones((1, 500)),
    }
    record_columns(tmp_path / "t.h5", run_info(slots=500), series)
    summary = only(tmp_path / "t.h5")
    assert summary.stability == "growing"
    assert summary.growth is not None
    assert_allclose(summary.growth.value, 0.2)


def test_queues_of_several_replications_that_grow_have_no_mean(tmp_path: Path) -> None:
    """Neither an interval nor a number of slots, which would recede with them."""
    ramp = np.array([[1.0], [1.2], [1.5]]) * np.arange(500.0)
    series = {
        "queue_bits": 1e3 * ramp,
        "station_queue_bits": np.ones((3, 500)),
        "arrived_bits": np.full((3, 500), 1e4),
    }
    record_columns(tmp_path / "t.h5", run_info(slots=500, replications=3), series)
    summary = only(tmp_path / "t.h5")
    assert summary.stability == "growing"
    queue = summary.estimates["queue_bits"]
    assert queue.value > 0.0 and math.isnan(queue.low) and not queue.slots_needed


def test_a_run_cut_short_is_summarised_over_what_there_is(tmp_path: Path) -> None:
    run = run_info(slots=1000)
    record(tmp_path / "t.h5", run, slots=255, status="interrupted")
    summary = only(tmp_path / "t.h5")
    # 25 whole batches of ten slots, three of them warm-up.
    assert (summary.slots, summary.counted_slots, summary.status) == (255, 220, "interrupted")
    record(tmp_path / "t.h5", run, slots=3, status="interrupted")
    assert only(tmp_path / "t.h5").counted_slots == 3


def test_all_levels_give_the_same_numbers(tmp_path: Path) -> None:
    run = run_info(replications=2, slots=100)  # the warm-up is two parts of the histogram
    for level in ("summary", "slots", "full"):
        record(tmp_path / f"{level}.h5", run, level=level)
    paths = [tmp_path / f"{level}.h5" for level in ("summary", "slots", "full")]
    a, b, c = summarise(paths).traces
    assert repr(b.estimates) == repr(c.estimates)
    for key, estimate in a.estimates.items():
        if key.startswith("latency_p"):  # from the sketch
            assert_allclose(estimate.value, b.estimates[key].value, rtol=1.0 / 128.0)
        else:
            assert repr(estimate) == repr(b.estimates[key])
    assert a.decision_s is None
    assert_allclose(b.decision_s or 0.0, np.median(1e-3 * np.arange(1, 101)))


def test_the_table_has_a_column_for_each_trace(tmp_path: Path) -> None:
    paths = [tmp_path / "one.h5", tmp_path / "two.h5"]
    for path in paths:
        record(path, run_info())
    out = io.StringIO()
    Console(file=out, width=120).print(summarise(paths).to_table())
    text = out.getvalue()
    assert "one.h5" in text and "two.h5" in text
    for label in ("energy per bit [nJ/bit]", "latency, p99 [s]", "queue of a device [Mbit]"):
        assert label in text
    assert "±" in text


def test_units_of_the_table() -> None:
    """Numbers are kept in SI, but for milligrams; how many of the unit shown one of those is."""
    units = {"nJ/bit": 1e9, "Mbit": 1e-6, "mg/Mbit": 1e6, "%": 100.0, "g/kWh": 3600.0}
    same = {"", "mg", "mg/s", "J", "W", "s", "bit²", "mg/R", "J/R"}
    for key, metric in BATCH_METRICS.items():
        assert metric.unit in units or metric.unit in same
        assert metric.scale == units.get(metric.unit, 1.0), key


def test_json_has_numbers_in_si_and_null_for_what_is_not_known(tmp_path: Path) -> None:
    run = run_info(slots=1)
    writer = TraceWriter(tmp_path / "t.h5", run)
    writer.slot(0, zero_columns(run, local_bits=np.ones((1, 5)), local_energy_j=np.ones((1, 5))))
    writer.close("complete")
    summary: dict[str, Any] = json.loads(summarise([tmp_path / "t.h5"]).to_json())
    estimates = summary["traces"][0]["estimates"]
    assert estimates["energy_per_bit_j"] == {
        "value": 1.0,
        "low": None,
        "high": None,
        "slots_needed": 9,
    }
    assert estimates["late_share"]["value"] is None
    assert summary["traces"][0]["stability"] == "undecided"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (12.3456, 12.3135, 12.3777, "12.346 ± 0.032"),
        (12.3456, -28.7, 53.3, "12 ± 41"),
        (1234567.0, 1230246.0, 1238888.0, "1,234,567 ± 4,321"),
        (1.5e9, 1.48e9, 1.52e9, "(1.500 ± 0.020)e+9"),
        (3.21e-6, 3.17e-6, 3.25e-6, "(3.210 ± 0.040)e-6"),
        (12.3, 11.9, 13.2, "12.30 (11.90 to 13.20)"),
        (97.8, 86.1, 99.7, "98 (86 to 100)"),
        (3.2e-6, 3.1e-6, 3.5e-6, "(3.20 (3.10 to 3.50))e-6"),
        (2.0, 2.0, 2.0, "2"),
        (7.0, np.nan, np.nan, "7"),
        (np.nan, np.nan, np.nan, "-"),
        (0.0, 0.0, 0.0, "0"),
    ],
)
def test_an_estimate_is_printed_with_the_digits_it_supports(
    value: float, low: float, high: float, text: str
) -> None:
    assert format_estimate(Estimate(value, low, high)) == text


def test_too_short_a_run_says_what_it_needs() -> None:
    assert format_estimate(Estimate(12.3456, slots_needed=24_000)) == "12.3 (needs 24,000 slots)"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda path: summarise([path], 1.0), ValueError),
        (lambda path: summarise([path / "none"]), TraceError),
    ],
)
def test_what_cannot_be_summarised(
    tmp_path: Path, call: Callable[[Path], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call(tmp_path)


@pytest.mark.parametrize("older", [False, True])
def test_stations_at_work_is_their_availability_or_in_older_traces_their_state(
    tmp_path: Path, older: bool
) -> None:
    run = run_info(slots=100)  # a batch for each slot
    share = np.random.default_rng(5).random((100, 1, 3))
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(100):
        columns = zero_columns(run, station_up=share[slot] > 0.3, station_availability=share[slot])
        if older:
            del columns["station_availability"]
        writer.slot(slot, columns)
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        shown = {panel.title: panel for panel in panels(trace)}["stations at work"]
    expected = (share > 0.3 if older else share).mean(axis=2).T
    assert_allclose(shown.lines[0].values, 100.0 * expected)


def test_a_batch_is_drawn_at_its_middle() -> None:
    """Slots of 0.5 s, ten in a batch; of the last one, which a run that ends leaves, four."""
    totals = BatchTotals({"slots": np.array([10, 10, 4])}, 10, 1, 0.5, devices=1, stations=1)
    assert totals.middles_s.tolist() == [2.5, 7.5, 11.0]
