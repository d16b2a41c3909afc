import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pytest
from conftest import admit, pending
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import OUTCOMES, TASK_ROW, TaskTable
from edgesim.simulator.core.saved_state import Saved, load_state, save_state
from edgesim.simulator.models.arrivals import Poisson, Tasks
from edgesim.simulator.models.failures import Availability
from edgesim.simulator.stream import ledger as ledger_module
from edgesim.simulator.stream import ledger_pending
from edgesim.simulator.stream.ledger import TaskLedger
from edgesim.simulator.stream.queues import after_service, drain

TAU = 0.1
COLUMNS = set(TASK_ROW.names or ())


Row: TypeAlias = tuple[int, int, float, float]


def tasks(*rows: Row) -> Tasks:
    """Of (replication, device, arrival_s, bits)."""
    replication, device, arrival_s, bits = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Tasks(
        np.array(replication, dtype=np.int64),
        np.array(device, dtype=np.int64),
        np.array(arrival_s, dtype=float),
        np.array(bits, dtype=float),
    )


def joined(tables: list[TaskTable]) -> TaskTable:
    return np.concatenate(tables)


def outcomes(table: TaskTable) -> list[str]:
    return [OUTCOMES[code] for code in table["outcome"]]


class OneReplication:
    """A ledger of one replication, in lists."""

    def __init__(
        self, devices: int = 1, stations: int = 1, deadline_s: float | None = None
    ) -> None:
        self.ledger = TaskLedger(1, devices, stations, TAU, deadline_s)
        self.no_queue = np.zeros((1, devices))

    def admit(self, *rows: tuple[int, float, float]) -> None:
        """Of (device, arrival_s, bits)."""
        admit(self.ledger, tasks(*((0, *row) for row in rows)), self.no_queue)

    def serve(
        self,
        slot: int,
        local: list[float],
        offloaded: list[float],
        served: list[float],
        station: list[int] | None = None,
    ) -> TaskTable:
        return self.ledger.serve(
            slot,
            np.array([station or [0] * len(local)]),
            np.array([local]),
            np.array([offloaded]),
            np.array([served]),
        )


