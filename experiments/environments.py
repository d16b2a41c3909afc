"""What `gymnasium.make` makes: the environments of `policies/learning/environment.py`, with traces and pictures."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..policies.learning.encodings import encoding_about
from ..policies.learning.environment import (
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)
from ..policies.learning.registration import PARALLEL
from ..policies.learning.single_environment import Environment, StreamEnvironment, TaskEnvironment
from ..simulator.assembly.build import Blueprint
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import EndStatus, TaskTable
from ..traces.writer import TraceWriter
from .rendering import METADATA, MapDrawing
from .replication_block import Experiment
from .run import run_info

if TYPE_CHECKING:
    from .parallel import ParallelEnvironment

ACTIONS = "__main__:Actions"
"""What a trace calls the policy: only whoever gave the actions knows it."""


class Actions:
    """Stands for who acts in an environment."""

    def reset(self, *given: Any) -> None:
        """Nothing to get ready."""

    def decide(self, observation: Any) -> Any:
        """Never asked."""
        raise AssertionError("decisions are the actions given to `step`")


class TraceOfEpisodes:
    """A trace of the episode under way; the next one replaces it, or has a file of its own.

    Args:
        path: of the trace; "{episode}" in its name stands for the episode's number, from 0 on.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._episode = 0
        self._writer: TraceWriter | None = None

    def begin(self, env: VectorEnvironment, plan: Blueprint, streams: Streams) -> TraceWriter:
        """A writer for an episode that begins; the one before ends, complete or not.

        Raises:
            OSError: the trace cannot be written.
            OutputError: it would replace a link, a device or a folder.
        """
        self.end("interrupted")
        scenario = env.scenario.with_policy(ACTIONS).with_run(seed=streams.seeds[0])
        info = run_info(Experiment(scenario, plan, Actions()))
        info = replace(info, seeds=streams.seeds, encoding=encoding_about(plan.problem, env.action))
        path = Path(self._path.replace("{episode}", str(self._episode)))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._episode += 1
        self._writer = TraceWriter(path, info, level=scenario.trace.level)
        return self._writer

    def end(self, status: EndStatus, unfinished: Iterable[TaskTable] = ()) -> None:
        """Close the trace of the episode under way, if there is one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            for tasks in unfinished:
                writer.tasks(tasks)
            writer.close(status)


@dataclass(frozen=True)
class Maker:
    """Makes environments of a class that may leave traces and be drawn; an entry point of Gymnasium's.

    Attributes:
        made: the class, single or vector.
        metadata: what `gymnasium.make` asks of an entry point.
    """

    made: type[Environment | VectorEnvironment]
    metadata: ClassVar[dict[str, Any]] = METADATA

    def __call__(
        self,
        record_trace: str | Path | None = None,
        render_mode: str | None = None,
        **keywords: Any,
    ) -> Any:
        """An environment; the keywords are its class's."""
        alone = issubclass(self.made, Environment)
        return self.made(
            **keywords,
            render_mode=render_mode,
            drawing=MapDrawing(["human", "rgb_array"] if alone else ["rgb_array"]),
            recording=None if record_trace is None else TraceOfEpisodes(record_trace),
        )


make_stream, make_stream_vector = Maker(StreamEnvironment), Maker(StreamVectorEnvironment)
make_tasks, make_tasks_vector = Maker(TaskEnvironment), Maker(TaskVectorEnvironment)

_PARALLEL = dict(zip(PARALLEL, (make_stream, make_tasks), strict=True))


def parallel_env(
    name: str = PARALLEL[0],
    *,
    agents: Literal["device", "station"] = "device",
    stays: int = 1,
    fixed: bool = False,
    flat: bool = True,
    max_cycles: int | None = None,
    **keywords: Any,
) -> "ParallelEnvironment":
    """A parallel environment of PettingZoo.

    Args:
        name: "edgesim/Stream-parallel-v0" or "edgesim/Tasks-parallel-v0".
        agents: an agent for each device, or for each station.
        stays: how often a device may be there in an episode; a device that is gone and comes back has
            another agent.
        flat: whether a station's observation and action are vectors, (N F,) and (N A,), or (N, F) and
            (N, A); those of a device are vectors, (F,) and (A,).
        fixed: all agents act from beginning to end, see `ParallelEnvironment`.
        max_cycles: an episode ends after so many slots if it is shorter than the scenario's.
        keywords: those of the environment of Gymnasium, docs/environments.md.

    Raises:
        ValueError: another name, or see `ParallelEnvironment`.
        ScenarioError: the scenario cannot be run, or has the other problem.
        ImportError: PettingZoo is not installed.
    """
    if name not in _PARALLEL:
        raise ValueError(f"name = {name!r}; allowed: {', '.join(_PARALLEL)}")
    try:
        from .parallel import ParallelEnvironment
    except ImportError as error:
        text = f"parallel_env needs PettingZoo: pip install 'edgesim[environments]' ({error})"
        raise ImportError(text) from error
    env = _PARALLEL[name](**keywords, flat=False, max_episode_steps=max_cycles)
    return ParallelEnvironment(env, name, agents, stays, fixed, flat)
