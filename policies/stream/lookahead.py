"""Model-predictive control of emission: a convex program over a forecast's horizon, solved anew as it rolls."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_observation import GreenObservation
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .lookahead_program import LookaheadProgram, Wanted, stretches
from .targets import (
    check_deadlines,
    edge_j,
    least_sent_j,
    most_sent_bits,
    own_gain,
    serve,
)

HARDLY_GREENER = 1.02
"""Who has its station to itself also sends what is planned for slots that are no greener than by this."""

KNOWN_SLOTS = 48.0
"""Slots after which a device's own mean of arrivals counts as much as that of all devices."""


class Lookahead:
    """Bits leave when the forecast makes that greenest, as far as deadlines allow, planned anew each slot.

    It plans with the queue by deadlines, the mean of what arrived so far, the forecast of the stations'
    intensity, or without one that of now, and mean gains. A device's own intensity stays what it is.

    Args:
        expect: tasks are expected to come as they did so far; else it plans with those that are there.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_gain", "_arrived", "_slots")

    def __init__(self, expect: bool = True) -> None:
        self._expect = expect

    def check(self, network: Network, problem: DriftPlusPenalty) -> None:
        """Refuse a problem without deadlines or intensities.

        Raises:
            ValueError: it is one.
        """
        check_deadlines("lookahead", problem)

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Nothing has been seen.

        Raises:
            ValueError: as `check`.
        """
        problem = check_deadlines("lookahead", problem)
        problem.ask_due_bits()
        self._network, self._classes = network, problem.classes
        self._programs: dict[int, LookaheadProgram] = {}
        self._gain = np.zeros(network.device_shape)
        self._arrived = np.zeros(network.device_shape)
        self._slots = 0

    def decide(self, observation: Observation) -> Decision:
        """The first slot of the plan, in all replications."""
        assert isinstance(observation, GreenObservation)
        seen, network = observation, self._network
        gain = own_gain(seen)
        self._slots += 1
        self._gain = self._gain + (gain - self._gain) / self._slots
        self._arrived = self._arrived + seen.arrived_bits
        lengths = stretches(self._horizon(seen))
        station_g, device_g = self._intensities(seen, lengths)
        wanted = self._wanted(seen, gain, station_g, device_g, lengths)
        if (program := self._programs.get(len(lengths))) is None:
            program = LookaheadProgram(network.devices, network.stations, lengths)
            self._programs[len(lengths)] = program
        local, sent = np.zeros(network.device_shape), np.zeros(network.device_shape)
        failed = np.zeros(network.replications)
        for r, one in enumerate(wanted):
            if not seen.queue_bits[r].any():
                continue
            plan, radio, found = program.solve(one)
            failed[r] = not found
            local[r], sent[r] = self._now(one, plan, radio, seen.pressing_bits[r])
        return serve(network, seen, local, sent, {"failed_solves": failed})

    def _horizon(self, seen: GreenObservation) -> int:
        """Slots: the forecast's, or without one up to the longest deadline."""
        leads = int(seen.forecast_g_per_j.shape[2])
        if leads == 0:
            return int(seen.due_bits.shape[2])
        return max(round(leads * seen.forecast_step_s / self._network.slot_s), 1)

    def _intensities(
        self, seen: GreenObservation, lengths: list[int]
    ) -> tuple[FloatArray, FloatArray]:
        """(R, N, H) g/J at stations and devices, means over stretches."""
        station = stretch_forecast(seen, self._network.slot_s, lengths)
        at_station = seen.cells.at_station(seen.carbon_g_per_j)
        own = seen.device_carbon_g_per_j
        return station, np.where((own == at_station)[..., None], station, own[..., None])

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
        there = seen.cells.present
        own_most = np.where(there, network.device_service_bits, 0.0)[..., None] * slots
        due = np.minimum(seen.due_bits.cumsum(axis=2), seen.queue_bits[..., None])
        # What has more time than the horizon leaves within it all the same: who rolls on must not wait for ever.
        by_end = due[..., np.minimum(ends, due.shape[2]) - 1]
        by_end[..., -1] = seen.queue_bits * there
        coming, coming_due = self._coming(seen, ends)
        return [
            Wanted(
                cubed * device_g[r] / slots**2,
                sent_cost[r],
                own_most[r],
                most[r] * slots,
                np.where(there[r][:, None], by_end[r], 0.0),
                seen.queue_bits[r],
                coming[r],
                coming_due[r],
                seen.cells.station[r],
            )
            for r in range(network.replications)
        ]

    def _coming(self, seen: GreenObservation, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(R, N, H) bits that will have come, and those of them that have to have left, by ends of stretches."""
        count, all_mean = self._slots, self._arrived.mean(axis=1, keepdims=True)
        mean = (self._arrived + KNOWN_SLOTS * all_mean / count) / (count + KNOWN_SLOTS)
        mean = np.where(seen.cells.present & self._expect, mean, 0.0)[..., None]
        due = np.zeros(len(ends))
        for one in self._classes:
            # Come in the middle of a slot in the mean, gone in time to be sent.
            wait = one.deadline_s / self._network.slot_s - 1.5
            due += one.share * np.maximum(ends - np.maximum(wait, 1.0), 0.0)
        return mean * (ends - 1.0), mean * np.minimum(due, ends - 1.0)

    def _now(
        self, one: Wanted, local: FloatArray, radio: FloatArray, pressing: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """(N,) bits executed and sent now, of a plan of (N, H).

        At each station one device sends, that which has most of it to send; and all who have to.
        """
        now, a = one.sent_cost[:, :1], one.local_cost[:, 0]
        near = np.logical_and.accumulate(one.sent_cost * HARDLY_GREENER >= now, axis=1)
        bits = np.where(near, radio, 0.0).sum(axis=1)
        bits = np.where(radio[:, 0] > 1e-3 * bits, np.minimum(bits, one.sent_most[:, 0]), 0.0)
        # A CPU does what costs it no more at the margin than a radio whose station two share.
        dear = 2.0 * np.minimum(now[:, 0], 1e200)
        least = np.sqrt(np.divide(dear, 3.0 * a, out=np.full(len(a), np.inf), where=a > 0.0))
        most = one.local_most[:, 0]
        own = np.maximum(local[:, 0], np.minimum(pressing, np.minimum(least, most)))
        must = np.minimum(np.maximum(pressing - own, 0.0), one.sent_most[:, 0])
        own = np.maximum(own, np.minimum(pressing - must, most))
        sent = must.copy()
        for station in np.unique(one.station):
            of = np.flatnonzero(one.station == station)
            if not (must[of] > 0.0).any():
                best = of[np.argmax(bits[of])]
                sent[best] = bits[best]
                own[best] = max(local[best, 0], min(pressing[best] - bits[best], most[best]))
            else:
                best = of[np.argmax(must[of])]
                sent[best] = max(sent[best], bits[best])
        return np.minimum(own, one.queue), np.minimum(sent, one.queue)


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