class TestByHand:
    def test_local_task_over_three_slots(self) -> None:
        one = OneReplication()
        one.admit((0, 0.04, 2500.0))
        assert len(one.serve(1, [1000.0], [0.0], [0.0])) == 0
        assert len(one.serve(2, [1000.0], [0.0], [0.0])) == 0
        done = one.serve(3, [500.0], [0.0], [0.0])
        # 500 bits are all that the slot serves, so that they last for all of it.
        assert done["completion_s"] == pytest.approx([0.4])
        assert done["arrival_s"].tolist() == [0.04]
        assert done["bits"].tolist() == [2500.0]
        assert done["station"].tolist() == [-1]
        assert done["deadline_s"].tolist() == [np.inf]
        assert outcomes(done) == ["done"]

    def test_what_ends_at_its_deadline_is_in_time(self) -> None:
        for deadline_s, outcome in ((2.0, "done"), (1.75, "late")):
            ledger = TaskLedger(1, 1, 1, 1.0, deadline_s)
            admit(ledger, tasks((0, 0, 0.0, 8.0)), np.zeros((1, 1)))
            none, at = np.zeros((1, 1)), np.zeros((1, 1), np.int64)
            ended = ledger.serve(1, at, np.full((1, 1), 8.0), none, none)
            assert ended["completion_s"].tolist() == [2.0] and outcomes(ended) == [outcome]

    def test_what_a_station_has_left_as_it_fails_for_good_is_lost(self) -> None:
        """Up in [0.25, 0.75) of slot 2, it serves 5 of 12 bits, at 10 a second; what is sent meanwhile is lost, too."""
        ledger = TaskLedger(1, 1, 1, 1.0)
        admit(ledger, tasks(*((0, 0, 0.1 * k, 4.0) for k in range(4))), np.zeros((1, 1)))
        at, none = np.zeros((1, 1), np.int64), np.zeros((1, 1))
        sent, served, one = np.full((1, 1), 12.0), np.full((1, 1), 5.0), np.ones((1, 1), np.int64)
        assert not len(ledger.serve(1, at, none, sent, none))
        window = Availability(np.full((1, 1, 1), 0.25), np.full((1, 1, 1), 0.75), one, one)
        ended = ledger.serve(2, at, none, sent / 3.0, served, window).copy()
        assert outcomes(ended) == ["done", "lost", "lost", "lost"]
        assert ended["completion_s"][0] == pytest.approx(2.65)
        assert ended["arrival_s"].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
        assert not len(pending(ledger)) and not len(ledger.serve(3, at, none, none, served))
        ledger.check_state()

    def test_a_buffer_may_be_filled_to_the_brim(self) -> None:
        """4 bits are left, 6 more fit; the smaller task that comes then does not, and nothing of it."""
        ledger, admitted = TaskLedger(1, 1, 1, 1.0, None, 10.0), np.zeros((2, 1, 1))
        some = tasks((0, 0, 0.1, 6.0), (0, 0, 0.2, 0.5))
        ledger.admit(some, np.full((1, 1), 7.0), np.full((1, 1), 3.0), admitted)
        assert admitted.ravel().tolist() == [6.0, 0.5]

    def test_tasks_end_within_a_slot_in_fifo_order(self) -> None:
        one = OneReplication()
        one.admit((0, 0.01, 100.0), (0, 0.02, 300.0), (0, 0.03, 600.0))
        done = one.serve(1, [800.0], [0.0], [0.0])
        assert done["bits"].tolist() == [100.0, 300.0]
        assert done["completion_s"] == pytest.approx([0.1 + 0.1 / 8, 0.1 + 0.4 / 8])
        done = one.serve(2, [200.0], [0.0], [0.0])
        assert done["completion_s"] == pytest.approx([0.3])

    def test_offload_then_station(self) -> None:
        one = OneReplication(stations=2)
        one.admit((0, 0.0, 1000.0))
        # All sent by 0.2 s, half of it waits one more slot at the station.
        assert len(one.serve(1, [0.0], [1000.0], [0.0, 0.0], [1])) == 0
        assert len(one.serve(2, [0.0], [0.0], [0.0, 500.0], [1])) == 0
        done = one.serve(3, [0.0], [0.0], [0.0, 500.0], [1])
        assert done["completion_s"] == pytest.approx([0.4])
        assert done["station"].tolist() == [1]

    def test_cpu_and_radio_share_each_bit(self) -> None:
        one = OneReplication()
        one.admit((0, 0.0, 400.0), (0, 0.0, 600.0))
        # Local ends at 0.14 s and 0.2 s. Of the 250 bits sent, the first task has 100.
        one.serve(1, [750.0], [250.0], [0.0])
        done = one.serve(2, [0.0], [0.0], [250.0])
        assert done["completion_s"] == pytest.approx([0.24, 0.3])

    def test_local_end_after_the_stations(self) -> None:
        one = OneReplication()
        one.admit((0, 0.0, 1000.0))
        one.serve(1, [0.0], [200.0], [0.0])
        assert len(one.serve(2, [400.0], [0.0], [200.0])) == 0
        done = one.serve(3, [400.0], [0.0], [0.0])
        assert done["completion_s"] == pytest.approx([0.4])
        assert done["station"].tolist() == [0]

    def test_change_of_station_while_half_sent(self) -> None:
        one = OneReplication(stations=3)
        one.admit((0, 0.0, 1000.0))
        one.serve(1, [0.0], [600.0], [0.0, 0.0, 0.0], [2])
        one.serve(2, [0.0], [400.0], [0.0, 0.0, 0.0], [1])
        # The later station is done first; the earlier one has the last word.
        assert len(one.serve(3, [0.0], [0.0], [0.0, 400.0, 100.0])) == 0
        done = one.serve(4, [0.0], [0.0], [0.0, 0.0, 500.0])
        assert done["completion_s"] == pytest.approx([0.5])
        assert done["station"].tolist() == [1]

    def test_the_later_of_two_moments_of_one_slot_counts(self) -> None:
        # At two stations: one is done at the end of slot 3, the other in its middle.
        one = OneReplication(stations=3)
        one.admit((0, 0.0, 1000.0))
        one.serve(1, [0.0], [600.0], [0.0, 0.0, 0.0], [1])
        one.serve(2, [0.0], [400.0], [0.0, 0.0, 0.0], [2])
        done = one.serve(3, [0.0], [0.0], [0.0, 600.0, 800.0])
        assert done["completion_s"] == pytest.approx([0.4])
        # At a station, which is done at the end of slot 2, and at the device, in its middle.
        one = OneReplication()
        one.admit((0, 0.0, 1000.0), (0, 0.0, 500.0))
        one.serve(1, [0.0], [500.0], [0.0])
        done = one.serve(2, [1000.0], [0.0], [500.0])
        assert done["bits"].tolist() == [1000.0, 500.0]
        assert done["completion_s"] == pytest.approx([0.3, 0.3])

    def test_what_a_station_loses_is_lost(self) -> None:
        one = OneReplication()
        one.admit((0, 0.0, 1000.0))
        one.serve(1, [0.0], [1000.0], [0.0])
        one.ledger.lose(np.array([[True]]))
        lost = one.serve(2, [0.0], [0.0], [0.0])
        assert outcomes(lost) == ["lost"] and np.isnan(lost["completion_s"]).all()

    def test_rounding_sends_nothing_of_the_next_task(self) -> None:
        one = OneReplication(stations=2)
        one.admit((0, 0.0, 1000.0), (0, 0.0, 500.0))
        one.serve(1, [0.0], [1000.0 + 1e-9], [0.0, 0.0], [0])
        one.serve(2, [0.0], [500.0 - 1e-9], [0.0, 0.0], [1])
        done = one.serve(3, [0.0], [0.0], [0.0, 500.0])
        assert done["bits"].tolist() == [500.0]
        assert done["completion_s"] == pytest.approx([0.4])

    def test_devices_mix_evenly_at_their_station(self) -> None:
        one = OneReplication(devices=2)
        one.admit((0, 0.0, 100.0), (0, 0.0, 300.0), (1, 0.0, 1000.0), (1, 0.0, 1000.0))
        # Device 0 sends 400 bits, its first task by a quarter of the slot; device 1 sends 2000, its
        # first task by half of it. So 600, 1200, then 2400 bits are served for one after another.
        one.serve(1, [0.0, 0.0], [400.0, 2000.0], [0.0])
        done = one.serve(2, [0.0, 0.0], [0.0, 0.0], [1200.0])
        assert done["device"].tolist() == [0, 1]
        assert done["completion_s"] == pytest.approx([0.25, 0.3])
        done = one.serve(3, [0.0, 0.0], [0.0, 0.0], [1200.0])
        assert done["device"].tolist() == [0, 1]
        assert done["completion_s"] == pytest.approx([0.4, 0.4])

    def test_a_station_serves_earlier_slots_first(self) -> None:
        one = OneReplication(devices=2)
        one.admit((0, 0.0, 100.0), (1, 0.0, 100.0))
        one.serve(1, [0.0, 0.0], [0.0, 100.0], [0.0])
        one.serve(2, [0.0, 0.0], [100.0, 0.0], [0.0])
        done = one.serve(3, [0.0, 0.0], [0.0, 0.0], [200.0])
        assert done["device"].tolist() == [1, 0]
        assert done["completion_s"] == pytest.approx([0.35, 0.4])

    def test_deadlines(self) -> None:
        one = OneReplication(deadline_s=0.15)
        one.admit((0, 0.02, 500.0), (0, 0.03, 500.0), (0, 0.04, 100.0))
        done = one.serve(1, [1000.0], [0.0], [0.0])
        assert done["deadline_s"] == pytest.approx([0.17, 0.18])
        assert outcomes(done) == ["done", "late"]
        left = pending(one.ledger)
        assert outcomes(left) == ["queued"]
        assert np.isnan(left["completion_s"]).all()
        assert left["deadline_s"] == pytest.approx([0.19])

    def test_pending_are_those_at_devices_and_at_stations(self) -> None:
        one = OneReplication(devices=2)
        one.admit((0, 0.01, 100.0), (0, 0.02, 300.0), (1, 0.015, 50.0))
        one.serve(1, [0.0, 0.0], [200.0, 0.0], [0.0])
        left = pending(one.ledger)
        assert left["device"].tolist() == [0, 0, 1]
        assert left["bits"].tolist() == [100.0, 300.0, 50.0]
        assert left["station"].tolist() == [0, 0, -1]
        assert outcomes(left) == ["queued"] * 3

    def test_full_buffer_drops_whole_tasks(self) -> None:
        ledger = TaskLedger(2, 2, 1, TAU, deadline_s=1.0, buffer_bits=1000.0)
        arriving = tasks(
            (0, 0, 0.01, 500.0),
            (0, 0, 0.02, 400.0),
            (0, 0, 0.03, 300.0),
            (0, 1, 0.01, 1000.0),
            (1, 1, 0.01, 1000.5),
        )
        arrived, dropped = admit(ledger, arriving, np.array([[250.0, 0.0], [0.0, 0.0]]))
        # 250 + 500 leave no room for 400, nor for 300 behind it; 1000 just fit.
        assert arrived.tolist() == [[500.0, 1000.0], [0.0, 0.0]]
        assert dropped.tolist() == [[700.0, 0.0], [0.0, 1000.5]]
        none = np.zeros((2, 2))
        ended = ledger.serve(1, none.astype(int), none, none, np.zeros((2, 1)))
        assert outcomes(ended) == ["dropped"] * 3
        assert ended["bits"].tolist() == [400.0, 300.0, 1000.5]
        assert ended["replication"].tolist() == [0, 0, 1]
        assert ended["device"].tolist() == [0, 0, 1]
        assert ended["deadline_s"] == pytest.approx([1.02, 1.03, 1.01])
        assert np.isnan(ended["completion_s"]).all()
        # A smaller task behind one that was dropped may fit.
        admit(
            ledger,
            tasks((0, 0, 0.11, 501.0), (0, 0, 0.12, 499.0)),
            np.array([[501.0, 0.0], [0.0, 0.0]]),
        )
        left = pending(ledger)
        assert outcomes(left) == ["dropped", "queued", "queued", "queued"]
        assert left["bits"].tolist() == [501.0, 500.0, 499.0, 1000.0]

    @pytest.mark.parametrize(
        "row",
        [(0, 2, 0.0, 1.0), (0, -1, 0.0, 1.0), (1, 0, 0.0, 1.0), (-1, 0, 0.0, 1.0)]
        + [(0, 1, 0.0, bits) for bits in (0.0, -1.0, np.nan, np.inf)],
    )
    def test_what_cannot_be_a_task_is_refused(self, row: Row) -> None:
        with pytest.raises(ValueError, match=rf"{row[3]} bits at replication {row[0]}, device"):
            admit(TaskLedger(1, 2, 1, TAU), tasks((0, 0, 0.0, 1.0), row), np.zeros((1, 2)))


