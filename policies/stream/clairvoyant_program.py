"""The least emission of a run, all of whose future is known, as a linear program.

Every run of the simulator that keeps all deadlines is a point of the program, at no less than it emits, so
its optimum is a lower bound of what any policy emits that is in time:

- bits of a task leave its device in whole slots after its arrival, and before its deadline; what is sent in a
  slot is executed in a later one. In the slot of its deadline a CPU, which runs evenly, has executed
  the same share of its bits as of the slot has passed;
- l bits that a CPU executes in a slot cost varsigma c^3 l^3 / tau^2 joules, A(9), here the greatest of tangents;
- a bit that is sent costs at least noise ln 2 / (gain band) joules of the radio, the limit of A(4) and A(11) for
  the whole band, all of a slot, and nobody who interferes, and epsilon c / F of all of the station's CPU.

What is left out makes it looser, never wrong: what devices share, stations' queues, batteries, failures.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.elementary import LN_2, log2_each
from ...simulator.network.network import Network
from ...simulator.stream.green_problem import SamplePath

Entries: TypeAlias = tuple[IntArray, IntArray, FloatArray]
"""Rows, columns and values of a sparse matrix."""

_Partial: TypeAlias = tuple[IntArray, int, FloatArray, float]
"""Chains, the slot, their bits that are due by a moment in it, and the share of the slot until then."""

MOST_VARIABLES = 400_000
"""Of a program: it is for small networks."""

_FIRST_TANGENTS = 9
_ACCURACY = 2e-4
"""Of the tangents, relative to the optimum."""

_ROUNDS = 12


@dataclass(frozen=True)
class Instance:
    """One replication of a path, as the program has it.

    Attributes:
        device: (n,) of each task; so are the following.
        first: first slot in which it may leave.
        due_slot: the slot in which it is due, and by which share of it, `due_share`.
        due_share: see above.
        bits: of it.
        local_cost: (T, N) a of a l^3, g.
        sent_cost: (T, N) g/bit; infinite where nothing can be sent.
        local_most: (N,) bits in a slot.
        sent_most: (T, N) likewise.
        station: (T, N).
    """

    device: IntArray
    first: IntArray
    due_slot: IntArray
    due_share: FloatArray
    bits: FloatArray
    local_cost: FloatArray
    sent_cost: FloatArray
    local_most: FloatArray
    sent_most: FloatArray
    station: IntArray


@dataclass(frozen=True)
class Rows:
    """Rows of a program that do not change, and bounds of its variables.

    Attributes:
        upper: sparse rows, of inequalities.
        limit: their right-hand sides.
        equal: sparse rows, equal to zero.
        low: of variables.
        top: of variables.
    """

    upper: Any
    limit: FloatArray
    equal: Any
    low: FloatArray
    top: FloatArray


@dataclass(frozen=True)
class Optimum:
    """What solves a program.

    Attributes:
        bound_g: the value of the dual solution: nothing emits less.
        value_g: what these bits emit, by the cubes and not by tangents.
        local_bits: (T, N).
        sent_bits: (T, N).
    """

    bound_g: float
    value_g: float
    local_bits: FloatArray
    sent_bits: FloatArray


def instance_of(network: Network, path: SamplePath, r: int) -> Instance:
    """Of replication r: the tasks that are due within the run."""
    tasks = path.tasks[path.tasks["replication"] == r]
    slots, slot_s = len(path.gain), network.slot_s
    due = tasks["deadline_s"] / slot_s
    tasks, due = tasks[due <= slots], due[due <= slots]
    there = path.station[:, r] >= 0
    station = np.maximum(path.station[:, r], 0)
    gain = np.take_along_axis(path.gain[:, r], station[..., None], axis=2)[..., 0] * there
    edge_g = np.take_along_axis(path.station_g_per_j[:, r], station, axis=1)
    device_g = path.device_g_per_j[:, r]
    some = np.maximum(gain, 1e-300)
    noise = network.noise_w[station] / some
    radio_j = LN_2 * noise / network.station_bandwidth_hz[station]
    edge_j = network.epsilon_w * network.cycles_per_bit / network.station_cpu_hz[station]
    efficiency = np.minimum(
        log2_each(1.0 + network.device_power_max_w / noise), network.efficiency.cap
    )
    slot_of_due = np.maximum(np.ceil(due).astype(int) - 1, 0)
    return Instance(
        tasks["device"].astype(int),
        (tasks["arrival_s"] / slot_s).astype(int) + 1,
        slot_of_due,
        due - slot_of_due,
        tasks["bits"],
        device_g * network.varsigma * network.cycles_per_bit**3 / slot_s**2,
        np.where(gain > 0.0, device_g * radio_j + edge_g * edge_j, np.inf),
        network.device_service_bits,
        network.station_bandwidth_hz[station] * slot_s * efficiency * (gain > 0.0),
        station,
    )


class Program:
    """The linear program of an instance, or one whose solution a run can carry out.

    A device's tasks are parted into chains, in each of which who comes first is due first: one for each class. What
    leaves of a chain, in order, is one curve between what has come of it and what is due of it, so that
    variables are of chains and slots, not of tasks.

    Args:
        instance: of it.
        carried_out: bits leave in time to be sent, and are executed a slot later, whether or not they are
            sent: a CPU and a radio draw from the same head of a queue.
        forbidden: (T, N) where nothing is sent; None for nowhere.

    Raises:
        ValueError: it is too large.
    """

    def __init__(
        self, instance: Instance, *, carried_out: bool = False, forbidden: BoolArray | None = None
    ) -> None:
        self._of = one = instance
        self._shape = slots, devices = one.local_cost.shape
        chain, of_chain = _chains(one)
        last = one.due_slot - (1 + (one.due_share < 1.0) if carried_out else 0)
        self._possible = bool((last >= one.first).all())
        count = 3 * slots * len(of_chain)
        if count > MOST_VARIABLES:
            raise ValueError(
                f"{count:,} variables; clairvoyant plans at most {MOST_VARIABLES:,}: fewer devices, slots "
                "or kinds of deadlines"
            )
        # (C, T) bits of a chain that can have left by the end of a slot, and that must.
        self._come, self._due = np.zeros((2, len(of_chain), slots))
        np.add.at(self._come, (chain, np.minimum(one.first, slots - 1)), one.bits)
        np.add.at(self._due, (chain, np.maximum(last, 0)), one.bits)
        self._come, self._due = self._come.cumsum(axis=1), self._due.cumsum(axis=1)
        self._cell = np.arange(slots) * devices + of_chain[:, None]
        cost = one.sent_cost.reshape(-1).copy()
        if forbidden is not None:
            cost = np.where(forbidden.reshape(-1), np.inf, cost)
        self._sent_cost = cost
        self._carried_out = carried_out
        self._partial = [] if carried_out else self._partial_rows(chain, of_chain)

    def _partial_rows(self, chain: IntArray, of_chain: IntArray) -> list[_Partial]:
        """Of each moment within a slot at which something is due, who has how much due in the slot by then."""
        one, found = self._of, []
        for task in np.flatnonzero(one.due_share < 1.0):
            t = one.due_slot[task]
            by = (one.device == one.device[task]) & (one.due_slot == t)
            by &= one.due_share <= one.due_share[task]
            due = np.bincount(chain[by], one.bits[by], len(of_chain))
            some = np.flatnonzero(due)
            before = self._due[some, t - 1] if t > 0 else np.zeros(len(some))
            found.append((some, int(t), before + due[some], float(one.due_share[task])))
        return found

    def solve(self) -> Optimum | None:
        """Tangents are added where the cube is above them; None if not all can be in time."""
        one = self._of
        if not self._possible:
            return None
        cells = one.local_cost.size
        most = np.broadcast_to(one.local_most, self._shape).reshape(-1)
        unit = max(float(one.bits.mean()) if len(one.bits) else 1.0, 1.0)
        points = np.geomspace(1e-2, 1.0, _FIRST_TANGENTS)
        at = np.repeat(np.arange(cells), len(points))
        where = (np.tile(points, cells) * most[at]) / unit
        base = self._base(unit)
        for _ in range(_ROUNDS):
            found = self._solved(base, at, where, unit)
            if found is None:
                return None
            local, epigraph, bound, sent = found
            cubes = one.local_cost.reshape(-1) * local**3
            value = float(cubes.sum() + (sent[sent > 0] * self._sent_cost[sent > 0]).sum())
            if value - bound <= _ACCURACY * max(bound, 1e-300):
                break
            worse = np.flatnonzero(cubes - epigraph > 0.1 * _ACCURACY * value / cells)
            at, where = np.concatenate([at, worse]), np.concatenate([where, local[worse] / unit])
        return Optimum(bound, value, local.reshape(self._shape), sent.reshape(self._shape))

    def _base(self, unit: float) -> Rows:
        """Rows that do not change: A_ub, b_ub, A_eq, b_eq, and bounds of variables.

        Columns: of chains and slots what has left, what is executed, what is sent; of cells L, S, E; and of
        moments within a slot and chains what is left for the slot.
        """
        one, cells, size = self._of, self._of.local_cost.size, self._come.size
        k, slot = np.arange(size), np.tile(np.arange(self._shape[0]), len(self._come))
        cell, ones = self._cell.reshape(-1), np.ones(size)
        left, local, sent, l, s = k, size + k, 2 * size + k, 3 * size, 3 * size + cells
        rest, columns = (
            3 * size + 3 * cells,
            3 * (size + cells) + sum(len(p[0]) for p in self._partial),
        )
        later = k[slot > 0]
        # What has left grows by what is executed and sent.
        ones_later = np.ones(len(later))
        equal = _matrix(
            [(k, left, ones), (later, later - 1, -ones_later), (k, local, -ones), (k, sent, -ones)],
            size,
            columns,
        )
        low, top = np.zeros(columns), np.full(columns, np.inf)
        top[:size] = self._come.reshape(-1) / unit
        low[:size] = np.minimum(self._due.reshape(-1) / unit, top[:size])
        most = np.broadcast_to(one.local_most, self._shape).reshape(-1) / unit
        sent_most = np.where(np.isfinite(self._sent_cost), one.sent_most.reshape(-1), 0.0) / unit
        top[local], top[sent], top[l : l + cells], top[s : s + cells] = (
            most[cell], sent_most[cell], most, sent_most
        )  # fmt: skip
        top[s + cells : s + 2 * cells] = most**3
        # What all chains take of a CPU and of a radio in a slot is no more than these do.
        each, less = np.arange(cells), -np.ones(cells)
        above: list[Entries] = [
            (cell, local, ones), (each, l + each, less),
            (cells + cell, sent, ones), (cells + each, s + each, less),
        ]  # fmt: skip
        limit, count = np.zeros(2 * cells), 2 * cells
        if not self._carried_out:
            # What is sent in the slot in which something is due is not of that: due + sent <= left.
            above += [(count + k, sent, ones), (count + k, left, -ones)]
            limit, count = np.concatenate([limit, -self._due.reshape(-1) / unit]), count + size
        for some, t, due, share in self._partial:
            # due - left before <= rest, sum of rests <= share of L.
            n, own = len(some), np.arange(len(some))
            top[rest : rest + n] = due / unit
            above.append((count + own, rest + own, -np.ones(n)))
            if t > 0:
                above.append((count + own, some * self._shape[0] + t - 1, -np.ones(n)))
            at = np.concatenate([rest + own, [l + cell[some[0] * self._shape[0] + t]]])
            above.append((np.full(n + 1, count + n), at, np.concatenate([np.ones(n), [-share]])))
            limit = np.concatenate([limit, -due / unit, [0.0]])
            count, rest = count + n + 1, rest + n
        return Rows(_matrix(above, count, columns), limit, equal, low, top)

    def _solved(
        self, base: Rows, at: IntArray, where: FloatArray, unit: float
    ) -> tuple[FloatArray, FloatArray, float, FloatArray] | None:
        """(T N,) bits executed, g by the tangents, the dual's value in g, (T N,) bits sent."""
        from scipy.optimize import linprog
        from scipy.sparse import vstack

        one, cells, l = self._of, self._of.local_cost.size, 3 * self._come.size
        cube = one.local_cost.reshape(-1) * unit**3
        finite = np.isfinite(self._sent_cost)
        linear = np.where(finite, self._sent_cost, 0.0) * unit
        gram = max(float(np.median(np.concatenate([cube, linear[finite]]))), 1e-300)
        # 3 a p^2 L - E <= 2 a p^3 at each point p; E in units of its own cell's cube.
        k = np.arange(len(at))
        tangents = [(k, l + at, 3.0 * where**2), (k, l + 2 * cells + at, -np.ones(len(at)))]
        columns = base.equal.shape[1]
        upper = vstack([base.upper, _matrix(tangents, len(at), columns)]).tocsr()
        limit = np.concatenate([base.limit, 2.0 * where**3])
        cost = np.zeros(columns)
        cost[l + cells : l + 3 * cells] = np.concatenate([linear, cube]) / gram
        equals = np.zeros(base.equal.shape[0])
        bounds: Any = np.stack([base.low, base.top], axis=1)
        result = linprog(cost, upper, limit, base.equal, equals, bounds, method="highs")
        if result.status != 0:
            return None
        # By weak duality: the multipliers of rows, all of one sign, and of bounds bound the optimum from below.
        above = np.minimum(result.ineqlin.marginals, 0.0)
        rest = cost - upper.T @ above - base.equal.T @ result.eqlin.marginals
        dual = (
            limit @ above
            + (np.maximum(rest, 0.0) * base.low + np.minimum(rest, 0.0) * base.top).sum()
        )
        x: Any = result.x
        parts = x[l : l + 3 * cells].reshape(3, cells)
        return parts[0] * unit, parts[2] * cube, float(dual * gram), parts[1] * unit


