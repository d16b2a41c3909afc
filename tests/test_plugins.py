"""Plug-ins: the examples of the documents do what they say, and what a plug-in answers is looked at."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import SMALL, Capture, Run, a_network, mistakes, simulate

import edgesim
from edgesim.cli import main
from edgesim.experiments.run import prepare
from edgesim.scenarios.components import KEYS
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.answers import DIAGNOSTICS
from edgesim.simulator.core.errors import ModelError, RunError
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.core.saved_state import load_state, save_state
from edgesim.simulator.models.arrivals import ARRIVALS, SLOT_TASKS, PointProcess, Points, Tasks
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.checked import checked
from edgesim.simulator.models.fading import FADING, IndependentFading
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS, OfDistance
from edgesim.simulator.stream.decision import Decision
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.traces.variables import NETWORK, SLOT_VARIABLES

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


# The examples


def test_each_example_is_on_the_page_and_says_how_it_is_run() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert f"(examples/{path.name})" in PAGE
        assert re.search(r"`edgesim run .*`", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs_as_its_first_line_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / name, tmp_path)
    result = CliRunner().invoke(main, [*as_told(name), "--slots", "20", "-o", "run.h5"])
    assert result.exit_code == 0, result.output
    with edgesim.open_trace("run.h5") as trace:
        assert trace.status == "complete"
        assert trace.recorded == 20


def as_told(name: str) -> list[str]:
    """The command in the first line of an example."""
    line = re.search(r"`edgesim (run [^`]*)`", (EXAMPLES / name).read_text(encoding="utf-8"))
    assert line is not None
    return line[1].split()


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_can_be_saved_and_a_replication_is_what_it_is_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / name, tmp_path)
    _, scenario, option, value = as_told(name)
    given = {"policy.name": value} if option == "--policy" else dict([value.split("=")])

    def begun(**run: int) -> tuple[Any, Any, Streams]:
        changes = {f"run.{key}": number for key, number in run.items()}
        experiment = prepare(edgesim.load_scenario(scenario, given | {"run.slots": 30} | changes))
        problem, streams = experiment.blueprint.problem, experiment.streams
        experiment.policy.reset(problem.network, problem, streams.generators("policy"))
        return experiment.policy, experiment.blueprint, streams

    def ran(policy: Any, plan: Any, streams: Streams, *saved: Any, until: int = 30) -> Any:
        simulation = plan.simulation(policy.decide, trace := Capture(), streams, *saved)
        trace.rows = [{}] * simulation.world.state.slot
        simulation.run(until)
        return simulation, trace

    policy, plan, streams = begun(replications=2)
    _, whole = ran(policy, plan, streams)
    policy, plan, streams = begun(replications=2)
    simulation, _ = ran(policy, plan, streams, until=11)
    saved = save_state(simulation.parts() | {"policy": policy})
    policy, plan, streams = begun(replications=2)
    load_state(saved, {"policy": policy})
    _, resumed = ran(policy, plan, streams, saved)
    _, alone = ran(*begun(seed=2))
    for column in whole.rows[0]:
        for slot in range(11, 30):
            np.testing.assert_array_equal(resumed.rows[slot][column], whole.rows[slot][column])
        np.testing.assert_array_equal(alone[column][0], whole[column][1])


def example(file: str, **keys: Any) -> Any:
    """An object of the class that an example has."""
    found: dict[str, Any] = {}
    exec((EXAMPLES / f"{file}.py").read_text(encoding="utf-8"), found)  # noqa: S102 - ours
    (cls,) = (
        value
        for name, value in found.items()
        if isinstance(value, type) and value.__module__ == "builtins" and name not in {"type"}
    )
    return cls(**keys)


def streams(replications: int = 1) -> Callable[[str], Sequence[np.random.Generator]]:
    return Streams(3, replications).generators


def test_two_slopes_by_hand() -> None:
    gain = example("two_slopes", wavelength=4.0 * np.pi, breakpoint=100.0, min_distance=5.0).gain
    np.testing.assert_allclose(gain(np.array([1.0, 10.0, 100.0])), [1 / 25, 1e-2, 1e-4])
    np.testing.assert_allclose(gain(np.array([200.0])), 1e-4 / 16)


def test_nakagami_has_its_mean_and_variance() -> None:
    drawn = example("nakagami", m=3.0).sample(np.random.default_rng(1), 1000, 100)
    assert abs(drawn.mean() - 1.0) < 5 * np.sqrt(1 / 3 / 1e5)
    assert abs(drawn.var() - 1 / 3) < 0.01


def test_a_billiard_keeps_its_speed_and_its_area() -> None:
    model, area_m = example("billiard", speed=3.0), np.array([100.0, 40.0])
    at = model.start(np.full((2, 5, 2), 20.0), area_m, streams(2), False)
    turned = False
    for _ in range(200):
        velocity, (before, at) = model.velocity_mps, (at, model.advance(at, 1.0))
        assert ((at >= 0.0) & (at <= area_m)).all()
        np.testing.assert_allclose(np.hypot(*np.moveaxis(model.velocity_mps, 2, 0)), 3.0)
        straight = (velocity == model.velocity_mps).all(axis=2)
        np.testing.assert_allclose(np.hypot(*np.moveaxis(at - before, 2, 0))[straight], 3.0)
        turned |= not straight.all()
    assert turned


def test_visitors_come_and_go_as_a_markov_chain_does() -> None:
    """Of two states that are left at rates 1/2 and 1/6: a quarter of the time, forgotten at their sum."""
    model = example("visitors", stays=2.0, away=6.0)
    at = model.start(np.zeros((2, 20_000, 2)), np.ones(2), streams(2), False)
    before = model.present
    for dt_s in (0.4, 0.6):
        assert model.advance(at, dt_s) is at
    for present in (before, model.present):
        assert np.abs(present.mean(axis=1) - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 20_000)
    both = np.corrcoef(before.ravel(), model.present.ravel())[0, 1]
    assert abs(both - np.exp(-(1 / 2 + 1 / 6))) < 0.02


def test_day_and_night_have_their_rates() -> None:
    model = example("day_and_night", mean=1e5, rate=20.0, period=40.0)
    model.start(50, 1.0, streams(1))
    counts = np.array([model.slot(slot).bits.size for slot in range(40)])
    mean = 50 * 20.0 * (1.0 + np.sin(2.0 * np.pi * np.arange(40) / 40.0))
    assert (np.abs(counts - mean) <= 5.0 * np.sqrt(mean) + 1e-9).all()


def test_two_kinds_come_in_their_shares() -> None:
    model = example("two_kinds", share=0.3)
    model.start(10_000, streams(1))
    bits, cycles = model.next()
    assert abs((bits == 32e6).mean() - 0.3) < 0.025
    np.testing.assert_array_equal(bits == 32e6, cycles == 2e9)


def test_the_strongest_station_serves() -> None:
    model = example("strongest", bias=4.0)
    model.start(a_network(3), np.array([np.inf, 150.0, 150.0]))
    gain = np.array([[[1.0, 0.2, 0.26], [1.0, 0.1, 0.2]]])
    np.testing.assert_array_equal(model.associate(gain, gain), [[2, 0]])


def test_the_largest_offload() -> None:
    run = simulate(
        "policy.name=lyapunov",
        "run.slots=3",
        toml=(ROOT / "scenarios/carbon_6ue.toml").read_text(encoding="utf-8"),
        decide=(policy := _reset("largest_offloads", offloaded=2)).decide,
    )
    offload, cycles = run.trace["offload"], run.trace["task_cycles"]
    assert policy.offloaded == 2
    assert (offload.sum(axis=2) == 2).all()
    assert (cycles[offload].reshape(-1, 2).min(1) >= cycles[~offload].reshape(-1, 4).max(1)).all()


def _reset(file: str, **keys: Any) -> Any:
    policy = example(file, **keys)
    text = (ROOT / "scenarios/carbon_6ue.toml").read_text(encoding="utf-8")
    problem = prepare(parse_scenario(text, "test")).blueprint.problem
    policy.reset(problem.network, problem, streams(1)("policy"))
    return policy


# What they answer


class Answers:
    """A model that answers as it should, and after some answers as the test says; a law has no `start`."""

    moves: ClassVar[bool] = True

    def __init__(self, wrong: Callable[[Any], Any], right: Any, after: int) -> None:
        self.wrong, self.right, self.left = wrong, right, after

    def _answer(self, verb: str, *given: Any) -> Any:
        answer = getattr(self.right, verb)(*given)
        self.left -= 1
        return answer if self.left >= 0 else self.wrong(answer)

    def next(self) -> Any:
        return self._answer("next")

    def gain(self, *given: Any) -> Any:
        return self._answer("gain", *given)

    def advance(self, *given: Any) -> Any:
        return self._answer("advance", *given)

    def associate(self, *given: Any) -> Any:
        return self._answer("associate", *given)

    def slot(self, *given: Any) -> Any:
        return self._answer("slot", *given)


class Model(Answers):
    """One that is begun."""

    def start(self, *given: Any) -> Any:
        return self.right.start(*given)


def answering(component: str, wrong: Callable[[Any], Any], *overrides: str, after: int = 5) -> Run:
    """A run in which a model of somebody else's answers wrongly after some right answers."""
    scenario = parse_scenario(SMALL, "test", ["run.slots=12", "run.replications=2", *overrides])
    plan = (experiment := prepare(scenario)).blueprint
    right = getattr(plan, component)
    model: Any = (Model if hasattr(right, "start") else Answers)(wrong, right, after)
    plan = replace(plan, **{component: model})
    policy, given = experiment.policy, Streams(1, 2)
    policy.reset(plan.problem.network, plan.problem, given.generators("policy"))
    simulation = plan.simulation(policy.decide, trace := Capture(), given)
    simulation.run()
    return Run(scenario, plan.network, simulation, trace)


