"""Instances of C(10) that nobody can satisfy: `exact` violates them least of all.

What a decision can miss is relaxed by a common factor: deadlines, energies, rate floors and least CPU
speeds. Powers, CPU speeds and the server's capacity cannot be exceeded: decisions are scaled down.
"""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import table1
from conftest import simulate
from scipy import optimize
from test_exact import CARBON, FLOORS, Instance

from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.sca.policy import Sca
from edgesim.simulator.core.arrays import BoolArray, FloatArray
from edgesim.simulator.tasks.network import Tasks
from edgesim.simulator.tasks.outcome import evaluate

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"


def hopeless(seed: int, devices: int) -> Instance:
    """Tight on something: CPUs that cannot be slow, small budgets, weak radios, a small server."""
    rng = np.random.default_rng(seed)
    network = replace(
        table1.network(devices, 10.0 ** rng.uniform(-28, -27), FLOORS[seed % 2]),
        server_cpu_hz=10.0 ** rng.uniform(8.0, 9.5),
        rate_min_bps=10.0 ** rng.uniform(5.0, 8.0),
        energy_max_j=10.0 ** rng.uniform(-3.0, -1.0),
        device_power_max_w=10.0 ** rng.uniform(-4.0, -1.0, devices),
        device_cpu_min_hz=10.0 ** rng.uniform(8.5, 9.2, devices),
        device_cpu_max_hz=10.0 ** rng.uniform(9.2, 9.5, devices),
    )
    tasks = Tasks(
        10.0 ** rng.uniform(6.0, 7.5, devices),
        10.0 ** rng.uniform(8.5, 9.5, devices),
        10.0 ** rng.uniform(-0.3, 0.5, devices),
    )
    return Instance(network, tasks, table1.channel(rng, devices))


def alone(instance: Instance, m: int) -> float:
    """The least use of its limits of a device that executes its task itself."""
    network, tasks, _ = instance

    def use(log_hz: float) -> float:
        hz = np.exp(log_hz)
        return max(
            float(tasks.cycles[m] / hz / tasks.deadline_s[m]),
            float(network.theta_device[m] * tasks.cycles[m] * hz**2 / network.energy_max_j),
            float(network.device_cpu_min_hz[m] / hz),
        )

    top = float(np.log(network.device_cpu_max_hz[m]))
    found = optimize.minimize_scalar(
        use, bounds=(top - 10.0, top), method="bounded", options={"xatol": 1e-10}
    )
    return min(float(found.fun), use(top))


def use_of_radio_and_server(
    instance: Instance, offload: BoolArray, power_w: FloatArray
) -> FloatArray:
    """(P,) the largest use of a limit, of (P, N) powers, with the server shared at best."""
    network, tasks, channel = instance
    heard = np.stack([(power_w * row).sum(axis=1) for row in channel.interference_gain], axis=1)
    rate = network.bandwidth_hz * np.log2(1 + power_w * channel.gain / (heard + network.noise_w))
    floor = offload if network.rate_floor == "offloading" else np.ones_like(offload)
    worst = np.where(floor, network.rate_min_bps / np.maximum(rate, 1e-30), 0.0).max(axis=1)
    if not offload.any():
        return np.asarray(worst)
    sent_s = (tasks.bits / np.maximum(rate, 1e-30))[:, offload]
    spent_j = power_w[:, offload] * sent_s
    worst = np.maximum(worst, spent_j.max(axis=1) / network.energy_max_j)
    deadline_s, cycles = tasks.deadline_s[offload], tasks.cycles[offload]
    # The factor x by which deadlines must be longer: sum of C / (D x - sent) = F_max.
    low = (sent_s / deadline_s).max(axis=1)
    width = cycles.sum() / network.server_cpu_hz / deadline_s.min()
    for _ in range(60):
        width = width * 0.5
        left_s = deadline_s * (low + width)[:, None] - sent_s
        enough = (cycles / np.maximum(left_s, 1e-250)).sum(axis=1) <= network.server_cpu_hz
        low = np.where(enough, low, low + width)
    least: FloatArray = np.maximum(worst, low)
    return least


