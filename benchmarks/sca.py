"""SCA of C(10): programs built once, against the same steps with programs built at each of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np

from edgesim.policies.convex_solver import solved
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.sca.inequalities import MARGIN, REACH
from edgesim.policies.tasks.sca.joint_subproblem import JointSubproblem
from edgesim.policies.tasks.sca.policy import Sca
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.tasks.channel import MrcChannel, draw_channels, mrc_channel
from edgesim.simulator.tasks.decision import TaskDecision
from edgesim.simulator.tasks.network import CarbonAwareNetwork, Tasks

from .measure import Row, rounds

DEVICES, INSTANCES = 6, 4


def measure() -> Iterator[Row]:
    for theta_server in (1e-28, 1e-27):
        instances = [drawn(seed, theta_server) for seed in range(INSTANCES)]
        policies = [Sca(), Sca(), Sca()]
        for policy, power in zip(policies[1:], (Rebuilt(), WrittenOut()), strict=True):
            policy._joint[DEVICES] = power  # type: ignore[assignment]

        def decide(policy: Sca, instances: list[Slot] = instances) -> FloatArray:
            return np.array([policy.solve(one).worst_emission_g for one in instances])

        answers = [decide(policy) for policy in policies]
        assert all(np.allclose(answers[0], others, rtol=1e-3) for others in answers[1:])
        took = rounds(*(lambda policy=policy: decide(policy) for policy in policies), count=3)
        ms = took * 1e3 / INSTANCES
        name = f"theta_0 = {theta_server:g}"
        yield Row(f"{name}: a decision for {DEVICES} devices", np.median(ms[:, 0]), "ms of CPU")
        ratio = np.median(ms / ms[:, :1], axis=0)
        yield Row(f"{name}: rebuilt, in columns", ratio[1], "times the CPU")
        yield Row(f"{name}: rebuilt, device by device", ratio[2], "times the CPU", at_least=10.0)


def drawn(seed: int, theta_server: float) -> Slot:
    """Paper C's Table I, with random tasks."""
    rng = np.random.default_rng(seed)
    network = CarbonAwareNetwork(
        bandwidth_hz=10e6,
        noise_w=10e6 * 10**-20.4,
        device_power_max_w=np.full(DEVICES, 10**-0.7),
        device_cpu_min_hz=np.full(DEVICES, 0.5e9),
        device_cpu_max_hz=np.full(DEVICES, 2e9),
        server_cpu_hz=20e9,
        theta_device=np.full(DEVICES, 1e-27),
        theta_server=theta_server,
        rate_min_bps=1e6,
        energy_max_j=1.0,
    )
    tasks = Tasks(
        bits=rng.uniform(8e6, 32e6, DEVICES),
        cycles=rng.uniform(1e9, 2e9, DEVICES),
        deadline_s=np.full(DEVICES, 2.0),
    )
    x, y = rng.uniform(-50.0, 50.0, (2, 1, DEVICES))
    channel = mrc_channel(draw_channels(np.maximum(np.hypot(x, y), 5.0), 8, [rng]))
    first = MrcChannel(channel.gain[0], channel.interference_gain[0])
    return Slot(network, tasks, first, 182.0 / 3.6e6)


class Rebuilt:
    """Our own program, built and compiled at every step."""

    def least_emission(self, *given: Any) -> TaskDecision | None:
        """As `JointSubproblem`."""
        return self._fresh().least_emission(*given)

    def least_violation(self, *given: Any) -> TaskDecision | None:
        """As `JointSubproblem`."""
        return self._fresh().least_violation(*given)

    def _fresh(self) -> JointSubproblem:
        return JointSubproblem(DEVICES, joint=True)


class WrittenOut:
    """The same program as one reads it from section III: for every device, with its numbers."""

    def least_emission(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """As `JointSubproblem`."""
        return self._step(slot, point, relaxed=False)

    def least_violation(self, slot: Slot, point: TaskDecision) -> TaskDecision | None:
        """As `JointSubproblem`."""
        return self._step(slot, point, relaxed=True)

    def _step(self, slot: Slot, point: TaskDecision, relaxed: bool) -> TaskDecision | None:
        network, tasks, channel = slot.network, slot.tasks, slot.channel
        power_w, edge_hz, outcome = point.power_w, point.edge_cpu_hz, slot.evaluate(point)
        P, T, F = cp.Variable(DEVICES), cp.Variable(DEVICES), cp.Variable(DEVICES)
        z, excess, worst = cp.Variable(), cp.Variable(), cp.Variable()
        allowed = 1.0 + excess if relaxed else 1.0 - MARGIN
        limits = [excess >= -0.01] if relaxed else []
        busy: cp.Expression = cp.Constant(0.0)
        total: cp.Expression = cp.Constant(0.0)
        largest_g = (point.offload * outcome.emission_g).max()
        for m in range(DEVICES):
            heard: cp.Expression = network.noise_w * z
            disturbance_w = network.noise_w
            for n in range(DEVICES):
                heard = heard + channel.interference_gain[m, n] * power_w[n] * P[n]
                disturbance_w += channel.interference_gain[m, n] * power_w[n]
            sinr = power_w[m] * channel.gain[m] / disturbance_w
            a = sinr / (1.0 + sinr)
            nats = a * (2.0 - cp.inv_pos(P[m]) - heard / disturbance_w) / np.log1p(sinr)
            limits.append(cp.inv_pos(T[m]) <= 1.0 + nats)
            p = (cp.square(P[m]) + cp.square(cp.inv_pos(z))) / 2.0
            limits.append(p <= min(network.device_power_max_w[m] / power_w[m], REACH) * allowed)
            slower = min(outcome.rate_bps[m] / network.rate_min_bps, REACH)
            limits.append(T[m] <= slower * allowed)
            if point.offload[m]:
                radio_j = power_w[m] * outcome.transmission_s[m]
                energy = radio_j * (cp.square(p) + cp.square(T[m])) / 2.0
                server = outcome.server_energy_j[m] * cp.square(F[m])
                execution_s = tasks.cycles[m] / edge_hz[m]
                delay = outcome.transmission_s[m] * T[m] + execution_s * cp.inv_pos(F[m])
                limits.append(energy <= network.energy_max_j * allowed)
                limits.append(delay / tasks.deadline_s[m] <= allowed)
                emission = slot.carbon_g_per_j / largest_g * (energy + server)
                limits.append(emission <= worst)
                busy = busy + edge_hz[m] / network.server_cpu_hz * F[m]
                total = total + emission
        limits.append(busy <= allowed)
        # Those that are left out above.
        limits.append(F[np.flatnonzero(~point.offload)] == 1.0)
        objective = excess if relaxed else worst + 1e-4 / DEVICES * total
        if not solved(cp.Problem(cp.Minimize(objective), limits), rough=True):
            return None
        power_w = np.minimum(power_w * P.value / z.value, network.device_power_max_w)
        return replace(point, power_w=power_w, edge_cpu_hz=edge_hz * F.value)
