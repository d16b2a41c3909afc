"""Model-predictive control of emission: a convex program over a forecast's horizon, solved anew as it rolls.

Ours, on paper A's network; neither paper has deadlines and hours together.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.by_deadline import ByDeadline
from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.deadlines import TaskClass
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_observation import GreenObservation
from ...simulator.stream.green_problem import GreenProblem, SamplePath
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .lookahead_program import LookaheadProgram, Planned, Wanted, stretches
from .targets import (
    check_deadlines,
    check_foreseen,
    edge_j,
    least_sent_j,
    most_sent_bits,
    own_gain,
    serve,
)

Expect: TypeAlias = Literal["mean", "nothing", "known"]

HARDLY_GREENER = 1.02
"""Who has its station to itself also sends what is planned for slots that are no greener than by this."""

SOON_SLOTS = 5
"""A device that sends in so many slots from now on first executes what only its CPU has in time then."""

KNOWN_SLOTS = 48.0
"""Slots after which a device's own mean of arrivals counts as much as that of all devices."""


class Lookahead:
    """Bits leave when the forecast makes that greenest, as far as deadlines allow, planned anew each slot.

    It plans with the queue by deadlines, the mean of what arrived so far, the forecast of the stations'
    intensity, or without one that of now, and mean gains. A device's own intensity stays what it is. What is
    due after the forecast's end, or never, leaves within it all the same.

    Args:
        expect: what is expected to come. "mean": as much in each slot as so far; "nothing": it plans with the
            tasks that are there; "known": those that will come, as where work has a timetable.

    Raises:
        ValueError: another `expect`.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_gain", "_arrived", "_slots", "_soon")

    def __init__(self, expect: Expect = "mean") -> None:
        if expect not in (allowed := get_args(Expect)):
            raise ValueError(f"expect: {expect!r}; allowed: {', '.join(map(repr, allowed))}")
        self._expect = expect

    def check(self, network: Network, problem: DriftPlusPenalty) -> None:
        """Refuse a problem without deadlines or intensities, and one of which not all is known where that is asked for.

        Raises:
            ValueError: it is one.
        """
        self._checked(problem)

    def _checked(self, problem: DriftPlusPenalty) -> GreenProblem:
        check = check_foreseen if self._expect == "known" else check_deadlines
        return check("lookahead", problem)

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Nothing has been seen.

        Raises:
            ValueError: as `check`.
        """
        problem = self._checked(problem)
        problem.ask_due_bits()
        self._network, self._classes = network, problem.classes
        self._own_carbon = problem.device_carbon
        self._programs: dict[int, LookaheadProgram] = {}
        self._gain = np.zeros(network.device_shape)
        self._arrived = np.zeros(network.device_shape)
        self._slots = 0
        # (R, N) who will have its station to itself soon, by the last plan.
        self._soon = np.zeros(network.device_shape, np.bool_)
        self._known: KnownTasks | None = None
        if self._expect == "known":
            if problem.foresee is None:
                raise ValueError(
                    'lookahead: expect = "known", and nobody knows here what will come'
                )
            self._known = KnownTasks(network, problem.foresee(), self._classes)

    def decide(self, observation: Observation) -> Decision:
        """The first slot of the plan, in all replications."""
        assert isinstance(observation, GreenObservation)
        seen, network = observation, self._network
        gain = own_gain(seen)
        self._slots += 1
        self._gain = self._gain + (gain - self._gain) / self._slots
        self._arrived = self._arrived + seen.arrived_bits
        lengths = stretches(horizon_slots(seen, network.slot_s))
        station_g, device_g = self._intensities(seen, lengths)
        wanted = self._wanted(seen, gain, station_g, device_g, lengths)
        if (program := self._programs.get(len(lengths))) is None:
            program = LookaheadProgram(
                network.devices, network.stations, lengths, len(self._classes)
            )
            self._programs[len(lengths)] = program
        local, sent = np.zeros(network.device_shape), np.zeros(network.device_shape)
        failed = np.zeros(network.replications)
        for r, one in enumerate(wanted):
            if not seen.queue_bits[r].any():
                continue
            plan = program.solve(one)
            failed[r] = not plan.found
            self._soon[r] = _sends_soon(one, plan)
            least = seen.least_leaving_bits[r, :, 0]
            local[r], sent[r] = self._now(one, plan, seen.due_bits[r], least)
        return serve(network, seen, local, sent, {"failed_solves": failed})

    def _intensities(
        self, seen: GreenObservation, lengths: list[int]
    ) -> tuple[FloatArray, FloatArray]:
        """(R, N, H) g/J at stations and devices, means over stretches."""
        station = stretch_forecast(seen, self._network.slot_s, lengths)
        if not self._own_carbon:
            return station, station
        return station, np.repeat(seen.device_carbon_g_per_j[..., None], len(lengths), axis=2)

    def _wanted(
        self,
        seen: GreenObservation,
        gain: FloatArray,
        station_g: FloatArray,
        device_g: FloatArray,
        lengths: list[int],
    ) -> list[Wanted]:
        network = self._network
        slots = np.array(lengths, np.float64)
        ends = np.cumsum(lengths)
        cubed = network.varsigma * network.cycles_per_bit**3 / network.slot_s**2
        usual = self._gain
        sent_j = np.repeat(least_sent_j(network, seen, usual)[..., None], len(lengths), axis=2)
        sent_j[..., 0] = least_sent_j(network, seen, gain)
        sent_cost = station_g * edge_j(network, seen)[..., None] + device_g * np.where(
            np.isfinite(sent_j), sent_j, 0.0
        )
        sent_cost = np.where(np.isfinite(sent_j), sent_cost, np.inf)
        most = np.repeat(most_sent_bits(network, seen, usual)[..., None], len(lengths), axis=2)
        most[..., 0] = most_sent_bits(network, seen, gain)
        least = seen.least_leaving_bits[..., np.minimum(ends, seen.due_bits.shape[2]) - 1]
        alone = least > np.minimum(seen.queue_bits[..., None], most)
        most[..., 0] = np.where(alone[..., 0], 0.0, most[..., 0])
        there = seen.cells.present
        own_most = np.where(there, network.device_service_bits, 0.0)[..., None] * slots
        # The last number is of what is due later than any of these slots, or never.
        due = seen.due_bits.cumsum(axis=2)
        due[..., -1] = due[..., -2]
        due = np.minimum(due, seen.queue_bits[..., None])
        # What has more time than the horizon leaves within it all the same: who rolls on must not wait for ever.
        by_end = due[..., np.minimum(ends, due.shape[2]) - 1]
        by_end[..., -1] = seen.queue_bits * there
        # Who will send soon first executes what only its CPU has in time, a slot early, as far as that is cheap.
        cheap = _cheap_bits(sent_cost[..., 0], cubed * device_g[..., 0])
        was = by_end.copy()
        for h in range(1, min(SOON_SLOTS, len(lengths) - 1)):
            early = np.clip(h * cheap, was[..., h - 1], was[..., h])
            by_end[..., h - 1] = np.where(self._soon & alone[..., h], early, was[..., h - 1])
        coming, coming_due = self._coming(seen, ends)
        return [
            Wanted(
                cubed * device_g[r] / slots**2,
                sent_cost[r],
                own_most[r],
                most[r] * slots,
                np.where(there[r][:, None], by_end[r], 0.0),
                seen.queue_bits[r],
                alone[r] / slots,
                coming[:, r],
                coming_due[:, r],
                seen.cells.station[r],
            )
            for r in range(network.replications)
        ]

    def _coming(self, seen: GreenObservation, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(K, R, N, H) bits that will have come, and of them those that are due, by ends of stretches."""
        if self._known is not None:
            return self._known.after(seen.slot, ends)
        count, all_mean = self._slots, self._arrived.mean(axis=1, keepdims=True)
        mean = (self._arrived + KNOWN_SLOTS * all_mean / count) / (count + KNOWN_SLOTS)
        mean = np.where(seen.cells.present & (self._expect == "mean"), mean, 0.0)[..., None]
        # Come in the middle of a slot in the mean, gone by the last whole slot that its device has for it.
        waits = [max(one.deadline_s / self._network.slot_s - 0.5, 1.0) for one in self._classes]
        coming = [one.share * mean * (ends - 1.0) for one in self._classes]
        due = [
            one.share * mean * np.maximum(ends - wait, 0.0)
            for one, wait in zip(self._classes, waits, strict=True)
        ]
        return np.stack(coming), np.stack(due)

    def _now(
        self, one: Wanted, plan: Planned, due: FloatArray, least: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """(N,) bits executed and sent now, of a plan, with (N, L) bits due.

        At each station one device sends, that which has most of it to send; and all who have to. CPU and radio draw
        from the same head of the queue: who sends lets at least so many (N,) bits leave that what is due first is
        in time, and who cannot sends nothing.
        """
        now, a = one.sent_cost[:, :1], one.local_cost[:, 0]
        near = np.logical_and.accumulate(one.sent_cost * HARDLY_GREENER >= now, axis=1)
        bits = np.where(near, plan.sent, 0.0).sum(axis=1)
        bits = np.where(plan.sent[:, 0] > 1e-3 * bits, np.minimum(bits, one.sent_most[:, 0]), 0.0)
        # A CPU does what costs it no more at the margin than a radio whose station two share.
        cheap = _cheap_bits(now[:, 0], a)
        most = one.local_most[:, 0]
        own = plan.local[:, 0]
        by_cpu = np.maximum(own, np.minimum(due[:, 0], most))
        # Who sends may have to let more leave beside it than is planned: if that costs more than its CPU alone, it does not.
        beside = np.minimum(least, one.queue) - own
        later = np.minimum(3.0 * one.local_cost[:, 1:2] * plan.local[:, 1:2] ** 2, now).sum(axis=1)
        dear = np.minimum(now[:, 0], 1e200) - later
        alone = a * (by_cpu**3 - own**3) - later * (by_cpu - own)
        bits = np.where((beside > bits) & (dear * beside > alone), 0.0, bits)
        # In the next slot a CPU does again what is left, or it is sent now.
        rest = due[:, :2].sum(axis=1) - by_cpu - np.minimum(cheap, most)
        sent = np.minimum(np.maximum(rest, 0.0), one.sent_most[:, 0])
        for station in np.unique(one.station):
            of = np.flatnonzero(one.station == station)
            best = of[np.argmax(sent[of] if (sent[of] > 0.0).any() else bits[of])]
            sent[best] = max(sent[best], bits[best])
        own = np.where(sent > 0.0, own, by_cpu)
        sent = np.where(sent > 0.0, np.maximum(sent, least - own), 0.0)
        # A hair more than solver and rounding are wrong by, so that nothing is late by that.
        return np.minimum(own, one.queue) * (1.0 + 1e-6), np.minimum(sent, one.queue) * (1.0 + 1e-6)


def _cheap_bits(sent_cost: FloatArray, local_cost: FloatArray) -> FloatArray:
    """Of a CPU in a slot: at the margin they cost no more than those of a radio whose station two share."""
    dear = 2.0 * np.minimum(sent_cost, 1e200)
    most = np.full(dear.shape, np.inf)
    found: FloatArray = np.sqrt(np.divide(dear, 3.0 * local_cost, out=most, where=local_cost > 0.0))
    return found


def _sends_soon(one: Wanted, plan: Planned) -> BoolArray:
    """(N,) who sends most at its station in one of the slots after the next one, and more than it executes."""
    found = np.zeros(len(one.station), np.bool_)
    slots = slice(2, SOON_SLOTS)
    sent, local = plan.sent[:, slots], plan.local[:, slots]
    for station in np.unique(one.station):
        of = np.flatnonzero(one.station == station)
        best, h = of[sent[of].argmax(axis=0)], np.arange(sent.shape[1])
        found[best[sent[best, h] > local[best, h]]] = True
    return found


class KnownTasks:
    """Bits of each class that come and are due, summed up over slots.

    Args:
        network: of the devices.
        path: what will happen.
        classes: K of them.
    """

    def __init__(self, network: Network, path: SamplePath, classes: Sequence[TaskClass]) -> None:
        tasks, slots = path.tasks, len(path.gain)
        shape = (len(classes), *network.device_shape, slots + 1)
        wait_s = tasks["deadline_s"] - tasks["arrival_s"]
        limits = np.array([one.deadline_s for one in classes])
        where = ByDeadline(limits).of(wait_s), tasks["replication"], tasks["device"]
        first = (tasks["arrival_s"] / network.slot_s).astype(int) + 1
        last = np.minimum(tasks["deadline_s"] / network.slot_s, slots + 2.0).astype(int) - 1
        self._come, self._due = np.zeros(shape), np.zeros(shape)
        np.add.at(self._come, (*where, np.minimum(first, slots)), tasks["bits"])
        np.add.at(self._due, (*where, np.clip(last, 0, slots)), tasks["bits"])
        self._come, self._due = self._come.cumsum(axis=3), self._due.cumsum(axis=3)
        # What is due after the run is never due.
        self._due[..., slots] = self._due[..., slots - 1]

    def after(self, slot: int, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(K, R, N, H) bits that come after a slot's begin, by ends of stretches from it on; and that are due."""
        at = np.minimum(slot + ends.astype(int) - 1, self._come.shape[3] - 1)
        here = self._come[..., slot, None]
        return self._come[..., at] - here, np.maximum(self._due[..., at] - here, 0.0)


def horizon_slots(seen: GreenObservation, slot_s: float) -> int:
    """So many are looked ahead: the forecast's, or without one up to the longest deadline."""
    leads = int(seen.forecast_g_per_j.shape[2])
    if leads == 0:
        return int(seen.due_bits.shape[2])
    return max(round(leads * seen.forecast_step_s / slot_s), 1)


def stretch_forecast(seen: GreenObservation, slot_s: float, lengths: Sequence[int]) -> FloatArray:
    """(R, N, H) g/J at each device's station, means over stretches of so many slots from now on.

    After the forecast's end its last value holds; without one the intensity of now.
    """
    leads = seen.forecast_g_per_j.shape[2]
    if leads == 0:
        return np.repeat(
            seen.cells.at_station(seen.carbon_g_per_j)[..., None], len(lengths), axis=2
        )
    ends_s = np.concatenate([[0], np.cumsum(lengths)]) * slot_s
    at = (seen.forecast_age_s + ends_s) / seen.forecast_step_s
    values = seen.forecast_g_per_j
    total = np.concatenate([np.zeros((*values.shape[:2], 1)), values.cumsum(axis=2)], axis=2)
    low = np.minimum(at.astype(int), leads - 1)
    total = total[..., low] + (at - low) * values[..., low]
    stations = np.diff(total, axis=2) / np.diff(at)
    own = np.broadcast_to(seen.cells.station[..., None], (*seen.cells.station.shape, len(lengths)))
    found: FloatArray = np.take_along_axis(stations, own, axis=1)
    return found


def slot_forecast(seen: GreenObservation, slot_s: float, slots: int) -> FloatArray:
    """(R, N, H) likewise, of so many slots from now on."""
    return stretch_forecast(seen, slot_s, [1] * slots)
