"""One slot by hand: rates, service, energy. Numbers worked out on paper from A(3) to A(12)."""

from dataclasses import replace
from math import log2
from typing import Any

import numpy as np
import pytest
from conftest import a_network
from hypothesis import given
from hypothesis import strategies as st

from edgesim.simulator.core.errors import AnswerError
from edgesim.simulator.models.battery import Battery
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.network.spectral_efficiency import (
    SHANNON,
    SpectralEfficiency,
    spectral_efficiency,
)
from edgesim.simulator.stream.channel import interference_w, rate_bps
from edgesim.simulator.stream.decision import Decision, check, fit
from edgesim.simulator.stream.energy import within_battery
from edgesim.simulator.stream.outcome import carry_out
from edgesim.simulator.stream.problem import DriftPlusPenalty
from edgesim.simulator.stream.queues import after_service, drain

# Devices 0 and 1 at the MBS, 2 at SBS 1, 3 at SBS 2.
STATION = np.array([[0, 0, 1, 2]])
GAIN = np.array([[[2e-8, 3e-9, 4e-9], [5e-8, 6e-9, 7e-9], [8e-9, 9e-8, 1e-9], [3e-9, 2e-9, 4e-8]]])


def test_a_tiny_number_is_not_any_tiny_number() -> None:
    """What `conftest` changes in `pytest.approx`, by which hundreds of tests compare joules and seconds."""
    tiny = np.array([4e-21, 0.0])
    assert tiny == pytest.approx(tiny * (1.0 + 1e-9))
    for other in (tiny * 2.0, np.array([4e-21, 1e-30]), np.zeros(2)):
        assert tiny != pytest.approx(other)
        assert tiny.tolist() != pytest.approx(other.tolist(), rel=1e-15)


def test_interference_is_heard_between_sbs_cells_only() -> None:
    power = np.array([[0.1, 0.05, 0.02, 0.04]])
    heard = interference_w(power, GAIN, STATION)
    # SBS 1 hears device 3 through its gain to SBS 1; SBS 2 hears device 2; the MBS hears nobody.
    np.testing.assert_allclose(heard, [[0.0, 0.04 * 2e-9, 0.02 * 1e-9]], rtol=1e-15)


def test_who_hears_whom() -> None:
    """SBS 1 hears device 3, SBS 2 hears device 2; the MBS and its devices have their own band."""
    heard = np.argwhere(Cells(STATION, 3).crosses[0]).tolist()
    assert heard == [[2, 2], [3, 1]]


@pytest.mark.parametrize("model", ["total", "density"])
def test_rates(model: str) -> None:
    network = a_network(noise_w=np.array([1e-14, 2e-14, 3e-14]), noise_model=model)
    power = np.array([[0.1, 0.05, 0.02, 0.04]])
    bandwidth = np.array([[4e6, 6e6, 2.5e6, 1e6]])
    share = np.array([0.4, 0.6, 0.5, 0.2]) if model == "density" else np.ones(4)
    expected = [
        4e6 * log2(1 + 0.1 * 2e-8 / (1e-14 * share[0])),
        6e6 * log2(1 + 0.05 * 5e-8 / (1e-14 * share[1])),
        2.5e6 * log2(1 + 0.02 * 9e-8 / (2e-14 * share[2] + 0.04 * 2e-9)),
        1e6 * log2(1 + 0.04 * 4e-8 / (3e-14 * share[3] + 0.02 * 1e-9)),
    ]
    edge_cpu = np.full((1, 4), 1e9)
    decision = Decision(bandwidth, power, edge_cpu * 0.0, edge_cpu, np.zeros((1, 3)))
    outcome = carry_out(network, Cells(STATION, 3), GAIN, np.full((1, 4), 1e9), decision)
    np.testing.assert_allclose(outcome.rate_bps[0], expected, rtol=1e-14)


@pytest.mark.parametrize("limit", [SHANNON, spectral_efficiency("cqi-table-1")])
def test_no_band_carries_nothing_and_has_no_noise(limit: SpectralEfficiency) -> None:
    """The limit of A(4): w log2(1 + a / w) is 0, also where the noise vanishes with the band."""
    for disturbance_w in (1e-14, 0.0):
        assert rate_bps(0.0, 1e-9, disturbance_w, limit) == 0.0
    for hertz in (1e-3, 1.0, 1e6):
        found = rate_bps(hertz, 3e-9, 1e-9, SHANNON)
        np.testing.assert_allclose(found, 2.0 * hertz, rtol=1e-15)


