"""Tasks as entities: whose bits lie in the queues, and when the last bit of each is executed."""

from collections.abc import Iterator

import numpy as np

from ..core.arrays import ROUNDING, BoolArray, FloatArray, IntArray
from ..core.compiled import compiled, compiled_in_place
from ..core.recorder import TASK_ROW, TaskTable
from ..core.sorting import by_group_and_phase
from ..models.arrivals import Tasks
from ..models.failures import Availability
from .ledger_check import check_ledger
from .ledger_entries import (
    COUNTERS,
    DROPPED,
    ENDED_COUNT,
    FREE_PART,
    FREE_TASK,
    HEAD,
    LIVE,
    LIVE_PARTS,
    NONE,
    PART,
    TASK,
    TOLERANCE,
    WAITING,
    Pool,
    add_part,
    append,
    end_task,
    leave_queue,
    lose_queue,
    remove_part,
)
from .ledger_pending import pending_rows
from .ledger_room import FEW, grown, parts_in_front, tasks_in_front, with_room


class TaskLedger:
    """Follows every task from its arrival to the execution of its last bit.

    Queues are FIFO, and every server works at a constant rate over the slot:

    - A device drains D^l + D^e bits from the head of its queue, evenly. Of each bit the share
      D^l / (D^l + D^e) is executed there and then, the rest is sent to its station.
    - What the devices of a station send in a slot mixes evenly: the bits that leave at a fraction
      phi of the slot lie behind phi times the station's inflow of that slot. They can be served from
      the next slot on.
    - A station serves Psi_j bits from the head of its queue, evenly.

    A task is complete when its last bit has been executed, on the device and at every station that
    it used: the association may change while a task is half sent.

    The cost is that of the tasks that arrive, move on or end; those that wait cost nothing. Memory
    is that of the tasks in the network: 64 bytes each at most, and 18 for each part at a station.

    Args:
        replications: R.
        devices: N.
        stations: B.
        slot_s: tau.
        deadline_s: from arrival, of tasks that have none of their own; None if they have none.
        buffer_bits: the most that a device's queue holds; None if it is unbounded.
    """

    remembers = ("_tasks", "_parts", "_device_queues", "_station_queues", "_ended", "_counters")
    grows = ("_tasks", "_parts", "_ended")

    def __init__(
        self,
        replications: int,
        devices: int,
        stations: int,
        slot_s: float,
        deadline_s: float | None = None,
        buffer_bits: float | None = None,
    ) -> None:
        self._shape = (replications, devices)
        self._slot_s = slot_s
        self._deadline_s = np.inf if deadline_s is None else deadline_s
        self._buffer_bits = np.inf if buffer_bits is None else buffer_bits
        self._device_queues = np.full((2, replications * devices), NONE)
        self._station_queues = np.full((2, replications * stations), NONE)
        self._tasks = np.zeros(0, TASK)
        self._parts = np.zeros(0, PART)
        # Rows are gathered in one while those of the last slot are read in the other.
        self._ended, self._handed_over = np.zeros((2, 0), TASK_ROW)
        self._counters = np.zeros(COUNTERS, np.int64)
        self._counters[[FREE_TASK, FREE_PART]] = NONE
        one_window = (replications, stations, 1)
        self._throughout = np.zeros(one_window), np.ones(one_window)
        self._none_lost = np.zeros((replications, stations))
        self._common_deadlines = np.zeros(0)

    def check_state(self) -> None:
        """What compiled loops follow without a look."""
        check_ledger(self._shape[1], *(getattr(self, name) for name in self.remembers))

    def admit(
        self,
        tasks: Tasks,
        queue_bits: FloatArray,
        departed_bits: FloatArray,
        admitted: FloatArray,
    ) -> None:
        """Let in the tasks that arrived in a slot, after its service.

        A task that does not fit into what is left of its device's buffer is dropped as a whole.

        Args:
            tasks: in the order in which they join the queues.
            queue_bits: (R, N) at the slot's beginning.
            departed_bits: (R, N) what its service took from them.
            admitted: (2, R, N) is filled: bits that joined the queues, and bits refused by a full buffer.

        Raises:
            ValueError: a task with a replication or device that does not exist, or with bits that are
                not positive and finite; the fault of the arrival model.
        """
        new = tasks.bits.size
        live, _, _, ended = self._counters[:FREE_TASK].tolist()
        if live + new > self._tasks.size:
            self._tasks = grown(self._tasks, live + new, FREE_TASK, self._counters)
        if ended + new > self._ended.size:
            self._ended = with_room(self._ended, ended, ended + new)
        invalid = _admit(
            tasks.replication,
            tasks.device,
            tasks.arrival_s,
            tasks.bits,
            queue_bits,
            departed_bits,
            self._deadlines(tasks),
            self._buffer_bits,
            admitted,
            self._tasks,
            self._device_queues,
            self._ended,
            self._counters,
        )
        if invalid >= 0:
            raise ValueError(
                f"arrivals: a task of {tasks.bits[invalid]} bits at "
                f"replication {tasks.replication[invalid]}, device {tasks.device[invalid]}; "
                f"allowed: more than 0 bits, replications and devices below {self._shape}"
            )

    def refused(self) -> TaskTable:
        """The tasks that a full buffer refused since the last service."""
        ended = self._ended[: self._counters[ENDED_COUNT]]
        found: TaskTable = ended[ended["outcome"] == DROPPED]
        return found

    def serve(
        self,
        slot: int,
        station: IntArray,
        local_bits: FloatArray,
        offloaded_bits: FloatArray,
        station_served_bits: FloatArray,
        availability: Availability | None = None,
    ) -> TaskTable:
        """Carry out the service of a slot.

        Args:
            slot: t; the service takes place in [t tau, (t + 1) tau).
            station: (R, N) the station of each device.
            local_bits: (R, N) D^l.
            offloaded_bits: (R, N) D^e.
            station_served_bits: (R, B) Psi_j.
            availability: when in the slot the stations served, and which of them lost their queues
                within it, with what they had received by then; all served throughout by default.

        Returns:
            The tasks that ended since the last call, those dropped meanwhile included, until the next
            call, by replication. For one replication their order does not depend on the others.
        """
        live, waiting, live_parts, before = self._counters[:FREE_TASK].tolist()
        begins, lengths = self._throughout
        lost_share = self._none_lost
        if availability is not None:
            begins, lengths = availability.begins, availability.serving
            lost_share = availability.lost_share
        # Whether there would be too little if all that is here moved on.
        if live_parts + waiting > self._parts.size or before + live > self._ended.size:
            lost = lost_share > 0.0
            self._make_room(
                local_bits + offloaded_bits, np.where(lost, np.inf, station_served_bits)
            )
        count = _serve(
            slot,
            self._slot_s,
            station,
            local_bits,
            offloaded_bits,
            station_served_bits,
            begins,
            lengths,
            lost_share,
            self._tasks,
            self._parts,
            self._device_queues,
            self._station_queues,
            self._ended,
            self._counters,
        )
        self._ended, self._handed_over = self._handed_over, self._ended
        ended = self._handed_over[:count]
        return _by_replication(ended) if before else ended

    def lose(self, lost: BoolArray) -> None:
        """Empty queues of stations at the start of a slot; each task that has bits there is lost.

        What a lost task still has elsewhere goes its way; the task ends when that is gone.

        Args:
            lost: (R, B) True where the queue is lost.
        """
        if self._may_lack_room():
            self._make_room(np.zeros(self._shape), np.where(lost, np.inf, 0.0))
        for r, j in np.argwhere(lost).tolist():
            lose_queue(
                r * lost.shape[1] + j,
                self._shape[1],
                self._tasks,
                self._parts,
                self._station_queues,
                self._ended,
                self._counters,
            )

    def leave(self, left: BoolArray, station: IntArray | None) -> None:
        """Empty queues of devices at the start of a slot: they leave the network.

        What is handed over goes behind all that its station has, one device after another, and can be
        served from this slot on. Of what is lost, each task is lost, as in `lose`; its row has no
        station.

        Args:
            left: (R, N) True where a device leaves.
            station: (R, N) the stations that take over what it has; None if it is lost.
        """
        if self._may_lack_room():
            self._make_room(np.where(left, np.inf, 0.0), np.zeros_like(self._none_lost))
        for r, i in np.argwhere(left).tolist():
            queue = r * self._shape[1] + i
            to, to_queue = NONE, NONE
            if station is not None:
                to = int(station[r, i])
                to_queue = r * (self._station_queues.shape[1] // self._shape[0]) + to
            leave_queue(
                queue,
                to,
                to_queue,
                self._shape[1],
                self._tasks,
                self._parts,
                self._device_queues,
                self._station_queues,
                self._ended,
                self._counters,
            )

    def pending(self) -> Iterator[TaskTable]:
        """The tasks still in a queue, by replication, device and arrival; to be called at the end.

        Those that were dropped since the last call of `serve` come before them.
        """
        yield _by_replication(self._ended[: self._counters[ENDED_COUNT]])
        live, queues = int(self._counters[LIVE]), self._device_queues.shape[1]
        yield from pending_rows(self._tasks, live, queues, self._shape[1])

    def _deadlines(self, tasks: Tasks) -> FloatArray:
        """(K or more,) from arrival."""
        own = tasks.deadline_s
        if own is None:
            if len(self._common_deadlines) < tasks.bits.size:
                self._common_deadlines = np.full(tasks.bits.size, self._deadline_s)
            return self._common_deadlines
        return np.where(np.isnan(own), self._deadline_s, own)

    def _may_lack_room(self) -> bool:
        """Whether there would be too little if all that is here moved on in one slot."""
        live, waiting, live_parts, ended = self._counters[:FREE_TASK].tolist()
        return bool(live_parts + waiting > self._parts.size or ended + live > self._ended.size)

    def _make_room(self, device_bits: FloatArray, station_bits: FloatArray) -> None:
        """Make room for what one call can send on and end at most.

        Args:
            device_bits: (R, N) what is taken from the devices' queues; infinite if it is all.
            station_bits: (R, B) the same of the stations' queues.
        """
        live, sent, live_parts, ended = self._counters[:FREE_TASK].tolist()
        ends = live
        if live > FEW:
            # A task that moves on from its device leaves one part at most, one that ends one row.
            sent = tasks_in_front(device_bits, self._tasks, self._device_queues)
            served = parts_in_front(station_bits, self._tasks, self._parts, self._station_queues)
            ends = min(live, sent + served)
        if live_parts + sent > self._parts.size:
            self._parts = grown(self._parts, live_parts + sent, FREE_PART, self._counters)
        if ended + ends > self._ended.size:
            self._ended = with_room(self._ended, ended, ended + ends)


def _by_replication(ended: TaskTable) -> TaskTable:
    """The same rows, those of one replication in their order: else it would be that of different events."""
    replication = ended["replication"]
    if (replication[1:] >= replication[:-1]).all():
        return ended
    return ended[np.argsort(replication, kind="stable")]


@compiled_in_place
def _admit(
    replication: IntArray,
    device: IntArray,
    arrival_s: FloatArray,
    bits: FloatArray,
    queue_bits: FloatArray,
    departed_bits: FloatArray,
    deadline_s: FloatArray,
    buffer_bits: float,
    admitted: FloatArray,
    tasks: Pool,
    device_queues: IntArray,
    ended: Pool,
    counters: IntArray,
) -> int:
    """Gives the first invalid task, -1 if there is none."""
    replications, devices = queue_bits.shape
    arrived_bits, dropped_bits = admitted
    admitted[:] = 0.0
    for n in range(bits.size):
        r, i = replication[n], device[n]
        if not (0 <= r < replications and 0 <= i < devices and 0.0 < bits[n] < np.inf):
            return n
        left_bits = max(queue_bits[r, i] - departed_bits[r, i], 0.0)
        if left_bits + arrived_bits[r, i] + bits[n] > buffer_bits:
            dropped_bits[r, i] += bits[n]
            row = counters[ENDED_COUNT]
            counters[ENDED_COUNT] += 1
            ended[row]["replication"] = r
            ended[row]["device"] = i
            ended[row]["station"] = NONE
            ended[row]["outcome"] = DROPPED
            ended[row]["arrival_s"] = arrival_s[n]
            ended[row]["completion_s"] = np.nan
            ended[row]["bits"] = bits[n]
            ended[row]["deadline_s"] = arrival_s[n] + deadline_s[n]
            continue
        arrived_bits[r, i] += bits[n]
        k = counters[FREE_TASK]
        counters[FREE_TASK] = tasks[k]["next"]
        counters[LIVE] += 1
        counters[WAITING] += 1
        queue = r * devices + i
        tasks[k]["arrival_s"] = arrival_s[n]
        tasks[k]["deadline_s"] = arrival_s[n] + deadline_s[n]
        tasks[k]["bits"] = bits[n]
        tasks[k]["left_bits"] = bits[n]
        tasks[k]["completion_s"] = 0.0
        tasks[k]["queue"] = queue
        tasks[k]["station"] = NONE
        tasks[k]["parts"] = 0
        append(tasks, device_queues, queue, k)
    return -1


@compiled
def _serve(
    slot: int,
    slot_s: float,
    station: IntArray,
    local_bits: FloatArray,
    offloaded_bits: FloatArray,
    station_served_bits: FloatArray,
    begins: FloatArray,
    lengths: FloatArray,
    lost_share: FloatArray,
    tasks: Pool,
    parts: Pool,
    device_queues: IntArray,
    station_queues: IntArray,
    ended: Pool,
    counters: IntArray,
) -> int:
    """Stations first: what arrives there in this slot is served from the next one on.

    Gives how many tasks have ended, and begins to count them anew.
    """
    replications, devices = station.shape
    stations = station_served_bits.shape[1]
    # What leaves for the stations in this slot, of one replication at a time.
    most = min(counters[WAITING], parts.size - counters[LIVE_PARTS])
    sent_task = np.empty(most, np.int64)
    sent_station = np.empty(most, np.int64)
    sent_phase = np.empty(most)
    inflow_bits = np.empty(stations)
    for r in range(replications):
        _serve_stations(
            r,
            slot,
            slot_s,
            devices,
            station_served_bits,
            begins,
            lengths,
            lost_share,
            tasks,
            parts,
            station_queues,
            ended,
            counters,
        )

        sent = 0
        inflow_bits[:] = 0.0
        for i in range(devices):
            j = station[r, i]
            local, offloaded = local_bits[r, i], offloaded_bits[r, i]
            inflow_bits[j] += offloaded
            psi = local + offloaded
            queue = r * devices + i
            drained = 0.0
            k = device_queues[HEAD, queue]
            while drained < psi and k != NONE:
                room = psi - drained
                left = tasks[k]["left_bits"]
                tolerance_bits = TOLERANCE * max(tasks[k]["bits"], psi)
                leaves = left - room < tolerance_bits
                tasks[k]["left_bits"] = 0.0 if leaves else left - room
                if not leaves and room < tolerance_bits:
                    break  # Rounding, not service.
                begin = drained / psi
                drained += left
                phase = min(drained / psi, 1.0)
                kept = max(begin, lost_share[r, j])  # from then on
                least = TOLERANCE * tasks[k]["bits"] / offloaded if offloaded > 0.0 else np.inf
                if phase - begin > least:
                    tasks[k]["station"] = j
                if min(kept, phase) - begin > least:
                    tasks[k]["completion_s"] = np.inf
                if local > 0.0 or phase - begin <= least:
                    completion_s = (slot + phase) * slot_s
                    tasks[k]["completion_s"] = max(tasks[k]["completion_s"], completion_s)
                if phase - kept > least:
                    tasks[k]["parts"] += 1
                    sent_task[sent] = k
                    sent_station[sent] = j
                    sent_phase[sent] = phase
                    sent += 1
                if leaves:
                    behind = tasks[k]["next"]
                    counters[WAITING] -= 1
                    if tasks[k]["parts"] == 0:
                        end_task(k, devices, tasks, ended, counters)
                    k = behind
            device_queues[HEAD, queue] = k

        order, starts = by_group_and_phase(sent_station[:sent], sent_phase[:sent], stations)
        for j in range(stations):
            position_bits = 0.0
            for n in order[starts[j] : starts[j + 1]]:
                end_bits = (sent_phase[n] - lost_share[r, j]) * inflow_bits[j]
                bits = end_bits - position_bits
                add_part(bits, sent_task[n], r * stations + j, parts, station_queues, counters)
                position_bits = end_bits
    count = counters[ENDED_COUNT]
    counters[ENDED_COUNT] = 0
    return int(count)


@compiled_in_place
def _serve_stations(
    r: int,
    slot: int,
    slot_s: float,
    devices: int,
    station_served_bits: FloatArray,
    begins: FloatArray,
    lengths: FloatArray,
    lost_share: FloatArray,
    tasks: Pool,
    parts: Pool,
    station_queues: IntArray,
    ended: Pool,
    counters: IntArray,
) -> None:
    """Stations of a replication serve the heads of their queues, evenly over the time they are up.

    They lose what is left if they fail and lose anything.
    """
    stations = station_served_bits.shape[1]
    for j in range(stations):
        psi = station_served_bits[r, j]
        queue = r * stations + j
        served = 0.0
        f = station_queues[HEAD, queue]
        while psi > 0.0 and f != NONE:
            room = psi - served
            k = parts[f]["task"]
            if parts[f]["bits"] - room >= TOLERANCE * max(tasks[k]["bits"], psi):
                parts[f]["bits"] -= room
                break
            served += parts[f]["bits"]
            moment = _moment(min(served / psi, 1.0), begins, lengths, r, j)
            tasks[k]["completion_s"] = max(tasks[k]["completion_s"], (slot + moment) * slot_s)
            f = remove_part(f, devices, tasks, parts, ended, counters)
        station_queues[HEAD, queue] = f
        if lost_share[r, j] > 0.0:
            lose_queue(queue, devices, tasks, parts, station_queues, ended, counters)


@compiled_in_place
def _moment(phase: float, begins: FloatArray, lengths: FloatArray, r: int, j: int) -> float:
    """When, as a share of the slot, a share of a service is done that runs in a station's windows."""
    rest, moment = phase * lengths[r, j].sum(), 0.0
    for window in range(lengths.shape[2]):
        length = lengths[r, j, window]
        if length > 0.0:
            moment = begins[r, j, window] + min(rest, length)
            if rest <= length + ROUNDING:
                break
            rest -= length
    return moment
