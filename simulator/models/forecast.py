"""Forecasts of carbon intensity: issued from time to time, and wrong by more the further they look."""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import FloatArray, read_only
from ..core.clock import NANOSECONDS
from ..core.elementary import exp
from ..core.randomness import Generators, standard_normal
from .carbon import CarbonIntensity


@dataclass(frozen=True)
class Forecast:
    """One issue.

    Attributes:
        issued_ns: when; its first value holds from then on.
        g_per_j: (R, B, H) means over its steps.
    """

    issued_ns: int
    g_per_j: FloatArray


class Forecasts:
    """The forecast that is the newest at a time, at each station.

    Recorded ones are replayed, whenever they are issued. Else a value differs from what will be by
    sigma_j times the sum over k < h of rho^k w(s - k), with w white noise of a station and each step s
    of time, and h the steps from the issue to the value: what a forecast of an autoregressive process of
    variance sigma_j^2 / (1 - rho^2) is wrong by. Nothing below zero is forecast.

    Args:
        coming: what will be, at B stations, up to a horizon beyond the run's end.
        replayed: recorded forecasts; None if they are made.
        step_s: of the values.
        period_s: between issues, whole steps.
        leads: H, values of an issue.
        error: standard deviation far ahead, as a share of each station's mean over all that comes.
        memory_s: in which correlation falls to 1/e.
        end_s: of the run.
        rngs: one per replication; not drawn from for replayed ones.
    """

    def __init__(
        self,
        coming: CarbonIntensity,
        replayed: CarbonIntensity | None,
        *,
        step_s: float,
        period_s: float,
        leads: int,
        error: float,
        memory_s: float,
        end_s: float,
        rngs: Generators,
    ) -> None:
        self.step_s = step_s
        self._step_ns = round(step_s * NANOSECONDS)
        self._steps_apart = round(period_s / step_s)
        self._leads = leads
        last_ns = round(end_s * NANOSECONDS)
        # The last issue is at or before the run's end.
        steps = last_ns // self._step_ns + leads
        of = coming if replayed is None else replayed
        mean = np.stack([of.mean(s * self._step_ns, (s + 1) * self._step_ns) for s in range(steps)])
        self._mean_g_per_j = mean.T
        self._rho = float(exp(-step_s / memory_s))
        shape = (len(rngs), mean.shape[1], steps)
        self._noise_g_per_j = np.zeros(shape)
        if replayed is None and error > 0.0:
            far = error * mean.mean(axis=0) * np.sqrt(1.0 - self._rho * self._rho)
            drawn = np.stack([standard_normal(rng, (steps, mean.shape[1])) for rng in rngs])
            self._noise_g_per_j = (drawn * far).transpose(0, 2, 1)
        self._known = self._issue(0)

    def at(self, now_ns: int) -> Forecast:
        """The newest at a time of the run."""
        number = now_ns // self._step_ns // self._steps_apart
        if self._known.issued_ns != number * self._steps_apart * self._step_ns:
            self._known = self._issue(number)
        return self._known

    def _issue(self, number: int) -> Forecast:
        first = number * self._steps_apart
        ahead = slice(first, first + self._leads)
        wrong = self._noise_g_per_j[..., ahead].copy()
        for lead in range(1, self._leads):
            wrong[..., lead] += self._rho * wrong[..., lead - 1]
        values = np.maximum(self._mean_g_per_j[:, ahead] + wrong, 0.0)
        return Forecast(first * self._step_ns, read_only(values))
