"""The package's own names: the command's abilities in Python, and policies as classes and objects."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sweeping import contents

import edgesim
from edgesim.cli import main
from edgesim.experiments.checkpoint import checkpoint_path
from edgesim.experiments.outputs import RUNS
from edgesim.policies.local import Local
from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.traces.comparison import compare_traces
from edgesim.traces.reader import open_trace

SCENARIO = """
title = "small"
[run]
slots = 12
[devices]
count = 4
[tasks]
mean = "0.4 Mbit"
[policy]
name = "random"
"""

NOTEBOOK = """
from edgesim import Decision
from edgesim.policies.local import Local


class Half(Local):
    '''Runs the CPUs at a share of what `local` does.'''

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def decide(self, observation):
        decision = super().decide(observation)
        speed = self.share * decision.local_cpu_hz
        return Decision(
            decision.bandwidth_hz, decision.power_w, speed, decision.edge_cpu_hz,
            decision.served_bits,
        )
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def half() -> Any:
    """A class as a notebook has it: made by exec, in no file and no module."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(NOTEBOOK, names)  # noqa: S102 - it is what a notebook does
    return names["Half"]


def resolved(trace: edgesim.Trace) -> dict[str, Any]:
    return tomllib.loads(trace.scenario)


def ran(*args: Any, **arguments: Any) -> dict[str, bytes]:
    """The contents of a new trace."""
    with edgesim.run(*args, **arguments) as trace:
        assert trace.status == "complete"
    return contents(trace.path)


# The names


def test_the_packages_names_are_there_and_loaded_when_used() -> None:
    code = (
        "import sys, edgesim\n"
        "assert not [name for name in sys.modules if name.startswith('edgesim.')]\n"
        "assert sorted(edgesim.__all__) == dir(edgesim)\n"
        "for name in edgesim.__all__: assert getattr(edgesim, name) is not None\n"
        "assert edgesim.run.__name__ == 'run' and edgesim.Trace.__name__ == 'Trace'\n"
        "assert not hasattr(edgesim, 'rum')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# Each argument of run


def test_a_scenario_is_given_in_many_forms() -> None:
    Path("small.toml").write_text(SCENARIO)
    expected = ran("small.toml")
    loaded = edgesim.load_scenario("small.toml")
    for form in (Path("small.toml"), SCENARIO, tomllib.loads(SCENARIO), loaded, expected_trace()):
        assert ran(form) == expected
    assert ran("iiot_20dev", slots=12, policy="random") != expected


def expected_trace() -> str:
    return str(RUNS / "small-random-seed1.h5")


def test_where_no_output_is_given_a_trace_gets_a_new_file() -> None:
    Path("small.toml").write_text(SCENARIO)
    paths = [edgesim.run("small.toml", policy=policy).path for policy in ("local", "local", half())]
    assert [str(path) for path in paths] == [
        "runs/small-local-seed1.h5",
        "runs/small-local-seed1-2.h5",
        "runs/small-Half-seed1.h5",
    ]


@pytest.mark.parametrize("overrides", [["run.slots=9"], {"run.slots": 9}, {"run": {"slots": 9}}])
def test_arguments_change_the_scenario(overrides: Any) -> None:
    arguments = {"seed": 5, "replications": 3, "policy": "local", "overrides": overrides}
    with edgesim.run(SCENARIO, "t.h5", **arguments) as trace:
        scenario = resolved(trace)
        assert trace.path == Path("t.h5")
        assert trace.slots["seed"].values.tolist() == [5, 6, 7]
        assert trace.slots.sizes["slot"] == 9
    assert scenario["policy"]["name"] == "local" and scenario["run"]["slots"] == 9
    with edgesim.run(SCENARIO, "t.h5", slots=7, overrides=overrides) as trace:
        assert trace.slots.sizes["slot"] == 7  # as of two options, the flag counts


def test_tasks_that_wait_at_the_end_are_in_the_trace() -> None:
    """All bits that arrived are some task's, and those that are left those of the tasks that wait."""
    with edgesim.run(SCENARIO, "t.h5", slots=5, policy="local") as trace:
        slots, tasks = trace.slots.load(), trace.tasks.load()
    waits = tasks["outcome"].values == OUTCOMES.index("queued")
    assert waits.any()
    np.testing.assert_allclose(tasks["bits"].sum(), slots["arrived_bits"].sum(), rtol=1e-12)
    assert tasks["bits"].values[waits].sum() >= 0.99 * float(
        slots["arrived_bits"].sum() - slots["local_bits"].sum()
    )


