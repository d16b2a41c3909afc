"""What learners see of a network, and what their actions mean: the words that all encodings share.

Features are columns (R, N, F) on fixed scales, so that nothing has to be estimated or stored: logarithms
of quantities that span orders of magnitude, centred on the network's own constants and cut at
`FEATURE_MAX`; all zero for a device that is absent. A station's quantities are given to each of its devices. Actions are columns (R, N, A) in
[-1, 1], all of which the network can carry out.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.problem import WorstCaseEmission

FEATURE_MAX = 5.0
"""Features lie in [-FEATURE_MAX, FEATURE_MAX]."""

AnyProblem = DriftPlusPenalty | WorstCaseEmission

Features = NDArray[np.float32]
"""(R, N, F) in [-FEATURE_MAX, FEATURE_MAX]."""


class Encoding(Protocol):
    """Of a problem: features from its observations, decisions from actions.

    Attributes:
        feature_count: F.
        action_count: A.
        version: of what features and actions mean; another one is another environment.
    """

    feature_count: int
    action_count: int
    version: int = 1

    def features(self, observation: Any) -> Features:
        """(R, N, F) in [-5, 5]."""

    def decision(self, action: NDArray[np.floating], observation: Any) -> Any:
        """The decision that an (R, N, A) action in [-1, 1] stands for; beyond, it is cut.

        Raises:
            ValueError: a wrong shape, or NaN.
        """


def numbers_of(action: NDArray[np.floating], shape: tuple[int, ...]) -> FloatArray:
    """(A, R, N) in [-1, 1].

    Raises:
        ValueError: a wrong shape, or NaN.
    """
    heads = np.asarray(action, dtype=np.float64)
    if heads.shape != shape:
        raise ValueError(f"action of shape {heads.shape}, expected {shape}")
    if np.isnan(heads).any():
        raise ValueError("action has NaN")
    return np.ascontiguousarray(np.moveaxis(np.clip(heads, -1.0, 1.0), 2, 0))


def log10_of(x: FloatArray) -> FloatArray:
    """(…,) decades; of zero, far below any other."""
    return np.log10(np.maximum(x, 1e-30))


def share_of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """(…,) of a part in a whole; zero where there is no whole."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    share: FloatArray = np.divide(part, whole, out=np.zeros(shape), where=whole > 0.0)
    return share


def cut(columns: FloatArray) -> Features:
    """(R, N, F) features, cut to [-FEATURE_MAX, FEATURE_MAX]."""
    return np.clip(columns, -FEATURE_MAX, FEATURE_MAX).astype(np.float32, order="C")
