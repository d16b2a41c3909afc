"""The yardstick: who knows all that comes, and how little could be emitted at all.

Ours, on paper A's network.
"""

from typing import ClassVar

import numpy as np

from ...simulator.core.randomness import Generators
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_observation import GreenObservation
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .clairvoyant_program import instance_of, least_emission, plan, without_late
from .targets import check_foreseen, most_sent_bits, own_gain, serve, without


class Clairvoyant:
    """Knows all tasks, channels and intensities of the run beforehand, and plans it by a linear program.

    Its lower bound, of a slot in the mean, is what no policy goes below that has all in time that is due
    within the run; it is NaN where some task cannot be. The plan is the program's, one device at a
    station a slot, of the tasks for which a run has whole slots enough; `optimality_gap` is its own where
    these are all. By what is accounted, not by a signal. For small networks.
    """

    remembers: ClassVar[tuple[str, ...]] = ()

    def check(self, network: Network, problem: DriftPlusPenalty) -> None:
        """Refuse a problem without deadlines or intensities, and one where its bound would be none.

        Raises:
            ValueError: it is one.
        """
        if keys := check_foreseen("clairvoyant", problem).unbounded:
            raise ValueError(
                "clairvoyant: its bound takes every bit to cost what is known beforehand; allowed: "
                f"{without(keys)}"
            )

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Look ahead, and plan.

        Raises:
            ValueError: as `check`; or the run is too large, or what comes depends on what is decided.
        """
        self.check(network, problem)
        problem = check_foreseen("clairvoyant", problem)
        if problem.foresee is None:
            raise ValueError("clairvoyant: nobody knows what will happen here")
        path = problem.foresee()
        self._network = network
        slots = len(path.gain)
        shape = (slots, network.replications, network.devices)
        self._local, self._sent = np.zeros(shape), np.zeros(shape)
        self._bound_mg = np.full(network.replications, np.nan)
        self._gap = np.full(network.replications, np.nan)
        for r in range(network.replications):
            instance = instance_of(network, path, r)
            optimum = least_emission(instance)
            whole = None if optimum is None else plan(instance)
            found = whole or plan(without_late(instance))
            if found is not None:
                self._local[:, r], self._sent[:, r] = found.local_bits, found.sent_bits
            if optimum is None:
                continue
            self._bound_mg[r] = 1e3 * optimum.bound_g / slots
            if whole is not None:
                self._gap[r] = max(whole.value_g / max(optimum.bound_g, 1e-300) - 1.0, 0.0)

    def decide(self, observation: Observation) -> Decision:
        """What is planned for the slot, and what has to leave."""
        assert isinstance(observation, GreenObservation)
        seen, network = observation, self._network
        local, sent = self._local[seen.slot], self._sent[seen.slot]
        short = np.maximum(seen.pressing_bits - local - sent, 0.0)
        room = np.maximum(network.device_service_bits - local, 0.0)
        local = local + np.minimum(short, room)
        sent = sent + np.maximum(short - room, 0.0)
        sent = np.minimum(sent, most_sent_bits(network, seen, own_gain(seen)))
        told = {"lower_bound_mg": self._bound_mg, "optimality_gap": self._gap}
        return serve(network, seen, local, sent, told)
