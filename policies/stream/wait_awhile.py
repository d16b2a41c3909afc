"""Thresholds on a forecast, after Wiesner et al., "Let's Wait Awhile", Middleware 2021.

Theirs are jobs with a deadline on one machine, run in the greenest slots of a forecast up to it, each by itself or
in one piece. Here a device's bits are the job. Theirs need a given time on a given machine; bits may be executed the
more slowly, at the less energy, the more slots they have, so the time that they take is a key.
"""

from typing import ClassVar

import numpy as np

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.randomness import Generators
from ...simulator.models.carbon import LEAST_G_PER_J
from ...simulator.network.network import Network
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_observation import GreenObservation
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .lookahead import horizon_slots, slot_forecast
from .targets import (
    check_deadlines,
    edge_j,
    least_sent_j,
    leaving_bits,
    most_sent_bits,
    own_gain,
    serve,
)

_EQUAL = 1e-9
"""Slots are equally green whose forecasts differ by so little of themselves, which rounding decides."""


class WaitAwhile:
    """Bits leave in the greenest slots of the forecast up to their deadlines, evenly over these.

    What has more time than the forecast, or no deadline, has until the forecast's end.

    Args:
        share: of the slots up to a deadline, those in which bits leave. With 0.5 they leave while the
            intensity is below the median of the forecast up to the deadline.
        interruptible: in the greenest slots, "Interrupting" of the paper. If not, a device begins
            when the greenest such piece of the forecast begins, and then goes on until its queue is
            empty, "Non-Interrupting".

    Raises:
        ValueError: a share of nothing, or of more than all.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_serving",)

    def __init__(self, share: float = 0.5, interruptible: bool = True) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share = {share:g}; allowed: above 0, up to 1")
        self._share, self._interruptible = share, interruptible

    def check(self, network: Network, problem: DriftPlusPenalty) -> None:
        """Refuse a problem without deadlines or intensities.

        Raises:
            ValueError: it is one.
        """
        check_deadlines("wait-awhile", problem)

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Nobody serves yet.

        Raises:
            ValueError: as `check`.
        """
        check_deadlines("wait-awhile", problem).ask_due_bits()
        self._network = network
        self._serving = np.zeros(network.device_shape, np.bool_)

    def decide(self, observation: Observation) -> Decision:
        """What leaves now, executed where that emits less; what that cannot do, the other does."""
        assert isinstance(observation, GreenObservation)
        seen, network = observation, self._network
        gain, cells = own_gain(seen), seen.cells
        leaving = leaving_bits(seen, horizon_slots(seen, network.slot_s))
        slots = leaving.shape[2]
        due = np.minimum(leaving.cumsum(axis=2), seen.queue_bits[..., None])
        pieces = np.ceil(self._share * np.arange(1, slots + 1))
        forecast = slot_forecast(seen, network.slot_s, slots)
        leaves = (due / pieces).max(axis=2)
        if self._interruptible:
            greener = (forecast < forecast[..., :1] * (1.0 - _EQUAL)).cumsum(axis=2)
            leaves = np.where(greener < pieces, due / pieces, 0.0).max(axis=2)
        else:
            self._serving = (seen.queue_bits > 0.0) & (
                self._serving | self._begins(leaving, forecast)
            )
            leaves = np.where(self._serving, leaves, 0.0)
        leaves = np.maximum(leaves, seen.pressing_bits)
        most = most_sent_bits(network, seen, gain)
        members = np.maximum(cells.at_station(cells.members.astype(np.float64)), 1.0)
        sent_j = np.minimum(least_sent_j(network, seen, gain), 1e300)
        hertz = np.minimum(leaves, network.device_service_bits) * (
            network.cycles_per_bit / network.slot_s
        )
        own_j = network.varsigma * network.cycles_per_bit * hertz * hertz
        edge_g = cells.at_station(seen.carbon_g_per_j) * edge_j(network, seen) * members
        device_g = np.maximum(seen.device_carbon_g_per_j, LEAST_G_PER_J)
        sends = (most > 0.0) & (device_g * sent_j + edge_g < device_g * own_j)
        room = np.where(sends, most / members, network.device_service_bits)
        first = np.minimum(leaves, room)
        rest = leaves - first
        local = np.where(sends, np.minimum(rest, network.device_service_bits), first)
        return serve(network, seen, local, np.where(sends, first, np.minimum(rest, most)))

    def _begins(self, bits: FloatArray, forecast: FloatArray) -> BoolArray:
        """(R, N) whether the greenest piece of the forecast begins now, or the last that is in time.

        Args:
            bits: (R, N, H), `leaving_bits`.
            forecast: (R, N, H) of the slots, g/J.
        """
        slots = forecast.shape[2]
        total = np.maximum(bits.sum(axis=2), 1.0)
        left = (bits * np.arange(1, slots + 1)).sum(axis=2) / total
        length = np.clip(np.ceil(self._share * left), 1, slots).astype(int)[..., None]
        sums = np.concatenate([np.zeros((*left.shape, 1)), forecast.cumsum(axis=2)], axis=2)
        begin = np.arange(slots)
        end = np.minimum(begin + length, slots)
        piece = (np.take_along_axis(sums, end, axis=2) - sums[..., :-1]) / (end - begin)
        latest = np.maximum(np.round(left)[..., None] - length, 0.0)
        least = np.where(begin <= latest, piece, np.inf).min(axis=2)
        found: BoolArray = piece[..., 0] <= least * (1.0 + _EQUAL)
        return found
