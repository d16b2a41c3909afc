"""Classes of tasks with deadlines of their own, and a ledger whose devices serve the most urgent first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.by_deadline import ByDeadline
from ..core.compiled import compiled
from ..core.errors import AnswerError
from ..core.randomness import Generators
from ..core.recorder import TaskTable
from ..models.arrivals import Tasks
from .ledger import TaskLedger
from .ledger_entries import HEAD, NONE, TAIL, Pool, append

LEAD_SLOTS = 2
"""A bit that is sent in a slot is executed by its station in the next: so many slots it needs in all."""

MOST_DUE_SLOTS = 200
"""So many slots ahead it is told by the slot what is due; what is due later is one number."""


def due_slots(classes: Sequence["TaskClass"], slot_s: float) -> int:
    """L, how many numbers `UrgentFirst.due_bits` gives: up to the longest deadline; 0 without any."""
    finite = [one.deadline_s for one in classes if one.deadline_s < np.inf]
    return min(int(max(finite) / slot_s) + 2, MOST_DUE_SLOTS) + 1 if finite else 0


@dataclass(frozen=True)
class TaskClass:
    """Tasks that tolerate the same delay.

    Attributes:
        share: of all tasks.
        deadline_s: from arrival to completion; infinite without one.
        late: the share of its bits that may be late in the long run.
        weight: what a bit of its debt counts in P2.
    """

    share: float
    deadline_s: float
    late: float
    weight: float


class TaskClasses:
    """Which class a task is of: drawn for each by itself, whatever its device, time and size.

    The class of a task is known by its deadline from arrival, so no two have the same.

    Args:
        classes: K of them; their shares add up to one.
        rngs: of the draws.

    Attributes:
        of: (n,) classes of tasks, by their deadlines from arrival (n,).
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs",)

    def __init__(self, classes: Sequence[TaskClass], rngs: Generators) -> None:
        self._rngs = rngs
        self.late = np.array([one.late for one in classes])
        self.weight = np.array([one.weight for one in classes])
        self._deadline_s = np.array([one.deadline_s for one in classes])
        self._ends = np.cumsum([one.share for one in classes])
        self._by_deadline = ByDeadline(self._deadline_s)
        self.of = self._by_deadline.of

    def __len__(self) -> int:
        """K."""
        return len(self._deadline_s)

    @property
    def of_bounds(self) -> tuple[FloatArray, IntArray]:
        """(K - 1,) deadlines that part the classes, and (K,) the classes by their deadlines."""
        return self._by_deadline.between_s, self._by_deadline.order

    def assigned(self, tasks: Tasks) -> Tasks:
        """The tasks of a slot, each with the deadline of its class.

        Raises:
            AnswerError: they have some of their own.
        """
        if tasks.deadline_s is not None:
            what = "tasks have deadlines of their own, and tasks.classes gives them others"
            raise AnswerError("deadline_s", f"{what}; allowed: one of both")
        counts = np.bincount(tasks.replication, minlength=len(self._rngs))
        drawn = [rng.random(count) for rng, count in zip(self._rngs, counts.tolist(), strict=True)]
        of = np.searchsorted(self._ends[:-1], np.concatenate(drawn), side="right")
        return replace(tasks, deadline_s=self._deadline_s[of])

    def bits_of(
        self,
        shape: tuple[int, int],
        replication: IntArray,
        device: IntArray,
        deadline_s: FloatArray,
        bits: FloatArray,
    ) -> FloatArray:
        """(R, N, K) bits of some tasks, by device and class."""
        replications, devices = shape
        at = (replication * devices + device) * len(self) + self.of(deadline_s)
        size = replications * devices * len(self)
        total: FloatArray = np.bincount(at, bits, size)  # type: ignore[assignment]
        return total.reshape(replications, devices, len(self))

    def bits_that(self, outcome: int, shape: tuple[int, int], ended: TaskTable) -> FloatArray:
        """(R, N, K) bits of the tasks that ended so, by device and class."""
        those = ended[ended["outcome"] == outcome]
        deadline_s = those["deadline_s"] - those["arrival_s"]
        where = those["replication"].astype(np.int64), those["device"].astype(np.int64)
        return self.bits_of(shape, *where, deadline_s, those["bits"])

    def debts_after(
        self, debt_bits: FloatArray, late_bits: FloatArray, arrived_bits: FloatArray
    ) -> FloatArray:
        """(R, N, K) Z(t + 1) = max(Z(t) + late(t) - theta_k arrived(t), 0); `arrived_bits` joined a queue."""
        return np.maximum(debt_bits + late_bits - self.late * arrived_bits, 0.0)


