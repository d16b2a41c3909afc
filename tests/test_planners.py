"""Policies that plan by deadlines and forecasts, and the optimum of hindsight beside which they stand."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Run, a_network, observing, simulate
from test_green import GREEN

from edgesim.experiments.run import prepare
from edgesim.policies.stream import clairvoyant
from edgesim.policies.stream.clairvoyant import Clairvoyant
from edgesim.policies.stream.clairvoyant_program import (
    Instance,
    instance_of,
    least_emission,
    plan,
    without_late,
)
from edgesim.policies.stream.lookahead import KNOWN_SLOTS, KnownTasks, Lookahead, _sends_soon
from edgesim.policies.stream.lookahead_program import (
    LookaheadProgram,
    Planned,
    Wanted,
    stretches,
)
from edgesim.policies.stream.targets import (
    edge_j,
    least_sent_j,
    leaving_bits,
    most_sent_bits,
    serve,
)
from edgesim.policies.stream.wait_awhile import WaitAwhile
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.stream.deadlines import TaskClass
from edgesim.simulator.stream.green_problem import SamplePath

SMALL = (
    GREEN.replace('"intensity.csv"', '"carbon_intensity_gb_2020.csv"')
    .replace(', unit = "g/kWh"', "")
    .replace("count = 2", "count = 1")
    .replace('"1 h", late = 0.05, weight = 10.0', '"2 h", late = 0.0, weight = 1000.0')
    .replace('"12 h"', '"8 h", late = 0.0, weight = 1000.0')
)
ENDING = ("tasks.arrivals=ending:Ending", "carbon.forecast={error=0.0}")
"""Three devices, two sites, 96 slots; all tasks come in the first 64, so that all are due in the run."""


def bounds_mg(*overrides: str) -> FloatArray:
    """(R,) the certified least emission of each replication."""
    scenario = parse_scenario(SMALL, "test", [*ENDING, *overrides])
    blueprint = prepare(scenario).blueprint
    path = blueprint.problem.foresee()  # type: ignore[union-attr]
    assert path is not None
    found = []
    for r in range(scenario.run.replications):
        optimum = least_emission(instance_of(blueprint.network, path, r))
        assert optimum is not None and optimum.value_g <= optimum.bound_g * 1.01
        found.append(1e3 * optimum.bound_g)
    return np.array(found)


def emitted_mg(run: Run) -> FloatArray:
    """(R,) of a run in which all tasks were in time."""
    assert (run.trace.column("outcome") == 0).all()
    total: FloatArray = run.trace["emission_mg"].sum(axis=(1, 2))
    return total


def one_task(**changes: object) -> Instance:
    """A task of 6 bits on one device, whose slots 1 to 3 are before its deadline, and nothing can be sent."""
    values: dict[str, object] = {
        "device": np.array([0]), "first": np.array([1]), "due_slot": np.array([3]),
        "due_share": np.array([1.0]), "bits": np.array([6.0]),
        "local_cost": np.array([[1.0], [1.0], [4.0], [16.0], [1e-3]]),
        "sent_cost": np.full((5, 1), np.inf), "local_most": np.array([10.0]),
        "sent_most": np.full((5, 1), 10.0), "station": np.zeros((5, 1), int),
    }  # fmt: skip
    return Instance(**(values | changes))  # type: ignore[arg-type]


def test_the_least_emission_of_one_task_by_hand() -> None:
    """sum a l^3 with sum l = 6 is least where l goes as a^(-1/2): 1, 1/2, 1/4 of 24/7."""
    optimum = least_emission(one_task())
    assert optimum is not None
    l = 24.0 / 7.0 * np.array([1.0, 0.5, 0.25])
    least = float((np.array([1.0, 4.0, 16.0]) * l**3).sum())
    assert optimum.bound_g <= least <= optimum.value_g * (1.0 + 1e-9)
    assert optimum.value_g <= optimum.bound_g * (1.0 + 2e-4)
    assert optimum.local_bits[1:4, 0] == pytest.approx(l, rel=0.03)


def test_a_radio_takes_what_costs_a_cpu_more_at_the_margin() -> None:
    """With 12 g a bit of radio: 3 a l^2 = 12 at l = 2 in slot 1, 1 in slot 2, 0.5 in slot 3; 2.5 are sent."""
    cost = np.full((5, 1), 12.0)
    cost[3] = 1.0
    optimum = least_emission(one_task(sent_cost=cost))
    assert optimum is not None
    assert optimum.sent_bits.sum() == pytest.approx(2.5, abs=0.1)
    assert optimum.bound_g == pytest.approx(8.0 + 4.0 + 2.0 + 30.0, rel=3e-4)
    # What is sent in the slot of the deadline is executed after it.
    assert optimum.sent_bits[3, 0] == pytest.approx(0.0, abs=1e-9)


def test_in_the_slot_of_its_deadline_a_task_has_its_share_of_the_cpu() -> None:
    """Due after a quarter of the only slot: four times its bits would have to be executed in it."""
    due = {"first": np.array([3]), "due_share": np.array([0.25])}
    assert least_emission(one_task(**due)) is None
    optimum = least_emission(one_task(**due, bits=np.array([2.0])))
    assert optimum is not None and optimum.local_bits[3, 0] == pytest.approx(8.0)


def test_an_instance_by_hand() -> None:
    """Of two tasks in three slots of 0.1 s the second is due after the run."""
    kind = [("replication", int), ("device", int), ("arrival_s", float), ("deadline_s", float)]
    rows = [(0, 0, 0.05, 0.25, 3e5), (0, 0, 0.05, 0.35, 1e5)]
    tasks = np.array(rows, [*kind, ("bits", float)])
    shape = (3, 1, 1)
    gain = np.stack([np.zeros(shape), np.full(shape, 1e-9)], axis=-1)
    gain[2] = 0.0
    stations = np.stack([np.zeros((3, 1)), np.full((3, 1), 5e-5)], axis=-1)
    path = SamplePath(tasks, gain, np.ones(shape, int), np.full(shape, 1e-4), stations)
    one = instance_of(a_network(stations=2, devices=1), path, 0)
    assert [*one.first, *one.due_slot, *one.bits] == [1, 2, 3e5]
    assert one.due_share == pytest.approx([0.5])
    # g/J times varsigma c^3 / tau^2; noise ln 2 / (gain band) J and epsilon c / F J.
    assert one.local_cost[:, 0] == pytest.approx(
        np.full(3, 1e-4 * 1e-27 * 1e6 / 1e-2), rel=1e-9, abs=0.0
    )
    sent_g = 1e-4 * np.log(2.0) * 1e-14 / (1e-9 * 5e6) + 5e-5 * 0.1 * 100 / 10e9
    assert one.sent_cost[:, 0] == pytest.approx([sent_g, sent_g, np.inf], rel=1e-9, abs=0.0)
    assert one.sent_most[:, 0] == pytest.approx([5e5 * np.log2(1 + 1e4)] * 2 + [0.0])


def test_a_plan_leaves_time_to_execute_what_was_sent_in_whole_slots() -> None:
    """Due as slot 3 ends, 6 bits leave in slots 1 and 2, as a^(-1/2); due within it, in slot 1 alone."""
    whole, within = plan(one_task()), plan(one_task(due_share=np.array([0.25])))
    assert whole is not None and within is not None
    assert whole.local_bits[:, 0] == pytest.approx([0.0, 4.0, 2.0, 0.0, 0.0], rel=0.03, abs=1e-6)
    assert within.local_bits[:, 0] == pytest.approx([0.0, 6.0, 0.0, 0.0, 0.0], abs=1e-6)


def test_who_must_be_late_is_left_out_of_a_plan() -> None:
    """Here from slot 1 on: due as slot 2 ends there is slot 1 for it, due within slot 2 there is none."""
    for share, kept in ((1.0, [6.0]), (0.25, [])):
        late = one_task(due_slot=np.array([2]), due_share=np.array([share]))
        assert without_late(late).bits.tolist() == kept
        assert (plan(late) is None) == (not kept)


def test_a_plan_gives_a_station_to_one_device_a_slot() -> None:
    two = one_task(
        device=np.array([0, 1]), first=np.array([0, 0]), due_slot=np.array([4, 4]),
        due_share=np.ones(2), bits=np.array([2.0, 3.0]), local_cost=np.full((5, 2), 1e6),
        sent_cost=np.array([[5.0, 5.0], [1.0, 1.0], [2.0, 2.0], [9.0, 9.0], [9.0, 9.0]]),
        local_most=np.full(2, 1e-6), sent_most=np.full((5, 2), 10.0), station=np.zeros((5, 2), int),
    )  # fmt: skip
    free, found = least_emission(two), plan(two)
    assert free is not None and found is not None
    assert free.value_g == pytest.approx(5.0, rel=1e-3)
    assert ((found.sent_bits > 1e-6).sum(axis=1) <= 1).all()
    assert found.value_g == pytest.approx(3.0 + 2.0 * 2.0, rel=1e-2)


def test_lookahead_s_program_against_the_closed_form() -> None:
    """One device without a radio: l as a^(-1/2) over the slots in which it has the bits."""
    cost = np.array([[1.0, 4.0, 16.0, 1e-2]])
    zeros, most = np.zeros((1, 4)), np.full((1, 4), 100.0)
    due = np.array([[0.0, 0.0, 6.0, 6.0]])
    wanted = Wanted(
        cost,
        np.full((1, 4), np.inf),
        most,
        zeros,
        due,
        np.array([6.0]),
        zeros,
        zeros[None],
        zeros[None],
        np.array([0]),
    )
    plan = LookaheadProgram(1, 1, [1, 1, 1, 1], 1).solve(wanted)
    assert plan.found and plan.sent.sum() == pytest.approx(0.0, abs=1e-5)
    assert plan.local[0, :3] == pytest.approx(24.0 / 7.0 * np.array([1.0, 0.5, 0.25]), rel=1e-2)


def waiting(due: FloatArray, coming: FloatArray, coming_due: FloatArray, most: float) -> Wanted:
    """Of devices at one station, who send 10 bits a slot at 1 g each and execute at 1 g per bit^3."""
    full = np.ones_like(due)
    queue = due[:, -1]
    comes = coming[None], coming_due[None]
    return Wanted(full, full, most * full, 10.0 * full, due, queue, full, *comes, queue * 0)


def test_lookahead_s_program_shares_a_station() -> None:
    """Two who have 15 bits each, due after three slots of 10, the last for their CPUs: 10 are late, whoever sends."""
    due, zeros = np.array([[0.0, 0.0, 15.0], [0.0, 0.0, 15.0]]), np.zeros((2, 3))
    wanted = replace(waiting(due, zeros, zeros, 0.0), station=np.array([0, 0]))
    plan = LookaheadProgram(2, 1, [1, 1, 1], 1).solve(wanted)
    assert plan.found and plan.sent.sum(axis=0) == pytest.approx(
        [10.0, 10.0, 0.0], rel=1e-3, abs=1e-3
    )


def test_lookahead_s_program_waits_for_what_comes() -> None:
    """5 bits come after the first of three slots, and are due after the last: 2.5 in each that is left."""
    zeros = np.zeros((1, 3))
    coming, coming_due = np.array([[0.0, 5.0, 5.0]]), np.array([[0.0, 0.0, 5.0]])
    wanted = replace(
        waiting(zeros, coming, coming_due, 100.0),
        station=np.array([0]),
        sent_cost=np.full((1, 3), np.inf),
    )
    plan = LookaheadProgram(1, 1, [1, 1, 1], 1).solve(wanted)
    assert plan.found and plan.local[0] == pytest.approx([0.0, 2.5, 2.5], abs=0.02)


def test_what_a_sent_bit_costs_at_least_by_hand() -> None:
    """noise ln 2 / (gain band) of the radio, epsilon c / F of the server; as many as band and power carry."""
    network, gain = a_network(stations=2, devices=1), np.array([[1e-9]])
    seen: Any = SimpleNamespace(cells=Cells(np.array([[1]]), 2), power_max_w=np.array([[0.1]]))
    joules = 1e-14 * np.log(2.0) / (1e-9 * 5e6)
    assert least_sent_j(network, seen, gain)[0, 0] == pytest.approx(joules, rel=1e-9, abs=0.0)
    assert least_sent_j(network, seen, 0.0 * gain)[0, 0] == np.inf
    assert edge_j(network, seen)[0, 0] == pytest.approx(0.1 * 100 / 10e9, rel=1e-9, abs=0.0)
    most = most_sent_bits(network, seen, gain)[0, 0]
    assert most == pytest.approx(5e5 * np.log2(1 + 1e4), rel=1e-12)


def test_a_station_is_shared_by_bits_and_its_cpu_by_their_roots() -> None:
    """1 and 4 bits of 5 MHz and 10 GHz: sum D c / f^e is least at f^e as sqrt(D), 1 to 2."""
    network = a_network(stations=2, devices=2)
    queue = np.array([[1e4, 4e4]])
    seen: Any = SimpleNamespace(
        cells=Cells(np.array([[1, 1]]), 2), queue_bits=queue, power_max_w=np.full((1, 2), 0.1),
        channel_gain=np.full((1, 2, 2), 1e-9), station_queue_bits=np.zeros((1, 2)),
    )  # fmt: skip
    found = serve(network, seen, np.zeros((1, 2)), queue)
    assert found.edge_cpu_hz[0] == pytest.approx([10e9 / 3.0, 20e9 / 3.0], rel=1e-12)
    assert found.bandwidth_hz[0] == pytest.approx([1e6, 4e6], rel=1e-12)
    # 1e5 bit/s on 1 MHz each: noise (2^0.1 - 1) / gain.
    assert found.power_w[0] == pytest.approx(np.full(2, 1e-14 * (2.0**0.1 - 1.0) / 1e-9), rel=1e-8)
    # Who is away has nothing to do, whatever its queue.
    seen.cells = Cells(np.array([[1, 1]]), 2, np.array([[True, False]]))
    found = serve(network, seen, queue, queue)
    assert (
        (found.local_cpu_hz[0] > 0.0).tolist() == (found.power_w[0] > 0.0).tolist() == [True, False]
    )


def test_clairvoyant_sends_what_presses_and_its_cpu_cannot_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 5 Gbit that press 1.2 are planned, 0.2 by radio, and a CPU does 4.5 in a slot."""
    seen: list[Any] = []
    observing(seen, *ENDING, "policy.name=local", "run.slots=1", toml=SMALL)
    one = replace(seen[0][0], pressing_bits=np.full((1, 3), 5e9))
    policy: Any = Clairvoyant()
    policy._network = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint.network
    policy._local, policy._sent = np.full((1, 1, 3), 1e9), np.full((1, 1, 3), 2e8)
    policy._bound_mg = policy._gap = np.zeros(1)
    monkeypatch.setattr(clairvoyant, "most_sent_bits", lambda *_: np.full((1, 3), 1e12))
    monkeypatch.setattr(
        clairvoyant, "serve", lambda network, seen, local, sent, told: (local, sent)
    )
    local, sent = policy.decide(one)
    assert local == pytest.approx(np.full((1, 3), 4.5e9)) and sent == pytest.approx(
        np.full((1, 3), 5e8)
    )
    one.pressing_bits[:] = 1.2e9
    local, sent = policy.decide(one)
    assert local == pytest.approx(np.full((1, 3), 1e9)) and sent == pytest.approx(
        np.full((1, 3), 2e8)
    )


