"""The policies that come with the program, by name."""

import ast
from functools import cache
from pathlib import Path

POLICIES = {
    "drift-plus-penalty": {
        "lyapunov": f"{__package__}.stream.lyapunov:Lyapunov",
        "consolidate": f"{__package__}.stream.consolidate:Consolidate",
        "local": f"{__package__}.local:Local",
        "offload-all": f"{__package__}.offload_all:OffloadAll",
        "random": f"{__package__}.random:Random",
        "epr": f"{__package__}.epr:EqualRates",
        "epr-ep": f"{__package__}.epr:EqualRatesEqualPower",
        "sca": f"{__package__}.stream.sca:ScaStream",
        "exact": f"{__package__}.stream.exact:MultiStart",
        "lookahead": f"{__package__}.stream.lookahead:Lookahead",
        "wait-awhile": f"{__package__}.stream.wait_awhile:WaitAwhile",
        "clairvoyant": f"{__package__}.stream.clairvoyant:Clairvoyant",
        "ddpg": f"{__package__}.learning.ddpg:Ddpg",
        "aac": f"{__package__}.learning.aac:Aac",
        "dqn": f"{__package__}.learning.dqn:Dqn",
        "sac": f"{__package__}.learning.sac:Sac",
        "agent": f"{__package__}.learning.agent:Agent",
    },
    "worst-case-emission": {
        "lyapunov": f"{__package__}.tasks.lyapunov:LyapunovTasks",
        "local": f"{__package__}.local:LocalTasks",
        "offload-all": f"{__package__}.offload_all:OffloadAllTasks",
        "random": f"{__package__}.random:RandomTasks",
        "epr": f"{__package__}.epr:EqualRatesTasks",
        "epr-ep": f"{__package__}.epr:EqualRatesEqualPowerTasks",
        "sca": f"{__package__}.tasks.sca.policy:Sca",
        "exact": f"{__package__}.tasks.exact:Exact",
        "ddpg": f"{__package__}.learning.ddpg:Ddpg",
        "aac": f"{__package__}.learning.aac:Aac",
        "dqn": f"{__package__}.learning.dqn:Dqn",
        "sac": f"{__package__}.learning.sac:Sac",
        "agent": f"{__package__}.learning.agent:Agent",
    },
}
"""Of each problem, the policies that come with the program: name -> "module:Class"."""


def descriptions(problem: str) -> list[tuple[str, str]]:
    """Of each policy for a problem, its name and the first line of its docstring.

    The classes are not imported: those that learn bring in torch.
    """
    return [(name, _first_line(*where.split(":"))) for name, where in POLICIES[problem].items()]


def _first_line(module: str, name: str) -> str:
    text = (ast.get_docstring(one) for one in _classes(module) if one.name == name)
    return (next(text) or "").partition("\n")[0]


@cache
def _classes(module: str) -> list[ast.ClassDef]:
    path = Path(__file__).parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [one for one in body if isinstance(one, ast.ClassDef)]