@dataclass
class Slot:
    """What happened in a slot: everything that the ledger is told."""

    station: np.ndarray
    local_bits: np.ndarray
    offloaded_bits: np.ndarray
    served_bits: np.ndarray
    arriving: Tasks


@dataclass(frozen=True)
class Case:
    """A network whose every capacity is random, sometimes zero, sometimes more than enough.

    Attributes:
        change: probability that a device changes its station.
        local_share: of the capacity of the devices; None if it is random too.
    """

    seed: int
    replications: int
    devices: int
    stations: int
    slots: int
    change: float
    local_share: float | None = None

    def ledger(self) -> TaskLedger:
        return TaskLedger(self.replications, self.devices, self.stations, TAU)

    def run(self) -> list[Slot]:
        # Every replication has a generator of its own, and so is what it would be alone.
        each = [list(self._replication(r)) for r in range(self.replications)]
        slots = []
        for together in zip(*each, strict=True):
            station, local, offloaded, served, arriving = zip(*together, strict=True)
            rows = [row for one in arriving for row in one]
            slots.append(
                Slot(
                    np.stack(station),
                    np.stack(local),
                    np.stack(offloaded),
                    np.stack(served),
                    tasks(*rows),
                )
            )
        return slots

    def _replication(
        self, r: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[Row]]]:
        rng = np.random.default_rng(self.seed + r)
        shape = (2, self.devices)
        queue, station_queue = np.zeros(self.devices), np.zeros(self.stations)
        station = rng.integers(self.stations, size=self.devices)
        for slot in range(self.slots):
            moved = rng.random(self.devices) < self.change
            station = np.where(moved, rng.integers(self.stations, size=self.devices), station)
            capacity = rng.choice([0.0, 2e5, 1e6, 1e8], size=shape) * rng.random(shape)
            if self.local_share is not None:
                capacity *= np.array([[self.local_share], [1.0 - self.local_share]])
            local, offloaded = np.vectorize(drain)(queue, capacity[0], capacity[1])
            station_capacity = rng.choice([0.0, 5e5, 1e8], size=self.stations)
            served = np.minimum(station_queue, station_capacity * rng.random(self.stations))
            rows: list[Row] = []
            arrived = np.zeros(self.devices)
            for device in range(self.devices):
                count = rng.poisson(1.5)
                times = (slot + np.sort(rng.random(count))) * TAU
                sizes = np.exp(rng.uniform(np.log(1e3), np.log(1e6), count))
                rows += [(r, device, *row) for row in zip(times, sizes, strict=True)]
                arrived[device] = sizes.sum()
            yield station, local, offloaded, served, rows
            queue = np.vectorize(after_service)(queue, local + offloaded, arrived)
            inflow = summed(offloaded, station, self.stations)
            station_queue = np.vectorize(after_service)(station_queue, served, inflow)


