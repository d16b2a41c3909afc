"""Policies that plan by deadlines and forecasts, on two replications in which all numbers differ.

One device, one station or one replication alone does not show a wrong axis, a neighbour's value, or who
is counted twice: here each is worked out a second time, in loops or by hand.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import a_network

from edgesim.policies.stream import (
    clairvoyant,
    consolidate,
    lookahead,
    lookahead_program,
    wait_awhile,
)
from edgesim.policies.stream.clairvoyant import Clairvoyant
from edgesim.policies.stream.clairvoyant_program import (
    Instance,
    Optimum,
    _chains,
    instance_of,
    least_emission,
    plan,
)
from edgesim.policies.stream.consolidate import Consolidate
from edgesim.policies.stream.lookahead import Lookahead, horizon_slots, stretch_forecast
from edgesim.policies.stream.lookahead_program import LookaheadProgram, Planned, Wanted, stretches
from edgesim.policies.stream.targets import (
    edge_j,
    least_sent_j,
    leaving_bits,
    most_sent_bits,
    serve,
)
from edgesim.policies.stream.wait_awhile import WaitAwhile
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.network.network import Network, NoiseModel
from edgesim.simulator.network.spectral_efficiency import SpectralEfficiency
from edgesim.simulator.stream.green_problem import GreenProblem, SamplePath
from edgesim.simulator.stream.problem import DriftPlusPenalty

STATION = np.array([[1, 1, 2, 0], [2, 1, 1, 2]])
PRESENT = np.array([[True, True, True, True], [True, True, False, True]])
UNEQUAL: dict[str, Any] = {
    "replications": 2,
    "device_cpu_hz": np.array([0.5e9, 0.7e9, 0.4e9, 0.9e9]),
    "device_power_max_w": np.array([0.1, 0.2, 0.3, 0.4]),
    "station_bandwidth_hz": np.array([10e6, 5e6, 8e6]),
    "station_cpu_hz": np.array([50e9, 10e9, 20e9]),
    "noise_w": np.array([1e-14, 2e-14, 5e-14]),
}


@dataclass
class Seen:
    """What planners look at, of four devices and three stations in two replications."""

    queue_bits: FloatArray
    cells: Cells = field(default_factory=lambda: Cells(STATION, 3, PRESENT))
    power_max_w: FloatArray = field(default_factory=lambda: np.full((2, 4), 0.1))
    station_queue_bits: FloatArray = field(default_factory=lambda: np.zeros((2, 3)))
    channel_gain: FloatArray = field(
        default_factory=lambda: np.random.default_rng(3).uniform(2e-10, 2e-9, (2, 4, 3))
    )


def carried_bits(network: Network, seen: Any, found: Any, r: int, i: int) -> float:
    """Of a decision, A(3) and A(4) in loops: what the radio of a device sends in a slot."""
    j = seen.cells.station[r, i]
    noise = network.noise_w[j]
    if network.noise_model == "density":
        noise *= found.bandwidth_hz[r, i] / network.station_bandwidth_hz[j]
    for n in range(network.devices):
        other = seen.cells.station[r, n]
        if j > 0 and other > 0 and other != j:
            noise += found.power_w[r, n] * seen.channel_gain[r, n, j]
    efficiency = np.log2(1.0 + found.power_w[r, i] * seen.channel_gain[r, i, j] / noise)
    steps = network.efficiency.steps
    if len(steps):
        efficiency = max((one for one in steps if one <= efficiency * (1 + 1e-9)), default=0.0)
    bits: float = found.bandwidth_hz[r, i] * network.slot_s * efficiency
    return bits


@pytest.mark.parametrize("noise", ["total", "density"])
@pytest.mark.parametrize("steps", [(), (0.1, 0.3, 0.5, 0.8)])
def test_what_is_to_be_sent_is_sent_against_noise_and_all_who_interfere(
    noise: NoiseModel, steps: tuple[float, ...]
) -> None:
    """No less, and no more than a billionth; who is away sends nothing; CPUs do what is left to them."""
    limit = SpectralEfficiency(max(steps, default=np.inf), np.array(steps))
    network = a_network(3, 4, noise_model=noise, efficiency=limit, **UNEQUAL)
    sent = np.array([[6e4, 9e4, 2e5, 3e5], [1e5, 5e4, 7e4, 4e4]])
    local = np.array([[1e4, 9e9, 3e4, 2e4], [0.0, 5e4, 6e4, 7e4]])
    seen: Any = Seen(sent + 1e6, station_queue_bits=np.array([[1e9, 2e6, 3e6], [4e6, 5e9, 6e6]]))
    found = serve(network, seen, local, sent)
    for r, i in np.ndindex(2, 4):
        wanted = sent[r, i] * PRESENT[r, i]
        assert carried_bits(network, seen, found, r, i) == pytest.approx(wanted, rel=1e-7, abs=0)
        executes = min(local[r, i], network.device_cpu_hz[i] * 1e-3) * PRESENT[r, i]
        assert found.local_cpu_hz[r, i] == pytest.approx(executes * 1e3, rel=1e-12)
        j = STATION[r, i]
        roots = sum(np.sqrt(sent[r, n]) for n in range(4) if STATION[r, n] == j and PRESENT[r, n])
        share = np.sqrt(wanted) / roots
        assert found.edge_cpu_hz[r, i] == pytest.approx(share * network.station_cpu_hz[j])
    # Psi_j = min(F_j tau / c, Q_j).
    assert found.served_bits.tolist() == [[5e7, 2e6, 3e6], [4e6, 1e7, 6e6]]
    # All of a band where any efficiency will do; by steps what the next one up leaves free.
    total = seen.cells.total(found.bandwidth_hz)
    if not steps:
        assert total == pytest.approx(
            np.where(seen.cells.total(sent * PRESENT) > 0, network.station_bandwidth_hz, 0.0)
        )
    else:
        asked = seen.cells.total(sent * PRESENT) / network.slot_s
        next_up = np.array(steps)[np.searchsorted(steps, asked / network.station_bandwidth_hz)]
        assert total == pytest.approx(asked / next_up)


def test_what_cannot_be_sent_has_all_of_the_band_and_power() -> None:
    """And nothing is sent where there is no gain, no queue, or hardly a bit."""
    network = a_network(3, 4, efficiency=SpectralEfficiency(2.0, np.zeros(0)), **UNEQUAL)
    seen: Any = Seen(np.array([[1e9, 0.0, 1e9, 1e9], [1e9, 1e9, 1e9, 1e9]]))
    seen.channel_gain[1, 1, 1] = 0.0
    sent = np.array([[1e9, 1e9, 0.5, 3e5], [1e9, 1e9, 1e9, 3e9]])
    found = serve(network, seen, np.zeros((2, 4)), sent)
    assert found.bandwidth_hz[0].tolist() == [5e6, 0.0, 0.0, 10e6]
    assert found.bandwidth_hz[1] == pytest.approx([2e6, 0.0, 0.0, 6e6])
    # At two bit/s/Hz the SINR is 3: alone against noise, of two in a cell as well.
    gain = seen.channel_gain[0, 0, 1]
    assert found.power_w[0, 0] == pytest.approx(3.0 * 2e-14 / gain, rel=1e-6)
    weak: Any = Seen(np.full((2, 4), 1e9), power_max_w=np.full((2, 4), 1e-9))
    least = serve(network, weak, np.zeros((2, 4)), np.full((2, 4), 1e9))
    assert least.power_w[PRESENT].tolist() == [1e-9] * 7


def test_what_a_bit_costs_and_a_slot_carries_at_each_ones_station() -> None:
    network = a_network(3, 4, **UNEQUAL)
    seen: Any = Seen(np.full((2, 4), 1e6), power_max_w=np.linspace(0.1, 0.8, 8).reshape(2, 4))
    gain = np.linspace(1e-10, 8e-10, 8).reshape(2, 4)
    cost, server, most = (
        least_sent_j(network, seen, gain),
        edge_j(network, seen),
        most_sent_bits(network, seen, gain),
    )
    for r, i in np.ndindex(2, 4):
        j = STATION[r, i]
        band, noise = network.station_bandwidth_hz[j], network.noise_w[j]
        assert cost[r, i] == pytest.approx(np.log(2.0) * noise / (gain[r, i] * band), rel=1e-12)
        assert server[r, i] == pytest.approx(0.1 * 100.0 / network.station_cpu_hz[j], rel=1e-12)
        shannon = band * 0.1 * np.log2(1.0 + seen.power_max_w[r, i] * gain[r, i] / noise)
        carries = min(shannon, network.station_cpu_hz[j] * 1e-3) * PRESENT[r, i]
        assert most[r, i] == pytest.approx(carries, rel=1e-12, abs=0.0)


def test_a_forecast_s_means_over_stretches_against_a_sum_in_small_steps() -> None:
    """Issued 7 s ago, in steps of 10 s; slots of 4 s; after its end the last value holds."""
    values = np.random.default_rng(1).uniform(1.0, 9.0, (2, 3, 4))
    seen: Any = SimpleNamespace(
        forecast_g_per_j=values, forecast_step_s=10.0, forecast_age_s=7.0,
        cells=Cells(STATION, 3), carbon_g_per_j=np.arange(6.0).reshape(2, 3),
    )  # fmt: skip
    lengths = [1, 1, 2, 5]
    found = stretch_forecast(seen, 4.0, lengths)
    ends = 7.0 + 4.0 * np.concatenate([[0], np.cumsum(lengths)])
    for r, i in np.ndindex(2, 4):
        for h in range(4):
            moments = np.linspace(ends[h], ends[h + 1], 20_001)[:-1] + 1e-6
            steps = np.minimum((moments / 10.0).astype(int), 3)
            mean = values[r, STATION[r, i], steps].mean()
            assert found[r, i, h] == pytest.approx(mean, rel=1e-3)
    seen.forecast_g_per_j = values[..., :0]
    now = stretch_forecast(seen, 4.0, lengths)
    assert now.shape == (2, 4, 4) and now[1, :, 2].tolist() == [5.0, 4.0, 4.0, 5.0]


def test_what_lookahead_wants_of_two_replications_by_hand() -> None:
    """The first stretch by the gain of now, the others by the mean gain; each with its own station's numbers."""
    network = a_network(3, 4, **UNEQUAL)
    policy: Any = Lookahead(expect="nothing")
    policy._network, policy._slots, policy._known = network, 1, None
    policy._classes = [SimpleNamespace(share=1.0, deadline_s=np.inf)]
    policy._arrived, policy._soon = np.zeros((2, 4)), np.zeros((2, 4), bool)
    now, usual = (np.linspace(*ends, 8).reshape(2, 4) for ends in ((1e-10, 8e-10), (3e-9, 2e-9)))
    now[0, 2], policy._gain = 0.0, usual
    due = np.random.default_rng(2).uniform(1e3, 2e5, (2, 4, 5))
    due[..., -1] = 0.0
    queue = due.sum(axis=2) + np.linspace(1e3, 8e3, 8).reshape(2, 4)
    least = np.zeros((2, 4, 5))
    least[0, 1, 1] = least[1, 3, 0] = least[1, 0, 3] = 1e13
    seen: Any = Seen(queue)
    seen.due_bits, seen.least_leaving_bits = due, least
    lengths, ends = [1, 1, 2], [1, 2, 4]
    station_g, device_g = np.random.default_rng(4).uniform(1e-5, 9e-5, (2, 2, 4, 3))
    found = policy._wanted(seen, now, station_g, device_g, lengths)
    assert len(found) == 2
    for r, one in enumerate(found):
        assert one.station.tolist() == STATION[r].tolist() and (one.queue == queue[r]).all()
        for i, h in np.ndindex(4, 3):
            j, there, slots = STATION[r, i], PRESENT[r, i], lengths[h]
            gain = (now if h == 0 else usual)[r, i]
            cubed = 1e-27 * 1e6 / 1e-2 / slots**2
            assert one.local_cost[i, h] == pytest.approx(cubed * device_g[r, i, h], rel=1e-12)
            assert one.local_most[i, h] == there * network.device_cpu_hz[i] * 1e-3 * slots
            band, noise = network.station_bandwidth_hz[j], network.noise_w[j]
            radio = np.log(2.0) * noise / (gain * band) if gain > 0.0 else np.inf
            cost = station_g[r, i, h] * 10.0 / network.station_cpu_hz[j] + device_g[r, i, h] * radio
            assert one.sent_cost[i, h] == pytest.approx(cost, rel=1e-12)
            alone = (r, i, h) in ((0, 1, 1), (1, 3, 0), (1, 0, 2))
            most = min(
                band * 0.1 * np.log2(1.0 + 0.1 * gain / noise), network.station_cpu_hz[j] * 1e-3
            )
            none = (alone and h == 0) or not there
            assert one.sent_most[i, h] == pytest.approx(0.0 if none else most * slots, rel=1e-12)
            assert one.too_late[i, h] == (1.0 / slots if alone else 0.0)
            asked = queue[r, i] if h == 2 else due[r, i, : ends[h]].sum()
            assert one.due[i, h] == pytest.approx(there * asked, rel=1e-12)


