"""The task problem among the devices that are there: C(10) is about no others."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..simulator.core.arrays import BoolArray, IntArray, read_only
from ..simulator.tasks.channel import MrcChannel
from ..simulator.tasks.decision import TaskDecision
from ..simulator.tasks.network import TaskNetwork, Tasks
from ..simulator.tasks.observation import TaskObservation

Rows = tuple[Any, Any]
"""What takes the entries of the devices that a decision is about out of (R, N) columns."""

Decide = Callable[[TaskNetwork, TaskObservation, Rows], TaskDecision]


def among_present(
    network: TaskNetwork,
    observation: TaskObservation,
    decide: Decide,
    without_devices: Mapping[str, float] | None = None,
) -> TaskDecision:
    """A decision in which devices that are absent do nothing, and count nowhere.

    Args:
        network: capacities and limits.
        observation: what the twin shows.
        decide: answers for a network all of whose devices are there: once for all replications where
            nobody is absent, else for each by itself, with columns of the devices that are there.
        without_devices: its diagnostics for a replication in which nobody is; none by default.
    """
    present = observation.present
    if present.all():
        return decide(network, observation, np.s_[:, :])
    columns: dict[str, Any] = {
        name: np.zeros(present.shape) for name in ("power_w", "local_cpu_hz", "edge_cpu_hz")
    }
    columns["offload"] = np.zeros(present.shape, np.bool_)
    diagnostics = {
        name: np.full(len(present), value) for name, value in (without_devices or {}).items()
    }
    for some, seen, rows in those_present(network, observation):
        one = decide(some, seen, rows)
        for name, column in columns.items():
            column[rows] = getattr(one, name)
        for name, values in diagnostics.items():
            values[rows[0][:, 0]] = one.diagnostics[name]
    return TaskDecision(**columns, diagnostics=diagnostics)


def those_present(
    network: TaskNetwork, observation: TaskObservation
) -> Iterator[tuple[TaskNetwork, TaskObservation, Rows]]:
    """Networks all of whose devices are there, and what is shown of them.

    Of all replications at once where nobody is absent, else of each by itself; of none in which nobody is.
    """
    present = observation.present
    if present.all():
        yield network, observation, np.s_[:, :]
        return
    for r, there in enumerate(present):
        if (at := np.flatnonzero(there)).size:
            yield _only(network, at), _seen(observation, r, at), (np.array([[r]]), at[None])


def _only(network: TaskNetwork, at: IntArray) -> TaskNetwork:
    """The network of some of its devices."""
    names = ("device_power_max_w", "device_cpu_min_hz", "device_cpu_max_hz", "theta_device")
    return replace(network, **{name: getattr(network, name)[at] for name in names})


def _seen(observation: TaskObservation, r: int, at: IntArray) -> TaskObservation:
    """What is shown of some devices of one replication."""

    def only(column: Any) -> Any:
        return read_only(column[r, at][None])

    tasks, channel = observation.tasks, observation.channel
    everybody: BoolArray = np.ones((1, at.size), np.bool_)
    return replace(
        observation,
        tasks=Tasks(only(tasks.bits), only(tasks.cycles), only(tasks.deadline_s)),
        channel=MrcChannel(
            only(channel.gain), read_only(channel.interference_gain[r][np.ix_(at, at)][None])
        ),
        carbon_g_per_j=observation.carbon_g_per_j[r : r + 1],
        position_m=only(observation.position_m),
        last_emission_g=only(observation.last_emission_g),
        age_s=only(observation.age_s),
        present=everybody,
    )
