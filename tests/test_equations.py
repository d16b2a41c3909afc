"""Equations of both papers that no other test would miss; docs/equations.md lists all of them."""

from typing import Any

import numpy as np
import pytest
import table1
from conftest import observing, simulate

from edgesim.policies.learning.environment import TaskVectorEnvironment
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.shipped import shipped
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.tasks.channel import mrc_channel, rates_bps
from edgesim.simulator.tasks.decision import TaskDecision

SLOW_STATIONS = ('stations.mbs.cpu="0.3 GHz"', 'stations.sbs.cpu="0.2 GHz"')


def complex_normal(rng: np.random.Generator, *shape: int) -> Any:
    """CN(0, 1)."""
    parts: Any = rng.standard_normal((2, *shape)) * np.sqrt(0.5)
    return parts[0] + 1j * parts[1]


# Paper A


def test_the_twin_is_of_devices_and_stations_as_they_are() -> None:
    """A(1): p_max, place and CPU of each device; A(2): place, band and CPU of each station."""
    seen: list[Any] = []
    run = observing(
        seen,
        "policy.name=random",
        "mobility.model=random-waypoint",
        'devices.battery={capacity="0.02 J", harvest="60 mW"}',
        "devices.cpu=[1e8, 2e8, 3e8, 4e8, 5e8, 6e8]",
        'stations.mbs.bandwidth="7 MHz"',
        'stations.sbs.cpu="3 GHz"',
    )
    for slot, (observation, _) in enumerate(seen):
        np.testing.assert_array_equal(observation.power_max_w, run.trace["power_max_w"][:, slot])
        place = np.stack([run.trace[name][:, slot] for name in ("x_m", "y_m")], axis=2)
        np.testing.assert_array_equal(observation.position_m, place)
    assert np.ptp(run.trace["power_max_w"]) > 0.0 and np.ptp(run.trace["x_m"][0, :, 0]) > 0.0
    np.testing.assert_array_equal(run.network.device_cpu_hz, np.arange(1.0, 7.0) * 1e8)
    np.testing.assert_array_equal(run.network.station_bandwidth_hz, [7e6, 5e6, 5e6, 5e6])
    np.testing.assert_array_equal(run.network.station_cpu_hz, [50e9, 3e9, 3e9, 3e9])


@pytest.mark.parametrize("policy", ["random", "lyapunov"])
def test_p2_bounds_the_drift(policy: str) -> None:
    """A(15) to A(18): the drift of L is what P2 has of queues, and half the squares at most.

    (Psi - lambda)^2 falls short of Psi^2 + lambda^2 by 2 Psi lambda, so by how much is known too.
    """
    run = simulate(f"policy.name={policy}", *SLOW_STATIONS)
    t, V = run.trace, run.scenario.policy.V
    station = t["serving_station"]
    served = t["local_bits"] + t["offloaded_bits"]
    inflow = np.stack(
        [np.where(station == j, t["offloaded_bits"], 0.0).sum(axis=2) for j in range(4)], axis=2
    )

    def lyapunov(queue: Any, station_queue: Any, beta: Any) -> Any:
        """A(15)."""
        return 0.5 * (((queue - beta) ** 2).sum(axis=2) + (station_queue**2).sum(axis=2))

    now, after = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    beta = t["perturbation_bits"][now]
    drift = lyapunov(t["queue_bits"][after], t["station_queue_bits"][after], beta)
    drift = drift - lyapunov(t["queue_bits"][now], t["station_queue_bits"][now], beta)
    joule = (t["local_energy_j"] + t["offload_energy_j"]).sum(axis=2)
    penalty = V * (joule - t["energy_per_bit_j"] * served.sum(axis=2))
    squares = products = np.zeros(drift.shape)
    for out, into in ((served, t["arrived_bits"]), (t["station_served_bits"], inflow)):
        squares = squares + 0.5 * (out**2 + into**2).sum(axis=2)[now]
        products = products + (out * into).sum(axis=2)[now]
    bound = (t["objective"] - penalty)[now] + squares
    assert (drift <= bound + 1e-9 * squares).all()
    np.testing.assert_allclose(bound - drift, products, rtol=1e-6, atol=1e-6 * squares.max())
    assert products.max() > 0.0


@pytest.mark.parametrize("policy", ["lyapunov", "epr-ep"])  # `_decide` and `station_service`
def test_stations_serve_all_that_they_can(policy: str) -> None:
    """Psi_j = min(F_j tau / c, Q_j) minimises P2, whose other terms have no Psi_j."""
    run = simulate(f"policy.name={policy}", *SLOW_STATIONS)
    queue = run.trace["station_queue_bits"]
    most = np.array([0.3e9, 0.2e9, 0.2e9, 0.2e9]) * 0.1 / 100.0
    assert (queue > most).any() and ((queue > 0.0) & (queue < most)).any()
    np.testing.assert_allclose(run.trace["station_served_bits"], np.minimum(queue, most))


