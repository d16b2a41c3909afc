"""edgesim: edge networks that are managed through digital twins, simulated.

The Python interface: `run`, `load_scenario`, `open_trace`, `open_sweep`, `register_envs`. Each is
loaded when it is first used, so importing edgesim imports nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgesim.experiments.run import run
    from edgesim.experiments.sweeps.dataset import open_sweep
    from edgesim.policies.learning.environment import register_envs
    from edgesim.scenarios.loading import load_scenario
    from edgesim.traces.reader import open_trace

__all__ = ["__version__", "load_scenario", "open_sweep", "open_trace", "register_envs", "run"]

_WHERE = {
    "run": "edgesim.experiments.run",
    "load_scenario": "edgesim.scenarios.loading",
    "open_trace": "edgesim.traces.reader",
    "open_sweep": "edgesim.experiments.sweeps.dataset",
    "register_envs": "edgesim.policies.learning.environment",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
