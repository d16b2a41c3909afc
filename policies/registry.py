"""The policies by name, and how a scenario's [policy] section becomes one."""

from ..scenarios.components import configure, resolve
from ..scenarios.schema import Scenario
from .base import Policy

POLICIES = {
    "lyapunov": "edgesim.policies.lyapunov:Lyapunov",
    "local": "edgesim.policies.local:Local",
    "offload-all": "edgesim.policies.offload_all:OffloadAll",
    "random": "edgesim.policies.random:Random",
    "epr": "edgesim.policies.epr:EqualRates",
    "epr-ep": "edgesim.policies.epr:EqualRatesEqualPower",
}


def make_policy(scenario: Scenario) -> Policy:
    """The policy that the scenario names, with its keys.

    Raises:
        ScenarioError: unknown name or key, or a value that the policy does not take.
    """
    section = scenario.policy
    policy: Policy = configure(
        resolve(
            section.name,
            "policies",
            POLICIES,
            source=scenario.source,
            folders=scenario.folders,
        ),
        section.options,
        "policy",
        source=scenario.source,
    )
    return policy


def descriptions() -> list[tuple[str, str]]:
    """Each policy's name, and the first line of its docstring."""
    classes = {name: resolve(name, "policies", POLICIES) for name in POLICIES}
    return [(name, (cls.__doc__ or "").partition("\n")[0]) for name, cls in classes.items()]
