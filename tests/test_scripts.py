"""edgesim in a Python program that is more than one call of it: what it leaves as it was, and what it hears."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL
from signalling import Signalling
from sweeping import contents

import edgesim
from edgesim.policies.local import Local


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def whole(path: str) -> bool:
    """Whether a trace says that its run was interrupted, after slot 7."""
    with edgesim.open_trace(path) as trace:
        return trace.status == "interrupted" and trace.slots.sizes["slot"] == 8


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal, whose handler is put back."""
    before = signal.getsignal(request.param)
    yield request.param
    signal.signal(request.param, before)


def test_a_handler_of_the_script_is_called_once_the_trace_is_whole(number: int) -> None:
    calls: list[bool] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        assert signum == number
        calls.append(whole("t.h5"))
        raise LookupError("from the handler")

    signal.signal(number, handle)
    with pytest.raises(LookupError, match="from the handler"):
        edgesim.run(SMALL, "t.h5", policy=Signalling(number))
    assert calls == [True] and signal.getsignal(number) is handle


def test_a_handler_that_goes_on_gets_the_interrupted_run(number: int) -> None:
    calls: list[int] = []
    signal.signal(number, lambda signum, frame: calls.append(signum))
    with edgesim.run(SMALL, "t.h5", policy=Signalling(number)) as trace:
        assert trace.status == "interrupted"
    assert calls == [number] and whole("t.h5")
    with pytest.raises(KeyboardInterrupt, match="what was run is in out"):
        edgesim.compare(SMALL, ["local", Signalling(number)], "out", seeds=2)


def test_a_signal_that_is_ignored_ends_nothing(number: int) -> None:
    signal.signal(number, signal.SIG_IGN)
    with edgesim.run(SMALL, "t.h5", policy=Signalling(number)) as trace:
        assert trace.status == "complete"
    assert signal.getsignal(number) is signal.SIG_IGN


LOOP = """
import signal, sys
sys.path.insert(0, {tests!r})
import edgesim
from conftest import SMALL
from signalling import Signalling
for number in range(3):
    print(number, flush=True)
    edgesim.run(SMALL, f"{{number}}.h5", policy=Signalling({signal}))
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_scripts_loop_ends_with_the_run(number: int) -> None:
    code = LOOP.format(tests=str(Path(__file__).parent), signal=int(number))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("0\n", -number)
    assert whole("0.h5") and not Path("1.h5").exists()
    if number == signal.SIGINT:
        assert done.stderr.splitlines()[-1].endswith("KeyboardInterrupt: what was run is in 0.h5")


LIBRARIES_OWN = ("PYGAME_HIDE_SUPPORT_PROMPT", "TORCHINDUCTOR_CACHE_DIR")


def denormals_are_zero() -> bool:
    """Whether the smallest numbers of 32 bits are taken for zero, which torch sets for a thread."""
    return bool(np.float32(1e-20) * np.float32(1e-20) == 0.0)


def test_torch_takes_denormals_for_zero_where_it_learns() -> None:
    """Adam's moments of small gradients are such numbers, and take several times as long."""
    from edgesim.policies.learning.seeding import own_settings

    for before in (False, True):
        torch.set_flush_denormal(before)
        try:
            with own_settings():
                assert denormals_are_zero() == before
            with own_settings(learning=True):
                assert denormals_are_zero()
            assert denormals_are_zero() == before
        finally:
            torch.set_flush_denormal(False)


def state_of_the_process() -> list[Any]:
    """What a program has set, or draws from, for all of it."""
    return [
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        [np.asarray(part).tolist() for part in np.random.get_state()],
        np.geterr(),
        denormals_are_zero(),
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        # What libraries note for themselves when they are first used.
        {name: value for name, value in os.environ.items() if name not in LIBRARIES_OWN},
        sys.path[:],
        Path.cwd(),
    ]


TRAINING = {
    "policy.episodes": 4,
    "policy.episode_slots": 2,
    "policy.replicas": 2,
    "policy.warmup": 2,
    "policy.batch": 2,
    "policy.hidden": [4, 4],
}


def work(folder: str) -> list[Any]:
    """Run and train policies that learn; what came of it."""
    run = edgesim.run(
        "iiot_20dev",
        f"{folder}/run.h5",
        policy="aac",
        slots=5,
        checkpoint="aac_iiot_20dev",
    )
    run.close()
    trained = edgesim.train("carbon_6ue", f"{folder}/ddpg", policy="ddpg", overrides=TRAINING)
    steps = {"policy.steps": 20, "policy.t_max": 2, "policy.workers": 1, "policy.replicas": 2}
    other = edgesim.train("carbon_6ue", f"{folder}/aac", policy="aac", overrides=steps)
    figures = [dict(trained.best), dict(other.best)]
    return [contents(Path(f"{folder}/run.h5")), *figures]


def test_a_programs_own_settings_neither_change_nor_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgesim.experiments import evaluation

    monkeypatch.setattr(evaluation, "SHAPES", dict.fromkeys(evaluation.SHAPES, (1, 2)))
    before = state_of_the_process()
    expected = work("plain")
    assert state_of_the_process() == before
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(1)
    torch.set_flush_denormal(True)
    try:
        with torch.device("meta"), torch.inference_mode():
            changed = state_of_the_process()
            assert work("changed") == expected
            assert state_of_the_process() == changed
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(torch.float32)
        torch.set_flush_denormal(False)


NOTEBOOK = """
from __future__ import annotations

import edgesim
from dataclasses import dataclass, replace


@dataclass
class Half:
    share: float = 0.5
    other: Other | None = None

    def reset(self, network, problem, rngs):
        self.network = network

    def decide(self, observation: edgesim.Observation) -> edgesim.Decision:
        idle = edgesim.Decision.idle(self.network)
        return replace(idle, local_cpu_hz=0 * idle.power_w + self.share * self.network.device_cpu_hz)


class Other:
    pass


def made():
    class Inner(Half):
        pass

    return Inner


for policy in (Half, Half(0.3), made(), made()(0.2), Half(other=Other())):
    print(edgesim.run("iiot_20dev", slots=3, policy=policy).policy)
print(*[one.label for one in edgesim.compare("iiot_20dev", [Half, Half(0.2)], seeds=2, slots=3).policies])
for policy in (Half, Half(0.3), made()):
    try:
        edgesim.sweep({"scenario": "iiot_20dev", "policies": ["local", policy]}, "out")
    except edgesim.ScenarioError as error:
        print(error)
"""


@pytest.mark.slow
def test_policies_of_a_program_without_a_file() -> None:
    """As in a notebook: what defines them is `__main__`, and no file has their source."""
    done = subprocess.run(
        [sys.executable, "-"], input=NOTEBOOK, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "__main__:Half",
        "__main__:Half(share=0.3)",
        "__main__:Inner",
        "__main__:Inner(share=0.2)",
        "__main__:Half(share=0.5)",
        "Half Half(share=0.2)",
    ]
    assert len(lines) == 9
    for line in lines[6:]:
        assert "is not known to the processes that make the runs" in line
        assert "allowed: a name, or a class of a module, as of a .py file beside" in line


def test_an_object_of_a_class_that_is_not_written_in_python() -> None:
    policy = Local()
    given: Any = SimpleNamespace(reset=policy.reset, decide=policy.decide)
    with edgesim.run(SMALL, "t.h5", policy=given) as trace:
        assert trace.policy == "types:SimpleNamespace()" and trace.status == "complete"