def summed(values: np.ndarray, index: np.ndarray, length: int) -> np.ndarray:
    total = np.zeros(length)
    np.add.at(total, index, values)
    return total


def run(ledger: TaskLedger, slots: list[Slot], first: int = 0) -> list[TaskTable]:
    ended = []
    for t, slot in enumerate(slots, start=first):
        ended.append(
            ledger.serve(
                t, slot.station, slot.local_bits, slot.offloaded_bits, slot.served_bits
            ).copy()
        )
        admit(ledger, slot.arriving, np.zeros(slot.station.shape))
    return ended


def passed_at(position: float, curve: np.ndarray) -> float:
    """When a cumulative curve, given at slot boundaries, first reaches a position; NaN if never."""
    slot = int(np.searchsorted(curve, position - 1e-6))
    if slot == len(curve):
        return np.nan
    if slot == 0:
        return 0.0
    return TAU * float(np.interp(position, curve[slot - 1 : slot + 1], [slot - 1.0, slot]))


def reference(slots: list[Slot], replication: int) -> list[tuple[float, ...]]:
    """Each task by itself, from cumulative curves: (device, arrival, bits, completion or NaN)."""
    station, local, offloaded, served = (
        np.stack([getattr(slot, name)[replication] for slot in slots])
        for name in ("station", "local_bits", "offloaded_bits", "served_bits")
    )
    stations = served.shape[1]
    inflow = np.stack(
        [np.where(station == j, offloaded, 0.0).sum(axis=1) for j in range(stations)], axis=1
    )
    start = np.zeros((1, stations))
    inflow_curve = np.concatenate([start, inflow.cumsum(axis=0)])
    served_curve = np.concatenate([start, served.cumsum(axis=0)])
    rows: list[tuple[float, ...]] = []
    for device in range(station.shape[1]):
        drained = np.append(0.0, (local[:, device] + offloaded[:, device]).cumsum())
        end_bits = 0.0
        for slot in slots:
            mine = (slot.arriving.replication == replication) & (slot.arriving.device == device)
            for arrival, bits in zip(
                slot.arriving.arrival_s[mine], slot.arriving.bits[mine], strict=True
            ):
                begin_bits, end_bits = end_bits, end_bits + bits
                ends = [passed_at(end_bits, drained)]
                for t in range(len(slots)):
                    low, high = max(begin_bits, drained[t]), min(end_bits, drained[t + 1])
                    if high - low > 1e-6 and offloaded[t, device] > 0.0:
                        j = station[t, device]
                        phase = (high - drained[t]) / (drained[t + 1] - drained[t])
                        position = inflow_curve[t, j] + phase * inflow[t, j]
                        ends.append(passed_at(position, served_curve[:, j]))
                # Local bits end where they are drained, which is no later than they are sent.
                rows.append((device, arrival, bits, float(np.max(ends))))
    return rows