def at(index: Any, value: Any) -> Callable[[Any], Any]:
    """An answer with one entry replaced."""

    def wrong(answer: Any) -> Any:
        answer = np.array(answer)
        answer[index] = value
        return answer

    return wrong


def column(name: str, index: Any, value: Any) -> Callable[[Any], Any]:
    """Tasks with one entry of a column replaced."""
    return lambda tasks: replace(tasks, **{name: at(index, value)(getattr(tasks, name))})


GAINS: list[tuple[Callable[[Any], Any], str]] = [
    (at((1, 4, 2), np.nan), "nan at replication 1, device 4, station 2; allowed: finite and not"),
    (at((0, 3, 1), -1e-9), "-1e-09 at replication 0, device 3, station 1"),
    (at((0, 3, 1), np.inf), "inf at replication 0, device 3, station 1"),
    (lambda gain: gain[0], r"shape \(6, 4\), expected \(2, 6, 4\)"),
    (lambda gain: gain + 0j, "not an array of numbers: ndarray of complex128"),
    (lambda gain: gain.astype(str), "not an array of numbers: ndarray of <U"),
    (lambda gain: np.ma.masked_less(gain, 0.5), "not an array of numbers: MaskedArray"),
    (lambda gain: None, "not an array of numbers: None"),
    (lambda gain: [[1.0], [1.0, 2.0]], "not an array of numbers"),
]
WALKS = ("mobility.model=random-waypoint",)
POISSON = ("tasks.arrivals=poisson", "tasks.rate=30.0")
WRONG: dict[str, tuple[str, str, list[tuple[Callable[[Any], Any], str]]]] = {
    "fading": ("fading", "fading", GAINS),
    "path_loss": ("path-loss", "path_gain", GAINS),
    "mobility": (
        "mobility",
        "position_m",
        [
            (
                at((1, 2, 0), np.nan),
                r"\(nan, .*\) at replication 1, device 2; allowed: from \(0, 0\)",
            ),
            (at((1, 2, 1), 500.001), r"\(.*, 500.001\) at .* device 2; .* \(500.0, 500.0\)"),
            (at((0, 0, 0), -1e-3), r"\(-0.001, .*\) at replication 0, device 0"),
            (lambda places: places[..., :1], r"shape \(2, 6, 1\), expected \(2, 6, 2\)"),
            (lambda places: "home", "not an array of numbers: str of <U4"),
        ],
    ),
    "association": (
        "association",
        "station",
        [
            (at((1, 5), 4), "4 at replication 1, device 5; allowed: 0 to 3"),
            (at((0, 1), -1), "-1 at replication 0, device 1; allowed: 0 to 3"),
            (lambda station: station * 1.0, "not an array of whole numbers: ndarray of float64"),
            (lambda station: station[:, :1], r"shape \(2, 1\), expected \(2, 6\)"),
            (lambda station: station > 0, "not an array of whole numbers: ndarray of bool"),
        ],
    ),
    "arrivals": (
        "arrivals",
        "",
        [
            (lambda tasks: tasks.bits, "field tasks: expected Tasks, got ndarray"),
            (
                column("bits", 3, 0.0),
                r"field bits: 0.0 of task 3 \(replication 0, device \d\); all",
            ),
            (column("bits", 3, np.nan), "field bits: nan of task 3 .*: finite and positive"),
            (column("bits", 3, np.inf), "field bits: inf of task 3 "),
            (
                column("device", -1, 6),
                r"device: 6 of task \d+ \(replication 1, device 6\); .* 0 to 5",
            ),
            (column("device", 0, -1), "field device: -1 of task 0"),
            (column("replication", -1, 2), "field replication: 2 of task .*; allowed: 0 to 1"),
            (column("arrival_s", 2, 0.4999), "arrival_s: 0.4999 of task 2 .*: 0.5 to 0.6"),
            (column("arrival_s", 2, 0.6001), "arrival_s: 0.6001 of task 2"),
            (column("arrival_s", 2, np.nan), "arrival_s: nan of task 2"),
            (column("device", 0, 5), r"device: \d of task 1 .* after 5; allowed: sorted by repl"),
            (column("replication", 0, 1), "replication: 0 of task 1 .* after 1; allowed: sorted"),
            (
                lambda tasks: Tasks(
                    np.zeros(2, int), np.zeros(2, int), np.array([0.59, 0.51]), np.ones(2)
                ),
                "arrival_s: 0.51 of task 1 .* after 0.59; allowed: sorted",
            ),
            (lambda tasks: replace(tasks, bits=tasks.bits[1:]), r"field bits: shape \(\d+,\), exp"),
            (
                lambda tasks: replace(tasks, device=tasks.device * 1.0),
                "field device: not an array of wh",
            ),
            (lambda tasks: replace(tasks, replication=tasks.replication[None]), r"expected \(K,\)"),
        ],
    ),
}
SETTINGS = {"mobility": WALKS, "path_loss": WALKS, "association": WALKS, "arrivals": POISSON}
CASES = [
    (component, wrong, f"{'' if not field else f'field {field}: '}{message}")
    for component, (_, field, cases) in WRONG.items()
    for wrong, message in cases
]