def test_lookahead_s_horizon_is_the_forecast_s_in_slots() -> None:
    for leads, step_s, slots in ((48, 0.25, 120), (3, 0.01, 1), (0, 9.0, 7)):
        seen: Any = SimpleNamespace(
            forecast_g_per_j=np.zeros((1, 3, leads)), forecast_step_s=step_s,
            due_bits=np.zeros((1, 4, 7)),
        )  # fmt: skip
        assert horizon_slots(seen, 0.1) == slots


def test_a_device_with_an_intensity_of_its_own_keeps_it() -> None:
    """The forecast is that of stations, and of devices that have none of their own; of others, equal or not, not."""
    policy: Any = Lookahead()
    policy._network, policy._own_carbon = a_network(slot_s=1.0), True
    of_stations = np.arange(1.0, 7.0).reshape(2, 3)
    own = np.take_along_axis(of_stations, STATION, axis=1)
    own[0, 1], own[1, 3] = 99.0, 77.0
    forecast = np.arange(100.0, 112.0).reshape(2, 3, 2)
    seen: Any = SimpleNamespace(
        cells=Cells(STATION, 3), carbon_g_per_j=of_stations, device_carbon_g_per_j=own,
        forecast_g_per_j=forecast, forecast_step_s=1.0, forecast_age_s=0.0,
    )  # fmt: skip
    station, device = policy._intensities(seen, [1, 1])
    for r, i in np.ndindex(2, 4):
        expected = forecast[r, STATION[r, i]]
        assert station[r, i] == pytest.approx(expected)
        assert device[r, i].tolist() == [own[r, i]] * 2
    policy._own_carbon = False
    station, device = policy._intensities(seen, [1, 1])
    np.testing.assert_array_equal(device, station)


