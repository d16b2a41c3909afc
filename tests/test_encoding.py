"""Encodings: every action is a decision that the network can carry out, and the optimum is among them."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import table1
from conftest import a_network, observing
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.policies.learning.admission import divide_deadlines
from edgesim.policies.learning.encoding import Encoding
from edgesim.policies.learning.encodings import encoding_of
from edgesim.policies.learning.sending_plan import priority_shares
from edgesim.policies.learning.stream_encoding import StreamEncoding
from edgesim.policies.learning.task_encoding import TaskEncoding
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.stream.decision import check, fit
from edgesim.simulator.stream.observation import Observation
from edgesim.simulator.stream.problem import DriftPlusPenalty
from edgesim.simulator.tasks.channel import MrcChannel
from edgesim.simulator.tasks.network import TaskNetwork, Tasks
from edgesim.simulator.tasks.observation import TaskObservation
from edgesim.simulator.tasks.outcome import evaluate
from edgesim.simulator.tasks.powers import least_powers_w
from edgesim.simulator.tasks.problem import WorstCaseEmission

TABLE_I = """
title = "test"
[run]
problem = "worst-case-emission"
slots = 6
slot = "2 s"
[area]
size = ["100 m", "100 m"]
[devices]
count = 6
power_max = "23 dBm"
cpu = "2 GHz"
cpu_min = "0.5 GHz"
[stations.mbs]
bandwidth = "10 MHz"
cpu = "20 GHz"
[stations.sbs]
count = 0
[channel]
access = "mrc"
antennas = 8
path_loss_exponent = 3.76
reference_gain = "-35.3 dB"
min_distance = "1 m"
noise = "-174 dBm/Hz"
[tasks]
arrivals = "per-slot"
size = ["1 MB", "2 MB"]
cycles = ["1000 Mcycles", "1500 Mcycles"]
deadline = "2 s"
[energy]
theta_0 = 1e-28
[policy]
name = "exact"
"""


def stream(
    seed: int, replications: int = 3, devices: int = 7, stations: int = 3, **changes: Any
) -> tuple[StreamEncoding, Observation]:
    """A random state of a small network; some queues are empty."""
    rng = np.random.default_rng(seed)
    network = a_network(stations, devices, replications, **changes)
    shape = (replications, devices)
    queue = rng.uniform(0.0, 5e6, shape) * (rng.random(shape) > 0.2)
    observation = Observation(
        slot=3,
        time_s=0.3,
        cells=Cells(rng.integers(0, stations, shape), stations),
        channel_gain=10.0 ** rng.uniform(-12.0, -5.0, (*shape, stations)),
        queue_bits=queue,
        station_queue_bits=rng.uniform(0.0, 5e6, (replications, stations)),
        power_max_w=np.full(shape, 0.1),
        position_m=np.zeros((*shape, 2)),
        battery_j=np.full(shape, np.inf),
        arrived_bits=rng.uniform(0.0, 1e6, shape),
        departed_bits=rng.uniform(0.0, 1e6, shape),
        energy_per_bit_j=np.full(replications, 1e-8),
        perturbation_bits=np.full(shape, 1e6),
        carbon_g_per_j=np.full((replications, stations), 5e-5),
        age_s=np.zeros(shape),
        station_age_s=np.zeros((replications, stations)),
        station_up=np.ones((replications, stations), dtype=np.bool_),
    )
    return StreamEncoding(DriftPlusPenalty(network, 1e13)), observation


def net_bits(encoding: StreamEncoding, observation: Observation) -> FloatArray:
    """k_i = V eta + Q_i - beta_i - Q_j."""
    V_eta = encoding.problem.V * observation.energy_per_bit_j[:, None]
    station_bits = observation.cells.at_station(observation.station_queue_bits)
    return V_eta + observation.queue_bits - observation.perturbation_bits - station_bits


def only(observation: Observation, order: Any, replication: Any) -> Observation:
    """Some devices, in another order, of some replications."""
    columns = {}
    for one in fields(observation):
        value = getattr(observation, one.name)
        if isinstance(value, np.ndarray):
            of_devices = value.shape[1:2] == (observation.station.shape[1],)
            columns[one.name] = value[replication][:, order] if of_devices else value[replication]
    cells = Cells(observation.station[replication][:, order].copy(), observation.cells.shape[1])
    return replace(observation, cells=cells, **columns)


@given(st.integers(0, 10_000), st.sampled_from(["total", "density"]))
@settings(max_examples=40)
def test_every_action_is_within_the_physical_sets(seed: int, noise_model: str) -> None:
    """Nothing is scaled down; a band in which somebody sends is used up; who is off sends nothing."""
    encoding, observation = stream(seed, noise_model=noise_model)
    network, cells = encoding.network, observation.cells
    action = np.random.default_rng(seed).uniform(-2.0, 2.0, (3, 7, 4))
    decision = check(encoding.decision(action, observation), network)
    _, scaled = fit(
        decision, network, cells, observation.power_max_w, observation.station_queue_bits
    )
    assert not scaled.any()
    sends = decision.bandwidth_hz > 0.0
    may_send = (net_bits(encoding, observation) > 0.0) & (observation.queue_bits > 0.0)
    assert not (sends & ~(may_send & (action[..., 0] > -1.0))).any()
    assert ((decision.power_w > 0.0) == sends).all()
    assert ((decision.edge_cpu_hz > 0.0) == sends).all()
    used = cells.total(decision.bandwidth_hz) / network.station_bandwidth_hz
    assert np.allclose(used, cells.total(sends.astype(float)) > 0.0)


def two_devices(queue_bits: list[float]) -> tuple[StreamEncoding, Observation]:
    """At one station whose queue is empty, over equal channels, without V eta - beta."""
    encoding, observation = stream(2, replications=1, devices=2, stations=1)
    return encoding, replace(
        observation,
        channel_gain=np.full((1, 2, 1), 1e-8),
        queue_bits=np.array([queue_bits]),
        station_queue_bits=np.zeros((1, 1)),
        energy_per_bit_j=np.zeros(1),
        perturbation_bits=np.zeros((1, 2)),
    )


def water_level(weight: FloatArray, needed: FloatArray, capacity: float) -> FloatArray:
    """min(need, level w) with the level that uses up the capacity, by bisection."""
    low, high = 0.0, 1e12
    for _ in range(300):
        level = np.sqrt(max(low, 1e-12) * high)
        if np.minimum(needed, level * weight).sum() < capacity:
            low = level
        else:
            high = level
    return np.minimum(needed, high * weight)


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_priority_shares_against_bisection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 10.0, (1, 6)) * (rng.random((1, 6)) > 0.3)
    needed = 10.0 ** rng.uniform(-1.0, 2.0, (1, 6))
    share = priority_shares(weight, needed, np.zeros((1, 6), dtype=np.int64), np.array([10.0]))[0]
    wanted = needed[0][weight[0] > 0.0].sum()
    if wanted > 10.0:
        assert np.allclose(share, water_level(weight[0], needed[0], 10.0), rtol=1e-6)
    elif wanted > 0.0:  # all have enough: the rest goes to them in proportion
        assert np.allclose(share, needed[0] * (weight[0] > 0.0) * 10.0 / wanted)


def test_shares_are_a_softmax_where_nobody_has_enough() -> None:
    logits = np.array([[0.3, -1.0, 2.0, 0.0]])
    station = np.array([[0, 0, 0, 1]])
    plenty = np.full((1, 4), 1e9)
    share = priority_shares(np.exp(logits), plenty, station, np.array([8.0, 3.0]))
    e = np.exp(logits[0, :3])
    assert np.allclose(share, [[*(8.0 * e / e.sum()), 3.0]])


def test_order_of_devices_and_number_of_replications_do_not_matter() -> None:
    encoding, observation = stream(5)
    action = np.random.default_rng(5).uniform(-1.0, 1.0, (3, 7, 4))
    features, decision = encoding.features(observation), encoding.decision(action, observation)
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    one, _ = stream(5, replications=1)
    for r in range(3):
        alone = only(observation, np.arange(7), [r])
        assert np.array_equal(one.features(alone)[0], features[r])
        again = one.decision(action[r : r + 1], alone)
        for name in ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits"):
            assert np.array_equal(getattr(again, name)[0], getattr(decision, name)[r])
        shuffled = only(observation, order, [r])
        assert np.allclose(one.features(shuffled)[0], features[r, order], atol=1e-6)
        again = one.decision(action[r : r + 1, order], shuffled)
        assert np.allclose(again.bandwidth_hz[0], decision.bandwidth_hz[r, order], rtol=1e-9)
        assert np.allclose(again.edge_cpu_hz[0], decision.edge_cpu_hz[r, order], rtol=1e-9)


def test_features_of_a_hand_computed_state() -> None:
    """q = 0.5 Mbit; V eta = 0.1 Mbit, Q = 2 Mbit, beta = 1 Mbit: v = 1.1 Mbit."""
    encoding, observation = stream(7, replications=1, devices=2, stations=2)
    observation = replace(
        observation,
        cells=Cells(np.array([[0, 1]]), 2),
        queue_bits=np.full((1, 2), 2e6),
        station_queue_bits=np.array([[1.5e6, 0.0]]),
        channel_gain=np.array([[[1e-8, 1e-9], [1e-10, 1e-6]]]),
        arrived_bits=np.full((1, 2), 0.5e6),
        departed_bits=np.zeros((1, 2)),
        age_s=np.full((1, 2), 0.2),
    )
    first, second = encoding.features(observation)[0]
    # ln(1 + x / q) / 2, of gains (log10(p g / noise) - 5) / 2.5
    expected = {0: 0.0, 1: np.log(5.0) / 2, 2: np.log(3.2) / 2, 3: -np.log(1.8) / 2}
    expected |= {4: np.log(4.0) / 2, 5: np.log(1.2) / 2, 6: np.log(3.0) / 2, 7: -2.0, 8: -2.0}
    expected |= {9: 0.0, 10: 0.0, 11: np.log(101.0) / 2, 12: 0.0, 13: np.log(2.0) / 2}
    expected |= {14: np.log(2.0) / 2, 15: 0.0, 16: np.log(3.0) / 2}
    expected |= {17: -5.0, 18: 0.0}  # a bit of the first gives nothing at its station, k < 0
    assert np.allclose(first, [expected[k] for k in range(19)], atol=1e-6)
    assert second[17] == 0.0  # the only one of its station
    assert second[0] == pytest.approx(0.8)  # 1e-6 of 1e-14 at 0.1 W: 7 decades
    assert second[3] == pytest.approx(second[2])  # an empty station: a bit sent is worth as much
    assert second[10] == pytest.approx(np.log(2.0) / 2)


def test_what_a_device_learns_of_its_rivals() -> None:
    """Two devices at SBS 1, one at SBS 2, one at the MBS; all can send all: u = Q^2."""
    encoding, observation = stream(7, replications=1, devices=4, stations=3)
    gain = np.full((4, 3), 1e-6)
    gain[0, 2], gain[1, 2], gain[2, 1] = 1e-9, 1e-10, 1e-10
    observation = replace(
        observation,
        cells=Cells(np.array([[1, 1, 2, 0]]), 3),
        queue_bits=1e6 * np.exp([[0.0, -1.0, 0.5, 0.0]]),
        station_queue_bits=np.zeros((1, 3)),
        channel_gain=gain[None],
        energy_per_bit_j=np.zeros(1),
        perturbation_bits=np.zeros((1, 4)),
    )
    found = encoding.features(observation)[0].T
    assert found[17] == pytest.approx([0.0, -2.0, 0.0, 0.0], abs=1e-6)
    # ln of 1e12 over e 1e12, and the reverse; the MBS disturbs nobody.
    assert found[18] == pytest.approx([-1.0, -1.0, 1.0, 5.0], abs=1e-6)
    # What they disturb and hear at 0.1 W, over 1e-14 W: (log10(1 + x) - 5) / 2.5.
    disturbed, heard = np.array([1e4, 1e3, 1e3, 0.0]), np.array([1e3, 1e3, 1.1e4, 0.0])
    assert found[7] == pytest.approx((np.log10(1.0 + disturbed) - 5.0) / 2.5, abs=1e-6)
    assert found[8] == pytest.approx((np.log10(1.0 + heard) - 5.0) / 2.5, abs=1e-6)
    assert found[9] == pytest.approx(np.log([2.0, 2.0, 1.0, 1.0]) / 2.0, abs=1e-6)
    assert found[10] == pytest.approx(np.log([3.0, 3.0, 2.0, 2.0]) / 2.0, abs=1e-6)
    assert found[12] == pytest.approx([np.log10(0.5)] * 3 + [0.0], abs=1e-6)


def test_features_stay_in_their_range_whatever_happens() -> None:
    encoding, observation = stream(8)
    for scale in (0.0, 1e30):
        wild = replace(observation, queue_bits=observation.queue_bits * scale)
        assert np.abs(encoding.features(wild)).max() <= 5.0


@pytest.mark.parametrize("wrong", ["shape", "nan"])
def test_what_is_no_action_is_refused(wrong: str) -> None:
    encoding, observation = stream(9)
    action = np.zeros((3, 7, 4) if wrong == "nan" else (3, 7, 5))
    action[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN" if wrong == "nan" else "shape"):
        encoding.decision(action, observation)


def task_slots(*overrides: str) -> tuple[WorstCaseEmission, Encoding, list[tuple[Any, Any]]]:
    """The task problem's slots, each with its observation and what `exact` decides."""
    seen: list[Any] = []
    found = observing(seen, "run.replications=2", *overrides, toml=TABLE_I)
    problem = found.simulation.world
    assert isinstance(problem.network, TaskNetwork)  # type: ignore[attr-defined]
    emission = WorstCaseEmission(problem.network)  # type: ignore[attr-defined]
    names = ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz", "worst_emission_mg", "feasible")
    columns = [{name: found.trace[name][:, t] for name in names} for t in range(len(seen))]
    pairs = [(observation, row) for (observation, _), row in zip(seen, columns, strict=True)]
    return emission, encoding_of(emission), pairs


