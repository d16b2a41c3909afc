"""What a policy is: one verb, `decide`, on what the twin shows."""

from typing import Any, Protocol, TypeAlias

from ..simulator.core.randomness import Generators


class Policy(Protocol):
    """A policy's constructor takes its keys of the scenario's [policy] section as keyword arguments.

    It answers for all R replications at once. What it is given and answers depends on the problem:

    - drift-plus-penalty: `Network`, `DriftPlusPenalty`; `Observation` -> `Decision`
    - worst-case-emission: `TaskNetwork`, `WorstCaseEmission`; `TaskObservation` ->
      `TaskDecision`

    What it knows between two slots is saved with a run as data (simulator/core/saved_state.py): its
    attributes, or what `state_dict()` gives and `load_state_dict(state)` takes over after `reset`.

    Where it cannot do a network or problem, a method `check(network, problem)` may say so by a
    `ValueError`, whose message is told before the run begins.
    """

    def reset(self, network: Any, problem: Any, rngs: Generators) -> None:
        """Get ready for a run of this network; `rngs` is its own stream, one per replication."""

    def decide(self, observation: Any) -> Any:
        """The resources of the slot that begins now. Its arrays must not be changed later."""


AnyPolicy: TypeAlias = str | type[Policy] | Policy
"""A name or "module:Class", as scenarios have it, or a class or an object of the caller's own."""