@pytest.mark.parametrize(("component", "wrong", "message"), CASES)
def test_a_wrong_answer_ends_the_run(
    component: str, wrong: Callable[[Any], Any], message: str
) -> None:
    kind = WRONG[component][0]
    # Mobility first answers at the start of slot 1, the others as the run begins.
    slot = 6 if component == "mobility" else 5
    begins = rf"^{kind} model '[\w-]+', slot {slot}, .*{message}"
    with pytest.raises(RunError, match=begins):
        answering(component, wrong, *SETTINGS.get(component, ()))


@pytest.mark.parametrize("component", WRONG)
def test_a_right_answer_changes_nothing(component: str) -> None:
    overrides = (*WALKS, *POISSON)
    run = answering(component, lambda answer: answer, *overrides)
    own = simulate("run.slots=12", "run.replications=2", "trace.level=slots", *overrides)
    for name in own.trace.rows[0]:
        if name != "channel_gain":
            np.testing.assert_array_equal(run.trace[name], own.trace[name])


@pytest.mark.parametrize(
    ("component", "wrong", "overrides", "message"),
    [
        (
            "path_loss",
            at((0, 2, 1), np.nan),
            ("twin.sync=periodic", "twin.device.period=0.3", 'twin.predict=["location"]'),
            "^path-loss model 'log-distance', slot 1, field path_gain: nan at replication 0, device 2",
        ),
        (
            "association",
            at((slice(None), 3), 9),
            ("stations.sbs.failures={time_to_failure=0.3, time_to_repair=0.3}",),
            r"^association model 'nearest', slot \d+, field station: 9 at replication \d, device 3",
        ),
    ],
)
def test_a_wrong_answer_ends_the_run_wherever_it_is_asked_for(
    component: str, wrong: Callable[[Any], Any], overrides: tuple[str, ...], message: str
) -> None:
    """In the twin's prediction, and where stations fail within a slot; nothing moves."""
    with pytest.raises(RunError, match=message):
        answering(component, wrong, *overrides, after=1)