def outcome(problem: WorstCaseEmission, observation: TaskObservation, decision: Any) -> Any:
    return evaluate(
        problem.network,
        observation.tasks,
        observation.channel,
        observation.carbon_g_per_j,
        decision,
    )


def test_the_optimum_of_world_c_is_an_action() -> None:
    """`exact`'s offloading, powers and server times as actions emit as little as it does."""
    problem, encoding, slots = task_slots("energy.theta_0=1e-28")
    network = problem.network
    assert isinstance(encoding, TaskEncoding)
    offloaded = 0
    for observation, row in slots:
        offload = row["offload"]
        edge_s = observation.tasks.cycles / np.where(offload, row["edge_cpu_hz"], np.inf)
        weight = np.where(
            offload, np.log(edge_s + 1e-30) - 1.5 * np.log(observation.tasks.cycles), 0
        )
        middle = weight.sum(axis=1, keepdims=True) / np.maximum(offload.sum(axis=1), 1)[:, None]
        off_middle = np.where(offload, weight - middle, 0.0)
        action = np.zeros((2, 6, 4))
        action[..., 0] = np.where(offload, 1.0, -1.0)
        action[..., 1] = -1.0
        action[..., 2] = np.sign(off_middle) * np.sqrt(2.0 * np.abs(off_middle))
        assert np.abs(action).max() <= 1.0
        # How far the power is from the least to the largest, in logarithms.
        least = np.log(encoding.decision(action, observation).power_w)
        way = (np.log(row["power_w"]) - least) / (np.log(network.device_power_max_w) - least)
        action[..., 1] = np.where(offload, 2.0 * way - 1.0, 0.0)
        result = outcome(problem, observation, encoding.decision(action, observation))
        assert (result.use.feasible == row["feasible"]).all()
        possible = row["feasible"]
        ours, best = result.worst_emission_g[possible] * 1e3, row["worst_emission_mg"][possible]
        assert np.allclose(ours, best, rtol=1e-5)
        # With zeros in their place, and nothing but the offloading, little more.
        action[..., 1:] = 0.0
        result = outcome(problem, observation, encoding.decision(action, observation))
        assert (result.worst_emission_g[possible] * 1e3 <= 1.05 * best).all()
        offloaded += offload.sum()
    assert offloaded > 0


