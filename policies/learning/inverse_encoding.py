"""From decisions to the actions of the environments that stand for them, for whoever learns from decisions.

`encoding` decides from actions; here is the way back. What no action stands for is left out: the action is
then one whose decision is near. `difference` says how near.
"""

from typing import Any

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.tasks.channel import rates_bps
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.observation import TaskObservation
from .encoding import Encoding, StreamEncoding, TaskEncoding, efficiency_alone, task_time_s

_TINY = 1e-200


def action_of(encoding: Encoding, decision: Any, observation: Any) -> FloatArray:
    """(R, N, A) in [-1, 1], whose decision is the one given, or near it.

    Stream problem. Exact are who sends, bands, powers over three decades, CPU speeds up to what
    empties the queue, and shares of a station's CPU, as far as these capacities are used up. Not
    expressible are to send at a loss (k_i <= 0), to leave a band or a station's CPU unused, weights
    that lie too far apart, and stations that serve less than they can.

    Task problem. Exact is who offloads, if all of them can be in time. Powers are the least that give
    the rates whatever a decision says, and the server's times those that they allow.
    """
    if isinstance(encoding, StreamEncoding):
        return _stream_action(encoding, decision, observation)
    assert isinstance(encoding, TaskEncoding)
    return _task_action(encoding, decision, observation)


def difference(
    encoding: Encoding, action: FloatArray, decision: Any, observation: Any
) -> dict[str, float]:
    """By field, how far the action's decision is from the one given, as a share of all that is given.

    Args:
        encoding: of the problem.
        action: (R, N, A).
        decision: with (R, N) and (R, B) columns.
        observation: that both are about.

    Returns:
        The sum over devices of absolute differences, relative to the sum of the larger of both; of
        `offload`, the share of devices.
    """
    near = encoding.decision(action, observation)
    shares = {}
    for name in _FIELDS[type(decision)]:
        given, found = (np.asarray(getattr(one, name), np.float64) for one in (decision, near))
        if isinstance(decision, TaskDecision) and name.endswith("cpu_hz"):
            # Of one device or the other, one of them is without effect.
            counts = decision.offload == (name == "edge_cpu_hz")
            given, found = given * counts, found * counts
        total = np.maximum(given, found).sum() if name != "offload" else given.size
        shares[name] = float(np.abs(given - found).sum() / max(total, _TINY))
    return shares


_FIELDS: dict[type, tuple[str, ...]] = {
    Decision: ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits"),
    TaskDecision: ("offload", "power_w", "local_cpu_hz", "edge_cpu_hz"),
}


def _stream_action(
    encoding: StreamEncoding, decision: Decision, observation: Observation
) -> FloatArray:
    """`StreamEncoding.decision`, line by line from its end."""
    network, cells = encoding.network, observation.cells
    value, net = encoding.worth(observation)
    worth = np.maximum(net, 0.0) * efficiency_alone(network, observation)
    given = decision.bandwidth_hz * (decision.power_w > 0.0) * (decision.edge_cpu_hz > 0.0)
    sends = (given > 0.0) & (observation.queue_bits > 0.0) & (worth > 0.0) & cells.present

    # Only differences within a station count. There is more room below the largest than above it.
    def ranked(logarithm: FloatArray) -> FloatArray:
        return (
            logarithm - cells.at_station(cells.largest(np.where(sends, logarithm, -np.inf))) + 1.0
        )

    action = np.zeros((*worth.shape, encoding.action_count))
    rank = np.log(np.maximum(given, _TINY)) / 8.0 - np.log(np.maximum(worth, _TINY))
    action[..., 0] = np.where(sends, np.clip(ranked(rank), -0.499, 1.0), -1.0)
    share = decision.power_w / np.maximum(observation.power_max_w, _TINY)
    action[..., 1] = np.where(sends, np.log10(np.maximum(share, 1e-3)) / 3.0, 0.0)
    most = network.device_cpu_hz
    best = np.minimum(encoding.problem.best_local_hz_at(observation, value), most)
    hz = np.minimum(decision.local_cpu_hz, most)
    action[..., 2] = np.where(
        hz < best,
        hz / np.maximum(best, _TINY) - 1.0,
        np.where(most > best, (hz - best) / np.maximum(most - best, _TINY), 0.0),
    )
    bands = encoding.decision(np.clip(action, -1.0, 1.0), observation)
    needed_hz = encoding.needed_hz(observation, bands.power_w)
    through = observation.queue_bits * np.minimum(
        bands.bandwidth_hz / np.maximum(needed_hz, _TINY), 1.0
    )
    edge = (
        np.log(np.maximum(decision.edge_cpu_hz, _TINY)) - np.log(np.maximum(through, _TINY)) / 2.0
    )
    action[..., 3] = np.where(sends, ranked(edge / 2.0), 0.0)
    action[~cells.present] = 0.0
    return np.clip(action, -1.0, 1.0)


