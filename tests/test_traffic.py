import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models import arrivals as traffic
from edgesim.simulator.models.arrivals import (
    Arrivals,
    MarkovModulatedPoisson,
    PointProcess,
    Points,
    Poisson,
    Tasks,
    Uniform,
)
from edgesim.simulator.models.replay import Replay

SLOT_S = 0.1


def run(
    model: Arrivals, slots: int, devices: int = 20, seed: int = 1, replications: int = 1
) -> list[Tasks]:
    model.start(devices, SLOT_S, Streams(seed, replications).generators)
    return [model.slot(slot) for slot in range(slots)]


def joined(tasks: list[Tasks]) -> Tasks:
    columns = ("replication", "device", "arrival_s", "bits")
    return Tasks(*(np.concatenate([getattr(some, name) for some in tasks]) for name in columns))


@pytest.fixture
def requests_csv(tmp_path: Path) -> Path:
    # Out of order, one request of no bits, in a file of a spreadsheet that writes a byte-order mark.
    file = tmp_path / "requests.csv"
    file.write_text(
        "when,in,out\n10.0,2,1\n11.0,0,0\n10.55,1,0\n12.0,0,3\n11.5,7,7\n", encoding="utf-8-sig"
    )
    return file


def counted(file: Path) -> Path:
    """A file beside another that counts requests by the minute."""
    lines = ["HashOwner,HashApp,HashFunction,Trigger,1,2,3,4"]
    lines += [f"o,a,f{k},http,{3 * k},{k},0,{40 - k}" for k in range(30)]
    path = file.with_name("counted.csv")
    path.write_text("\n".join(lines))
    return path


MODELS: dict[str, Callable[[Path], Arrivals]] = {
    "uniform": lambda file: Uniform(6e5),
    "poisson": lambda file: Poisson(1e5, 6.0),
    "poisson-fixed": lambda file: Poisson(1e5, 30.0, "fixed"),
    "mmpp": lambda file: MarkovModulatedPoisson(1e5, [1.0, 80.0], [0.7, 0.2], "uniform"),
    "replay": lambda file: Replay(file, {"in": 10.0, "out": 1.0}, "when", speedup=40.0),
    "replay-minutes": lambda file: Replay(counted(file), 1e5, speedup=40.0),
    "replay-deadlines": lambda file: Replay(
        file,
        {"in": 1.0},
        "when",
        device_column="out",
        deadline_column="in",
        speedup=40.0,
        unknown=["0"],
    ),
}


@pytest.fixture(params=MODELS)
def make(request: pytest.FixtureRequest, requests_csv: Path) -> Callable[[], Arrivals]:
    return lambda: MODELS[request.param](requests_csv)


def same(one: Tasks, other: Tasks) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("replication", "device", "arrival_s", "bits", "deadline_s")
    )


