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

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.elementary import LN_2, log2_each
from ...simulator.network.network import Network
from ...simulator.stream.green_problem import SamplePath

Rows: TypeAlias = tuple[Any, FloatArray, Any, FloatArray]
"""Sparse rows and right-hand sides of a program: of inequalities and of equalities."""

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
        self._shape = one.local_cost.shape
        devices = self._shape[1]
        last = one.due_slot - 1 if carried_out else one.due_slot
        if carried_out:
            last = last - (one.due_share < 1.0)
        spans = np.maximum(last - one.first + 1, 0)
        if (count := 2 * int(spans.sum())) > MOST_VARIABLES:
            raise ValueError(
                f"{count:,} variables; clairvoyant plans at most {MOST_VARIABLES:,}: fewer devices, slots "
                "or tasks, or shorter deadlines"
            )
        self._task = np.repeat(np.arange(len(spans)), spans)
        begin = np.concatenate([[0], spans.cumsum()[:-1]]).astype(int)
        self._slot = np.arange(len(self._task)) - begin[self._task] + one.first[self._task]
        self._at = self._slot * devices + one.device[self._task]
        ends = one.due_slot - (0 if carried_out else 1)
        may = self._slot <= np.minimum(last, ends)[self._task]
        cost = one.sent_cost.reshape(-1).copy()
        if forbidden is not None:
            cost = np.where(forbidden.reshape(-1), np.inf, cost)
        self._sent_cost = cost
        self._sends = np.flatnonzero(may & np.isfinite(cost[self._at]))
        self._partial = [] if carried_out else list(np.flatnonzero(one.due_share < 1.0))

    def solve(self) -> Optimum | None:
        """Tangents are added where the cube is above them; None if not all can be in time."""
        one = self._of
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
        """Rows that do not change: A_ub, b_ub, A_eq, b_eq. Columns: tasks' bits, L, S, E."""
        from scipy.sparse import coo_matrix

        one, cells = self._of, self._of.local_cost.size
        n, m = len(self._task), len(self._sends)
        columns = n + m + 3 * cells
        local_at, sent_at = n + m, n + m + cells
        # All bits of a task leave.
        rows = np.concatenate([self._task, self._task[self._sends]])
        equal = coo_matrix(
            (np.ones(n + m), (rows, np.arange(n + m))), shape=(len(one.bits), columns)
        ).tocsr()
        # What tasks take of a CPU and of a radio in a slot is no more than these do.
        rows = np.concatenate(
            [self._at, np.arange(cells), cells + self._at[self._sends], cells + np.arange(cells)]
        )
        cols = np.concatenate(
            [
                np.arange(n),
                local_at + np.arange(cells),
                n + np.arange(m),
                sent_at + np.arange(cells),
            ]
        )
        values = np.concatenate([np.ones(n), -np.ones(cells), np.ones(m), -np.ones(cells)])
        entries = [(rows, cols, values)]
        count = 2 * cells
        due = one.due_slot + one.due_share
        for task in self._partial:
            i, t = one.device[task], one.due_slot[task]
            same = np.flatnonzero(
                (self._at == t * len(one.local_most) + i) & (due[self._task] <= due[task])
            )
            if len(same):
                at = np.concatenate([same, [local_at + t * len(one.local_most) + i]])
                share = np.concatenate([np.ones(len(same)), [-one.due_share[task]]])
                entries.append((np.full(len(at), count), at, share))
                count += 1
        r, c, v = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        upper = coo_matrix((v, (r, c)), shape=(count, columns)).tocsr()
        return upper, np.zeros(count), equal, one.bits / unit

    def _solved(
        self,
        base: Rows,
        at: IntArray,
        where: FloatArray,
        unit: float,
    ) -> tuple[FloatArray, FloatArray, float, FloatArray] | None:
        """(T N,) bits executed, g by the tangents, the dual's value in g, (T N,) bits sent."""
        from scipy.optimize import linprog
        from scipy.sparse import coo_matrix, vstack

        one, cells = self._of, self._of.local_cost.size
        n, m = len(self._task), len(self._sends)
        cube = one.local_cost.reshape(-1) * unit**3
        finite = np.isfinite(self._sent_cost)
        linear = np.where(finite, self._sent_cost, 0.0) * unit
        gram = max(float(np.median(np.concatenate([cube, linear[finite]]))), 1e-300)
        # 3 a p^2 L - E <= 2 a p^3 at each point p; E in units of its own cell's cube.
        k = np.arange(len(at))
        rows = np.concatenate([k, k])
        cols = np.concatenate([n + m + at, n + m + 2 * cells + at])
        values = np.concatenate([3.0 * where**2, -np.ones(len(at))])
        upper, limit, equal, bits = base
        upper = vstack(
            [upper, coo_matrix((values, (rows, cols)), shape=(len(at), equal.shape[1]))]
        ).tocsr()
        limit = np.concatenate([limit, 2.0 * where**3])
        cost = np.concatenate([np.zeros(n + m + cells), linear / gram, cube / gram])
        most = np.broadcast_to(one.local_most, self._shape).reshape(-1) / unit
        sent_most = np.where(finite, one.sent_most.reshape(-1), 0.0) / unit
        top = np.concatenate([np.full(n + m, np.inf), most, sent_most, np.full(cells, np.inf)])
        bounds: Any = np.stack([np.zeros(len(top)), top], axis=1)
        result = linprog(cost, upper, limit, equal, bits, bounds, method="highs")
        if result.status != 0:
            return None
        # By weak duality: the multipliers of rows and of bounds bound the optimum from below.
        rest = cost - upper.T @ result.ineqlin.marginals - equal.T @ result.eqlin.marginals
        with_bound = np.where(
            np.isfinite(top), np.minimum(rest, 0.0) * np.where(np.isfinite(top), top, 0.0), 0.0
        )
        dual = limit @ result.ineqlin.marginals + bits @ result.eqlin.marginals + with_bound.sum()
        x: Any = result.x
        local, sent = x[n + m : n + m + cells] * unit, x[n + m + cells : n + m + 2 * cells] * unit
        return local, x[n + m + 2 * cells :] * cube, float(dual * gram), sent


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