def test_a_slot_by_hand() -> None:
    network = a_network()
    decision = Decision(
        bandwidth_hz=np.array([[5e6, 5e6, 1e6, 0.0]]),
        power_w=np.array([[0.1, 0.1, 0.1, 0.1]]),
        local_cpu_hz=np.array([[0.5e9, 0.2e9, 0.0, 0.5e9]]),
        edge_cpu_hz=np.array([[20e9, 20e9, 10e9, 10e9]]),
        served_bits=np.array([[1e6, 2e6, 0.0]]),
    )
    queue = np.array([[1e7, 1e5, 1e8, 2e5]])
    outcome = carry_out(network, Cells(STATION, 3), GAIN, queue, decision)
    # Device 3 has no bandwidth: it is silent, so SBS 1 hears noise only.
    rate = [
        5e6 * log2(1 + 0.1 * 2e-8 / 1e-14),
        5e6 * log2(1 + 0.1 * 5e-8 / 1e-14),
        1e6 * log2(1 + 0.1 * 9e-8 / 1e-14),
        0.0,
    ]
    np.testing.assert_allclose(outcome.rate_bps[0], rate, rtol=1e-14)
    np.testing.assert_array_equal(outcome.power_w[0], [0.1, 0.1, 0.1, 0.0])
    # Device 1 could serve 0.2 Mbit by its CPU and `radio` by its radio, but has 0.1 Mbit:
    radio = 0.1 * rate[1]
    local_1 = 1e5 * 2e5 / (2e5 + radio)
    local = [5e5, local_1, 0.0, 2e5]
    sent = [0.1 * rate[0], 1e5 - local_1, 0.1 * rate[2], 0.0]
    np.testing.assert_allclose(outcome.local_bits[0], local, rtol=1e-14)
    np.testing.assert_allclose(outcome.offloaded_bits[0], sent, rtol=1e-14)
    np.testing.assert_allclose(
        outcome.station_inflow_bits[0], [sent[0] + sent[1], sent[2], 0.0], rtol=1e-14
    )
    # A(9): varsigma tau f^3 at the speed that spreads the local bits over the whole slot.
    speeds = np.array(local) * 100.0 / 0.1
    np.testing.assert_allclose(outcome.local_cpu_hz[0], speeds, rtol=1e-14)
    np.testing.assert_allclose(outcome.local_energy_j[0], 1e-27 * 0.1 * speeds**3, rtol=1e-14)
    # A(11): the full slot for devices 0 and 2, the time it takes for device 1.
    airtime = [0.1, sent[1] / rate[1], 0.1, 0.0]
    edge = [0.1 * b * 100.0 / f for b, f in zip(sent, [20e9, 20e9, 10e9, 10e9], strict=True)]
    expected = [0.1 * t + e for t, e in zip(airtime, edge, strict=True)]
    np.testing.assert_allclose(outcome.offload_energy_j[0], expected, rtol=1e-13)
    # A(12), and what a battery gives of it.
    total = [1e-28 * f**3 + e for f, e in zip(speeds, expected, strict=True)]
    np.testing.assert_allclose(outcome.energy_j[0], total, rtol=1e-13)
    np.testing.assert_allclose(outcome.radio_energy_j[0], 0.1 * np.array(airtime), rtol=1e-13)


def test_no_edge_cpu_no_offloading() -> None:
    network = a_network()
    idle = Decision.idle(network)
    ones = np.ones((1, 4))
    decision = Decision(ones * 1e6, ones * 0.1, idle.local_cpu_hz, ones * 0, idle.served_bits)
    outcome = carry_out(network, Cells(STATION, 3), GAIN, ones * 1e6, decision)
    assert not outcome.offloaded_bits.any() and not outcome.energy_j.any()


bits = st.floats(0.0, 1e9)


@given(bits, bits, bits)
def test_drain_serves_in_proportion_and_never_more_than_is_there(
    queue: float, local: float, radio: float
) -> None:
    executed, sent = drain(queue, local, radio)
    served = executed + sent
    assert served <= queue * (1 + 1e-15)
    assert served == pytest.approx(min(queue, local + radio), rel=1e-12)
    share = min(1.0, queue / (local + radio)) if local + radio else 1.0
    assert executed == pytest.approx(local * share, rel=1e-12, abs=1e-12 * queue + 1e-300)
    assert sent == pytest.approx(radio * share, rel=1e-12, abs=1e-12 * queue + 1e-300)


def test_queue_recursion() -> None:
    left = np.vectorize(after_service)(
        np.array([5.0, 5.0]), np.array([2.0, 7.0]), np.array([1.0, 1.0])
    )
    np.testing.assert_array_equal(left, [4.0, 1.0])


