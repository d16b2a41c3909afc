"""How far the simulation is from the same physics in one compiled loop.

The loop draws fading and arrivals, computes rates with interference, serves the queues and accounts
the energy, under one fixed decision: equal shares, full power, full speed. It keeps no trace, no
tasks and no twin; the simulation keeps them all, but its recorder forgets what it is handed.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from edgesim.experiments.run import prepare
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.arrays import FloatArray, IntArray
from edgesim.simulator.core.compiled import compiled
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.network.network import Network
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.observation import Observation

from .measure import Row, rounds, scenario

CASES = ((1, 20, 3000), (64, 20, 300), (1, 1000, 600))
"""Replications, devices, slots."""


def measure() -> Iterator[Row]:
    for replications, devices, slots in CASES:
        plan = scenario(f"run.replications={replications}", f"devices.count={devices}", slots=slots)
        theirs, ours = looped(plan), simulated(plan)
        if not np.isclose(theirs, ours, rtol=0.05):
            raise AssertionError(f"not the same physics: {theirs} and {ours} J/bit")
        seconds = rounds(partial(looped, plan), partial(simulated, plan))
        case = f"R = {replications}, N = {devices}"
        limit, reached = np.median(seconds, axis=0) * 1e6 / (replications * devices * slots)
        yield Row(f"{case}, compiled loop", limit, "us of CPU per device-slot")
        yield Row(f"{case}, simulation", reached, "us of CPU per device-slot")
        yield Row(f"{case}, simulation over loop", np.median(seconds[:, 1] / seconds[:, 0]), "x")


class Fixed:
    """Decides the same in every slot."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, observation: Observation) -> Decision:
        """Equal shares, full power, full speed."""
        if observation.slot == 0:
            network, cells = self._network, observation.cells
            members = np.maximum(cells.members, 1)
            shape = observation.queue_bits.shape
            self._service = network.station_service_bits
            self._shares = (
                cells.at_station(network.station_bandwidth_hz / members),
                np.broadcast_to(network.device_power_max_w, shape),
                np.broadcast_to(network.device_cpu_hz, shape),
                cells.at_station(network.station_cpu_hz / members),
            )
        served = np.minimum(self._service, observation.station_queue_bits)
        return Decision(*self._shares, served)


def simulated(plan: Scenario) -> float:
    """Energy per bit, J, of the simulation."""
    blueprint = prepare(plan).blueprint
    streams = Streams(plan.run.seed, plan.run.replications)
    simulation = blueprint.simulation(Fixed(blueprint.network), NullRecorder(), streams)
    simulation.run()
    state: Any = simulation.world.state
    return float(state.total_energy_j.sum() / state.total_departed_bits.sum())


def looped(plan: Scenario) -> float:
    """Energy per bit, J, of the compiled loop on the same network."""
    blueprint = prepare(plan).blueprint
    network, streams = blueprint.network, Streams(plan.run.seed, plan.run.replications)
    start = blueprint.simulation(Fixed(network), NullRecorder(), streams).world.state
    members = np.maximum(start.cells.members, 1)
    return float(
        _physics(
            np.random.default_rng(plan.run.seed),
            plan.run.slots,
            start.path_gain,
            start.cells.station,
            start.cells.at_station(network.station_bandwidth_hz / members),
            network.device_power_max_w,
            network.device_cpu_hz,
            start.cells.at_station(network.station_cpu_hz / members),
            network.station_cpu_hz,
            network.noise_w,
            network.slot_s,
            network.cycles_per_bit,
            network.varsigma,
            network.epsilon_w,
            0.6e6,
        )
    )


@compiled
def _physics(
    rng: np.random.Generator,
    slots: int,
    path_gain: FloatArray,
    station: IntArray,
    bandwidth_hz: FloatArray,
    power_w: FloatArray,
    cpu_hz: FloatArray,
    edge_cpu_hz: FloatArray,
    station_cpu_hz: FloatArray,
    noise_w: FloatArray,
    tau: float,
    c: float,
    varsigma: float,
    epsilon: float,
    mean_bits: float,
) -> float:
    replications, devices, stations = path_gain.shape
    queue, station_queue = np.zeros((replications, devices)), np.zeros((replications, stations))
    gain, heard = np.empty((devices, stations)), np.empty(stations)
    energy = bits = 0.0
    for _ in range(slots):
        for r in range(replications):
            heard[:] = noise_w
            for i in range(devices):
                own = station[r, i]
                for b in range(stations):
                    gain[i, b] = path_gain[r, i, b] * rng.standard_exponential()
                    if own > 0 and b > 0 and b != own and queue[r, i] > 0.0:
                        heard[b] += power_w[i] * gain[i, b]
            for b in range(stations):
                served = min(station_queue[r, b], station_cpu_hz[b] * tau / c)
                station_queue[r, b] -= served
            for i in range(devices):
                b = station[r, i]
                rate = bandwidth_hz[r, i] * np.log2(1.0 + power_w[i] * gain[i, b] / heard[b])
                local, sent = tau * cpu_hz[i] / c, tau * rate
                share = min(1.0, queue[r, i] / (local + sent))
                local, sent = local * share, sent * share
                energy += varsigma * tau * (local * c / tau) ** 3
                energy += power_w[i] * sent / rate + epsilon * sent * c / edge_cpu_hz[r, i]
                bits += local + sent
                station_queue[r, b] += sent
                queue[r, i] += 2.0 * mean_bits * rng.random() - local - sent
    return energy / bits