def _task_action(
    encoding: TaskEncoding, decision: TaskDecision, observation: TaskObservation
) -> FloatArray:
    """`TaskEncoding.decision`, line by line from its end."""
    network, tasks = encoding.network, observation.tasks
    offload = decision.offload.astype(np.bool_) & observation.present
    action = np.zeros((*offload.shape, encoding.action_count))
    cycles = np.maximum(tasks.cycles, 1.0)
    # Of those that cannot all be in time those come first that spend most by themselves.
    action[..., 0] = np.where(offload, 1.0, -1.0)
    # The server has the time that the radio leaves; of a device that is late, that which it takes.
    sent_w = decision.power_w * observation.present
    rate_bps = np.maximum(rates_bps(network, observation.channel, sent_w), _TINY)
    left_s = task_time_s(network, observation) - tasks.bits / rate_bps
    takes_s = cycles / np.maximum(decision.edge_cpu_hz, 1.0)
    edge_s = np.where(offload, np.where(left_s > 0.0, left_s, takes_s), 1.0)
    weight = np.log(edge_s) - 1.5 * np.log(cycles)
    number = np.maximum(offload.sum(axis=1, keepdims=True), 1)
    bend = 2.0 * (weight - np.where(offload, weight, 0.0).sum(axis=1, keepdims=True) / number)
    bend = np.where(offload, bend, 0.0)
    action[..., 2] = np.clip(np.sign(bend) * np.sqrt(np.abs(bend)), -1.0, 1.0)
    # The budget runs from the least power to the largest, on a logarithmic scale.
    action[..., 1] = np.where(offload, -1.0, 0.0)
    least_w = np.maximum(encoding.decision(action, observation).power_w, _TINY)
    span = np.log(network.device_power_max_w / least_w)
    used = np.log(np.maximum(decision.power_w, least_w) / least_w) / np.where(span > 0.0, span, 1.0)
    action[..., 1] = np.where(offload, np.clip(2.0 * used - 1.0, -1.0, 1.0), 0.0)
    # The reserve is the exponent of what is left: of the server's speed, or of the device's.
    slowest = encoding.decision(action, observation)
    asked_hz = np.where(slowest.offload, slowest.edge_cpu_hz, 0.0).sum(axis=1, keepdims=True)
    most = np.where(
        offload,
        network.server_cpu_hz / np.maximum(asked_hz, _TINY),
        network.device_cpu_max_hz / np.maximum(slowest.local_cpu_hz, _TINY),
    )
    chosen = np.where(
        offload,
        decision.edge_cpu_hz / np.maximum(slowest.edge_cpu_hz, _TINY),
        decision.local_cpu_hz / np.maximum(slowest.local_cpu_hz, _TINY),
    )
    reserve = np.log(np.maximum(chosen, 1.0)) / np.where(
        most > 1.0, np.log(np.maximum(most, 1.0 + 1e-9)), 1.0
    )
    action[..., 3] = np.where(most > 1.0, np.sqrt(np.clip(reserve, 0.0, 1.0)), 0.0)
    action[~observation.present] = 0.0
    return action
