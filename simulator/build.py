"""From a scenario to a simulation: every model looked up by its name and given its keys."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..scenarios.components import configure, resolve
from ..scenarios.data import data_file, read_positions, read_series
from ..scenarios.errors import Problem, ScenarioError, as_toml
from ..scenarios.schema import CarbonFile, ExponentialLatency, File, Scenario, UniformLatency
from ..scenarios.schema import Deviation as DeviationKeys
from ..scenarios.schema import Hop as HopKeys
from .arrays import FloatArray
from .association import ASSOCIATION, Association
from .battery import Battery
from .carbon import CarbonIntensity, Series
from .cells import Cells
from .deviation import Deviation
from .fading import FADING, PATH_LOSS, Fading, NoFading, PathLoss
from .ledger import TaskLedger
from .mobility import MOBILITY, Mobility
from .network import Network
from .prediction import ArrivalPredictor, EnergyPredictor, LocationPredictor, Predictor
from .problem import DriftPlusPenalty
from .randomness import Streams
from .recorder import Recorder
from .simulation import Decide, Simulation
from .state import StreamState
from .stream_world import StreamWorld
from .synchronisation import Constant, Exponential, Hop, Latency, Uniform
from .topology import Topology, lay_out, uniform
from .traffic import ARRIVALS, Arrivals
from .twin import Twin


@dataclass(frozen=True)
class Blueprint:
    """A scenario with all its models found and its files read: all that can be wrong is checked.

    Attributes:
        scenario: what it was made from.
        network: sizes, capacities and constants.
        topology: where the stations stand.
        problem: what is minimised.
        device_position_m: (N, 2), or None if each replication draws its own.
        carbon: intensity at the stations.
        mobility: configured, not started; so are the following.
        association: which station serves whom.
        path_loss: mean gains.
        fading: gains around the mean.
        arrivals: tasks.
    """

    scenario: Scenario
    network: Network
    topology: Topology
    problem: DriftPlusPenalty
    device_position_m: FloatArray | None
    carbon: CarbonIntensity
    mobility: Mobility
    association: Association
    path_loss: PathLoss
    fading: Fading
    arrivals: Arrivals

    def simulation(self, decide: Decide, recorder: Recorder, streams: Streams) -> Simulation:
        """The run at time zero. The models are started: a blueprint is good for one simulation."""
        scenario = self.scenario
        slot_s = self.network.slot_s
        world = self._world(streams)
        return Simulation(
            world,
            self._twin(world, streams),
            scenario.policy.name,
            decide,
            recorder,
            scenario.run.slots,
            coherence_s=_coherence_s(scenario, self.fading),
            device_period_s=scenario.twin.device.period or slot_s,
            station_period_s=scenario.twin.station.period or slot_s,
        )

    def _world(self, streams: Streams) -> StreamWorld:
        network, scenario = self.network, self.scenario
        shape = (network.replications, network.devices)
        placed = self.device_position_m is not None
        if self.device_position_m is None:
            position = uniform(
                network.devices, self.topology.area_m, streams.generators("positions")
            )
        else:
            position = np.broadcast_to(self.device_position_m, (*shape, 2)).copy()
        position = self.mobility.start(position, self.topology.area_m, streams.generators, placed)
        distance = self.topology.distance_m(position)
        path_gain = self.path_loss.gain(distance)
        self.association.start(network, self.topology.coverage_m)
        self.fading.start(network.devices, network.station_names, streams.generators)
        self.arrivals.start(network.devices, network.slot_s, streams.generators)
        battery, charge = None, np.full(shape, np.inf)
        power_max = np.broadcast_to(network.device_power_max_w, shape)
        if (keys := scenario.devices.battery) is not None:
            harvest = streams.generators("harvest")
            battery = Battery(network, keys.capacity, keys.harvest, harvest)
            charge = np.full(shape, keys.initial * keys.capacity)
            power_max = battery.power_max_w(charge)
        fading = self.fading.next()
        stations = (network.replications, network.stations)
        state = StreamState(
            slot=0,
            position_m=position,
            path_gain=path_gain,
            cells=Cells(self.association.associate(distance, path_gain), network.stations),
            carbon_g_per_j=np.broadcast_to(self.carbon.at(0), stations),
            fading=fading,
            channel_gain=path_gain * fading,
            queue_bits=np.zeros(shape),
            station_queue_bits=np.zeros(stations),
            battery_j=charge,
            power_max_w=power_max,
            arrived_bits=np.zeros(shape),
            departed_bits=np.zeros(shape),
            energy_j=np.zeros(shape),
            total_energy_j=np.zeros(shape),
            total_departed_bits=np.zeros(shape),
        )
        deviation = scenario.twin.deviation
        return StreamWorld(
            slot_s=network.slot_s,
            network=network,
            problem=self.problem,
            topology=self.topology,
            path_loss=self.path_loss,
            fading=self.fading,
            mobility=self.mobility,
            association=self.association,
            arrivals=self.arrivals,
            carbon=self.carbon,
            battery=battery,
            device_cpu=_deviation(deviation.device_cpu, streams, "deviation/device_cpu"),
            edge_cpu=_deviation(deviation.edge_cpu, streams, "deviation/edge_cpu"),
            ledger=TaskLedger(
                *shape,
                network.stations,
                network.slot_s,
                scenario.tasks.deadline,
                scenario.tasks.buffer,
            ),
            state=state,
            record_gain=scenario.trace.level == "full",
        )

    def _twin(self, world: StreamWorld, streams: Streams) -> Twin:
        keys = self.scenario.twin
        battery = self.scenario.devices.battery
        topology, path_loss = self.topology, self.path_loss

        def path_gain(position_m: FloatArray) -> FloatArray:
            return path_loss.gain(topology.distance_m(position_m))

        makers: dict[str, Callable[[], Predictor]] = {
            "location": lambda: LocationPredictor(path_gain, topology.area_m),
            "arrivals": lambda: ArrivalPredictor(self.network),
            "energy": lambda: EnergyPredictor(
                self.network, battery.capacity if battery else np.inf
            ),
        }
        return Twin(
            world.state,
            _hop(keys.device, streams, "twin/device"),
            _hop(keys.station, streams, "twin/station"),
            [makers[name]() for name in keys.predict],
        )


def blueprint(scenario: Scenario) -> Blueprint:
    """Find every model, read every file, and check what only they can tell.

    Raises:
        ScenarioError: with all that is wrong.
    """
    problems: list[Problem] = []

    def attempt(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ScenarioError as error:
            problems.extend(error.problems)
            return None

    models = {
        "mobility": attempt(lambda: _model(scenario, "mobility", MOBILITY)),
        "association": attempt(lambda: _model(scenario, "association", ASSOCIATION)),
        "path_loss": attempt(lambda: _path_loss(scenario)),
        "fading": attempt(lambda: _model(scenario, "fading", FADING)),
        "arrivals": attempt(lambda: _model(scenario, "arrivals", ARRIVALS)),
    }
    topology = attempt(lambda: _topology(scenario))
    positions = attempt(lambda: _device_positions(scenario))
    carbon = topology and attempt(lambda: _carbon(scenario, len(topology.station_names)))
    attempt(lambda: _whole_slots(scenario))
    if problems:
        raise ScenarioError(problems)
    devices = len(positions) if positions is not None else scenario.devices.count or 0
    network = _network(scenario, topology, devices)
    problem = DriftPlusPenalty(network, scenario.policy.V, scenario.policy.perturbation)
    return Blueprint(scenario, network, topology, problem, positions, carbon, **models)


def _network(scenario: Scenario, topology: Topology, devices: int) -> Network:
    names = topology.station_names
    mbs, sbs = scenario.stations.mbs, scenario.stations.sbs
    bandwidth = np.array([mbs.bandwidth] + [sbs.bandwidth] * (len(names) - 1))
    return Network(
        replications=scenario.run.replications,
        slot_s=scenario.run.slot,
        station_names=names,
        device_cpu_hz=np.broadcast_to(scenario.devices.cpu, devices).astype(np.float64),
        device_power_max_w=np.broadcast_to(scenario.devices.power_max, devices).astype(np.float64),
        station_bandwidth_hz=bandwidth,
        station_cpu_hz=np.array([mbs.cpu] + [sbs.cpu] * (len(names) - 1)),
        cycles_per_bit=scenario.tasks.cycles_per_bit,
        varsigma=scenario.energy.varsigma,
        epsilon_w=scenario.energy.epsilon,
        noise_w=np.array([scenario.channel.noise.power_w(hertz) for hertz in bandwidth]),
        noise_model=scenario.channel.noise_model,
    )


_SECTIONS = {
    "mobility": ("mobility", "model"),
    "association": ("association", "model"),
    "fading": ("channel", "fading"),
    "arrivals": ("tasks", "arrivals"),
}
"""Of each kind of model, the section whose further keys are the model's, and the key naming it."""


