"""Of several decisions the one with the least of P2."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....simulator.stream.decision import Decision
from ....simulator.stream.observation import Observation
from ....simulator.stream.problem import DriftPlusPenalty

_COLUMNS = ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits")


def least(
    problem: DriftPlusPenalty, observation: Observation, decisions: Sequence[Decision]
) -> Decision:
    """In each replication that of the least value, of equals the first; with the diagnostics of the first."""
    best, *others = decisions
    for other in others:
        less = problem.value(observation, other) < problem.value(observation, best)
        best = replace(
            best,
            **{
                name: np.where(less[:, None], getattr(other, name), getattr(best, name))
                for name in _COLUMNS
            },
        )
    return best
