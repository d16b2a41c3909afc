"""The names by which Gymnasium knows the environments of `environment`; light, so as to be soon there.

Entry points are text, so that what Gymnasium makes of them can be sent to other processes. Importing
`edgesim` where Gymnasium is loaded registers them, too: "edgesim:edgesim/Stream-v0" is an id that any
process knows, also one that a vector of subprocesses has started.
"""

import sys
import warnings
from importlib import import_module
from typing import Any

STREAM = "edgesim/Stream-v0"
TASKS = "edgesim/Tasks-v0"

PARALLEL = ("edgesim/Stream-parallel-v0", "edgesim/Tasks-parallel-v0")
"""The names by which PettingZoo knows them, from its version 1.27 on."""

FORMER_IDS = {
    "edgesim/DigitalTwinNetwork-v0": STREAM,
    "edgesim/CarbonAwareEdge-v0": TASKS,
}
"""Accepted still, with a warning."""

_MAKERS = {STREAM: "make_stream", TASKS: "make_tasks"}
"""In `experiments/environments.py`."""


def register_envs() -> None:
    """Register both environments with Gymnasium; once is enough, and more do no harm.

    Where PettingZoo is loaded and has a registry, both parallel environments with it, too.
    """
    from gymnasium.envs.registration import register, registry

    package = __package__.partition(".")[0]
    for name in (*_MAKERS, *FORMER_IDS):
        if name in registry:
            continue
        if name in FORMER_IDS:
            makers = [f"{__name__}:make_former", f"{__name__}:make_former_vector"]
            register(name, makers[0], vector_entry_point=makers[1], kwargs={"former": name})
        else:
            single = f"{package}.experiments.environments:{_MAKERS[name]}"
            register(name, single, vector_entry_point=f"{single}_vector")
    zoo = sys.modules.get("pettingzoo")
    for name in PARALLEL:
        if name not in getattr(zoo, "parallel_registry", PARALLEL):
            made = f"{package}.experiments.environments:parallel_env"
            zoo.register("parallel", name, made, kwargs={"name": name})  # type: ignore[union-attr]


def make_former(former: str, **keywords: Any) -> Any:
    """An environment by its former id."""
    return _make("", former, keywords)


def make_former_vector(former: str, **keywords: Any) -> Any:
    """A vector of environments by their former id."""
    return _make("_vector", former, keywords)


def _make(kind: str, former: str, keywords: dict[str, Any]) -> Any:
    name = FORMER_IDS[former]
    # Unlike DeprecationWarning it is shown by default, whoever calls.
    warnings.warn(f"{former} is now {name}", FutureWarning, stacklevel=3)
    module = import_module(f"{__package__.partition('.')[0]}.experiments.environments")
    return getattr(module, _MAKERS[name] + kind)(**keywords)