def test_overrides_also_change_what_is_loaded_or_recorded() -> None:
    loaded = edgesim.load_scenario(SCENARIO, seed=3)
    edgesim.run(loaded, "t.h5").close()
    for scenario in (loaded, "t.h5"):
        with edgesim.run(scenario, overrides={"devices.count": np.int64(2)}) as trace:
            assert trace.attrs["devices"] == 2 and trace.slots["seed"].values.tolist() == [3]


def test_mistakes_in_arguments_are_scenario_errors() -> None:
    with pytest.raises(edgesim.ScenarioError, match=r"^overrides: key `run.slots` = 0: too small"):
        edgesim.run(SCENARIO, overrides={"run.slots": 0})
    with pytest.raises(edgesim.ScenarioError, match=r"^--set: key `run.slots` = 0: too small"):
        edgesim.run(SCENARIO, overrides=["run.slots=0"])
    with pytest.raises(edgesim.ScenarioError, match="not a value that TOML has"):
        edgesim.run(SCENARIO, overrides={"policy.share": half})
    with pytest.raises(edgesim.ScenarioError, match="'run slots' is not a key"):
        edgesim.run(SCENARIO, overrides={"run slots": 0})


def test_data_are_looked_up_in_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "grid.csv").write_text("Time,Carbon Intensity\n2020-06-01,360\n2020-06-02,360\n")
    keys = {"carbon.intensity": {"file": "grid.csv", "start": "2020-06-01T00:00"}}
    for scenario in (SCENARIO, edgesim.load_scenario(SCENARIO)):
        with pytest.raises(edgesim.ScenarioError, match=r"no such data file"):
            edgesim.run(scenario, overrides=keys)
        edgesim.run(scenario, overrides=keys, data_dir=data).close()


def test_a_checkpoint_of_a_policy_that_learns() -> None:
    with pytest.raises(edgesim.ScenarioError, match="checkpoint"):
        edgesim.run("iiot_20dev", policy="aac", slots=2)
    shipped = {"policy": "aac", "checkpoint": "aac_iiot_20dev", "slots": 2}
    with edgesim.run("iiot_20dev", **shipped) as trace:  # type: ignore[arg-type]
        assert resolved(trace)["policy"]["checkpoint"] == "aac_iiot_20dev"
    again = {"overrides": {"tasks.mean": "0.5 Mbit"}} | shipped
    with edgesim.run("iiot_20dev", **again) as trace:  # type: ignore[arg-type]
        assert resolved(trace)["tasks"]["mean"] == "0.5 Mbit"


def test_a_trace_is_replaced_unless_that_is_ruled_out() -> None:
    edgesim.run(SCENARIO, "t.h5").close()
    with pytest.raises(edgesim.ArgumentError, match=r"t.h5 exists; `overwrite=True` replaces it"):
        edgesim.run(SCENARIO, "t.h5", overwrite=False, seed=2)
    with open_trace("t.h5") as trace:
        assert trace.slots["seed"].values.tolist() == [1]
    edgesim.run(SCENARIO, "t.h5", seed=2).close()
    with open_trace("t.h5") as trace:
        assert trace.slots["seed"].values.tolist() == [2]


def test_a_run_is_followed_from_its_start() -> None:
    started: list[Any] = []
    edgesim.run(SCENARIO, "t.h5", on_start=started.append).close()
    assert [simulation.slots for simulation in started] == [12]


class Interrupting(Local):
    """Interrupts its run in a slot, once."""

    def __init__(self, slot: int = 7) -> None:
        self.slot = slot

    def decide(self, observation: Any) -> Any:
        if observation.slot == self.slot:
            os.kill(os.getpid(), signal.SIGINT)
        return super().decide(observation)


