"""What modulation and coding make of a link: Shannon's efficiency, capped or in the steps of a CQI table.

Shannon's log2(1 + SINR) has no end; a real link ends where its densest constellation does. A cap is that
end: min(log2(1 + SINR), cap). A CQI table of 3GPP TS 38.214 (clause 5.2.2.1) has steps too: a link carries
the greatest efficiency of the table that is not above Shannon's, and nothing below the first. That is the
most that any code of these efficiencies could do; real ones need some 1 to 3 dB more, which a
`channel.noise_figure` may stand for.
"""

from typing import NamedTuple

import numpy as np

from ..core.arrays import FloatArray
from ..core.compiled import compiled_in_place

_SLACK = 1.0 + 1e-9
"""A step counts as reached, relative: powers that are to reach it just do, but for rounding."""

_QPSK, _QAM16, _QAM64, _QAM256, _QAM1024 = 2, 4, 6, 8, 10
"""Bits of a symbol."""

_CODE_RATES = {
    "cqi-table-1": {
        _QPSK: (78, 120, 193, 308, 449, 602),
        _QAM16: (378, 490, 616),
        _QAM64: (466, 567, 666, 772, 873, 948),
    },
    "cqi-table-2": {
        _QPSK: (78, 193, 449),
        _QAM16: (378, 490, 616),
        _QAM64: (466, 567, 666, 772, 873),
        _QAM256: (711, 797, 885, 948),
    },
    "cqi-table-3": {
        _QPSK: (30, 50, 78, 120, 193, 308, 449, 602),
        _QAM16: (378, 490, 616),
        _QAM64: (466, 567, 666, 772),
    },
    "cqi-table-4": {
        _QPSK: (78, 193, 449),
        _QAM16: (378, 616),
        _QAM64: (567, 666, 772, 873),
        _QAM256: (711, 797, 885, 948),
        _QAM1024: (853, 948),
    },
}
"""TS 38.214, Tables 5.2.2.1-2 to 5.2.2.1-5: code rates times 1024 of CQI 1 to 15, by modulation."""


class SpectralEfficiency(NamedTuple):
    """The efficiencies that links reach, in one unit: bit/s/Hz, or nats.

    Attributes:
        cap: the greatest; infinite by Shannon's formula alone.
        steps: (K,) all there are, ascending, up to the cap; empty where there are no steps.
    """

    cap: float
    steps: FloatArray

    def scaled(self, factor: float) -> "SpectralEfficiency":
        """In another unit."""
        return SpectralEfficiency(self.cap * factor, self.steps * factor)

    def without_steps(self) -> "SpectralEfficiency":
        """The cap alone, which is nowhere less: a link by it carries at least as much."""
        return SpectralEfficiency(self.cap, self.steps[:0])

    @property
    def is_shannon(self) -> bool:
        """Whether there is no cap."""
        return self.cap == np.inf


SHANNON = SpectralEfficiency(np.inf, np.zeros(0))


def spectral_efficiency(key: float | str) -> SpectralEfficiency:
    """Of a scenario's key: "shannon", a cap in bit/s/Hz, or the name of a CQI table; in bit/s/Hz."""
    if isinstance(key, str):
        if key == "shannon":
            return SHANNON
        steps = [bits * rate / 1024 for bits, row in _CODE_RATES[key].items() for rate in row]
        return SpectralEfficiency(steps[-1], np.array(steps))
    return SpectralEfficiency(float(key), np.zeros(0))


@compiled_in_place
def carried(limit: SpectralEfficiency, efficiency: float) -> float:
    """What a link carries whose Shannon efficiency is given.

    Args:
        limit: the efficiencies that links reach.
        efficiency: log(1 + SINR), in the unit of the limit.
    """
    if len(limit.steps) == 0:
        return min(efficiency, limit.cap)
    reached = 0.0
    for step in limit.steps:
        if step > efficiency * _SLACK:
            break
        reached = step
    return reached


@compiled_in_place
def to_carry(limit: SpectralEfficiency, efficiency: float) -> float:
    """The least Shannon efficiency that carries what is asked for; the cap where nothing does.

    Args:
        limit: the efficiencies that links reach.
        efficiency: asked for, in the unit of the limit.
    """
    if len(limit.steps) == 0 or efficiency <= 0.0:
        return min(efficiency, limit.cap)
    for step in limit.steps:
        if step * _SLACK >= efficiency:
            return float(step)
    return limit.cap


def carried_each(limit: SpectralEfficiency, efficiency: FloatArray) -> FloatArray:
    """`carried` of any shape."""
    if limit.is_shannon:
        return efficiency
    if len(limit.steps) == 0:
        return np.minimum(efficiency, limit.cap)
    steps = np.append(0.0, limit.steps)
    return steps[np.searchsorted(limit.steps, efficiency * _SLACK, side="right")]


def to_carry_each(limit: SpectralEfficiency, efficiency: FloatArray) -> FloatArray:
    """`to_carry` of any shape."""
    if limit.is_shannon:
        return efficiency
    if len(limit.steps) == 0:
        return np.minimum(efficiency, limit.cap)
    place = np.searchsorted(limit.steps * _SLACK, efficiency, side="left")
    step = limit.steps[np.minimum(place, len(limit.steps) - 1)]
    return np.where(efficiency > 0.0, step, efficiency)