def two_tasks(**changes: Any) -> tuple[TaskEncoding, TaskObservation]:
    """Of 20 and 2 Mbit, and 2 and 0.4 Gcycles, within 2 s; the second is heard less well."""
    network = TaskNetwork(
        bandwidth_hz=10e6,
        noise_w=1e-13,
        device_power_max_w=np.full(2, 0.1),
        device_cpu_min_hz=np.full(2, 0.1e9),
        device_cpu_max_hz=np.full(2, 2e9),
        server_cpu_hz=20e9,
        theta_device=np.full(2, 1e-27),
        theta_server=1e-28,
        rate_min_bps=1e6,
        energy_max_j=1.0,
    )
    observation = TaskObservation(
        slot=3,
        time_s=6.0,
        tasks=Tasks(np.array([[20e6, 2e6]]), np.array([[2e9, 4e8]]), np.full((1, 2), 2.0)),
        channel=MrcChannel(np.array([[1e-8, 1e-9]]), np.array([[[0.0, 2e-12], [5e-12, 0.0]]])),
        carbon_g_per_j=np.full((1, 1), 5e-5),
        position_m=np.zeros((1, 2, 2)),
        last_emission_g=np.array([[5e-6, 0.0]]),
        age_s=np.array([[4.0, 0.0]]),
        present=np.ones((1, 2), np.bool_),
    )
    return TaskEncoding(WorstCaseEmission(network)), replace(observation, **changes)


