"""What a policy is: one verb, `decide`, on what the twin shows."""

from typing import Protocol

from ..simulator.decision import Decision
from ..simulator.network import Network
from ..simulator.observation import Observation
from ..simulator.problem import DriftPlusPenalty
from ..simulator.randomness import Generators


class Policy(Protocol):
    """A policy's constructor takes its keys of the scenario's [policy] section as keyword arguments.

    It sees the network only through `Observation`, and answers with a `Decision` for all R
    replications at once.
    """

    def reset(self, network: Network, problem: DriftPlusPenalty, rngs: Generators) -> None:
        """Get ready for a run of this network; `rngs` is its own stream, one per replication."""

    def decide(self, observation: Observation) -> Decision:
        """The resources of the slot that begins now. Its arrays must not be changed later."""
