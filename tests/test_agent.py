"""Agents of other libraries as policies: what they do there is what they do here, and nothing else runs."""

import base64
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import gymnasium
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from continuing import assert_same, stop_at
from gymnasium.spaces import Box
from gymnasium.wrappers import RescaleObservation
from untrained import STEADY

import edgesim
from edgesim.cli import main
from edgesim.experiments.run import execute, prepare, resume
from edgesim.policies.learning.agent_files import Spaces, UntrustedError, read_agent
from edgesim.policies.learning.registration import STREAM, TASKS
from edgesim.scenarios.errors import ScenarioError

edgesim.register_envs()
SIX = Spaces(devices=6, features=15, actions=4)
SEEN = np.random.default_rng(1).uniform(-5, 5, (20, 90)).astype(np.float32)
SMALL = {"run.slots": 6, "devices.count": 3}


@pytest.fixture(autouse=True)
def torch_is_left_alone() -> Iterator[None]:
    torch.manual_seed(3)
    torch.set_num_threads(1)
    before = torch.random.get_rng_state()
    yield
    assert torch.get_num_threads() == 1
    assert torch.get_default_dtype() is torch.float32
    assert before.shape == torch.random.get_rng_state().shape


def model(name: str, env: Any, **policy_kwargs: Any) -> Any:
    """An agent of Stable-Baselines3 that has learned for some steps."""
    import stable_baselines3

    keys = {"n_steps": 8, "batch_size": 8, "n_epochs": 1} if name == "PPO" else {}
    keys = {"n_steps": 8} if name == "A2C" else keys
    keys = keys or {"learning_starts": 4, "buffer_size": 50, "batch_size": 4}
    made = getattr(stable_baselines3, name)(
        "MlpPolicy",
        env,
        seed=1,
        device="cpu",
        policy_kwargs={"net_arch": [8]} | policy_kwargs,
        **keys,
    )
    return made.learn(8)


def tasks_env() -> Any:
    return gymnasium.make(TASKS, scenario="carbon_6ue", overrides=["run.slots=4"])


class Touch:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def poisoned(path: Path, mark: Path) -> Path:
    """The same zip, whose pickles would leave a mark."""
    other = path.with_name(f"poisoned-{path.name}")
    with ZipFile(path) as old, ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "data":
                data = json.loads(content)
                evil = base64.b64encode(pickle.dumps(Touch(mark))).decode()
                for value in data.values():
                    if isinstance(value, dict) and ":serialized:" in value:
                        value[":serialized:"] = evil
                content = json.dumps(data).encode()
                assert evil.encode() in content
            new.writestr(name, content)
    return other


@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC", "DDPG", "TD3"])
def test_networks_of_stable_baselines_act_as_there_and_nothing_is_unpickled(
    name: str, tmp_path: Path
) -> None:
    agent = model(name, tasks_env())
    agent.save(tmp_path / "agent.zip")
    mark = tmp_path / "mark"
    read = read_agent(poisoned(tmp_path / "agent.zip", mark), SIX, trust=False)
    assert not mark.exists()
    assert read.shape == (90,)
    for seen in SEEN:
        theirs, _ = agent.predict(seen, deterministic=True)
        assert np.array_equal(np.clip(read.call(seen[None])[0], -1.0, 1.0), theirs)


def test_activations_are_those_that_were_given(tmp_path: Path) -> None:
    agent = model("PPO", tasks_env(), activation_fn=torch.nn.ELU)
    agent.save(tmp_path / "agent.zip")
    read = read_agent(tmp_path / "agent.zip", SIX, trust=False)
    theirs, _ = agent.predict(SEEN[:1], deterministic=True)
    assert np.array_equal(np.clip(read.call(SEEN[:1]), -1.0, 1.0), theirs)


def test_what_only_pickles_can_make_asks_for_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = model("PPO", tasks_env(), activation_fn=torch.nn.Hardswish)
    agent.save(tmp_path / "agent.zip")
    with pytest.raises(UntrustedError, match=r"activation_fn .*Hardswish.*pickles"):
        read_agent(tmp_path / "agent.zip", SIX, trust=False)
    read = read_agent(tmp_path / "agent.zip", SIX, trust=True)
    theirs, _ = agent.predict(SEEN[:1], deterministic=True)
    assert np.array_equal(read.call(SEEN[:1]), theirs)
    keys = ["policy.file=agent.zip", "run.slots=2"]
    command = ["run", "carbon_6ue", "--policy", "agent", "-o", str(tmp_path / "t.h5")]
    command += [word for key in keys for word in ("--set", key)]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "--trust" in result.output and "policy.file" in result.output
    assert CliRunner().invoke(main, [*command, "--trust"]).exit_code == 0


