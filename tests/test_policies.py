"""Every policy on every shipped scenario of its problem, and what all policies have in common."""

import gzip
import itertools
import json
import math
import shutil
import tempfile
import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import simpy
from conftest import Run, simulate
from untrained import STEADY, save_untrained

from edgesim.policies.catalogue import POLICIES, descriptions
from edgesim.scenarios.components import resolve
from edgesim.scenarios.data.catalogue import catalogue
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.shipped import shipped
from edgesim.simulator.core.arrays import FloatArray

PLANNERS = ("lookahead", "wait-awhile", "clairvoyant")
"""They plan by deadlines and intensities, and refuse scenarios without."""

ABLATIONS: dict[str, tuple[str, ...]] = {
    "lyapunov radio": ("policy.name=lyapunov", 'policy.optimise=["radio"]'),
    "lyapunov compute": ("policy.name=lyapunov", 'policy.optimise=["compute"]'),
}
"""The two benchmarks of Fig. 4."""

LEARNED = ("aac", "ddpg", "dqn", "sac")
PRINTED = "policy.action=paper"
CORRECTED = "policy.action=corrected"

UNTRAINED = Path(tempfile.mkdtemp(prefix="edgesim-untrained-"))


FIRST = ("iiot_20dev", "carbon_6ue")
"""The papers' networks; printed actions run on the others every night, corrected ones on all."""


@pytest.fixture(scope="module", autouse=True)
def untrained(request: pytest.FixtureRequest) -> Iterator[None]:
    """Checkpoints of networks that run with any number of devices, before any training."""
    asked = [item.name for item in request.session.items if "printed" in item.name]
    for scenario in shipped():
        run = tomllib.loads(scenario.path.read_text(encoding="utf-8"))["run"]
        problem = run.get("problem", "drift-plus-penalty")
        for name in LEARNED:
            if scenario.name in FIRST:
                path = UNTRAINED / f"{problem}-{name}.pt"
                save_untrained(load_scenario(scenario.name, policy=name), path)
                if name == "ddpg" and any(
                    "corrected" in item.name for item in request.session.items
                ):
                    path = UNTRAINED / f"{problem}-{name}-corrected.pt"
                    save_untrained(load_scenario(scenario.name, [CORRECTED], policy=name), path)
            # The state A(21) has an entry for each station.
            if any(f"[{scenario.name}-{name} printed" in item for item in asked):
                path = UNTRAINED / f"{scenario.name}-{name}.pt"
                save_untrained(load_scenario(scenario.name, [PRINTED], policy=name), path)
    yield
    shutil.rmtree(UNTRAINED)


def cases(problem: str, scenario: str = "", green: bool = False) -> dict[str, tuple[str, ...]]:
    """The policies for a problem, as overrides of a scenario; printed and corrected actions for a shipped one."""
    named: dict[str, tuple[str, ...]] = {
        name: (f"policy.name={name}",)
        for name in POLICIES[problem]
        if green or name not in PLANNERS
    }
    for name in set(LEARNED) & set(named):
        named[name] += (f"policy.checkpoint={UNTRAINED}/{problem}-{name}.pt",)
    named["agent"] = STEADY
    for name in LEARNED if scenario else ():
        keys = (f"policy.name={name}", f"policy.checkpoint={UNTRAINED}/{scenario}-{name}.pt")
        named[f"{name} printed"] = (*keys, PRINTED)
    if scenario:
        path = UNTRAINED / f"{problem}-ddpg-corrected.pt"
        named["ddpg corrected"] = ("policy.name=ddpg", f"policy.checkpoint={path}", CORRECTED)
    if problem != "drift-plus-penalty":
        return named
    # A search over all sets of senders is for small networks, and refuses others.
    return named | ABLATIONS | {"exact": ("policy.name=exact", "devices.count=2")}