def test_what_lookahead_expects_to_come_by_hand() -> None:
    """Means of four slots beside those of all devices; what has come by an end, and of it what is due by then."""
    policy: Any = Lookahead()
    policy._network, policy._slots, policy._known = a_network(stations=2, devices=2), 4, None
    # A device has 2 slots after the middle of one for it.
    policy._classes = [SimpleNamespace(share=0.25, deadline_s=0.25)]
    policy._arrived = np.array([[100.0, 300.0]])
    seen: Any = SimpleNamespace(cells=Cells(np.array([[1, 1]]), 2))
    coming, due = policy._coming(seen, np.array([1.0, 2.0, 5.0]))
    mean = (np.array([100.0, 300.0]) + KNOWN_SLOTS * 50.0) / (4 + KNOWN_SLOTS)
    assert coming[0, 0] == pytest.approx(mean[:, None] * [0.0, 0.25, 1.0])
    assert due[0, 0] == pytest.approx(mean[:, None] * [0.0, 0.0, 0.25 * 3.0])


def test_who_executes_what_is_due_sends_nothing_or_enough_of_what_is_behind_it() -> None:
    """3 bits at the head are due: by CPU alone; with 5 behind them, if 7 leave; or nothing is due and 5 leave.

    Where 1.5 are due 7 are sent for 7 g, or 1.5^3 g are enough; unless what waits costs 1 g a bit in the next slot, too.
    """
    policy, zeros = Lookahead(), np.zeros((1, 3))
    one = replace(waiting(np.array([[8.0, 8.0, 8.0]]), zeros, zeros, 100.0), station=np.array([0]))
    for due, least, radio, later, executed, sent in (
        ([3.0, 0.0, 5.0], 1e12, 0.0, 0.0, 3.0, 0.0),
        ([3.0, 0.0, 5.0], 7.0, 10.0, 0.0, 0.0, 7.0),
        ([1.5, 0.0, 6.5], 7.0, 10.0, 0.0, 1.5, 0.0),
        ([1.5, 0.0, 6.5], 7.0, 10.0, 0.6, 0.0, 7.0),
        ([0.0, 0.0, 8.0], 0.0, 10.0, 0.0, 0.0, 5.0),
    ):
        of = replace(one, sent_most=np.full((1, 3), radio))
        plan = Planned(np.array([[0.0, later, 0.0]]), np.array([[5.0, 0.0, 0.0]]), True)
        found = policy._now(of, plan, np.array([due]), np.array([least]))
        assert found[0] == pytest.approx(np.array([executed]), rel=1e-5)
        assert found[1] == pytest.approx(np.array([sent]), rel=1e-5)