def test_spaces_that_differ_are_told(tmp_path: Path) -> None:
    model("A2C", tasks_env()).save(tmp_path / "six.zip")
    with pytest.raises(ScenarioError) as raised:
        edgesim.run(
            "carbon_6ue", tmp_path / "t.h5", policy="agent",
            overrides={"devices.count": 5, "policy.file": str(tmp_path / "six.zip")},
        )  # fmt: skip
    assert "observations (90,) in [-5., 5.]" in str(raised.value)
    assert "(75,) or (5, 15) in [-5.0, 5.0]" in str(raised.value)
    scaled = RescaleObservation(tasks_env(), np.float32(-1.0), np.float32(1.0))
    model("A2C", scaled).save(tmp_path / "scaled.zip")
    with pytest.raises(ValueError, match=r"observations \(90,\) in \[-1\., 1\.\]; the environment"):
        read_agent(tmp_path / "scaled.zip", SIX, trust=True)

    class Discrete(gymnasium.Env[Any, Any]):
        observation_space = Box(-5.0, 5.0, (90,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, **keywords: Any) -> Any:
            return np.zeros(90, np.float32), {}

        def step(self, action: Any) -> Any:
            return np.zeros(90, np.float32), 0.0, True, False, {}

    model("A2C", Discrete()).save(tmp_path / "discrete.zip")
    with pytest.raises(
        ValueError, match=r"actions of Discrete; the environment has actions \(24,\)"
    ):
        read_agent(tmp_path / "discrete.zip", SIX, trust=True)


def test_an_agent_that_is_shown_devices(tmp_path: Path) -> None:
    """flat=False: (N, F) observations and (N, A) actions."""
    env = gymnasium.make(TASKS, scenario="carbon_6ue", overrides=["run.slots=4"], flat=False)
    agent = model("DDPG", env)
    agent.save(tmp_path / "agent.zip")
    read = read_agent(tmp_path / "agent.zip", SIX, trust=False)
    assert read.shape == (6, 15)
    seen = SEEN[:1].reshape(1, 6, 15)
    theirs = agent.predict(seen[0], deterministic=True)[0]
    assert np.array_equal(read.call(seen).reshape(6, 4), theirs)


# Formats that tell nothing of their spaces


def linear() -> tuple[Any, Any, torch.nn.Module]:
    """W (24, 90), b (24,), and the network tanh(W x + b)."""
    rng = np.random.default_rng(4)
    W, b = (rng.uniform(-0.1, 0.1, size).astype(np.float32) for size in ((24, 90), (24,)))
    layer = torch.nn.Linear(90, 24)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(W))
        layer.bias.copy_(torch.tensor(b))
    return W, b, torch.nn.Sequential(layer, torch.nn.Tanh()).eval()


def number(field: int, value: int) -> bytes:
    """Of a message of protobuf, a whole number below 128."""
    return bytes([field << 3, value])


def part(field: int, content: bytes | str) -> bytes:
    """Of a message of protobuf, a text, bytes or message."""
    content = content.encode() if isinstance(content, str) else content
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def onnx(W: Any, b: Any, *more: bytes, op: bytes = b"") -> bytes:
    """tanh(Gemm(x, W, b)), as ModelProto of onnx.proto has it."""

    def tensor(name: str, value: Any) -> bytes:
        dims = b"".join(number(1, n) for n in value.shape)
        data = struct.pack(f"<{value.size}f", *value.ravel())
        return part(5, dims + number(2, 1) + part(8, name) + part(9, data))

    def value(field: int, name: str, size: int) -> bytes:
        shape = part(1, part(2, "batch")) + part(1, number(1, size))
        return part(field, part(1, name) + part(2, part(1, number(1, 1) + part(2, shape))))

    turned = part(5, part(1, "transB") + number(3, 1) + b"\xa0\x01\x02")  # attribute, of an INT
    nodes = part(
        1, part(1, "x") + part(1, "W") + part(1, "b") + part(2, "h") + part(4, "Gemm") + turned
    )
    nodes += op or part(1, part(1, "h") + part(2, "y") + part(4, "Tanh"))
    graph = nodes + part(2, "g") + tensor("W", W) + tensor("b", b)
    graph += value(11, "x", 90) + value(12, "y", 24)
    return number(1, 8) + part(7, graph + b"".join(more)) + part(8, part(1, "") + number(2, 17))