@pytest.mark.parametrize("component", WRONG)
def test_what_a_model_raises_is_named_and_placed(component: str) -> None:
    kind = WRONG[component][0]
    message = (
        rf"^{kind} model '[\w-]+', slot \d: ZeroDivisionError: .*\(test_plugins.py, line \d+\)$"
    )
    with pytest.raises(RunError, match=message):
        answering(component, lambda answer: 1 / 0, *SETTINGS.get(component, ()))


@pytest.mark.parametrize("component", ["fading", "path_loss", "mobility", "association"])
def test_a_model_may_go_on_writing_into_what_it_answered(component: str) -> None:
    """And into what it was handed: both are its own."""
    overrides = (*WALKS, *POISSON, "twin.sync=periodic", 'twin.device.latency="0.15 s"')
    kept: list[Any] = []

    def reuse(answer: Any) -> Any:
        if not kept:
            kept.append(answer.copy())
        kept[0][...] = answer
        return kept[0]

    run = answering(component, reuse, *overrides)
    own = answering(component, lambda answer: answer, *overrides)
    for name in own.trace.rows[0]:
        np.testing.assert_array_equal(run.trace[name], own.trace[name])


def test_gains_stay_what_they_were() -> None:
    class Fades:
        def __init__(self) -> None:
            self.gains = np.zeros((1, 4, 3))

        def next(self) -> Any:
            self.gains += 1.0
            return self.gains

    model = checked("fading", Fades(), "fades", a_network())
    one, other = model.next(), model.next()
    assert (one == 1.0).all() and (other == 2.0).all()