def test_an_interrupted_run_goes_on() -> None:
    expected = ran(SCENARIO, "whole.h5", policy=Interrupting(99))
    arguments: dict[str, Any] = {"policy": Interrupting(7), "checkpoint_every": 3}
    with pytest.raises(KeyboardInterrupt, match=r"^what was run is in t\.h5$") as interrupt:
        edgesim.run(SCENARIO, "t.h5", **arguments)
    assert interrupt.value.left == Path("t.h5")  # type: ignore[attr-defined]
    with open_trace("t.h5") as trace:
        assert trace.status == "interrupted" and trace.slots.sizes["slot"] == 8
    assert checkpoint_path(Path("t.h5")).exists()
    with pytest.raises(edgesim.CheckpointError, match=r"of another scenario: run.seed was 1"):
        edgesim.run(SCENARIO, "t.h5", resume=True, seed=2, **arguments)
    found = ran(SCENARIO, "t.h5", resume=True, **arguments)
    assert {**found, "scenario": b""} == {**expected, "scenario": b""}
    # Nothing is left to do, and that of another scenario is not it.
    before = Path("t.h5").read_bytes()
    edgesim.run(SCENARIO, "t.h5", resume=True, **arguments).close()
    assert Path("t.h5").read_bytes() == before
    with pytest.raises(edgesim.CheckpointError, match=r"of another scenario: run.seed was 1"):
        edgesim.run(SCENARIO, "t.h5", resume=True, seed=2, policy=Interrupting(7))
    with pytest.raises(edgesim.ArgumentError, match="`resume` needs `output`"):
        edgesim.run(SCENARIO, resume=True)


def test_without_a_checkpoint_none_is_left() -> None:
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(SCENARIO, "t.h5", policy=Interrupting(7))
    assert not checkpoint_path(Path("t.h5")).exists()
    with pytest.raises(edgesim.ArgumentError, match="no checkpoint to go on from"):
        edgesim.run(SCENARIO, "t.h5", policy=Interrupting(7), resume=True)


# Policies as classes and objects


def test_a_class_of_a_notebook_runs_and_is_recorded_with_its_options() -> None:
    cls = half()
    with edgesim.run(SCENARIO, "class.h5", policy=cls, overrides={"policy.share": 0.25}) as trace:
        assert trace.policy == "__main__:Half"
        policy = resolved(trace)["policy"]
        assert policy["share"] == 0.25
        assert (trace.slots["local_cpu_hz"].values > 0).any()
    with edgesim.run(SCENARIO, policy="local") as trace, open_trace("class.h5") as other:
        first = trace.slots["local_cpu_hz"].values[:, 1]
        np.testing.assert_allclose(other.slots["local_cpu_hz"].values[:, 1], 0.25 * first)
    # With the class given again, the trace has all that it takes.
    with pytest.raises(edgesim.ScenarioError, match="give the class or the object again"):
        edgesim.run("class.h5")
    assert ran("class.h5", policy=half()) == contents(Path("class.h5"))


def test_an_object_runs_as_it_is() -> None:
    cls = half()
    expected = ran(SCENARIO, policy=cls, overrides={"policy.share": 0.25})
    with edgesim.run(SCENARIO, "object.h5", policy=cls(share=0.25)) as trace:
        assert trace.policy == "__main__:Half(share=0.25)"
        assert set(resolved(trace)["policy"]) == {"name", "penalty", "V", "perturbation"}
    found = contents(Path("object.h5"))
    assert {**found, "scenario": b""} == {**expected, "scenario": b""}
    with pytest.raises(edgesim.ScenarioError, match="give the class or the object again"):
        edgesim.run("object.h5")
    assert ran("object.h5", policy=cls(share=0.25)) == found
    with pytest.raises(edgesim.ScenarioError, match=r"`policy.share` = 0.1: is not set of an obj"):
        edgesim.run(SCENARIO, policy=cls(), overrides=["policy.share=0.1"])


def test_a_class_of_a_module_is_found_again_by_its_name() -> None:
    with edgesim.run(SCENARIO, "t.h5", policy=Local) as trace:
        assert trace.policy == "local"  # it needs no trust, nor its module
    assert ran("t.h5") == contents(Path("t.h5"))