def test_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    W, b, _ = linear()
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx(W, b))
    read = read_agent(path, SIX, trust=False)
    assert (read.format, read.shape) == ("ONNX", (90,))
    expected = np.tanh(SEEN.astype(np.float64) @ W.T.astype(np.float64) + b)
    for seen, action in zip(SEEN, expected, strict=True):
        np.testing.assert_allclose(read.call(seen[None])[0], action, atol=2e-6)
    with pytest.raises(ValueError, match=r"the environment has observations \(75,\) or"):
        read_agent(path, Spaces(5, 15, 4), trust=False)
    noise = part(1, part(1, "h") + part(2, "y") + part(4, "RandomNormalLike"))
    path.write_bytes(onnx(W, b, op=noise))
    with pytest.raises(ValueError, match="answers otherwise when asked again"):
        read_agent(path, SIX, trust=False)
    path.write_bytes(onnx(W, b, part(5, part(13, part(1, "location") + part(2, "/etc/passwd")))))
    with pytest.raises(ValueError, match="weights lie in another file"):
        read_agent(path, SIX, trust=False)


def save_script(network: Any, path: Path) -> None:
    torch.jit.trace(network, torch.zeros(1, 90)).save(path)  # type: ignore[no-untyped-call]


def save_exported(network: Any, path: Path) -> None:
    torch.export.save(torch.export.export(network, (torch.zeros(1, 90),)), path)