class UrgentFirst(TaskLedger):
    """A ledger in which a device serves what has to be complete first; of equals, what came first.

    Stations serve in the order in which they receive.
    """

    def admit(
        self,
        tasks: Tasks,
        queue_bits: FloatArray,
        departed_bits: FloatArray,
        admitted: FloatArray,
    ) -> None:
        """Let in the tasks that arrived in a slot, each to its place; (R, N) columns as of `TaskLedger`."""
        tails = self._device_queues.copy()
        super().admit(tasks, queue_bits, departed_bits, admitted)
        _to_their_places(self._tasks, tails, self._device_queues)

    def pressing_bits(self, slot: int, classes: TaskClasses) -> FloatArray:
        """(R, N, K) bits at devices that are late, or in time only if they leave in this slot."""
        end_s = (slot + 1 + LEAD_SLOTS) * self._slot_s
        found = np.zeros((*self._shape, len(classes)))
        _pressing(
            end_s,
            self._tasks,
            self._device_queues,
            classes.of_bounds,
            found.reshape(-1, len(classes)),
        )
        return found

    def due_bits(self, slot: int, leads: int) -> tuple[FloatArray, FloatArray]:
        """Two of (R, N, L), by the slots left in which devices can execute them; the last: so many or more.

        Bits, and how many have to leave in the last of these slots for all of them to be in time if some are sent.
        """
        due, least = np.zeros((2, *self._shape, leads))
        _due(slot + 1, self._slot_s, self._tasks, self._device_queues,
             due.reshape(-1, leads), least.reshape(-1, leads))  # fmt: skip
        return due, least


@compiled
def _to_their_places(tasks: Pool, before: IntArray, queues: IntArray) -> None:
    """Move what was put at the end of (2, n) queues to where its deadline belongs.

    Args:
        tasks: entries.
        before: the queues, which were in order, before that.
        queues: the queues.
    """
    for q in range(queues.shape[1]):
        if queues[HEAD, q] == NONE:
            continue
        if before[HEAD, q] == NONE:
            new = queues[HEAD, q]
            queues[HEAD, q] = NONE
        else:
            last = before[TAIL, q]
            new = tasks[last]["next"]
            tasks[last]["next"] = NONE
            queues[TAIL, q] = last
        while new != NONE:
            behind = tasks[new]["next"]
            _insert(tasks, queues, q, new)
            new = behind


@compiled
def _insert(tasks: Pool, queues: IntArray, q: int, new: int) -> None:
    """Put an entry behind all of a queue that are due no later."""
    due_s = tasks[new]["deadline_s"]
    if queues[HEAD, q] == NONE or tasks[queues[TAIL, q]]["deadline_s"] <= due_s:
        append(tasks, queues, q, new)
        return
    front, at = NONE, queues[HEAD, q]
    while tasks[at]["deadline_s"] <= due_s:
        front, at = at, tasks[at]["next"]
    tasks[new]["next"] = at
    if front == NONE:
        queues[HEAD, q] = new
    else:
        tasks[front]["next"] = new


@compiled
def _pressing(
    end_s: float,
    tasks: Pool,
    queues: IntArray,
    bounds: tuple[FloatArray, IntArray],
    bits: FloatArray,
) -> None:
    """Add to (R N, K) the bits of each device that are due before a time, from the head of its queue."""
    between, order = bounds
    for q in range(queues.shape[1]):
        k = queues[HEAD, q]
        while k != NONE and tasks[k]["deadline_s"] < end_s:
            deadline_s = tasks[k]["deadline_s"] - tasks[k]["arrival_s"]
            of = order[np.searchsorted(between, deadline_s)]
            bits[q, of] += tasks[k]["left_bits"]
            k = tasks[k]["next"]


@compiled
def _due(
    first: int,
    slot_s: float,
    tasks: Pool,
    queues: IntArray,
    bits: FloatArray,
    least: FloatArray,
) -> None:
    """Add to (R N, L) the bits of each device, by the last whole slot before they are due.

    What is sent when a share of that slot has passed is executed after the same share of the next one. So
    n bits at the head that are due by a share x of that are in time if n / x or more leave in the slot.

    Args:
        first: who is due before the end of this slot has to be executed now.
        slot_s: tau.
        tasks: entries.
        queues: (2, R N) of devices.
        bits: see above.
        least: (R N, L) how many bits have to leave in that slot, if some are sent.
    """
    last = bits.shape[1] - 1
    for q in range(queues.shape[1]):
        k = queues[HEAD, q]
        while k != NONE:
            ahead = min(tasks[k]["deadline_s"] / slot_s - first, float(last))
            slots = max(int(np.floor(ahead)), 0)
            bits[q, slots] += tasks[k]["left_bits"]
            # Who is late already is so whoever executes it.
            if ahead > -1.0 and slots < last:
                share = max(ahead - slots, 1e-12)
                least[q, slots] = max(least[q, slots], bits[q, slots] / share)
            k = tasks[k]["next"]
