"""P2 with emission in the place of energy, device by device: two replications, three devices, three stations."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from conftest import a_network
from numpy.typing import NDArray

from edgesim.policies.epr import EqualRatesEqualPower
from edgesim.policies.stream.pressing import with_pressing
from edgesim.simulator.models.station_power import PowerLaw, StationsSeen
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.green_observation import GreenObservation
from edgesim.simulator.stream.green_problem import GreenProblem
from edgesim.simulator.stream.outcome import carry_out

Floats = NDArray[np.float64]

FLOOR = 1e-3 / 3.6e6
"""1 mg/kWh, g/J."""

NETWORK = a_network(devices=3, replications=2, device_cpu_hz=np.array([0.5e9, 0.3e9, 0.4e9]))
STATION = np.array([[2, 0, 1], [1, 1, 0]])
DECISION = Decision(
    bandwidth_hz=np.array([[2e6, 8e6, 1e6], [2e6, 3e6, 5e6]]),
    power_w=np.array([[0.1, 0.05, 0.02], [0.03, 0.07, 0.09]]),
    local_cpu_hz=np.array([[0.5e9, 0.2e9, 0.1e9], [0.4e9, 0.3e9, 0.0]]),
    edge_cpu_hz=np.array([[9e9, 30e9, 7e9], [4e9, 6e9, 20e9]]),
    served_bits=np.array([[1e5, 2e5, 0.0], [0.0, 3e5, 5e4]]),
)


def observation(power: bool = False) -> GreenObservation:
    rng = np.random.default_rng(7)
    shape, stations = (2, 3), (2, 3)
    seen: dict[str, Any] = {
        name: rng.uniform(1e5, 9e5, shape)
        for name in (
            "queue_bits",
            "arrived_bits",
            "departed_bits",
            "pressing_bits",
            "lateness_bits",
        )
    }
    grid = np.array([[0.0, 0.4, 1.0], [0.7, 0.2, 0.0]])
    none = np.zeros((3, 3))
    flags = np.ones(stations, np.bool_)
    law = PowerLaw(none, none, np.ones(3, np.bool_))
    shown = StationsSeen(flags, flags, none[:2], grid, law, None, none[:, :2], none[0])
    return GreenObservation(
        slot=3,
        time_s=0.3,
        cells=Cells(STATION, 3),
        channel_gain=rng.uniform(1e-9, 1e-7, (2, 3, 3)),
        station_queue_bits=rng.uniform(1e5, 9e5, stations),
        station_up=flags,
        power_max_w=np.full(shape, 0.1),
        position_m=np.zeros((2, 3, 2)),
        battery_j=np.full(shape, np.inf),
        energy_per_bit_j=np.array([2e-8, 3e-8]),
        perturbation_bits=rng.uniform(1e4, 9e4, shape),
        carbon_g_per_j=np.array([[5e-5, 9e-5, 2e-5], [7e-5, 0.0, 4e-5]]),
        age_s=np.zeros(shape),
        station_age_s=np.zeros(stations),
        power=shown if power else None,
        device_carbon_g_per_j=np.array([[3e-5, 0.0, 8e-5], [6e-5, 1e-5, 2e-5]]),
        due_bits=np.zeros((2, 3, 0)),
        least_leaving_bits=np.zeros((2, 3, 0)),
        emission_per_bit_g=np.array([4e-13, 6e-13]),
        budget_debt_g=np.array([0.25, 1.5]),
        forecast_g_per_j=np.zeros((2, 3, 0)),
        forecast_step_s=0.0,
        forecast_age_s=0.0,
        **seen,
    )


def problem(penalty: Any = "carbon", budget_g: float | None = 0.5, **more: Any) -> GreenProblem:
    return GreenProblem(
        NETWORK, 2e16 if penalty == "carbon" else 1e13, penalty=penalty, budget_g=budget_g, **more
    )


def weights(of: GreenProblem, seen: GreenObservation) -> list[float]:
    return [of.V * (1.0 + float(debt) / 0.5 if of.budget_g else 1.0) for debt in seen.budget_debt_g]


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("budget_g", [None, 0.5])
@pytest.mark.parametrize("penalty", ["carbon", "energy"])
def test_what_a_joule_costs(penalty: str, budget_g: float | None, power: bool) -> None:
    """V (1 + G / M) at the place's own intensity, of which a station's panels take a part; never nothing."""
    of, seen = problem(penalty, budget_g), observation(power)
    device, station = of.joule_costs(seen)
    for r, weight in enumerate(weights(of, seen)):
        for k in range(3):
            own, there = float(seen.device_carbon_g_per_j[r, k]), float(seen.carbon_g_per_j[r, k])
            if power and seen.power is not None:
                there *= float(seen.power.grid_share[r, k])
            if penalty == "energy":
                own = there = 1.0
            assert device[r, k] == pytest.approx(weight * max(own, FLOOR))
            assert station[r, k] == pytest.approx(weight * max(there, FLOOR))
            # What local_costs and best_local_hz_at make of it: c l^3 / 3 a bit, and 3 c varsigma f^2 = v / cycles.
            cost = float(device[r, k])
            found = of.local_costs(device)[r, k]
            assert found == pytest.approx(3.0 * cost * 1e-27 * 100.0**3 / 0.1**2)
            best = of.best_local_hz_at(seen, seen.queue_bits - 4e5)[r, k]
            v = max(float(seen.queue_bits[r, k]) - 4e5, 0.0)
            assert best == pytest.approx((v / (3.0 * cost * 1e-27 * 100.0)) ** 0.5)


@pytest.mark.parametrize("penalty", ["carbon", "energy"])
def test_the_value_of_a_decision(penalty: str) -> None:
    of, seen = problem(penalty), observation(power=True)
    outcome = carry_out(NETWORK, seen.cells, seen.channel_gain, seen.queue_bits, DECISION)
    device, station = of.joule_costs(seen)
    per_bit = seen.energy_per_bit_j if penalty == "energy" else seen.emission_per_bit_g
    value, bits = of.value(seen, DECISION), of.bit_value(seen)
    saved_j = np.array([[1e-3, 2e-3, 3e-3], [4e-3, 5e-3, 6e-3]])
    offloading = of.offload_cost(seen, outcome, saved_j)
    for r, weight in enumerate(weights(of, seen)):
        expected = 0.0
        for i in range(3):
            j, departed = STATION[r, i], outcome.departed_bits[r, i]
            radio_j = outcome.radio_energy_j[r, i]
            edge_j = outcome.offload_energy_j[r, i] - radio_j
            expected += (
                device[r, i] * (outcome.local_energy_j[r, i] + radio_j) + station[r, j] * edge_j
            )
            v = weight * per_bit[r] + seen.queue_bits[r, i] - seen.perturbation_bits[r, i]
            assert bits[r, i] == pytest.approx(v)
            expected -= v * departed
            expected -= seen.lateness_bits[r, i] * min(departed, seen.pressing_bits[r, i])
            cost = device[r, i] * (radio_j - saved_j[r, i]) + station[r, j] * edge_j
            assert offloading[r, i] == pytest.approx(cost)
        for j in range(3):
            drift = outcome.station_inflow_bits[r, j] - DECISION.served_bits[r, j]
            expected += seen.station_queue_bits[r, j] * drift
        assert value[r] == pytest.approx(expected)
    # What arrives costs what it adds to the queues.
    arrived = seen.arrived_bits
    nothing = np.zeros((2, 3))
    queues = seen.queue_bits, seen.station_queue_bits, seen.pressing_bits
    more = of.score(seen, nothing, nothing, arrived, queues, nothing)
    np.testing.assert_allclose(
        more, ((seen.queue_bits - seen.perturbation_bits) * arrived).sum(axis=1)
    )


@pytest.mark.parametrize("perturbation", ["observed", "local", "none"])
def test_the_ratio_and_beta_of_emission(perturbation: Any) -> None:
    of, rng = problem(perturbation=perturbation), np.random.default_rng(3)
    emission, departed = rng.uniform(1e-9, 9e-9, (2, 3)), rng.uniform(1e5, 5e5, (2, 3))
    total, all_bits = emission + 2e-8, departed + 3e6
    debt = np.array([0.25, 1.5])
    ratio, beta = of.predict_emission(total, all_bits, emission, departed, debt)
    np.testing.assert_allclose(ratio, total.sum(axis=1) / all_bits.sum(axis=1))
    for r in range(2):
        worth = 2e16 * (1.0 + debt[r] / 0.5) * (3 * 2e-8) / (3 * 3e6)
        most = {"observed": [departed[r].max()] * 3, "local": NETWORK.device_cpu_hz * 0.1 / 100.0}
        expected = worth + most[perturbation] if perturbation != "none" else np.zeros(3)
        np.testing.assert_allclose(beta[r], expected)


def test_pressing_bits_that_are_left_are_asked_for_alone() -> None:
    """At v + Y each: who serves less than them is shown them as its queue; not who serves them, or pays nothing."""
    of, seen, none = problem(), observation(), np.zeros((2, 3))
    local = replace(DECISION, power_w=none, local_cpu_hz=0.2 * DECISION.local_cpu_hz)
    outcome = carry_out(NETWORK, seen.cells, seen.channel_gain, seen.queue_bits, local)
    departed = outcome.departed_bits
    pressing = np.array([[2.0, 0.5, 1.5], [1.0, 99.0, 0.0]]) * departed
    lateness = seen.lateness_bits * [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    seen = replace(seen, pressing_bits=pressing, lateness_bits=lateness)
    found = of.with_pressing(seen, local)
    assert found is not None
    short = np.array([[True, False, False], [False, True, False]])
    bits = np.minimum(pressing, seen.queue_bits)
    assert bits[1, 1] == seen.queue_bits[1, 1] and bits[0, 0] < seen.queue_bits[0, 0]
    np.testing.assert_array_equal(found.queue_bits, np.where(short, bits, seen.queue_bits))
    np.testing.assert_array_equal(found.lateness_bits, np.where(short, 0.0, lateness))
    worth = of.bit_value(seen) + np.where(short, lateness, 0.0)
    np.testing.assert_allclose(of.bit_value(found), worth)
    served = replace(seen, pressing_bits=np.minimum(pressing, departed))
    assert of.with_pressing(served, local) is None
    assert of.with_pressing(replace(seen, lateness_bits=np.zeros((2, 3))), local) is None


def test_of_two_decisions_on_pressing_bits_each_replication_has_the_better_one() -> None:
    """And of others as well, where the first left some; the diagnostics are those of the first."""
    of, seen = problem(), observation()
    told = {"iterations": np.array([3.0, 4.0])}
    first = replace(DECISION, diagnostics=told)
    # Of two decisions that serve the same at devices that has less of P2 which serves more at stations.
    second = replace(DECISION, served_bits=DECISION.served_bits * [[2.0], [0.5]])
    third = replace(DECISION, served_bits=DECISION.served_bits * [[0.5], [3.0]])
    asked: list[Any] = []

    def decide(observation: Any) -> Decision:
        asked.append(observation)
        return first if len(asked) == 1 else second

    for others, of_which in (([], [1, 0]), ([third], [1, 2])):
        asked.clear()
        found = with_pressing(of, seen, decide, lambda others=others: others)  # type: ignore[misc]
        assert asked[0] is seen and asked[1].lateness_bits.tolist() != seen.lateness_bits.tolist()
        values = np.stack([of.value(seen, one) for one in (first, second, *others)])
        assert of.value(seen, found).tolist() == values.min(axis=0).tolist()
        assert values.argmin(axis=0).tolist() == of_which
        assert found.diagnostics is told


def test_equal_rates_weigh_what_is_pressing() -> None:
    """`epr-ep`: who sends does so where that has less of P2, pressing bits included; at one station nobody interferes."""
    rng = np.random.default_rng(5)
    shape = (400, 3)
    network = a_network(devices=3, replications=400, device_cpu_hz=np.array([0.05e9] * 3))
    seen, none = observation(), np.zeros((400, 3, 0))
    bits = rng.uniform(1e4, 2e6, shape)
    wide: dict[str, Any] = {
        one.name: np.broadcast_to(value[:1], (400, *value.shape[1:]))
        for one in fields(seen)
        if isinstance(value := getattr(seen, one.name), np.ndarray)
    }
    of = GreenProblem(network, 3e17, penalty="carbon")
    found = {}
    for lateness in (0.0, 1e6):
        now = replace(seen, **wide | {
            "cells": Cells(np.zeros(shape, int), 3), "queue_bits": bits,
            "pressing_bits": rng.uniform(0.0, 1.0, shape) * bits, "due_bits": none,
            "lateness_bits": np.full(shape, lateness), "least_leaving_bits": none,
            "forecast_g_per_j": none,
        })  # fmt: skip
        policy = EqualRatesEqualPower()
        policy.reset(network, of, [])
        sends = policy.decide(now).power_w > 0.0
        for i in range(3):
            alone = policy._decision(now, np.arange(3) == i)
            nobody = replace(alone, power_w=np.zeros(shape))
            better = [of.value(now, one) for one in (alone, nobody)]
            np.testing.assert_array_equal(sends[:, i], better[0] < better[1])
        found[lateness] = sends
    assert (found[0.0] != found[1e6]).sum() > 30
