"""P2's search for the senders of a cell: what spares it work changes nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_lyapunov import NOISE_MODELS, network_of_20

from edgesim.experiments.run import prepare
from edgesim.policies.stream.p2.allocation import INFINITE, greatest_efficiency
from edgesim.policies.stream.p2.intercell import interplay, optimise_radio
from edgesim.policies.stream.p2.senders import _gain_at_price, _out_of_reach, search
from edgesim.policies.stream.p2.slot import (
    DEVICE,
    Slot,
    collect,
    fix_cpus,
    make_cells,
    observe,
    optimise_cpus,
)
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.core.sorting import begin_ranking, rank
from edgesim.simulator.network.network import NoiseModel
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.stream.observation import Observation
from edgesim.simulator.stream.problem import DriftPlusPenalty


@pytest.mark.parametrize("count", [1, 2, 3, 40, 257])
def test_as_many_are_ranked_as_are_wanted(count: int) -> None:
    """As a stable sort has them, of equal ones the first in front; the rest are those that are left."""
    rng = np.random.default_rng(count)
    value = rng.integers(0, max(count // 3, 1), count).astype(float)
    value[rng.random(count) < 0.2] = -np.inf
    sorted_places = np.argsort(-value, kind="stable")
    order = np.empty(count, np.int64)
    begin_ranking(value, order)
    ranked = 0
    for wanted in (0, 1, count // 3, count // 3, count):
        ranked = rank(value, order, ranked, wanted)
        assert ranked >= wanted
        assert np.array_equal(order[::-1][:ranked], sorted_places[:ranked])
        assert np.array_equal(np.sort(order), np.arange(count))


def observed_in_a_run(noise_model: NoiseModel) -> tuple[DriftPlusPenalty, list[Observation]]:
    """What a policy saw of 300 devices, with queues that have filled."""
    keys = ("devices.count=300", "run.slots=30", f'channel.noise_model="{noise_model}"')
    experiment = prepare(load_scenario("iiot_20dev", keys))
    problem, streams = experiment.blueprint.problem, Streams(1, 1)
    assert isinstance(problem, DriftPlusPenalty)
    experiment.policy.reset(problem.network, problem, streams.generators("policy"))
    seen: list[Observation] = []

    def decide(observation: Observation) -> Decision:
        seen.append(observation)
        decision: Decision = experiment.policy.decide(observation)
        return decision

    experiment.blueprint.simulation(decide, NullRecorder(), streams).run()
    return problem, seen[10:]


@pytest.mark.parametrize("set_cpus", [optimise_cpus, fix_cpus])
@pytest.mark.parametrize("noise_model", NOISE_MODELS)
def test_who_is_left_out_of_the_search_could_not_have_entered(
    noise_model: NoiseModel, set_cpus: Callable[[Slot], None]
) -> None:
    """What a sender would gain is never above the bound; and the bound leaves out most who gain too little."""
    problem, observations = observed_in_a_run(noise_model)
    gains = looked_at = left_out = 0
    for observation in observations:
        observed, pool = observe(problem, observation), np.zeros(300, DEVICE)
        slot = collect(make_cells(problem), observed, 0, pool)
        set_cpus(slot)
        play = interplay(4, 300)
        optimise_radio(slot, play, False)
        for cell in slot.cells:
            own: Any = slot.devices[cell["first"] : cell["end"]]
            best = search(cell, own, play.scratch)
            roots = np.sqrt(own["bits"][own["sends"] == 1]).sum()
            price = cell["band_price"]
            for device in own[(own["is_candidate"] == 1) & (own["sends"] == 0)][:20]:
                if _gain_at_price(cell, device, roots, -INFINITE) < 1e-3 * best:
                    looked_at += 1
                    left_out += _out_of_reach(cell, device, 1e-3 * best)
                cell["band_price"] = 0.1 * price  # at which more would gain by it
                gain = _gain_at_price(cell, device, roots, -INFINITE)
                gains += gain > 0.0
                assert gain <= 0.0 or not _out_of_reach(cell, device, gain * (1.0 - 1e-9))
                cell["band_price"] = price
    assert gains > 100 and looked_at > 300
    assert (left_out > 0.5 * looked_at) == (noise_model == "total")


def test_a_greatest_efficiency_is_of_the_disturbance_that_is() -> None:
    """ln(1 + p h / disturbance); once it is known it is not worked out again."""
    state = network_of_20(1, "total")
    observed = observe(state.problem, state.observation)
    slot = collect(make_cells(state.problem), observed, 0, np.zeros(20, DEVICE))
    optimise_cpus(slot)
    optimise_radio(slot, interplay(4, 20), False)
    cell = slot.cells[1]
    device = slot.devices[cell["first"]]
    cell["disturbance"] = 3e-13
    device["efficiency_max"] = 0.0
    expected = np.log1p(device["power_max"] * device["gain"] / 3e-13)
    assert greatest_efficiency(cell, device, 1.0) == pytest.approx(expected, rel=1e-12)
    device["efficiency_max"] = 2.5
    assert greatest_efficiency(cell, device, 1.0) == 2.5