def planned(**changes: Any) -> Any:
    """Two devices at two stations in three stretches of 1, 1 and 2 slots, with nothing to do but what is said."""
    none, full = np.zeros((2, 3)), np.ones((2, 3))
    slots = np.array([1.0, 1.0, 2.0])
    values: dict[str, Any] = {
        "local_cost": full / slots**2, "sent_cost": full, "local_most": 100.0 * full * slots,
        "sent_most": 10.0 * full * slots, "due": none, "queue": np.zeros(2), "too_late": none,
        "coming": none[None], "coming_due": none[None], "station": np.array([0, 1]),
    }  # fmt: skip
    return LookaheadProgram(2, 2, [1, 1, 2], 1).solve(Wanted(**(values | changes)))


def test_lookahead_s_program_spreads_over_stretches_of_several_slots() -> None:
    """a l^3 / n^2 of l bits in n slots: evenly over all four, and a radio's stretch has n slots of it."""
    queue = np.array([8.0, 4.0])
    due = np.array([[0.0, 0.0, 8.0], [0.0, 0.0, 4.0]])
    dear = np.full((2, 3), np.inf)
    plan = planned(queue=queue, due=due, sent_cost=dear)
    assert plan.found and plan.local == pytest.approx(
        np.array([[2.0, 2.0, 4.0], [1.0, 1.0, 2.0]]), rel=2e-2
    )
    # By radio, 10 bits a slot: 20 in the last two slots, whose bits are the cheapest.
    cheap = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    queue, none = np.array([25.0, 4.0]), np.full((2, 3), 1e-9)
    due = np.array([[0.0, 0.0, 25.0], [0.0, 0.0, 4.0]])
    plan = planned(queue=queue, due=due, sent_cost=cheap, local_most=none)
    assert plan.sent == pytest.approx(
        np.array([[0.0, 5.0, 20.0], [0.0, 0.0, 4.0]]), rel=1e-2, abs=1e-2
    )
    # What is sent in the stretch in which it is due is too late for a part of it.
    half = np.zeros((2, 3))
    half[0, 2] = 1.0
    plan = planned(queue=queue, due=due, sent_cost=cheap, local_most=none, too_late=half)
    assert plan.sent[0] == pytest.approx([10.0, 10.0, 0.0], abs=0.1)


