"""Bits that are pressing: whoever minimises P2 decides once more where the first decision leaves some."""

from collections.abc import Callable

from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty


def with_pressing(
    problem: DriftPlusPenalty,
    observation: Observation,
    decide: Callable[[Observation], Decision],
) -> Decision:
    """A decision on P2, piecewise in Psi_i by `DriftPlusPenalty.with_pressing`: at most two.

    Args:
        problem: P2.
        observation: of the slot.
        decide: minimises P2 as if no bits were pressing.
    """
    decision = decide(observation)
    left = problem.with_pressing(observation, decision)
    return decision if left is None else decide(left)
