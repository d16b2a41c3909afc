"""The policies by name, and how a scenario's [policy] section becomes one."""

from ..scenarios.components import configure, resolve
from ..scenarios.schema import Scenario
from .base import Policy

POLICIES = {
    "drift-plus-penalty": {
        "lyapunov": f"{__package__}.stream.lyapunov:Lyapunov",
        "local": f"{__package__}.local:Local",
        "offload-all": f"{__package__}.offload_all:OffloadAll",
        "random": f"{__package__}.random:Random",
        "epr": f"{__package__}.epr:EqualRates",
        "epr-ep": f"{__package__}.epr:EqualRatesEqualPower",
        "sca": f"{__package__}.stream.sca:ScaStream",
        "exact": f"{__package__}.stream.exact:MultiStart",
        "ddpg": f"{__package__}.learning.ddpg:Ddpg",
        "aac": f"{__package__}.learning.aac:Aac",
        "dqn": f"{__package__}.learning.dqn:Dqn",
    },
    "worst-case-emission": {
        "lyapunov": f"{__package__}.tasks.lyapunov:LyapunovTasks",
        "local": f"{__package__}.local:LocalTasks",
        "offload-all": f"{__package__}.offload_all:OffloadAllTasks",
        "random": f"{__package__}.random:RandomTasks",
        "epr": f"{__package__}.epr:EqualRatesTasks",
        "epr-ep": f"{__package__}.epr:EqualRatesEqualPowerTasks",
        "sca": f"{__package__}.tasks.sca:Sca",
        "exact": f"{__package__}.tasks.exact:Exact",
        "ddpg": f"{__package__}.learning.ddpg:Ddpg",
        "aac": f"{__package__}.learning.aac:Aac",
        "dqn": f"{__package__}.learning.dqn:Dqn",
    },
}
"""Of each problem, the policies that come with the program: name -> "module:Class"."""


def make_policy(scenario: Scenario) -> Policy:
    """The policy that the scenario names, with its keys.

    Raises:
        ScenarioError: unknown name or key, or a value that the policy does not take.
    """
    section = scenario.policy
    cls = resolve(
        section.name,
        "policies",
        POLICIES[scenario.run.problem],
        source=scenario.source,
        folders=scenario.folders,
    )
    policy: Policy = configure(cls, section.options, "policy", source=scenario.source)
    return policy


def descriptions(problem: str) -> list[tuple[str, str]]:
    """Of each policy for a problem, its name and the first line of its docstring."""
    builtins = POLICIES[problem]
    classes = {name: resolve(name, "policies", builtins) for name in builtins}
    return [(name, (cls.__doc__ or "").partition("\n")[0]) for name, cls in classes.items()]
