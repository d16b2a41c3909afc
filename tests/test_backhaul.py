"""Reports to the MBS over the backhaul: paths, waiting, stations that are down, no way at all."""

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import observing

from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.network.backhaul import LOST, Backhaul
from edgesim.simulator.network.topology import Links, Topology, star, station_names

MS = 1_000_000


def backhaul(
    stations: int,
    links: Links | Sequence[tuple[Any, ...]],
    report_bits: float = 0.0,
    replications: int = 1,
) -> Backhaul:
    """Links as (source, target, latency in s, capacity in bit/s)."""
    if not isinstance(links, Links):
        columns = [np.array(column) for column in zip(*links, strict=True)]
        links = Links(columns[0], columns[1], columns[2].astype(float), columns[3].astype(float))
    small = stations - 1
    topology = Topology(
        area_m=np.array([500.0, 500.0]),
        station_names=station_names(small),
        station_position_m=np.full((stations, 2), 250.0),
        coverage_m=np.array([np.inf] + [150.0] * small),
        station_bandwidth_hz=np.full(stations, 5e6),
        station_cpu_hz=np.full(stations, 10e9),
        links=links,
    )
    return Backhaul(topology, report_bits, replications)


def both(*links: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Each link in both directions."""
    return [turned for a, b, *rest in links for turned in ((a, b, *rest), (b, a, *rest))]


def working(stations: int, *down: int) -> Any:
    up = np.ones((1, stations), dtype=np.bool_)
    up[0, list(down)] = False
    return up


RING = both(
    (0, 1, 0.001, np.inf),
    (1, 2, 0.002, np.inf),
    (2, 3, 0.004, np.inf),
    (3, 4, 0.008, np.inf),
    (4, 0, 0.016, np.inf),
)
"""MBS - 1 - 2 - 3 - 4 - MBS; the ring's far side is 15 ms one way and 16 ms + … the other."""


def test_ring() -> None:
    ring = backhaul(5, RING)
    assert not ring.instant
    # 3 goes by 2 and 1 (4 + 2 + 1), 4 by 3, 2 and 1 (15) rather than over its own link (16).
    arrival = ring.arrival_ns(10 * MS, working(5))
    assert arrival.tolist() == [[10 * MS, 11 * MS, 13 * MS, 17 * MS, 25 * MS]]


@pytest.mark.parametrize(
    ("cut", "delay_ms"),
    [
        ((0, 1), [0, 30, 28, 24, 16]),
        ((1, 2), [0, 1, 28, 24, 16]),
        ((2, 3), [0, 1, 3, 24, 16]),
        ((3, 4), [0, 1, 3, 7, 16]),
        ((4, 0), [0, 1, 3, 7, 15]),
    ],
)
def test_ring_with_a_link_cut(cut: tuple[int, int], delay_ms: list[int]) -> None:
    ring = backhaul(5, [link for link in RING if {*link[:2]} != {*cut}])
    assert (ring.arrival_ns(0, working(5))[0] // MS).tolist() == delay_ms


@pytest.mark.parametrize(
    ("down", "delay_ms"),
    [
        # A station that is down sends its own report, but those behind it go the other way round.
        ((1,), [0, 1, 28, 24, 16]),
        ((3,), [0, 1, 3, 7, 16]),
        ((0,), [0, 1, 3, 7, 15]),
        # Between two that are down there is no way.
        ((1, 3), [0, 1, None, 24, 16]),
        ((2, 4), [0, 1, 3, None, 16]),
        ((1, 2, 3, 4), [0, 1, None, None, 16]),
    ],
)
def test_a_station_that_is_down_relays_nothing(
    down: tuple[int, ...], delay_ms: list[int | None]
) -> None:
    ring = backhaul(5, RING)
    before = ring.arrival_ns(0, working(5))
    expected = [LOST if delay is None else delay * MS for delay in delay_ms]
    assert ring.arrival_ns(0, working(5, *down)).tolist() == [expected]
    assert ring.arrival_ns(0, working(5)).tolist() == before.tolist()


SLOW = 1e6
"""bit/s: a report of 1000 bits takes 1 ms."""


def test_reports_wait_for_a_shared_link() -> None:
    # 2 and 3 send over 1: their links take 1 ms and 5 ms, the shared one 2 ms.
    tree = both((1, 0, 0.002, SLOW), (2, 1, 0.001, np.inf), (3, 1, 0.005, SLOW))
    one = backhaul(4, tree, report_bits=1000)
    # 1's own goes first: sent until 1, there at 3. 2's is at 1 then: sent until 2, there at 4.
    # 3's is sent until 1, at the shared link at 6: sent until 7, there at 9.
    assert (one.arrival_ns(0, working(4))[0] // MS).tolist() == [0, 3, 4, 9]


def test_reports_wait_in_order_of_arrival() -> None:
    tree = both((1, 0, 0.0, SLOW), (2, 1, 0.0005, np.inf), (3, 1, 0.0002, np.inf))
    one = backhaul(4, tree, report_bits=1000)
    # 1's is sent until 1 ms; 3's has reached the link before 2's.
    assert (one.arrival_ns(0, working(4))[0] // MS).tolist() == [0, 1, 3, 2]
    together = both((1, 0, 0.0, SLOW), (2, 1, 0.0, np.inf), (3, 1, 0.0, np.inf))
    ties = backhaul(4, together, report_bits=1000)
    assert (ties.arrival_ns(0, working(4))[0] // MS).tolist() == [0, 1, 2, 3]


def test_reports_of_an_earlier_round_go_first() -> None:
    one = backhaul(2, both((1, 0, 0.0, SLOW)), report_bits=3000)
    arrivals = [one.arrival_ns(now, working(2))[0, 1] / MS for now in (0, MS, 2 * MS, 20 * MS)]
    assert arrivals == [3.0, 6.0, 9.0, 23.0]


def test_a_checkpoint_keeps_what_is_under_way() -> None:
    one = backhaul(2, both((1, 0, 0.0, SLOW)), report_bits=3000)
    one.arrival_ns(0, working(2))
    again = pickle.loads(pickle.dumps(one))
    for now in (MS, 2 * MS):
        assert (
            again.arrival_ns(now, working(2)).tolist() == one.arrival_ns(now, working(2)).tolist()
        )


def test_replications_do_not_wait_for_each_other() -> None:
    tree = both((1, 0, 0.002, SLOW), (2, 1, 0.001, SLOW), (2, 0, 0.008, SLOW))
    two = backhaul(3, tree, 1000, replications=2)
    up = np.array([[True, True, True], [True, False, True]])
    # In the second 1 is down, so 2 takes its own link.
    assert (two.arrival_ns(0, up) // MS).tolist() == [[0, 3, 5], [0, 3, 9]]
    # There the shared link sends 2's until 3, and only then what 1 sends anew.
    assert (two.arrival_ns(0, up) // MS).tolist() == [[0, 6, 7], [0, 4, 10]]


def test_of_two_ways_as_short_the_one_with_fewer_links_is_taken() -> None:
    three = [(4, 0, 0.0, np.inf), (2, 4, 0.0, np.inf), (3, 2, 0.002, np.inf)]
    two = [(1, 0, 0.002, np.inf), (3, 1, 0.0, np.inf)]
    assert backhaul(5, three + two).path(3, working(5)[0]) == [4, 3]
    assert backhaul(5, three + two).path(3, working(5, 1)[0]) == [2, 1, 0]
    assert backhaul(5, three + two).path(0, working(5)[0]) == []


def test_reports_reach_an_mbs_that_is_down() -> None:
    assert backhaul(5, RING).arrival_ns(0, working(5, 0))[0, 4] == 15 * MS


def test_links_have_a_direction() -> None:
    away = backhaul(3, [(1, 0, 0.001, np.inf), (1, 2, 0.001, np.inf)])
    assert away.arrival_ns(0, working(3)).tolist() == [[0, MS, LOST]]


def test_the_default_star_is_instant() -> None:
    one = backhaul(4, star(3), report_bits=1e6)
    assert one.instant
    assert one.arrival_ns(7, working(4, 0, 2)).tolist() == [[7, 7, 7, 7]]
    assert backhaul(1, star(0), report_bits=1e6).instant
    assert not backhaul(4, star(3, latency_s=0.001)).instant
    assert not backhaul(4, star(3, capacity_bps=1e9), report_bits=1.0).instant
    assert backhaul(4, star(3, capacity_bps=1e9)).instant


def test_delays_of_a_star_are_those_of_its_links() -> None:
    one = backhaul(3, star(2, 0.001, SLOW), report_bits=1000)
    assert one.arrival_ns(5 * MS, working(3, 1)).tolist() == [[5 * MS, 7 * MS, 7 * MS]]


def test_an_ideal_twin_hears_of_everything_at_once(tmp_path: Path) -> None:
    chain = RING_FILE | {"edges": [edge | {"latency_s": 0} for edge in RING_FILE["edges"]]}
    (tmp_path / "chain.json").write_text(json.dumps(chain))
    file = f'topology.file="{tmp_path / "chain.json"}"'
    failing = 'stations.sbs.failures={time_to_failure=1, time_to_repair=100, law="fixed"}'
    for sync, ages in (("ideal", [0.0] * 5), ("periodic", [0.0, 0.0, 4.0, 4.0, 4.0])):
        seen: list[Any] = []
        observing(seen, file, failing, f"twin.sync={sync}")
        assert not seen[-1][0].station_up[0, 1]
        np.testing.assert_allclose(seen[-1][0].station_age_s[0], ages, atol=1e-9)


@pytest.mark.parametrize(
    ("keys", "ages"),
    [
        # Seen at the next slot, of 100 ms.
        (["backhaul.latency=130 ms"], [0.0, 0.2, 0.2, 0.2]),
        (["backhaul.capacity=10 kbit/s", "backhaul.report=600 bit"], [0.0, 0.1, 0.1, 0.1]),
        (["backhaul.capacity=10 kbit/s"], [0.0, 0.0, 0.0, 0.0]),
        (["backhaul.report=600 bit"], [0.0, 0.0, 0.0, 0.0]),
        # The hop's own latency comes on top.
        (["backhaul.latency=130 ms", "twin.station.latency=100 ms"], [0.0, 0.3, 0.3, 0.3]),
    ],
)
def test_the_keys_of_the_backhaul(keys: list[str], ages: list[float]) -> None:
    seen: list[Any] = []
    observing(seen, "twin.sync=periodic", *keys)
    np.testing.assert_allclose(seen[-1][0].station_age_s[0], ages, atol=1e-9)


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("latency", ["backhaul.latency=1 ms"]),
        ("report", ["backhaul.capacity=1 Mbps", "backhaul.report=1 bit"]),
    ],
)
def test_an_ideal_twin_has_no_time_for_the_backhaul(key: str, keys: list[str]) -> None:
    with pytest.raises(ScenarioError, match=f"key `backhaul.{key}` = .*: has no effect"):
        parse_scenario('title = "t"', "t", keys)
    parse_scenario('title = "t"', "t", keys[:-1])


@pytest.mark.parametrize(
    ("key", "value"), [("latency", "-1 ms"), ("capacity", "0 bit/s"), ("report", "-1 bit")]
)
def test_what_the_keys_of_the_backhaul_may_not_be(key: str, value: str) -> None:
    with pytest.raises(ScenarioError, match=f"key `backhaul.{key}` = .*: too small"):
        parse_scenario('title = "t"', "t", ["twin.sync=periodic", f"backhaul.{key}={value}"])


def test_a_link_too_slow_to_send_anything_loses_it() -> None:
    one = backhaul(3, [(1, 0, 0.0, 1e-12), (2, 0, 1e12, SLOW)], report_bits=1000)
    for _ in range(3):
        arrival = one.arrival_ns(0, working(3))
        assert arrival[0, 1] == LOST
        assert arrival[0, 2] > 1e18


RING_FILE: dict[str, Any] = {
    "directed": False,
    "multigraph": False,
    "graph": {},
    "nodes": [
        {"id": "mbs", "kind": "mbs", "x_m": 250, "y_m": 250},
        {"id": "sbs-1", "kind": "sbs", "x_m": 400, "y_m": 250},
        {"id": "sbs-2", "kind": "sbs", "x_m": 250, "y_m": 400},
        {"id": "sbs-3", "kind": "sbs", "x_m": 100, "y_m": 250},
        {"id": "sbs-4", "kind": "sbs", "x_m": 250, "y_m": 100},
    ],
    # sbs-1 reaches the MBS; the link between sbs-1 and sbs-4, which would close the ring, is cut.
    "edges": [
        {"source": "mbs", "target": "sbs-1", "latency_s": 0.01},
        {"source": "sbs-1", "target": "sbs-2", "latency_s": 0.13},
        {"source": "sbs-2", "target": "sbs-3", "latency_s": 0.13},
        {"source": "sbs-3", "target": "sbs-4", "latency_s": 0.13},
    ],
}


def test_the_age_of_the_twin_is_what_the_path_says(tmp_path: Path) -> None:
    """A ring of four SBSs with one link cut: 10, 140, 270 and 400 ms, seen at the next slot."""
    (tmp_path / "ring.json").write_text(json.dumps(RING_FILE))
    seen: list[Any] = []
    run = observing(seen, f'topology.file="{tmp_path / "ring.json"}"', "twin.sync=periodic")
    assert run.network.station_names == ("mbs", "sbs-1", "sbs-2", "sbs-3", "sbs-4")
    for observation, _ in seen[5:]:
        ages = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
        np.testing.assert_allclose(observation.station_age_s[0], ages, atol=1e-9)
        np.testing.assert_allclose(observation.age_s[0], ages[observation.station[0]], atol=1e-9)


def test_reports_find_another_way_around_a_station_that_is_down(tmp_path: Path) -> None:
    """The whole ring, and sbs-1 down from 1 s on: nothing relays for sbs-2 to sbs-4 any more."""
    (tmp_path / "ring.json").write_text(json.dumps(RING_FILE))
    seen: list[Any] = []
    failing = 'stations.sbs.failures={time_to_failure=1, time_to_repair=100, law="fixed"}'
    observing(seen, f'topology.file="{tmp_path / "ring.json"}"', failing, "twin.sync=periodic")
    last = seen[-1][0]
    assert last.station_age_s[0, 1] == pytest.approx(0.1)  # its own report leaves all the same
    np.testing.assert_allclose(last.station_age_s[0, 2:], 49 * 0.1 - 0.9, atol=1e-9)