def _chains(one: Instance) -> tuple[IntArray, IntArray]:
    """(n,) the chain of each task, and (C,) the device of each chain: as few as there can be."""
    chain = np.zeros(len(one.bits), np.int64)
    of_chain: list[int] = []
    latest: list[float] = []
    due = one.due_slot + one.due_share
    for task in np.lexsort((due, one.first, one.device)):
        device = int(one.device[task])
        fits = [
            (latest[c], c)
            for c in range(len(of_chain))
            if of_chain[c] == device and latest[c] <= due[task]
        ]
        if fits:
            c = max(fits)[1]
        else:
            c = len(of_chain)
            of_chain.append(device)
            latest.append(0.0)
        chain[task], latest[c] = c, float(due[task])
    return chain, np.array(of_chain, np.int64)


def _matrix(entries: Sequence[Entries], rows: int, columns: int) -> Any:
    """Sparse, of rows, columns and values."""
    from scipy.sparse import coo_matrix

    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    parts = [np.concatenate(part) for part in zip(none, *entries, strict=True)]
    return coo_matrix((parts[2], (parts[0], parts[1])), shape=(rows, columns)).tocsr()


def least_emission(instance: Instance) -> Optimum | None:
    """The lower bound, and bits that reach it where nobody has to share; None if some task must be late."""
    return Program(instance).solve()