def test_lookahead_plans_by_the_mean_of_the_gains_so_far() -> None:
    blueprint = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint
    policy: Any = Lookahead(expect="nothing")
    policy.reset(blueprint.network, blueprint.problem, [])
    policy._programs = SimpleNamespace(get=lambda stretches: "nothing waits, and none is solved")
    seen: list[Any] = []
    observing(seen, *ENDING, "policy.name=local", "run.slots=1", toml=SMALL)
    gain, nothing = seen[0][0].channel_gain, np.zeros((1, 3))
    for factor in (1.0, 3.0):
        policy.decide(replace(seen[0][0], channel_gain=factor * gain, queue_bits=nothing))
    mean = 2.0 * np.take_along_axis(gain, seen[0][0].station[..., None], axis=2)[..., 0]
    assert policy._gain == pytest.approx(mean, rel=1e-12)


def wanted_of(due: list[float], soon: bool = False, lengths: Sequence[int] = (1, 1, 2)) -> Wanted:
    """Of two devices with bits due in six slots, the second of them away; what is due in the second, by CPU alone."""
    policy: Any = Lookahead(expect="nothing")
    policy._network, policy._slots, policy._known = a_network(stations=2, devices=2), 1, None
    policy._classes = [SimpleNamespace(share=1.0, deadline_s=np.inf)]
    policy._arrived, policy._gain = np.zeros((1, 2)), np.full((1, 2), 1e-9)
    bits = np.array([[due] * 2])
    least = np.array([[[0.0, 1e13, 0.0, 0.0, 0.0, 0.0]] * 2])
    policy._soon = np.full((1, 2), soon)
    seen: Any = SimpleNamespace(
        cells=Cells(np.array([[1, 1]]), 2, np.array([[True, False]])), least_leaving_bits=least,
        due_bits=bits, queue_bits=bits.sum(axis=2), power_max_w=np.full((1, 2), 0.1),
    )  # fmt: skip
    grams = np.full((1, 2, 3), 5e-5)
    [one] = policy._wanted(seen, policy._gain, grams, 2.0 * grams, list(lengths))
    assert isinstance(one, Wanted)
    return one


