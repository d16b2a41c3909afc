"""From a scenario to what its world has where emission, or the classes of tasks, are part of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...scenarios.carbon_section import CarbonSource
from ...scenarios.schema import Scenario
from ...scenarios.sections import DeviationSection
from ..core.arrays import FloatArray
from ..core.clock import NANOSECONDS
from ..core.randomness import Streams
from ..models.carbon import CarbonIntensity
from ..models.forecast import Forecasts
from ..network.network import Network
from ..network.topology import Topology
from ..stream.deadlines import TaskClass, TaskClasses, due_slots
from ..stream.green_problem import GreenProblem, SamplePath
from ..stream.green_world import CarbonOfAll
from .components import find_intensities, run_ns


def is_green(scenario: Scenario) -> bool:
    """Whether a scenario is of the stream problem, and asks for any of it."""
    tasks, carbon = scenario.tasks, scenario.carbon
    asked = scenario.policy.penalty == "carbon" or tasks.classes is not None
    asked = asked or any((carbon.devices is not None, carbon.signal, carbon.forecast))
    return asked and scenario.run.problem == "drift-plus-penalty"


@dataclass(frozen=True)
class Green:
    """What was found of it.

    Attributes:
        shown: what is decided by.
        accounted: by what is accounted.
        about: where these are from, by the keys that state them, as `find_carbon`.
        coming: what is decided by, up to a forecast's horizon beyond the run; None without a forecast.
        replayed: recorded forecasts; None if there are none.
    """

    shown: CarbonOfAll
    accounted: CarbonOfAll
    about: Mapping[str, Mapping[str, Any]]
    coming: CarbonIntensity | None = None
    replayed: CarbonIntensity | None = None

    def world_parts(self, scenario: Scenario, network: Network, streams: Streams) -> dict[str, Any]:
        """What a `GreenWorld` has beside what a `StreamWorld` has."""
        classes, budget = task_classes(scenario), scenario.carbon.budget
        found = TaskClasses(classes, streams.generators("task classes")) if classes else None
        return {
            "carbon": self.shown.intensity,
            "shown": self.shown,
            "accounted": self.accounted,
            "classes": found,
            "budget_g_per_s": None if budget is None else budget.mass / budget.period,
            "forecasts": self._forecasts(scenario, streams),
        }

    def _forecasts(self, scenario: Scenario, streams: Streams) -> Forecasts | None:
        keys = scenario.carbon.forecast
        if keys is None:
            return None
        assert self.coming is not None
        return Forecasts(
            self.coming,
            self.replayed,
            step_s=keys.step,
            period_s=keys.period,
            leads=leads_of(scenario),
            error=keys.error,
            memory_s=keys.memory,
            end_s=run_ns(scenario) / NANOSECONDS,
            rngs=streams.generators("carbon forecast"),
        )

    def state_parts(self, scenario: Scenario, network: Network) -> dict[str, FloatArray]:
        """What a `GreenState` has beside what a `StreamState` has, as the run begins: (R, N) and (R,)."""
        shape = (network.replications, network.devices)
        by_slots = (*shape, due_slots(task_classes(scenario), network.slot_s))
        carbon = np.zeros(shape)
        now = self.shown.intensity.at(0)
        if len(now) > network.stations:
            carbon = np.broadcast_to(now[network.stations :], shape)
        names = ("pressing_bits", "lateness_bits", "emission_g", "total_emission_g")
        return {
            "device_carbon_g_per_j": carbon,
            "due_bits": np.zeros(by_slots),
            "least_leaving_bits": np.zeros(by_slots),
            "late_debt_bits": np.zeros((*shape, len(scenario.tasks.classes or ()))),
            "budget_debt_g": np.zeros(network.replications),
            **{name: np.zeros(shape) for name in names},
        }


def find_green(scenario: Scenario, topology: Topology, devices: int) -> Green:
    """The intensities at stations and devices that a run is accounted by, and that it decides by.

    Raises:
        ScenarioError: a file is missing, wrong, or does not cover the run, or a list has the wrong length.
    """
    stations = len(topology.station_names)
    found, about = find_intensities(scenario, scenario.carbon, "carbon", stations, devices)
    accounted = shown = CarbonOfAll(CarbonIntensity(found), stations)
    source: CarbonSource = scenario.carbon
    at, signal = "carbon", scenario.carbon.signal
    if signal is not None:
        source, at = signal, "carbon.signal"
        series, more = find_intensities(scenario, source, at, stations, devices)
        shown = CarbonOfAll(CarbonIntensity(series), stations)
        about = about | more
    forecast, coming, replayed = scenario.carbon.forecast, None, None
    if forecast is not None:
        ahead_s = forecast.horizon + forecast.step
        coming = CarbonIntensity(find_intensities(scenario, source, at, stations, None, ahead_s)[0])
        if forecast.replay is not None:
            series, more = find_intensities(
                scenario, forecast.replay, "carbon.forecast.replay", stations, None, ahead_s
            )
            replayed, about = CarbonIntensity(series), about | more
    return Green(shown, accounted, about, coming, replayed)


def leads_of(scenario: Scenario) -> int:
    """Values of a forecast; 0 without one."""
    keys = scenario.carbon.forecast
    return 0 if keys is None else round(keys.horizon / keys.step)


def task_classes(scenario: Scenario) -> tuple[TaskClass, ...]:
    """Those of a scenario; none if all tasks are alike."""
    return tuple(
        TaskClass(one.share, one.deadline or np.inf, one.late, one.weight)
        for one in scenario.tasks.classes or ()
    )


def green_problem(
    scenario: Scenario, network: Network, foresee: Callable[[], SamplePath]
) -> GreenProblem:
    """P2 with what the scenario weighs; `foresee` gives what will happen, whatever is decided."""
    policy, budget = scenario.policy, scenario.carbon.budget
    return GreenProblem(
        network,
        policy.V,
        policy.perturbation,
        policy.penalty,
        None if budget is None else budget.mass,
        task_classes(scenario),
        foresee,
        _unbounded(scenario),
        () if scenario.tasks.buffer is None else ("tasks.buffer",),
        scenario.carbon.devices is not None,
    )


def _unbounded(scenario: Scenario) -> tuple[str, ...]:
    """Keys by which what a bit emits is not what it would have emitted in another run."""
    mbs, sbs = scenario.stations.mbs.power, scenario.stations.sbs.power
    twin, as_believed = scenario.twin.deviation, DeviationSection()
    found = {
        "stations.*.power.solar": any(one and one.solar for one in (mbs, sbs)),
        "stations.sbs.power.sleep": bool(sbs and sbs.sleep),
        "twin.deviation.device_cpu": twin.device_cpu != as_believed,
        "twin.deviation.edge_cpu": twin.edge_cpu != as_believed,
    }
    return tuple(key for key, is_set in found.items() if is_set)
