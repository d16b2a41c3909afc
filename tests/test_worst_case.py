from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import table1
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgesim.simulator.tasks.channel import (
    MrcChannel,
    draw_channels,
    mrc_channel,
    path_gain,
    rates_bps,
)
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import Tasks
from edgesim.simulator.tasks.outcome import TaskOutcome, evaluate


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(1000 + seed) for seed in range(count)]


# The channel


def test_path_gain_follows_the_printed_path_loss() -> None:
    assert 10 * np.log10(path_gain(np.array([1.0, 10.0, 100.0]))) == pytest.approx(
        [-35.3, -72.9, -110.5]
    )


def test_mrc_gains_by_hand() -> None:
    channels = np.array([[1.0, 1.0j], [2.0, 0.0]])
    channel = mrc_channel(channels)
    assert channel.gain == pytest.approx([2.0, 4.0])
    # |h_0^H h_1|^2 = |1 * 2|^2 = 4, over ||h_0||^2 = 2 and ||h_1||^2 = 4.
    assert channel.interference_gain == pytest.approx(np.array([[0.0, 2.0], [1.0, 0.0]]))


def test_mrc_gains_equal_inner_products_of_random_vectors() -> None:
    channels = draw_channels(np.full((3, 5), 40.0), 8, generators(3))
    channel = mrc_channel(channels)
    for r in range(3):
        for m in range(5):
            h = channels[r, m]
            assert channel.gain[r, m] == pytest.approx(np.linalg.norm(h) ** 2)
            for n in range(5):
                heard = abs(np.vdot(h, channels[r, n])) ** 2 / np.linalg.norm(h) ** 2
                assert channel.interference_gain[r, m, n] == pytest.approx(0.0 if m == n else heard)


def test_laws_of_the_gains() -> None:
    """||hbar||^2 ~ Gamma(L, 1), |h_m^H h_n|^2 / ||h_m||^2 ~ g_n Exp(1), independent of ||h_m||."""
    distance_m = np.tile([20.0, 60.0], (20_000, 1))
    channel = mrc_channel(draw_channels(distance_m, 8, [np.random.default_rng(5)] * 20_000))
    near, far = path_gain(np.array([20.0, 60.0]))
    assert stats.kstest(channel.gain[:, 0] / near, stats.gamma(8).cdf).pvalue > 1e-3
    assert stats.kstest(channel.gain[:, 1] / far, stats.gamma(8).cdf).pvalue > 1e-3
    heard = channel.interference_gain[:, 0, 1] / far
    assert stats.kstest(heard, stats.expon.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(heard, channel.gain[:, 0])[0, 1]) < 0.03


def test_replications_are_bit_identical_whatever_their_number() -> None:
    distance_m = np.random.default_rng(1).uniform(5.0, 70.0, (7, 6))
    together = mrc_channel(draw_channels(distance_m, 8, generators(7)))
    power_w = np.random.default_rng(2).uniform(0.0, 0.2, (7, 6))
    network = table1.network()
    rates = rates_bps(network, together, power_w)
    for r in range(7):
        alone = mrc_channel(draw_channels(distance_m[r : r + 1], 8, [generators(7)[r]]))
        np.testing.assert_array_equal(alone.gain[0], together.gain[r])
        np.testing.assert_array_equal(alone.interference_gain[0], together.interference_gain[r])
        np.testing.assert_array_equal(rates_bps(network, alone, power_w[r : r + 1])[0], rates[r])


# Delays, energies, emissions, by hand


def two_devices() -> tuple[MrcChannel, Tasks, TaskDecision]:
    """Device 0 offloads 8 Mbit at SINR 3, that is at 20 Mbit/s; device 1 computes, at SINR 1."""
    noise_w = table1.network(2).noise_w
    channel = MrcChannel(
        gain=np.array([6.0, 2.0]) * noise_w, interference_gain=np.array([[0, 10], [5, 0]]) * noise_w
    )
    tasks = Tasks(np.array([8e6, 16e6]), np.array([1.2e9, 1.0e9]), np.array([2.0, 2.0]))
    decision = TaskDecision(
        power_w=np.array([1.0, 0.1]),
        offload=np.array([True, False]),
        local_cpu_hz=np.array([0.0, 0.8e9]),
        edge_cpu_hz=np.array([1e9, 0.0]),
    )
    return channel, tasks, decision


def two_device_outcome(**changes: Any) -> TaskOutcome:
    channel, tasks, decision = two_devices()
    network = replace(table1.network(2), device_power_max_w=np.array([2.0, 2.0]), **changes)
    return evaluate(network, tasks, channel, table1.CARBON_G_PER_J, decision)


