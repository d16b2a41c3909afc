"""Statistics of a trace worked out step by step beside them, on numbers that are all different."""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from test_intervals import ANY, POSITIVE, SHARE, Floats
from trace_recording import completed, task_table

from edgesim.traces import statistics
from edgesim.traces.comparison import compare_samples
from edgesim.traces.confidence_intervals import (
    CALM,
    Caution,
    Estimate,
    mean,
    ratio,
    rounded,
    series_quantiles,
    series_ratios,
    spread_of_means,
)
from edgesim.traces.effective_sample_size import caution
from edgesim.traces.latencies import SketchRecord, TaskLatencies, TaskRecord
from edgesim.traces.running_totals import SlotTally, TaskTally
from edgesim.traces.statistics import BatchTotals, CountedBatches, recorded_tasks


def walk(phi: float, steps: int, seed: int, power: int = 1) -> Floats:
    """An autoregression; or its exponential to a power, which is skewed."""
    rng, found = np.random.default_rng(seed), [0.0]
    for noise in rng.normal(size=steps):
        found.append(phi * found[-1] + noise)
    return np.array(found[1:]) if power == 1 else np.exp(power * np.array(found[1:]))


def spread_by_hand(series: Floats) -> tuple[float, float, float]:
    """Half-width, degrees of freedom and variance, by the steps at the head of `confidence_intervals`."""
    n, square = len(series), float((series**2).sum())
    rho = sum(series[t] * series[t - 1] for t in range(1, n)) / square
    rho += (1.0 + 3.0 * rho) / n  # Marriott and Pope: E[r] = rho - (1 + 3 rho) / n
    starts = [k * n // min(30, n) for k in range(min(30, n) + 1)]
    sums = np.array([series[a:b].sum() for a, b in pairwise(starts)])
    skewness = abs((sums**3).mean()) / (sums**2).mean() ** 1.5
    rho += 0.15 * min(max(rho / 0.3, 0.0), 1.0) * min(skewness, 1.0)
    phi = min(max(rho, -0.5), 0.95)
    white = [series[0] * math.sqrt(1.0 - phi**2)]
    white += [series[t] - phi * series[t - 1] for t in range(1, n)]
    count = min(24, n // 2)
    power = [
        2.0 / n * sum(w * math.cos(math.pi * k * (t + 0.5) / n) for t, w in enumerate(white)) ** 2
        for k in range(1, count + 1)
    ]
    variance = float(np.mean(power)) / (1.0 - phi) ** 2 / n
    freedom = 1.0 / (1.0 / count + 2.0 * (1.0 + phi) / (1.0 - phi) / n)
    t = float(scipy.stats.t.ppf(0.975, max(freedom, 3.0)))
    return t * math.sqrt(variance), freedom, variance


@pytest.mark.parametrize(
    ("phi", "steps", "power"),
    [(0.5, 90, 1), (0.6, 47, 1), (0.2, 90, 2), (0.1, 31, 3), (-0.9, 40, 1), (0.999, 60, 1), (0.3, 8, 1)],
)  # fmt: skip
def test_the_spread_of_a_mean_step_by_step(phi: float, steps: int, power: int) -> None:
    rows = np.stack([walk(phi, steps, seed, power) for seed in (1, 2, 3)])
    rows -= rows.mean(axis=1, keepdims=True)
    found = spread_of_means(rows)
    expected = np.array([spread_by_hand(row) for row in rows]).T
    assert_allclose(found.half_width, expected[0], rtol=1e-3)  # Student's t is interpolated
    assert_allclose([found.freedom, found.variance], expected[1:], rtol=1e-9)


@pytest.mark.parametrize("factor", [1.0, 1.4])
def test_the_ends_of_an_interval_lie_evenly_on_its_scale(factor: float) -> None:
    """x itself, 1 / sqrt(x), or log(x / (1 - x)): a half-width there is one of x times the slope."""
    rng = np.random.default_rng(5)
    under = rng.integers(3, 9, (1, 60)).astype(float)
    over = rng.binomial(under.astype(int), 0.8).astype(float)
    v = float(over.sum() / under.sum())
    h = factor * spread_by_hand((over - v * under)[0] / under.mean())[0]
    [plain], [positive], [share] = (
        series_ratios(over, under, [within], 600, factor) for within in (ANY, POSITIVE, SHARE)
    )
    assert_allclose(plain.arms, h, rtol=1e-4)
    slope = 0.5 * v**-1.5
    ends = np.array([positive.low, positive.high]) ** -0.5
    assert_allclose(ends, v**-0.5 + slope * h * np.array([1.0, -1.0]), rtol=1e-5)
    odds = np.log([share.low / (1.0 - share.low), share.high / (1.0 - share.high)])
    middle = math.log(v / (1.0 - v))
    assert_allclose(odds, middle + h / (v * (1.0 - v)) * np.array([-1.0, 1.0]), rtol=1e-4)


def test_how_long_too_short_a_run_would_have_to_be() -> None:
    """Until the half-width is half of what it may be: it falls with the root of the slots."""
    series = walk(0.3, 40, 6)[None]
    series -= series.mean()
    h, over = spread_by_hand(series[0])[0], np.ones((1, 40))
    for within, v, room in ((POSITIVE, 0.62 * h, 0.62 * h), (SHARE, 1.0 - 0.55 * h, 0.55 * h)):
        [found] = series_ratios(series + v, over, [within], 400)
        assert found.slots_needed == rounded(400 * (2.0 * h / room) ** 2)
        assert found.value == pytest.approx(v) and math.isnan(found.low)
    [just] = series_ratios(series + 1.01 * h, over, [POSITIVE], 400)
    assert just.slots_needed is None and 0.0 < just.low < just.value < just.high
    steps = np.cumsum(np.random.default_rng(8).normal(size=(1, 40)), axis=1)
    freedom = spread_by_hand((steps - steps.mean())[0])[1]
    [found] = series_ratios(steps, over, [ANY], 400)
    assert freedom < 3.0 and found.slots_needed == rounded(400 * 3.0 / freedom)
    assert [rounded(slots) for slots in (1200.0, 1201.0, 99.5, 100_001.0)] == [
        1200,
        1300,
        100,
        110_000,
    ]


def test_one_value_has_a_mean_and_no_interval() -> None:
    assert repr(mean(np.array([3.0]))) == repr(Estimate(3.0))
    assert math.isnan(mean(np.zeros(0)).value)
    # Without its only group with a denominator there is nothing left to divide by.
    assert repr(ratio(np.array([1.0, 2.0]), np.array([0.0, 3.0]))) == repr(Estimate(1.0))
    # The jackknife of three unequal groups: without each, 5 / 5, 5 / 4 and 4 / 3.
    without = np.array([1.0, 5.0 / 4.0, 4.0 / 3.0])
    variance = 2.0 / 3.0 * ((without - without.mean()) ** 2).sum()
    found = ratio(np.array([2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert found.value == 7.0 / 6.0
    assert_allclose(found.half_width, scipy.stats.t.ppf(0.975, 2) * math.sqrt(variance), rtol=1e-9)


def quantile_by_hand(
    latency: Floats, groups: NDArray[np.int64], share: float, factor: float, looks: float = math.inf
) -> tuple[float, float]:
    """Ends of an interval: at each latency, is the share of longer ones compatible with that of the quantile?"""
    value, longer = float(np.quantile(latency, share)), 1.0 - share
    tasks = np.bincount(groups)
    whole = tasks.sum()

    def spread(counts: Floats) -> tuple[float, float, float]:
        return spread_by_hand((counts - counts.sum() / whole * tasks) / tasks.mean())

    longest, ties = (np.bincount(groups, some) for some in (latency > value, latency == value))
    h, _, variance = spread(longest + ties * (longer * whole - longest.sum()) / max(ties.sum(), 1))
    if looks * longer < 6.0:
        factor = max(factor, 1.96 * math.sqrt(0.4 / (looks * longer)) / (h / longer))
    ends = {}
    for bound in np.unique(latency).tolist():
        above = np.bincount(groups, latency > bound).astype(float)
        part = float(above.sum() / whole)
        if part == 0.0:  # Poisson's, of none seen
            cluster = max(factor**2 * variance * whole / (longer * share), 1.0)
            ends[bound] = 0.0, -math.log(0.025) * cluster / whole
            continue
        half = 0.5 * factor * spread(above)[0] / part
        ends[bound] = part / (1.0 + half) ** 2, part / (1.0 - half) ** 2 if half < 1.0 else math.inf
    beyond = [x for x, (low, _) in ends.items() if x <= value and low > longer]
    least = min(x for x in ends if x > max(beyond))
    return least, min(x for x, (_, high) in ends.items() if x >= value and high < longer)


def correlated(cap: float = math.inf) -> tuple[Floats, NDArray[np.int64]]:
    """Latencies of some 1,800 tasks, whole seconds up to a cap, and the batch of each."""
    groups = np.repeat(np.arange(40), np.random.default_rng(3).integers(30, 60, 40))
    noise = np.random.default_rng(4).normal(size=len(groups))
    return np.minimum(np.round(20.0 + 2.0 * walk(0.5, 40, 9)[groups] + 6.0 * noise), cap), groups


@pytest.mark.parametrize(
    ("share", "factor", "looks"),
    [(0.3, 1.0, math.inf), (0.5, 1.8, math.inf), (0.9, 1.0, math.inf), (0.5, 1.0, 11.0), (0.3, 1.0, 9.0)],
)  # fmt: skip
def test_the_interval_of_a_quantile_step_by_step(share: float, factor: float, looks: float) -> None:
    latency, groups = correlated()
    caution = Caution(factor, 0.0, looks, None)
    tasks = TaskLatencies(latency, groups, 40)
    [found] = series_quantiles(tasks, np.array([share]), 400, caution)
    assert found.value == np.quantile(latency, share)
    assert (found.low, found.high) == quantile_by_hand(latency, groups, share, factor, looks)


def test_of_what_lies_above_all_that_was_seen_a_cluster_may_have_been_missed() -> None:
    """Most tasks are as long as can be; with clusters large enough more than half may be longer."""
    latency, groups = correlated(19.0)
    tasks = TaskLatencies(latency, groups, 40)
    whole, ties = tasks.tasks.sum(), np.bincount(groups, latency == 19.0)
    assert np.median(latency) == 19.0
    counts = ties * 0.5 * whole / ties.sum()
    cluster = whole / 0.25
    cluster *= spread_by_hand((counts - 0.5 * tasks.tasks) / tasks.tasks.mean())[2]
    most = math.sqrt(0.5 * whole / (-math.log(0.025) * cluster))
    assert most > 1.5
    cautions = (Caution(factor * most, 0.0, math.inf, None) for factor in (0.97, 1.03))
    [below], [beyond] = (series_quantiles(tasks, np.array([0.5]), 400, one) for one in cautions)
    assert below.low < below.high == 19.0
    assert math.isnan(beyond.low) and beyond.slots_needed


def test_a_quantile_for_which_a_run_is_too_short_speaks_for_all_above() -> None:
    """The body settles late, the tail does not change: p99 alone would have an interval."""
    groups, rng = np.arange(9000) // 100, np.random.default_rng(2)
    latency = np.where(groups < 30, 1.0, 2.0) + 0.1 * rng.random(9000)
    latency[::25] = 10.0 + rng.random(360)
    tasks = TaskLatencies(latency, groups, 90)
    [alone] = series_quantiles(tasks, np.array([0.99]), 900)
    assert alone.low < alone.value < alone.high
    body, tail = series_quantiles(tasks, np.array([0.5, 0.99]), 900)
    assert body.slots_needed and tail.slots_needed == body.slots_needed
    assert math.isnan(tail.low) and tail.value == alone.value


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("scale", [0.02, 1.0, 9.0])
def test_looks_at_queues_by_hand(devices: int, scale: float) -> None:
    """8 v² / (m² s² T) once by what the queues vary by, once by what those of N alike queues would."""
    rng = np.random.default_rng(11)
    for seed, (noise, arrivals) in enumerate(((1.0, 3.0), (4.0, 0.2))):
        queued = 6.0 + scale * (walk(0.8, 30, seed) + noise)
        at_start = queued + scale * noise * rng.normal(size=30)
        arrived = 20.0 + scale * arrivals * rng.normal(size=30)
        m = queued.mean()
        step = max(np.var(arrived, ddof=1), np.var(np.diff(at_start), ddof=1))
        v = max(np.var(queued, ddof=1), np.var(at_start, ddof=1))
        looks = 30 * step * m**2 / (8.0 * v**2)
        surely = 30 * step * m**2 / (8.0 * max(v, m**2 / devices) ** 2)
        known = spread_by_hand(queued - m)[0] / m
        least = 1.96 / math.sqrt(looks) if looks < 40.0 else 0.0
        found = caution(queued, at_start, arrived, devices, 300)
        assert found.looks == pytest.approx(looks) and found.least == pytest.approx(least)
        assert found.factor == pytest.approx(max(1.0, least / known), rel=1e-4)
        short = surely < 14.0 and known > 0.15
        assert found.slots_needed == (rounded(300 * 28.0 / surely) if short else None)


# The batches that count


def totals(slots: list[int], replications: int = 1, **arrays: Any) -> BatchTotals:
    """Batches of ten slots of half a second, five devices and three stations."""
    batches = len(slots)
    found: dict[str, NDArray[Any]] = {
        "slots": np.array(slots),
        "tasks": np.zeros((replications, batches, 5), np.int64),
    }
    for name in ("queue_bits", "station_queue_bits", "arrived_bits"):
        found[name] = np.ones((replications, batches))
    return BatchTotals(found | arrays, 10, 5, 0.5, devices=5, stations=3)


def test_growth_is_that_after_the_warm_up() -> None:
    """From the beginning of the first batch that counts to that of the last, over what arrived in between."""
    k, rng = np.arange(20.0), np.random.default_rng(1)
    device, station = k**2, 500.0 - 3.0 * k**1.5
    arrived = rng.uniform(50.0, 90.0, 20)
    arrays: dict[str, Any] = {"initial_queue_bits": device, "initial_station_queue_bits": station}
    arrays["arrived_bits"] = arrived
    for rows in (1, 2):
        factor = np.array([[1.0], [1.7]])[:rows]
        some = totals([10] * 20, rows, **{name: factor * row for name, row in arrays.items()})
        growth = CountedBatches(some, 0.2).growth()
        queued = device + station
        assert growth is not None
        assert growth.value == pytest.approx((queued[19] - queued[4]) / arrived[4:19].sum())
        if rows == 2:
            of_each = (queued[19] - queued[4]) / arrived[4:19].sum()
            assert_allclose([growth.low, growth.high], of_each, rtol=1e-9)
        else:
            increments = np.diff(queued)[4:]
            assert_allclose(growth.arms, ratio(increments, arrived[4:19]).arms, rtol=1e-9)


def test_the_batch_that_a_run_ended_in_does_not_count() -> None:
    late = np.arange(5.0)[None, :]
    tasks = np.zeros((1, 5, 5), np.int64)
    tasks[0, :, 1] = [1, 2, 3, 4, 5]
    some = totals([10, 10, 10, 10, 3], tasks=tasks, objective=late, worst_emission_mg=late)
    counted = CountedBatches(some, 0.25)
    assert counted.slots == 30 and counted.columns["late"].tolist() == [[2.0, 3.0, 4.0]]
    assert counted.columns["seconds"].tolist() == [[5.0] * 3]
    assert counted.columns["station_slots"].tolist() == [[30.0] * 3]
    assert counted.columns["replications"].sum() == pytest.approx(1.0)
    assert statistics.all_columns(some)["seconds"].tolist() == [[5.0, 5.0, 5.0, 5.0, 1.5]]
    ended = counted.ended.tolist()
    assert ended == [1, 3, 6, 10, 15]
    # Of 15 tasks, in the order in which they ended, those of three batches count.
    seconds = np.arange(1.0, 16.0)
    record = recorded_tasks(some, np.ones(15, np.uint8), np.zeros(15, int), 0.0 * seconds, seconds)
    found = counted.replication_quantiles(record)["latency_p50_s"]
    assert found[0] == pytest.approx(np.median(seconds[1:10]))
    # What a share of the warm-up leaves out is rounded up to whole batches, and never all of them.
    firsts = [CountedBatches(some, one).columns["late"][0, 0] for one in (0.0, 0.24, 0.26, 0.99)]
    assert firsts == [1.0, 2.0, 3.0, 4.0]


def test_a_share_of_batches_stays_a_share() -> None:
    some = totals([10] * 4, 3)
    counted = CountedBatches(some, 0.25)
    whole = np.array([[9.0, 2.0, 3.0, 5.0], [9.0, 4.0, 1.0, 2.0], [9.0, 3.0, 3.0, 3.0]])
    part = np.array([[9.0, 2.0, 2.0, 5.0], [9.0, 4.0, 1.0, 2.0], [9.0, 3.0, 3.0, 2.0]])
    found = counted.share(part, whole)
    assert found.value == pytest.approx(24.0 / 26.0)
    assert found.high == 1.0 and 0.7 < found.low < found.value
    assert math.isnan(counted.share(0.0 * part, whole * [1.0, 0.0, 0.0, 0.0]).value)


def test_what_the_queues_of_a_run_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together, over the batches that count."""
    asked: list[tuple[Any, ...]] = []

    def calm(*arguments: Any) -> Caution:
        asked.append(arguments)
        return CALM

    monkeypatch.setattr(statistics, "caution", calm)
    queues = ["queue_bits", "station_queue_bits"]
    names = [*queues, "arrived_bits", *(f"initial_{name}" for name in queues)]
    rows: dict[str, Any] = {
        name: 2.0 ** (10.0 * k + np.arange(8.0)) for k, name in enumerate(names)
    }
    counted = CountedBatches(totals([10] * 8, **{n: row[None] for n, row in rows.items()}), 0.25)
    counted.share(np.ones((1, 8)), 2.0 * np.ones((1, 8)))
    [(queued, at_start, arrived, devices, slots)] = asked
    rows = {name: row[2:].tolist() for name, row in rows.items()}
    assert queued.tolist() == np.add(rows[names[0]], rows[names[1]]).tolist()
    assert at_start.tolist() == np.add(rows[names[3]], rows[names[4]]).tolist()
    assert (arrived.tolist(), devices, slots) == (rows[names[2]], 5, 80)


def test_queues_of_which_it_is_open_whether_they_grow_say_how_long_a_run_must_be() -> None:
    """They grow a little, but not surely."""
    rng = np.random.default_rng(5)
    noise = 40.0 * walk(0.8, 30, 2)
    queued = 200.0 + noise + 5.0 * np.arange(30.0)
    some = totals(
        [10] * 30,
        queue_bits=queued[None],
        initial_queue_bits=(queued + rng.normal(size=30))[None],
        initial_station_queue_bits=np.zeros((1, 30)),
        arrived_bits=100.0 + 90.0 * rng.random((1, 30)),
        objective=5.0 + rng.random((1, 30)),
    )
    counted = CountedBatches(some, 0.0)
    growth = counted.growth()
    assert growth is not None and growth.low < 0.0 < growth.value
    found = counted.estimates(TaskRecord(np.zeros(0), np.zeros(0, int), np.zeros(0, int), 1))
    needed = found["queue_bits"].slots_needed
    assert needed and found["objective"].slots_needed == needed
    # What needs a longer run by itself says so, whatever the queues say.
    drifts = np.cumsum(rng.normal(size=(1, 30)), axis=1)
    calm = CountedBatches(totals([10] * 30, objective=drifts), 0.0)
    alone = calm.estimates(TaskRecord(np.zeros(0), np.zeros(0, int), np.zeros(0, int), 1))
    assert (alone["objective"].slots_needed or 0) > 300


def several(latency: dict[int, Floats], batches: int = 10) -> tuple[BatchTotals, TaskRecord]:
    """Replications with as many tasks in each batch, of these latencies."""
    rows = []
    tasks = np.zeros((len(latency), batches, 5), np.int64)
    for r, values in latency.items():
        for batch, some in enumerate(np.array_split(values, batches)):
            rows += [(value, r, batch) for value in some]
            tasks[r, batch, 0] = len(some)
    seconds, replication, within = (np.array(column) for column in zip(*rows, strict=True))
    sums = np.zeros((len(latency), batches))
    np.add.at(sums, (replication, within), seconds)
    some_totals = totals([10] * batches, len(latency), tasks=tasks, latency_sum_s=sums)
    return some_totals, TaskRecord(seconds, replication, within, len(latency))


def test_quantiles_over_replications_are_of_those_that_have_tasks() -> None:
    """Of all tasks together; the interval by Student's t about that, of the two that completed any."""
    rng = np.random.default_rng(7)
    latency = {0: 5.0 + rng.random(50), 1: np.zeros(0), 2: 5.2 + rng.random(70)}
    some, record = several(latency)
    found = CountedBatches(some, 0.0).estimates(record)["latency_p90_s"]
    together = np.quantile(np.concatenate(list(latency.values())), 0.9)
    alone = np.array([np.quantile(latency[r], 0.9) for r in (0, 2)])
    arm = scipy.stats.t.ppf(0.975, 1) * math.sqrt(((alone - together) ** 2).sum() / 2.0)
    assert found.value == pytest.approx(together)
    assert found.high == pytest.approx(together + arm)
    assert found.low == pytest.approx(max(together - arm, 0.0))


def test_latencies_of_replications_that_have_not_settled_have_no_quantiles() -> None:
    rng = np.random.default_rng(8)
    early = np.repeat([9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 20)
    some, record = several({r: early + 0.1 * rng.random(200) for r in range(3)})
    found = CountedBatches(some, 0.0).estimates(record)
    needed = found["latency_s"].slots_needed
    assert needed
    for name in ("p50", "p90", "p95", "p99"):
        one = found[f"latency_{name}_s"]
        assert one.slots_needed == needed and math.isnan(one.low) and one.value > 0.0


def test_which_tasks_a_record_gives() -> None:
    """Of two replications, a task in each of four batches, of 1 to 8 s; batches 1 and 2 are asked for."""
    seconds, batch = np.arange(1.0, 9.0), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    record = TaskRecord(seconds, np.array([0, 1] * 4), batch, 2)
    middle, ends = slice(1, 3), np.array([0.0, 1.0])
    assert record.of(0, middle).quantiles(ends).tolist() == [3.0, 5.0]
    assert record.of(1, middle).quantiles(ends).tolist() == [4.0, 6.0]
    both = record.by_replication(middle)
    assert both.quantiles(ends).tolist() == [3.0, 6.0] and both.tasks.tolist() == [2, 2]
    one = TaskRecord(seconds, np.zeros(8, int), batch, 1).by_batch(middle)
    assert one.tasks.tolist() == [2, 2]
    assert one.above(np.array([3.5, 5.0])).tolist() == [[1.0, 0.0], [2.0, 1.0]]


def test_which_parts_of_a_sketch_count_and_whose_ends_a_bin_has() -> None:
    """From the nearest part on, at least the last; a replication without tasks in a bin says nothing of its ends."""
    counts = np.zeros((2, 4, 3), np.int64)
    counts[0, :, 0], counts[1, :, 2], counts[0, 3, 1] = [1, 10, 100, 1000], [2, 20, 200, 2000], 7
    least, greatest = (
        np.array([[1.0, 4.0, 0.0], [0.0, 0.0, 8.0]]),
        np.array([[1.5, 5.0, 0.0], [0.0, 0.0, 9.0]]),
    )
    summary = {"latency_tasks": counts, "latency_bin_min_s": least, "latency_bin_max_s": greatest}
    record = SketchRecord(summary, 5, 100.0)
    found = [
        record.by_replication(slice(first, 20)).tasks.tolist() for first in (0, 2, 3, 8, 17, 19)
    ]
    assert found == [
        [1118, 2222],
        [1118, 2222],
        [1117, 2220],
        [1107, 2200],
        [1007, 2000],
        [1007, 2000],
    ]
    ends = np.array([0.0, 1.0])
    assert_allclose(record.by_replication(slice(0, 20)).quantiles(ends), [1.0, 9.0], rtol=1e-10)
    assert_allclose(record.of(0, slice(0, 20)).quantiles(ends), [1.0, 5.0], rtol=1e-10)
    assert_allclose(record.of(1, slice(0, 20)).quantiles(ends), [8.0, 9.0], rtol=1e-10)


# What a run adds up


def test_a_run_is_divided_into_as_many_batches_of_as_many_slots() -> None:
    for slots, each, batches in ((1, 1, 1), (100, 1, 100), (101, 2, 51), (250, 3, 84)):
        tally = SlotTally(1, slots, ["queue_bits"])
        assert (tally.batch_slots, tally.batches) == (each, batches)


def test_totals_of_slots_by_hand() -> None:
    """A sum, a level and a mean of three devices in batches of two slots, told in pieces that cut batches."""
    slots, rng = 110, np.random.default_rng(3)
    names = ["queue_bits", "arrived_bits", "twin_age_s", "present", "x_m"]
    columns: dict[str, Any] = {name: rng.random((2, slots, 3)) for name in names}
    columns["present"] = (rng.random((2, slots, 3)) < 0.6).astype(float)
    tally = SlotTally(2, slots, names)
    pieces = (0, 1, 4, 7, 8, 40, 107)  # the last batches do not come
    for first, end in pairwise(pieces):
        tally.add(first, end - first, {n: c[:, first : end + 2] for n, c in columns.items()})
    found = tally.totals()
    assert tally.slots.tolist() == [2] * 53 + [1, 0] and "x_m" not in found
    queued, there = columns["queue_bits"], columns["present"]
    for batch in (0, 1, 3, 52, 53):
        some = slice(2 * batch, min(2 * batch + 2, 107))
        one = {name: column[:, some] for name, column in columns.items()}
        assert_allclose(found["arrived_bits"][:, batch], one["arrived_bits"].sum(axis=(1, 2)))
        assert_allclose(found["queue_bits"][:, batch], one["queue_bits"].sum(axis=2).mean(axis=1))
        assert_allclose(found["twin_age_s"][:, batch], one["twin_age_s"].mean(axis=(1, 2)))
        present = (queued * there)[:, some].sum(axis=2).mean(axis=1)
        assert_allclose(found["present_queue_bits"][:, batch], present)
        initial = queued[:, 2 * batch].sum(axis=1)
        assert_allclose(tally.initial["initial_queue_bits"][:, batch], initial)
    assert np.isnan(found["queue_bits"][:, 54]).all()


def test_totals_of_tasks_by_hand() -> None:
    """Done, late, queued, dropped and lost, of two replications; an instant one comes first."""
    tally = TaskTally(2, 12)
    tally.add(6, completed(np.array([0.0, 5e-7, 3.0, 3.001]), 1))
    rows = np.zeros(5)
    late = [2.0, 4.0, np.nan, np.nan, np.nan]
    tally.add(11, task_table(rows, rows, rows, rows, late, rows, rows + 3.0, range(5)))
    assert tally.tasks[0, 11].tolist() == [1, 1, 1, 1, 1] and tally.tasks[1, 6].tolist() == [
        4,
        0,
        0,
        0,
        0,
    ]
    assert tally.tasks.sum() == 9
    assert tally.latency_sum_s[0, 11] == 6.0 and tally.latency_sum_s[1, 6] == pytest.approx(
        6.0010005
    )
    assert (tally.latency_min_s[0, 11], tally.latency_max_s[0, 11]) == (2.0, 4.0)
    assert (tally.latency_min_s[1, 6], tally.latency_max_s[1, 6]) == (0.0, 3.001)
    assert tally.histogram.sum(axis=2).tolist() == [[0, 0, 2], [0, 4, 0]]
    assert (tally.bin_min_s[1, 0], tally.bin_max_s[1, 0]) == (0.0, 5e-7)
    [bin_] = np.flatnonzero(tally.histogram[1, 1] == 2)[1:]
    assert (tally.bin_min_s[1, bin_], tally.bin_max_s[1, bin_]) == (3.0, 3.001)


# Comparisons


def test_a_comparison_by_hand() -> None:
    """Two groups, whose differences count together for Holm's method; shares keep their range."""
    rng = np.random.default_rng(6)
    groups: dict[str, dict[str, dict[str, Floats]]] = {}
    for title in ("one", "two"):
        groups[title] = {
            "base": {"objective": -100.0 + rng.random(4), "late_share": np.array([0.0, 0.0, 0.02, 0.01])},
            "other": {"objective": -99.6 + rng.random(4), "late_share": np.array([0.9, 1.0, 1.0, 0.98])},
            "same": {},
        }  # fmt: skip
        groups[title]["same"] = groups[title]["base"]
    paths = {label: Path(f"{label}.h5") for label in ("base", "other", "same")}
    abouts = {"one": ["this network"], "two": ["networks like it"]}
    found = compare_samples(groups, paths, [3, 4, 5, 6], 0.1, abouts)
    tests = [
        scipy.stats.ttest_rel(groups[title]["other"][key], groups[title]["base"][key]).pvalue
        for title in groups
        for key in ("objective", "late_share")
    ]
    ranked, adjusted, largest = np.argsort(tests), np.zeros(4), 0.0
    for place, k in enumerate(ranked):
        largest = max(largest, tests[k] * (4 - place))
        adjusted[k] = min(largest, 1.0)
    told: Iterator[float] = iter(adjusted.tolist())
    for one, (title, by_label) in zip(found, groups.items(), strict=True):
        assert (one.title, one.about, one.tests) == (title, abouts[title], 4)
        base, other, same = one.policies
        for key in ("objective", "late_share"):
            x, y = by_label["other"][key], by_label["base"][key]
            difference = other.differences[key]
            assert difference.holm_p_value == pytest.approx(next(told), rel=1e-9)
            assert difference.relative == pytest.approx((x - y).mean() / abs(y.mean()))
            assert math.isnan(same.differences[key].holm_p_value)
        assert base.means["late_share"].low == 0.0 and other.means["late_share"].high == 1.0
        assert other.means["late_share"].low < 1.0 and base.differences == {}
        plus = other.cells("objective")[3]
        assert plus.startswith("+0.") == (other.differences["objective"].relative > 0.0)