def test_what_lookahead_wants_by_hand() -> None:
    """Of 7 bits 3 are due within three slots; the others leave within the horizon, too. Of who is away, none."""
    one = wanted_of([0.0, 0.0, 3.0, 0.0, 0.0, 4.0])
    assert one.due.tolist() == [[0.0, 0.0, 7.0], [0.0, 0.0, 0.0]]
    assert one.too_late.tolist() == [[0.0, 1.0, 0.0]] * 2
    # g of l bits in slots: varsigma c^3 / tau^2 l^3, in two slots a quarter of that.
    assert one.local_cost[0] == pytest.approx(
        1e-4 * 1e-27 * 1e6 / 1e-2 * np.array([1.0, 1.0, 0.25]), rel=1e-9, abs=0.0
    )
    joules = 1e-14 * np.log(2.0) / (1e-9 * 5e6)
    sent_g = 5e-5 * 0.1 * 100 / 10e9 + 1e-4 * joules
    assert one.sent_cost[0] == pytest.approx(np.full(3, sent_g), rel=1e-9, abs=0.0)
    assert one.local_most.tolist() == [[5e5, 5e5, 1e6], [0.0, 0.0, 0.0]]
    # What is due later than is told, or never, has all of the horizon, however long that is.
    later = wanted_of([0.0, 0.0, 3.0, 0.0, 0.0, 4.0], lengths=(2, 8, 5))
    assert later.due[0].tolist() == [0.0, 3.0, 7.0]


