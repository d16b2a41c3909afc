"""edgesim: a simulator of edge networks that are managed through digital twins.

Each ability of the command is a function here: `run`, `train`, `sweep`, `compare`, `summarise`, `plot`,
`report` and others. A name is loaded when it is first used; importing edgesim imports nothing else.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if sys.platform == "win32":
    raise ImportError(
        "edgesim runs on Linux and macOS; on Windows, in its subsystem for Linux, WSL"
    )

if TYPE_CHECKING:
    from edgesim.api import (
        compare,
        compare_sweep,
        estimate_sweep,
        export,
        export_graph,
        load_scenario,
        plot,
        report,
        reproduce,
        run,
        summarise,
        summarise_sweep,
        sweep,
        sweep_status,
        train,
        validate,
    )
    from edgesim.experiments.environments import parallel_env
    from edgesim.experiments.errors import ArgumentError, CheckpointError, SweepStoppedError
    from edgesim.experiments.offline import export_minari
    from edgesim.experiments.sweeps.dataset import open_sweep
    from edgesim.policies.base import Policy
    from edgesim.policies.learning.registration import register_envs
    from edgesim.scenarios.errors import ScenarioError
    from edgesim.scenarios.schema import Scenario
    from edgesim.simulator.core.errors import RunError
    from edgesim.simulator.core.outputs import OutputError
    from edgesim.simulator.stream.decision import Decision
    from edgesim.simulator.stream.observation import Observation
    from edgesim.simulator.tasks.decision import TaskDecision
    from edgesim.simulator.tasks.observation import TaskObservation
    from edgesim.traces.file_errors import TraceError
    from edgesim.traces.reader import Trace, open_trace
    from edgesim.traces.watch import watch

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "Decision",
    "Observation",
    "OutputError",
    "Policy",
    "RunError",
    "Scenario",
    "ScenarioError",
    "SweepStoppedError",
    "TaskDecision",
    "TaskObservation",
    "Trace",
    "TraceError",
    "__version__",
    "compare",
    "compare_sweep",
    "estimate_sweep",
    "export",
    "export_graph",
    "export_minari",
    "load_scenario",
    "open_sweep",
    "open_trace",
    "parallel_env",
    "plot",
    "register_envs",
    "report",
    "reproduce",
    "run",
    "summarise",
    "summarise_sweep",
    "sweep",
    "sweep_status",
    "train",
    "validate",
    "watch",
]

_MODULES = {
    "ArgumentError": "experiments.errors",
    "CheckpointError": "experiments.errors",
    "Decision": "simulator.stream.decision",
    "Observation": "simulator.stream.observation",
    "OutputError": "simulator.core.outputs",
    "Policy": "policies.base",
    "RunError": "simulator.core.errors",
    "Scenario": "scenarios.schema",
    "ScenarioError": "scenarios.errors",
    "SweepStoppedError": "experiments.errors",
    "TaskDecision": "simulator.tasks.decision",
    "TaskObservation": "simulator.tasks.observation",
    "Trace": "traces.reader",
    "TraceError": "traces.file_errors",
    "export_minari": "experiments.offline",
    "open_sweep": "experiments.sweeps.dataset",
    "open_trace": "traces.reader",
    "parallel_env": "experiments.environments",
    "register_envs": "policies.learning.registration",
    "watch": "traces.watch",
}
"""Where a name is defined, if not in `api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if "gymnasium" in sys.modules:
    # As `gymnasium.make("edgesim:edgesim/Stream-v0")` expects of the module that it imports.
    import_module(f"{__name__}.policies.learning.registration").register_envs()
