"""The task problem: C(10), the least worst-case emission."""

from dataclasses import dataclass

from .network import CarbonAwareNetwork


@dataclass(frozen=True)
class WorstCaseEmission:
    """C(10): the least worst-case emission under the network's limits.

    Attributes:
        network: capacities and limits.
    """

    network: CarbonAwareNetwork