def test_who_sends_soon_executes_a_slot_early_what_is_cheap_by_hand() -> None:
    """What costs its CPU at the margin, 3 a l^2, no more than two radios' bits; no more than is due, no less than before."""
    one = wanted_of([0.0] * 6)
    cheap = np.sqrt(2.0 * one.sent_cost[0, 0] / (3.0 * one.local_cost[0, 0]))
    assert 5e4 < cheap < 6e4
    for now, then, soon, early in (
        (0.0, 1e5, True, cheap),
        (0.0, 1e5, False, 0.0),
        (0.0, 10.0, True, 10.0),
        (8e4, 2e4, True, 8e4),
    ):
        due = wanted_of([now, then, 0.0, 0.0, 0.0, 0.0], soon).due
        assert due[0] == pytest.approx([early, now + then, now + then], rel=1e-12)


def decided(forecast: tuple[float, ...], **changes: Any) -> tuple[Any, Any, FloatArray]:
    """What wait-awhile is shown and answers, and the (N,) bits that CPUs execute; 8 Mbit can leave in four slots."""
    seen: list[Any] = []
    observing(seen, *ENDING, "policy.name=local", "run.slots=1", toml=SMALL)
    due = np.zeros((1, 3, 6))
    due[..., 4] = 8e6
    horizon = np.tile(np.array([*forecast, 0.0]) * 1e-5, (1, seen[0][0].cells.shape[1], 1))
    none = np.zeros((1, 3))
    one = replace(
        seen[0][0], due_bits=due, queue_bits=due.sum(axis=2), pressing_bits=none, power_max_w=none,
        forecast_g_per_j=horizon, forecast_step_s=900.0, forecast_age_s=0.0,
    )  # fmt: skip
    one, policy = replace(one, **changes), WaitAwhile()
    network = policy._network = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint.network
    found = policy.decide(one)
    return one, found, found.local_cpu_hz[0] * network.slot_s / network.cycles_per_bit