def test_a_slot_by_hand() -> None:
    outcome = two_device_outcome(theta_server=2e-28)
    # SINR_0 = 1 * 6 / (0.1 * 10 + 1) = 3; SINR_1 = 0.1 * 2 / (1 * 5 + 1) = 1 / 30.
    assert outcome.rate_bps == pytest.approx([20e6, 10e6 * np.log2(1 + 1 / 30)])
    assert outcome.transmission_s == pytest.approx([0.4, 0.0])
    assert outcome.delay_s == pytest.approx([0.4 + 1.2, 1.25])
    # 1 W for 0.4 s; 1e-27 * 1e9 * 0.64e18.
    assert outcome.energy_j == pytest.approx([0.4, 0.64])
    assert outcome.server_energy_j == pytest.approx([2e-28 * 1.2e9 * 1e18, 0.0])
    per_joule = 182.0 * 2.77778e-7
    assert outcome.emission_g == pytest.approx([0.64 * per_joule, 0.64 * per_joule], rel=1e-6)
    assert outcome.worst_emission_g == pytest.approx(0.64 * per_joule, rel=1e-6)
    assert outcome.use.delay == pytest.approx([0.8, 0.625])
    assert outcome.use.energy == pytest.approx([0.4, 0.64])
    assert outcome.use.rate == pytest.approx([0.05, 0.1 / np.log2(1 + 1 / 30)])
    assert outcome.use.capacity == pytest.approx([0.05, 0.0])
    assert outcome.use.power == pytest.approx([0.5, 0.05])
    assert outcome.use.local_cpu == pytest.approx([0.0, 0.625])


def test_the_server_is_asked_for_what_all_offloaders_ask_for_together() -> None:
    """(10e): 1 and 15 GHz of 20, at both of them; who executes its own task has no part in it."""
    channel, tasks, one = two_devices()
    network = replace(table1.network(2), device_power_max_w=np.array([2.0, 2.0]))
    for offload, use in (((True, True), (0.8, 0.8)), ((True, False), (0.05, 0.0))):
        decision = replace(one, offload=np.array(offload), edge_cpu_hz=np.array([1e9, 15e9]))
        found = evaluate(network, tasks, channel, table1.CARBON_G_PER_J, decision)
        assert found.use.capacity == pytest.approx(use)


@pytest.mark.parametrize("rate_bps", [0.01, 0.7, 1.3, 1e7])
@pytest.mark.parametrize("power_w", [1e-9, 0.3, 1.0])
def test_a_rate_however_low_takes_its_time_and_joules(rate_bps: float, power_w: float) -> None:
    """C(3) and C(7): S / R and p S / R; B ln(1 + SINR) = R ln 2."""
    channel, tasks, decision = two_devices()
    network = replace(table1.network(2), device_power_max_w=np.array([2.0, 2.0]))
    sinr = np.expm1(rate_bps * np.log(2.0) / network.bandwidth_hz)
    channel = MrcChannel(np.array([sinr / power_w, 1.0]) * network.noise_w, np.zeros((2, 2)))
    decision = replace(decision, power_w=np.array([power_w, 0.0]))
    outcome = evaluate(network, tasks, channel, table1.CARBON_G_PER_J, decision)
    assert outcome.transmission_s[0] == pytest.approx(8e6 / rate_bps, rel=1e-6)
    assert outcome.energy_j[0] == pytest.approx(power_w * 8e6 / rate_bps, rel=1e-6)


def test_the_worst_device_decides() -> None:
    """C(10a): 0.4 J and the server's 1.2 J of device 0, not the 0.64 J of device 1, nor their mean."""
    outcome = two_device_outcome(theta_server=1e-27)
    assert outcome.worst_emission_g == pytest.approx(1.6 * table1.CARBON_G_PER_J)


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({"rate_min_bps": 0.4e6}, [True, True]),
        ({"rate_min_bps": 0.5e6}, [True, False]),
        ({"rate_min_bps": 0.5e6, "rate_floor": "offloading"}, [True, True]),
        ({"rate_min_bps": 0.4e6, "energy_max_j": 0.63}, [True, False]),
        ({"rate_min_bps": 0.4e6, "energy_max_j": 0.39}, [False, False]),
        ({"rate_min_bps": 0.4e6, "server_cpu_hz": 0.99e9}, [False, True]),
        ({"rate_min_bps": 0.4e6, "device_cpu_min_hz": np.full(2, 0.81e9)}, [True, False]),
        ({"rate_min_bps": 0.4e6, "device_cpu_max_hz": np.full(2, 0.79e9)}, [True, False]),
    ],
)
def test_each_limit_is_seen(changes: dict[str, object], held: list[bool]) -> None:
    use = two_device_outcome(**changes).use
    assert use.held.tolist() == held
    assert bool(use.feasible) == all(held)
    assert bool(use.violation == 0.0) == all(held)


