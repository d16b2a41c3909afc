"""A run as a whole: recomputed from its trace, conserved to the bit, and repeated bit for bit."""

import math
from typing import Any

import numba
import numpy as np
import pytest
from conftest import SMALL, Run, observing, simulate
from continuing import GREEN, TASKS

from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.stream import account
from edgesim.simulator.stream.decision import Decision

EVERYTHING = (
    "policy.name=random",
    "run.slots=300",
    "mobility.model=random-waypoint",
    'mobility.speed=["5 m/s", "20 m/s"]',
    "channel.coherence=0.3",
    "tasks.arrivals=poisson",
    "tasks.rate=20",
    'tasks.mean="30 kbit"',
    "tasks.sizes=exponential",
    "tasks.buffer=2e5",
    "tasks.deadline=0.25",
    'devices.battery={capacity="0.05 J", harvest="60 mW"}',
)


def per_station(run: Run, column: Any) -> Any:
    """(R, T, N) -> (R, T, B) sums over each station's devices, by a plain loop over stations."""
    station = run.trace["serving_station"]
    return np.stack(
        [np.where(station == j, column, 0.0).sum(axis=2) for j in range(run.network.stations)],
        axis=2,
    )


@pytest.mark.parametrize("noise_model", ["total", "density"])
@pytest.mark.parametrize("overrides", [("policy.name=random",), EVERYTHING])
def test_everything_can_be_recomputed_from_the_trace(
    overrides: tuple[str, ...], noise_model: str
) -> None:
    shorter = ("run.slots=120",) if "run.slots=300" in overrides else ()
    run = simulate(*overrides, *shorter, f"channel.noise_model={noise_model}", "run.replications=2")
    t, n = run.trace, run.network
    tau, c = n.slot_s, n.cycles_per_bit
    station, gain, power = t["serving_station"], t["channel_gain"], t["power_w"]
    close: Any = {"rtol": 1e-9, "atol": 1e-9}
    # A(5), A(6)
    served = t["local_bits"] + t["offloaded_bits"]
    after = np.maximum(t["queue_bits"] - served, 0.0) + t["arrived_bits"]
    np.testing.assert_allclose(t["queue_bits"][:, 1:], after[:, :-1], **close)
    inflow = per_station(run, t["offloaded_bits"])
    after = np.maximum(t["station_queue_bits"] - t["station_served_bits"], 0.0) + inflow
    np.testing.assert_allclose(t["station_queue_bits"][:, 1:], after[:, :-1], **close)
    # Nothing is served that is not there.
    assert (served <= t["queue_bits"] * (1 + 1e-12)).all()
    assert (t["station_served_bits"] <= t["station_queue_bits"]).all()
    # A(3), A(4), link by link, interferer by interferer.
    rates = np.zeros_like(power)
    for r, k, i in np.ndindex(*power.shape):
        j = station[r, k, i]
        noise = n.noise_w[j]
        if noise_model == "density":
            noise *= t["bandwidth_hz"][r, k, i] / n.station_bandwidth_hz[j]
        heard = sum(
            power[r, k, other] * gain[r, k, other, j]
            for other in range(n.devices)
            if j > 0 and station[r, k, other] not in (0, j)
        )
        if t["bandwidth_hz"][r, k, i] > 0.0:
            snr = power[r, k, i] * gain[r, k, i, j] / (noise + heard)
            rates[r, k, i] = t["bandwidth_hz"][r, k, i] * math.log2(1.0 + snr)
    np.testing.assert_allclose(t["rate_bps"], rates, **close)
    assert (t["offloaded_bits"] <= t["rate_bps"] * tau * (1 + 1e-12)).all()
    # A(8), A(9), A(11)
    np.testing.assert_allclose(t["local_bits"], tau * t["local_cpu_hz"] / c, **close)
    np.testing.assert_allclose(
        t["local_energy_j"], n.varsigma * tau * t["local_cpu_hz"] ** 3, rtol=1e-9
    )
    sent = t["offloaded_bits"] > 0.0
    assert sent.any() and not sent.all()
    airtime = np.divide(t["offloaded_bits"], t["rate_bps"], where=sent, out=np.zeros_like(power))
    edge = np.divide(
        t["offloaded_bits"] * c, t["edge_cpu_hz"], where=sent, out=np.zeros_like(power)
    )
    np.testing.assert_allclose(
        t["offload_energy_j"], power * airtime + n.epsilon_w * edge, rtol=1e-9
    )
    # 14a to 14e
    room = 1 + 1e-9
    assert (per_station(run, t["bandwidth_hz"]) <= n.station_bandwidth_hz * room).all()
    assert (power <= n.device_power_max_w * room).all()
    assert (t["local_cpu_hz"] <= n.device_cpu_hz * room).all()
    assert (per_station(run, t["edge_cpu_hz"]) <= n.station_cpu_hz * room).all()
    assert (t["station_served_bits"] * c <= n.station_cpu_hz * tau * room).all()
    # Emission, the running ratio, A(19), and P2's value, A(20).
    energy = t["local_energy_j"] + t["offload_energy_j"]
    np.testing.assert_allclose(t["emission_mg"], energy * 182 / 3.6e6 * 1e3, rtol=1e-9)
    so_far = energy.sum(2).cumsum(1) / served.sum(2).cumsum(1).clip(1e-300)
    ratio = np.concatenate([np.zeros((2, 1)), so_far[:, :-1]], axis=1)
    np.testing.assert_allclose(t["energy_per_bit_j"], ratio, rtol=1e-9)
    previous = np.concatenate([np.zeros((2, 1)), ratio[:, :-1]], axis=1)
    largest = np.concatenate([np.zeros((2, 1)), served.max(2)[:, :-1]], axis=1)
    V = run.scenario.policy.V
    beta = (V * previous + largest)[:, :, None]
    np.testing.assert_allclose(
        t["perturbation_bits"], np.broadcast_to(beta, power.shape), rtol=1e-9
    )
    terms = (
        V * energy.sum(2),
        -V * ratio * served.sum(2),
        (t["station_queue_bits"] * (inflow - t["station_served_bits"])).sum(2),
        -((t["queue_bits"] - beta) * (served - t["arrived_bits"])).sum(2),
    )
    scale = sum(np.abs(term) for term in terms)
    assert (np.abs(t["objective"] - sum(terms)) <= 1e-9 * scale).all()