def test_a_policy_is_reset_once_and_says_beforehand_what_it_cannot_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resets, reset = [], Local.reset

    def counted(self: Local, network: Any, problem: Any, rngs: Any) -> None:
        resets.append(type(self).__name__)
        reset(self, network, problem, rngs)

    monkeypatch.setattr(Local, "reset", counted)

    class Few(Local):
        def check(self, network: Any, problem: Any) -> None:
            if network.devices > 4:
                raise ValueError(f"{network.devices} devices are too many")

    for policy in ("local", Few, Few()):
        edgesim.run(SCENARIO, policy=policy).close()
    for policy in (Few, Few()):
        with pytest.raises(edgesim.ScenarioError, match=r"policy\.name.* 5 devices are too many"):
            edgesim.run(SCENARIO, policy=policy, overrides={"devices.count": 5})
    assert resets == ["Local", "Few", "Few"]


def test_what_cannot_decide_is_no_policy() -> None:
    class Nothing:
        def reset(self, network: Any, problem: Any, rngs: Any) -> None: ...

    for policy in (Nothing, Nothing(), dict):
        with pytest.raises(edgesim.ScenarioError, match="no policy: it has no method"):
            edgesim.run(SCENARIO, policy=policy)  # type: ignore[arg-type]
    with pytest.raises(edgesim.ScenarioError, match=r"key `policy.shar` = 1: unknown key for Half"):
        edgesim.run(SCENARIO, policy=half(), overrides={"policy.shar": 1})


def test_replications_of_a_class_are_the_runs_of_their_seeds() -> None:
    many = edgesim.run(SCENARIO, policy=half(), replications=3, seed=4)
    with many, edgesim.run(SCENARIO, policy=half(), seed=6) as alone:
        for name, column in alone.slots.data_vars.items():
            if "slot" in column.dims:
                np.testing.assert_array_equal(many.slots[name].values[2], column.values[0])


def test_a_run_that_cannot_be_saved_is_refused_before_it_begins() -> None:
    edgesim.run(SCENARIO, "t.h5").close()
    before = Path("t.h5").read_bytes()
    policy = half()()
    policy.chooses = lambda: 0.5
    with pytest.raises(edgesim.CheckpointError, match=r"policy\.chooses, a function, is no data"):
        edgesim.run(SCENARIO, "t.h5", policy=policy, checkpoint_every=3)
    assert Path("t.h5").read_bytes() == before


def test_a_class_of_the_notebook_itself_can_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = half()

    def decide(self: Any, observation: Any) -> Any:
        if observation.slot == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return decide_of_class(self, observation)

    decide_of_class, cls.decide = cls.decide, decide
    monkeypatch.setattr(sys.modules["__main__"], "Half", cls, raising=False)
    with pytest.raises(KeyboardInterrupt):
        edgesim.run(SCENARIO, "t.h5", policy=cls, checkpoint_every=3)
    cls.decide = decide_of_class
    assert ran(SCENARIO, "t.h5", policy=cls, resume=True) == ran(SCENARIO, policy=cls)


def test_the_examples_of_the_documents_run() -> None:
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {"__name__": "__main__"})  # noqa: S102 - it is what a notebook does
    with open_trace("careful.h5") as trace, open_trace("runs/careful-Careful-seed1.h5") as again:
        assert trace.policy == "__main__:Careful" and again.scenario == trace.scenario
        assert trace.slots.identical(again.slots)
    named = set(re.findall(r"`(\w+)\(", page)) - {"dir"}
    assert named <= set(edgesim.__all__) and len(named) > 12


# As the command


def edgesim_command(*words: str) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_and_the_function_leave_the_same_trace() -> None:
    Path("small.toml").write_text(SCENARIO)
    edgesim_command(
        "run", "small.toml", "-o", "command.h5", "--seed", "3", "--slots", "9", "--policy", "epr",
        "--replications", "2", "--set", "devices.count=5", "--set", "tasks.mean=0.5 Mbit",
    )  # fmt: skip
    expected = contents(Path("command.h5"))
    overrides = {"devices.count": 5, "tasks.mean": "0.5 Mbit"}
    arguments: Any = {"seed": 3, "slots": 9, "policy": "epr", "replications": 2}
    assert ran("small.toml", overrides=overrides, **arguments) == expected


def test_validate_gives_the_network_or_all_that_is_wrong() -> None:
    assert edgesim.validate(SCENARIO, policy=half()).devices == 4
    with pytest.raises(edgesim.ScenarioError, match=r"`tasks\.men`"):
        edgesim.validate(edgesim.load_scenario(SCENARIO, {"tasks.men": 3}))


