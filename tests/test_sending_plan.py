"""Guided actions of the stream: who sends, and that no power or CPU speed is wasted; by hand and by P2's value."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_encoding import stream, two_devices

from edgesim.policies.learning.environment import StreamVectorEnvironment
from edgesim.policies.learning.stream_encoding import StreamEncoding
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.network.spectral_efficiency import spectral_efficiency
from edgesim.simulator.stream.observation import Observation
from edgesim.simulator.stream.outcome import carry_out

MBS_COST, SBS_COST = 2e3, 1e4
"""C = V epsilon c / F of 50 and 10 GHz, bit."""

LOCAL_COST = 3e-6
"""a = 3 V varsigma c^3 / tau^2, 1/bit."""


def local_bits(cost: float) -> float:
    """a l^2 = what a bit costs."""
    return float(np.sqrt(cost / LOCAL_COST))


def sbs_devices(queue_bits: list[float], cross_gain: float) -> tuple[StreamEncoding, Observation]:
    """One at each of two SBSs, over equal channels; without V eta - beta, and nothing queued there."""
    encoding, observation = stream(2, replications=1, devices=2, stations=3)
    gain = np.full((1, 2, 3), cross_gain)
    gain[0, 0, 1] = gain[0, 1, 2] = 1e-8
    return encoding, replace(
        observation,
        cells=Cells(np.array([[1, 2]]), 3),
        channel_gain=gain,
        queue_bits=np.array([queue_bits]),
        station_queue_bits=np.zeros((1, 3)),
        energy_per_bit_j=np.zeros(1),
        perturbation_bits=np.zeros((1, 2)),
    )


def test_power_sends_exactly_the_bits_that_are_left() -> None:
    """l = sqrt(C / a); p = N / g (2^((Q - l) / (tau W)) - 1), and the radio is busy to the slot's end."""
    encoding, observation = two_devices([3e6, 0.0])
    decision = encoding.decision(np.zeros((1, 2, 4)), observation)
    local = local_bits(MBS_COST)
    power_w = 1e-6 * (2.0 ** ((3e6 - local) / 1e6) - 1.0)
    assert decision.power_w[0] == pytest.approx([power_w, 0.0], rel=1e-9)
    assert decision.local_cpu_hz[0] == pytest.approx([local * 100.0 / 0.1, 0.0])
    found = carry_out(
        encoding.network,
        observation.cells,
        observation.channel_gain,
        observation.queue_bits,
        decision,
    )
    assert found.departed_bits[0, 0] == pytest.approx(3e6, rel=1e-9)
    assert found.radio_energy_j[0, 0] == pytest.approx(0.1 * power_w, rel=1e-9)


@pytest.mark.parametrize(
    ("action", "power_w"),
    [(1.0, 0.1), (0.5, None), (0.75, 0.0), (-0.5, None), (-2.0 / 3.0, 1e-3)],
)
def test_limit_and_reserve_of_power(action: float, power_w: float | None) -> None:
    """The least power, 7 mW of 100; its geometric mean with the largest; a limit below it."""
    encoding, observation = two_devices([12e6, 0.0])
    numbers = np.zeros((1, 2, 4))
    numbers[0, 0, 1] = action
    found = encoding.decision(numbers, observation).power_w[0, 0]
    least = 1e-6 * (2.0 ** ((12e6 - local_bits(MBS_COST)) / 1e6) - 1.0)
    if action == -0.5:  # 3.2 mW: all it may
        least = 10.0**-2.5
    expected = np.sqrt(least * 0.1) if power_w == 0.0 else power_w or least
    assert found == pytest.approx(expected, rel=1e-9)


def test_powers_settle_at_the_least_beside_each_other() -> None:
    """p_i = t (N + g p_j) / g_own, a linear system; t = 2^((Q - l) / (tau W)) - 1."""
    encoding, observation = sbs_devices([1e6, 2e6], 1e-11)
    decision = encoding.decision(np.zeros((1, 2, 4)), observation)
    sent = np.array([1e6, 2e6]) - local_bits(SBS_COST)
    t = 2.0 ** (sent / 0.5e6) - 1.0
    rows = np.eye(2) - t[:, None] * np.array([[0.0, 1e-3], [1e-3, 0.0]])
    assert decision.power_w[0] == pytest.approx(np.linalg.solve(rows, t * 1e-6), rel=1e-6)