def test_beta_by_a_devices_own_cpu_is_recorded_for_each() -> None:
    """A(19) with Psi_max = tau f_i / c: 0.1 to 0.6 Mbit at 0.1 to 0.6 GHz."""
    cpus = [0.1e9 * k for k in range(1, 7)]
    keys = ("policy.perturbation=local", "run.slots=9", f"devices.cpu={cpus}")
    trace = simulate(*keys, "policy.name=random", "run.replications=2").trace
    eta = np.concatenate([np.zeros((2, 1)), trace["energy_per_bit_j"][:, :-1]], axis=1)
    beta = 1e13 * eta[:, :, None] + 1e5 * np.arange(1, 7)
    np.testing.assert_allclose(trace["perturbation_bits"], beta, rtol=1e-9)
    assert (trace["local_cpu_hz"] <= np.array(cpus) * (1 + 1e-9)).all() and eta[:, -1].all()


def conserved(run: Run) -> float:
    """By how many bits, over all devices and stations, in and out differ; exact summation."""
    t = run.trace
    state: Any = run.simulation.world.state
    executed = math.fsum(t["local_bits"].ravel()) + math.fsum(t["station_served_bits"].ravel())
    queued = math.fsum(state.queue_bits.ravel()) + math.fsum(state.station_queue_bits.ravel())
    return math.fsum(t["arrived_bits"].ravel()) - executed - queued


@pytest.mark.parametrize("overrides", [("policy.name=random",), EVERYTHING])
def test_bits_are_conserved(overrides: tuple[str, ...]) -> None:
    run = simulate(*overrides)
    assert abs(conserved(run)) < 1e-3
    # The tasks' bits are the queues' bits.
    outcome, bits = run.trace.column("outcome"), run.trace.column("bits")
    dropped = math.fsum(run.trace["dropped_bits"].ravel())
    assert math.fsum(bits[outcome == 3]) == pytest.approx(dropped, abs=1e-6)
    arrived = math.fsum(run.trace["arrived_bits"].ravel())
    assert math.fsum(bits[outcome != 3]) == pytest.approx(arrived, abs=1e-3)
    if overrides is EVERYTHING:
        assert set(outcome) == {0, 1, 2, 3}


