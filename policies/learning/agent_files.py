"""Agents of other libraries, from their files: what a format holds, and what loading it runs.

- Stable-Baselines3's zip has weights, and pickles of classes and spaces. Of its own networks of layers the
  weights and a few words are enough: they are built here, and nothing is unpickled. What else is in a
  zip takes its pickles.
- ONNX is a graph of operators and numbers.
- TorchScript is a program, which may read and write files; what `torch.export` leaves has pickles.

Whatever runs code asks for trust.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from .encoding import FEATURE_MAX

if TYPE_CHECKING:
    import torch

Call = Callable[[NDArray[np.float32]], NDArray[Any]]
"""From (1, …) observations to (1, …) actions."""

FORMATS = "a zip of Stable-Baselines3, ONNX, TorchScript, what torch.export.save leaves"

ACTIVATIONS = ("ReLU", "Tanh", "ELU", "LeakyReLU", "SiLU", "GELU", "Sigmoid", "Softplus", "Mish")
"""Of torch, which Stable-Baselines3 makes without arguments."""


class UntrustedError(ValueError):
    """The file would run code, and nobody has said that it may; says why."""


@dataclass(frozen=True)
class AgentFile:
    """An agent that was read.

    Attributes:
        format: of its file, and what it is.
        shape: of an observation: (N F,) or (N, F).
        call: the agent.
    """

    format: str
    shape: tuple[int, ...]
    call: Call


@dataclass(frozen=True)
class Spaces:
    """Of an environment.

    Attributes:
        devices: N.
        features: F.
        actions: A.
    """

    devices: int
    features: int
    actions: int

    @property
    def observations(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of an observation, flat and by device."""
        return (self.devices * self.features,), (self.devices, self.features)

    @property
    def acted(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of an action, flat and by device."""
        return (self.devices * self.actions,), (self.devices, self.actions)

    def __str__(self) -> str:
        seen, acted = (" or ".join(map(str, one)) for one in (self.observations, self.acted))
        return f"observations {seen} in [{-FEATURE_MAX}, {FEATURE_MAX}], actions {acted} in [-1.0, 1.0]"


def read_agent(path: Path, spaces: Spaces | None, *, trust: bool) -> AgentFile:
    """An agent of whatever format the file has, by its content.

    Args:
        path: of the file.
        spaces: which it has to fit; None where they are not known.
        trust: whether code in it may run.

    Raises:
        UntrustedError: code in it would have to run.
        ValueError: it is of no known format, damaged, or does not fit; says which.
    """
    from .seeding import own_settings

    try:
        content = path.read_bytes()
        names = ZipFile(BytesIO(content)).namelist() if is_zipfile(BytesIO(content)) else None
    except (OSError, BadZipFile) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    ends = {name.rpartition("/")[2] for name in names or ()}
    with own_settings(learning=True):
        if names is None:
            return _fitting("ONNX", _onnx(content), spaces)
        if {"data", "policy.pth"} <= ends:
            return _stable_baselines(path, content, spaces, trust)
        if ends & {"archive_format", "serialized_exported_program.json"}:
            _need(trust, "a program of torch.export, whose parts are unpickled")
            return _fitting("torch.export", _exported(content), spaces)
        if "constants.pkl" in ends and any("/code/" in name for name in names):
            _need(trust, "a program of TorchScript, which may read and write files")
            return _fitting("TorchScript", _script(content), spaces)
    if "data.pkl" in ends:
        what = (
            "weights without a network, as torch.save leaves them; of `edgesim train` they are the "
        )
        raise ValueError(what + "--checkpoint of ddpg, aac, dqn and sac")
    raise ValueError(f"no agent; allowed: {FORMATS}")


def _need(trust: bool, what: str) -> None:
    if not trust:
        raise UntrustedError(what)


def _fitting(name: str, call: Call, spaces: Spaces | None) -> AgentFile:
    """A network that tells nothing of its spaces: tried out, if it is known which it has to fit.

    Raises:
        ValueError: it takes or gives other shapes, or answers otherwise the second time.
    """
    if spaces is None:
        return AgentFile(name, (), call)
    refusals = []
    for shape in spaces.observations:
        seen = np.linspace(-1.0, 1.0, int(np.prod(shape)), dtype=np.float32).reshape(1, *shape)
        try:
            action = np.array(call(seen))
        except Exception as error:  # noqa: BLE001 - whatever the network raises at a wrong shape
            refusals.append(f"it refuses {shape}: {' '.join(str(error).split())[-200:]}")
            continue
        if action.shape[1:] not in spaces.acted or len(action) != 1:
            refusals.append(f"of {shape} it makes {action.shape[1:]}")
        elif not np.array_equal(action, call(seen)):
            raise ValueError("it answers otherwise when asked again: no random numbers, no memory")
        else:
            return AgentFile(name, shape, call)
    raise ValueError(f"{'; '.join(refusals)}; the environment has {spaces}")


def _onnx(content: bytes) -> Call:
    if b"\n\x08location\x12" in content:  # a tensor's entry "location"
        raise ValueError("its weights lie in another file; export it with external_data=False")
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        raise ValueError("ONNX needs `pip install 'edgesim[agents]'` (onnxruntime)") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised as well
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its classes have no common one of their own
        lines = str(error).splitlines() or [""]
        raise ValueError(f"no agent ({lines[0][:200]}); allowed: {FORMATS}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise ValueError(f"the graph has {len(inputs)} inputs; allowed: one, the observation")
    wide = inputs[0].type == "tensor(double)"

    def call(seen: NDArray[np.float32]) -> NDArray[Any]:
        given = {inputs[0].name: seen.astype(np.float64) if wide else seen}
        return np.asarray(session.run([outputs[0].name], given)[0])

    return call


def _module(network: Any, around: Callable[[], AbstractContextManager[Any]]) -> Call:
    def call(seen: NDArray[np.float32]) -> NDArray[Any]:
        import torch

        # Memory of its own: the last bit of a product may depend on how its factors lie.
        with around():
            action = network(torch.tensor(seen))
        action = action[0] if isinstance(action, tuple) else action
        return np.asarray(action.detach().numpy())

    return call


def _script(content: bytes) -> Call:
    import torch

    try:
        network = torch.jit.load(BytesIO(content), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ValueError(_damaged(error)) from error
    # Else the third call of a function is not computed as the first two.
    return _module(network, lambda: torch.jit.optimized_execution(False))  # type: ignore[attr-defined]


def _exported(content: bytes) -> Call:
    import torch

    try:
        network = torch.export.load(BytesIO(content)).module()
    except Exception as error:
        raise ValueError(_damaged(error)) from error
    return _module(network, torch.no_grad)


def _damaged(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"it cannot be loaded: {lines[0][:200] or type(error).__name__}"


def _stable_baselines(path: Path, content: bytes, spaces: Spaces | None, trust: bool) -> AgentFile:
    """Of Stable-Baselines3's zip.

    Raises:
        UntrustedError: it has a network that only its pickles can make.
        ValueError: damaged, or of other spaces.
    """
    try:
        with ZipFile(BytesIO(content)) as file:
            if any(entry.compress_type != ZIP_STORED for entry in file.infolist()):
                raise BadZipFile("compressed")
            if damaged := file.testzip():
                raise BadZipFile(f"{damaged} is damaged")
            data = json.loads(file.read("data"))
            weights = file.read("policy.pth")
            named = "_stable_baselines3_version"
            version = file.read(named).decode() if named in file.namelist() else ""
        seen, acted = (spaces.observations, spaces.acted) if spaces else (None, None)
        shape = _space(data["observation_space"], FEATURE_MAX, seen, "observations")
        _space(data["action_space"], 1.0, acted, "actions")
        policy_class, options = data["policy_class"], data["policy_kwargs"]
        kind = (re.findall(r"<function (\w+)\.__init__ at ", policy_class["__init__"]) or [""])[0]
        where = policy_class["__module__"]
    except (BadZipFile, KeyError, TypeError, AttributeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"no zip of Stable-Baselines3, or damaged: {error!r}") from None
    name = f"Stable-Baselines3 {version[:20].strip()}, {kind}".replace(" ,", ",")
    try:
        call = _layers(where, options, data.get("use_sde"), weights)
    except _NotOursError as error:
        what = f"a network of Stable-Baselines3 with {error}, which only its pickles can make"
        _need(trust, what)
        call = _unpickled(path)
    found = _fitting(name, lambda seen: call(seen.reshape(1, *shape)), spaces)
    return AgentFile(found.format, shape, call)


def _space(
    written: Mapping[str, Any], bound: float, shapes: Sequence[tuple[int, ...]] | None, what: str
) -> tuple[int, ...]:
    """The shape of a space, as text has it beside the pickle; of whatever shape, if not known which.

    Raises:
        ValueError: another space than the environment's.
    """
    known = " or ".join(map(str, shapes)) + " " if shapes else ""
    allowed = f"{what} {known}in [{-bound}, {bound}]"
    kind = (re.findall(r"\.(\w+)'>$", str(written[":type:"])) or ["?"])[0]
    if kind != "Box":
        raise ValueError(f"it has {what} of {kind}; the environment has {allowed}")
    shape = tuple(int(n) for n in re.findall(r"\d+", str(written["_shape"]))[:9])
    ends = [{*re.findall(r"[-+.\w]*\d[-+.\w]*|inf", str(written[end]))} for end in ("low", "high")]
    right = [{float(one) for one in end} for end in ends] == [{-bound}, {bound}]
    if not right or (shapes and shape not in shapes):
        low, high = ("/".join(sorted(end)[:3]) for end in ends)
        raise ValueError(f"it has {what} {shape} in [{low}, {high}]; the environment has {allowed}")
    return shape


class _NotOursError(Exception):
    """A network that is not plain layers; says what it has."""


_ENDS = {
    "stable_baselines3.common.policies": ("mlp_extractor.policy_net.", "action_net", "Tanh"),
    "stable_baselines3.sac.policies": ("actor.latent_pi.", "actor.mu", "ReLU"),
    "stable_baselines3.td3.policies": ("actor.mu.", "", "ReLU"),
}
"""Of each module of policies, where the hidden layers of the actor lie, and the last, and what is
between them by default. Off-policy, a tanh follows: the action is in [-1, 1]."""

_ELSE = r"(actor_target|critic|critic_target)\..*|mlp_extractor\.value_net\..*|value_net\..*|(actor\.)?log_std.*"
"""Weights that a deterministic action does not need."""


def _layers(where: str, options: Mapping[str, Any], exploring: Any, weights: bytes) -> Call:
    """The actor of Stable-Baselines3's own policies, of layers, from its weights.

    Raises:
        _NotOursError: it is another.
        ValueError: damaged.
    """
    import torch

    if where not in _ENDS:
        raise _NotOursError(f"a policy of {where}")
    hidden, last, between = _ENDS[where]
    if exploring or options.get("use_sde"):
        raise _NotOursError("generalised state-dependent exploration")
    extractor = str(options.get("features_extractor_class", ".FlattenExtractor'>"))
    if not extractor.endswith(".FlattenExtractor'>"):
        raise _NotOursError(f"features_extractor_class {extractor[:100]}")
    if "activation_fn" in options:
        text = str(options["activation_fn"])
        found = re.fullmatch(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>", text)
        if not found or found[1] not in ACTIVATIONS:
            raise _NotOursError(f"activation_fn {text[:100]}")
        between = found[1]
    try:
        state = torch.load(BytesIO(weights), map_location="cpu", weights_only=True)
        ours = {key: value.float() for key, value in state.items() if not re.fullmatch(_ELSE, key)}
    except Exception as error:  # noqa: BLE001 - whatever torch finds in it
        raise ValueError(_damaged(error)) from None
    steps = sorted(
        {int(n) for key in ours if (n := key.removeprefix(hidden).partition(".")[0]).isdecimal()}
    )
    if steps != list(range(0, 2 * len(steps), 2)):
        raise _NotOursError("layers that are no plain ones")
    names = [f"{hidden}{n}" for n in steps] + ([last] if last else [])
    if {f"{name}.{part}" for name in names for part in ("weight", "bias")} != {*ours}:
        raise _NotOursError(f"weights {', '.join(sorted(ours)[:3])}, …")
    return _chain([(ours[f"{n}.weight"], ours[f"{n}.bias"]) for n in names], between, last)


def _chain(
    layers: Sequence[tuple["torch.Tensor", "torch.Tensor"]], between: str, last: str
) -> Call:
    """Linear layers in a row, and the tanh at the end of those that have one.

    Raises:
        ValueError: they do not follow each other, or are no numbers.
    """
    import torch

    steps: list[torch.nn.Module] = []
    for weight, bias in layers:
        if weight.ndim != 2 or not (torch.isfinite(weight).all() and torch.isfinite(bias).all()):
            raise ValueError(f"a layer of shape {tuple(weight.shape)}, or without numbers")
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        try:
            linear.load_state_dict({"weight": weight, "bias": bias})
        except RuntimeError as error:
            raise ValueError(_damaged(error)) from None
        steps += [linear, getattr(torch.nn, between)()]
    del steps[-1]
    if last == "action_net":
        network = torch.nn.Sequential(*steps).eval()
        return _module(lambda seen: network(seen.flatten(1)), torch.no_grad)
    squashed = torch.nn.Sequential(*steps, torch.nn.Tanh()).eval()
    call = _module(lambda seen: squashed(seen.flatten(1)), torch.no_grad)
    # As Stable-Baselines3 brings it into the bounds, low + 0.5 (a + 1) (high - low), to the last bit.
    return lambda seen: (
        np.float32(-1.0) + np.float32(0.5) * (call(seen) + np.float32(1.0)) * np.float32(2.0)
    )


def _unpickled(path: Path) -> Call:
    """Whatever policy a trusted zip has, as Stable-Baselines3 makes it.

    Raises:
        ValueError: it cannot, or is not installed.
    """
    try:
        load = import_module("stable_baselines3.common.save_util").load_from_zip_file
    except ImportError:
        what = "its pickles need `pip install 'edgesim[agents]'` (stable-baselines3)"
        raise ValueError(what) from None
    try:
        data, parameters, _ = load(path, device="cpu")
        kwargs = {"use_sde": True} if data.get("use_sde") else {}
        policy = data["policy_class"](
            data["observation_space"],
            data["action_space"],
            lambda _: 0.0,
            **{**kwargs, **data["policy_kwargs"]},
        )
        policy.load_state_dict(parameters["policy"])
        policy.set_training_mode(False)
    except Exception as error:
        raise ValueError(_damaged(error)) from error
    if any("lstm" in name for name in parameters["policy"]):
        raise ValueError("it is recurrent; allowed: agents without memory")
    return lambda seen: np.asarray(policy.predict(seen, deterministic=True)[0])
