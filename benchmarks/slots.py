"""A run of paper A's network, trace on disk, beside a bare numpy loop of the same physics.

The loop is what one writes for a single paper: no clocks, no twin, no checks, no tasks, no trace. It
asks the same policy object and starts from the same positions.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgesim.experiments.run import prepare
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.stream.observation import Observation

from .measure import Row, end_to_end, rounds, scenario

SLOTS = 10_000


def measure() -> Iterator[Row]:
    plan = scenario(slots=SLOTS)
    end_to_end(plan)
    bare_loop(plan)
    ours, bare = rounds(lambda: end_to_end(plan), lambda: bare_loop(plan)).T
    yield Row(
        "N = 20, lyapunov, trace of slots", SLOTS / np.median(ours), "slots/CPU-s", at_least=2500
    )
    yield Row("a bare numpy loop", SLOTS / np.median(bare), "slots/CPU-s")
    yield Row("CPU of a run over the bare loop", np.median(ours / bare), "x", at_most=2.0)


def bare_loop(plan: Scenario) -> float:
    """Energy per bit of one replication, J/bit; A(3) to A(11) as one writes them down."""
    experiment = prepare(plan)
    blueprint, decide = experiment.blueprint, experiment.policy.decide
    problem: Any = blueprint.problem
    n = problem.network
    streams = Streams(plan.run.seed, 1)
    experiment.policy.reset(n, problem, streams.generators("policy"))
    start: Any = blueprint.simulation(decide, NullRecorder(), streams).world.state
    path_gain, cells = start.path_gain, start.cells
    station = cells.station[0]
    links = np.arange(n.devices), station
    hears = (station[:, None] != np.arange(n.stations)) & (station[:, None] > 0)
    hears[:, 0] = False
    tau, c = n.slot_s, n.cycles_per_bit
    mean_bits = 0.6e6
    rng = np.random.default_rng(plan.run.seed)

    queue, arrived, departed = (np.zeros((1, n.devices)) for _ in range(3))
    station_queue = np.zeros((1, n.stations))
    age, station_age = np.zeros((1, n.devices)), np.zeros((1, n.stations))
    energy_so_far = bits_so_far = ratio = 0.0
    for slot in range(plan.run.slots):
        gain = path_gain * rng.standard_exponential((1, n.devices, n.stations))
        previous, ratio = ratio, energy_so_far / bits_so_far if bits_so_far else 0.0
        beta = np.full((1, n.devices), problem.V * previous + departed.max())
        decision = decide(
            Observation(
                slot=slot,
                time_s=slot * tau,
                cells=cells,
                channel_gain=gain,
                queue_bits=queue,
                station_queue_bits=station_queue,
                station_up=start.station_up,
                power_max_w=start.power_max_w,
                position_m=start.position_m,
                battery_j=start.battery_j,
                arrived_bits=arrived,
                departed_bits=departed,
                energy_per_bit_j=np.array([ratio]),
                perturbation_bits=beta,
                carbon_g_per_j=start.carbon_g_per_j,
                age_s=age,
                station_age_s=station_age,
            )
        )
        sends = (queue > 0.0) & (decision.bandwidth_hz > 0.0) & (decision.edge_cpu_hz > 0.0)
        power = np.where(sends, decision.power_w, 0.0)
        heard = (power[0, :, None] * gain[0] * hears).sum(axis=0)
        snr = power[0] * gain[0][links] / (heard + n.noise_w)[station]
        rate = decision.bandwidth_hz * np.log2(1.0 + snr)
        local, sent = decision.local_cpu_hz * tau / c, rate * tau
        share = np.minimum(1.0, queue / np.maximum(local + sent, 1e-9))
        local, sent = local * share, sent * share
        departed = local + sent
        energy_so_far += n.varsigma * tau * ((local * c / tau) ** 3).sum()
        energy_so_far += (power * sent / np.maximum(rate, 1e-9)).sum()
        energy_so_far += (n.epsilon_w * sent * c / np.maximum(decision.edge_cpu_hz, 1e-9)).sum()
        bits_so_far += departed.sum()
        inflow = np.bincount(station, sent[0], n.stations)
        arrived = 2.0 * mean_bits * rng.random((1, n.devices))
        queue = np.maximum(queue - departed, 0.0) + arrived
        station_queue = np.maximum(station_queue - decision.served_bits, 0.0) + inflow
    return float(energy_so_far / bits_so_far)
