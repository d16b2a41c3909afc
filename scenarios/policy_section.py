"""The section [policy] of a scenario file: who decides, and the weights of the problem."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from .base import ModelSection
from .units import Number

USUAL_V = {"energy": 1e13, "carbon": 2e17}
"""V, by the penalty."""


class PolicySection(ModelSection):
    """Who decides, and the weights of the problem. Further keys are the policy's."""

    name: str = Field(default="lyapunov", description="policy")
    penalty: Literal["energy", "carbon"] = Field(
        default="energy",
        description="what P2 weighs against the queues: energy, A(20), or emission, which moves bits to "
        "green hours and stations; in the stream problem only",
    )
    V: Number = Field(
        default=1e13,
        gt=0,
        description='weight of the energy in P2, bit^2/J; with penalty = "carbon" of the emission, '
        "bit^2/g, and 2e17 if not given, which is as much at 180 g/kWh",
    )
    perturbation: Literal["observed", "local", "none"] = Field(
        default="observed", description="how Psi_max of A(19) is read"
    )

    @model_validator(mode="after")
    def _of_emission(self) -> "PolicySection":
        if "V" not in self.model_fields_set:
            self.__dict__["V"] = USUAL_V[self.penalty]
        return self


OBJECTIVE_KEYS = ("penalty", "V", "perturbation")
"""The keys of [policy] that belong to the problem: P2's objective has them, under any policy."""


def without_usual_weight(policy: dict[str, Any]) -> None:
    """Take V out of a [policy] table that has all defaults, where it is one: another penalty has another."""
    if policy.get("V") == USUAL_V.get(policy.get("penalty", "energy")):
        policy.pop("V", None)


def objective_keys(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a [policy] table's keys that belong to the problem, and stay under another policy."""
    given = {key: policy[key] for key in OBJECTIVE_KEYS if key in policy}
    if given.get("penalty") == "energy":  # as in traces of versions without the key
        del given["penalty"]
    return given