def _model(scenario: Scenario, kind: str, builtins: Mapping[str, str]) -> Any:
    section_name, key = _SECTIONS[kind]
    section = getattr(scenario, section_name)
    options = dict(section.options)
    if isinstance(file := options.get("file"), str):
        options["file"] = data_file(scenario, file, f"{section_name}.file")
    cls = resolve(
        getattr(section, key), kind, builtins, source=scenario.source, folders=scenario.folders
    )
    return configure(cls, options, section_name, source=scenario.source)


def _path_loss(scenario: Scenario) -> PathLoss:
    """The path-loss model; of the keys that the section itself knows, it is given those it takes."""
    channel = scenario.channel
    cls = resolve(
        channel.path_loss,
        "path_loss",
        PATH_LOSS,
        source=scenario.source,
        folders=scenario.folders,
    )
    options = {
        name: getattr(channel, name)
        for name in inspect.signature(cls).parameters
        if name in type(channel).model_fields
    }
    model: PathLoss = configure(cls, options, "channel", source=scenario.source)
    return model


def _topology(scenario: Scenario) -> Topology:
    sbs = scenario.stations.sbs
    positions = _positions(scenario, sbs.positions, sbs.count, "stations.sbs")
    return lay_out(
        scenario.area.size,
        (sbs.count or 0) if positions is None else len(positions),
        sbs.coverage,
        radius_m=sbs.radius,
        mbs_position_m=scenario.mbs_position,
        sbs_position_m=positions,
    )


