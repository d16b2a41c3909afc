"""Runs as an offline data set of Minari's: observations, actions, rewards and infos of each episode."""

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..policies.learning.encodings import encoding_about
from ..policies.learning.environment import Info, VectorEnvironment
from ..policies.learning.inverse_encoding import action_of, difference
from ..policies.learning.registration import STREAM, TASKS, register_envs
from ..policies.learning.single_environment import Environment, StreamEnvironment, TaskEnvironment
from ..simulator.core.errors import RunError
from ..traces.reader import open_trace
from .errors import ArgumentError
from .replication_block import Experiment
from .run import load, prepare

_ENVIRONMENTS: dict[str, tuple[str, type[Environment]]] = {
    "drift-plus-penalty": (STREAM, StreamEnvironment),
    "worst-case-emission": (TASKS, TaskEnvironment),
}


def export_minari(trace: str | Path, dataset_id: str, *, trust: bool = False) -> Path:
    """Write the runs of a trace as a data set of Minari's, an episode for each replication.

    They are simulated anew, in the environment of docs/environments.md. The actions are the policy's own,
    if its decisions are made from actions, as those of `ddpg`, `aac`, `dqn`, `sac` and `agent` are. Of any
    other they are those that stand for its decisions, or near ones, and what the data set holds is
    what came of them: `action_difference` in its metadata says how near.

    Infos have T + 1 rows, as Minari wants it; the first, of `reset`, is NaN, and so is what a slot
    leaves out.

    Args:
        trace: of a run; whether it is complete does not matter.
        dataset_id: "[namespace/]name-v0".
        trust: as for `run`.

    Returns:
        The data set's folder, below Minari's own.

    Raises:
        ArgumentError: Minari is not installed, or takes no such name, or has it already.
        TraceError: the trace cannot be read.
        ScenarioError: what it was run with is not there any more.
        RunError: the policy failed.
    """
    try:
        import minari
        from minari.data_collector import EpisodeBuffer
        from minari.dataset.minari_dataset import parse_dataset_id
        from minari.storage import get_dataset_path
    except ImportError as error:
        text = f"`minari` = {dataset_id!r}: {error}; pip install 'edgesim[environments]'"
        raise ArgumentError(text) from None
    with open_trace(trace) as opened:
        seeds = [int(seed) for seed in opened.seeds]
    try:
        parse_dataset_id(dataset_id)
    except ValueError as error:
        raise ArgumentError(f"`minari` = {dataset_id!r}: {error}") from None
    folder = Path(get_dataset_path(dataset_id))
    if folder.exists():
        raise ArgumentError(f"`minari` = {dataset_id!r}: {folder} is there already")
    scenario = load(trace, trust=trust)
    name, kind = _ENVIRONMENTS[scenario.run.problem]
    experiment = prepare(scenario)
    action = getattr(experiment.policy, "action", "guided")
    env = kind.vector_class(len(seeds), scenario, autoreset_mode="Disabled", action=action)
    episodes, differences = _play(env, experiment, seeds)
    about = {
        "edgesim_version": __version__,
        "policy": scenario.policy.name,
        "scenario": scenario.to_toml(),
        "seeds": seeds,
        "encoding": encoding_about(env.problem, env.action),
        "actions": "the policy's own"
        if not differences
        else "those nearest to the policy's decisions",
        "action_difference": differences,
    }
    register_envs()
    alone = kind(scenario=scenario, action=action)
    alone.spec = deepcopy(gymnasium.spec(name))  # which is the registry's own
    # As text, as whoever loads the data set may not have the trace; the same for all policies and seeds,
    # else Minari combines no data sets.
    same = scenario.with_policy("local").with_run(replications=1, seed=1)
    alone.spec.kwargs = {"scenario": same.to_toml(), "action": action}
    with warnings.catch_warnings():
        # Of authors and links to code that are left out; `about` says where the data are from.
        warnings.simplefilter("ignore", UserWarning)
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            [EpisodeBuffer(id=r, seed=seeds[r], **episode) for r, episode in enumerate(episodes)],
            env=alone,
            algorithm_name=scenario.policy.name,
            description=f"{scenario.title}; edgesim {__version__}, policy {scenario.policy.name}",
            requirements=[f"edgesim=={__version__}"],
        )
        dataset.storage.update_metadata({"edgesim": about})
    return folder


def _play(
    env: VectorEnvironment, experiment: Experiment, seeds: list[int]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """An episode of each replication, and the mean differences of decisions, where there are any."""
    policy: Any = experiment.policy
    network = env.problem.network
    shown, _ = env.reset(seed=seeds)
    rngs = experiment.streams.generators("policy")
    own = hasattr(policy, "actions")
    seen, acted, rewards = [shown], [], []
    infos: list[Info] = []
    differences: list[dict[str, float]] = []
    try:
        policy.reset(network, env.problem, rngs)
        for _ in range(env.scenario.run.slots):
            if own:
                action = policy.actions(env.observation)
            else:
                decision = policy.decide(env.observation)
                action = action_of(env.encoding, decision, env.observation)
            action = np.asarray(action, np.float32)
            if not own:
                differences.append(difference(env.encoding, action, decision, env.observation))
            acted.append(action.reshape(env.action_space.shape))
            shown, reward, _, _, info = env.step(acted[-1])
            seen.append(shown)
            rewards.append(reward)
            infos.append(info)
    except RunError:
        raise
    except Exception as error:
        name = experiment.scenario.policy.name
        raise RunError(f"policy {name!r}: {type(error).__name__}: {error}") from error
    slots = len(rewards)
    known = [key for key in infos[0] if not key.startswith("_")]
    columns = {key: _with_reset([info[key] for info in infos]) for key in known}
    columns["latency_s"][1:][~np.stack([info["_latency_s"] for info in infos])] = np.nan
    episodes = [
        {
            "observations": np.stack(seen)[:, r],
            "actions": np.stack(acted)[:, r],
            "rewards": np.stack(rewards)[:, r],
            "terminations": np.zeros(slots, np.bool_),
            "truncations": np.arange(slots) == slots - 1,
            "infos": {key: column[:, r] for key, column in columns.items()},
        }
        for r in range(len(seeds))
    ]
    fields = differences[0] if differences else {}
    return episodes, {key: float(np.mean([one[key] for one in differences])) for key in fields}


def _with_reset(rows: list[NDArray[Any]]) -> NDArray[np.float64]:
    """(T + 1, R, …) with NaN in front."""
    values = np.stack(rows).astype(np.float64)
    return np.concatenate([np.full_like(values[:1], np.nan), values])
