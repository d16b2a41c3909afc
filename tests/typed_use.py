"""A user's script; mypy checks that it sees the types of the package's names. Nothing runs it."""

from pathlib import Path
from typing import Any, assert_type

import xarray as xr

import edgesim
from edgesim import Decision, Observation, Policy, TaskDecision, TaskObservation, Trace
from edgesim.experiments.sweeps.comparison import SweepComparison, SweepSummary
from edgesim.experiments.sweeps.status import SweepStatus
from edgesim.traces.comparison import Comparison
from edgesim.traces.summary import TraceSummary


class Half:
    """A policy of a user's own, with types."""

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def reset(self, network: Any, problem: Any, rngs: Any) -> None:
        self.idle = Decision.idle(network)

    def decide(self, observation: Observation) -> Decision:
        assert observation.slot >= 0
        return self.idle


class HalfOfTasks:
    """The same for the task problem."""

    def reset(self, network: Any, problem: Any, rngs: Any) -> None: ...

    def decide(self, observation: TaskObservation) -> TaskDecision:
        raise NotImplementedError


def use(path: Path) -> None:
    """Each result has its type."""
    policy: Policy = Half()
    scenario = edgesim.load_scenario("iiot_20dev", {"run.slots": 100})
    assert_type(scenario, edgesim.Scenario)
    with edgesim.run(scenario, path, seed=3, policy=policy, overrides=["run.slots=3"]) as trace:
        assert_type(trace, Trace)
        assert_type(trace.slots, xr.Dataset)
        assert_type(trace.summary(), TraceSummary)
        assert_type(trace.summary().estimates["power_w"].half_width, float)
    edgesim.run({"title": "tables"}, policy=Half, overrides={"policy.share": 0.3})
    edgesim.run("carbon_6ue", policy=HalfOfTasks(), checkpoint_every=100, resume=True)
    compared = edgesim.compare("iiot_20dev", ["local", Half, Half(0.2)], seeds=5)
    assert_type(compared, Comparison)
    assert_type(edgesim.plot(compared, "compared.png"), Path)
    edgesim.compare("iiot_20dev", {"mine": Half, "best": "lyapunov"})
    assert_type(edgesim.compare_sweep("runs/load", by="devices.count"), SweepComparison)
    assert_type(edgesim.summarise_sweep("runs/load"), SweepSummary)
    assert_type(edgesim.sweep({"scenario": "iiot_20dev"}, path), SweepStatus)
    assert_type(edgesim.open_sweep(path), xr.Dataset)
    assert_type(edgesim.train("iiot_20dev", policy="dqn").checkpoint, Path)
    assert_type(edgesim.summarise([trace, path]).traces[0].policy, str)
    assert_type(edgesim.report(path), Path)
    assert_type(edgesim.export(trace), list[Path])


def wrong() -> None:
    """What mypy refuses: an ignore that is not needed would be an error itself."""
    edgesim.run("iiot_20dev", slots="many")  # type: ignore[arg-type]
    edgesim.run("iiot_20dev", policy=Path)  # type: ignore[arg-type]
    edgesim.run("iiot_20dev", polcy="local")  # type: ignore[call-arg]