@pytest.mark.slow
def test_bits_are_conserved_over_a_million_slots() -> None:
    """Bits in, bits out, and energy, accumulated exactly while the run goes on."""
    from fractions import Fraction

    class Balance:
        def __init__(self) -> None:
            self.balance = Fraction(0)
            self.tasks_bits = Fraction(0)

        def slot(self, slot: int, columns: dict[str, Any]) -> None:
            self.balance += Fraction(math.fsum(columns["arrived_bits"].ravel()))
            self.balance -= Fraction(math.fsum(columns["local_bits"].ravel()))
            self.balance -= Fraction(math.fsum(columns["station_served_bits"].ravel()))

        def tasks(self, table: Any) -> None: ...
        def decision_time(self, seconds: float) -> None: ...
        def close(self, status: str) -> None: ...

    from edgesim.experiments.run import prepare
    from edgesim.scenarios.loading import parse_scenario
    from edgesim.simulator.core.randomness import Streams

    scenario = parse_scenario(
        SMALL, "test", ["run.slots=1e6", "tasks.mean=0.45e6", "devices.count=3"]
    )
    experiment = prepare(scenario)
    plan, streams, balance = experiment.blueprint, Streams(1, 1), Balance()
    experiment.policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    simulation = plan.simulation(experiment.policy.decide, balance, streams)  # type: ignore[arg-type]
    simulation.run()
    state: Any = simulation.world.state
    queued = math.fsum([*state.queue_bits.ravel(), *state.station_queue_bits.ravel()])
    assert abs(float(balance.balance) - queued) < 0.5


@pytest.mark.parametrize("overrides", [("policy.name=random",), EVERYTHING])
def test_a_replication_is_the_run_of_its_own_seed(overrides: tuple[str, ...]) -> None:
    many = simulate(*overrides, "run.replications=5", "run.seed=11")
    alone = simulate(*overrides, "run.seed=14")
    for name in alone.trace.rows[0]:
        assert (many.trace[name][3:4] == alone.trace[name]).all(), name
    mine = many.trace.column("replication") == 3
    for name in ("device", "station", "arrival_s", "completion_s", "bits", "outcome"):
        np.testing.assert_array_equal(many.trace.column(name)[mine], alone.trace.column(name))


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    first, again, other = (simulate(*EVERYTHING, f"run.seed={seed}") for seed in (1, 1, 2))
    for name in first.trace.rows[0]:
        np.testing.assert_array_equal(first.trace[name], again.trace[name])
    assert (first.trace["arrived_bits"] != other.trace["arrived_bits"]).any()


@pytest.mark.parametrize("policy", ["local", "offload-all", "random"])
def test_all_policies_meet_the_same_world(policy: str) -> None:
    common = (*EVERYTHING, "tasks.buffer=1e12")
    one = simulate(*common)
    other = simulate(*common, f"policy.name={policy}")
    for name in ("arrived_bits", "channel_gain", "x_m", "y_m", "serving_station"):
        np.testing.assert_array_equal(one.trace[name], other.trace[name], err_msg=name)


def test_another_station_leaves_the_other_streams_alone() -> None:
    three = simulate("policy.name=local", "stations.sbs.count=3")
    two = simulate("policy.name=local", "stations.sbs.count=2")
    for name in ("arrived_bits", "x_m", "y_m"):
        np.testing.assert_array_equal(three.trace[name], two.trace[name])
    # The MBS stands where it stood, and its fading is its own.
    np.testing.assert_array_equal(
        three.trace["channel_gain"][..., 0], two.trace["channel_gain"][..., 0]
    )


@pytest.mark.parametrize("capacity", [0.05, 5.0])
def test_batteries_obey_their_balance_and_limit_the_power(capacity: float) -> None:
    run = simulate(
        *EVERYTHING, f'devices.battery={{capacity="{capacity} J", initial=0.01, harvest="60 mW"}}'
    )
    t = run.trace
    battery = t["battery_j"]
    assert (battery >= 0).all() and (battery <= capacity * (1 + 1e-12)).all()
    assert battery[0, 0] == pytest.approx(0.01 * capacity)
    sent = t["offloaded_bits"] > 0
    airtime = np.divide(t["offloaded_bits"], t["rate_bps"], where=sent, out=np.zeros_like(battery))
    used = t["local_energy_j"] + t["power_w"] * airtime
    assert (used <= battery * (1 + 1e-9) + 1e-15).all()
    harvested = battery[:, 1:] - battery[:, :-1] + used[:, :-1]
    full = battery[:, 1:] >= capacity * (1 - 1e-12)
    assert full.any() == (capacity < 1.0)
    assert (harvested[~full] >= -1e-15).all() and (harvested <= 2 * 0.06 * 0.1 + 1e-12).all()
    if not full.any():
        # Uniform on [0, 12 mJ] per slot.
        assert harvested.mean() == pytest.approx(0.006, rel=0.03)
        assert harvested.std() == pytest.approx(0.012 / 12**0.5, rel=0.03)
    np.testing.assert_allclose(t["power_max_w"], np.minimum(0.1, battery / 0.1), rtol=1e-12)