def test_limits_hold_up_to_a_billionth() -> None:
    rate_bps = two_device_outcome().rate_bps[1]
    assert two_device_outcome(rate_min_bps=rate_bps * (1 + 0.9e-9)).use.feasible
    assert not two_device_outcome(rate_min_bps=rate_bps * (1 + 1.1e-9)).use.feasible


def test_late_power_and_deviation() -> None:
    channel, tasks, decision = two_devices()
    network = replace(table1.network(2), rate_min_bps=0.4e6)
    late = replace(tasks, deadline_s=np.array([1.59, 2.0]))
    loud = replace(network, device_power_max_w=np.array([0.99, 2.0]))
    wide = replace(network, device_power_max_w=np.array([2.0, 2.0]))
    carbon = table1.CARBON_G_PER_J
    assert evaluate(wide, late, channel, carbon, decision).use.held.tolist() == [False, True]
    assert evaluate(loud, tasks, channel, carbon, decision).use.held.tolist() == [False, True]
    real = evaluate(
        wide,
        tasks,
        channel,
        carbon,
        decision,
        real_local_hz=decision.local_cpu_hz + np.array([0.0, -0.3e9]),
        real_edge_hz=decision.edge_cpu_hz + np.array([0.5e9, 0.0]),
    )
    assert real.delay_s == pytest.approx([0.4 + 0.8, 2.0])
    assert real.energy_j == pytest.approx([0.4, 1e-27 * 1e9 * 0.25e18])
    assert real.server_energy_j == pytest.approx([1e-27 * 1.2e9 * 2.25e18, 0.0])
    assert real.use.capacity == pytest.approx([0.05, 0.0])  # what is asked for, not what happens


def test_what_never_gets_done_takes_for_ever() -> None:
    channel, tasks, decision = two_devices()
    nothing = replace(
        decision, power_w=np.zeros(2), local_cpu_hz=np.zeros(2), edge_cpu_hz=np.zeros(2)
    )
    outcome = evaluate(table1.network(2), tasks, channel, table1.CARBON_G_PER_J, nothing)
    assert outcome.delay_s.tolist() == [np.inf, np.inf]
    assert outcome.energy_j.tolist() == [0.0, 0.0]
    assert not outcome.use.feasible
    assert outcome.use.violation == np.inf


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), replications=st.integers(1, 4), more=st.floats(0.0, 0.1))
def test_violation_is_the_relaxation_that_makes_a_decision_feasible(
    seed: int, replications: int, more: float
) -> None:
    rng = np.random.default_rng(seed)
    network = table1.network(4)
    shape = (replications, 4)
    tasks = Tasks(rng.uniform(8e6, 32e6, shape), rng.uniform(1e9, 2e9, shape), np.full(shape, 2.0))
    channel = mrc_channel(draw_channels(rng.uniform(5.0, 70.0, shape), 8, [rng] * replications))
    decision = TaskDecision(
        power_w=rng.uniform(1e-4, 0.19, shape),
        offload=rng.random(shape) < 0.5,
        local_cpu_hz=rng.uniform(0.5e9, 2e9, shape),
        edge_cpu_hz=rng.uniform(1e9, 8e9, shape),
    )
    violation = evaluate(network, tasks, channel, 1.0, decision).use.violation
    for r in range(replications):
        one = TaskDecision(
            decision.power_w[r],
            decision.offload[r],
            decision.local_cpu_hz[r],
            decision.edge_cpu_hz[r],
        )
        gains = MrcChannel(channel.gain[r], channel.interference_gain[r])

        def feasible(
            factor: float,
            r: int = r,
            one: TaskDecision = one,
            gains: MrcChannel = gains,
        ) -> bool:
            relaxed = replace(
                network,
                server_cpu_hz=network.server_cpu_hz * factor,
                energy_max_j=network.energy_max_j * factor,
                rate_min_bps=network.rate_min_bps / factor,
            )
            slow = Tasks(tasks.bits[r], tasks.cycles[r], tasks.deadline_s[r] * factor)
            return bool(evaluate(relaxed, slow, gains, 1.0, one).use.feasible)

        assert feasible(1.0 + violation[r] + more)
        if violation[r] > 1e-6:
            assert not feasible(1.0 + violation[r] * (1.0 - 1e-3))
