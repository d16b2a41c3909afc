"""The Lyapunov policy against brute force, closed forms, and its own ablations."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from conftest import Capture, a_network, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgesim.experiments.run import prepare
from edgesim.policies.base import Policy
from edgesim.policies.epr import EqualRatesEqualPower
from edgesim.policies.local import Local
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.policies.stream.p2.allocation import _newton_step, _share, allocate
from edgesim.policies.stream.p2.fixed_power import _full_power_gain
from edgesim.policies.stream.p2.intercell import (
    _set_prices,
    interplay,
    optimise_radio,
    power_trim,
    true_gain,
)
from edgesim.policies.stream.p2.slot import (
    DEVICE,
    collect,
    fix_cpus,
    make_cells,
    observe,
    optimise_cpus,
)
from edgesim.policies.stream.p2.solver import Solver
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.arrays import read_only
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.network.network import NoiseModel
from edgesim.simulator.stream.decision import Decision, check, fit
from edgesim.simulator.stream.observation import Observation
from edgesim.simulator.stream.outcome import carry_out
from edgesim.simulator.stream.problem import DriftPlusPenalty

Array = NDArray[np.float64]
NOISE_MODELS: tuple[NoiseModel, ...] = ("total", "density")


class State:
    """One slot's P2: a network, its problem, and what the twin shows."""

    def __init__(
        self,
        station: Any,
        gain: Any,
        queue: Any,
        station_queue: Any,
        eta: float = 1e-8,
        beta: float = 0.0,
        V: float = 1e13,
        noise_model: NoiseModel = "total",
        power_max: Any = 0.1,
    ) -> None:
        gain = np.asarray(gain, dtype=float)
        if gain.ndim == 2:
            station, gain, queue, station_queue = (
                np.asarray(column)[None] for column in (station, gain, queue, station_queue)
            )
        replications, devices, stations = gain.shape
        self.network = a_network(stations, devices, replications, noise_model=noise_model)
        self.problem = DriftPlusPenalty(self.network, V)

        def column(value: Any, width: int) -> Array:
            full = np.broadcast_to(np.asarray(value, dtype=float), (replications, width))
            return read_only(full.copy())

        zeros = column(0.0, devices)
        self.observation = Observation(
            station_up=np.ones((replications, stations), dtype=np.bool_),
            slot=0,
            time_s=0.0,
            cells=Cells(np.asarray(station, dtype=np.int64), stations),
            channel_gain=read_only(gain),
            queue_bits=column(queue, devices),
            station_queue_bits=column(station_queue, stations),
            power_max_w=column(power_max, devices),
            position_m=np.zeros((replications, devices, 2)),
            battery_j=column(np.inf, devices),
            arrived_bits=zeros,
            departed_bits=zeros,
            energy_per_bit_j=read_only(np.full(replications, eta)),
            perturbation_bits=column(beta, devices),
            carbon_g_per_j=column(0.0, stations),
            age_s=zeros,
            station_age_s=column(0.0, stations),
        )

    def decide(self, *optimise: Any) -> Decision:
        policy = Lyapunov(optimise) if optimise else Lyapunov()
        policy.reset(self.network, self.problem, [])
        return policy.decide(self.observation)

    def gain(self, decision: Decision) -> float:
        """Over the idle decision, without the stations' service, which all have in common."""
        service = (self.observation.station_queue_bits * decision.served_bits).sum()
        return float(-self.problem.value(self.observation, decision).sum() - service)


def random_state(rng: np.random.Generator, layout: str, noise_model: NoiseModel) -> State:
    """3 to 5 devices and two stations that matter: "mbs+sbs", or "sbs+sbs" with an empty MBS."""
    devices = int(rng.integers(3, 6))
    stations = 2 if layout == "mbs+sbs" else 3
    station = rng.integers(0, 2, devices) + (layout == "sbs+sbs")
    distance = rng.uniform(50, 350, (devices, stations))
    own = rng.uniform(5, np.where(station > 0, 150, 350))
    distance[np.arange(devices), station] = own
    V = 10 ** rng.uniform(12, 14)
    eta = rng.uniform(5e-9, 3e-8)
    queue = rng.uniform(0, 5e6, devices) * rng.choice([0.3, 1.0, 1.0])
    psi_max = rng.choice([rng.uniform(0, 1e6), 0.5e6])
    beta = rng.choice([0.0, 1.0, 1.0]) * (V * eta * rng.uniform(0.9, 1.1) + psi_max)
    return State(
        station,
        rng.exponential(size=(devices, stations)) * distance**-4.0,
        queue,
        rng.uniform(0, 3e6, stations) * rng.choice([0.0, 0.1, 1.0, 1.0]),
        eta,
        beta,
        V,
        noise_model,
    )