@dataclass
class Drifts:
    """Moves devices in the array that it is handed."""

    moves: ClassVar[bool] = True

    def start(self, position_m: Any, area_m: Any, rngs_of: Any, placed: bool) -> Any:
        return position_m

    def advance(self, position_m: Any, dt_s: float) -> Any:
        position_m[..., 0] *= 0.9
        return position_m


def test_a_model_may_write_into_what_it_is_handed() -> None:
    scenario = parse_scenario(SMALL, "test", ["run.slots=5", "mobility.model=random-waypoint"])
    plan = replace(prepare(scenario).blueprint, mobility=Drifts())
    seen = []

    def decide(observation: Any) -> Decision:
        seen.append(observation.position_m)
        return Decision.idle(plan.network)

    plan.simulation(decide, NullRecorder(), Streams(1, 1)).run()
    for before, after in pairwise(seen):
        np.testing.assert_array_equal(after[..., 0], before[..., 0] * 0.9)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((np.ones((1, 6)), np.zeros((1, 6))), "field cycles: 0.0 at replication 0, device 0"),
        ((np.full((1, 6), np.nan), np.ones((1, 6))), "field bits: nan at replication 0, device 0"),
        ((np.ones((6,)), np.ones((1, 6))), r"field bits: shape \(6,\), expected \(1, 6\)"),
        (
            np.ones((3, 6)),
            "field tasks: expected bits and cycles, and perhaps deadlines, got ndarray",
        ),
    ],
)
def test_tasks_of_the_task_problem(answer: Any, message: str) -> None:
    class Tasked:
        def start(self, devices: int, rngs_of: Any) -> None:
            """Nothing to begin with."""

        def next(self) -> Any:
            return answer

    path = ROOT / "scenarios/carbon_6ue.toml"
    experiment = prepare(parse_scenario(path.read_text(encoding="utf-8"), "test"))
    plan = replace(experiment.blueprint, arrivals=Tasked())
    given = Streams(1, 1)
    experiment.policy.reset(plan.problem.network, plan.problem, given.generators("policy"))
    simulation = plan.simulation(experiment.policy.decide, Capture(), given)
    with pytest.raises(RunError, match=f"^arrivals model 'per-slot', slot 0, {message}"):
        simulation.run()


class Samples(IndependentFading):
    def __init__(self, wrong: Callable[[Any], Any]) -> None:
        self.wrong = wrong

    def sample(self, rng: np.random.Generator, blocks: int, devices: int) -> Any:
        return self.wrong(rng.random((blocks, devices)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        # What numpy would stretch to the shape, or turn into numbers.
        (lambda gains: 1.0, r"shape \(\), expected \(\d+, 6\)"),
        (lambda gains: gains[0], r"shape \(6,\), expected \(\d+, 6\)"),
        (lambda gains: gains[:1], r"shape \(1, 6\), expected \(\d+, 6\)"),
        (lambda gains: gains[:, :1], r"shape \(\d+, 1\), expected \(\d+, 6\)"),
        (lambda gains: gains.T, r"shape \(6, \d+\), expected \(\d+, 6\)"),
        (lambda gains: gains + 0j, "not an array of numbers: ndarray of complex128"),
        (lambda gains: gains.astype(str), "not an array of numbers: ndarray of <U"),
        (lambda gains: None, "not an array of numbers: None"),
        (lambda gains: np.ma.masked_less(gains, 0.5), "not an array of numbers: MaskedArray"),
        (lambda gains: -gains, "-0.[0-9]+ at replication 0, device 0, station 0; allowed: finite"),
    ],
)
def test_a_wrong_sample_is_named(wrong: Callable[[Any], Any], message: str) -> None:
    network = a_network(4, 6)
    model = checked("fading", Samples(wrong), "mine", network)
    model.start(6, network.station_names, streams(1))
    with pytest.raises(ModelError) as caught:
        model.next()
    assert re.match(
        f"fading model 'mine', slot 3, field fading: {message}", caught.value.in_slot(3)
    )