HAIR = 1.0 - 1e-13


@pytest.mark.parametrize(
    ("forecast", "leave"),
    [
        ((5, 1, 9, 9), 4e6),
        ((5, 1, 2, 9), 0.0),
        ((5, 5, 5, 5), 4e6),
        ((5, 5 * HAIR, 5 * HAIR, 9), 4e6),
    ],
)
def test_wait_awhile_by_hand(forecast: tuple[float, ...], leave: float) -> None:
    """In the greener two of the four slots 4 Mbit each, no radio at hand; what is pressing leaves in any.

    Rounding does not make a slot greener.
    """
    for pressing in (0.0, 1e6, 6e6):
        *_, left = decided(forecast, pressing_bits=np.full((1, 3), pressing))
        assert left == pytest.approx(np.full(3, max(leave, pressing)))


def test_wait_awhile_sends_what_emits_less_so_and_a_station_is_for_all_of_its_devices() -> None:
    """Nothing to a station of dear electricity; of a free one half of what a device alone could send."""
    bits = np.full((1, 3), 1e9)
    radio = {
        "power_max_w": np.full((1, 3), 0.1), "channel_gain": np.full((1, 3, 2), 1e-9),
        "cells": Cells(np.array([[1, 1, 0]]), 2), "queue_bits": bits, "pressing_bits": bits,
    }  # fmt: skip
    _, dear, left = decided((5, 1, 2, 9), carbon_g_per_j=np.full((1, 2), 1e3), **radio)
    assert not dear.power_w.any() and left == pytest.approx(bits[0])
    one, _, _ = decided((5, 1, 2, 9), **radio)
    network = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint.network
    most = most_sent_bits(network, one, one.channel_gain[..., 0])
    radio |= {"pressing_bits": 0.55 * most, "queue_bits": most}
    _, green, left = decided((5, 1, 2, 9), carbon_g_per_j=np.zeros((1, 2)), **radio)
    assert (green.power_w > 0.0).all()
    assert left == pytest.approx(most[0] * [0.05, 0.05, 0.0], rel=1e-9, abs=1.0)


def test_wait_awhile_counts_a_servers_joules_once_for_each_who_shares_it() -> None:
    """A bit emits 0.75 of what the CPU does for it at a server of one's own, and twice that where two share."""
    network = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint.network
    own_j = network.varsigma * network.cycles_per_bit * network.device_cpu_hz[0] ** 2
    edge_j = network.epsilon_w * network.cycles_per_bit / network.station_cpu_hz
    bits = network.device_service_bits[None]  # a CPU at full speed is in time
    for share, sends in ((0.75, [False, False, True]), (0.4, [True] * 3)):
        _, found, _ = decided(
            (5, 1, 2, 9), carbon_g_per_j=share * 1e-4 * own_j / edge_j[None],
            device_carbon_g_per_j=np.full((1, 3), 1e-4), power_max_w=np.full((1, 3), 0.1),
            channel_gain=np.full((1, 3, 2), 1e-6), cells=Cells(np.array([[1, 1, 0]]), 2),
            queue_bits=bits, pressing_bits=bits,
        )  # fmt: skip
        assert (found.power_w[0] > 0.0).tolist() == sends


def test_nobody_sends_more_than_the_server_executes_in_a_slot() -> None:
    """900 s: of the SBS's radio 105 Gbit, of its server of 10 GHz 90 Gbit; of the MBS's 209 and 450 Gbit."""
    network = prepare(parse_scenario(SMALL, "test", ENDING)).blueprint.network
    one, *_ = decided(
        (5, 1, 2, 9), power_max_w=np.full((1, 3), 0.1), cells=Cells(np.array([[1, 1, 0]]), 2)
    )
    macro = 10e6 * 900.0 * np.log2(1.0 + 0.1 * 1e-6 / 1e-14)
    found = most_sent_bits(network, one, np.full((1, 3), 1e-6))[0]
    assert found == pytest.approx([90e9, 90e9, macro])


def test_what_is_due_within_the_next_slot_leaves_in_this_one() -> None:
    """A server executes it in the slot after the one in which it is sent; greener slots come too late for it."""
    due = np.zeros((1, 3, 6))
    due[..., :3] = [1e5, 2e5, 4e5]
    seen: Any = SimpleNamespace(due_bits=due)
    assert leaving_bits(seen, 9)[0, 0].tolist() == [3e5, 4e5, 0.0, 0.0, 0.0]
    *_, left = decided((5, 1, 2, 9), due_bits=due, queue_bits=due.sum(axis=2))
    assert left == pytest.approx(np.full(3, 3e5))


