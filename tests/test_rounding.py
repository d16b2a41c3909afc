"""What rounding leaves is nothing: whole runs against a reference in rational arithmetic.

The reference takes the bits that the trace says were served, and follows every task through them by
intervals of positions in the queues, as exact fractions.
"""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from conftest import Capture, a_network, admit, simulate
from test_ledger import OneReplication, tasks

from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.simulator.models.battery import Battery
from edgesim.simulator.models.failures import Availability
from edgesim.simulator.stream.energy import within_battery
from edgesim.simulator.stream.ledger import TaskLedger
from edgesim.simulator.stream.queues import after_service, drain

TAU = Fraction(1, 10)
UP, DOWN = Fraction(43, 100), Fraction(3, 100)
"""Of SBSs: no failure falls on a slot's boundary, and some are up again within the slot."""
NOTHING = Fraction(1, 10**6)
"""Bits: what the sums of floats are off."""

BATTERY = ("tasks.mean=0.35 Mbit", "devices.battery={capacity=0.02, harvest=0.01}")
NO_HARVEST = ("tasks.mean=0.35 Mbit", "devices.battery={capacity=0.02, harvest=0.0}")
LOSING = (
    *(
        f"stations.sbs.failures.time_to_{name}={float(s)} s"
        for name, s in (("failure", UP), ("repair", DOWN))
    ),
    *(f"stations.sbs.failures.{law}" for law in ("law=fixed", "queue=lost", "devices=wait")),
)
POISSON = ("tasks.arrivals=poisson", "tasks.rate=40 tasks/s", "tasks.mean=20 kbit")

Windows = list[tuple[Fraction, Fraction]]


def windows(t: int) -> Windows:
    """When in slot t SBSs are up, as shares of the slot."""
    found = []
    for cycle in range(int((t + 1) * TAU / (UP + DOWN)) + 1):
        begin = cycle * (UP + DOWN)
        low, high = max(begin, t * TAU), min(begin + UP, (t + 1) * TAU)
        if low < high:
            found.append((low / TAU - t, high / TAU - t))
    return found


@dataclass
class Task:
    arrival_s: float
    bits: Fraction
    completion: Fraction = Fraction(0)
    executed: Fraction = Fraction(0)
    lost: bool = False
    left: Fraction = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.bits

    def execute(self, bits: Fraction, end: Fraction) -> None:
        if bits > NOTHING:
            self.executed += bits
            self.completion = max(self.completion, end)


@dataclass
class Batch:
    """What a station receives in a slot: of each task bits, spread over an interval of positions."""

    bits: Fraction
    pieces: list[tuple[Task, Fraction, Fraction, Fraction]] = field(default_factory=list)
    gone: Fraction = Fraction(0)

    def lose(self, until: Fraction) -> None:
        for task, begin, end, _ in self.pieces:
            task.lost |= min(until, end) - max(self.gone, begin) > NOTHING
        self.gone = until


class Station:
    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()

    def serve(self, t: int, psi: Fraction, up: Windows) -> None:
        """`psi` bits, evenly over the windows."""
        queue = sum((one.bits - one.gone for one in self.batches), Fraction(0))
        psi = queue if abs(psi - queue) < NOTHING else psi
        rest, speed = psi, psi / max(sum(b - a for a, b in up), Fraction(1, 10**9))
        while rest and self.batches:
            batch = self.batches[0]
            until = min(batch.gone + rest, batch.bits)
            for task, _, end, bits in batch.pieces:
                if batch.gone < end <= until:
                    at, moment = (psi - rest + end - batch.gone) / speed, Fraction(0)
                    for a, b in up:
                        moment = a + at
                        if moment <= b:
                            break
                        at -= b - a
                    task.execute(bits, (t + moment) * TAU)
            rest -= until - batch.gone
            batch.gone = until
            if until == batch.bits:
                self.batches.popleft()


