"""Bits that are pressing: whoever minimises P2 decides once more where the first decision leaves some."""

from collections.abc import Callable, Sequence

from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .p2.least import least


def with_pressing(
    problem: DriftPlusPenalty,
    observation: Observation,
    decide: Callable[[Observation], Decision],
    others: Callable[[], Sequence[Decision]] = tuple,
) -> Decision:
    """A decision on P2, piecewise in Psi_i by `DriftPlusPenalty.with_pressing`: at most two, and the better one.

    Who is shown its pressing bits alone may be given of the radio what others made more of.

    Args:
        problem: P2.
        observation: of the slot.
        decide: minimises P2 as if no bits were pressing.
        others: decisions that are taken where they have less of P2; asked for only where bits are pressing.
    """
    decision = decide(observation)
    left = problem.with_pressing(observation, decision)
    if left is None:
        return decision
    return least(problem, observation, [decision, decide(left), *others()])