def test_fit_scales_down_what_exceeds_a_capacity_and_counts_it() -> None:
    network = a_network()
    decision = Decision(
        bandwidth_hz=np.array([[15e6, 5e6, 5e6, 1e6]]),
        power_w=np.array([[0.2, 0.1, 0.0, 0.05]]),
        local_cpu_hz=np.array([[1e9, 0.5e9, 0.1e9, 0.0]]),
        edge_cpu_hz=np.array([[10e9, 10e9, 40e9, 1e9]]),
        served_bits=np.array([[1e9, 1e3, 5e6]]),
    )
    fitted, scaled = fit(
        decision, network, Cells(STATION, 3), np.full((1, 4), 0.1), np.array([[1e9, 1e9, 4e6]])
    )
    np.testing.assert_allclose(fitted.bandwidth_hz[0], [7.5e6, 2.5e6, 5e6, 1e6])
    np.testing.assert_array_equal(fitted.power_w[0], [0.1, 0.1, 0.0, 0.05])
    np.testing.assert_array_equal(fitted.local_cpu_hz[0], [0.5e9, 0.5e9, 0.1e9, 0.0])
    np.testing.assert_allclose(fitted.edge_cpu_hz[0], [10e9, 10e9, 10e9, 1e9])
    # A(14e): 50 GHz for 0.1 s at 100 cycles/bit are 50 Mbit; the last station holds only 4 Mbit.
    np.testing.assert_array_equal(fitted.served_bits[0], [50e6, 1e3, 4e6])
    # Both bandwidths at the MBS, one power, one CPU, one edge CPU, one station's service.
    assert scaled.tolist() == [2 + 1 + 1 + 1 + 1]


@pytest.mark.parametrize(
    ("field", "asked", "given"),
    [
        ("bandwidth_hz", [8e6, 4e6, 5e6, 5e6], [20e6 / 3, 10e6 / 3, 5e6, 5e6]),
        ("power_w", [0.1, 0.1, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1]),
        ("local_cpu_hz", [0.5e9, 0.5e9, 0.5e9, 1e9], [0.5e9] * 4),
        ("edge_cpu_hz", [25e9, 25e9, 10e9, 40e9], [25e9, 25e9, 10e9, 10e9]),
        ("served_bits", [60e6, 1e3, 0.0], [50e6, 1e3, 0.0]),
        ("served_bits", [50e6, 3e3, 0.0], [50e6, 2e3, 0.0]),
    ],
)
def test_each_limit_is_looked_at(field: str, asked: list[float], given: list[float]) -> None:
    """All else is exactly what the network can do."""
    full: dict[str, Any] = {
        "bandwidth_hz": [5e6, 5e6, 5e6, 5e6],
        "power_w": [0.1] * 4,
        "local_cpu_hz": [0.5e9] * 4,
        "edge_cpu_hz": [25e9, 25e9, 10e9, 10e9],
        "served_bits": [50e6, 2e3, 0.0],
    }
    full = {name: np.array([values]) for name, values in full.items()}
    limits = a_network(), Cells(STATION, 3), np.full((1, 4), 0.1), np.array([[1e9, 2e3, 0.0]])
    fitted, scaled = fit(Decision(**full), *limits)
    assert scaled.tolist() == [0]
    fitted, scaled = fit(Decision(**full | {field: np.array([asked])}), *limits)
    for name, values in (full | {field: np.array([given])}).items():
        np.testing.assert_allclose(getattr(fitted, name), values, rtol=1e-15, err_msg=name)
    # Both devices of the MBS share its band; serving less because the queue is shorter is no fault.
    assert scaled.tolist() == [{"bandwidth_hz": 2}.get(field, int(asked[1] != 3e3))]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("power_w", np.full((1, 4), np.nan), "power_w: nan at replication 0, device 0"),
        (
            "bandwidth_hz",
            np.array([[0.0, 0.0, -1.0, 0.0]]),
            "device 2; allowed: finite and not neg",
        ),
        ("edge_cpu_hz", np.full((1, 4), np.inf), "edge_cpu_hz: inf"),
        ("served_bits", np.zeros((1, 4)), r"served_bits: shape \(1, 4\), expected \(1, 3\)"),
        ("local_cpu_hz", "fast", "local_cpu_hz: not an array of numbers"),
        ("served_bits", np.array([[0.0, np.nan, 0.0]]), "replication 0, station 1"),
    ],
)
def test_check_names_the_field(field: str, value: object, message: str) -> None:
    network = a_network()
    values = {**{f: getattr(Decision.idle(network), f) for f in FIELDS}, field: value}
    with pytest.raises(AnswerError, match=message):
        check(Decision(**values), network)