def test_features_of_tasks_by_hand() -> None:
    encoding, observation = two_tasks()
    log10 = np.log10
    expected = [
        [0.0, -0.5],  # 40 dB and 30 dB above the noise
        [log10(3.0) / 2.0, log10(6.0) / 2.0],  # heard: 0.1 W of 2e-12 and of 5e-12, over 1e-13 W
        [log10(6.0) / 2.0, log10(3.0) / 2.0],  # and caused
        [0.0, -2.0],  # 10 and 1 Mbit/s, over 10 MHz
        [5.0 * (log10(0.5) + 0.5), -2.5],  # 1 and 0.2 GHz, of 2
        [5.0 * log10(2.0), -5.0],  # 2 J and 0.016 J, of 1 J: the latter is cut
        [5.0 * log10(0.2), -5.0],
        [0.0, -5.0],  # a tenth of 1 J's emission, and none
        [np.log(3.0) / 2.0, 0.0],  # two slots old, and none
        [2.0, 2.0 * 5e-12 / 1e-8],  # in common with the harder task's, the first
        [2.0 * 2e-12 / 1e-9, 2.0],
        *[[0.0, 0.0]] * 4,
    ]
    np.testing.assert_allclose(encoding.observed(observation)[0].T, expected, atol=1e-6)


def test_reserves_of_who_stays_local_by_hand() -> None:
    """From the slowest in time to the fastest, and from the floor to four times it, as max(0, a)^2."""
    encoding, observation = two_tasks()
    action = np.full((1, 2, 4), -1.0)
    slowest, most = np.array([1e9, 0.2e9]), 2e9
    for a, share in ((-1.0, 0.0), (0.0, 0.0), (0.5, 0.25), (1.0, 1.0)):
        action[..., 3] = a
        decision = encoding.decision(action, observation)
        assert not decision.offload.any() and not decision.edge_cpu_hz.any()
        np.testing.assert_allclose(decision.local_cpu_hz[0], slowest * (most / slowest) ** share)
        problem = WorstCaseEmission(encoding.network)
        rate_bps = outcome(problem, observation, decision).rate_bps[0]
        np.testing.assert_allclose(rate_bps, 1e6 * 4.0**share, rtol=1e-6)