def network_of_20(seed: int, noise_model: NoiseModel, count: int = 20) -> State:
    """Paper A's network: the MBS in the middle, three SBSs around it, each covering 150 m."""
    rng = np.random.default_rng([count, seed])
    angle = np.arange(3) * 2 * np.pi / 3
    stations = np.vstack([[0, 0], 150 * np.column_stack([np.cos(angle), np.sin(angle)])])
    devices = rng.uniform(-250, 250, (count, 2))
    distance = np.maximum(np.linalg.norm(devices[:, None] - stations, axis=2), 5.0)
    nearest = 1 + distance[:, 1:].argmin(axis=1)
    covered = distance[np.arange(count), nearest] < 150
    V = 10 ** rng.uniform(12, 14)
    most = rng.choice([1e6, 2e6, 5e6])
    return State(
        np.where(covered, nearest, 0),
        rng.exponential(size=(count, 4)) * distance**-4.0,
        rng.uniform(0, most, count),
        rng.uniform(0, 2e6, 4),
        1e-8,
        V * 1e-8 + 0.4 * most,
        V,
        noise_model,
    )


# P2 once more, from the paper, for K candidates at once: given bandwidths and powers, the rest is
# best as in A(8) to A(11): a radio is off when its queue is empty, CPUs have closed forms.


def value_per_bit(state: State) -> Array:
    seen = state.observation
    value = state.problem.V * seen.energy_per_bit_j[0] + seen.queue_bits - seen.perturbation_bits
    return np.asarray(value[0])


def gains(state: State, bandwidth: Array, power: Array) -> Array:
    """(K,) gains of (K, N) bandwidths and powers."""
    network, seen, V = state.network, state.observation, state.problem.V
    station, gain, queue = seen.station[0], seen.channel_gain[0], seen.queue_bits[0]
    tau, c = network.slot_s, network.cycles_per_bit
    devices = np.arange(len(station))
    interference = np.zeros((len(power), network.stations))
    for b in range(1, network.stations):
        for i in devices:
            if station[i] not in (0, b):
                interference[:, b] += power[:, i] * gain[i, b]
    noise = network.noise_w[station] + np.zeros_like(bandwidth)
    if network.noise_model == "density":
        noise = noise * bandwidth / network.station_bandwidth_hz[station]
    disturbance = np.maximum(noise + interference[:, station], 1e-300)
    rate = bandwidth * np.log2(1 + power * gain[devices, station] / disturbance)
    offloaded = np.minimum(tau * rate, queue)
    time = np.divide(offloaded, rate, out=np.zeros_like(rate), where=rate > 0)
    value = value_per_bit(state)
    marginal = 3 * V * network.varsigma * c**3 / tau**2
    local = np.minimum(network.device_cpu_hz * tau / c, np.sqrt(np.maximum(value, 0) / marginal))
    local = np.minimum(local, queue - offloaded)
    total = value * (local + offloaded) - seen.station_queue_bits[0][station] * offloaded
    total -= marginal * local**3 / 3 + V * power * time
    result: Array = total.sum(axis=1)
    for b in range(network.stations):
        roots = np.sqrt(offloaded[:, station == b]).sum(axis=1)
        result -= V * network.epsilon_w * c / network.station_cpu_hz[b] * roots**2
    return result