@pytest.mark.parametrize(
    ("forecast", "leave"), [((5, 5, 5, 5, 9, 9, 9), 2e6), ((5, 1, 1, 1, 1, 9, 9), 0.0)]
)
def test_what_has_no_deadline_has_until_the_forecast_s_end(
    forecast: tuple[float, ...], leave: float
) -> None:
    """8 Mbit in the greener four of its eight slots; by what is told of deadlines there were five."""
    due = np.zeros((1, 3, 6))
    due[..., 5] = 8e6
    one, _, left = decided(forecast, due_bits=due)
    assert one.forecast_g_per_j.shape[2] == 8
    assert left == pytest.approx(np.full(3, leave))


@pytest.mark.parametrize(
    ("forecast", "begins"), [((5, 5, 1, 1), False), ((4, 4, 9, 1), True), ((4, 5, 4, 4), False)]
)
def test_who_is_not_interrupted_begins_with_the_greenest_piece_that_is_in_time(
    forecast: tuple[int, ...], begins: bool
) -> None:
    """Two of four slots: begun in the last of them, it would be late."""
    due = np.zeros((1, 1, 5))
    due[..., 4] = 8.0
    bits = leaving_bits(SimpleNamespace(due_bits=due), 4)  # type: ignore[arg-type]
    assert WaitAwhile(interruptible=False)._begins(bits, np.array([[forecast]], float)) == begins


def test_known_tasks_by_hand() -> None:
    """Slots of 0.1 s: 3 bits come in slot 0 and are here; 5 in slot 2, of whose time slots 3 and 4 are whole."""
    kind = [("replication", int), ("device", int), ("arrival_s", float), ("deadline_s", float)]
    rows = [(0, 0, 0.05, 0.35, 3.0), (0, 0, 0.25, 0.55, 5.0), (0, 0, 0.26, 0.86, 7.0)]
    tasks: Any = np.array(rows, [*kind, ("bits", float)])
    none = np.zeros((9, 1, 1, 2))
    path = SamplePath(tasks, none, np.zeros((9, 1, 1), int), none[..., 0], none[:, 0])
    classes = [TaskClass(0.5, deadline_s, 0.0, 1.0) for deadline_s in (0.3, 0.6)]
    known = KnownTasks(a_network(stations=2, devices=1), path, classes)
    coming, due = known.after(1, np.array([1.0, 2.0, 3.0, 4.0, 7.0]))
    assert coming[:, 0, 0].tolist() == [[0.0, 0.0, 5.0, 5.0, 5.0], [0.0, 0.0, 7.0, 7.0, 7.0]]
    assert due[:, 0, 0].tolist() == [[0.0, 0.0, 0.0, 5.0, 5.0], [0.0, 0.0, 0.0, 0.0, 7.0]]


def test_what_is_known_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="allowed: 'mean', 'nothing', 'known'"):
        Lookahead(expect="all")  # type: ignore[arg-type]


def test_stretches_cover_the_horizon_and_begin_with_single_slots() -> None:
    for slots in (1, 5, 96, 1000):
        lengths = stretches(slots)
        assert sum(lengths) == slots and set(lengths[:4]) == {1}


def test_who_sends_soon_by_hand() -> None:
    """In slots 2 to 4 of the plan: who sends most at its station then, and more than its CPU does."""
    zeros = np.zeros((4, 6))
    wanted = replace(waiting(zeros, zeros, zeros, 1.0), station=np.array([0, 0, 1, 1]))
    sent, local = zeros.copy(), np.full((4, 6), 2.0)
    sent[0, [0, 1, 5]] = 9.0  # too soon, and too late
    sent[1, 3], sent[0, 3] = 5.0, 4.0
    sent[2, 2], sent[3, 4] = 1.0, 3.0
    soon = _sends_soon(wanted, Planned(local, sent, True))
    assert soon.tolist() == [False, True, False, True]


def test_in_long_slots_what_is_due_in_the_next_one_is_sent_in_time() -> None:
    """Slots of an hour, many tasks in each, and of each slot's some due in the next: none late, and most sent."""
    found = {}
    for name in ("lookahead", "lyapunov"):
        run = simulate(
            f"policy.name={name}", *ENDING, "run.slot=1 h", "run.slots=24", "tasks.until=14",
            "tasks.mean=400 Mbit", "tasks.rate=0.004 tasks/s", toml=SMALL,
        )  # fmt: skip
        found[name] = run.trace["emission_mg"].sum()
        if name == "lookahead":
            assert (run.trace.column("outcome") == 0).all()
            sent = run.trace["offloaded_bits"].sum()
            assert sent > run.trace["local_bits"].sum()
    assert found["lookahead"] < 1.1 * found["lyapunov"]


