"""From a scenario to what its stations draw, and to the terms of its software carbon intensity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...scenarios.data.lookup import named_file
from ...scenarios.data.solar import read_solar
from ...scenarios.power_section import (
    EARTH,
    Embodied,
    PowerSection,
    SbsPowerSection,
    SolarSection,
    StationBatterySection,
)
from ...scenarios.schema import Scenario
from ..core.arrays import FloatArray
from ..core.clock import NANOSECONDS, to_ns
from ..core.randomness import Streams
from ..models.sci import Sci
from ..models.solar import ClearSky, Panels, PowerSeries, Sun
from ..models.station_power import (
    PowerLaw,
    SleepRule,
    StationBattery,
    StationPower,
)
from ..network.network import Network
from ..network.topology import Topology
from .components import run_ns


@dataclass(frozen=True)
class PowerPlan:
    """What was found of it.

    Attributes:
        scenario: that it was found in.
        law: what stations draw.
        suns: of each station; None where it has no panels.
    """

    scenario: Scenario
    law: PowerLaw
    suns: Sequence[Sun | None]

    def start(self, network: Network, streams: Streams) -> StationPower:
        """As a run begins."""
        kinds = _by_station(self.scenario, network.stations)
        panels = None
        if any(self.suns):
            clouds = _each(kinds, lambda one: one.solar.clouds if one.solar else 0.0)
            rngs = [streams.generators(f"clouds/{name}") for name in network.station_names]
            panels = Panels(self.suns, clouds, to_ns(network.slot_s), rngs)
        battery = None
        if any(one is not None and one.battery is not None for one in kinds):
            stored = [_NO_BATTERY if one is None else one.battery or _NO_BATTERY for one in kinds]
            capacity = np.array([one.capacity for one in stored])
            initial = capacity * [one.initial for one in stored]
            limits = [np.inf if one.power is None else one.power for one in stored]
            efficiency = np.array([one.efficiency for one in stored])
            battery = StationBattery(capacity, initial, efficiency, np.array(limits))
        keys = self.scenario.stations.sbs.power
        sleep = None
        if keys is not None and keys.sleep is not None and network.stations > 1:
            may = np.arange(network.stations) > 0
            rule = keys.sleep
            sleep = SleepRule(may, rule.when, to_ns(rule.wake), rule.wake_energy)
        return StationPower(self.law, sleep, panels, battery, network.slot_s, network.replications)


# Its capacity is no key's: there is none.
_NO_BATTERY = StationBatterySection.model_construct(
    capacity=0.0, initial=0.0, efficiency=1.0, power=None
)


def find_power(scenario: Scenario, topology: Topology) -> PowerPlan | None:
    """What its stations draw; None where nothing is said of it.

    Raises:
        ScenarioError: a file of panels is missing or wrong.
    """
    stations = len(topology.station_names)
    kinds = _by_station(scenario, stations)
    if not any(kinds):
        return None

    def radio(one: PowerSection) -> list[float]:
        if one.radio is None:
            return [0.0] * 3
        law = EARTH[one.radio] if isinstance(one.radio, str) else one.radio
        levels = law.sleep, law.idle, law.slope * law.max
        return [law.transceivers * watts for watts in levels]

    def server(one: PowerSection) -> list[float]:
        keys = one.server
        return [0.0] * 3 if keys is None else [keys.sleep, keys.idle, keys.busy - keys.idle]

    nothing = [0.0] * 3
    law = PowerLaw(
        np.array([nothing if one is None else radio(one) for one in kinds]).T,
        np.array([nothing if one is None else server(one) for one in kinds]).T,
        np.array([one is not None and one.server is not None for one in kinds]),
    )
    mbs, sbs = scenario.stations.mbs.power, scenario.stations.sbs.power
    suns: list[Sun | None] = [_sun(scenario, mbs, "mbs")]
    suns += [_sun(scenario, sbs, "sbs")] * (stations - 1)
    return PowerPlan(scenario, law, suns)


def find_sci(scenario: Scenario, stations: int) -> Sci | None:
    """The terms of the software carbon intensity that do not hang on a run; None if it is not asked for."""
    keys = scenario.sci
    if keys is None:
        return None

    def g_per_s(piece: Embodied | None) -> float:
        return 0.0 if piece is None else piece.embodied * piece.share / piece.lifespan

    of_stations = g_per_s(keys.mbs) + (stations - 1) * g_per_s(keys.sbs)
    return Sci(g_per_s(keys.device), of_stations, keys.per == "Mbit")


def _by_station(scenario: Scenario, stations: int) -> list[PowerSection | None]:
    mbs, sbs = scenario.stations.mbs.power, scenario.stations.sbs.power
    found: list[PowerSection | None] = [mbs]
    return found + [sbs] * (stations - 1)


def _each(kinds: Sequence[PowerSection | None], value: Callable[[Any], float]) -> FloatArray:
    return np.array([0.0 if one is None else value(one) for one in kinds])


def _sun(scenario: Scenario, keys: PowerSection | SbsPowerSection | None, kind: str) -> Sun | None:
    solar: SolarSection | None = None if keys is None else keys.solar
    if solar is None:
        return None
    if solar.file is None:
        assert solar.peak is not None and solar.latitude is not None and solar.start is not None
        return ClearSky(solar.peak, solar.latitude, solar.start)
    length_s = run_ns(scenario) / NANOSECONDS
    with named_file(scenario, solar.file, f"stations.{kind}.power.solar.file") as path:
        return PowerSeries(*read_solar(path, length_s))
