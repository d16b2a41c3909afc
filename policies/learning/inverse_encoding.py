"""From decisions to the actions of the environments that stand for them, for whoever learns from decisions.

`encoding` decides from actions; here is the way back. What no action stands for is left out: the action is
then one whose decision is near. `difference` says how near.
"""

from typing import Any

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.network.spectral_efficiency import to_carry_each
from ...simulator.stream.channel import interference_w
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.tasks.channel import rates_bps
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.observation import TaskObservation
from .encoding import Encoding
from .sending_plan import SHARPNESS, Plan
from .stream_encoding import StreamEncoding
from .task_encoding import TaskEncoding, task_time_s

_TINY = 1e-200
_NOTICED = 1e-6
_ROUNDS = 8


def action_of(encoding: Encoding, decision: Any, observation: Any) -> FloatArray:
    """(R, N, A) in [-1, 1], whose decision is the one given, or near it.

    Stream problem. Exact, or nearly so, are who sends, bands, powers over three decades, and CPU speeds up to what
    empties the queue, as far as bands are used up. Not expressible are to send at a loss to the device, to leave a
    band unused, weights that lie too far apart, other shares of a station's CPU than sqrt(D_i), and stations that
    serve less than they can.

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
    """`StreamEncoding.decision`: who sends, then bands, then powers and speeds, each beside those before it."""
    cells = observation.cells
    given_hz = decision.bandwidth_hz * (decision.power_w > 0.0) * (decision.edge_cpu_hz > 0.0)
    sends = (given_hz > 0.0) & (observation.queue_bits > 0.0) & cells.present
    action = np.zeros((*sends.shape, encoding.action_count))
    # Only differences within a station count.
    rank = np.log(np.maximum(given_hz, _TINY)) / SHARPNESS
    for turn in range(_ROUNDS):
        plan = encoding.plan(action, observation)
        # No more than it takes to have the same devices send.
        plans = plan.bandwidth_hz > 0.0
        unwanted = plans & ~sends
        if turn >= _ROUNDS // 2:  # of many, one takes the place of another
            crowded = cells.at_station(cells.largest(np.where(unwanted, 1.0, -np.inf))) > 0.0
            unwanted = crowded & ~sends
        action[..., 0] = np.where(unwanted, -1.0, action[..., 0])
        action[..., 0] = np.where(sends & ~plans, 1.0, action[..., 0])
        priority = rank - np.where(sends, plan.worth, 0.0) - action[..., 0]
        most = cells.at_station(cells.largest(np.where(sends, priority, -np.inf)))
        action[..., 3] = np.where(sends, np.clip(priority - most + 1.0, -1.0, 1.0), 0.0)
        power = _power_action(encoding, plan, decision, observation)
        action[..., 1] = np.where(sends, power, 0.0)
        action[..., 2] = _steering(encoding, action, plan, decision, observation)
        action[~cells.present] = 0.0
    return action


def _steering(
    encoding: StreamEncoding,
    action: FloatArray,
    plan: Plan,
    decision: Decision,
    observation: Observation,
) -> FloatArray:
    """(R, N) the action of local CPUs, from a plan in which they are steered by the action so far."""
    network = encoding.network
    most = np.minimum(network.device_service_bits, observation.queue_bits)
    bits = decision.local_cpu_hz * (network.slot_s / network.cycles_per_bit)
    before, planned = action[..., 2], plan.local_bits
    down, up = 1.0 + np.minimum(before, 0.0), 1.0 - np.maximum(before, 0.0)
    best = np.where(
        before < 0.0,
        planned / np.maximum(down, _TINY),
        (planned - most * before) / np.maximum(up, _TINY),
    )
    fewer = bits / np.maximum(best, _TINY) - 1.0
    more = np.divide(bits - best, most - best, out=np.zeros_like(best), where=most > best)
    return np.clip(np.where(bits < best, fewer, more), -1.0, 1.0)


def _power_action(
    encoding: StreamEncoding, plan: Plan, decision: Decision, observation: Observation
) -> FloatArray:
    """(R, N) the action of powers: below the least that sends what is wanted a limit, beyond it a reserve."""
    network, cells = encoding.network, observation.cells
    gain, hertz = observation.channel_gain, np.maximum(decision.bandwidth_hz, _TINY)
    heard_w = interference_w(decision.power_w, gain, cells.station) + network.fixed_noise_w
    noise_w = cells.at_station(heard_w) + network.noise_w_per_hz[cells.station] * hertz
    needed = to_carry_each(network.efficiency, plan.wanted_bits / (network.slot_s * hertz))
    least_w = (
        noise_w
        * np.expm1(np.log(2.0) * np.minimum(needed, 1e3))
        / np.maximum(cells.own(gain), _TINY)
    )
    given, least, most = (
        np.log10(np.maximum(one, _TINY))
        for one in (decision.power_w, least_w, observation.power_max_w)
    )
    reserve = np.divide(given - least, most - least, out=np.zeros_like(most), where=most > least)
    raised = np.where(reserve > _NOTICED, 0.5 + 0.5 * reserve, 0.0)
    return np.clip(np.where(given < least - _NOTICED, (given - most) / 3.0, raised), -1.0, 1.0)


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