def brute_force(instance: Instance) -> float:
    """All offloading decisions; powers on grids that close in."""
    devices = instance.network.devices
    single = [alone(instance, m) for m in range(devices)]
    loudest = np.log(instance.network.device_power_max_w)
    best = np.inf
    for choice in itertools.product([False, True], repeat=devices):
        offload = np.array(choice)
        stays = max(
            [use for use, sends in zip(single, choice, strict=True) if not sends], default=0.0
        )
        silent = ~offload & (instance.network.rate_floor == "offloading")
        low, high = loudest - 30.0, loudest.copy()
        least = np.inf
        for _ in range(40):
            points = {1: 41, 2: 21, 3: 9}[devices]
            axes = [
                np.array([-600.0]) if silent[m] else np.linspace(low[m], high[m], points)
                for m in range(devices)
            ]
            grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, devices)
            use = use_of_radio_and_server(instance, offload, np.exp(grid))
            at = grid[use.argmin()]
            least = min(least, float(use.min()))
            width = 0.35 * (high - low)
            low, high = at - width, np.minimum(at + width, loudest)
        best = min(best, max(stays, least))
    return best


def compare(seed: int, devices: int) -> bool:
    """Whether the instance has no feasible decision."""
    instance = hopeless(seed, devices)
    solution = instance.solve()
    found = brute_force(instance)
    if solution.feasible:
        assert found <= 1.0 + 1e-4
        return False
    network = instance.network
    assert solution.violation == evaluate(*instance, CARBON, solution.decision).use.violation
    assert 1.0 + solution.violation <= found * (1.0 + 1e-5)
    # Nothing that the network would scale down.
    assert (solution.decision.power_w <= network.device_power_max_w * (1.0 + 1e-9)).all()
    assert (solution.decision.local_cpu_hz <= network.device_cpu_max_hz * (1.0 + 1e-9)).all()
    assert solution.decision.edge_cpu_hz.sum() <= network.server_cpu_hz * (1.0 + 1e-9)
    return True


@pytest.mark.parametrize("devices", [1, 2])
def test_no_decision_violates_less(devices: int) -> None:
    assert sum(compare(seed, devices) for seed in range(8)) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2, 3])
def test_no_decision_violates_less_on_many(devices: int) -> None:
    assert sum(compare(seed, devices) for seed in range(100, 160)) >= 40


def test_sca_never_violates_less() -> None:
    policy = Sca()
    for seed in range(12):
        instance = hopeless(seed, 3)
        solution = instance.solve()
        decision = policy.solve(Slot(*instance, CARBON)).decision
        asked_hz = (decision.offload * decision.edge_cpu_hz).sum()
        share = min(1.0, instance.network.server_cpu_hz / max(asked_hz, 1.0))
        fitted = replace(decision, edge_cpu_hz=decision.edge_cpu_hz * share)
        reached = float(evaluate(*instance, CARBON, fitted).use.violation)
        assert solution.violation <= reached + 1e-5 * (1.0 + reached)


def test_a_cpu_that_may_not_be_slow_is_slowed_if_that_violates_least() -> None:
    """By hand: at f_min = 1 GHz 1e9 cycles take 1 J of 0.125 J; at half of it 0.25 J, twice each."""
    instance = hopeless(0, 1)
    one = np.ones(1)
    instance = instance._replace(
        network=replace(
            instance.network,
            device_cpu_min_hz=1e9 * one,
            device_cpu_max_hz=2e9 * one,
            theta_device=1e-27 * one,
            energy_max_j=0.125,
            rate_floor="offloading",
            device_power_max_w=1e-12 * one,
        ),
        tasks=Tasks(1e7 * one, 1e9 * one, 2.0 * one),
    )
    solution = instance.solve()
    assert not solution.decision.offload.any()
    assert solution.violation == pytest.approx(1.0, rel=1e-5)
    assert solution.decision.local_cpu_hz == pytest.approx([0.5e9], rel=1e-5)


def test_slot_53_of_the_small_budget() -> None:
    """It was 0.289 as long as a CPU's least speed was held."""
    overrides = (
        "policy.name=exact",
        "run.slots=54",
        "energy.theta_0=1e-28",
        "limits.energy_max=0.17 J",
        "limits.rate_floor=offloading",
    )
    text = (SCENARIOS / "carbon_6ue.toml").read_text(encoding="utf-8")
    violation = simulate(*overrides, toml=text).trace["violation"][0]
    assert violation[53] < 0.17