class TestEveryModel:
    def test_is_sorted_and_within_the_slot(self, make: Callable[[], Arrivals]) -> None:
        total = 0
        for slot, tasks in enumerate(run(make(), 300, replications=3)):
            keys = np.stack([tasks.replication, tasks.device, tasks.arrival_s])
            assert np.array_equal(keys, keys[:, np.lexsort(keys[::-1])])
            assert np.all(tasks.arrival_s >= slot * SLOT_S)
            assert np.all(tasks.arrival_s <= (slot + 1) * SLOT_S)
            assert np.all(tasks.bits > 0.0)
            total += tasks.bits.size
        assert total > 300

    def test_block_size_changes_nothing(
        self, make: Callable[[], Arrivals], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        by_default = run(make(), 300, replications=2)
        for at_once in (1, 7):
            monkeypatch.setattr(traffic, "SLOTS_AT_ONCE", at_once)
            assert all(map(same, run(make(), 300, replications=2), by_default))

    def test_replication_is_the_single_run_of_its_seed(self, make: Callable[[], Arrivals]) -> None:
        together = run(make(), 200, seed=5, replications=3)
        for r in range(3):
            alone = joined(run(make(), 200, seed=5 + r))
            tasks = joined(together)
            mine = tasks.replication == r
            assert np.array_equal(tasks.device[mine], alone.device)
            assert np.array_equal(tasks.arrival_s[mine], alone.arrival_s)
            assert np.array_equal(tasks.bits[mine], alone.bits)

    def test_continues_from_a_pickle(self, make: Callable[[], Arrivals]) -> None:
        whole = run(make(), 100)
        model = make()
        run(model, 37)
        model = pickle.loads(pickle.dumps(model))
        assert all(map(same, [model.slot(slot) for slot in range(37, 100)], whole[37:]))

    def test_starts_anew(self, make: Callable[[], Arrivals]) -> None:
        model = make()
        assert all(map(same, run(model, 50), run(model, 50)))


def test_memory_is_bounded_whatever_the_rate() -> None:
    model = Poisson(1e5, 20_000.0)
    sizes = []
    for slots in (20, 60):
        run(model, slots)
        sizes.append(len(pickle.dumps(model)))
    assert max(sizes) < 64 * traffic.TASKS_AT_ONCE


class TestUniform:
    def test_one_task_per_device_at_the_start_of_the_slot(self) -> None:
        tasks = run(Uniform(6e5), 8, devices=3, replications=2)[7]
        assert tasks.replication.tolist() == [0, 0, 0, 1, 1, 1]
        assert tasks.device.tolist() == [0, 1, 2, 0, 1, 2]
        assert tasks.arrival_s == pytest.approx(0.7)

    def test_law(self) -> None:
        bits = joined(run(Uniform(6e5), 2000)).bits
        assert stats.kstest(bits, stats.uniform(0.0, 1.2e6).cdf).pvalue > 0.01
        assert bits.mean() == pytest.approx(6e5, rel=0.01)
        by_slot = bits.reshape(2000, 20)
        assert abs(np.corrcoef(by_slot[:-1, 0], by_slot[1:, 0])[0, 1]) < 0.07
        assert abs(np.corrcoef(by_slot[:, 0], by_slot[:, 1])[0, 1]) < 0.07

    def test_no_task_is_empty(self) -> None:
        """A generator draws from [0, 1), a size is from (0, 2 mean]."""

        class Zeros:
            def random(self, shape: tuple[int, ...]) -> Any:
                return np.zeros(shape)

        model = traffic.Uniform(3.0)
        model.start(4, 0.1, lambda name: [Zeros()])  # type: ignore[list-item]
        np.testing.assert_array_equal(model.slot(0).bits, np.full(4, 6.0))


class TestPoisson:
    def test_law_of_counts(self) -> None:
        rate, devices, slots = 25.0, 50, 2000
        tasks = run(Poisson(1e5, rate), slots, devices=devices)
        counts = np.stack([np.bincount(some.device, minlength=devices) for some in tasks])
        assert counts.mean() == pytest.approx(rate * SLOT_S, rel=0.01)
        law = stats.poisson(rate * SLOT_S)
        observed = np.bincount(np.minimum(counts.ravel(), 9), minlength=10)
        expected = np.append(law.pmf(np.arange(9)), law.sf(8)) * counts.size
        assert stats.chisquare(observed, expected).pvalue > 0.01
        # All devices alike, and neither devices nor slots know of one another.
        per_device = counts.sum(axis=0)
        assert stats.chisquare(per_device).pvalue > 0.01
        assert abs(np.corrcoef(counts[:, 0], counts[:, 1])[0, 1]) < 0.07
        assert abs(np.corrcoef(counts[:-1, 0], counts[1:, 0])[0, 1]) < 0.07

    def test_times_between_arrivals_at_a_device_are_exponential(self) -> None:
        tasks = joined(run(Poisson(1e5, 7.0), 3000, devices=5))
        for device in range(5):
            times = tasks.arrival_s[tasks.device == device]
            assert stats.kstest(np.diff(times), stats.expon(scale=1 / 7).cdf).pvalue > 0.01

    @pytest.mark.parametrize(
        ("sizes", "law"),
        [("exponential", stats.expon(scale=1e5)), ("uniform", stats.uniform(0.0, 2e5))],
    )
    def test_law_of_sizes(self, sizes: traffic.Sizes, law: stats.rv_continuous) -> None:
        tasks = joined(run(Poisson(1e5, 10.0, sizes), 1000))
        assert stats.kstest(tasks.bits, law.cdf).pvalue > 0.01
        assert abs(np.corrcoef(tasks.bits, tasks.arrival_s)[0, 1]) < 0.02

    def test_fixed_sizes(self) -> None:
        assert set(joined(run(Poisson(1e5, 10.0, "fixed"), 50)).bits) == {1e5}


def dispersion(rates: list[float], sojourns: list[float], t: float) -> float:
    """Index of dispersion for counts of a stationary two-state MMPP (Heffes and Lucantoni, 1986)."""
    (a, b), (leave_a, leave_b) = rates, (1.0 / sojourns[0], 1.0 / sojourns[1])
    total = leave_a + leave_b
    limit = 2.0 * (a - b) ** 2 * leave_a * leave_b / (total**2 * (a * leave_b + b * leave_a))
    return float(1.0 + limit * (1.0 - (1.0 - np.exp(-total * t)) / (total * t)))


class TestMarkovModulatedPoisson:
    def test_burstiness_from_the_first_slot_on(self) -> None:
        rates, sojourns, devices = [2.0, 30.0], [1.0, 0.5], 20_000
        model = MarkovModulatedPoisson(1e5, rates, sojourns)
        tasks = run(model, 100, devices=devices)
        counts = np.stack([np.bincount(some.device, minlength=devices) for some in tasks])
        mean_rate = (2.0 * 1.0 + 30.0 * 0.5) / 1.5
        # Each device is one independent sample of the stationary process, at whatever time.
        for window in (slice(0, 3), slice(0, 50), slice(0, 100), slice(90, 100)):
            seconds = (window.stop - window.start) * SLOT_S
            sample = counts[window].sum(axis=0)
            assert sample.mean() == pytest.approx(mean_rate * seconds, rel=0.025)
            expected = dispersion(rates, sojourns, seconds)
            assert sample.var() / sample.mean() == pytest.approx(expected, rel=0.04)

    def test_more_than_two_states(self) -> None:
        model = MarkovModulatedPoisson(1e5, [0.0, 10.0, 40.0], [2.0, 1.0, 0.5])
        tasks = joined(run(model, 200, devices=2000))
        assert tasks.bits.size / (2000 * 20.0) == pytest.approx(30.0 / 3.5, rel=0.02)
        assert tasks.bits.mean() == pytest.approx(1e5, rel=0.01)

    def test_states_follow_one_another_as_they_are_listed(self) -> None:
        """After 100 tasks a slot silence, then 10 a slot: silence ends in few tasks, not in many."""
        model = MarkovModulatedPoisson(1e5, [1000.0, 0.0, 100.0], [1.0, 1.0, 1.0])
        tasks = joined(run(model, 4000, devices=1))
        count = np.bincount((tasks.arrival_s / SLOT_S).astype(int), minlength=4000)
        busy, silent = count > 60, count == 0
        ends, begins = (busy[:-2] & silent[2:]).sum(), (silent[:-2] & busy[2:]).sum()
        assert ends > 80 and begins < ends / 4

    def test_equal_rates_are_poisson(self) -> None:
        model = MarkovModulatedPoisson(1e5, [7.0, 7.0], [0.3, 0.1])
        tasks = joined(run(model, 3000, devices=1))
        assert stats.kstest(np.diff(tasks.arrival_s), stats.expon(scale=1 / 7).cdf).pvalue > 0.01


class TestReplay:
    def test_reproduces_the_file(self, requests_csv: Path) -> None:
        model = Replay(requests_csv, {"in": 10.0, "out": 1.0}, "when", repeat=False)
        tasks = run(model, 40, replications=2)
        for r in range(2):
            mine = joined(tasks)
            of_r = mine.replication == r
            order = np.argsort(mine.arrival_s[of_r])
            assert mine.arrival_s[of_r][order] == pytest.approx([0.0, 0.55, 1.5, 2.0], abs=1e-12)
            assert mine.bits[of_r][order].tolist() == [21.0, 10.0, 77.0, 3.0]

    def test_repeats_after_the_mean_time_between_requests(self, requests_csv: Path) -> None:
        model = Replay(requests_csv, {"in": 10.0, "out": 1.0}, "when", speedup=2.0)
        tasks = joined(run(model, 40))
        # Recorded in 2 s, so 1 s; then 1/3 s of pause.
        once = np.array([0.0, 0.275, 0.75, 1.0])
        expected = np.concatenate([once, once + 4 / 3, once + 8 / 3])
        assert np.sort(tasks.arrival_s) == pytest.approx(expected, abs=1e-12)

    def test_devices_are_chosen_evenly(self, requests_csv: Path) -> None:
        model = Replay(requests_csv, {"in": 1.0}, "when", speedup=400.0)
        tasks = joined(run(model, 2000))
        assert tasks.bits.size > 20_000
        assert stats.chisquare(np.bincount(tasks.device, minlength=20)).pvalue > 0.01

    def test_reads_dates(self, tmp_path: Path) -> None:
        file = tmp_path / "requests.csv"
        file.write_text(
            "TIMESTAMP,n\n2023-11-16 23:59:59.9500000,1\n2023-11-17 00:00:00.2000000,2\n"
        )
        tasks = joined(run(Replay(file, {"n": 8.0}, "TIMESTAMP", repeat=False), 10))
        assert np.sort(tasks.arrival_s) == pytest.approx([0.0, 0.25], abs=1e-6)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("time,n\n0,1\n", r'no column "when", which `time_column` names; allowed: time, n'),
            ("when,m\n0,1\n", r'no column "n", which `bits` names; allowed: when, m'),
            ("when,n\n0,1\nsoon,1\n", r'row 3, column when: "soon"'),
            ("when,n\n0,1\nnan,1\n", r'row 3, column when: "nan"'),
            ("when,n\n0,1\n1,-4\n", r'row 3, column n: "-4"'),
            ("when,n\n0,1\n1\n", r"row 3: 1 columns, not 2"),
            ("when,n\n0,1\n1,inf\n", r'row 3, column n: "inf"'),
            ("when,n\n0,0\n", r"no request that has any bits"),
            ("", r"empty; allowed: rows"),
            ("when,n\n3,1\n3,1\n", r"cannot repeat, all .* time; allowed: repeat = false"),
        ],
    )
    def test_names_what_is_wrong(self, tmp_path: Path, text: str, message: str) -> None:
        file = tmp_path / "requests.csv"
        file.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            Replay(file, {"n": 8.0}, "when")
        assert str(file) in str(error.value)