def rows_of(table: TaskTable, replication: int) -> np.ndarray:
    mine = table["replication"] == replication
    rows = np.stack(
        [
            table["device"][mine],
            table["arrival_s"][mine],
            table["bits"][mine],
            table["completion_s"][mine],
        ],
        axis=1,
    )
    return rows[np.lexsort(rows.T[1::-1])]


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32),
    replications=st.integers(1, 3),
    devices=st.integers(1, 4),
    stations=st.integers(1, 3),
    slots=st.integers(1, 25),
    change=st.sampled_from([0.0, 0.3]),
)


class TestAgainstCumulativeCurves:
    @given(case=cases)
    @settings(max_examples=120)
    def test_every_task_ends_when_its_last_bit_does(self, case: Case) -> None:
        slots, ledger = case.run(), case.ledger()
        table = joined([*run(ledger, slots), *ledger.pending()])
        for r in range(case.replications):
            expected = np.array(reference(slots, r)).reshape(-1, 4)
            expected = expected[np.lexsort(expected.T[1::-1])]
            got = rows_of(table, r)
            # The same tasks, each once, whole: nothing is lost or made.
            assert np.array_equal(got[:, :3], expected[:, :3])
            np.testing.assert_allclose(got[:, 3], expected[:, 3], rtol=1e-9, atol=1e-9)
        queued = table["outcome"] == OUTCOMES.index("queued")
        assert np.array_equal(queued, np.isnan(table["completion_s"]))

    @given(case=cases)
    @settings(max_examples=30)
    def test_a_replication_is_what_it_is_alone(self, case: Case) -> None:
        case = replace(case, replications=3)
        ledger = case.ledger()
        together = joined([*run(ledger, case.run()), *ledger.pending()])
        for r in range(3):
            single = replace(case, replications=1, seed=case.seed + r)
            ledger = single.ledger()
            alone = joined([*run(ledger, single.run()), *ledger.pending()])
            mine = together["replication"] == r
            for name in COLUMNS - {"replication"}:
                column = together[name][mine]
                np.testing.assert_array_equal(column, alone[name])

    @given(case=cases, local_share=st.sampled_from([0.0, 1.0]))
    @settings(max_examples=30)
    def test_first_come_first_served_on_one_way_out(self, case: Case, local_share: float) -> None:
        # Where some bits are sent and some are not, those that are not overtake the others.
        case = replace(case, replications=1, change=0.0, local_share=local_share)
        ended = joined(run(case.ledger(), case.run()))
        for device in range(case.devices):
            mine = ended["device"] == device
            assert np.all(np.diff(ended["arrival_s"][mine]) >= 0.0)
            assert np.all(np.diff(ended["completion_s"][mine]) >= 0.0)