FIELDS = ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits")


def test_check_takes_lists_and_integers() -> None:
    network = a_network()
    zeros = [[0, 0, 0, 0]]
    checked = check(Decision(zeros, zeros, zeros, zeros, [[0, 1, 2]]), network)  # type: ignore[arg-type]
    assert checked.served_bits.dtype == np.float64 and checked.served_bits.tolist() == [[0, 1, 2]]


def test_battery_feeds_the_cpu_first() -> None:
    network = a_network(devices=3)
    # Full speed takes 1e-27 * 0.1 * (0.5e9)^3 = 12.5 mJ, full power 10 mJ.
    battery = np.array([[1.0, 15e-3, 5e-3]])
    speed, power = within_battery(network, battery, np.full((1, 3), 0.5e9), np.full((1, 3), 0.1))
    np.testing.assert_allclose(speed[0], [0.5e9, 0.5e9, (5e-3 / 1e-28) ** (1 / 3)], rtol=1e-12)
    np.testing.assert_allclose(power[0], [0.1, 0.025, 0.0], atol=1e-12)


class Draws:
    """A generator of which it is known what it draws."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def random(self, size: int) -> Any:
        assert size == len(self.values)
        return np.array(self.values)


def test_a_battery_by_hand() -> None:
    """2 W on average for 0.1 s: up to 0.4 J; 0.1 J each slot, of at most 1 J, for a radio of 0.1 W."""
    battery = Battery(a_network(devices=3), 1.0, 2.0, [Draws(0.25, 0.999, 0.0)])  # type: ignore[list-item]
    charge = battery.after_slot(np.array([[0.5, 0.9, 0.009]]), np.array([[0.2, 0.1, 0.003]]))
    np.testing.assert_allclose(charge, [[0.4, 1.0, 0.006]], rtol=1e-14)
    np.testing.assert_allclose(battery.power_max_w(charge), [[0.1, 0.1, 0.06]], rtol=1e-14)


def test_the_value_of_a_slot_by_hand() -> None:
    """10 [(3 + 1) - 0.5 (4 + 2)] - (7 - 2)(4 - 1) - (5 - 9)(2 - 3) + 6 (3 - 1) + 2 (1 - 2) = 1."""
    network = a_network(stations=2, devices=2)
    cells, idle = Cells(np.zeros((1, 2), np.int64), 2), Decision.idle(network)
    outcome = replace(
        carry_out(network, cells, np.ones((1, 2, 2)), np.zeros((1, 2)), idle),
        energy_j=np.array([[3.0, 1.0]]),
        departed_bits=np.array([[4.0, 2.0]]),
        station_inflow_bits=np.array([[3.0, 1.0]]),
        station_served_bits=np.array([[1.0, 2.0]]),
    )
    queues = np.array([[7.0, 5.0]]), np.array([[6.0, 2.0]])
    beta, eta, arrived = np.array([[2.0, 9.0]]), np.array([0.5]), np.array([[1.0, 3.0]])
    problem = DriftPlusPenalty(network, 10.0)
    assert problem.objective(outcome, *queues, beta, eta, arrived).tolist() == [1.0]
    # Without the arrivals' (7 - 2) 1 + (5 - 9) 3.
    assert problem.objective(outcome, *queues, beta, eta).tolist() == [1.0 - 5.0 + 12.0]


@pytest.mark.parametrize(
    ("perturbation", "beta"),
    [
        ("observed", [4e5, 4e5]),  # the largest departure, 3e5 bit
        ("local", [6e5, 2e5]),  # 0.5 and 0.1 GHz for 0.1 s at 100 cycles/bit
        ("none", [0.0, 0.0]),
    ],
)
def test_perturbation_by_hand(perturbation: Any, beta: list[float]) -> None:
    """V eta' = 1e13 bit^2/J x 10 nJ/bit = 1e5 bit."""
    network = a_network(devices=2, device_cpu_hz=np.array([0.5e9, 0.1e9]))
    problem = DriftPlusPenalty(network, 1e13, perturbation)
    departed = np.array([[2e5, 3e5]])  # bit, in the last slot; 5e5 bit at 5 mJ before it
    eta, found = problem.predict(
        np.array([[8e-3, 7e-3]]), departed + 2.5e5, np.array([[4e-3, 6e-3]]), departed
    )
    assert eta.tolist() == [1.5e-2 / 1e6]
    np.testing.assert_allclose(found, [beta], rtol=1e-14)