def brute_force(state: State, rng: np.random.Generator, starts: int = 3) -> float:
    """The best gain of many local searches over (w, p), from every set of senders."""
    from scipy.optimize import minimize

    network, station = state.network, state.observation.station[0]
    devices = len(station)
    none = np.zeros((1, devices))
    best = float(gains(state, none, none)[0])
    scale = abs(best)
    found: list[tuple[float, Array, Any]] = []
    for flags in product([False, True], repeat=devices):
        on = np.array(flags)
        count = int(on.sum())
        if count == 0 or (value_per_bit(state)[on] <= 0).any():
            continue

        def decode(x: Array, on: NDArray[np.bool_] = on, count: int = count) -> tuple[Array, Array]:
            """Log powers and logits of bandwidth shares, to powers and bandwidths."""
            power = np.zeros((len(x), devices))
            power[:, on] = state.observation.power_max_w[0][on] * np.exp(x[:, :count])
            weight = np.zeros((len(x), devices))
            weight[:, on] = np.exp(np.clip(x[:, count:], -60, 60))
            for b in range(network.stations):
                cell = (station == b) & on
                if cell.any():
                    weight[:, cell] *= network.station_bandwidth_hz[b] / weight[:, cell].sum(
                        axis=1, keepdims=True
                    )
            return weight, power

        sample = np.hstack([rng.uniform(-14, 0, (200, count)), rng.normal(0, 1, (200, count))])
        sample[:50, :count] = 0
        sample[50:100, :count] *= 0.3
        value = gains(state, *decode(sample))
        order = value.argsort()[::-1]
        step = np.vstack([np.zeros(2 * count), np.eye(2 * count), -np.eye(2 * count)]) * 1e-6
        for k in (order[0], *order[rng.integers(1, 50, starts - 1)]):
            unit = max(abs(value[order[0]]), 1e-3 * scale, 1.0)

            def descend(
                x: Array, decode: Any = decode, step: Array = step, unit: float = unit
            ) -> Any:
                around = gains(state, *decode(x + step)) / unit
                half = len(step) // 2
                return -around[0], (around[half + 1 :] - around[1 : half + 1]) / 2e-6

            result = minimize(
                descend,
                sample[k],
                jac=True,
                method="L-BFGS-B",
                bounds=[(-25, 0)] * count + [(-30, 30)] * count,
                options={"maxiter": 60},
            )
            found.append((-result.fun * unit, result.x, decode))
    found.sort(key=lambda entry: -entry[0])
    for value_found, x, decode in found[:4]:
        count = len(x) // 2

        def polish(x: Array, decode: Any = decode, count: int = count) -> float:
            inside = np.concatenate([np.minimum(x[:count], 0), x[count:]])
            return -float(gains(state, *decode(inside[None]))[0]) / max(scale, 1.0)

        result = minimize(polish, x, method="Nelder-Mead", options={"maxfev": 400})
        best = max(best, value_found, -result.fun * max(scale, 1.0))
    return best


def share_of_brute_force(seeds: range, layout: str, noise_model: NoiseModel) -> Array:
    shares = []
    for seed in seeds:
        rng = np.random.default_rng([seed, len(layout), len(noise_model)])
        state = random_state(rng, layout, noise_model)
        best = brute_force(state, rng)
        reached = state.gain(state.decide())
        shares.append(reached / best if best > 0 else 1.0)
    return np.array(shares)


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
@pytest.mark.parametrize("layout", ["mbs+sbs", "sbs+sbs"])
def test_close_to_brute_force(layout: str, noise_model: NoiseModel) -> None:
    shares = share_of_brute_force(range(2), layout, noise_model)
    assert np.median(shares) >= 0.99
    assert shares.min() >= 0.95


def gains_beside_ablations(count: int, noise_model: NoiseModel) -> tuple[Array, Array]:
    """(60,) gains of `lyapunov` in as many networks, and (60, 4) of its ablations, `local` and nothing."""
    reached, others = [], []
    for seed in range(60):
        state = network_of_20(seed, noise_model, count)
        local = Local()
        local.reset(state.network, state.problem, [])
        reached.append(state.gain(state.decide()))
        radio, compute = state.gain(state.decide("radio")), state.gain(state.decide("compute"))
        others.append((radio, compute, state.gain(local.decide(state.observation)), 0.0))
    return np.array(reached), np.array(others)


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_no_ablation_is_better_in_small_networks(noise_model: NoiseModel) -> None:
    """By more than what a refined decision has to bring, 5e-4."""
    reached, others = gains_beside_ablations(12, noise_model)
    most = others.max(axis=1)
    assert np.all(reached >= most * (1.0 - 5e-4))
    assert np.count_nonzero(reached > 1.001 * most) > 25


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_ablations_are_seldom_better(noise_model: NoiseModel) -> None:
    """Of more devices, the radio alone can be: its cells meet others' decisions on their way."""
    reached, others = gains_beside_ablations(20, noise_model)
    assert np.all(reached >= others[:, 1:].max(axis=1) - 1e-9 * np.abs(reached))
    lacks = 1.0 - reached / others.max(axis=1)
    assert np.mean(lacks > 1e-9) < 0.06
    assert lacks.max() < 0.1
    assert np.mean(lacks) < -0.02