@pytest.mark.slow
def test_who_will_send_is_not_kept_from_it_by_what_is_due_then() -> None:
    """An instance in which a device would stand before 24 slots' bits of its CPU, at 4.3 times the bound."""
    one = ("tasks.together=true", "run.seed=91")
    run = simulate(*ENDING, *one, "policy.name=lookahead", "policy.expect=known", toml=SMALL)
    assert (emitted_mg(run) < 1.1 * bounds_mg(*one)).all()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (("twin.deviation.edge_cpu={relative=1.0}",), "twin.deviation.edge_cpu"),
        (("twin.deviation.device_cpu={noise='1 MHz'}",), "twin.deviation.device_cpu"),
        (("stations.sbs.power={radio='pico', sleep={}}",), "stations.sbs.power.sleep"),
        (("tasks.buffer='600 Mbit'",), "tasks.buffer"),
    ],
)
def test_clairvoyant_refuses_where_its_bound_would_be_none(
    overrides: tuple[str, ...], key: str
) -> None:
    """Where CPUs run faster than the twin believes a policy went below the bound by a fifth."""
    with pytest.raises(ScenarioError, match=f"without `{re.escape(key)}`"):
        prepare(parse_scenario(SMALL, "test", [*ENDING, "policy.name=clairvoyant", *overrides]))
    known = [*ENDING, "policy.name=lookahead", "policy.expect=known", *overrides]
    if key == "tasks.buffer":
        with pytest.raises(ScenarioError, match=f"without `{re.escape(key)}`"):
            prepare(parse_scenario(SMALL, "test", known))
    else:
        prepare(parse_scenario(SMALL, "test", known))


def test_one_task_without_whole_slots_takes_neither_bound_nor_plan() -> None:
    """Some tasks are due within three slots, in time by the bound; the others are planned all the same."""
    classes = "tasks.classes=[{share=0.3, deadline='40 min'}, {share=0.7, deadline='8 h'}]"
    trace = simulate(*ENDING, classes, "policy.name=clairvoyant", toml=SMALL).trace
    assert np.isfinite(trace["lower_bound_mg"]).all() and np.isnan(trace["optimality_gap"]).all()
    busy = ((trace["local_bits"] > 0.0) | (trace["offloaded_bits"] > 0.0)).any(axis=2)
    assert busy.mean() > 0.5


@pytest.mark.slow
def test_no_policy_in_time_emits_less_than_the_bound() -> None:
    """On two sample paths; clairvoyant's own run too, which keeps all deadlines."""
    two = ("run.replications=2", "devices.count=2")
    bound = bounds_mg(*two)
    for name in ("clairvoyant", "lookahead", "wait-awhile", "local"):
        run = simulate(f"policy.name={name}", *ENDING, *two, toml=SMALL)
        assert (emitted_mg(run) >= bound).all(), name
        if name == "clairvoyant":
            assert run.trace["lower_bound_mg"].sum(axis=1) == pytest.approx(bound)
            assert (emitted_mg(run) < 1.15 * bound).all()


def test_wait_awhile_waits_for_the_greener_half(tmp_path: Path) -> None:
    interruptible, in_one, all_time = (
        simulate(f"policy={{name='wait-awhile', penalty='carbon', {more}}}", *ENDING, toml=SMALL)
        for more in ("share=0.5", "share=0.5, interruptible=false", "share=1.0")
    )

    def weighted(run: Run) -> float:
        left = (run.trace["local_bits"] + run.trace["offloaded_bits"])[0].sum(axis=1)
        return float((left * run.trace["carbon_g_per_kwh"][0, :, 0]).sum() / left.sum())

    assert weighted(interruptible) < 0.97 * weighted(all_time)
    assert weighted(in_one) < weighted(all_time)


@pytest.mark.slow
def test_the_distance_to_the_optimum_on_many_instances() -> None:
    """Tasks come as slots begin. The bars of who knows them; others as docs/carbon.md has them, with some room."""
    hundred = ("tasks.together=true", "run.replications=100")
    bound = bounds_mg(*hundred)
    known = ("policy.name=lookahead", "policy.expect=known")
    wrong = "carbon.forecast.error=0.15"
    for bar, *keys in (
        (1.02, *known),
        (1.05, *known, wrong),
        (1.2, "policy.name=lookahead"),
        (1.6, "policy.name=lyapunov"),
    ):
        run = simulate(*ENDING, *hundred, *keys, toml=SMALL)
        ratio = run.trace["emission_mg"].sum(axis=(1, 2)) / bound
        late = int((run.trace.column("outcome") != 0).sum())
        print(keys, np.quantile(ratio, [0.0, 0.05, 0.5, 0.95, 1.0]).round(4), "late", late)
        assert (ratio >= 1.0).all() and np.median(ratio) <= bar, keys
        assert late == 0 or keys == ["policy.name=lyapunov"], keys