def _device_positions(scenario: Scenario) -> FloatArray | None:
    devices = scenario.devices
    listed = None if devices.positions == "uniform" else devices.positions
    positions = _positions(scenario, listed, devices.count, "devices")
    if positions is None:
        return None
    for key in ("power_max", "cpu"):
        column = getattr(devices, key)
        if isinstance(column, tuple) and len(column) != len(positions):
            what = f"{len(column)} values for {len(positions)} devices"
            raise ScenarioError([_problem(scenario, f"devices.{key}", column, what)])
    return positions


def _positions(scenario: Scenario, listed: Any, count: int | None, where: str) -> FloatArray | None:
    """(n, 2) metres; None if none are given."""
    if listed is None:
        return None
    if not isinstance(listed, File):
        return np.array(listed, dtype=np.float64).reshape(-1, 2)[:count]
    path = data_file(scenario, listed.file, f"{where}.positions.file")
    if scenario.area.rectangle is None:
        raise ValueError("the schema asks for a rectangle where positions come from a file")
    found = read_positions(path, scenario.area.rectangle)
    if len(found) < (count or 1):
        what = f"{listed.file} has {len(found)} positions in the rectangle"
        raise ScenarioError(
            [
                _problem(
                    scenario, f"{where}.count", count, what, f"<= {len(found)}, or a larger area"
                )
            ]
        )
    return found[:count]


