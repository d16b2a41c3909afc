"""Policies of world C: EPR and EPR-EP against brute force, lyapunov's queues, emission in order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import table1  # type: ignore[import-not-found]

from edgesim.policies.epr import EqualRatesEqualPowerTasks, EqualRatesTasks
from edgesim.simulator.arrays import BoolArray, FloatArray
from edgesim.simulator.observation import TaskObservation
from edgesim.simulator.worst_case import (
    CarbonAwareNetwork,
    MrcChannel,
    TaskDecision,
    TaskOutcome,
    Tasks,
    WorstCaseEmission,
    evaluate,
)

CARBON = table1.CARBON_G_PER_J
FLOORS = ("all", "offloading")


def observed(tasks: Tasks, channel: MrcChannel) -> TaskObservation:
    """Instances (R, N) as the twin shows them."""
    devices = np.zeros(tasks.bits.shape)
    return TaskObservation(
        slot=0,
        time_s=0.0,
        tasks=tasks,
        channel=channel,
        carbon_g_per_j=np.full((len(devices), 1), CARBON),
        position_m=np.zeros((*devices.shape, 2)),
        last_emission_g=devices,
        age_s=devices,
    )


def stacked(instances: list[tuple[Tasks, MrcChannel]]) -> TaskObservation:
    tasks, channels = zip(*instances, strict=True)
    return observed(
        Tasks(
            *(np.stack([getattr(t, f) for t in tasks]) for f in ("bits", "cycles", "deadline_s"))
        ),
        MrcChannel(
            np.stack([c.gain for c in channels]), np.stack([c.interference_gain for c in channels])
        ),
    )


def decided(policy: Any, network: CarbonAwareNetwork, observation: TaskObservation) -> TaskDecision:
    policy.reset(network, WorstCaseEmission(network), [])
    decision: TaskDecision = policy.decide(observation)
    return decision


def outcome_of(
    network: CarbonAwareNetwork, observation: TaskObservation, decision: TaskDecision
) -> TaskOutcome:
    return evaluate(network, observation.tasks, observation.channel, CARBON, decision)


def draw(
    seeds: range,
    devices: int,
    megabytes: tuple[float, float] = (1.0, 4.0),
    megacycles: tuple[float, float] = (1000.0, 2000.0),
) -> TaskObservation:
    """One instance of Table I for each seed."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        channel = table1.channel(rng, devices)
        found.append((table1.tasks(rng, devices, megabytes, megacycles), channel))
    return stacked(found)


# EPR and EPR-EP against all 2^N sets of offloaders


def all_sets(devices: int) -> Iterator[BoolArray]:
    for bits in product((False, True), repeat=devices):
        yield np.array(bits)


class Brute:
    """One instance at fixed rates, each set of offloaders on its own, by linear algebra."""

    def __init__(
        self,
        network: CarbonAwareNetwork,
        observation: TaskObservation,
        row: int,
        local_hz: float,
        edge_hz: float,
    ) -> None:
        self.network, self.local_hz, self.edge_hz = network, local_hz, edge_hz
        tasks, channel = observation.tasks, observation.channel
        self.bits, self.cycles = tasks.bits[row], tasks.cycles[row]
        self.deadline_s = tasks.deadline_s[row]
        self.gain, self.cross = channel.gain[row], channel.interference_gain[row]

    def floor_bps(self, offload: BoolArray, relaxation: float) -> FloatArray:
        asked = offload | (self.network.rate_floor == "all")
        return np.where(asked, self.network.rate_min_bps / relaxation, 0.0)

    def least_powers(self, offload: BoolArray, relaxation: float) -> FloatArray | None:
        """Those with which every SINR is as high as it must be; None if there are none."""
        network = self.network
        left_s = self.deadline_s * relaxation - self.cycles / self.edge_hz
        if (offload & (left_s <= 0.0)).any():
            return None
        needed = np.where(offload, self.bits / np.where(offload, left_s, 1.0), 0.0)
        rate = np.maximum(needed, self.floor_bps(offload, relaxation))
        sinr = 2.0 ** (rate / network.bandwidth_hz) - 1.0
        heard = (sinr / self.gain)[:, None] * self.cross
        if np.abs(np.linalg.eigvals(heard)).max() >= 1.0:
            return None
        power_w = np.linalg.solve(np.eye(len(sinr)) - heard, sinr / self.gain * network.noise_w)
        power_w = np.maximum(power_w, 0.0)  # who is silent, up to rounding
        return power_w if (power_w <= network.device_power_max_w * (1 + 1e-9)).all() else None

    def equal_powers(self, power_w: float, offload: BoolArray, relaxation: float) -> FloatArray:
        floor = self.floor_bps(offload, relaxation)
        return np.where(offload | (floor > 0.0), power_w, 0.0)

    def worst_j(self, offload: BoolArray, power_w: FloatArray | None, relaxation: float) -> float:
        """Of the devices, server included; infinite where a relaxed limit breaks."""
        if power_w is None:
            return np.inf
        network, worst = self.network, 0.0
        floor_bps = self.floor_bps(offload, relaxation)
        room = 1.0 + 1e-9
        if offload.sum() * self.edge_hz > network.server_cpu_hz * relaxation * room:
            return np.inf
        for m in range(len(offload)):
            heard = network.noise_w + sum(self.cross[m] * power_w)
            rate = network.bandwidth_hz * np.log2(1.0 + power_w[m] * self.gain[m] / heard)
            if rate * room < floor_bps[m]:
                return np.inf
            if offload[m]:
                sending_s = self.bits[m] / rate
                delay_s = sending_s + self.cycles[m] / self.edge_hz
                device_j = power_w[m] * sending_s
                server_j = network.theta_server * self.cycles[m] * self.edge_hz**2
            else:
                delay_s = self.cycles[m] / self.local_hz
                device_j = network.theta_device[m] * self.cycles[m] * self.local_hz**2
                server_j = 0.0
            if delay_s > self.deadline_s[m] * relaxation * room:
                return np.inf
            if device_j > network.energy_max_j * relaxation * room:
                return np.inf
            worst = max(worst, device_j + server_j)
        return worst


