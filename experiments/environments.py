"""What `gymnasium.make` makes: the environments of `policies/learning/environment.py`, which may leave traces."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..policies.learning.encoding import encoding_about
from ..policies.learning.environment import (
    StreamEnvironment,
    StreamVectorEnvironment,
    TaskEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)
from ..simulator.build import Blueprint
from ..simulator.core.randomness import Streams
from ..simulator.core.recorder import EndStatus, TaskTable
from ..traces.writer import TraceWriter
from .block import Experiment
from .run import run_info

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
        info = replace(info, seeds=streams.seeds, encoding=encoding_about(plan.problem))
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


def make_stream(record_trace: str | Path | None = None, **keywords: Any) -> StreamEnvironment:
    """A `StreamEnvironment` that leaves a trace, if one is asked for."""
    return StreamEnvironment(**keywords, recording=_recording(record_trace))


def make_tasks(record_trace: str | Path | None = None, **keywords: Any) -> TaskEnvironment:
    """A `TaskEnvironment` that leaves a trace, if one is asked for."""
    return TaskEnvironment(**keywords, recording=_recording(record_trace))


def make_stream_vector(
    record_trace: str | Path | None = None, **keywords: Any
) -> StreamVectorEnvironment:
    """A `StreamVectorEnvironment` that leaves a trace of all replications, if one is asked for."""
    return StreamVectorEnvironment(**keywords, recording=_recording(record_trace))


def make_tasks_vector(
    record_trace: str | Path | None = None, **keywords: Any
) -> TaskVectorEnvironment:
    """A `TaskVectorEnvironment` that leaves a trace of all replications, if one is asked for."""
    return TaskVectorEnvironment(**keywords, recording=_recording(record_trace))


def _recording(path: str | Path | None) -> TraceOfEpisodes | None:
    return None if path is None else TraceOfEpisodes(path)