class Draws(PointProcess):
    def __init__(self, wrong: Callable[[Points], Any], only: int | None = None) -> None:
        self.wrong, self.only = wrong, only

    def draw(self, replication: int, rng: np.random.Generator, first: int, slots: int) -> Any:
        k = 4 * slots
        right = Points(np.arange(k) // 4, rng.random(k), np.arange(k) % 4, np.ones(k))
        return self.wrong(right) if self.only in (None, replication) else right


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda points: None, "points: expected Points, got NoneType"),
        (lambda points: (points.slot, points.phase), "points: expected Points, got tuple"),
        (lambda points: replace(points, slot=points.slot - 1), "slot: -1 of point 0; allowed: 0 "),
        (
            lambda points: replace(points, slot=points.slot + 1),
            "slot: 1 of point 0; allowed: 0 to 0",
        ),
        (lambda points: replace(points, slot=points.slot + 0.5), "slot: not an array of whole num"),
        (lambda points: replace(points, slot=points.slot[None]), r"slot: shape \(1, 4\), expected"),
        (
            lambda points: replace(points, slot=points.slot[:3]),
            r"device: shape \(4,\), expected \(3",
        ),
        (
            lambda points: replace(points, device=points.device + 3),
            "device: 6 of point 3; .* 0 to 5",
        ),
        (
            lambda points: replace(points, device=points.device * 1.0),
            "device: not an array of whole",
        ),
        (
            lambda points: replace(points, phase=points.phase[:3]),
            r"phase: shape \(3,\), expected \(4",
        ),
        (lambda points: replace(points, phase=0.5), r"phase: shape \(\), expected \(4,\)"),
        (lambda points: replace(points, phase=points.phase + 1.0), "arrival_s: 0.1"),
        (lambda points: replace(points, phase=points.phase * np.nan), "arrival_s: nan of task 0"),
        (
            lambda points: replace(points, bits=points.bits[:3]),
            r"bits: shape \(3,\), expected \(4,\)",
        ),
        (lambda points: replace(points, bits=-points.bits), "bits: -1.0 of task 0 "),
        (
            lambda points: replace(points, bits=points.bits + 0j),
            "bits: not an array of numbers: nda",
        ),
        (lambda points: replace(points, deadline_s=np.ones(2)), r"deadline_s: shape \(2,\), exp"),
        (lambda points: replace(points, deadline_s=-points.bits), "deadline_s: -1.0 of task 0 "),
    ],
)
def test_wrong_points_are_named(wrong: Callable[[Points], Any], message: str) -> None:
    """Compiled code would go through columns that are too short beyond their ends."""
    model = checked("arrivals", Draws(wrong), "mine", a_network(4, 6, 2))
    model.start(6, 0.1, streams(2))
    with pytest.raises(ModelError) as caught:
        model.slot(0)
    assert re.match(f"arrivals model 'mine', slot 0, field {message}", caught.value.in_slot(0))


def test_all_replications_have_deadlines_or_none() -> None:
    def own(points: Points) -> Points:
        return replace(points, deadline_s=points.bits)

    for only, wrong in ((None, False), (1, True)):
        model = checked("arrivals", Draws(own, only), "mine", a_network(4, 6, 2))
        model.start(6, 0.1, streams(2))
        if not wrong:
            assert model.slot(0).deadline_s.tolist() == [1.0] * 8
            continue
        with pytest.raises(ModelError, match="of 1 of 2 replications"):
            model.slot(0)


def test_what_is_answered_of_absent_devices_is_not_used() -> None:
    class Nowhere:
        """Says of who is absent that nobody serves it."""

        def start(self, network: Any, coverage_m: Any) -> None:
            self.network = network

        def associate(self, distance_m: Any, path_gain: Any, chooses: Any = None) -> Any:
            return np.where(self.network.present, distance_m.argmin(axis=2), -1)

    scenario = parse_scenario(
        SMALL,
        "test",
        ["run.slots=12", "mobility={model='shifts:Shifts', change=0.4}"],
    )
    plan = replace(prepare(scenario).blueprint, association=Nowhere())
    simulation = plan.simulation(
        lambda _: Decision.idle(plan.network), trace := Capture(), Streams(1, 1)
    )
    simulation.run()
    assert not trace["present"].all() and len(trace.rows) == 12