Powers = Callable[[Brute, BoolArray, float], FloatArray | None]


def best_j(brute: Brute, powers: Powers, relaxation: float = 1.0) -> float:
    sets = all_sets(len(brute.bits))
    return min(brute.worst_j(a, powers(brute, a, relaxation), relaxation) for a in sets)


def least_violation(brute: Brute, powers: Powers) -> float:
    """By bisection over all sets at once."""
    low, high = 0.0, 1.0
    while best_j(brute, powers, 1.0 + high) == np.inf:
        low, high = high, 2.0 * high
    for _ in range(24):
        middle = 0.5 * (low + high)
        if best_j(brute, powers, 1.0 + middle) < np.inf:
            high = middle
        else:
            low = middle
    return high


def least(brute: Brute, offload: BoolArray, relaxation: float) -> FloatArray | None:
    return brute.least_powers(offload, relaxation)


def equal(brute: Brute, offload: BoolArray, relaxation: float) -> FloatArray:
    return brute.equal_powers(0.05, offload, relaxation)


SCHEMES: dict[str, tuple[Callable[..., Any], Powers]] = {
    "epr": (EqualRatesTasks, least),
    "epr-ep": (lambda **keys: EqualRatesEqualPowerTasks(power=0.05, **keys), equal),
}

every_scheme = pytest.mark.parametrize(("make", "powers"), SCHEMES.values(), ids=SCHEMES)


@every_scheme
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("devices", [1, 3, 5])
@pytest.mark.parametrize("edge_cpu", [None, 2e9, 8e9])
def test_equal_rates_are_as_good_as_the_best_of_all_sets(
    make: Callable[..., Any], powers: Powers, floor: Any, devices: int, edge_cpu: float | None
) -> None:
    """Up to 2000 Mcycles some must offload; 8 GHz each is more than the server has for three."""
    network = table1.network(devices, 1e-28, floor)
    observation = draw(range(20), devices, (0.5, 4.0))
    outcome = outcome_of(
        network, observation, decided(make(edge_cpu=edge_cpu), network, observation)
    )
    local_hz = (1.0 / 2e-27) ** (1 / 3)
    feasible = 0
    for row in range(20):
        brute = Brute(network, observation, row, local_hz, edge_cpu or 20e9 / devices)
        least_j = best_j(brute, powers)
        assert outcome.use.feasible[row] == (least_j < np.inf)
        if least_j < np.inf:
            assert outcome.worst_emission_g[row] == pytest.approx(CARBON * least_j, rel=1e-8)
            feasible += 1
    assert feasible > 0


@every_scheme
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("edge_cpu", [None, 12e9])
def test_equal_rates_violate_limits_no_more_than_they_must(
    make: Callable[..., Any], powers: Powers, floor: Any, edge_cpu: float | None
) -> None:
    network = table1.network(3, 1e-27, floor)
    observation = draw(range(12), 3, (8.0, 12.0), (1600.0, 2500.0))
    outcome = outcome_of(
        network, observation, decided(make(edge_cpu=edge_cpu), network, observation)
    )
    infeasible = 0
    for row in range(12):
        brute = Brute(network, observation, row, (1.0 / 2e-27) ** (1 / 3), edge_cpu or 20e9 / 3)
        if best_j(brute, powers) == np.inf:
            must = least_violation(brute, powers)
            assert outcome.use.violation[row] == pytest.approx(must, abs=1e-6)
            assert not outcome.use.feasible[row]
            infeasible += 1
    assert infeasible > 3


def test_default_rate_executes_all_that_any_rate_can() -> None:
    """1587 Mcycles in 2 s and within 1 J, with neither time nor energy to spare."""
    network = replace(table1.network(2), rate_floor="offloading")
    limit = (2.0**2 * 1.0 / 1e-27) ** (1 / 3)
    bits = np.full((1, 2), 1e12)  # too much to offload
    channel = MrcChannel(np.full((1, 2), 1e-9), np.full((1, 2, 2), 1e-10) * (1 - np.eye(2)))
    for share, held in ((1.0 - 1e-9, True), (1.0 + 1e-6, False)):
        tasks = Tasks(bits, np.array([[1e9, limit * share]]), np.full((1, 2), 2.0))
        observation = observed(tasks, channel)
        outcome = outcome_of(network, observation, decided(EqualRatesTasks(), network, observation))
        assert outcome.use.feasible[0] == held
        assert outcome.use.delay[0, 1] == pytest.approx(1.0, rel=1e-5)
        assert outcome.use.energy[0, 1] == pytest.approx(1.0, rel=1e-5)