def test_fading_lasts_for_the_coherence_time() -> None:
    gain = simulate("policy.name=local", "channel.coherence=0.5").trace["channel_gain"]
    changed = (gain[0, 1:] != gain[0, :-1]).all(axis=(1, 2))
    assert changed.tolist() == [(slot + 1) % 5 == 0 for slot in range(49)]
    assert (gain[0, 1:] != gain[0, :-1]).any(axis=(1, 2)).tolist() == changed.tolist()


@pytest.mark.parametrize(("relative", "bias", "noise"), [(-0.3, 0, 0), (0, 1e7, 0), (0.1, 0, 2e7)])
def test_the_world_charges_the_real_rates(relative: float, bias: float, noise: float) -> None:
    """The policy asks for f; the CPU runs at f (1 + relative) + bias + noise."""
    asked = 0.2e9

    def decide(observation: Any) -> Decision:
        idle = np.zeros_like(observation.queue_bits)
        served = np.zeros_like(observation.station_queue_bits)
        return Decision(idle, idle, np.full_like(idle, asked), idle, served)

    deviation = f"{{relative={relative}, bias={float(bias)}, noise={float(noise)}}}"
    run = simulate("devices.count=40", f"twin.deviation.device_cpu={deviation}", decide=decide)
    busy = run.trace["queue_bits"] > asked * 0.1 / 100 * 1.5
    real = run.trace["local_cpu_hz"][busy]
    assert real.mean() == pytest.approx(asked * (1 + relative) + bias, rel=0.01)
    assert real.std() == pytest.approx(noise, rel=0.05, abs=1.0)


def test_places_are_recorded_as_they_are() -> None:
    places = [[10.0 * i, 500.0 - 20.0 * i] for i in range(6)]
    t = simulate("policy.name=local", "run.slots=2", f"devices.positions={places}").trace
    for slot in range(2):
        np.testing.assert_array_equal(np.stack([t["x_m"], t["y_m"]], axis=-1)[0, slot], places)


def test_moving_devices_begin_where_they_are_put() -> None:
    """And go 0.3 m in a slot of 0.1 s, at 3 m/s."""
    places = [[10.0 * i + 50.0, 400.0 - 20.0 * i] for i in range(6)]
    moving = ("mobility.model=random-waypoint", "mobility.speed=[3.0, 3.0]")
    t = simulate("policy.name=local", "run.slots=4", f"devices.positions={places}", *moving).trace
    place = np.stack([t["x_m"], t["y_m"]], axis=-1)[0]
    np.testing.assert_array_equal(place[0], places)
    np.testing.assert_allclose(np.linalg.norm(np.diff(place, axis=0), axis=-1), 0.3, rtol=1e-9)


def test_edge_cpus_run_at_their_real_rates() -> None:
    def decide(observation: Any) -> Decision:
        ones = np.ones_like(observation.queue_bits)
        served = np.zeros_like(observation.station_queue_bits)
        return Decision(ones * 0.5e6, ones * 0.1, ones * 0.0, ones * 1e9, served)

    deviation = "{relative=-0.3, bias=2e7}"
    run = simulate("run.slots=3", f"twin.deviation.edge_cpu={deviation}", decide=decide)
    np.testing.assert_allclose(run.trace["edge_cpu_hz"], 0.72e9, rtol=1e-12)