@pytest.mark.parametrize(
    ("save", "what"), [(save_script, "TorchScript"), (save_exported, "torch.export")]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own, as it exports
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_programs_of_torch_ask_for_trust(save: Any, what: str, tmp_path: Path) -> None:
    network = linear()[2]
    path = tmp_path / "agent.bin"
    save(network, path)
    with pytest.raises(UntrustedError, match=what):
        read_agent(path, SIX, trust=False)
    read = read_agent(path, SIX, trust=True)
    assert read.format == what
    expected = network(torch.tensor(SEEN[:1])).detach().numpy()
    for _ in range(4):  # a program that is optimised as it runs would differ from itself
        assert np.array_equal(read.call(SEEN[:1]), expected)
    with pytest.raises(ValueError, match=r"it refuses \(75,\).*observations \(75,\) or \(5, 15\)"):
        read_agent(path, Spaces(5, 15, 4), trust=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_draws_random_numbers_is_refused(tmp_path: Path) -> None:
    noisy = torch.jit.script(Noisy())
    noisy.save(tmp_path / "noisy.pt")  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="answers otherwise when asked again"):
        read_agent(tmp_path / "noisy.pt", SIX, trust=True)


class Noisy(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rand_like(x[:, :24])


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with pytest.raises(ValueError, match="No such file"):
        read_agent(other, SIX, trust=True)
    torch.save({"a": torch.zeros(1)}, other)
    with pytest.raises(ValueError, match="weights without a network"):
        read_agent(other, SIX, trust=True)
    for compression in (ZIP_STORED, ZIP_DEFLATED):
        with ZipFile(other, "w", compression) as file:
            file.writestr("data", "{}")
            file.writestr("policy.pth", "")
        with pytest.raises(ValueError, match="no zip of Stable-Baselines3, or damaged"):
            read_agent(other, SIX, trust=True)
    with ZipFile(other, "w") as file:
        file.writestr("readme", "")
    with pytest.raises(ValueError, match="no agent; allowed: a zip of Stable-Baselines3, ONNX"):
        read_agent(other, SIX, trust=True)
    keys = {"policy.file": "nowhere.zip"}
    with pytest.raises(ScenarioError, match=r"no such file; looked for .*nowhere\.zip"):
        edgesim.run("carbon_6ue", tmp_path / "t.h5", policy="agent", overrides=keys)


# Classes

WRITTEN = """
import numpy as np
class Best:
    def __init__(self):
        open("mark", "w").close()
        self.n = 0
    def predict(self, observation, deterministic=False):
        assert deterministic and observation.shape == (90,)
        self.n += 1
        return np.full(24, 0.1 * self.n), None
"""


def test_a_class_is_imported_where_a_policy_of_ones_own_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here" / "best_agent.py").write_text(WRITTEN)
    text = edgesim.load_scenario("carbon_6ue", {"run.slots": 2}, policy="agent").to_toml()
    text = text.replace('name = "agent"', 'name = "agent"\nfile = "best_agent:Best"')
    path = tmp_path / "here" / "mine.toml"
    path.write_text(text)
    monkeypatch.chdir(tmp_path / "there")
    notes = CliRunner().invoke(main, ["validate", str(path)])
    assert notes.exit_code == 0 and 'policy.file = "best_agent:Best"' in notes.output
    assert not Path("mark").exists()
    with edgesim.run(path, "t.h5") as trace:
        assert trace.inputs is not None and "best_agent.py" in trace.inputs
        assert trace.encoding["format"] == "class"
    assert Path("mark").exists()
    with pytest.raises(ScenarioError, match=r"policy\.file.*may not name"):
        edgesim.run("t.h5", "again.h5")
    Path("best_agent.py").write_text(WRITTEN)
    edgesim.run("t.h5", "again.h5", trust=True).close()
    assert_same(Path("again.h5"), Path("t.h5"))
    Path("no_agent.py").write_text("class Best: pass")
    with pytest.raises(ScenarioError, match="no method `predict`"):
        edgesim.run("t.h5", "third.h5", overrides={"policy.file": "no_agent:Best"})


def test_a_wrong_action_ends_the_run_with_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong_agent.py").write_text(
        "class Wrong:\n    def predict(self, observation):\n        return [0.0, 1.0]\n"
    )
    monkeypatch.chdir(tmp_path)
    keys = {"policy.file": "wrong_agent:Wrong", "run.slots": 2}
    with pytest.raises(
        edgesim.RunError, match=r"action of shape \(2,\); allowed: \(24,\) or \(6, 4\)"
    ):
        edgesim.run("carbon_6ue", "t.h5", policy="agent", overrides=keys)


@pytest.mark.parametrize("problem", ["iiot_20dev", "carbon_6ue"])
def test_replications_are_runs_of_their_own(problem: str, tmp_path: Path) -> None:
    """The agent remembers: one object for each."""
    keys = [*STEADY, "run.slots=5", "devices.count=3", "run.seed=4"]
    with (
        edgesim.run(problem, tmp_path / "t.h5", overrides=keys, replications=2) as both,
        edgesim.run(problem, tmp_path / "u.h5", overrides=keys, seed=5) as alone,
    ):
        name = "objective" if problem == "iiot_20dev" else "worst_emission_mg"
        assert np.array_equal(both.slots[name][1], alone.slots[name][0])
        assert both.encoding["version"] == (2 if problem == "iiot_20dev" else 1)
        assert both.encoding["devices"] == 3
        assert both.encoding["observation_shape"] == [3, both.encoding["features"]]


# The whole way


def traces() -> set[str]:
    return {path.name for path in Path("out").rglob("*.h5")}


@pytest.mark.usefixtures("in_this_process")
def test_agents_are_trained_compared_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/learning.md, in small: common random numbers, and a sweep that knows a file's content."""
    monkeypatch.chdir(tmp_path)
    overrides = [f"{key}={value}" for key, value in SMALL.items()]
    env = gymnasium.make(STREAM, scenario="iiot_20dev", overrides=overrides)
    for name in ("PPO", "SAC", "DDPG"):
        model(name, env).save(f"{name}.zip")
    policies = ["lyapunov", 'aac{checkpoint="aac_iiot_20dev"}', "exact"]
    policies += [f'agent{{file="{name}.zip"}}' for name in ("PPO", "SAC", "DDPG")]
    sweep = f"""
scenario = "iiot_20dev"
policies = {json.dumps(policies)}
seeds = 2
[set]
run.slots = 6
devices.count = 3
"""
    file = Path("elsewhere", "agents.toml")  # so the agents lie below the current folder alone
    file.parent.mkdir()
    file.write_text(sweep)
    assert edgesim.sweep(file, "out", workers=1).complete == 12
    before = traces()
    assert edgesim.sweep(file, "out", workers=1).complete == 12
    assert traces() == before
    agent = model("PPO", env).learn(16)
    agent.save("PPO.zip")
    assert edgesim.sweep(file, "out", workers=1).complete == 12
    assert len(traces() - before) == 1  # of both seeds
    compared = CliRunner().invoke(main, ["compare", "out", "--json"])
    assert compared.exit_code == 0, compared.output
    assert compared.output.count("agent{") >= 3
    assert CliRunner().invoke(main, ["report", "out", "-o", "out.html"]).exit_code == 0
    # Its decisions in a run are those that it makes in the environment.
    total, seen = 0.0, env.reset(seed=1)[0]
    for _ in range(6):
        seen, reward, *_ = env.step(agent.predict(seen, deterministic=True)[0])
        total += float(reward)
    with edgesim.run(
        "iiot_20dev", "t.h5", policy="agent", seed=1, overrides=SMALL | {"policy.file": "PPO.zip"}
    ) as trace:
        unit = 10.0 * 3 * 0.5e6**2
        assert float(-trace.slots["objective"].sum()) / unit == pytest.approx(total, rel=1e-6)


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    model("SAC", tasks_env()).save(tmp_path / "agent.zip")
    keys = {"policy.file": str(tmp_path / "agent.zip"), "run.slots": 9}
    keys |= {"policy.name": "agent"}
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    edgesim.run("carbon_6ue", whole, overrides=keys).close()
    scenario = edgesim.load_scenario("carbon_6ue", keys)
    assert execute(prepare(scenario), parts, stop_at(4), checkpoint_every=3) == "interrupted"
    assert resume(prepare(scenario), parts) == "complete"
    assert_same(parts, whole)


def test_nothing_heavy_is_imported_for_others() -> None:
    code = "import edgesim.experiments.run, sys; assert not {'torch', 'onnxruntime', 'stable_baselines3'} & {*sys.modules}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