def gains_in_a_run(name: str, slots: Iterable[int], *overrides: str) -> tuple[Array, Array, Array]:
    """(slots, R) of `lyapunov`, radio alone and compute alone over `local`, in the states of its own run."""
    scenario = load_scenario(name, overrides)
    run = prepare(scenario)
    streams = Streams(scenario.run.seed, scenario.run.replications)
    problem = run.blueprint.problem
    assert isinstance(problem, DriftPlusPenalty)
    joint = Lyapunov()
    policies: list[Policy] = [Local(), joint, Lyapunov(["radio"]), Lyapunov(["compute"])]
    for policy in policies:
        policy.reset(problem.network, problem, streams.generators("policy"))
    gained = []

    def decide(observation: Observation) -> Decision:
        decision = joint.decide(observation)
        if observation.slot not in slots:
            return decision
        decisions = [policy.decide(observation) for policy in policies]
        local, *values = (problem.value(observation, one) for one in decisions)
        gained.append([local - value for value in values])
        return decision

    run.blueprint.simulation(decide, Capture(), streams).run()
    by_joint, by_radio, by_compute = np.swapaxes(gained, 0, 1)
    return by_joint, by_radio, by_compute


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_ablations_are_seldom_better_in_the_states_of_a_run(noise_model: NoiseModel) -> None:
    """Long queues and cells that disturb each other strongly, as they come with time."""
    keys = (f"channel.noise_model={noise_model}", "run.replications=16", "run.slots=300")
    joint, radio, compute = gains_in_a_run("iiot_20dev", range(100, 300, 10), *keys)
    assert joint.shape == (20, 16)
    assert np.all(joint >= compute - 1e-9 * np.abs(joint))
    lacks = (radio - joint) / joint
    assert np.mean(lacks > 1e-9) < 0.05
    assert lacks.max() < 0.1
    assert joint.sum() > 1.5 * radio.sum()
    assert joint.sum() > 1.2 * compute.sum()


def test_full_power_is_seldom_better_where_cells_are_far_apart() -> None:
    """There it is nearly the best at times, and each cell's search alone has missed it by 30 %."""
    keys = ("run.replications=4", "run.slots=120")
    joint, _, compute = gains_in_a_run("polska_backhaul", range(120), *keys)
    lacks = (compute - joint) / compute.clip(1.0)
    assert np.mean(lacks > 1e-9) < 0.03
    assert lacks.max() < 0.05


@pytest.mark.parametrize(("devices", "exchange"), [(6, True), (7, False), (12, False), (13, None)])
def test_small_networks_alone_are_refined(devices: int, exchange: bool | None) -> None:
    """Exchanges of senders are tried in the smallest; for what is None, nothing is even compiled."""
    problem = prepare(load_scenario("iiot_20dev", [f"devices.count={devices}"])).blueprint.problem
    assert isinstance(problem, DriftPlusPenalty)
    assert Solver(problem)._constants[-1] is exchange


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_few_starts_are_nearly_as_good_as_many(noise_model: NoiseModel) -> None:
    """Of 20 devices in three SBS cells: three starts, some given up, against 44 that all go on to their end."""
    gained = []
    for seed in range(60):
        state = network_of_20(seed, noise_model)
        observed = observe(state.problem, state.observation)
        slot = collect(make_cells(state.problem), observed, 0, np.zeros(20, DEVICE))
        optimise_cpus(slot)
        play = interplay(4, 20)
        both = []
        for small in (False, True):
            optimise_radio(slot, play, small)
            both.append(power_trim(slot))
        gained.append(both)
    few, many = np.transpose(gained)
    some = many > 0.0
    assert np.all(few[some] > 0.95 * many[some])
    assert few.sum() > 0.994 * many.sum()


@pytest.mark.parametrize("optimise", [(), ("radio",), ("compute",)])
@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_decisions_fit_and_are_what_happens(
    noise_model: NoiseModel, optimise: tuple[str, ...]
) -> None:
    senders = 0
    for seed in range(30):
        state = network_of_20(seed, noise_model)
        network, seen = state.network, state.observation
        decision = check(state.decide(*optimise), network)
        _, scaled = fit(decision, network, seen.cells, seen.power_max_w, seen.station_queue_bits)
        assert scaled.sum() == 0
        outcome = carry_out(network, seen.cells, seen.channel_gain, seen.queue_bits, decision)
        if optimise != ("compute",):
            # A radio is busy throughout, and neither it nor the CPU could have done more.
            np.testing.assert_allclose(
                outcome.offloaded_bits, outcome.rate_bps * network.slot_s, rtol=1e-9, atol=1e-3
            )
            np.testing.assert_allclose(outcome.local_cpu_hz, decision.local_cpu_hz, rtol=1e-9)
        senders += int((outcome.offloaded_bits > 0).sum())
        if not optimise:
            # The independent P2 agrees with the program's on what was decided.
            again = gains(state, decision.bandwidth_hz, decision.power_w)[0]
            assert state.gain(decision) == pytest.approx(again, rel=1e-9)
    assert senders > 30