def _carbon(scenario: Scenario, stations: int) -> CarbonIntensity:
    carbon = scenario.carbon
    sbs = carbon.sbs if isinstance(carbon.sbs, tuple) else (carbon.sbs,) * (stations - 1)
    if len(sbs) != stations - 1:
        what = f"{len(sbs)} values for {stations - 1} SBSs"
        raise ScenarioError([_problem(scenario, "carbon.sbs", carbon.sbs, what)])
    chosen = [carbon.mbs, *sbs]
    keys = ["carbon.mbs", *["carbon.sbs"] * (stations - 1)]
    read: dict[int, Series] = {}
    series = []
    for one, key in zip(chosen, keys, strict=True):
        source, key = (carbon.intensity, "carbon.intensity") if one is None else (one, key)
        if id(source) not in read:
            read[id(source)] = _series(scenario, source, key)
        series.append(read[id(source)])
    return CarbonIntensity(series)


def _series(scenario: Scenario, source: float | CarbonFile, key: str) -> Series:
    if not isinstance(source, CarbonFile):
        return Series.constant(source)
    times, values = read_series(data_file(scenario, source.file, f"{key}.file"))
    start = np.datetime64(source.start, "us")
    elapsed_s = (times - start) / np.timedelta64(1, "s")
    end_s = scenario.run.slots * scenario.run.slot
    if elapsed_s[0] > 0.0 or elapsed_s[-1] < end_s:
        what = f"{source.file} covers {times[0]} to {times[-1]}, not the run's {end_s:g} s from it"
        raise ScenarioError([_problem(scenario, f"{key}.start", str(source.start), what)])
    begins = int(np.searchsorted(elapsed_s, 0.0, side="right")) - 1
    ends = int(np.searchsorted(elapsed_s, end_s, side="right"))
    return Series(elapsed_s[begins:ends], values[begins:ends])


def _whole_slots(scenario: Scenario) -> None:
    """Whatever happens once in a while happens at the beginning of a slot."""
    periods = {
        "channel.coherence": scenario.channel.coherence,
        "twin.device.period": scenario.twin.device.period,
        "twin.station.period": scenario.twin.station.period,
    }
    slot_s = scenario.run.slot
    problems = [
        _problem(scenario, key, period, "not a whole number of slots", f"1, 2, … times {slot_s} s")
        for key, period in periods.items()
        if period is not None
        and (round(period / slot_s) < 1 or abs(period / slot_s - round(period / slot_s)) > 1e-9)
    ]
    if round(slot_s * 1e9) < 1 or abs(slot_s * 1e9 - round(slot_s * 1e9)) > 1e-3:
        what = "not a whole number of nanoseconds"
        problems.append(_problem(scenario, "run.slot", slot_s, what))
    if problems:
        raise ScenarioError(problems)


def _coherence_s(scenario: Scenario, fading: Fading) -> float | None:
    if isinstance(fading, NoFading):
        return None
    return scenario.channel.coherence or scenario.run.slot


def _deviation(keys: DeviationKeys, streams: Streams, name: str) -> Deviation:
    return Deviation(keys.bias, keys.relative, keys.noise, streams.generators(name))


def _hop(keys: HopKeys, streams: Streams, name: str) -> Hop:
    return Hop(
        _latency(keys.latency),
        keys.loss,
        streams.generators(f"{name}/latency"),
        streams.generators(f"{name}/loss"),
    )


def _latency(keys: float | UniformLatency | ExponentialLatency) -> Latency:
    if isinstance(keys, UniformLatency):
        return Uniform(*keys.uniform)
    if isinstance(keys, ExponentialLatency):
        return Exponential(keys.exponential)
    return Constant(keys)


def _problem(scenario: Scenario, key: str, value: object, what: str, allowed: str = "") -> Problem:
    return Problem(scenario.source, what, key, None if value is None else as_toml(value), allowed)