class TestOwnModel:
    class Periodic(PointProcess):
        """What a user writes: one task in the middle of every slot, by turns at each device."""

        def draw(
            self, replication: int, rng: np.random.Generator, first: int, slots: int
        ) -> Points:
            slot = np.arange(slots)
            device = (first + slot) % self.devices
            return Points(slot, np.full(slots, 0.5), device, np.full(slots, 1e5))

    def test_works(self) -> None:
        tasks = joined(run(self.Periodic(), 1000, devices=3))
        assert tasks.device.tolist() == [slot % 3 for slot in range(1000)]
        assert tasks.arrival_s == pytest.approx((np.arange(1000) + 0.5) * SLOT_S)

    @pytest.mark.parametrize(("slot", "device"), [(0, 3), (0, -1), (1, 0), (-1, 0)])
    def test_out_of_range_is_refused(self, slot: int, device: int) -> None:
        class Wrong(PointProcess):
            def draw(
                self, replication: int, rng: np.random.Generator, first: int, slots: int
            ) -> Points:
                return Points(
                    np.array([slot * slots]), np.zeros(1), np.array([device]), np.full(1, 1e5)
                )

        with pytest.raises(ValueError, match=r"(slot|device): .*; allowed: 0 to"):
            run(Wrong(), 1, devices=3)


@pytest.mark.parametrize(
    "make_wrong",
    [
        lambda: Uniform(0.0),
        lambda: Poisson(0.0, 1.0),
        lambda: Poisson(1e5, 0.0),
        lambda: Poisson(float("nan"), 1.0),
        lambda: MarkovModulatedPoisson(1e5, [1.0], [1.0]),
        lambda: MarkovModulatedPoisson(1e5, [], []),
        lambda: MarkovModulatedPoisson(1e5, [1.0, 2.0], [1.0]),
        lambda: MarkovModulatedPoisson(1e5, [1.0, 2.0], [1.0, 0.0]),
        lambda: MarkovModulatedPoisson(1e5, [0.0, 0.0], [1.0, 1.0]),
    ],
)
def test_senseless_keys_are_refused(make_wrong: Callable[[], Arrivals]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        make_wrong()