def test_whose_gain_is_less_than_what_it_costs_another_sends_nothing() -> None:
    """As loud at the other's station as at its own: each alone sends 8.3 Mbit, both together half a Mbit each."""
    encoding, observation = sbs_devices([9e6, 8.9e6], 1e-8)
    plan = encoding.plan(np.zeros((1, 2, 4)), observation)
    assert np.sort(plan.sent_bits[0]) == pytest.approx([0.0, 0.5e6 * np.log2(1.0 + 1e5)])
    assert plan.local_bits[0] == pytest.approx([0.5e6, 0.5e6])
    # With hardly anything between them both do.
    encoding, observation = sbs_devices([9e6, 8.9e6], 1e-13)
    assert (encoding.plan(np.zeros((1, 2, 4)), observation).sent_bits > 7e6).all()


def test_what_bits_are_worth_counts_by_eagerness() -> None:
    """0.2 Mbit: worth a / 3 (Q^3 - l^3), which its CPU would need for them; cost C D, and next to no power."""
    encoding, observation = two_devices([0.2e6, 0.0])
    local = local_bits(MBS_COST)
    worth = LOCAL_COST / 3.0 * (0.2e6**3 - local**3)
    ratio = MBS_COST * (0.2e6 - local) / worth
    at = (ratio - 1.0) / (ratio + 1.0)
    for step, sends in ((0.01, True), (-0.01, False)):
        action = np.full((1, 2, 4), 0.0)
        action[0, 0, 0] = at + step
        assert (encoding.decision(action, observation).power_w[0, 0] > 0.0) == sends


def test_each_further_sender_makes_a_stations_cpu_dearer() -> None:
    """The second of two equal ones costs 3 C D, the first C D: at a third of its worth one sends, at all of it both."""
    encoding, observation = sbs_devices([0.2e6, 0.2e6], 1e-8)
    observation = replace(observation, cells=Cells(np.array([[1, 1]]), 3))
    observation = replace(observation, channel_gain=np.full((1, 2, 3), 1e-8))
    for factor, senders in ((0.1, 0), (0.35, 1), (1.0, 2)):
        action = np.zeros((1, 2, 4))
        action[..., 0] = (factor - 1.0) / (factor + 1.0)
        assert (encoding.decision(action, observation).power_w > 0.0).sum() == senders


def test_the_priority_of_one_device_empties_its_queue_first() -> None:
    """The first in rank is given what sends all that its CPU leaves, and the second the rest."""
    encoding, observation = two_devices([10e6, 20e6])
    action = np.array([[[0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0]]])
    decision = encoding.decision(action, observation)
    efficiency = np.log2(1.0 + 0.1 * 1e-8 / 1e-14)
    assert decision.bandwidth_hz[0, 0] == pytest.approx(9.5e6 / (0.1 * efficiency))
    assert decision.bandwidth_hz.sum() == pytest.approx(10e6)
    assert decision.power_w[0] == pytest.approx([0.1, 0.1])


def test_a_band_is_divided_by_what_links_carry() -> None:
    """At 1 bit/s/Hz 10 MHz carry 1 Mbit: the first sends its 0.9, the second what is left."""
    encoding, observation = two_devices([0.6e6, 0.9e6])
    network = replace(encoding.network, efficiency=spectral_efficiency(1.0))
    capped = StreamEncoding(replace(encoding.problem, network=network))
    plan = capped.plan(np.zeros((1, 2, 4)), observation)
    assert plan.sent_bits[0, 1] == pytest.approx(plan.wanted_bits[0, 1])
    assert plan.sent_bits.sum() == pytest.approx(1e6)


def test_weights_in_a_band_go_as_priority_to_the_eighth() -> None:
    """Two that are worth about as much, who could fill the band with three fifths of what each has."""
    encoding, observation = two_devices([10e6, 9e6])

    def ratio(priority: float) -> float:
        action = np.zeros((1, 2, 4))
        action[0, 1, 3] = priority
        share = encoding.decision(action, observation).bandwidth_hz[0]
        return float(share[1] / share[0])

    assert ratio(0.14) / ratio(0.13) == pytest.approx(np.exp(0.08))
    # Q^2 over what each takes of the band, at 1e5 over noise, and of the CPU.
    wanted = np.array([10e6, 9e6]) - np.array([local_of(encoding, 0), local_of(encoding, 1)])
    queue = np.array([10e6, 9e6])
    taken = wanted / (1e6 * np.log2(1.0 + 1e5)) + np.sqrt(queue) / np.sqrt(queue).sum()
    worth = queue * wanted / taken
    assert ratio(0.13) == pytest.approx((worth[1] / worth[0] * np.exp(0.13)) ** 8, rel=0.02)


