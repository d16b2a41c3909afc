"""The task problem, C(10): the least worst-case emission."""

from dataclasses import dataclass

from .network import TaskNetwork


@dataclass(frozen=True)
class WorstCaseEmission:
    """C(10) of paper C: the least worst-case emission within the network's limits.

    Attributes:
        network: capacities and limits.
        panels: whether its station has panels, so that it emits less than by the grid's intensity, by which is decided.
    """

    network: TaskNetwork
    panels: bool = False
