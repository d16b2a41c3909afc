"""The stream problem's `sca` and `exact` against P2 itself: other policies, brute force, and each other."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from conftest import a_network, simulate

from edgesim.policies.base import Policy
from edgesim.policies.epr import EqualRates, EqualRatesEqualPower, with_equal_cpus
from edgesim.policies.local import Local
from edgesim.policies.offload_all import OffloadAll
from edgesim.policies.random import Random
from edgesim.policies.stream import sca as sca_stream
from edgesim.policies.stream.exact import MAX_DEVICES, MultiStart
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.policies.stream.p2.program import decision, programs
from edgesim.policies.stream.sca import ScaStream
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.network.network import NoiseModel
from edgesim.simulator.stream.decision import Decision, check, fit
from edgesim.simulator.stream.observation import Observation
from edgesim.simulator.stream.problem import DriftPlusPenalty

State = tuple[DriftPlusPenalty, Observation]

both_noises = pytest.mark.parametrize("noise", ["total", "density"])

STALE = ("twin.sync=periodic", "twin.device.period=0.2", "twin.device.latency=0.1")


def states(
    count: int, devices: int, stations: int, noise: NoiseModel, seed: int = 7, **changes: Any
) -> State:
    """Random states of a random network, one per replication: long and short queues, far and near."""
    rng = np.random.default_rng(seed)
    angle = 2.0 * np.pi * np.arange(stations - 1) / max(stations - 1, 1)
    circle = 250.0 + 150.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    position = rng.uniform(0.0, 500.0, (count, devices, 2))
    sites = np.vstack([[[250.0, 250.0]], circle])
    distance = np.maximum(np.linalg.norm(position[:, :, None] - sites, axis=-1), 5.0)
    covered = distance <= np.where(np.arange(stations) > 0, 150.0, np.inf)
    size = (count, devices)
    zero = np.zeros(size)
    queue = rng.uniform(0.0, 8e6, size)
    values: dict[str, Any] = {
        "slot": 1,
        "time_s": 0.1,
        "cells": Cells(np.where(covered, distance, np.inf).argmin(axis=2), stations),
        "channel_gain": rng.exponential(size=distance.shape) * distance**-4.0,
        "queue_bits": queue,
        "station_queue_bits": rng.choice([0.0, 1e4, 1e6], (count, stations)),
        "power_max_w": np.full(size, 0.1),
        "position_m": position,
        "battery_j": np.full(size, np.inf),
        "arrived_bits": zero,
        "departed_bits": zero,
        "energy_per_bit_j": rng.uniform(5e-9, 2e-8, count),
        "perturbation_bits": zero + rng.uniform(0.0, 5e6, (count, 1)),
        "station_up": np.ones((count, stations), dtype=np.bool_),
        "carbon_g_per_j": np.zeros((count, stations)),
        "age_s": zero,
        "station_age_s": np.zeros((count, stations)),
    }
    network = a_network(stations, devices, count, noise_model=noise)
    return DriftPlusPenalty(network, V=1e13), Observation(**(values | changes))


def decided(policy: Policy, state: State) -> Decision:
    problem, observation = state
    network = problem.network
    rngs = [np.random.default_rng(r) for r in range(network.replications)]
    policy.reset(network, problem, rngs)
    return check(policy.decide(observation), network)


def value(decision: Decision, state: State) -> FloatArray:
    """(R,) P2 of what the network makes of it."""
    problem, seen = state
    fitted, _ = fit(
        decision, problem.network, seen.cells, seen.power_max_w, seen.station_queue_bits
    )
    return problem.value(seen, fitted)


def offloading_nothing(state: State) -> FloatArray:
    problem, observation = state
    considered = programs(problem, observation)
    silent = [one.silent() for one in considered]
    return value(decision(problem, observation, considered, silent, {}), state)


def gain(decision: Decision, state: State) -> FloatArray:
    """(R,) over offloading nothing."""
    return offloading_nothing(state) - value(decision, state)


def is_within_limits(decision: Decision, state: State) -> bool:
    problem, seen = state
    _, scaled = fit(
        decision, problem.network, seen.cells, seen.power_max_w, seen.station_queue_bits
    )
    return not scaled.any()


@both_noises
@pytest.mark.parametrize(("count", "devices", "stations"), [(6, 4, 2), (8, 20, 4)])
def test_sca_is_never_worse_than_where_it_starts(
    count: int, devices: int, stations: int, noise: NoiseModel
) -> None:
    state = states(count, devices, stations, noise)
    lyapunov = value(decided(Lyapunov(), state), state)
    answer = decided(ScaStream(), state)
    assert is_within_limits(answer, state)
    sca = value(answer, state)
    assert (sca <= lyapunov + 1e-9 * np.abs(lyapunov)).all()
    assert (sca < lyapunov - 1e-6 * np.abs(lyapunov)).any()
    assert (sca <= 0.0).all()
    assert not answer.diagnostics["failed_solves"].any()
    assert (answer.diagnostics["iterations"] < 50).all()


@both_noises
@pytest.mark.parametrize(("count", "devices", "stations"), [(14, 4, 2), (4, 16, 4)])
def test_sca_finds_as_much_on_its_own(
    count: int, devices: int, stations: int, noise: NoiseModel
) -> None:
    state = states(count, devices, stations, noise, seed=3)
    lyapunov = gain(decided(Lyapunov(), state), state)
    alone = gain(decided(ScaStream(start="equal"), state), state)
    ratio = alone[lyapunov > 0.0] / lyapunov[lyapunov > 0.0]
    assert len(ratio) > count / 2
    assert np.median(ratio) > 0.97
    assert ratio.min() > 0.5  # a local method can miss the set of senders


@both_noises
def test_no_step_of_sca_loses(noise: NoiseModel) -> None:
    state = states(4, 12, 3, noise)
    values = [
        value(decided(ScaStream(start="equal", iterations_max=steps, threshold=0.0), state), state)
        for steps in (1, 2, 4, 8, 16)
    ]
    steps = np.diff(values, axis=0)
    assert (steps <= 1e-9 * np.abs(values[-1])).all()
    assert steps[0].max() < 0.0


@both_noises
def test_gain_of_an_allocation_is_what_p2_says(noise: NoiseModel) -> None:
    state = states(10, 9, 3, noise)
    problem, observation = state
    considered = programs(problem, observation)
    rng = np.random.default_rng(1)
    chosen = []
    for one in considered:
        share = rng.exponential(size=len(one.device))
        share /= np.maximum((one.together * share).sum(axis=1), 1e-9)
        power = one.power_max_w * 10.0 ** -rng.uniform(0.0, 5.0, len(share))
        chosen.append(one.allocation(share * one.bandwidth_hz, power))
    claimed = np.array([one.gain for one in chosen])
    answer = decision(problem, observation, considered, chosen, {})
    assert is_within_limits(answer, state)
    assert (claimed != 0.0).all()
    np.testing.assert_allclose(gain(answer, state), claimed, rtol=1e-7)


def grid_of_powers(state: State, points: int) -> tuple[float, FloatArray]:
    """Brute force where every device has a band of its own: best value over a grid of powers."""
    problem, seen = state
    devices = problem.network.devices
    axis = 0.1 * np.append(0.0, np.geomspace(1e-7, 1.0, points - 1))
    powers = np.stack(np.meshgrid(*[axis] * devices, indexing="ij"), axis=-1).reshape(-1, devices)
    count = len(powers)
    network = replace(problem.network, replications=count)
    many: dict[str, Any] = {}
    for one in fields(seen):
        entry = getattr(seen, one.name)
        is_column = isinstance(entry, np.ndarray)
        many[one.name] = np.repeat(entry, count, axis=0) if is_column else entry
    station = np.repeat(seen.station, count, axis=0)
    many["cells"] = Cells(station, network.stations)
    observation = Observation(**many)
    V = problem.V
    worth = V * seen.energy_per_bit_j[0] + seen.queue_bits[0] - seen.perturbation_bits[0]
    cubic = V * network.varsigma * network.cycles_per_bit**3 / network.slot_s**2
    best = np.inf
    # What the CPU executes of its own, given what the radio does, over a grid as well.
    for fraction in (0.0, 0.25, 0.5, 0.75, 1.0):
        local_bits = fraction * np.sqrt(np.maximum(worth, 0.0) / (3.0 * cubic))
        cpu = np.minimum(local_bits * network.cycles_per_bit / network.slot_s, 0.5e9)
        answer = Decision(
            bandwidth_hz=network.station_bandwidth_hz[station],
            power_w=powers,
            local_cpu_hz=np.broadcast_to(cpu, powers.shape),
            edge_cpu_hz=network.station_cpu_hz[station],
            served_bits=np.minimum(
                network.station_cpu_hz * network.slot_s / network.cycles_per_bit,
                observation.station_queue_bits,
            ),
        )
        best = min(best, float(DriftPlusPenalty(network, V).value(observation, answer).min()))
    return best, powers


@both_noises
@pytest.mark.parametrize("seed", range(4))
def test_two_interfering_cells_against_a_grid(noise: NoiseModel, seed: int) -> None:
    """One device in each of two SBS cells: nothing but two powers and two CPUs to choose."""
    rng = np.random.default_rng(seed)
    distance = np.array([[[300.0, 60.0, 120.0], [300.0, 100.0, 50.0]]])
    state = states(
        1,
        2,
        3,
        noise,
        seed=seed,
        cells=Cells(np.array([[1, 2]]), 3),
        channel_gain=rng.exponential(size=distance.shape) * distance**-4.0,
        queue_bits=rng.uniform(2e6, 8e6, (1, 2)),
        perturbation_bits=np.full((1, 2), 1e6),
        station_queue_bits=np.zeros((1, 3)),
    )
    grid, _ = grid_of_powers(state, 200)
    exact = value(decided(MultiStart(), state), state)[0]
    sca = value(decided(ScaStream(start="equal"), state), state)[0]
    assert grid < 0.0
    assert exact <= grid + 1e-9 * abs(grid)
    # The grid is no finer than this.
    assert exact >= grid * 1.03
    assert sca <= 0.99 * exact


@both_noises
def test_exact_is_at_least_as_good_as_all_others(noise: NoiseModel) -> None:
    state = states(3, 4, 3, noise)
    answer = decided(MultiStart(starts=1), state)
    assert is_within_limits(answer, state)
    exact = value(answer, state)
    assert (exact <= 0.0).all()
    others: list[Policy] = [
        Lyapunov(),
        Lyapunov(["radio"]),
        Lyapunov(["compute"]),
        ScaStream(),
        ScaStream(start="equal"),
        EqualRates(),
        EqualRatesEqualPower(),
        Local(),
        OffloadAll(),
        Random(),
    ]
    for other in others:
        theirs = value(decided(other, state), state)
        assert (exact <= theirs + 1e-6 * np.abs(theirs)).all(), other


@pytest.mark.parametrize("noise", ["total", pytest.param("density", marks=pytest.mark.slow)])
def test_exact_does_not_need_the_others(noise: NoiseModel) -> None:
    """Without others' decisions among its starts, it finds what SCA makes of Lyapunov's."""
    problem, observation = state = states(5, 4, 2, noise, seed=2)
    sca = gain(decided(ScaStream(), state), state)
    search, rng = MultiStart(), np.random.default_rng(0)
    alone = np.array([search.search(one, [], rng).gain for one in programs(problem, observation)])
    some = sca > 0.0
    ratio = alone[some] / sca[some]
    assert some.sum() > 2
    assert abs(np.median(ratio) - 1.0) < 1e-4
    assert ratio.min() > 0.999


def test_an_unsolved_program_leaves_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    state = states(3, 6, 3, "total")
    monkeypatch.setattr(sca_stream, "solved", lambda problem: False)
    answer = decided(ScaStream(), state)
    sends = (answer.power_w > 0.0).any(axis=1)
    assert sends.any()
    np.testing.assert_array_equal(answer.diagnostics["failed_solves"], sends)
    assert not answer.diagnostics["iterations"].any()
    start = decided(Lyapunov(), state)
    np.testing.assert_allclose(value(answer, state), value(start, state), rtol=1e-6)


def test_nobody_to_offload_for() -> None:
    """Queues below their perturbation: P2 wants nothing served, and both leave it at that."""
    state = states(2, 4, 2, "total", perturbation_bits=np.full((2, 4), 1e8))
    for policy in (ScaStream(), ScaStream(start="equal"), MultiStart()):
        answer = decided(policy, state)
        for name in ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz"):
            assert not getattr(answer, name).any()


@pytest.mark.parametrize(
    ("policy", "overrides"),
    [
        ("sca", ("run.slots=8", *STALE)),
        ("exact", ("run.slots=4", "devices.count=3", "policy.starts=1", *STALE)),
    ],
)
def test_runs_alike_alone_and_among_others(policy: str, overrides: tuple[str, ...]) -> None:
    """With a stale twin; without, test_policies.py has them among all others."""
    common = (f"policy.name={policy}", *overrides)
    together = simulate(*common, "run.seed=2", "run.replications=2").trace
    for r in range(2):
        alone = simulate(*common, f"run.seed={2 + r}").trace
        for name in together.rows[0]:
            np.testing.assert_array_equal(together[name][r], alone[name][0], err_msg=name)
    assert together["offloaded_bits"].any()
    assert not together["scaled"].any()
    if policy == "exact":
        assert np.isnan(together["optimality_gap"]).all()
    else:
        assert together["iterations"].any()
        assert not together["failed_solves"].any()


def test_exact_refuses_large_networks() -> None:
    with pytest.raises(ValueError, match=f"9 devices; exact .* at most {MAX_DEVICES} devices"):
        decided(MultiStart(), states(1, 9, 2, "total"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScaStream(iterations_max=0),
        lambda: ScaStream(threshold=-1.0),
        lambda: MultiStart(starts=-1),
    ],
)
def test_refuses_keys_that_mean_nothing(make: Any) -> None:
    with pytest.raises(ValueError, match="allowed"):
        make()


# The simple policies


@both_noises
def test_epr_ep_sends_where_that_lowers_p2(noise: NoiseModel) -> None:
    """Of one device there are two decisions, and P2 says which is better."""
    state = states(200, 1, 2, noise, seed=4)
    answer = decided(EqualRatesEqualPower(), state)
    sends = answer.power_w[:, 0] > 0.0
    by_power = [value(replace(answer, power_w=np.full((200, 1), p)), state) for p in (0.0, 0.1)]
    clear = np.abs(by_power[1] - by_power[0]) > 1e-9 * np.abs(by_power[0])
    np.testing.assert_array_equal(sends[clear], (by_power[1] < by_power[0])[clear])
    assert 20 < sends.sum() < 180


def test_equal_rates_are_the_slowest_ones() -> None:
    network = a_network(device_cpu_hz=np.array([0.5e9, 0.3e9, 0.9e9, 0.4e9]))
    for asked, found in ((None, 0.3e9), (0.2e9, 0.2e9), (0.4e9, 0.3e9)):
        np.testing.assert_array_equal(with_equal_cpus(network, asked).device_cpu_hz, [found] * 4)


@pytest.mark.parametrize("asked", [None, 0.25e9])
def test_equal_rates_are_the_radio_s_optimum_beside_them(asked: float | None) -> None:
    """CPUs at the common speed and shares of F_j in equal parts, whatever else: `lyapunov` with the radio alone."""
    problem, seen = states(6, 4, 3, "total")
    network = replace(problem.network, device_cpu_hz=np.array([0.5e9, 0.3e9, 0.9e9, 0.4e9]))
    common = replace(network, device_cpu_hz=np.full(4, asked or 0.3e9))
    answer = decided(EqualRates(asked), (replace(problem, network=network), seen))
    radio = decided(Lyapunov(["radio"]), (replace(problem, network=common), seen))
    for name in ("power_w", "bandwidth_hz", "local_cpu_hz", "edge_cpu_hz", "served_bits"):
        np.testing.assert_array_equal(getattr(answer, name), getattr(radio, name))
    np.testing.assert_allclose(
        answer.local_cpu_hz, np.minimum(asked or 0.3e9, seen.queue_bits * 1e3), rtol=1e-12
    )
    sends, cells = answer.power_w > 0.0, seen.cells
    members = cells.at_station(cells.members.astype(float))
    share = np.array([50e9, 10e9, 10e9])[cells.station] / members
    np.testing.assert_allclose(answer.edge_cpu_hz[sends], share[sends], rtol=1e-12)
    assert sends.any()


def test_simple_policies_by_hand() -> None:
    """Devices 0 and 1 at the MBS, 2 at an SBS; 0.1 s at 100 cycles/bit."""
    state = states(
        1,
        3,
        3,
        "total",
        cells=Cells(np.array([[0, 0, 1]]), 3),
        queue_bits=np.array([[1e5, 8e6, 2e5]]),
        station_queue_bits=np.array([[6e7, 6e6, 2e7]]),
    )
    local, offload = decided(Local(), state), decided(OffloadAll(), state)
    np.testing.assert_allclose(local.local_cpu_hz, [[0.1e9, 0.5e9, 0.2e9]], rtol=1e-15)
    np.testing.assert_allclose(offload.bandwidth_hz, [[5e6, 5e6, 5e6]], rtol=1e-15)
    np.testing.assert_allclose(offload.edge_cpu_hz, [[25e9, 25e9, 10e9]], rtol=1e-15)
    assert (offload.power_w == 0.1).all()
    for silent in (local.bandwidth_hz, local.power_w, local.edge_cpu_hz, offload.local_cpu_hz):
        assert not silent.any()
    # 50 and 10 Mbit at most, and what is there.
    for answer in (local, offload):
        np.testing.assert_allclose(answer.served_bits, [[5e7, 6e6, 1e7]], rtol=1e-15)


def test_random_decisions_have_their_laws() -> None:
    """Two devices at the MBS, one at an SBS: powers and speeds uniform, shares uniform on a simplex."""
    count = 4000
    cells = Cells(np.tile([0, 0, 1], (count, 1)), 3)
    answer = decided(Random(), states(count, 3, 3, "total", cells=cells))
    columns = {
        "power": answer.power_w[:, 0] / 0.1,
        "speed": answer.local_cpu_hz[:, 0] / 0.5e9,
        "band": answer.bandwidth_hz[:, 0] / 10e6,
        "share": answer.edge_cpu_hz[:, 0] / 50e9,
    }
    for name, column in columns.items():
        below = [(column < level).mean() for level in (0.25, 0.5, 0.75, 1.0)]
        assert below == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.03), name
    others = np.corrcoef(list(columns.values())) - np.eye(4)
    assert np.abs(others).max() < 0.06
    np.testing.assert_allclose(answer.bandwidth_hz[:, :2].sum(axis=1), 10e6, rtol=1e-12)
    np.testing.assert_allclose(answer.edge_cpu_hz[:, 2], 10e9, rtol=1e-12)