def test_compare_takes_names_classes_and_objects() -> None:
    cls = half()
    policies: list[Any] = ["local", "local{V=1e12}", cls, cls(share=0.1)]
    found = edgesim.compare(SCENARIO, policies, "out", seeds=3, seed=4, slots=10)
    labels = ["local", "local{V=1e12}", "Half", "Half(share=0.1)"]
    assert [policy.label for policy in found.policies] == labels and found.seeds == [4, 5, 6]
    traces = {policy.label: policy.trace for policy in found.policies}
    assert {path.parent for path in traces.values()} == {Path("out")}
    assert found.to_json() == compare_traces(traces).to_json()
    with open_trace(traces["Half"]) as trace:
        assert trace.level == "summary" and trace.attrs["slots"] == 10
    with pytest.raises(edgesim.ArgumentError, match="out is not empty"):
        edgesim.compare(SCENARIO, "local,epr", "out")
    named = edgesim.compare(
        SCENARIO, {"half": cls, "less": cls(0.1)}, seeds=2, overrides={"devices.count": 3}
    )
    assert [policy.label for policy in named.policies] == ["half", "less"]
    assert named.baseline.trace.parent == RUNS / "compare-scenario"
    picture = edgesim.plot(named, "picture.png")
    assert picture.stat().st_size > 10_000
    with pytest.raises(edgesim.ArgumentError, match="needs `output`"):
        edgesim.plot(named)


def test_an_interrupted_comparison_says_where_its_traces_are() -> None:
    policies: list[Any] = ["local", Interrupting(3), "random"]
    with pytest.raises(KeyboardInterrupt, match="what was run is in out"):
        edgesim.compare(SCENARIO, policies, "out", seeds=2)
    assert len(list(Path("out").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policies": ["local"]}, "only `local`"),
        ({"policies": [Local, Local]}, "`local` is there twice"),
        ({"scenario": "."}, "for `compare_sweep`"),
        ({"overrides": {"devices.count": 0}}, "overrides: key `devices.count` = 0"),
    ],
)
def test_comparisons_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        edgesim.compare(**{"scenario": SCENARIO, "policies": "local,epr"} | arguments)


def test_what_shows_traces_has_the_commands_defaults() -> None:
    edgesim.run(SCENARIO, "a.h5").close()
    trace = edgesim.run(SCENARIO, "b.h5", policy="local")
    both = edgesim.summarise(["a.h5", trace], warmup=0.2)
    assert (
        both.to_json()
        == edgesim_command("summary", "a.h5", "b.h5", "--warmup", "0.2", "--json")[:-1]
    )
    assert len(edgesim.summarise(trace).traces) == 1
    assert edgesim.plot(trace, kind="series") == Path("b.png")
    assert edgesim.report("a.h5") == Path("a.html")
    assert edgesim.report(["a.h5", trace], "both.html") == Path("both.html")
    assert "local" in Path("both.html").read_text()
    tables = edgesim.export(trace, file_format="csv")
    assert {path.parent for path in tables} == {Path("b")} and Path("b/tasks.csv") in tables
    trace.close()


untyped: Any = edgesim


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: untyped.plot("t.h5", "t.png", "queues"),
            "kind 'queues': one of all, series, latency, map",
        ),
        (lambda: untyped.plot("t.h5", "t.png", style="big"), "style 'big': one of screen"),
        (
            lambda: untyped.plot(["t.h5", "t.h5"], "t.png"),
            r"a trace or its path is needed, not \['t",
        ),
        (lambda: untyped.export(None, "t.csv"), "a trace or its path is needed, not None"),
        (lambda: untyped.report([], "t.html"), "no trace is given"),
        (lambda: untyped.summarise(()), "no trace is given"),
        (
            lambda: untyped.train("iiot_20dev", "t", policy="ddpg", device="tpu"),
            "`device` is 'tpu', but must be cpu or cuda",
        ),
    ],
    ids=["kind", "style", "several", "nothing", "none", "empty", "device"],
)
def test_what_cannot_be_shown_is_said(call: Callable[[], object], message: str) -> None:
    edgesim.run(SCENARIO, output="t.h5", overwrite=True).close()
    with pytest.raises(ValueError, match=message):
        call()