def test_a_band_is_given_away_once() -> None:
    """Two who cannot both send in full, found among thousands: 3.9 % more than the band was given."""
    gain = np.array([[1.42e-10], [3.48e-11], [2.05e-7], [5.02e-12]])
    queue = [3.29e6, 3.53e6, 6.06e6, 6.67e6]
    state = State([0] * 4, gain, queue, [0.0], 8.7e-7, 8.7e5, 1e12, "density", 0.2)
    state.network = a_network(
        stations=1,
        noise_model="density",
        station_bandwidth_hz=np.array([20e6]),
        noise_w=np.array([20e6 * 10**-19.9]),
        station_cpu_hz=np.array([16.8e9]),
        device_cpu_hz=np.full(4, 1.5e9),
        cycles_per_bit=237.5,
        epsilon_w=45.0,
    )
    state.problem = DriftPlusPenalty(state.network, 1e12)
    decision = state.decide()
    assert decision.bandwidth_hz.sum() <= 20e6 * (1.0 + 1e-9)
    best = brute_force(state, np.random.default_rng(0))
    assert state.gain(decision) == pytest.approx(best, rel=1e-4)


def test_values_and_costs_of_bits_by_hand() -> None:
    queue, station_queue = [[3e5, 1e6], [0.0, 2e5]], np.zeros((2, 2))
    state = State([[1, 1], [1, 0]], np.ones((2, 2, 2)), queue, station_queue, 1e-8, 1.2e5, V=1e13)
    # V eta = 1e13 bit^2/J x 10 nJ/bit = 1e5 bit.
    value = state.problem.bit_value(state.observation)
    np.testing.assert_allclose(value, [[2.8e5, 9.8e5], [-2e4, 1.8e5]], rtol=1e-12)
    # 3 x 1e13 x 1e-27 x 100^3 / 0.1^2, and sqrt(v / (3 x 1e13 x 1e-27 x 100)).
    assert state.problem.local_cost == pytest.approx(3e-6, rel=1e-12)
    best_hz = state.problem.best_local_hz(value)[0]
    np.testing.assert_allclose(best_hz, [305505046.33, 571547606.65], rtol=1e-9)
    assert state.problem.best_local_hz(value)[1, 0] == 0.0
    free = replace(state.problem, network=replace(state.network, varsigma=0.0))
    assert (free.best_local_hz(value) == np.inf).all()


@pytest.mark.parametrize("compute", [True, False])
@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_the_gain_of_a_decision_by_p2_itself(noise_model: NoiseModel, compute: bool) -> None:
    """Two devices at each of the MBS and two SBSs, which send what little they can."""
    rng = np.random.default_rng(3)
    station = np.array([0, 0, 1, 1, 2, 2])
    gain = rng.exponential(size=(6, 3)) * 150.0**-4.0
    state = State(
        station, gain, rng.uniform(4e6, 8e6, 6), [1e4, 2e4, 3e4], V=1e12, noise_model=noise_model
    )
    network, observation = state.network, state.observation
    slot = collect(
        make_cells(state.problem), observe(state.problem, observation), 0, np.zeros(6, DEVICE)
    )
    (optimise_cpus if compute else fix_cpus)(slot)
    index = slot.devices["index"]
    assert sorted(index) == list(range(6))
    power, band = rng.uniform(1e-4, 1e-1, 6), rng.uniform(0.2e6, 0.8e6, 6)
    slot.devices["power"], slot.devices["bandwidth"] = power[index], band[index]
    found = true_gain(slot)

    bits = np.zeros(6)
    bits[index] = slot.devices["bits"]
    most = slot.devices["local_max"]
    local_hz = np.zeros(6)
    local_hz[index] = np.minimum(most, slot.devices["queue"] - slot.devices["bits"]) * 100 / 0.1
    share = np.sqrt(bits) if compute else np.ones(6)
    edge_hz = network.station_cpu_hz[station] * share / np.bincount(station, share)[station]
    served = np.zeros((1, 3))
    sending = Decision(band[None], power[None], local_hz[None], edge_hz[None], served)
    alone_hz = np.zeros(6)
    alone_hz[index] = np.minimum(most, slot.devices["queue"]) * 100 / 0.1
    silent = replace(sending, power_w=np.zeros((1, 6)), local_cpu_hz=alone_hz[None])
    assert (bits > 100.0).all()
    assert found == pytest.approx(state.gain(sending) - state.gain(silent), rel=1e-9)

    # The search at full power hears the same noise and interference.
    slot.devices["power"] = slot.devices["power_max"]
    true_gain(slot)
    capacity = slot.devices["capacity"].copy()
    slot.devices["capacity"] = 0.0
    _full_power_gain(slot)
    assert slot.devices["capacity"] == pytest.approx(capacity, rel=1e-12)


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_the_gain_of_an_allocation_is_that_of_its_decision(noise_model: NoiseModel) -> None:
    """At one station, whose band one to three of its devices share; a queue that a CPU alone cannot empty."""
    rng = np.random.default_rng(4)
    for count in (1, 2, 3, 3):
        gain, queue = rng.exponential(size=(3, 1)) * 150.0**-4.0, rng.uniform(2e5, 2e6, 3)
        state = State([0, 0, 0], gain, queue, [1e4], V=1e12, noise_model=noise_model)
        cells = make_cells(state.problem)
        slot = collect(cells, observe(state.problem, state.observation), 0, np.zeros(3, DEVICE))
        optimise_cpus(slot)
        cells["disturbance"] = cells["noise"]
        slot.devices["power_price"] = cells["power_cost"]
        snr = 0.1 * slot.devices["gain"] / cells["noise"].clip(1e-300)
        slot.devices["efficiency_max"] = np.log1p(snr)
        found = allocate(cells[0], slot.devices, np.arange(count))
        slot.devices["power"][count:] = 0.0
        assert found > 0.0
        assert found == pytest.approx(true_gain(slot), rel=1e-6)