def cells(*problems: str, slow: str = "", others: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Parametrise over scenarios and policies: a table without an empty cell.

    Slow are those of a problem, of other scenarios than the first, printed actions on them, and
    corrected ones.
    """
    parameters = []
    for scenario in shipped():
        toml = scenario.path.read_text(encoding="utf-8")
        table = tomllib.loads(toml)
        if (problem := table["run"].get("problem", "drift-plus-penalty")) not in problems:
            continue
        parameters += [
            pytest.param(
                toml,
                policy,
                id=f"{scenario.name}-{name}",
                marks=[pytest.mark.slow]
                if problem == slow
                or scenario.name in others
                or CORRECTED in policy
                or (PRINTED in policy and scenario.name not in FIRST)
                else [],
            )
            for name, policy in cases(problem, scenario.name, "classes" in table["tasks"]).items()
        ]
    return pytest.mark.parametrize(("toml", "policy"), parameters)


every_cell = cells(*POLICIES)
OTHERS = tuple({one.name for one in shipped()} - {*FIRST, "green_shift_gb"})
"""What comes on top of a run in every cell is tried on these every night, on the first every day."""

# Every day all that is uncertain comes at once in the stream: test_runs_when_everything_is_uncertain.
slow_in_the_stream = cells(*POLICIES, slow="drift-plus-penalty")


@pytest.mark.parametrize("problem", POLICIES)
def test_descriptions_are_those_of_the_classes(problem: str) -> None:
    known = {
        name: str(resolve(name, "policies", POLICIES[problem]).__doc__)
        for name in POLICIES[problem]
    }
    assert descriptions(problem) == [(name, text.split("\n")[0]) for name, text in known.items()]


MOVING = ("mobility={model='random-waypoint', speed=['20 m/s', '30 m/s']}",)
BATTERIES = 'devices.battery={capacity="0.05 J", initial=0.5, harvest="60 mW"}'


def slot_of(toml: str) -> float:
    """Seconds."""
    slot = tomllib.loads(toml)["run"]["slot"]
    return 900.0 if slot == "15 min" else float(slot.replace(" ms", "e-3").replace(" s", ""))


def failing(toml: str) -> tuple[str, ...]:
    """Failures that are repaired, some of them in each run."""
    up_s = 10.0 * slot_of(toml) if slot_of(toml) > 60.0 else 1.0
    failures = f"failures={{time_to_failure={up_s}, time_to_repair={up_s / 2}}}"
    return f"stations.sbs.{failures}", f"stations.mbs.{failures}"


def stale(toml: str) -> tuple[str, ...]:
    """Synchronise every other slot, late, and lose much of it."""
    slot_s = slot_of(toml)
    return (
        "twin.sync=periodic",
        f"twin.device.period={2 * slot_s}",
        f"twin.device.latency={{exponential={1.5 * slot_s}}}",
        "twin.device.loss=0.3",
        f"twin.station.latency={slot_s}",
        "twin.station.loss=0.3",
    )


def few_slots(toml: str, *overrides: str) -> int:
    """Fewer where a policy solves whole programs, or searches all sets of senders, in each slot."""
    if "worst-case-emission" in toml:
        return 6
    if "policy.name=exact" in overrides:
        # Until there is work, and news of it.
        if COMING_AND_GOING[0] in overrides:
            return 6
        if "twin.sync=periodic" in overrides or any(
            key.startswith("backhaul=") for key in overrides
        ):
            return 10
        return 5 if 'sync = "periodic"' in toml else 3
    if any(f"policy.name={name}" in overrides for name in ("lookahead", "clairvoyant")):
        return 5
    return 6 if "policy.name=sca" in overrides else 16


def may_fail(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """What is infinite where a task is offloaded without power."""
    return ("violation",) if PRINTED in overrides else ()


def run_to_the_end(toml: str, *overrides: str) -> Run:
    """A short run, all of whose columns are finite and within the limits of its problem."""
    slots = few_slots(toml, *overrides)
    run = simulate(f"run.slots={slots}", *overrides, toml=toml)
    world: Any = run.simulation.world
    trace, n = run.trace, world.network
    assert len(trace.rows) == slots
    for name in trace.rows[0]:
        # Without a certificate there is no gap; what is never sent takes for ever, as printed actions may.
        if name not in ("optimality_gap", "lower_bound_mg", "delay_s", *may_fail(overrides)):
            assert np.isfinite(trace[name]).all(), name
        assert name == "objective" or not (trace[name] < 0.0).any(), name
    room = 1.0 + 1e-9
    assert (trace["power_w"] <= n.device_power_max_w * room).all()
    if "queue_bits" not in trace.rows[0]:
        assert (trace["local_cpu_hz"] <= n.device_cpu_max_hz * room).all()
        edge = np.where(trace["offload"], trace["edge_cpu_hz"], 0.0).sum(axis=2)
        assert (edge <= n.server_cpu_hz * room).all()
        return run
    assert (trace["local_cpu_hz"] <= n.device_cpu_hz * room).all()
    for j in range(n.stations):
        own = trace["serving_station"] == j
        for share, capacity in (
            ("bandwidth_hz", n.station_bandwidth_hz[j]),
            ("edge_cpu_hz", n.station_cpu_hz[j]),
        ):
            used = np.where(own, trace[share], 0.0).sum(axis=2)
            assert (used <= capacity * room).all(), (share, j)
    cycles = trace["station_served_bits"] * n.cycles_per_bit
    assert (cycles <= n.station_cpu_hz * n.slot_s * room).all()
    served = trace["local_bits"] + trace["offloaded_bits"]
    assert (served <= trace["queue_bits"] * room).all()
    assert (trace["station_served_bits"] <= trace["station_queue_bits"] * room).all()
    # Untrained, DQN's printed actions may all be the lowest level, with which nobody computes or sends.
    assert served.sum() > 0.0 or {"policy.name=dqn", PRINTED} <= set(overrides)
    return run


@every_cell
def test_runs_to_the_end_alike_alone_and_among_others(toml: str, policy: tuple[str, ...]) -> None:
    together = run_to_the_end(toml, *policy, "run.seed=5", "run.replications=2").trace
    # With an ideal twin a policy knows every limit, and keeps it by itself; printed actions do not.
    assert PRINTED in policy or not together["scaled"].any()
    alone = simulate(
        "run.seed=6", f"run.slots={few_slots(toml, *policy)}", *policy, toml=toml
    ).trace
    for name in together.rows[0]:
        np.testing.assert_array_equal(together[name][1], alone[name][0], err_msg=name)


@slow_in_the_stream
def test_runs_with_a_stale_and_lossy_twin(toml: str, policy: tuple[str, ...]) -> None:
    run = run_to_the_end(toml, *policy, *stale(toml))
    # The limits on mains of devices that are always there never change, however old the news.
    kept = not (run.simulation.world.tells_presence or PRINTED in policy)
    assert not (kept and run.trace["scaled"].any())
    assert run.trace["twin_age_s"].max() > 3 * run.simulation.world.slot_s


@slow_in_the_stream
def test_runs_with_devices_that_move(toml: str, policy: tuple[str, ...]) -> None:
    run = run_to_the_end(toml, *policy, *MOVING)
    moved = np.abs(np.diff(run.trace["x_m"], axis=1)) + np.abs(np.diff(run.trace["y_m"], axis=1))
    assert (moved > 0.0).all()
    assert PRINTED in policy or not run.trace["scaled"].any()


def smaller(policy: tuple[str, ...]) -> tuple[str, ...]:
    """Where a run in every cell has been tried with all devices: fewer to plan for, for hours ahead."""
    return ("devices.count=8",) if "policy.name=lookahead" in policy else ()


COMING_AND_GOING = ("mobility={model='shifts:Shifts', change=0.4}",)


@cells(*POLICIES, others=OTHERS)
def test_runs_with_devices_that_come_and_go(toml: str, policy: tuple[str, ...]) -> None:
    policy = (*policy, *smaller(policy))
    run = run_to_the_end(toml, *policy, *COMING_AND_GOING, "run.replications=2")
    trace, absent = run.trace, ~run.trace["present"]
    assert absent.any() and not absent.all()
    for name in ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "emission_mg"):
        if name in trace.rows[0]:
            assert not trace[name][absent].any(), name
    # Who is there gets what there is: nothing was shared out to others, and then cut.
    assert PRINTED in policy or not trace["scaled"].any()
    alone = simulate(
        "run.seed=2",
        f"run.slots={few_slots(toml, *policy, *COMING_AND_GOING)}",
        *policy,
        *COMING_AND_GOING,
        toml=toml,
    ).trace
    for name in trace.rows[0]:
        np.testing.assert_array_equal(trace[name][1], alone[name][0], err_msg=name)


def test_devices_of_sumo_crossing_come_and_go_within_these_slots() -> None:
    toml = next(one.path for one in shipped() if one.name == "sumo_crossing").read_text("utf-8")
    present = run_to_the_end(toml, "policy.name=local").trace["present"][0]
    change = np.diff(present.astype(int), axis=0)
    assert (change > 0).any() and (change < 0).any() and 0.0 < present.mean() < 1.0


@every_cell
def test_runs_where_nobody_is(toml: str, policy: tuple[str, ...]) -> None:
    """All leave after two slots, in which the first tasks arrive, and are back after two more."""
    away = [[i, 2, 2] for i in range(3)]
    run = simulate(
        "run.slots=5",
        *policy,
        "devices.count=3",
        f"mobility={{model='shifts:Shifts', absent={away}}}",
        toml=toml,
    )
    trace = run.trace
    assert (trace["present"] == [[[1], [1], [0], [0], [1]]]).all()
    for name in ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "emission_mg"):
        if name in trace.rows[0]:
            assert not trace[name][:, 2:4].any(), name
    for name in trace.rows[0]:
        # Without a bound: nothing that is planned keeps all deadlines.
        if name not in ("optimality_gap", "lower_bound_mg", "delay_s", *may_fail(policy)):
            assert np.isfinite(trace[name]).all(), name


@pytest.mark.slow
@cells("drift-plus-penalty")
def test_runs_with_batteries_and_failures(toml: str, policy: tuple[str, ...]) -> None:
    run = run_to_the_end(toml, *policy, BATTERIES, *MOVING, *failing(toml))
    assert (run.trace["battery_j"] <= 0.05).all()
    assert not run.trace["station_up"].all()
    # With an ideal twin a policy knows what is left in a battery.
    ideal = 'sync = "periodic"' not in toml
    assert PRINTED in policy or not (ideal and run.trace["scaled"].any())


@cells("drift-plus-penalty", others=OTHERS)
def test_runs_when_everything_is_uncertain(toml: str, policy: tuple[str, ...]) -> None:
    """Old news of a battery or a handover may exceed a limit; what does is cut, and counted."""
    overrides = (
        *policy,
        *smaller(policy),
        *stale(toml),
        *MOVING,
        BATTERIES,
        *failing(toml),
        'twin.predict=["location", "arrivals", "energy"]',
    )
    if "policy.name=clairvoyant" not in policy:  # which is refused there, for want of a bound
        overrides = (*overrides, "twin.deviation.device_cpu={relative=-0.2}")
    together = run_to_the_end(toml, *overrides, "run.seed=4", "run.replications=2")
    alone = simulate(
        "run.seed=5", f"run.slots={few_slots(toml, *overrides)}", *overrides, toml=toml
    )
    for name in together.trace.rows[0]:
        np.testing.assert_array_equal(together.trace[name][1], alone.trace[name][0], err_msg=name)


@cells("drift-plus-penalty", others=OTHERS)
def test_nothing_is_done_before_the_first_arrival(toml: str, policy: tuple[str, ...]) -> None:
    trace = simulate("run.slots=1", *policy, toml=toml).trace
    for name in ("local_bits", "offloaded_bits", "local_energy_j", "offload_energy_j"):
        assert not trace[name].any(), name


def backhaul_graph(folder: Path) -> tuple[str, ...]:
    """Six stations of a network as others draw it: a ring with a chord, its links 15 to 30 km long."""
    places = [(8.2, 50.1), (8.4, 50.1), (8.5, 50.3), (8.4, 50.5), (8.2, 50.5), (8.1, 50.3)]
    links = [*((n, (n + 1) % 6) for n in range(6)), (1, 4)]
    graph = {
        "nodes": [{"id": n, "pos": list(at)} for n, at in enumerate(places)],
        "edges": [{"source": a, "target": b} for a, b in links],
    }
    path = folder / "ring.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    return (
        "area={rectangle={south=50.0, west=8.0, north=50.6, east=8.6}}",
        "stations={sbs={coverage='20 km'}}",
        f"topology={{file='{path}', mbs=1, coordinates='degrees'}}",
        "backhaul={report='1 kbit', capacity='1 Mbit/s'}",
        "channel.path_loss_exponent=2.5",  # else nothing reaches a station kilometres away
    )


def test_reports_of_polska_backhaul_take_their_way_to_warsaw() -> None:
    """20 ms a link, and waiting for it, as SimPy's resources have it on networkx's paths."""
    toml = next(one.path for one in shipped() if one.name == "polska_backhaul").read_text("utf-8")
    run = run_to_the_end(toml, "policy.name=local")
    links = run.simulation.world.topology.links
    assert run.network.stations == 12 and len(links.source) == 2 * 19
    graph: nx.DiGraph[int] = nx.DiGraph()
    env = simpy.Environment()
    for source, target, latency_s in zip(links.source, links.target, links.latency_s, strict=True):
        # 5 us a kilometre, of 69 to 326.
        assert latency_s / 4.8e-6 > 69.2 and latency_s / 5.0e-6 < 326.1
        graph.add_edge(int(source), int(target), s=latency_s, queue=simpy.Resource(env))
    arrival_s = np.zeros(12)

    def report(station: int) -> Generator[simpy.Event]:
        path = nx.shortest_path(graph, station, 0, weight="s")
        for hop in itertools.pairwise(path):
            link = graph.edges[hop]
            with link["queue"].request() as turn:
                yield turn
                yield env.timeout(0.02)  # 100 kbit at 5 Mbit/s
            yield env.timeout(link["s"])
        arrival_s[station] = env.now

    for station in range(1, 12):
        env.process(report(station))
    env.run()
    assert arrival_s.max() < 0.2  # or the next reports would meet these
    station = run.trace["serving_station"][0, -1]
    assert (np.bincount(station) == 2).all() and station.size == 24
    youngest_s = run.trace["twin_age_s"][0, 10:].min(axis=0)
    slots = np.ceil(arrival_s / 0.1)[station]
    assert set(slots) == {0, 1, 2}
    np.testing.assert_array_equal(np.rint(youngest_s / 0.1), slots)


def test_links_of_polish_cities_are_their_gabriel_graph() -> None:
    """No third city in the circle over a link: by the cosine theorem, the angle there is not obtuse."""
    file = next(one for one in catalogue().shipped if one.file == "polish_cities.json")
    graph = nx.node_link_graph(json.loads(gzip.decompress(file.path.read_bytes())), edges="edges")
    place = {city: np.radians(graph.nodes[city]["pos"]) for city in graph}
    point = {
        city: np.array([math.cos(b) * math.cos(a), math.cos(b) * math.sin(a), math.sin(b)])
        for city, (a, b) in place.items()
    }
    linked = {
        frozenset((a, b))
        for a, b in itertools.combinations(point, 2)
        if all(
            (point[a] - point[c]) @ (point[b] - point[c]) > 0.0 for c in point if c not in (a, b)
        )
    }
    assert linked == {frozenset(link) for link in graph.edges}


@pytest.mark.parametrize("name", cases("worst-case-emission"))
def test_the_task_problem_takes_its_station_of_a_backhaul_graph(name: str) -> None:
    """C(10) has one station: of a graph it is the one that is named, with its place and links to nobody."""
    carbon = next(one for one in shipped() if one.name == "carbon_6ue")
    toml, policy = carbon.path.read_text(encoding="utf-8"), cases("worst-case-emission")[name]
    run = run_to_the_end(
        toml.replace("[stations.sbs]\ncount = 0\n", ""),
        *policy,
        "area={rectangle={south=52.22, west=21.0, north=52.24, east=21.02}}",
        "topology={file='polish_cities.json', mbs='Warsaw', stations=['Warsaw'], "
        "coordinates='degrees'}",
    )
    topology = run.simulation.world.topology
    assert run.network.stations == 1 and topology.links.source.size == 0
    # In the middle.
    np.testing.assert_allclose(topology.station_position_m[0], topology.area_m / 2, rtol=1e-6)


@pytest.mark.parametrize("name", cases("drift-plus-penalty"))
def test_runs_over_a_backhaul_graph(name: str, tmp_path: Path) -> None:
    toml = IIOT.path.read_text(encoding="utf-8")
    policy = cases("drift-plus-penalty")[name]
    run = run_to_the_end(toml, *policy, *stale(toml), *backhaul_graph(tmp_path))
    assert run.network.stations == 6
    assert run.trace["twin_age_s"].max() > 0.0


GREEN = (
    "policy.penalty=carbon",
    "tasks.classes=[{share=0.4, deadline='0.4 s', weight=10}, {share=0.6, deadline='3 s'}]",
    "carbon.signal={intensity='200 g/kWh', devices='50 g/kWh'}",
    "carbon.devices='90 g/kWh'",
    "carbon.mbs='30 g/kWh'",
    "carbon.forecast={horizon='2 s', step='0.5 s', period='1 s'}",
    "carbon.budget={mass='1 mg', period='1 h'}",
)


@pytest.mark.parametrize("name", cases("drift-plus-penalty", green=True))
def test_runs_where_emission_and_deadlines_are_part_of_the_decision(name: str) -> None:
    toml = IIOT.path.read_text(encoding="utf-8")
    policy = cases("drift-plus-penalty", green=True)[name]
    run = run_to_the_end(toml, *policy, *stale(toml), *GREEN)
    assert run.trace["emission_mg"].sum() > 0.0 and run.trace["pressing_bits"].sum() > 0.0


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize("without", ["policy.penalty", "tasks.classes", "both"])
def test_planners_are_refused_where_there_is_nothing_to_plan_by(name: str, without: str) -> None:
    green = [one for one in GREEN[:2] if without not in one] if without != "both" else []
    with pytest.raises(ScenarioError) as told:
        simulate(f"policy.name={name}", *green)
    says = (
        f'test: key `policy.name` = "{name}": {name} plans by deadlines and carbon intensity: it needs '
        '`policy.penalty = "carbon"`, and `tasks.classes` of which one has a deadline'
    )
    assert [str(one) for one in told.value.issues] == [says]


IIOT = next(scenario for scenario in shipped() if scenario.name == "iiot_20dev")


def long_run(*policy: str) -> tuple[FloatArray, FloatArray]:
    """(R,) means of P2's value and of energy per bit on paper A's network, same seeds for all."""
    toml = IIOT.path.read_text(encoding="utf-8")
    trace = simulate("run.slots=500", "run.replications=4", *policy, toml=toml).trace
    late = slice(200, None)

    def total(*names: str) -> FloatArray:
        return np.asarray(sum(trace[name][:, late].sum(axis=(1, 2)) for name in names))

    joule, bits = (
        total("local_energy_j", "offload_energy_j"),
        total("local_bits", "offloaded_bits"),
    )
    return trace["objective"][:, late].mean(axis=1), joule / bits


def test_who_beats_whom_on_paper_a_network() -> None:
    runs = {
        name: long_run(*policy)
        for name, policy in cases("drift-plus-penalty").items()
        # These solve the same P2 with more effort; their own tests compare them slot by slot.
        if name not in ("sca", "exact", "agent", *LEARNED)
    }
    objective = {name: run[0] for name, run in runs.items()}
    energy = {name: run[1] for name, run in runs.items()}
    # In every replication: the same positions, fading and arrivals for all.
    # Whom stations cost nothing that do nothing, they all stay awake.
    np.testing.assert_array_equal(objective["consolidate"], objective["lyapunov"])
    for name in set(runs) - {"lyapunov", "consolidate"}:
        assert (objective["lyapunov"] < objective[name]).all(), name
        assert (energy["lyapunov"] < energy[name]).all(), name
    for name in ("lyapunov radio", "lyapunov compute", "epr", "epr-ep"):
        for worse in ("local", "random", "offload-all"):
            assert objective[name].mean() < objective[worse].mean(), (name, worse)
    # A CPU that is always busy at full speed needs varsigma f^2 c, whatever arrives.
    np.testing.assert_allclose(energy["local"], 1e-27 * 0.5e9**2 * 100, rtol=1e-3)
    # EPR is the radio's optimum at equal rates: where all CPUs are equal, the radio's ablation.
    np.testing.assert_array_equal(objective["epr"], objective["lyapunov radio"])


def test_networks_act_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would wait for each other, and change the last bit of a sum; the program's own are left."""
    import torch

    before, inference = torch.get_num_threads(), torch.inference_mode
    threads = []

    def watched(mode: bool = True) -> Any:
        if mode:
            threads.append(torch.get_num_threads())
        return inference(mode)

    monkeypatch.setattr(torch, "inference_mode", watched)
    torch.set_num_threads(2)
    try:
        simulate("policy.name=aac", f"policy.checkpoint={UNTRAINED}/drift-plus-penalty-aac.pt")
        assert threads and set(threads) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
