"""From a scenario to a simulation: the scenario's models, put together to a world and its twin."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from ...scenarios.components import KEYS
from ...scenarios.errors import Issue, ScenarioError
from ...scenarios.schema import Scenario
from ...scenarios.sections import DeviationSection
from ..core.arrays import FloatArray, spread
from ..core.clock import to_ns
from ..core.errors import ModelError, RunError
from ..core.randomness import Streams
from ..core.recorder import NullRecorder, Recorder
from ..core.saved_state import Saved, StateError, load_state
from ..hindsight import Idle, path_of
from ..models.arrivals import ARRIVALS, SLOT_TASKS
from ..models.association import ASSOCIATION, Association
from ..models.battery import Battery
from ..models.carbon import CarbonIntensity
from ..models.checked import checked
from ..models.fading import FADING, NoFading
from ..models.failures import FailureModel, Failures
from ..models.mobility import MOBILITY, Mobility, present_of
from ..models.path_loss import DistanceLaw, Links, OfDistance, PathLoss, Sites, is_law
from ..models.replay import Recorded
from ..models.trace_mobility import TraceMobility
from ..network.backhaul import Backhaul
from ..network.cells import Cells
from ..network.graph import LiveNetwork, Placement
from ..network.network import Network
from ..network.spectral_efficiency import spectral_efficiency
from ..network.topology import Topology, uniform
from ..simulation import Decide, Simulation
from ..stream.deadlines import UrgentFirst
from ..stream.green_problem import SamplePath
from ..stream.green_world import GreenState, GreenWorld
from ..stream.ledger import TaskLedger
from ..stream.problem import DriftPlusPenalty
from ..stream.state import StreamState
from ..stream.world import StreamWorld
from ..tasks.channel import AntennaFading, BlockFading, WaveFading
from ..tasks.network import TaskNetwork, Tasks
from ..tasks.problem import WorstCaseEmission
from ..tasks.state import TaskState
from ..tasks.world import TaskWorld, channel_of
from ..twin.deviation import Deviation
from ..twin.prediction import ArrivalPredictor, EnergyPredictor, LocationPredictor, Predictor
from ..twin.twin import Twin
from ..world import World
from .components import (
    COUNTED_BY,
    check_files,
    check_path_loss,
    check_size,
    check_speed,
    check_times,
    count_devices,
    find_antenna_fading,
    find_carbon,
    find_device_positions,
    find_model,
    find_path_loss,
    find_sites,
    find_topology,
)
from .green import Green, find_green, green_problem, is_green
from .hops import make_hop
from .power import PowerPlan, find_power, find_sci


@dataclass(frozen=True)
class Blueprint:
    """A scenario with all its models found and its files read: all that can be wrong is checked.

    Attributes:
        scenario: what it was made from.
        network: sizes, capacities and constants.
        problem: what is minimised.
        topology: where the stations stand.
        device_position_m: (N, 2), or None if each replication draws its own.
        carbon: intensity at the stations.
        carbon_about: where it is from, by the keys that state it; see `find_carbon`.
        mobility: configured, not started; so are the following.
        association: which station serves whom.
        path_loss: mean gains.
        sites: what a path loss is told of the stations.
        fading: gains around the mean; None where each antenna's are drawn block by block.
        arrivals: tasks.
        notes: tells what a user should know before a run, a line each; asked only where it is shown.
        green: emission and classes of tasks, where they are part of the decision; else None.
        power: what stations draw; None where nothing is said of it.
    """

    scenario: Scenario
    network: Network
    problem: DriftPlusPenalty | WorstCaseEmission
    topology: Topology
    device_position_m: FloatArray | None
    carbon: CarbonIntensity
    carbon_about: Mapping[str, Mapping[str, Any]]
    mobility: Mobility
    association: Association
    path_loss: PathLoss | DistanceLaw
    sites: Sites
    fading: Any
    arrivals: Any
    notes: Callable[[], Sequence[str]] = tuple
    green: Green | None = None
    power: PowerPlan | None = None

    def simulation(
        self,
        decide: Decide,
        recorder: Recorder,
        streams: Streams,
        saved: Saved | None = None,
    ) -> Simulation:
        """The run at time zero, or where its `Simulation.parts` were saved.

        The models are started: a blueprint is good for one simulation.

        Raises:
            RunError: a model that is not the program's own does not start.
            StateError: what was saved is not of this run.
        """
        try:
            world, now_ns = self._world(streams), 0
        except ModelError as error:
            raise RunError(error.in_slot(0)) from error
        twin = self._twin(world, streams)
        if saved is not None:
            now_ns = load_state(saved, {"now_ns": None, "world": world, "twin": twin})["now_ns"]
            slot = world.state.slot
            whole = type(now_ns) is int and now_ns == world.slot_start_ns
            if not (whole and 0 <= slot <= self.scenario.run.slots):
                raise StateError(f"{now_ns} ns is not the end of slot {slot - 1} of the run")
        return self._of(world, twin, decide, recorder, now_ns)

    def of_replications(self, first: int, count: int) -> "Blueprint":
        """That of some consecutive replications alone; a run of several consists of such.

        Args:
            first: of them; its seed is the scenario's, and as much more.
            count: how many.
        """
        seed = self.scenario.run.seed + first
        network = replace(self.network, replications=count)
        scenario = self.scenario.with_run(seed=seed, replications=count)
        problem = _problem(scenario, network)
        return replace(self, scenario=scenario, network=network, problem=problem)

    def waiting(self, decide: Decide, recorder: Recorder, parts: Mapping[str, Any]) -> Simulation:
        """The run where another one, of the same scenario, waits for a decision.

        Args:
            decide: as for `simulation`.
            recorder: likewise.
            parts: a copy of the other's `Simulation.parts`.
        """
        world, twin, now_ns = parts["world"], parts["twin"], parts["now_ns"]
        return self._of(world, twin, decide, recorder, now_ns, begun=True)

    def _of(
        self,
        world: World,
        twin: Twin,
        decide: Decide,
        recorder: Recorder,
        now_ns: int,
        *,
        begun: bool = False,
    ) -> Simulation:
        scenario = self.scenario
        slot_s = self.network.slot_s
        return Simulation(
            world,
            twin,
            scenario.policy.name,
            decide,
            recorder,
            scenario.run.slots,
            coherence_s=self._coherence_s(),
            device_period_s=scenario.twin.device.period or slot_s,
            station_period_s=scenario.twin.station.period or slot_s,
            now_ns=now_ns,
            begun=begun,
            notes=self.notes,
        )

    def _world(self, streams: Streams) -> World:
        network, scenario = self.network, self.scenario
        shape = (network.replications, network.devices)
        placed = self.device_position_m is not None
        if self.device_position_m is None:
            position = uniform(
                network.devices, self.topology.area_m, streams.generators("positions")
            )
        else:
            position = np.broadcast_to(self.device_position_m, (*shape, 2)).copy()
        mobility, path_loss, association = (
            self._checked(kind) for kind in ("mobility", "path_loss", "association")
        )
        position = mobility.start(position, self.topology.area_m, streams.generators, placed)
        distance = self.topology.distance_m(position)
        if is_law(path_loss):
            path_loss = OfDistance(path_loss)
        path_loss.start(self.sites, streams.generators)
        path_gain = path_loss.gain(Links(position, distance))
        live = LiveNetwork(network, self.topology)
        present = present_of(mobility)
        present = np.ones(shape, np.bool_) if present is None else present.copy()
        told = self.carbon if self.green is None else self.green.shown.intensity
        stations = network.replications, network.stations
        carbon = spread(told.at(0)[: network.stations], stations)
        live.follow(Placement(position, present=present, carbon_g_per_j=carbon))
        association.start(live, self.topology.coverage_m)
        # Who is not there yet has been at no station; the first stands for it.
        station = np.where(present, association.associate(distance, path_gain), 0)
        at_start = {
            "slot": 0,
            "position_m": position,
            "present": present,
            "path_gain": path_gain,
            "cells": Cells(station, network.stations, present),
            "carbon_g_per_j": carbon,
            "station_up": np.ones(stations, dtype=np.bool_),
        }
        deviation = scenario.twin.deviation
        power = None if self.power is None else self.power.start(network, streams)
        if power is not None:
            at_start["power"] = power.reported()
        common = {
            "slot_s": network.slot_s,
            "live": live,
            "topology": self.topology,
            "path_loss": path_loss,
            "mobility": mobility,
            "association": association,
            "carbon": self.carbon,
            "device_cpu": _deviation(deviation.device_cpu, streams, "deviation/device_cpu"),
            "edge_cpu": _deviation(deviation.edge_cpu, streams, "deviation/edge_cpu"),
            "record_gain": scenario.trace.level == "full",
            "power": power,
            "sci": find_sci(scenario, network.stations),
        }
        world: World
        if isinstance(self.problem, WorstCaseEmission):
            world = self._task_world(self.problem, streams, at_start, common)
        else:
            world = self._stream_world(self.problem, streams, at_start, common)
        live.follow(world.state)
        return world

    def _checked(self, component: str, kind: str | None = None) -> Any:
        name = attrgetter(KEYS[component])(self.scenario)
        return checked(kind or component, getattr(self, component), name, self.network)

    def _stream_world(
        self,
        problem: DriftPlusPenalty,
        streams: Streams,
        at_start: dict[str, Any],
        common: dict[str, Any],
    ) -> StreamWorld:
        network, scenario = self.network, self.scenario
        shape = (network.replications, network.devices)
        fading, arrivals = self._checked("fading"), self._checked("arrivals")
        fading.start(network.devices, network.station_names, streams.generators)
        arrivals.start(network.devices, network.slot_s, streams.generators)
        battery, charge = None, np.full(shape, np.inf)
        power_max = spread(network.device_power_max_w, shape)
        if (keys := scenario.devices.battery) is not None:
            harvest = streams.generators("harvest")
            battery = Battery(network, keys.capacity, keys.harvest, harvest)
            charge = np.full(shape, keys.initial * keys.capacity)
            power_max = battery.power_max_w(charge)
        gain = fading.next()
        zeros = np.zeros(shape)
        kinds: Any = StreamState, TaskLedger, StreamWorld
        more: dict[str, Any] = {}
        if self.green is not None:
            ledger_kind = TaskLedger if scenario.tasks.classes is None else UrgentFirst
            kinds = GreenState, ledger_kind, GreenWorld
            at_start |= self.green.state_parts(scenario, network)
            more = self.green.world_parts(scenario, network, streams)
        state = kinds[0](
            **at_start,
            fading=gain,
            channel_gain=at_start["path_gain"] * gain,
            queue_bits=zeros,
            station_queue_bits=np.zeros((network.replications, network.stations)),
            lost_bits=np.zeros((network.replications, network.stations)),
            left_bits=zeros,
            battery_j=charge,
            power_max_w=power_max,
            arrived_bits=zeros,
            departed_bits=zeros,
            energy_j=zeros,
            total_energy_j=zeros,
            total_departed_bits=zeros,
        )
        ledger = kinds[1](
            *shape,
            network.stations,
            network.slot_s,
            scenario.tasks.deadline,
            scenario.tasks.buffer,
        )
        world: StreamWorld = kinds[2](
            **(common | more),
            state=state,
            network=network,
            problem=problem,
            fading=fading,
            arrivals=arrivals,
            ledger=ledger,
            battery=battery,
            failures=_failures(scenario, network, streams),
            absent_queue=scenario.devices.absent_queue,
        )
        return world

    def _antenna_fading(self, streams: Streams) -> AntennaFading:
        network, antennas = self.network, self.scenario.channel.antennas
        station = network.station_names[0]
        if self.fading is None:
            rngs = streams.generators(f"fading/{station}")
            return BlockFading(network.devices, antennas, rngs)
        self.fading.start(network.devices * antennas, (station,), streams.generators)
        return WaveFading(self.fading, antennas)

    def _task_world(
        self,
        problem: WorstCaseEmission,
        streams: Streams,
        at_start: dict[str, Any],
        common: dict[str, Any],
    ) -> TaskWorld:
        network = self.network
        zeros = np.zeros((network.replications, network.devices))
        arrivals = self._checked("arrivals", "tasks")
        arrivals.start(network.devices, streams.generators)
        fades = self._antenna_fading(streams)
        fading = fades.next()
        deadline_s = self.scenario.tasks.deadline or np.inf
        state = TaskState(
            **at_start,
            fading=fading,
            channel=channel_of(at_start["path_gain"], fading),
            # What the twin has of a device before its first report: nothing to do, and until when.
            tasks=Tasks(zeros, zeros, np.full(zeros.shape, deadline_s)),
            emission_g=zeros,
        )
        return TaskWorld(
            **common,
            state=state,
            network=problem.network,
            fades=fades,
            arrivals=arrivals,
            deadline_s=deadline_s,
        )

    def _twin(self, world: World, streams: Streams) -> Twin:
        keys = self.scenario.twin
        battery = self.scenario.devices.battery
        topology = self.topology
        path_gain = partial(_path_gain, topology, world.path_loss)
        makers: dict[str, Callable[[], Predictor]] = {
            "location": lambda: LocationPredictor(path_gain, topology.area_m),
            "arrivals": lambda: ArrivalPredictor(self.network),
        }
        if battery is not None:  # on mains there is nothing to predict
            makers["energy"] = lambda: EnergyPredictor(self.network, battery.capacity)
        slot_ns = to_ns(self.network.slot_s)
        station_ns = to_ns(keys.station.period) if keys.station.period else slot_ns
        return Twin(
            world.state,
            make_hop(keys.device, streams, "twin/device"),
            make_hop(keys.station, streams, "twin/station"),
            self._backhaul(),
            (station_ns, slot_ns),
            (slot_ns,),
            [makers[name]() for name in keys.predict if name in makers],
        )

    def _backhaul(self) -> Backhaul:
        report_bits, ideal = self.scenario.backhaul.report, self.scenario.twin.sync == "ideal"
        return Backhaul(self.topology, report_bits, self.network.replications, ideal=ideal)

    def _coherence_s(self) -> float | None:
        if isinstance(self.fading, NoFading):
            return None
        return self.scenario.channel.coherence or self.scenario.run.slot


def blueprint(scenario: Scenario) -> Blueprint:
    """Find every model, read every file, and check what only they can tell.

    Raises:
        ScenarioError: with all that is wrong.
    """
    issues: list[Issue] = []
    rests: list[object] = []

    def attempt(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ScenarioError as error:
            issues.extend(error.issues)
            rests.append(error.rest)
            return None

    def sure(make: Callable[[], Any], *keys: str) -> Any:
        """What is made from keys, if none of them is doubtful."""
        return None if scenario.doubts(*keys) else attempt(make)

    streamed = scenario.run.problem == "drift-plus-penalty"
    tasks = ARRIVALS if streamed else SLOT_TASKS
    models = {
        "mobility": sure(lambda: find_model(scenario, "mobility", MOBILITY), "mobility.model"),
        "association": sure(
            lambda: find_model(scenario, "association", ASSOCIATION), "association.model"
        ),
        "path_loss": sure(lambda: find_path_loss(scenario), "channel.path_loss"),
        "arrivals": sure(
            lambda: find_model(scenario, "arrivals", tasks), "tasks.arrivals", "run.problem"
        ),
        "fading": sure(
            lambda: (
                find_model(scenario, "fading", FADING)
                if streamed
                else find_antenna_fading(scenario)
            ),
            "channel.fading",
            "run.problem",
        ),
    }
    topology = sure(
        lambda: find_topology(scenario), "run", "area", "stations", "topology", "backhaul", "twin"
    )
    sites = topology and find_sites(scenario, topology)
    if sites is not None and models["path_loss"] is not None:
        sure(
            lambda: check_path_loss(scenario, models["path_loss"], sites),
            "devices",
            "stations",
            "area",
        )
    positions = sure(lambda: find_device_positions(scenario), "area", "devices")
    carbon = topology and sure(
        lambda: find_carbon(scenario, len(topology.station_names)), "run", "carbon"
    )
    sure(lambda: check_times(scenario), "run", "channel")
    sure(lambda: check_speed(scenario, models["mobility"]), "run", "area", "mobility")
    devices = sure(lambda: count_devices(scenario, models["mobility"], positions), *COUNTED_BY)
    notes = devices and sure(lambda: _notes(scenario, models["arrivals"], devices), "run")
    green: Green | None = None
    if devices and topology and is_green(scenario):
        green = sure(lambda: find_green(scenario, topology, devices), "run", "carbon")
    power = topology and sure(lambda: find_power(scenario, topology), "run", "stations")
    if devices and sites and models["path_loss"] is not None:
        sure(lambda: check_size(scenario, devices, sites, models["path_loss"]), "run", "channel")
    if issues or scenario.doubtful:
        meant = next((one for one in rests if isinstance(one, TraceMobility)), models["mobility"])
        attempt(lambda: check_files(scenario, meant))
        raise ScenarioError(list(dict.fromkeys(issues)))
    network = _network(scenario, topology, devices)
    return Blueprint(
        scenario,
        network,
        _problem(scenario, network),
        topology,
        positions,
        carbon[0],
        carbon[1] if green is None else green.about,
        sites=sites,
        **models,
        notes=notes,
        green=green,
        power=power,
    )


def _foreseen(scenario: Scenario) -> SamplePath:
    """What will happen in its run, by one of idle devices."""
    idle, run = Idle(), scenario.run
    streams = Streams(run.seed, run.replications)
    return path_of(blueprint(scenario).simulation(idle.decide, NullRecorder(), streams), idle)


def _problem(scenario: Scenario, network: Network) -> DriftPlusPenalty | WorstCaseEmission:
    if scenario.run.problem == "drift-plus-penalty":
        if is_green(scenario):
            return green_problem(scenario, network, partial(_foreseen, scenario))
        return DriftPlusPenalty(network, scenario.policy.V, scenario.policy.perturbation)
    power = scenario.stations.mbs.power
    return WorstCaseEmission(_carbon_aware(scenario, network), bool(power and power.solar))


def _notes(scenario: Scenario, arrivals: Any, devices: int) -> Callable[[], Sequence[str]]:
    """What is to be known of recorded requests, once it is known what run they are for.

    Raises:
        ScenarioError: they do not go with it.
    """
    if not isinstance(arrivals, Recorded):
        return tuple
    run = scenario.run
    try:
        arrivals.check(devices, run.slot)
    except ValueError as error:
        raise ScenarioError([Issue(scenario.source, str(error), "tasks.file")]) from None
    return partial(arrivals.notes, devices, run.slots, run.slot)


def _network(scenario: Scenario, topology: Topology, devices: int) -> Network:
    channel, bandwidth = scenario.channel, topology.station_bandwidth_hz
    return Network(
        replications=scenario.run.replications,
        slot_s=scenario.run.slot,
        station_names=topology.station_names,
        device_cpu_hz=np.broadcast_to(scenario.devices.cpu, devices).astype(np.float64),
        device_power_max_w=np.broadcast_to(scenario.devices.power_max, devices).astype(np.float64),
        station_bandwidth_hz=bandwidth,
        station_cpu_hz=topology.station_cpu_hz,
        cycles_per_bit=scenario.tasks.cycles_per_bit,
        varsigma=scenario.energy.varsigma,
        epsilon_w=scenario.energy.epsilon,
        noise_w=np.array(
            [channel.noise.power_w(hertz) * channel.noise_figure for hertz in bandwidth]
        ),
        noise_model=channel.noise_model,
        efficiency=spectral_efficiency(channel.spectral_efficiency),
    )


def _carbon_aware(scenario: Scenario, network: Network) -> TaskNetwork:
    limits = scenario.limits
    shape = network.devices
    return TaskNetwork(
        bandwidth_hz=float(network.station_bandwidth_hz[0]),
        noise_w=float(network.noise_w[0]),
        device_power_max_w=network.device_power_max_w,
        device_cpu_min_hz=np.full(shape, scenario.devices.cpu_min),
        device_cpu_max_hz=network.device_cpu_hz,
        server_cpu_hz=float(network.station_cpu_hz[0]),
        theta_device=np.full(shape, scenario.energy.varsigma),
        theta_server=scenario.energy.theta_0,
        rate_min_bps=limits.rate_min,
        energy_max_j=limits.energy_max,
        rate_floor=limits.rate_floor,
        efficiency=network.efficiency,
    )


def _path_gain(topology: Topology, path_loss: PathLoss, position_m: FloatArray) -> FloatArray:
    return path_loss.gain(Links(position_m, topology.distance_m(position_m)))


def _deviation(keys: DeviationSection, streams: Streams, name: str) -> Deviation:
    rngs = streams.generators(name) if keys.noise > 0.0 else []
    return Deviation(keys.bias, keys.relative, keys.noise, rngs)


def _failures(scenario: Scenario, network: Network, streams: Streams) -> Failures | None:
    kinds = [scenario.stations.mbs.failures] + [scenario.stations.sbs.failures] * (
        network.stations - 1
    )
    if not any(kinds):
        return None
    models = [
        FailureModel(
            keys.time_to_failure,
            keys.time_to_repair,
            keys.law,
            reassociates=keys.devices == "reassociate",
            loses=keys.queue == "lost",
        )
        if keys
        else None
        for keys in kinds
    ]
    rngs = [streams.generators(f"failures/{name}") for name in network.station_names]
    return Failures(models, rngs)