@pytest.mark.parametrize("compute", [True, False])
def test_bits_follow_the_price_of_a_band_unless_cpus_run_at_full_speed(compute: bool) -> None:
    """Three devices share a band: of each, a l^2 is what a further bit costs at the station."""
    rng = np.random.default_rng(4)
    gain, queue = rng.exponential(size=(3, 1)) * 150.0**-4.0, rng.uniform(1e6, 2e6, 3)
    state = State([0, 0, 0], gain, queue, [1e4], V=1e13)
    cells = make_cells(state.problem)
    slot = collect(cells, observe(state.problem, state.observation), 0, np.zeros(3, DEVICE))
    (optimise_cpus if compute else fix_cpus)(slot)
    cell, devices = cells[0], slot.devices
    cells["disturbance"] = cells["noise"]
    devices["power_price"], devices["efficiency_max"] = cell["power_cost"], 20.0
    price = _share(cell, devices, np.arange(3), -1, cell["bandwidth"])
    before, roots = devices["bits"].copy(), np.sqrt(devices["bits"]).sum()
    _newton_step(cell, devices, np.arange(3), -1, np.log(price), roots)
    cost = price * devices["hz_per_bit"] + cell["edge_per_bit"]
    cost += cell["edge"] * roots / np.sqrt(before)
    local = np.sqrt((cell["queue"] + cost) / devices["local_cost"])
    local = np.clip(local, devices["local_min"], devices["local_max"])
    assert not compute or (local < devices["local_max"]).any()
    assert devices["bits"] == pytest.approx(devices["queue"] - local, rel=1e-12)


def test_local_cpu_has_its_closed_form() -> None:
    # Nothing can be sent; the three devices: cubic root within limits, full speed, no use.
    V, eta = 1e14, 1e-8
    queue = np.array([1.2e6, 9e6, 0.1e6])
    beta = 1.5e6
    state = State([1, 1, 1], np.zeros((3, 2)), queue, [0, 0], eta, beta, V)
    value = V * eta + queue - beta
    expected = np.minimum(np.sqrt(np.maximum(value, 0) / (3 * V * 1e-27 * 100)), 0.5e9)
    decision = state.decide()
    np.testing.assert_allclose(decision.local_cpu_hz[0], expected, rtol=1e-12)
    assert 0 < expected[0] < 0.5e9 == expected[1]
    assert expected[2] == 0
    assert not decision.power_w.any()


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_one_device_is_as_good_as_a_fine_grid(noise_model: NoiseModel) -> None:
    rng = np.random.default_rng(5)
    power = np.geomspace(1e-12, 0.1, 200_001)[:, None]
    for _ in range(20):
        state = State(
            [1],
            rng.exponential(size=(1, 2)) * rng.uniform(5, 150) ** -4.0,
            rng.uniform(0, 8e6, 1),
            [0, rng.uniform(0, 2e6)],
            1e-8,
            rng.uniform(0, 1e6),
            10 ** rng.uniform(12, 14.5),
            noise_model,
        )
        best = max(
            gains(state, np.full_like(power, 5e6), power).max(),
            gains(state, *[np.zeros((1, 1))] * 2)[0],
        )
        assert state.gain(state.decide()) >= best - 1e-6 * abs(best)