@pytest.mark.parametrize(
    ("key", "code", "message"),
    [
        ("channel.path_loss", "    def check(self, sites)", "its `check`"),
        ("policy.name", "    def check(self, network, problem)", "its `check`"),
        ("mobility.model", "    @property\n    def moves(self)", "its attribute `moves`"),
    ],
)
def test_what_is_asked_before_a_run_fails_in_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    verbs = ("start", "gain", "advance", "reset", "decide")
    others = "".join(f"    def {verb}(self, *given): return given[0]\n" for verb in verbs)
    text = f"class Broken:\n{others}{code}: raise KeyError('x')\n"
    Path("broken.py").write_text(text, encoding="utf-8")
    result = broken_run(key)
    assert result.exit_code == 2
    assert f"key `{key}` = \"broken:Broken\": {message}: KeyError: 'x' (broken.py" in result.stderr


def test_moments_that_rounding_moves_are_in_their_slot() -> None:
    class Late:
        def start(self, *given: Any) -> None:
            """Nothing to begin with."""

        def slot(self, slot: int) -> Tasks:
            moments = np.array([slot * 0.1 - 1e-12, (slot + 1) * 0.1 + 1e-12])
            return Tasks(np.zeros(2, int), np.zeros(2, int), moments, np.ones(2))

    model = checked("arrivals", Late(), "late", a_network())
    np.testing.assert_array_equal(model.slot(7).arrival_s, [7 * 0.1, 8 * 0.1])


def test_nothing_may_arrive() -> None:
    class Never:
        def slot(self, slot: int) -> Tasks:
            none: Any = []
            return Tasks(none, none, none, none)

    tasks = checked("arrivals", Never(), "never", a_network()).slot(0)
    assert tasks.device.dtype == np.int64
    assert tasks.bits.size == 0


def test_the_programs_own_models_are_not_looked_at() -> None:
    plan = prepare(parse_scenario(SMALL, "test")).blueprint
    world = plan.simulation(lambda _: None, None, Streams(1, 1)).world  # type: ignore[arg-type]
    for name in ("mobility", "association", "fading", "arrivals"):
        assert getattr(world, name) is getattr(plan, name)
    assert isinstance(world.path_loss, OfDistance)
    assert world.path_loss.law is plan.path_loss


def broken_run(key: str) -> Result:
    words = ["run", "iiot_20dev", "--slots", "30", "--set", f"{key}=broken:Broken"]
    return CliRunner().invoke(main, [*words, "-o", "failed.h5"])


def test_the_command_ends_with_one_message_and_a_trace_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text(
        "import numpy as np\n"
        "from edgesim.simulator.models.fading import Rayleigh\n"
        "class Broken(Rayleigh):\n"
        "    def sample(self, rng, blocks, devices):\n"
        "        gains = super().sample(rng, blocks, devices)\n"
        "        if blocks > 9:\n"
        "            gains[9, 2] = np.nan\n"
        "        return gains\n",
        encoding="utf-8",
    )
    result = broken_run("channel.fading")
    assert result.exit_code == 1
    assert mistakes(result.stderr) == (
        "run failed: fading model 'broken:Broken', slot 9, field fading: nan at replication 0, "
        "device 2, station 0; allowed: finite and not negative\n"
    )
    with edgesim.open_trace("failed.h5") as trace:
        assert trace.status == "failed"
        assert trace.recorded == 9


def test_a_model_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text(
        "class Broken:\n"
        "    moves = False\n"
        "    def start(self, position_m, area_m, rngs_of, placed):\n"
        "        return -position_m\n"
        "    def advance(self, position_m, dt_s):\n"
        "        return position_m\n",
        encoding="utf-8",
    )
    result = broken_run("mobility.model")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "run failed: mobility model 'broken:Broken', slot 0, field position_m: (-"
    )


# What a policy tells the trace


def test_a_policy_gives_variables_that_a_trace_has() -> None:
    assert all(SLOT_VARIABLES[name].dims == NETWORK for name in DIAGNOSTICS)


