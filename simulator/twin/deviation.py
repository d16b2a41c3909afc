"""Deviation of the twin's processing rates from the real ones: fhat of C(4), C(5)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.arrays import FloatArray
from ..core.randomness import Generators, standard_normal_each


@dataclass(frozen=True)
class Deviation:
    """The twin believes f; the CPU really runs at f (1 + relative) + bias + noise, never below zero.

    Attributes:
        bias_hz: constant.
        relative: share of f.
        noise_hz: standard deviation of a normal term, drawn anew for each device and slot.
        rngs: its stream, one generator per replication.
    """

    remembers: ClassVar[tuple[str, ...]] = ("rngs",)

    bias_hz: float
    relative: float
    noise_hz: float
    rngs: Generators

    @property
    def is_zero(self) -> bool:
        """True if the twin is right."""
        return self.bias_hz == 0.0 and self.relative == 0.0 and self.noise_hz == 0.0

    def real_hz(self, believed_hz: FloatArray) -> FloatArray:
        """(R, N) the rates that really happen; a CPU that is not used stays unused."""
        if self.is_zero:
            return believed_hz
        offset = np.full(believed_hz.shape, self.bias_hz)
        if self.noise_hz > 0.0:
            draws = standard_normal_each(self.rngs, believed_hz.shape[1:])
            offset = offset + self.noise_hz * draws
        real = np.maximum(believed_hz * (1.0 + self.relative) + offset, 0.0)
        return np.where(believed_hz > 0.0, real, 0.0)
