"""How a scenario's [policy] section becomes a policy, by name."""

import inspect
import sys

from ..scenarios.components import VERBS, configure, is_unseen, resolve
from ..scenarios.errors import Issue, ScenarioError, as_toml
from ..scenarios.schema import Scenario
from .base import AnyPolicy, Policy
from .catalogue import POLICIES


def policy_name(policy: AnyPolicy) -> str:
    """What a scenario, and so a trace, calls a policy that is given in Python.

    A class that comes with the program has its name, any other is "module:Class", by which it is found
    again where the module can be; one that only the caller's program knows, as of a notebook, is
    "__main__:Class". An object is its class and those keywords of its constructor that it keeps as
    attributes, "module:Class(key=value)", from which it cannot be made again.
    """
    if isinstance(policy, str):
        return policy
    cls = policy if isinstance(policy, type) else type(policy)
    module = sys.modules.get(cls.__module__)
    found = getattr(module, cls.__qualname__, None) is cls
    name = f"{cls.__module__}:{cls.__name__}" if found else f"__main__:{cls.__name__}"
    if isinstance(policy, type):
        own = {where: known for builtins in POLICIES.values() for known, where in builtins.items()}
        return own.get(name, name)
    try:
        keys = list(inspect.signature(cls).parameters)
    except ValueError:  # of a class that is not written in Python
        keys = []
    kept = {key: getattr(policy, key, None) for key in keys}
    shown = [f"{k}={as_toml(v)}" for k, v in kept.items() if isinstance(v, str | int | float)]
    return f"{name}({', '.join(shown)})"


def make_policy(scenario: Scenario, given: AnyPolicy | None = None) -> Policy:
    """The policy of a scenario, with its options.

    Args:
        scenario: names it.
        given: the class or object that it names, where it is given in Python.

    Raises:
        ScenarioError: unknown name or option, a value that the policy does not take, or what cannot
            decide.
    """
    section, source = scenario.policy, scenario.source
    if given is None or isinstance(given, str):
        builtins = POLICIES[scenario.run.problem]
        given = resolve(section.name, "policies", builtins, source=source, code=scenario.code)
    for verb in () if is_unseen(given) else VERBS["policies"]:
        if not callable(getattr(given, verb, None)):
            what = f"no policy: it has no method `{verb}`"
            raise ScenarioError([Issue(source, what, "policy.name", as_toml(section.name))])
    if isinstance(given, type):
        policy: Policy = configure(given, section.options, "policy", source=source)
        return policy
    what = "is not set of an object: its constructor takes it"
    issues = [
        Issue(source, what, f"policy.{key}", as_toml(value))
        for key, value in section.options.items()
    ]
    if issues:
        raise ScenarioError(issues)
    return given
