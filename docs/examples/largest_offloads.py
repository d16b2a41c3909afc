"""A policy of the task problem: `edgesim run carbon_6ue --policy largest_offloads:LargestOffloads`."""

import numpy as np

from edgesim.simulator.tasks.decision import TaskDecision


class LargestOffloads:
    """The tasks with the most cycles are offloaded and share the server; all CPUs run at full speed."""

    def __init__(self, offloaded: int = 2) -> None:
        self.offloaded = offloaded  # a key of the scenario's [policy] section

    def reset(self, network, problem, rngs):
        self.network = network

    def decide(self, observation):
        network, cycles = self.network, observation.tasks.cycles
        rank = (-cycles).argsort(axis=1).argsort(axis=1)
        offload = rank < self.offloaded
        each = np.ones(cycles.shape)
        return TaskDecision(
            power_w=each * network.device_power_max_w,
            offload=offload,
            local_cpu_hz=each * network.device_cpu_max_hz,
            edge_cpu_hz=offload * (network.server_cpu_hz / self.offloaded),
        )
