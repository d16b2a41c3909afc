"""Which encoding a problem has, by the key `action`."""

from typing import Any, Literal, get_args

from ...scenarios.errors import as_toml
from ...simulator.stream.problem import DriftPlusPenalty
from .corrected_encoding import CorrectedStreamEncoding, CorrectedTaskEncoding
from .encoding import FEATURE_MAX, AnyProblem, Encoding
from .paper_encoding import PrintedStreamEncoding, PrintedTaskEncoding
from .stream_encoding import StreamEncoding
from .task_encoding import TaskEncoding

ActionKind = Literal["guided", "paper", "corrected"]
"""What a learner sees and does. "guided": actions shift what a model has worked out,
`stream_encoding` and `task_encoding`; "paper": those of the papers as printed, `paper_encoding`; "corrected": they
change what an optimiser is told, `corrected_encoding`."""

_ENCODINGS: dict[str, tuple[type[Any], type[Any]]] = {
    "guided": (StreamEncoding, TaskEncoding),
    "paper": (PrintedStreamEncoding, PrintedTaskEncoding),
    "corrected": (CorrectedStreamEncoding, CorrectedTaskEncoding),
}
"""By kind, of the stream and of the task problem."""


def encoding_of(problem: AnyProblem, action: ActionKind = "guided") -> Encoding:
    """The encoding of a problem.

    Raises:
        ValueError: another kind of action.
    """
    if action not in get_args(ActionKind):
        known = ", ".join(as_toml(kind) for kind in get_args(ActionKind))
        raise ValueError(f"action = {as_toml(action)}; allowed: {known}")
    stream, tasks = _ENCODINGS[action]
    found: Encoding = (stream if isinstance(problem, DriftPlusPenalty) else tasks)(problem)
    return found


def _class_for(kind: str, action: ActionKind) -> type[Any]:
    """Of the encoding, from the problem's name as in `run.problem`."""
    stream, tasks = _ENCODINGS[action]
    return stream if kind == "drift-plus-penalty" else tasks


def encoding_version(kind: str, action: ActionKind) -> int:
    """Of what features and actions mean, from the problem's name as in `run.problem`."""
    version: int = _class_for(kind, action).version
    return version


def action_count(kind: str, action: ActionKind) -> int:
    """A, numbers of a device's action, from the problem's name as in `run.problem`."""
    count: int = _class_for(kind, action).action_count
    return count


def encoding_about(problem: AnyProblem, action: ActionKind = "guided") -> dict[str, Any]:
    """What a trace says of a problem's encoding, and so of what an agent was shown and could do."""
    encoding = encoding_of(problem, action)
    return {
        "name": type(encoding).__name__,
        "version": encoding.version,
        "action": action,
        "devices": problem.network.devices,
        "features": encoding.feature_count,
        "actions": encoding.action_count,
        "observation_bounds": [-FEATURE_MAX, FEATURE_MAX],
        "action_bounds": [-1.0, 1.0],
    }