def test_compute_alone_of_one_device_is_as_good_as_a_grid_of_speeds() -> None:
    """Full power in the whole band could send more than is there, so the CPU's share is to be chosen."""
    rng = np.random.default_rng(6)
    between = 0
    for _ in range(6):
        distance, queue = rng.uniform(5.0, 30.0), rng.uniform(2e5, 1.5e6)
        state = State(
            [1], [[0.0, distance**-4.0]], [queue], [0.0, 1e4], V=10 ** rng.uniform(12, 14)
        )
        decision = state.decide("compute")
        assert decision.power_w[0, 0] == 0.1
        grid = [
            state.gain(replace(decision, local_cpu_hz=np.array([[speed]])))
            for speed in np.linspace(0.0, 0.5e9, 101)
        ]
        assert state.gain(decision) >= max(grid) - 1e-6 * abs(max(grid))
        between += 0.0 < decision.local_cpu_hz[0, 0] < 0.5e9
    assert between > 1


def test_a_watt_costs_what_others_lose_by_it() -> None:
    """V tau = 1e13 x 0.1, and at each other SBS what a watt of interference costs there times the gain."""
    gain = np.array([[1e-9, 2e-9, 3e-9], [4e-9, 5e-9, 6e-9], [7e-9, 8e-9, 9e-9]])
    state = State([0, 1, 2], gain, [4e6] * 3, [0.0] * 3)
    problem = state.problem
    slot = collect(make_cells(problem), observe(problem, state.observation), 0, np.zeros(3, DEVICE))
    slot.cells["interference_price"] = [1e20, 2e20, 3e20]
    leak_w = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1e-12], [0.0, 2e-12, 0.0]])
    for j, price in ((1, 1e12 + 3e20 * 6e-9), (2, 1e12 + 2e20 * 8e-9)):
        _set_prices(slot, leak_w, j, -1)
        assert slot.devices["power_price"][slot.devices["index"] == j] == pytest.approx(price)
        # Noise, and what the other one leaks here.
        heard = 1e-14 + leak_w[3 - j, j]
        assert slot.cells["disturbance"][j] == pytest.approx(heard)


def test_equal_power_sends_where_p2_is_lower_with_it() -> None:
    """At one station nobody's silence changes what another one's bits are worth."""
    rng = np.random.default_rng(5)
    shape, gain = (400, 3), 10.0 ** rng.uniform(-13.0, -9.0, (400, 3, 1))
    state = State(np.zeros(shape, int), gain, rng.uniform(1e5, 2e6, shape), 1e5, V=1e14)
    policy = EqualRatesEqualPower()
    policy.reset(state.network, state.problem, [])
    sends = policy.decide(state.observation).power_w > 0.0
    assert sends.any() and not sends.all()
    for i in range(3):
        alone = policy._decision(state.observation, np.arange(3) == i)
        nobody = replace(alone, power_w=np.zeros(shape))
        better = [state.problem.value(state.observation, one) for one in (alone, nobody)]
        np.testing.assert_array_equal(sends[:, i], better[0] < better[1])


def test_equal_devices_share_equally() -> None:
    gain = np.full((4, 2), 1e-9)
    decision = State([1] * 4, gain, [2e6] * 4, [0, 0], V=1e12).decide()
    np.testing.assert_allclose(decision.bandwidth_hz, 1.25e6, rtol=1e-6)
    np.testing.assert_allclose(decision.edge_cpu_hz, 2.5e9, rtol=1e-6)
    assert np.ptp(decision.power_w) < 1e-6 * decision.power_w.max()


def test_radio_alone_leaves_the_cpus_alone() -> None:
    state = network_of_20(3, "total")
    decision = state.decide("radio")
    seen = state.observation
    needed = seen.queue_bits * 100 / 0.1
    np.testing.assert_allclose(decision.local_cpu_hz, np.minimum(0.5e9, needed))
    shares = seen.cells.at_station(state.network.station_cpu_hz / np.maximum(seen.cells.members, 1))
    np.testing.assert_allclose(decision.edge_cpu_hz, shares)
    assert (decision.power_w > 0).any()