def test_crowded_phases_are_sorted_all_the_same() -> None:
    # 3000 devices that finish a task within a billionth of the slot of one another.
    rng = np.random.default_rng(3)
    devices = 3000
    one = OneReplication(devices=devices)
    bits = 1e5 * (1.0 + 1e-9 * rng.random(devices))
    first = [(i, 0.0, float(bits[i])) for i in range(devices)]
    second = [(i, 0.0, float(2e5 - bits[i])) for i in range(devices)]
    one.admit(*(row for pair in zip(first, second, strict=True) for row in pair))
    one.serve(1, [0.0] * devices, [2e5] * devices, [0.0])
    done = one.serve(2, [0.0] * devices, [0.0] * devices, [2e5 * devices])
    assert len(done) == 2 * devices
    assert done["device"][:devices].tolist() == np.argsort(bits, kind="stable").tolist()
    assert np.all(np.diff(done["completion_s"]) >= 0.0)


class TestRoom:
    """However little room there is, nothing is lost: what a slot can add was counted before."""

    @given(case=cases, seed=st.integers(0, 2**32))
    @settings(max_examples=40)
    def test_what_is_counted_is_enough(self, case: Case, seed: int) -> None:
        tables = []
        for few, rows in ((1 << 16, 1 << 14), (0, 1)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ledger_module, "FEW", few)
                patch.setattr(ledger_pending, "ROWS", rows)
                tables.append(self.hard_times(case, np.random.default_rng(seed)))
        generous, counted = tables
        assert len(generous) == len(counted)
        for name in COLUMNS:
            np.testing.assert_array_equal(counted[name], generous[name])

    @staticmethod
    def hard_times(case: Case, rng: np.random.Generator) -> TaskTable:
        """Services that may be more than there is, stations that fail, and devices that leave."""
        ledger, ended, arrived = case.ledger(), [], 0
        at_devices = case.replications, case.devices
        at_stations = case.replications, case.stations
        for t, slot in enumerate(case.run()):
            if rng.random() < 0.1:
                ledger.lose(rng.random(at_stations) < 0.5)
            if rng.random() < 0.1:
                taken_over = slot.station if rng.random() < 0.5 else None
                ledger.leave(rng.random(at_devices) < 0.5, taken_over)
            windows = np.sort(rng.random((*at_stations, 2)))
            fails = (rng.random(at_stations) < 0.2).astype(np.int64)
            availability = Availability(windows[..., :1], windows[..., 1:], 1 - fails, fails)
            more = 2.0 * rng.random()
            services = more * slot.local_bits, more * slot.offloaded_bits, more * slot.served_bits
            ended.append(ledger.serve(t, slot.station, *services, availability).copy())
            ledger.check_state()
            admit(ledger, slot.arriving, np.zeros(at_devices))
            ledger.check_state()
            arrived += slot.arriving.bits.size
        table = joined([*ended, *ledger.pending()])
        assert len(table) == arrived
        return table

    @pytest.mark.parametrize("local_share", [1.0, 0.0])
    def test_a_waiting_task_takes_less_than_120_bytes(self, local_share: float) -> None:
        """At its device, or all but the first ones at the station, and while the run ends."""
        with pytest.MonkeyPatch.context() as patch:  # what is compiled is no task's
            patch.setattr(ledger_module, "FEW", 0)
            patch.setattr(ledger_pending, "ROWS", 1)
            self.overloaded(local_share, slots=4, each=20)
        tracemalloc.start()
        left = self.overloaded(local_share, slots=66, each=5000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert left > 0.99 * 330_000
        # From numpy 2.5 on `resize` holds the old and the new array for a moment.
        copied = np.lib.NumpyVersion(np.__version__) >= "2.5.0"
        assert peak < (150 if copied else 120) * left

    @staticmethod
    def overloaded(local_share: float, slots: int, each: int) -> int:
        """How many tasks of one bit are left at the end; a device serves one in a slot, or the station."""
        devices = 10
        ledger, nothing = TaskLedger(1, devices, 1, TAU), np.zeros((1, devices))
        device, station = np.arange(each) % devices, np.zeros((1, devices), np.int64)
        for t in range(slots):
            sent = nothing if local_share else nothing + each / devices
            served = np.array([[1.0 if t > 1 else 0.0]])
            ledger.serve(t, station, nothing + local_share * (t > 0), sent * (t > 0), served)
            arrival_s = (t + np.arange(each) / each) * TAU
            admit(ledger, Tasks(np.zeros_like(device), device, arrival_s, np.ones(each)), nothing)
        return sum(map(len, ledger.pending()))

    @pytest.mark.parametrize("rows", [1, 1 << 14])
    def test_two_that_arrive_together_come_by_size_and_then_by_station(
        self, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger_pending, "ROWS", rows)
        one = OneReplication(devices=2, stations=2)
        one.admit((1, 0.0, 5.0), (0, 0.0, 9.0), (0, 0.0, 3.0), (1, 0.0, 7.0), (1, 0.0, 7.0))
        one.serve(1, [0.0, 0.0], [0.0, 3.5], [0.0, 0.0], [0, 1])
        left = pending(one.ledger)
        assert left["device"].tolist() == [0, 0, 1, 1, 1]
        assert left["bits"].tolist() == [3.0, 9.0, 5.0, 7.0, 7.0]
        assert left["station"].tolist() == [-1, -1, 1, -1, -1]

    def test_one_whose_entries_are_views_of_a_file_grows(self) -> None:
        case = Case(5, replications=1, devices=3, stations=2, slots=20, change=0.3)
        slots, first, second = case.run(), case.ledger(), case.ledger()
        run(first, slots[:2])
        saved = save_state({"ledger": first})
        views = [array.copy()[:] for array in saved.arrays]
        load_state(Saved(saved.tree, views), {"ledger": second})
        resumed = joined([*run(second, slots[2:], first=2), *second.pending()])
        whole = joined([*run(first, slots[2:], first=2), *first.pending()])
        for name in COLUMNS:
            np.testing.assert_array_equal(resumed[name], whole[name])


class TestLongRuns:
    slots = 3000

    def emptied_now_and_then(self) -> Iterator[Slot]:
        """Sums of inconvenient numbers; each 100 slots the queues are emptied, as the world sees it."""
        rng = np.random.default_rng(11)
        devices, stations = 30, 3
        queue, station_queue = np.zeros((1, devices)), np.zeros((1, stations))
        station = rng.integers(stations, size=(1, devices))
        for slot in range(self.slots):
            flush = slot % 100 >= 98
            capacity = np.full((2, 1, devices), 1e9) if flush else 4e5 * rng.random((2, 1, devices))
            local, offloaded = np.vectorize(drain)(queue, capacity[0], capacity[1])
            served = station_queue * (1.0 if flush else rng.random((1, stations)))
            count = 0 if flush else 40
            device = np.sort(rng.integers(devices, size=count))
            rows = [(0, int(i), slot * TAU, float(rng.random() * 6e5 + 1.0)) for i in device]
            arriving = tasks(*rows)
            yield Slot(station, local, offloaded, served, arriving)
            arrived = summed(arriving.bits, arriving.device, devices)[None]
            inflow = summed(offloaded[0], station[0], stations)[None]
            queue = np.vectorize(after_service)(queue, local + offloaded, arrived)
            station_queue = np.vectorize(after_service)(station_queue, served, inflow)

    def test_an_emptied_queue_leaves_no_task_and_memory_stays(self) -> None:
        ledger = TaskLedger(1, 30, 3, TAU)
        admitted = ended = 0
        size = 0
        for t, slot in enumerate(self.emptied_now_and_then()):
            ended += sum(map(len, run(ledger, [slot], first=t)))
            admitted += slot.arriving.bits.size
            if t % 100 == 99:
                assert len(pending(ledger)) == 0
                assert ended == admitted
            if t == 500:
                size = len(pickle.dumps(ledger))
        assert admitted > 100_000
        assert len(pickle.dumps(ledger)) <= 2 * size

    def test_continues_from_a_pickle(self) -> None:
        case = Case(7, replications=2, devices=5, stations=3, slots=60, change=0.3)
        slots, whole, first = case.run(), case.ledger(), case.ledger()
        expected = joined([*run(whole, slots), *whole.pending()])
        tables = run(first, slots[:23])
        second = pickle.loads(pickle.dumps(first))
        resumed = joined([*tables, *run(second, slots[23:], first=23), *second.pending()])
        for name in COLUMNS:
            np.testing.assert_array_equal(resumed[name], expected[name])


def stationary_queue(mean_arrivals: float, served: int, states: int) -> np.ndarray:
    """Of n' = max(n - served, 0) + Poisson(mean_arrivals), solved as a Markov chain."""
    arrivals = np.zeros(states)
    arrivals[0] = np.exp(-mean_arrivals)
    for n in range(1, states):
        arrivals[n] = arrivals[n - 1] * mean_arrivals / n
    transition = np.zeros((states, states))
    for n in range(states):
        left = max(n - served, 0)
        transition[n, left:] = arrivals[: states - left]
    transition[:, -1] += 1.0 - transition.sum(axis=1)
    balance = np.vstack([transition.T - np.eye(states), np.ones(states)])
    return np.asarray(np.linalg.lstsq(balance, np.append(np.zeros(states), 1.0), rcond=None)[0])


@pytest.mark.parametrize(("served", "load"), [(1, 0.7), (4, 0.85)])
def test_queueing_theory(served: int, load: float) -> None:
    """Poisson tasks of one size, `served` of them per slot: the discrete-time queue, and Little.

    The devices are independent copies of one queue.
    """
    devices, slots, warm_up, bits = 1000, 900, 150, 1e5
    mean_arrivals = load * served
    law = stationary_queue(mean_arrivals, served, 200)
    n = np.arange(200)
    # The m tasks that a slot serves, spread over it, leave one each 1/m of it. With those that have
    # arrived meanwhile, this is how many are present over a slot, and so, by Little, the latency.
    m = np.minimum(n, served)
    present = n - np.maximum(m - 1, 0) / 2
    latency = TAU * ((law * present).sum() + mean_arrivals / 2) / mean_arrivals

    arrivals = Poisson(bits, mean_arrivals / TAU, "fixed")
    arrivals.start(devices, TAU, Streams(1, 1).generators)
    ledger = TaskLedger(1, devices, 1, TAU)
    station, nothing = np.zeros((1, devices), np.int64), np.zeros((1, devices))
    queue = np.zeros((1, devices))
    queues, tables = [], []
    for t in range(slots):
        queues.append(queue)
        local, offloaded = np.vectorize(drain)(queue, served * bits, nothing)
        tables.append(ledger.serve(t, station, local, offloaded, np.zeros((1, 1))).copy())
        admitted = np.empty((2, *queue.shape))
        ledger.admit(arrivals.slot(t), queue, local, admitted)
        queue = np.vectorize(after_service)(queue, local, admitted[0])
    ended = joined(tables)

    def mean_and_error(by_device: np.ndarray) -> tuple[float, float]:
        return float(by_device.mean()), float(by_device.std(ddof=1) / np.sqrt(devices))

    mean, error = mean_and_error(np.mean(queues[warm_up:], axis=0)[0] / bits)
    assert error < 0.02 * mean
    assert mean == pytest.approx((law * n).sum(), abs=4.0 * error)

    settled = (ended["arrival_s"] > warm_up * TAU) & (ended["arrival_s"] < (slots - warm_up) * TAU)
    device = ended["device"][settled]
    total = np.bincount(
        device, (ended["completion_s"] - ended["arrival_s"])[settled], minlength=devices
    )
    count = np.bincount(device, minlength=devices)
    ratio = total.sum() / count.sum()
    error = float(np.std(total - ratio * count, ddof=1) / np.sqrt(devices) / count.mean())
    assert error < 0.02 * latency
    assert ratio == pytest.approx(latency, abs=4.0 * error)