def test_an_offloaders_time_is_shared_with_its_server_by_hand() -> None:
    """Alone on the uplink of 10 MHz: power from the least at F_max to P_max, in logarithms."""
    encoding, observation = two_tasks()
    network = encoding.network
    network = replace(network, rate_floor="offloading")
    encoding = TaskEncoding(WorstCaseEmission(network))
    action = np.full((1, 2, 4), -1.0)
    action[0, 1] = 1.0, -1.0, 0.0, 0.0
    # 2 Mbit and 0.4 Gcycles in 2 s: at 20 GHz 1.98 s are left for sending.
    least = (2.0 ** (2e6 / 1.98 / 10e6) - 1.0) * 1e-13 / 1e-9
    for budget in (-1.0, -0.9):
        action[0, 1, 1] = budget
        decision = encoding.decision(action, observation)
        assert decision.offload.tolist() == [[False, True]]
        share = 0.5 * (1.0 + budget)
        expected = least ** (1.0 - share) * 0.1**share
        assert decision.power_w[0, 1] == pytest.approx(expected, rel=1e-6)
        sending_s = 2e6 / (10e6 * np.log2(1.0 + expected * 1e-9 / 1e-13))
        edge_hz = 4e8 / (2.0 - sending_s)
        assert decision.edge_cpu_hz[0, 1] == pytest.approx(edge_hz, rel=1e-4)
    # With all of its power it sends as fast as E_max lets it, which is far less than P_max.
    thrifty = TaskEncoding(WorstCaseEmission(replace(network, energy_max_j=2e-5)))
    action[0, 1, 1] = 1.0
    power = thrifty.decision(action, observation).power_w[0, 1]
    sending_s = 2e6 / (10e6 * np.log2(1.0 + power * 1e-9 / 1e-13))
    assert power * sending_s == pytest.approx(2e-5, rel=1e-3) and power < 0.01
    # Who is valued most comes first: at 0.2 GHz for the server there is room for one of them.
    busy = TaskEncoding(WorstCaseEmission(replace(network, server_cpu_hz=0.3e9)))
    tasks = Tasks(np.full((1, 2), 2e6), np.full((1, 2), 4e8), np.full((1, 2), 2.0))
    for first, priorities in ((0, (0.6, 0.5)), (1, (0.5, 0.6))):
        action[..., 0] = priorities
        decision = busy.decision(action, replace(observation, tasks=tasks))
        assert np.flatnonzero(decision.offload[0]).tolist() == [first]


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_tasks_are_in_time_wherever_powers_suffice(seed: int) -> None:
    """Delays, energies, capacity and floors hold of all who offload, and of others as far as they can."""
    rng = np.random.default_rng(seed)
    network = TaskNetwork(
        bandwidth_hz=10e6,
        noise_w=4e-14,
        device_power_max_w=np.full(5, 0.2),
        device_cpu_min_hz=np.full(5, 0.5e9),
        device_cpu_max_hz=np.full(5, 2e9),
        server_cpu_hz=20e9,
        theta_device=np.full(5, 1e-27),
        theta_server=1e-28,
        rate_min_bps=1e6,
        energy_max_j=1.0,
    )
    cross = 10.0 ** rng.uniform(-13.0, -9.0, (2, 5, 5))
    cross[:, range(5), range(5)] = 0.0
    observation = TaskObservation(
        slot=0,
        time_s=0.0,
        tasks=Tasks(
            rng.uniform(8e6, 32e6, (2, 5)), rng.uniform(1e9, 2e9, (2, 5)), np.full((2, 5), 2.0)
        ),
        channel=MrcChannel(10.0 ** rng.uniform(-10.0, -7.0, (2, 5)), cross),
        carbon_g_per_j=np.full((2, 1), 5e-5),
        position_m=np.zeros((2, 5, 2)),
        last_emission_g=np.zeros((2, 5)),
        age_s=np.zeros((2, 5)),
        present=np.ones((2, 5), np.bool_),
    )
    problem = WorstCaseEmission(network)
    encoding = TaskEncoding(problem)
    decision = encoding.decision(rng.uniform(-1.0, 1.0, (2, 5, 4)), observation)
    result = outcome(problem, observation, decision)
    use = result.use
    sent = decision.offload
    assert sent.any() or seed > 0
    assert (use.capacity <= 1.0 + 1e-9).all()
    assert (use.power <= 1.0).all()
    assert (use.delay <= 1.0 + 1e-9).all()
    assert (use.energy[sent] <= 1.0 + 1e-9).all()
    assert (use.rate[sent.any(axis=1)] <= 1.0 + 1e-9).all()  # else nobody would be admitted
    assert (result.use.local_cpu <= 1.0 + 1e-9).all()
    assert np.abs(encoding.features(observation)).max() <= 5.0


def test_of_equal_tasks_the_first_device_is_admitted_first() -> None:
    """Each needs 15 of the server's 20 GHz for the whole deadline, so there is room for one."""
    network, ones = table1.network(2), np.ones((1, 2))
    gain = 1e6 * network.noise_w * ones
    channel = MrcChannel(gain, np.zeros((1, 2, 2)))
    for stay_j, expected in (((1e6, 1e6), (True, False)), ((0.9e6, 1e6), (False, True))):
        offload, edge_s, radio_j, tried_j = divide_deadlines(
            network, channel, 1e5 * ones, 30e9 * ones, 2.0 * ones, 0.0 * ones,
            np.array([stay_j]), ones, ones,
        )  # fmt: skip
        assert (radio_j[0] > 0.0).tolist() == np.isfinite(tried_j[0]).tolist() == list(expected)
        assert offload.tolist() == [list(expected)]
        assert (edge_s[0] > 1.5).tolist() == list(expected)