def told(given: Callable[[int], Any]) -> Run:
    def decide(observation: Any) -> Decision:
        idle = Decision.idle(a_network(4, 6))
        return replace(idle, diagnostics=given(observation.slot))

    return simulate("policy.name=local", "run.slots=5", decide=decide)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "slot 0, field diagnostics: expected a mapping, got NoneType"),
        ({"mine": np.ones(1)}, "field diagnostics: 'mine' is not known; allowed: lower_bound_mg, "),
        ({"queue_bits": np.ones((1, 6))}, "field diagnostics: 'queue_bits' is not known"),
        ({"iterations": np.ones(5)}, r"field iterations: shape \(5,\), expected \(1,\)"),
        ({"failed_solves": [np.nan]}, "failed_solves: nan at replication 0; allowed: finite"),
        ({"iterations": ["three"]}, "field iterations: not an array of numbers: list of <U5"),
    ],
)
def test_wrong_diagnostics_are_named(given: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        told(lambda slot: given)


def test_diagnostics_are_the_same_in_every_slot() -> None:
    with pytest.raises(RunError, match=r"slot 3, field diagnostics: \[\], in the first slot \['it"):
        told(lambda slot: {"iterations": [2]} if slot < 3 else {})


def test_right_diagnostics_are_recorded() -> None:
    run = told(lambda slot: {"iterations": [slot], "optimality_gap": [np.nan]})
    np.testing.assert_array_equal(run.trace["iterations"], [np.arange(5.0)])
    assert np.isnan(run.trace["optimality_gap"]).all()


ZERO = np.zeros((1, 6))


@pytest.mark.parametrize("field", ["power_w", "local_cpu_hz", "edge_cpu_hz"])
@pytest.mark.parametrize("wrong", [ZERO + 0j, ZERO.astype(str), np.ma.masked_equal(ZERO, 0.0)])
def test_numbers_of_another_kind_are_no_decision(field: str, wrong: Any) -> None:
    message = f"field {field}: not an array of numbers"
    stream = replace(Decision.idle(a_network(4, 6)), **{field: wrong})
    with pytest.raises(RunError, match=message):
        simulate("policy.name=local", decide=lambda _: stream)
    task = replace(TaskDecision(ZERO, ZERO > 0.0, ZERO + 1e9, ZERO), **{field: wrong})
    text = (ROOT / "scenarios/carbon_6ue.toml").read_text(encoding="utf-8")
    with pytest.raises(RunError, match=message):
        simulate(toml=text, decide=lambda _: task)


# Where their keys stand


def test_path_loss_and_fading_share_the_keys_of_their_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("two_slopes.py", "nakagami.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    own = {
        "channel.path_loss": "two_slopes:TwoSlopes",
        "channel.fading": "nakagami:Nakagami",
        "channel.breakpoint": "80 m",
        "channel.min_distance": "7 m",
        "channel.m": 3.0,
    }
    plan = prepare(edgesim.load_scenario("iiot_20dev", own)).blueprint
    path_loss: Any = plan.path_loss
    assert (path_loss.breakpoint_m, path_loss.min_distance_m, plan.fading.m) == (80.0, 7.0, 3.0)
    with pytest.raises(ScenarioError, match=r"channel\.breakpont.*unknown key"):
        prepare(edgesim.load_scenario("iiot_20dev", own | {"channel.breakpont": "80 m"}))

    task = {key: own[key] for key in ("channel.path_loss", "channel.breakpoint")}
    path_loss = prepare(edgesim.load_scenario("carbon_6ue", task)).blueprint.path_loss
    assert path_loss.breakpoint_m == 80.0
    with pytest.raises(ScenarioError, match=r"channel\.m.*does not go with the problem"):
        prepare(edgesim.load_scenario("carbon_6ue", task | {"channel.m": 3.0}))


def test_whether_devices_move_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLES / "billiard.py").read_text(encoding="utf-8")
    Path("still.py").write_text(text.replace("moves = True", 'moves = "no"'), encoding="utf-8")
    with pytest.raises(ScenarioError, match="`moves` is 'no'; allowed: True or False"):
        prepare(edgesim.load_scenario("iiot_20dev", {"mobility.model": "still:Billiard"}))


# The page


def test_the_page_names_each_key_and_each_model() -> None:
    for key in KEYS.values():
        assert f"`{key.partition('.')[2]}`" in PAGE
    for table in (ARRIVALS, SLOT_TASKS, FADING, PATH_LOSS, MOBILITY, ASSOCIATION):
        for name in table:
            assert f"`{name}`" in PAGE