def reference(trace: Capture, losing: bool) -> dict[tuple[int, float], Task]:
    """All tasks of a run by device and arrival."""
    local, sent, served, station = (
        trace[name][0]
        for name in ("local_bits", "offloaded_bits", "station_served_bits", "serving_station")
    )
    slots, devices = local.shape
    stations = [Station() for _ in range(served.shape[1])]
    everyone, queues = {}, [deque[Task]() for _ in range(devices)]
    order = np.argsort(trace.column("arrival_s"), kind="stable")
    coming = deque((int(trace.column("device")[n]), n) for n in order)
    for t in range(slots):
        up = windows(t) if losing else [(Fraction(0), Fraction(1))]
        failures = [n for n, (_, end) in enumerate(up) if end < 1]
        for j, one in enumerate(stations):
            fails = failures if j else []
            mine = up if j else [(Fraction(0), Fraction(1))]
            one.serve(t, Fraction(served[t, j]), mine[: fails[0] + 1] if fails else mine)
            if fails:
                while one.batches:
                    one.batches[0].lose(one.batches.popleft().bits)
            batch = Batch(sum((Fraction(b) for b in sent[t, station[t] == j]), Fraction(0)))
            for i in np.flatnonzero(station[t] == j).tolist():
                drain_device(t, i, Fraction(local[t, i]), Fraction(sent[t, i]), queues[i], batch)
            if fails:
                lengths = [b - a for a, b in up]
                batch.lose(batch.bits * sum(lengths[: fails[-1] + 1]) / sum(lengths))
            if batch.bits > batch.gone:
                one.batches.append(batch)
        while coming and trace.column("arrival_s")[coming[0][1]] < (t + 1) * TAU:
            i, n = coming.popleft()
            bits = Fraction(float(trace.column("bits")[n]))
            task = Task(float(trace.column("arrival_s")[n]), bits)
            everyone[i, task.arrival_s] = task
            queues[i].append(task)
    return everyone


def drain_device(
    t: int, i: int, local: Fraction, sent: Fraction, queue: deque[Task], batch: Batch
) -> None:
    """CPU and radio draw from the head of a device's queue, evenly."""
    psi = local + sent
    drained = Fraction(0)
    while queue and psi - drained > NOTHING:
        task = queue[0]
        piece = min(task.left, psi - drained)
        task.left -= piece
        begin, drained = drained, drained + piece
        task.execute(piece * local / psi, (t + drained / psi) * TAU)
        if piece * sent / psi > NOTHING:
            span = batch.bits / psi
            batch.pieces.append((task, begin * span, drained * span, piece * sent / psi))
        if task.left < NOTHING:
            queue.popleft()


@pytest.mark.parametrize(
    ("policy", "conditions"),
    [
        ("random", BATTERY),
        ("epr", BATTERY),
        ("epr-ep", NO_HARVEST),
        ("epr-ep", (*BATTERY, *LOSING)),
        ("lyapunov", (*BATTERY, *LOSING)),
        ("random", (*POISSON, *LOSING)),
        ("offload-all", (*POISSON, *LOSING)),
    ],
)
def test_every_task_ends_as_in_rational_arithmetic(
    policy: str, conditions: tuple[str, ...]
) -> None:
    losing = LOSING[0] in conditions
    trace = simulate(*conditions, f"policy.name={policy}", "run.slots=100").trace
    for name in ("queue_bits", "station_queue_bits", "local_bits", "offloaded_bits"):
        assert not ((trace[name] != 0.0) & (trace[name] < 1e-3)).any(), name
    expected = reference(trace, losing)
    outcome, completion = trace.column("outcome"), trace.column("completion_s")
    assert len(expected) == len(outcome) > 500
    rows = zip(trace.column("device"), trace.column("arrival_s"), strict=True)
    for n, row in enumerate(rows):
        task = expected[row]
        whole = abs(task.executed - task.bits) < NOTHING * 100
        name = "lost" if task.lost else "done" if whole else "queued"
        assert OUTCOMES[outcome[n]] == name, row
        if name == "done":
            assert completion[n] == pytest.approx(float(task.completion), rel=1e-9)