def test_a_buffer_takes_what_fits_after_the_slots_service() -> None:
    """One task per device and slot, of up to 1.2 Mbit; a CPU executes 0.5 Mbit in the slot before."""
    seen: list[Any] = []
    t = observing(seen, "policy.name=local", "tasks.buffer=1 Mbit", "tasks.mean=0.6 Mbit").trace
    left = np.maximum(t["queue_bits"] - t["local_bits"], 0.0)
    offered = t["arrived_bits"] + t["dropped_bits"]
    fits = left + offered <= 1e6
    np.testing.assert_array_equal(t["dropped_bits"], np.where(fits, 0.0, offered))
    assert (fits & (t["queue_bits"] + offered > 1e6)).any() and not fits.all()
    # What a device reports is what it took.
    told = [observation.arrived_bits[0] for observation, _ in seen[1:]]
    np.testing.assert_array_equal(told, t["arrived_bits"][0, :-1])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda o, d: 1 / 0,
            r"policy 'local', slot 7: ZeroDivisionError: .*test_simulation.py, line",
        ),
        (
            lambda o, d: None,
            "policy 'local', slot 7, field decision: expected a Decision, got None",
        ),
        (lambda o, d: _with(d, power_w=np.nan), "slot 7, field power_w: nan at replication 0"),
        (lambda o, d: _with(d, local_cpu_hz=-1.0), "slot 7, field local_cpu_hz: -1.0"),
        (lambda o, d: o.queue_bits.__isub__(1.0), "slot 7: ValueError: .*read-only"),
    ],
)
def test_a_bad_decision_is_named_and_what_was_recorded_stays(act: Any, message: str) -> None:
    def decide(observation: Any) -> Any:
        zero = np.zeros_like(observation.queue_bits)
        decision = Decision(zero, zero, zero, zero, np.zeros_like(observation.station_queue_bits))
        return act(observation, decision) if observation.slot == 7 else decision

    with pytest.raises(RunError, match=message):
        simulate("policy.name=local", decide=decide)


def _with(decision: Decision, **changes: float) -> Decision:
    from dataclasses import replace

    columns: Any = {name: np.full((1, 6), value) for name, value in changes.items()}
    return replace(decision, **columns)


def test_what_ends_a_slot_is_compiled_for_one_kind_of_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seconds for each: whether arrays can be written to, or lie apart, hangs on nothing that a user sets."""
    kinds = set()

    def watched(*columns: Any) -> None:
        kinds.add(tuple(map(numba.typeof, columns)))
        compiled(*columns)

    compiled = account._account
    monkeypatch.setattr(account, "_account", watched)
    late = ("twin.sync=periodic", "twin.device.period=0.2 s", 'twin.predict=["location", "energy"]')
    moving = ("mobility.model=random-waypoint", 'mobility.speed=["20 m/s", "30 m/s"]')
    for overrides in ((), late, moving, (*late, *moving, EVERYTHING[-1])):
        for replications in (1, 2):
            simulate("run.slots=4", f"run.replications={replications}", *overrides)
    assert len(kinds) == 1


@pytest.mark.parametrize("problem", ["stream", "tasks"])
def test_whatever_draws_has_a_stream_of_its_own(
    problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that can be drawn: no name is asked for twice."""
    asked: list[str] = []

    def watched(streams: Streams, name: str) -> Any:
        asked.append(name)
        return generators(streams, name)

    generators = Streams.generators
    monkeypatch.setattr(Streams, "generators", watched)
    hop = "{latency={exponential=0.1}, loss=0.1}"
    common = (f"twin.device={hop}", f"twin.station={hop}", "twin.sync=periodic", "run.slots=1")
    deviating = [f"twin.deviation.{cpu}={{noise=1e6}}" for cpu in ("device_cpu", "edge_cpu")]
    if problem == "stream":
        sky = 'peak="30 W", latitude=50, start=2021-06-21T12:00:00, clouds=0.4'
        failing = "failures={time_to_failure=1, time_to_repair=1}"
        more: tuple[str, ...] = tuple(one for one in GREEN if "latency" not in one)
        more += (f"stations.sbs.{failing}", f"stations.mbs.{failing}")
        more += (f"stations.sbs.power={{radio='pico', solar={{{sky}}}}}",)
        simulate(*more, *common, *deviating, "channel.path_loss=3gpp-umi", "channel.carrier=3.5e9")
        of_stations = ("clouds", "failures", "fading", "path_loss")
        names = {
            f"{kind}/{name}"
            for kind in of_stations
            for name in ("mbs", *(f"sbs-{j}" for j in (1, 2, 3)))
        }
        names |= {"task classes", "carbon forecast", "harvest"}
    else:
        simulate(*TASKS, *common, *deviating, toml=load_scenario("carbon_6ue").to_toml())
        names = {"fading/mbs"}
    assert sorted(asked) == sorted(set(asked))
    # Beside these places, movement, arrivals, policy, two CPUs, and latency and loss of two hops.
    assert names <= set(asked) and len(set(asked) - names) == 10
