"""SCA on C(10): paper C's Algorithm 1, as printed and as it should be (section III)."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ....scenarios.units import PositiveHertz, Watts, Whole
from ....simulator.core.randomness import Generators
from ....simulator.tasks.decision import TaskDecision
from ....simulator.tasks.network import TaskNetwork
from ....simulator.tasks.observation import TaskObservation
from ....simulator.tasks.problem import WorstCaseEmission
from ...among_present import Rows, among_present
from ...base import Policy
from ..c10.closed_form_rates import feasible_common_hz
from ..c10.slot import Slot, stack, unstack
from .algorithm1 import Algorithm1
from .improved import Search
from .joint_subproblem import CompiledJointSubproblem, JointSubproblem
from .result import Result


@dataclass
class Sca(Policy):
    """SCA: successive convex approximation of C(10) in powers, rates and offloading.

    With `rates = "initial"` it is the scheme that Fig. 6 of paper C calls "non-optimal computing
    rate".

    Attributes:
        variant: "improved", or "paper": Algorithm 1 as printed, its weaknesses included.
        rates: "best", or "initial": they stay as they start.
        iterations_max: I_max; for "improved", of each set of offloaders; 0 leaves the start.
        threshold: converged when the worst emission changes by no more than this, relative.
        power_min: P_min, all powers at the start of "paper"; the paper does not state it.
        local_cpu: the rate at which all devices start. By default, as printed, the least speed of
            their CPUs; if that is too late for a device that starts local, "paper" makes no progress.
            With `rates = "initial"`, where the least speed would miss most deadlines, the default is
            `feasible_common_hz`.
        edge_cpu: the server's rate for each device at the start; by default, as printed, F_max / N.
        solver: of the convex subproblems: "compiled", or "cvxpy", which reads them as they are stated
            and takes ten times as long.
    """

    variant: Literal["improved", "paper"] = "improved"
    rates: Literal["best", "initial"] = "best"
    iterations_max: Annotated[Whole, Field(ge=0)] = 30
    threshold: Annotated[float, Field(ge=0)] = 1e-3
    power_min: Watts = 1e-2
    local_cpu: PositiveHertz | None = None
    edge_cpu: PositiveHertz | None = None
    solver: Literal["compiled", "cvxpy"] = "compiled"

    def __post_init__(self) -> None:
        self._algorithm_1: dict[int, Algorithm1] = {}
        self._joint: dict[int, JointSubproblem] = {}

    def reset(self, network: TaskNetwork, problem: WorstCaseEmission, rngs: Generators) -> None:
        """Keep the network's limits."""
        self._network = network

    def decide(self, observation: TaskObservation) -> TaskDecision:
        """One replication after another; `iterations` and `failed_solves` go into the trace."""
        nothing = {"iterations": 0.0, "failed_solves": 0.0}
        return among_present(self._network, observation, self._decide, nothing)

    def _decide(
        self, network: TaskNetwork, observation: TaskObservation, rows: Rows
    ) -> TaskDecision:
        results = [self.solve(_something_to_do(slot)) for slot in unstack(network, observation)]
        return stack(
            [result.decision for result in results],
            {
                "iterations": np.array([float(result.iterations) for result in results]),
                "failed_solves": np.array([float(result.failed_solves) for result in results]),
            },
        )

    def solve(self, slot: Slot) -> Result:
        """A decision for one slot; "improved": of least violation where none is feasible.

        Args:
            slot: (N,) columns of one replication, all tasks positive.
        """
        devices, best = slot.network.devices, self.rates == "best"
        start, limits = self._printed_start(slot), (self.iterations_max, self.threshold)
        if self.variant == "paper":
            if devices not in self._algorithm_1:
                self._algorithm_1[devices] = Algorithm1(devices, best, self.solver)
            return self._algorithm_1[devices].solve(slot, start, *limits)
        if devices not in self._joint:
            capped = not slot.network.efficiency.is_shannon
            self._joint[devices] = (
                CompiledJointSubproblem(best)
                if self.solver == "compiled"
                else JointSubproblem(devices, best, capped)
            )
        return Search(slot, start, self._joint[devices], self.rates, *limits).run()

    def _printed_start(self, slot: Slot) -> TaskDecision:
        """P = P_min, f = F_min, f^0 = F_max / M, and the first half offloads."""
        network, devices = slot.network, slot.network.devices
        local_hz = network.device_cpu_min_hz
        if self.local_cpu is not None:
            local_hz = np.full(devices, self.local_cpu)
        elif self.rates == "initial":
            local_hz = feasible_common_hz(network, slot.tasks)
        edge_hz = network.server_cpu_hz / devices if self.edge_cpu is None else self.edge_cpu
        return TaskDecision(
            power_w=np.minimum(self.power_min, network.device_power_max_w),
            offload=np.arange(devices) < devices // 2,
            local_cpu_hz=local_hz,
            edge_cpu_hz=np.full(devices, edge_hz),
        )


def _something_to_do(slot: Slot) -> Slot:
    """A bit and a cycle for devices of which no task has been reported yet."""
    tasks = slot.tasks
    bits, cycles = np.maximum(tasks.bits, 1.0), np.maximum(tasks.cycles, 1.0)
    return replace(slot, tasks=replace(tasks, bits=bits, cycles=cycles))