@pytest.mark.parametrize("charge", [1e-30, 3.3e-3, 0.02, 7.7])
def test_a_cpu_that_empties_a_battery_leaves_nothing_to_send_with(charge: float) -> None:
    network = a_network(devices=200)
    charges = charge * (1.0 + np.arange(200.0)[None] / 77.0)
    fast, full = np.full((1, 200), 1e13), np.full((1, 200), 0.1)
    speed, power = within_battery(network, charges, fast, full)
    assert not power.any()
    battery = Battery(network, 100.0, 0.0, [np.random.default_rng(1)])
    used = network.varsigma * network.slot_s * speed * speed * speed
    assert not battery.after_slot(charges, used).any()
    # What is more than rounding stays.
    some = charges * (1.0 - 1e-12)
    np.testing.assert_allclose(battery.after_slot(charges, some), charges * 1e-12, rtol=1e-3)


def test_a_queue_that_is_emptied_is_empty() -> None:
    rng = np.random.default_rng(2)
    queue, local = rng.uniform(1e5, 1e6, (2, 1000))
    for radio in (0.0, 1e-12, 1e5):
        served = np.array([drain(q, q + f, radio) for q, f in zip(queue, local, strict=True)])
        assert not np.vectorize(after_service)(queue, served.sum(axis=1), np.zeros(1000)).any()
        assert (served[:, 1] > 0.0).all() == (radio == 1e5)
        assert (served[:, 1] == 0.0).all() == (radio != 1e5)
    some = np.vectorize(after_service)(
        np.full(2, 1e6), np.full(2, 1e6 - 1e-6), np.array([0.0, 3.0])
    )
    np.testing.assert_array_equal(some, [1e6 - (1e6 - 1e-6), 3.0 + (1e6 - (1e6 - 1e-6))])


@pytest.mark.parametrize("bits", [1e-6, 1.0, 1e5, 1e12])
def test_a_part_below_rounding_of_its_task_is_none(bits: float) -> None:
    """Whatever the unit in which somebody counts: 1e-12 of a task is not sent, 1e-6 of it is."""
    for share, sends in ((1e-12, False), (1e-6, True)):
        one = OneReplication()
        one.admit((0, 0.0, bits))
        done = one.serve(1, [bits * (1.0 - share)], [bits * share], [0.0])
        assert len(done) == (not sends)
        if sends:
            done = one.serve(2, [0.0], [0.0], [bits * share])
        assert done["completion_s"] == pytest.approx([0.3 if sends else 0.2])
        assert done["station"].tolist() == [0 if sends else -1]


def test_a_task_of_which_a_part_is_lost_is_lost() -> None:
    """The station loses what it got in the first half of the slot, in which both devices had begun.

    Device 0 sends one task throughout, device 1 two, of which the second begins in the second half.
    """
    ledger = TaskLedger(1, 2, 1, 0.1)
    admit(ledger, tasks((0, 0, 0.0, 1e3), (0, 1, 0.0, 6e2), (0, 1, 0.01, 4e2)), np.zeros((1, 2)))
    begins, ends = np.array([[[0.0, 0.75]]]), np.array([[[0.25, 1.0]]])
    one = np.ones((1, 1), np.int64)
    nothing = np.zeros((1, 2))
    station = np.zeros((1, 2), np.int64)
    cut = Availability(begins, ends, one, one)
    assert cut.lost_share.tolist() == [[0.5]]
    assert not len(ledger.serve(1, station, nothing, np.full((1, 2), 1e3), np.zeros((1, 1)), cut))
    ended = ledger.serve(2, station, nothing, nothing, np.full((1, 1), 1e3))
    outcome = {(row["device"], row["arrival_s"]): OUTCOMES[row["outcome"]] for row in ended}
    assert outcome == {(0, 0.0): "lost", (1, 0.0): "lost", (1, 0.01): "done"}
    # Of what is kept, both their ends are the last.
    assert ended["completion_s"][ended["arrival_s"] > 0.0] == pytest.approx([0.3])