@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_compute_alone_chooses_senders_nearly_as_well_as_enumeration(
    noise_model: NoiseModel,
) -> None:
    shares = []
    for seed in range(30):
        state = random_state(np.random.default_rng([seed, 4]), "sbs+sbs", noise_model)
        seen, network = state.observation, state.network
        band = seen.cells.at_station(
            network.station_bandwidth_hz / np.maximum(seen.cells.members, 1)
        )
        decision = state.decide("compute")
        np.testing.assert_allclose(decision.bandwidth_hz, band)
        assert set(np.unique(decision.power_w)) <= {0.0, 0.1}
        on = np.array(list(product([0.0, 0.1], repeat=network.devices)))
        # `gains` empties queues by radio first; the policy may split them better.
        best = gains(state, np.broadcast_to(band, on.shape), on).max()
        shares.append(state.gain(decision) / best if best > 0 else 1.0)
    assert np.median(shares) >= 0.999
    assert np.quantile(shares, 0.1) >= 0.9


@pytest.mark.parametrize("optimise", [(), ("radio",), ("compute",)])
@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_a_replication_decides_as_it_would_alone(
    noise_model: NoiseModel, optimise: tuple[str, ...]
) -> None:
    alone = [network_of_20(seed, noise_model) for seed in range(40)]
    columns = ("station", "channel_gain", "queue_bits", "station_queue_bits")
    stacked: Any = [
        np.concatenate([getattr(s.observation, name) for s in alone]) for name in columns
    ]
    settings: Any = {"beta": 2e6, "noise_model": noise_model}
    together = State(*stacked, **settings).decide(*optimise)
    for r in range(len(alone)):
        one: Any = [column[r : r + 1] for column in stacked]
        single = State(*one, **settings).decide(*optimise)
        for name in ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits"):
            assert (getattr(together, name)[r] == getattr(single, name)[0]).all(), name


scales = st.sampled_from([0.0, 1e-12, 1.0, 1e3, 1e12])


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    devices=st.integers(1, 16),
    noise_model=st.sampled_from(NOISE_MODELS),
    optimise=st.sampled_from([(), ("radio",), ("compute",)]),
    scale=st.tuples(scales, scales, scales, scales),
    V=st.sampled_from([1e-3, 1e8, 1e13, 1e20]),
)
def test_extremes_do_no_harm(
    seed: int,
    devices: int,
    noise_model: NoiseModel,
    optimise: tuple[str, ...],
    scale: tuple[float, float, float, float],
    V: float,
) -> None:
    """Empty or endless queues, dead or perfect channels, hardly any power, hardly any V."""
    rng = np.random.default_rng(seed)

    def mixed(size: Any, factor: float) -> Array:
        return np.asarray(rng.exponential(size=size) * np.where(rng.random(size) < 0.5, 1, factor))

    state = State(
        rng.integers(0, 4, devices),
        mixed((devices, 4), scale[0]) * 1e-9,
        mixed(devices, scale[1]) * 1e6,
        mixed(4, scale[2]) * 1e6,
        1e-8,
        rng.uniform(0, 1e6),
        V,
        noise_model,
        np.minimum(mixed(devices, scale[3]), 1.0) * 0.1,
    )
    decision = check(state.decide(*optimise), state.network)
    seen = state.observation
    _, scaled = fit(decision, state.network, seen.cells, seen.power_max_w, seen.station_queue_bits)
    assert scaled.sum() == 0
    if optimise != ("radio",):  # whose CPUs run at full speed whatever it costs
        assert state.gain(decision) >= -1e-9 * abs(state.gain(decision))


def test_as_v_grows_energy_falls_and_queues_grow() -> None:
    energy_per_bit, queue = [], []
    for V in (1e12, 1e13, 1e14):
        run = simulate(f"policy.V={V}", "policy.name=lyapunov", "devices.count=20", "run.slots=600")
        trace = run.trace
        energy = (trace["local_energy_j"] + trace["offload_energy_j"])[:, 300:].sum()
        bits = (trace["local_bits"] + trace["offloaded_bits"])[:, 300:].sum()
        energy_per_bit.append(energy / bits)
        level = trace["queue_bits"].mean(axis=2)[0]
        queue.append(level[300:].mean())
        # Stable: no trend over the second half beyond its own fluctuation.
        assert level[450:].mean() < 1.15 * level[300:450].mean()
    assert energy_per_bit[0] > energy_per_bit[1] > energy_per_bit[2]
    assert queue[0] < queue[1] < queue[2]


@pytest.mark.parametrize("optimise", [(), ("bandwidth",), "radio"])
def test_what_cannot_be_optimised_is_refused(optimise: Any) -> None:
    with pytest.raises(ValueError, match="optimise"):
        Lyapunov(optimise)