def test_a_division_spends_what_the_least_powers_of_all_spend() -> None:
    """Devices that stay local answer the offloaders' interference, and no server could have more time."""
    rng, network = np.random.default_rng(8), table1.network(5)
    bits, cycles = rng.uniform(8e6, 32e6, (200, 5)), rng.uniform(1e9, 2e9, (200, 5))
    cross = 10.0 ** rng.uniform(-13.0, -9.5, (200, 5, 5))
    cross[:, range(5), range(5)] = 0.0
    channel = MrcChannel(10.0 ** rng.uniform(-10.0, -8.0, (200, 5)), cross)
    floor_bps = np.full((200, 5), 20e6)
    ones, stay_j = np.ones((200, 5)), np.where(rng.random((200, 5)) < 0.6, 1e30, 0.0)
    offload, edge_s, radio_j, _ = divide_deadlines(
        network, channel, bits, cycles, 2.0 * ones, floor_bps, stay_j, ones, ones
    )

    def rates_and_powers(edge_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        rate_bps = np.where(offload, bits / (2.0 - edge_s), floor_bps)
        return rate_bps, least_powers_w(network, channel, rate_bps)

    rate_bps, power_w = rates_and_powers(edge_s)
    some = offload.any(axis=1)
    assert some.sum() > 50
    assert (offload & ~offload.all(axis=1, keepdims=True)).any(axis=1).sum() > 50
    spent_j = np.where(offload, power_w * bits / rate_bps, 0.0)
    np.testing.assert_allclose(radio_j, spent_j, rtol=1e-6)
    in_time = power_w * (1.0 - 1e-9) < network.device_power_max_w
    assert in_time[some].all()
    rate_bps, power_w = rates_and_powers(edge_s * (1.0 + 1e-6))
    late = power_w >= network.device_power_max_w
    late |= offload & (power_w * bits / rate_bps > network.energy_max_j)
    late |= edge_s * (1.0 + 1e-6) > 0.95 * 2.0
    assert late[some].any(axis=1).all()


def forced(encoding: TaskEncoding, observation: TaskObservation, offload: Any) -> Any:
    """What the network makes of the decision in which just these offload, all other actions zero."""
    action = np.zeros((*observation.present.shape, 4))
    action[..., 0] = np.where(offload, 1.0, -1.0)
    decision = encoding.decision(action, observation)
    problem = WorstCaseEmission(encoding.network)
    return decision, outcome(problem, observation, decision)


@pytest.mark.parametrize("theta_0", [1e-28, 3e-28, 1e-27])
def test_zero_is_the_best_of_the_nested_sets_and_features_tell_it(theta_0: float) -> None:
    """Against each of them carried out: no set emits less, and what was tried came to what it says."""
    network = replace(table1.network(6, theta_0), theta_device=1e-27 * np.linspace(0.8, 1.2, 6))
    encoding, rng = TaskEncoding(WorstCaseEmission(network)), np.random.default_rng(4)
    zero = np.zeros((1, 6, 4))
    sizes = set()
    for _ in range(6):
        tasks, channel = table1.tasks(rng, megacycles=(900.0, 1500.0)), table1.channel(rng)
        _, observation = two_tasks(
            tasks=Tasks(tasks.bits[None], tasks.cycles[None], tasks.deadline_s[None]),
            channel=MrcChannel(channel.gain[None], channel.interference_gain[None]),
            present=np.ones((1, 6), np.bool_), age_s=np.zeros((1, 6)), last_emission_g=np.zeros((1, 6)),
        )  # fmt: skip
        _, alone = forced(encoding, observation, np.zeros((1, 6), np.bool_))
        order = np.argsort(-alone.energy_j[0])
        least, offload, saving = np.inf, np.zeros((1, 6), np.bool_), np.full(6, -np.inf)
        for k in range(7):
            chosen = np.isin(np.arange(6), order[:k])[None]
            decision, result = forced(encoding, observation, chosen)
            if (decision.offload == chosen).all():
                least = min(least, float(result.worst_emission_g[0]))
        for m in order:
            offload[0, m] = True
            decision, result = forced(encoding, observation, offload)
            spent = (result.energy_j + result.server_energy_j)[offload].max()
            if (decision.offload == offload).all():
                saving[m] = np.log(alone.energy_j[0, m] / spent)
            offload[0, m] = saving[m] > 0.0
        decision = encoding.decision(zero, observation)
        assert (decision.offload == offload).all()
        result = outcome(WorstCaseEmission(network), observation, decision)
        assert result.worst_emission_g[0] == pytest.approx(least, rel=1e-6)
        found = encoding.features(observation)[0, :, 15:]
        spent = (result.energy_j + result.server_energy_j)[0]
        assert found[:, 0] == pytest.approx(2.0 + 2.0 * np.log10(theta_0 / network.theta_device))
        assert found[:, 1] == pytest.approx(np.maximum(2.0 * saving, -5.0), abs=0.02)
        assert found[:, 2] == pytest.approx(3.0 * (np.log10(spent) + 0.5), abs=1e-4)
        radio = np.where(offload[0], result.energy_j[0] / spent, 0.0)
        assert found[:, 3] == pytest.approx(2.0 * radio - 1.0, abs=1e-4)
        sizes.add(int(offload.sum()))
    assert len(sizes) > 1


def test_who_breaks_its_limits_alone_is_tried_whatever_that_takes() -> None:
    """2 J locally, of which it may spend 1: it offloads but at -1; who is away has no features."""
    encoding, observation = two_tasks()
    # The server's energy is no device's limit: more than 2 J with it, and yet there is no other way.
    encoding = TaskEncoding(WorstCaseEmission(replace(encoding.network, theta_server=1e-26)))
    action = np.zeros((1, 2, 4))
    for a, expected in ((-0.99, True), (0.0, True), (-1.0, False)):
        action[..., 0] = a
        assert encoding.decision(action, observation).offload[0, 0] == expected
    assert encoding.features(observation)[0, 0, 16] == 5.0
    away = replace(observation, present=np.array([[True, False]]))
    found = encoding.features(away)[0]
    assert found[0, 16] == 5.0 and not found[1].any()
    busy = TaskEncoding(WorstCaseEmission(replace(encoding.network, server_cpu_hz=0.3e9)))
    assert busy.features(observation)[0, 0, 16] == -5.0


def test_the_first_action_values_what_staying_local_takes() -> None:
    """Twice the energy at 15/17: who offloads then, and not at less, saves between a half and nothing."""
    encoding, observation = two_tasks()
    dear = replace(encoding.network, theta_server=1e-27, energy_max_j=3.0)
    encoding = TaskEncoding(WorstCaseEmission(dear))
    never = np.array([[True, False]])
    _, alone = forced(encoding, observation, ~never & False)
    _, sent = forced(encoding, observation, never)
    ratio = float((sent.energy_j + sent.server_energy_j)[0, 0] / alone.energy_j[0, 0])
    assert 1.0 < ratio < 2.0
    action = np.zeros((1, 2, 4))
    action[0, 1, 0] = -1.0
    for factor, expected in ((0.99 * ratio, False), (1.01 * ratio, True)):
        action[0, 0, 0] = (factor**4 - 1.0) / (factor**4 + 1.0)
        assert encoding.decision(action, observation).offload[0, 0] == expected


def test_all_features_of_an_unequal_network_in_loops() -> None:
    """As the class describes them, device by device; one of them is away, and no two numbers are alike."""
    encoding, seen = stream(
        11, replications=2, devices=4, stations=3,
        device_cpu_hz=np.array([0.5e9, 0.7e9, 0.4e9, 0.9e9]),
        station_bandwidth_hz=np.array([20e6, 5e6, 8e6]), station_cpu_hz=np.array([50e9, 10e9, 20e9]),
        noise_w=np.array([1e-14, 2e-14, 5e-14]),
    )  # fmt: skip
    station = np.array([[1, 1, 2, 0], [2, 1, 1, 2]])
    present = np.array([[True] * 4, [True, True, False, True]])
    rng = np.random.default_rng(3)
    seen = replace(
        seen, cells=Cells(station, 3, present), power_max_w=rng.uniform(0.1, 0.4, (2, 4)),
        queue_bits=rng.uniform(1e6, 9e6, (2, 4)), age_s=rng.uniform(0.0, 1.0, (2, 4)),
        perturbation_bits=rng.uniform(1e5, 9e6, (2, 4)), energy_per_bit_j=np.array([1e-8, 4e-8]),
        station_queue_bits=np.array([[1e6, 2e6, 3e6], [4e6, 5e5, 6e6]]),
        channel_gain=10.0 ** rng.uniform(-11.0, -7.0, (2, 4, 3)),
    )  # fmt: skip
    found, network = encoding.features(seen), encoding.network
    q = 0.625e9 * 1e-3
    gain, full_w = seen.channel_gain, seen.power_max_w

    def worth(r: int, i: int) -> tuple[float, float, float]:
        """v_i, k_i and u_i."""
        j, band = station[r, i], network.station_bandwidth_hz[station[r, i]]
        v = 1e13 * seen.energy_per_bit_j[r] + seen.queue_bits[r, i] - seen.perturbation_bits[r, i]
        k = v - seen.station_queue_bits[r, j]
        rate = np.log2(1.0 + full_w[r, i] * gain[r, i, j] / network.noise_w[j])
        return v, k, max(k, 0.0) * min(seen.queue_bits[r, i], rate * band * 0.1)

    for r, i in np.ndindex(2, 4):
        j = int(station[r, i])
        if not present[r, i]:
            assert not found[r, i].any()
            continue
        v, k, u = worth(r, i)
        cell = [n for n in range(4) if station[r, n] == j]
        here = [n for n in cell if present[r, n]]
        noise = network.noise_w[j]
        crossed = [b for b in (1, 2) if j > 0 and b != j]
        disturbs = max(
            (full_w[r, i] * gain[r, i, b] / network.noise_w[b] for b in crossed), default=0.0
        )
        heard = sum(
            full_w[r, n] * gain[r, n, j] for n in range(4) if j > 0 and station[r, n] not in (0, j)
        )
        best = {
            b: max([worth(r, n)[2] for n in range(4) if station[r, n] == b], default=0.0)
            for b in range(3)
        }
        least = 1e-6 * q**2
        rival = max([best[b] for b in crossed], default=0.0)
        bits = {
            1: seen.queue_bits[r, i], 2: v, 3: k, 4: seen.station_queue_bits[r, j],
            5: 1e13 * seen.energy_per_bit_j[r], 6: seen.perturbation_bits[r, i],
            11: network.station_cpu_hz[j] * 1e-3, 13: network.device_cpu_hz[i] * 1e-3,
            14: seen.arrived_bits[r, i], 15: seen.departed_bits[r, i],
        }  # fmt: skip
        expected = {n: np.sign(x) * np.log(1.0 + abs(x) / q) / 2.0 for n, x in bits.items()} | {
            0: (np.log10(full_w[r, i] * gain[r, i, j] / noise) - 5.0) / 2.5,
            7: (np.log10(1.0 + disturbs) - 5.0) / 2.5, 8: (np.log10(1.0 + heard / noise) - 5.0) / 2.5,
            9: np.log(len(here)) / 2.0, 10: np.log(1.0 + sum(worth(r, n)[1] > 0 for n in here)) / 2.0,
            12: np.log10(network.station_bandwidth_hz[j] / 10e6),
            16: np.log(1.0 + seen.age_s[r, i] / 0.1) / 2.0,
            17: np.log(max(u, least) / max(best[j], least)) if u > 0.0 else -5.0,
            18: np.log(max(best[j], least) / max(rival, least)),
        }  # fmt: skip
        cut = [max(-5.0, min(5.0, expected[n])) for n in range(19)]
        assert found[r, i] == pytest.approx(cut, abs=2e-6)


def test_all_features_of_unequal_tasks_in_loops() -> None:
    network = replace(
        table1.network(3, 3e-28), device_power_max_w=np.array([0.1, 0.2, 0.3]),
        device_cpu_max_hz=np.array([1e9, 2e9, 3e9]), theta_device=np.array([1e-27, 2e-27, 4e-27]),
    )  # fmt: skip
    rng = np.random.default_rng(5)
    present = np.array([[True] * 3, [True, False, True]])
    cross = rng.uniform(1e-12, 1e-11, (2, 3, 3)) * (1.0 - np.eye(3))
    seen = TaskObservation(
        slot=0, time_s=0.0, tasks=Tasks(*rng.uniform((1e6,), (2e6,), (3, 2, 3))),
        channel=MrcChannel(rng.uniform(1e-11, 1e-10, (2, 3)), cross),
        carbon_g_per_j=np.array([[5e-5], [9e-5]]), position_m=np.zeros((2, 3, 2)),
        last_emission_g=rng.uniform(1e-6, 1e-5, (2, 3)), age_s=rng.uniform(0.0, 9.0, (2, 3)),
        present=present,
    )  # fmt: skip
    seen.tasks.cycles[:] *= 1e3
    seen.tasks.deadline_s[:] = rng.uniform(1.0, 3.0, (2, 3))
    found = TaskEncoding(WorstCaseEmission(network)).observed(seen)
    noise, full_w = network.noise_w, network.device_power_max_w
    for r, m in np.ndindex(2, 3):
        if not present[r, m]:
            assert not found[r, m].any()
            continue
        gain, time_s = seen.channel.gain[r], seen.tasks.deadline_s[r]
        pace = seen.tasks.cycles[r] / time_s
        spent = network.theta_device * seen.tasks.cycles[r] * pace**2
        order = sorted(range(3), key=lambda n, e=spent: -e[n])  # type: ignore[misc]
        common = [2.0 * (1.0 if n == m else cross[r, m, n] / gain[n]) for n in order]
        expected = [
            (np.log10(gain[m] * full_w[m] / noise) - 4.0) / 2.0,
            np.log10(1.0 + sum(cross[r, m, n] * full_w[n] for n in range(3)) / noise) / 2.0,
            np.log10(1.0 + sum(cross[r, n, m] for n in range(3)) * full_w[m] / noise) / 2.0,
            2.0 * np.log10(seen.tasks.bits[r, m] / (time_s[m] * network.bandwidth_hz)),
            5.0 * (np.log10(pace[m] / network.device_cpu_max_hz[m]) + 0.5),
            5.0 * np.log10(spent[m]), 5.0 * np.log10(3e-28 * seen.tasks.cycles[r, m] * pace[m] ** 2),
            1.0 + np.log10(seen.last_emission_g[r, m] / seen.carbon_g_per_j[r, 0]),
            np.log(1.0 + seen.age_s[r, m] / time_s[m]) / 2.0, *common, 0.0, 0.0, 0.0,
        ]  # fmt: skip
        assert found[r, m] == pytest.approx([max(-5.0, min(5.0, x)) for x in expected], abs=1e-5)