def local_of(encoding: StreamEncoding, device: int) -> float:
    """What its CPU executes beside a radio whose station's CPU is shared by two."""
    return local_bits(MBS_COST * 2.0)


def test_local_speed_runs_from_none_over_the_optimum_to_all() -> None:
    """Who does not send: a l^2 = v, 0.2 Mbit of a queue of 0.12 Mbit + beta; no more than is there."""
    encoding, observation = two_devices([0.3e6, 0.1e6])
    observation = replace(observation, perturbation_bits=np.full((1, 2), 0.1e6))
    best = np.array([local_bits(0.2e6), 0.0])
    for action, expected in (
        (-1.0, 0.0 * best),
        (-0.5, best / 2.0),
        (0.0, best),
        (1.0, [0.3e6, 0.1e6]),
    ):
        numbers = np.zeros((1, 2, 4))
        numbers[..., 0] = -1.0
        numbers[..., 2] = action
        found = encoding.decision(numbers, observation)
        assert found.local_cpu_hz[0] == pytest.approx(np.array(expected) * 1e3)
        assert not found.power_w.any()


@given(st.integers(0, 10_000), st.sampled_from(["total", "density"]))
@settings(max_examples=30)
def test_nothing_is_wasted_whatever_the_action(seed: int, noise_model: str) -> None:
    """Without a reserve radios are busy for the whole slot, and send all that is wanted or at their limit."""
    encoding, observation = stream(seed, noise_model=noise_model)
    action = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, 7, 4))
    action[..., 1] = np.minimum(action[..., 1], 0.5)
    plan, decision = encoding.plan(action, observation), encoding.decision(action, observation)
    queue = observation.queue_bits
    found = carry_out(
        encoding.network, observation.cells, observation.channel_gain, queue, decision
    )
    sends = decision.power_w > 0.0
    carries = found.rate_bps * 0.1
    assert (carries >= plan.sent_bits * (1.0 - 1e-9)).all()
    assert carries == pytest.approx(np.where(sends, plan.sent_bits, 0.0), rel=1e-3, abs=1e-3)
    assert found.offloaded_bits == pytest.approx(plan.sent_bits, rel=1e-3, abs=1e-3)
    assert found.local_bits == pytest.approx(plan.local_bits, rel=1e-2, abs=1.0)
    limit_w = 0.1 * 10.0 ** (3.0 * np.minimum(action[..., 1], 0.0))
    all_sent = plan.sent_bits >= plan.wanted_bits * (1.0 - 1e-6)
    at_limit = decision.power_w >= limit_w * (1.0 - 1e-6)
    assert (all_sent | at_limit)[sends].all()


@pytest.mark.parametrize("noise_model", ["total", "density"])
def test_zero_is_next_to_the_optimum_of_p2(noise_model: str) -> None:
    """Of `lyapunov`'s gain over doing nothing, in random states of small networks."""
    ours, best = np.zeros(3), np.zeros(3)
    for seed in range(8):
        encoding, observation = stream(seed, devices=9, stations=4, noise_model=noise_model)
        ours += gain(encoding, observation, encoding.decision(np.zeros((3, 9, 4)), observation))
        solver = Lyapunov()
        solver.reset(encoding.network, encoding.problem, [])
        best += gain(encoding, observation, solver.decide(observation))
    assert (ours / best > 0.9).all() and (ours / best < 1.0).all()


def gain(encoding: StreamEncoding, observation: Observation, decision: Any) -> FloatArray:
    return -encoding.problem.value(observation, decision)


@pytest.mark.parametrize(
    ("scenario", "name", "unit"),
    [("iiot_20dev", "energy_j", 1.0), ("green_shift_gb", "emission_mg", 1e-3)],
)
def test_energy_costs_what_its_price_says(scenario: str, name: str, unit: float) -> None:
    """Beside P2's value, w V times the slot's energy, or its emission where P2's penalty is that."""
    keys: Any = {"scenario": scenario, "overrides": ["run.slots=9"], "flat": False}
    plain, dear = (StreamVectorEnvironment(2, energy_price=one, **keys) for one in (0.0, 2.5))
    problem: Any = dear.problem
    for env in (plain, dear):
        env.reset(seed=1)
    total = 0.0
    for _ in range(8):
        action = np.full(plain.action_space.sample().shape, 0.2)
        _, free, _, _, info = plain.step(action)
        spent: Any = info[name] * unit
        total += spent.min()
        expected = free - 2.5 * problem.V * spent / dear.reward_unit
        np.testing.assert_allclose(dear.step(action)[1], expected, rtol=1e-9)
    assert total > 0.0