def test_edge_cpus_are_shared_as_the_root_of_what_is_sent() -> None:
    """Minimising sum D / f over sum f = F, the second term of A(11), gives f in proportion to sqrt(D)."""
    run = simulate("devices.count=12", "run.slots=100")
    station, sent = run.trace["serving_station"], run.trace["offloaded_bits"]
    edge_hz, together = run.trace["edge_cpu_hz"], 0
    for r, k in np.ndindex(*station.shape[:2]):
        for j, capacity in enumerate(run.network.station_cpu_hz):
            mine = (station[r, k] == j) & (sent[r, k] > 0.0)
            root = np.sqrt(sent[r, k, mine])
            np.testing.assert_allclose(edge_hz[r, k, mine], capacity * root / root.sum(), rtol=1e-6)
            together += mine.sum() > 1
    assert together > 20


# Paper C


def test_c2_is_what_combining_makes_of_c1() -> None:
    """C(1), symbol by symbol, combined by h_m / ||h_m||: its SINR gives the rate of C(2)."""
    rng = np.random.default_rng(4)
    network = table1.network(3)
    channels = (
        complex_normal(rng, 3, 4) * np.sqrt(network.noise_w) * np.array([[3.0], [2.0], [4.0]])
    )
    power_w = np.array([0.2, 0.05, 0.1])
    symbols, noise = complex_normal(rng, 3, 200_000), complex_normal(rng, 4, 200_000)
    sent = np.sqrt(power_w)[:, None] * symbols
    received = channels.T @ sent + np.sqrt(network.noise_w) * noise  # C(1)
    expected = []
    for m in range(3):
        combined = channels[m].conj() @ received / np.linalg.norm(channels[m])
        wanted = np.linalg.norm(channels[m]) * sent[m]
        sinr = np.mean(np.abs(wanted) ** 2) / np.mean(np.abs(combined - wanted) ** 2)
        expected.append(10e6 * np.log2(1.0 + sinr))
    rates = rates_bps(network, mrc_channel(channels), power_w)
    np.testing.assert_allclose(rates, expected, rtol=0.01)


def test_offloading_is_binary() -> None:
    """C(10f): half a task cannot be offloaded."""
    path = next(one.path for one in shipped() if one.name == "carbon_6ue")

    def decide(observation: Any) -> TaskDecision:
        ones = np.ones((1, 6))
        return TaskDecision(0.1 * ones, 0.5 * ones, 1e9 * ones, 1e9 * ones)  # type: ignore[arg-type]

    with pytest.raises(RunError, match="offload: float64, expected bool"):
        simulate("run.slots=1", toml=path.read_text(encoding="utf-8"), decide=decide)


WITHIN = {
    "delay_s": [1.0] * 6,
    "energy_j": [0.5] * 6,
    "rate_bps": [2e6] * 6,
    "offload": [True, True, False, False, False, False],
    "edge_cpu_hz": [5e9, 5e9, 9e9, 9e9, 9e9, 9e9],  # nobody has what it does not use
    "deadline_s": [2.0] * 6,
}
WEIGHTS = ("delay_weight", "energy_weight", "capacity_weight", "rate_weight")


@pytest.mark.parametrize(
    ("changes", "weight", "cost"),
    [
        ({}, None, 0.0),
        ({"delay_s": [2.5, 3.0, 1.0, 2.0, 0.1, 1.0]}, "delay_weight", 0.25 + 0.5),
        ({"delay_s": [np.inf] * 6}, "delay_weight", 6.0),
        ({"energy_j": [1.3, 1.0, 0.0, 1.1, 0.0, 0.0]}, "energy_weight", 0.3 + 0.1),
        ({"edge_cpu_hz": [16e9, 8e9, 0.0, 0.0, 0.0, 0.0]}, "capacity_weight", 2 * 0.2),
        ({"rate_bps": [0.8e6, 2e6, 0.5e6, 1e6, 2e6, 2e6]}, "rate_weight", 0.25 + 1.0),
        ({"rate_bps": [0.0] * 6}, "rate_weight", 6.0),
    ],
)
def test_each_penalty_of_c22_has_its_limit_and_weight(
    changes: dict[str, Any], weight: str | None, cost: float
) -> None:
    """Delay C(10b), energy C(10c), capacity C(10e), rate C(10d): relative, summed, at most 1 each."""
    columns = {name: np.array([values]) for name, values in (WITHIN | changes).items()}
    columns["worst_emission_mg"] = np.array([0.02])
    columns["carbon_g_per_kwh"] = np.array([[182.0]])
    of_budget = 0.02 / (182.0 / 3.6e3)  # the emission of E_max = 1 J, in mg
    for name in WEIGHTS:
        env = TaskVectorEnvironment(1, emission_weight=2.0, **{name: 3.0})  # type: ignore[arg-type]
        expected = -(2.0 * of_budget + (3.0 if name == weight else 1.0) * cost)
        assert env.reward(columns)[0] == pytest.approx(expected)


def test_the_rate_penalty_of_c22_follows_the_rate_floor() -> None:
    scenario = load_scenario("carbon_6ue", ['limits.rate_floor="offloading"'])
    columns = {name: np.array([values]) for name, values in WITHIN.items()}
    columns["rate_bps"] = np.array([[0.8e6, 2e6, 0.5e6, 0.0, 0.0, 0.0]])
    columns["worst_emission_mg"] = np.array([0.0])
    columns["carbon_g_per_kwh"] = np.array([[182.0]])
    assert TaskVectorEnvironment(1, scenario).reward(columns)[0] == pytest.approx(-0.25)