def test_lookahead_s_program_sends_of_the_queue_what_has_to_leave_whatever_comes() -> None:
    """18 bits within two slots of 10, while 3 come that are due later: 10 and 8, as the first slot is the cheapest."""
    none = np.full((2, 3), 1e-9)
    coming = np.array([[[0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]])
    due = np.array([[[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]])
    dear = np.array([[1.0, 2.0, 5.0]] * 2)
    queue, waits = np.array([18.0, 0.0]), np.array([[0.0, 18.0, 18.0], [0.0] * 3])
    plan = planned(
        coming=coming, coming_due=due, sent_cost=dear, local_most=none, queue=queue, due=waits
    )
    assert plan.sent[0] == pytest.approx([10.0, 8.0, 0.0], abs=1e-2)


def test_lookahead_s_program_pays_for_what_comes_and_is_sent() -> None:
    """3 bits for a CPU at 1 g a bit^3, in a slot and in two of them: 1 and 2; a radio takes 100 g each."""
    coming = np.array([[[0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]])
    due = np.array([[[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]])
    plan = planned(coming=coming, coming_due=due, sent_cost=np.full((2, 3), 100.0))
    assert plan.local[0] == pytest.approx([0.0, 1.0, 2.0], abs=0.05)


def test_where_the_solver_fails_bits_leave_as_evenly_as_deadlines_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """6 within two slots, or 8 within four: 3 a slot."""
    monkeypatch.setattr(lookahead_program, "solved", lambda *_, **__: False)
    due = np.array([[0.0, 6.0, 8.0], [0.0, 1.0, 8.0]])
    plan = planned(queue=due[:, -1], due=due)
    assert not plan.found and not plan.sent.any()
    assert plan.local.tolist() == [[3.0, 3.0, 6.0], [2.0, 2.0, 4.0]]


def test_lookahead_decides_for_each_replication_by_its_own_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nothing waits nothing is planned; a plan that fails is counted where it does."""
    policy: Any = Lookahead(expect="nothing")
    policy._network, policy._classes = a_network(3, 2, 3), [None]
    policy._slots, policy._gain, policy._arrived = 0, np.zeros((3, 2)), np.zeros((3, 2))
    policy._soon = np.array([[True, False]] * 3)
    plans = iter(
        Planned(np.full((2, 6), 1.0), np.full((2, 6), sent), found)
        for sent, found in ((0.5, True), (9.0, False))
    )
    policy._programs = {1: SimpleNamespace(solve=lambda one: next(plans))}
    policy._intensities = lambda seen, lengths: (None, None)
    policy._wanted = lambda seen, gain, *_: [SimpleNamespace(station=np.array([0, 1]))] * 3
    asked: list[Any] = []
    policy._now = lambda one, plan, due, least: (
        asked.append((due.tolist(), least.tolist())) or np.full(2, len(asked)),  # type: ignore[func-returns-value]
        plan.sent[:, 0],
    )
    monkeypatch.setattr(lookahead, "GreenObservation", SimpleNamespace)
    monkeypatch.setattr(lookahead, "horizon_slots", lambda seen, slot_s: 1)
    monkeypatch.setattr(lookahead, "serve", lambda network, seen, *found: found)
    due = np.arange(12.0).reshape(3, 2, 2)
    seen: Any = SimpleNamespace(
        cells=Cells(np.zeros((3, 2), int), 3), channel_gain=np.ones((3, 2, 3)),
        queue_bits=np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]), due_bits=due,
        least_leaving_bits=100.0 + due, arrived_bits=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    )  # fmt: skip
    local, sent, told = policy.decide(seen)
    assert asked == [([[0.0, 1.0], [2.0, 3.0]], [100.0, 102.0]),
                     ([[8.0, 9.0], [10.0, 11.0]], [108.0, 110.0])]  # fmt: skip
    assert local.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]
    assert sent.tolist() == [[0.5, 0.5], [0.0, 0.0], [9.0, 9.0]]
    assert told["failed_solves"].tolist() == [0.0, 0.0, 1.0]
    assert policy._soon.tolist() == [[False, False], [True, False], [True, True]]
    assert policy._arrived.tolist() == seen.arrived_bits.tolist() and policy._slots == 1


def test_clairvoyant_plans_each_replication_and_says_how_far_it_is_from_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of four: one in time; one with tasks that must be late, which has no bound; one without any plan; one of whose
    tasks one has too few whole slots to be planned, but is in time by the bound."""
    network = a_network(2, 1, 4)
    path = SimpleNamespace(gain=np.zeros((4, 4, 1, 2)))
    problem: Any = SimpleNamespace(unbounded=(), foresee=lambda: path)
    none = np.zeros((4, 1))
    bounds = {0: Optimum(2.0, 0.0, none, none), 3: Optimum(1.0, 0.0, none, none)}
    plans = {
        0: Optimum(0.0, 2.5, none + 1.0, none + 2.0), "1 in time": Optimum(0.0, 9.0, none + 3.0, none),
        "3 in time": Optimum(0.0, 9.0, none + 4.0, none),
    }  # fmt: skip
    for name, stub in (
        ("check_foreseen", lambda name, problem: problem),
        ("instance_of", lambda network, path, r: r),
        ("least_emission", lambda instance: bounds.get(instance)),
        ("without_late", lambda instance: f"{instance} in time"),
        ("plan", lambda instance: plans.get(instance)),
    ):
        monkeypatch.setattr(clairvoyant, name, stub)
    policy: Any = Clairvoyant()
    policy.reset(network, problem, [])
    # 2 g in four slots; the plan emits a quarter more.
    assert policy._bound_mg == pytest.approx([500.0, np.nan, np.nan, 250.0], nan_ok=True)
    assert policy._gap == pytest.approx([0.25, np.nan, np.nan, np.nan], nan_ok=True)
    assert policy._local[3, :, 0].tolist() == [1.0, 3.0, 0.0, 4.0]
    assert policy._sent[3, :, 0].tolist() == [2.0, 0.0, 0.0, 0.0]


def test_an_instance_of_the_second_replication_by_hand() -> None:
    """Slots of 0.25 s: what is due as the run ends counts, a moment later does not; a device that moves, and is away."""
    kind = [("replication", int), ("device", int), ("arrival_s", float), ("deadline_s", float)]
    rows = [
        (0, 0, 0.1, 0.5, 1.0), (1, 0, 0.1, 0.75, 2.0), (1, 1, 0.25, 0.7, 3.0),
        (1, 1, 0.3, 0.76, 4.0), (1, 0, 0.0, 0.2, 5.0),
    ]  # fmt: skip
    tasks = np.array(rows, [*kind, ("bits", float)])
    gain = np.linspace(1e-10, 36e-10, 36).reshape(3, 2, 2, 3)
    station = np.array([[[0, 1], [1, 2]], [[0, 0], [2, 2]], [[1, 2], [0, -1]]])
    device_g = np.linspace(1e-5, 12e-5, 12).reshape(3, 2, 2)
    station_g = np.linspace(2e-5, 36e-5, 18).reshape(3, 2, 3)
    network = a_network(3, 2, **UNEQUAL | {
        "slot_s": 0.25, "device_cpu_hz": np.array([0.5e9, 0.7e9]),
        "device_power_max_w": np.array([0.1, 0.2]), "efficiency": SpectralEfficiency(9.0, np.zeros(0)),
    })  # fmt: skip
    one = instance_of(network, SamplePath(tasks, gain, station, device_g, station_g), 1)
    assert [one.device.tolist(), one.first.tolist(), one.bits.tolist()] == [
        [0, 1, 0], [1, 2, 1], [2.0, 3.0, 5.0]
    ]  # fmt: skip
    assert one.due_slot.tolist() == [2, 2, 0]
    assert one.due_share == pytest.approx([1.0, 0.8, 0.8])
    for t, i in np.ndindex(3, 2):
        j, cubed = station[t, 1, i], 1e-27 * 1e6 / 0.25**2
        assert one.local_cost[t, i] == pytest.approx(device_g[t, 1, i] * cubed, rel=1e-12)
        if j < 0:
            assert one.sent_cost[t, i] == np.inf and one.sent_most[t, i] == 0.0
            continue
        ratio = gain[t, 1, i, j] / network.noise_w[j]
        radio = np.log(2.0) / (ratio * network.station_bandwidth_hz[j])
        grams = device_g[t, 1, i] * radio + station_g[t, 1, j] * 10.0 / network.station_cpu_hz[j]
        assert one.sent_cost[t, i] == pytest.approx(grams, rel=1e-12)
        bits = min(np.log2(1.0 + network.device_power_max_w[i] * ratio), 9.0)
        most = 0.25 * network.station_bandwidth_hz[j] * bits
        assert one.sent_most[t, i] == pytest.approx(most, rel=1e-12)
    assert one.local_most == pytest.approx([1.25e6, 1.75e6])


def test_what_is_due_within_a_slot_is_due_with_all_before_it() -> None:
    """4 bits by the end of slot 1, 4 more after a quarter of slot 2, which does four times what is left.

    2 (x / 2)^3 + (4 (8 - x))^3 is least at x = 128 / 17.
    """
    cost, x = np.ones((4, 1)), 128.0 / 17.0
    one = Instance(
        np.array([0, 0]), np.array([0, 0]), np.array([1, 2]), np.array([1.0, 0.25]),
        np.array([4.0, 4.0]), cost, np.full((4, 1), np.inf), np.array([10.0]), 10.0 * cost,
        np.zeros((4, 1), int),
    )  # fmt: skip
    optimum = least_emission(one)
    assert optimum is not None
    least = 2.0 * (x / 2.0) ** 3 + (4.0 * (8.0 - x)) ** 3
    assert optimum.bound_g <= least <= optimum.value_g * (1.0 + 1e-9)
    assert optimum.bound_g == pytest.approx(least, rel=1e-3)


def test_a_plan_shares_a_station_by_where_devices_are_in_the_slot() -> None:
    """Apart in slot 0, together in slot 1: there the one that sends most has the slot."""
    one = Instance(
        np.array([0, 1]), np.array([0, 0]), np.array([3, 3]), np.ones(2), np.array([2.0, 3.0]),
        np.full((4, 2), 1e6), np.array([[5.0, 5.0], [1.0, 1.0], [9.0, 9.0], [9.0, 9.0]]),
        np.full(2, 1e-6), np.full((4, 2), 10.0), np.array([[0, 1], [1, 1], [0, 0], [0, 1]]),
    )  # fmt: skip
    found = plan(one)
    assert found is not None
    assert found.sent_bits[:2] == pytest.approx(np.array([[2.0, 0.0], [0.0, 3.0]]), abs=1e-3)


def test_chains_are_of_one_device_and_in_the_order_of_deadlines() -> None:
    """The second of device 0 is due before the first; the third goes on where the wait is shortest."""
    one: Any = SimpleNamespace(
        device=np.array([0, 0, 0, 1]), first=np.array([0, 1, 2, 0]), bits=np.ones(4),
        due_slot=np.array([5, 3, 6, 4]), due_share=np.array([0.5, 1.0, 0.0, 1.0]),
    )  # fmt: skip
    chain, of_chain = _chains(one)
    assert chain.tolist() == [0, 1, 0, 2] and of_chain.tolist() == [0, 0, 1]


def test_stretches_are_a_third_of_what_lies_before_and_end_with_the_horizon() -> None:
    assert stretches(20) == [1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 3]
    assert stretches(1) == [1]


def test_who_is_not_interrupted_goes_on_until_the_queue_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of three devices one begins, one waits for later, one has nothing; each in its replication."""
    policy: Any = WaitAwhile(interruptible=False)
    policy._network = network = a_network(3, 3, 2)
    policy._serving = np.zeros((2, 3), bool)
    begins = np.array([[True, False, True], [False, True, False]])
    policy._begins = lambda bits, forecast: begins
    queue = np.array([[3e5, 3e5, 0.0], [3e5, 3e5, 3e5]])
    due = np.zeros((2, 3, 6))
    station = np.zeros((2, 3), int)

    def step() -> Any:
        due[..., 2] = queue
        seen: Any = SimpleNamespace(
            cells=Cells(station, 3), queue_bits=queue, due_bits=due, power_max_w=np.zeros((2, 3)),
            pressing_bits=np.zeros((2, 3)), carbon_g_per_j=np.ones((2, 3)),
            device_carbon_g_per_j=np.ones((2, 3)), channel_gain=np.ones((2, 3, 3)),
            station_queue_bits=np.zeros((2, 3)), forecast_g_per_j=np.ones((2, 3, 0)),
        )  # fmt: skip
        monkeypatch.setattr(wait_awhile, "GreenObservation", SimpleNamespace)
        return policy.decide(seen).local_cpu_hz * network.slot_s / network.cycles_per_bit

    # Due in two slots in which it can be sent, and half of these are to do: all in one.
    assert step() == pytest.approx(np.array([[3e5, 0.0, 0.0], [0.0, 3e5, 0.0]]))
    begins = np.zeros((2, 3), bool)
    queue = np.array([[1e5, 2e5, 4e5], [2e5, 0.0, 5e5]])
    assert step() == pytest.approx(np.array([[1e5, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    queue = np.array([[0.0, 2e5, 4e5], [2e5, 9e4, 5e5]])
    assert not step().any()
    queue = np.full((2, 3), 1e5)
    assert not step().any()  # who was done waits again


def test_when_a_piece_begins_by_hand() -> None:
    """Bits in two kinds of slots; a piece is a share of the slots that are left in the mean, rounded up."""
    due = np.zeros((1, 3, 6))
    due[0, 0, [2, 5]] = [1.0, 3.0]  # can be sent within 2 and 5 slots: 4.25 in the mean
    due[0, 1, 1], due[0, 2, 5] = 2.0, 2.0  # within 1, and 5
    seen: Any = SimpleNamespace(due_bits=due)

    def begins(share: float, *forecast: float) -> list[bool]:
        policy = WaitAwhile(share, interruptible=False)
        horizon = np.array([[forecast] * 3], float)
        found: list[bool] = policy._begins(leaving_bits(seen, 5), horizon)[0].tolist()
        return found

    # Pieces of 3, 1 and 3 slots, begun by slot 1, 0 and 2 at the latest.
    assert begins(0.6, 5, 5, 5, 4, 9) == [False, True, False]
    assert begins(0.6, 5, 5, 5, 5.1, 9) == [True, True, True]
    assert begins(0.6, 5, 9, 5, 5, 1) == [True, True, False]
    # Rounding does not decide which of two is greener.
    assert begins(0.6, 5, 5, 5 * (1 - 1e-13), 5 * (1 - 1e-13), 5.1)[2]
    # Pieces of 4, 1 and 4.
    assert begins(0.8, 5, 5, 5, 5, 4) == [True, True, False]


def test_a_station_asleep_is_weighed_in_each_replication_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a joule costs there, the devices at the nearest stations that are open, and P2 of these."""
    network = a_network(3, 2, 2, slot_s=0.5)
    problem = GreenProblem(network, 1e13, penalty="carbon")
    policy: Any = Consolidate(trials=3)
    policy._network, policy._problem = network, problem
    policy._awake = np.array([[True, True, True], [True, True, False]])
    policy._gain, policy._looks = np.zeros((2, 3)), np.array([[0, 0, 2], [0, 0, 2]])
    asked, values = list[Cells](), iter([[7.0, 9.0], [4.0, 2.0]])
    policy._lyapunov = SimpleNamespace(decide=lambda seen: asked.append(seen.cells))
    monkeypatch.setattr(type(problem), "value", lambda self, seen, decision: np.array(next(values)))
    monkeypatch.setattr(consolidate, "replace", lambda seen, **new: SimpleNamespace(**new))
    monkeypatch.setattr(
        type(problem), "joule_costs",
        lambda self, seen: (None, np.array([[100.0, 200.0, 2.0], [300.0, 400.0, 6.0]])),
    )  # fmt: skip
    there = np.array([[True, True], [True, False]])
    seen: Any = SimpleNamespace(
        position_m=np.array([[[0.0, 90.0], [0.0, 8.0]], [[0.0, 60.0], [0.0, 95.0]]]),
        cells=Cells(np.zeros((2, 2), int), 3, there),
    )
    power: Any = SimpleNamespace(
        open=np.array([[True, True, True], [True, False, False]]), position_m=np.array(
            [[0.0, 0.0], [0.0, 50.0], [0.0, 100.0]]
        ), coverage_m=np.array([np.inf, 45.0, 45.0]),
        law=SimpleNamespace(idle_w=np.array([50.0, 60.0, 9.0]), sleep_w=np.array([5.0, 6.0, 2.0])),
        sleep=SimpleNamespace(wake_j=10.0),
    )  # fmt: skip
    policy._look(seen, power, 2, 5)
    assert [one.station.tolist() for one in asked] == [[[1, 1], [0, 0]], [[2, 1], [2, 2]]]
    assert all((one.present == there).all() for one in asked)
    # Saved: 2 x 7 W x 0.5 s less the wake-up's 20 / 15, less what is lost, 3; and 6 x 3.5 + 4, less 7.
    assert policy._awake.tolist() == [[True, True, False], [True, True, False]]
    assert not policy._gain.any() and not policy._looks[:, 2].any()
    policy._looks[:] = 0
    values = iter([[7.0, 9.0], [4.0, 2.0]])
    policy._look(seen, power, 2, 5)
    kept = [2.0 * 3.5 + 2.0 * 10.0 / 15.0 - 3.0, 6.0 * 3.5 + 6.0 * 10.0 / 15.0 - 7.0]
    assert policy._gain[:, 2] == pytest.approx(kept) and policy._looks[:, 2].tolist() == [1, 1]


def test_a_joule_of_a_station_costs_v_where_energy_is_the_penalty() -> None:
    network = a_network(3, 2, 2)
    policy: Any = Consolidate()
    policy._network, policy._problem = network, DriftPlusPenalty(network, 7e12)
    assert policy._joule_cost(None).tolist() == [[7e12] * 3] * 2