def test_a_sweep_of_tables_and_what_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("small.toml").write_text(SCENARIO)
    Path("halves.py").write_text(NOTEBOOK)
    monkeypatch.syspath_prepend(".")
    from halves import Half  # type: ignore[import-not-found]

    tables = {
        "scenario": "small.toml",
        "policies": ["local", Half],
        "seeds": 2,
        "grid": {"devices.count": [2, 3]},
    }
    assert edgesim.estimate_sweep(tables, workers=1).runs == 8
    done: list[Any] = []
    status = edgesim.sweep(tables, "out", workers=1, watch=done.append)
    assert (status.complete, status.runs, status.folder) == (8, 8, Path("out"))
    assert done[-1].complete == 8
    assert edgesim.sweep_status("out").complete == edgesim.sweep_status("x", "out").complete == 8
    data = edgesim.open_sweep("out")
    assert data["policy"].values.tolist() == ["local", "halves:Half"]
    compared = edgesim.compare_sweep("out", by="devices.count", numbers="latency_s,queue_bits")
    assert len(compared.groups) == 2 and set(compared.groups[0].baseline.means) == {
        "latency_s",
        "queue_bits",
    }
    only = edgesim.compare_sweep("out", between="devices.count", values=["3", "2"], by=())
    assert [policy.label for policy in only.groups[0].policies] == ["3", "2"]
    assert [group.labels for group in edgesim.summarise_sweep("out", by=["policy"]).groups] == [
        {"policy": "local"},
        {"policy": "halves:Half"},
    ]
    assert edgesim.plot("out", x="devices.count", numbers="latency_s") == Path("out/sweep.png")
    assert edgesim.report("out") == Path("out/report.html")
    assert edgesim.export("out", file_format="csv") == [Path("out/runs.csv")]


@pytest.mark.parametrize("make", [lambda cls: cls, lambda cls: cls(), lambda cls: Local()])
def test_a_sweep_refuses_what_other_processes_do_not_know(make: Any) -> None:
    tables = {"scenario": "iiot_20dev", "policies": ["local", make(half())]}
    with pytest.raises(edgesim.ScenarioError, match="not known to the processes that make the"):
        edgesim.sweep(tables, "out")
    with pytest.raises(edgesim.ArgumentError, match="needs `output`"):
        edgesim.sweep({"scenario": "iiot_20dev"})
    assert not Path("out").exists()


def test_a_policy_is_trained_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesim.experiments import evaluation
    from edgesim.policies.learning.dqn import Dqn

    monkeypatch.setattr(evaluation, "SHAPES", dict.fromkeys(evaluation.SHAPES, (2, 2)))
    few = {"episodes": 4, "episode_slots": 5, "replicas": 4, "warmup": 20, "batch": 8}
    options: dict[str, Any] = {f"policy.{key}": value for key, value in few.items()}
    followed: list[Any] = []
    arguments: Any = {"policy": "dqn", "overrides": options, "follow": followed.append}
    result = edgesim.train("carbon_6ue", seed=3, **arguments)
    assert result.complete and result.steps == 80 and followed[-1].steps == 80
    assert result.checkpoint == RUNS / "train-carbon_6ue-dqn-seed3" / "best.pt"
    more: Any = {"policy": Dqn, "overrides": options | {"policy.episodes": 6}}
    with pytest.raises(edgesim.ScenarioError, match=r"is not what the training to resume began"):
        edgesim.train("carbon_6ue", result.checkpoint.parent, resume=True, seed=4, **more)
    arguments["overrides"] = options | {"policy.episodes": 6}
    again = edgesim.train("carbon_6ue", result.checkpoint.parent, resume=True, seed=3, **arguments)
    assert again.steps == 120
    with pytest.raises(edgesim.ArgumentError, match="is not empty; `resume=True` goes on"):
        edgesim.train("carbon_6ue", result.checkpoint.parent, **arguments)
    with pytest.raises(edgesim.ArgumentError, match="`resume` needs `output`"):
        edgesim.train("carbon_6ue", resume=True, **arguments)
    assert edgesim.train("carbon_6ue", "class", **more).steps == 120
    trained: Any = {"slots": 3, "policy": Dqn, "checkpoint": "class/best.pt"}
    edgesim.run("carbon_6ue", **trained).close()


def test_figures_that_are_not_there_are_refused() -> None:
    with pytest.raises(edgesim.ArgumentError, match=r"no figure 'c33'; did you mean c3\?"):
        edgesim.reproduce("c33")
