"""Which stations sleep: what one saves asleep, in P2's own measure, against what its devices lose.

Ours, on paper A's network, in which no station sleeps; those awake decide by P2, A(20).
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from ...scenarios.units import Count
from ...simulator.core.arrays import BoolArray, FloatArray, IntArray
from ...simulator.core.randomness import Generators
from ...simulator.models.association import nearest
from ...simulator.models.station_power import StationsSeen
from ...simulator.network.cells import Cells
from ...simulator.network.network import Network
from ...simulator.network.topology import distances_m
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_problem import GreenProblem
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .lyapunov import Lyapunov


class Consolidate:
    """Drift plus penalty as `lyapunov`, and stations sleep where P2 with their idle energy is the less.

    In each slot one SBS that may sleep is looked at, in turn: P2 is solved as if it were closed, and as if
    it were open, with devices at the nearest open station that covers them. The difference of the two
    values, bit^2 per slot, is what its devices lose asleep. It saves V' (P_idle - P_sleep) tau, V' in
    bit^2 per joule of its electricity; waking energy is spread over the slots until it is looked at so
    often again. After `trials` looks the means are compared, and it is put to sleep or woken. One that
    saves nothing asleep stays awake, and nothing is decided where no station may sleep.

    Args:
        trials: looks at a station from one decision about it to the next.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_awake", "_gain", "_looks", "_slot")

    def __init__(self, trials: Count = 10) -> None:
        self._trials = trials
        self._lyapunov = Lyapunov()

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """All are awake."""
        self._network, self._problem = network, problem
        self._lyapunov.reset(network, problem, rngs)
        self._awake: BoolArray = np.ones(network.station_shape, np.bool_)
        self._gain = np.zeros(network.station_shape)
        self._looks: IntArray = np.zeros(network.station_shape, np.int64)
        self._slot = 0

    def decide(self, observation: Observation) -> Decision:
        """Algorithm 1 for who is where now, and which stations are to be awake."""
        decision = self._lyapunov.decide(observation)
        power = observation.power
        if power is None or power.sleep is None:
            return decision
        at_turn = np.flatnonzero(power.sleep.may & (power.law.idle_w > power.law.sleep_w))
        if at_turn.size:
            self._look(observation, power, int(at_turn[self._slot % at_turn.size]), at_turn.size)
        self._slot += 1
        return replace(decision, awake=self._awake)

    def _look(self, seen: Observation, power: StationsSeen, j: int, turns: int) -> None:
        """What station j saves asleep, less what its devices lose; it is decided if that is known."""
        without, beside = power.open.copy(), power.open.copy()
        without[:, j], beside[:, j] = False, True
        lost = self._value(seen, power, without) - self._value(seen, power, beside)
        law, sleep = power.law, power.sleep
        assert sleep is not None
        joule = self._joule_cost(seen)[:, j]
        slots = self._trials * turns
        saved = joule * (law.idle_w[j] - law.sleep_w[j]) * self._network.slot_s
        # Who is awake has to save the wake-up, too, before it sleeps; who sleeps, has to be worth it.
        wake = np.where(self._awake[:, j], -1.0, 1.0) * joule * sleep.wake_j / slots
        gain, looks, awake = self._gain.copy(), self._looks.copy(), self._awake.copy()
        gain[:, j] += saved + wake - lost
        looks[:, j] += 1
        known = looks[:, j] >= self._trials
        awake[:, j] = np.where(known, gain[:, j] <= 0.0, awake[:, j])
        gain[:, j] = np.where(known, 0.0, gain[:, j])
        looks[:, j] = np.where(known, 0, looks[:, j])
        self._gain, self._looks, self._awake = gain, looks, awake

    def _value(self, seen: Observation, power: StationsSeen, is_open: BoolArray) -> FloatArray:
        """(R,) P2's value with the devices at the nearest stations that are open and cover them."""
        distance_m = distances_m(seen.position_m, power.position_m)
        distance_m = np.where(is_open[:, None, :], distance_m, np.inf)
        station = nearest(distance_m, power.coverage_m)
        cells = Cells(station, self._network.stations, seen.cells.present)
        there = replace(seen, cells=cells)
        return self._problem.value(there, self._lyapunov.decide(there))

    def _joule_cost(self, seen: Observation) -> FloatArray:
        """(R, B) what P2 counts for a joule that a station draws, bit^2."""
        if isinstance(self._problem, GreenProblem):
            return self._problem.joule_costs(seen)[1]
        return np.full(self._network.station_shape, self._problem.V)