def plan(instance: Instance) -> Optimum | None:
    """Bits that a run can carry out, each station's for one device a slot as far as deadlines allow.

    Where several send, the one that sends most has the slot, and all is solved anew without the others.
    """
    forbidden: BoolArray = np.zeros(instance.local_cost.shape, np.bool_)
    best = Program(instance, carried_out=True).solve()
    for _ in range(_ROUNDS):
        if best is None:
            return None
        before = forbidden.copy()
        for t, sent in enumerate(best.sent_bits):
            for station in np.unique(instance.station[t]):
                of = np.flatnonzero((instance.station[t] == station) & (sent > 1.0))
                if len(of) > 1:
                    others = np.flatnonzero(instance.station[t] == station)
                    forbidden[t, others[others != of[np.argmax(sent[of])]]] = True
        if (forbidden == before).all():
            break
        found = Program(instance, carried_out=True, forbidden=forbidden).solve()
        if found is None:
            break
        best = found
    return best


def without_late(instance: Instance) -> Instance:
    """Without the tasks that nobody could have in time: these alone, or among others, see `Program`."""
    chosen = instance.due_slot - 1 - (instance.due_share < 1.0) >= instance.first
    names = ("device", "first", "due_slot", "due_share", "bits")
    return replace(instance, **{name: getattr(instance, name)[chosen] for name in names})
