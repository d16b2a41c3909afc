"""P2 with emission in the place of energy, and with bits that are pressing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.recorder import TaskTable
from ..models.carbon import LEAST_G_PER_J
from ..network.cells import Cells
from .deadlines import TaskClass
from .decision import Decision
from .green_observation import GreenObservation
from .observation import Observation
from .outcome import Outcome, carry_out
from .problem import DriftPlusPenalty, set_bit_values, set_energy_per_bit, set_perturbation

Penalty = Literal["energy", "carbon"]


@dataclass(frozen=True)
class SamplePath:
    """What happens in a run whatever is decided: tasks, gains, and intensities as accounted.

    Attributes:
        tasks: rows of a task table, of all that arrive.
        gain: (T, R, N, B) power gains.
        station: (T, R, N) of each device; -1 of one that is absent.
        device_g_per_j: (T, R, N) mean intensities over each slot.
        station_g_per_j: (T, R, B) likewise.
    """

    tasks: TaskTable
    gain: FloatArray
    station: IntArray
    device_g_per_j: FloatArray
    station_g_per_j: FloatArray


@dataclass(frozen=True)
class GreenProblem(DriftPlusPenalty):
    """P2 where a joule costs what it emits, and pressing bits are worth more than others.

    V' [X - x D] + sum Q_j [sum D^e - Psi_j] - sum (Q_i - beta_i) [Psi_i - lambda_i]
    - sum Y_i min(Psi_i, B_i), with X the slot's emission (or energy), x its running ratio to the bits
    that departed, B_i the pressing bits of a device and Y_i what their lateness would cost. V' is V, with
    a carbon budget V (1 + G / M), where G is the budget's debt and M its mass.

    Attributes:
        penalty: whether X is energy, J, or emission, g; V is in bit^2 per unit of it.
        budget_g: M, emission that is allowed in one period of the budget; None without one.
        classes: of tasks; none if all are alike.
        foresee: what will happen in the run, for who plans in hindsight; None where nobody knows.
        unbounded: keys of the scenario because of which what a bit costs, or who serves it, hangs on what is decided
            before or is drawn beside it, so that no bound follows from `foresee`.
        unforeseen: keys because of which other tasks come into the queues than `foresee` tells.
        device_carbon: whether devices have an intensity of their own, and not their station's.
        asked: what a policy asked for in its `reset`, `ask_due_bits`.
    """

    penalty: Penalty = "carbon"
    budget_g: float | None = None
    classes: tuple[TaskClass, ...] = ()
    foresee: Callable[[], SamplePath] | None = None
    unbounded: tuple[str, ...] = ()
    unforeseen: tuple[str, ...] = ()
    device_carbon: bool = False
    asked: set[str] = field(default_factory=set, compare=False, repr=False)

    def ask_due_bits(self) -> None:
        """Have `GreenObservation.due_bits` filled, which takes time; to be called in a policy's `reset`."""
        self.asked.add("due_bits")

    @property
    def has_deadlines(self) -> bool:
        """Whether some task has one, and emission is what is minimised."""
        return self.penalty == "carbon" and any(one.deadline_s < np.inf for one in self.classes)

    def weight(self, budget_debt_g: FloatArray) -> FloatArray:
        """(R,) V', bit^2/J or bit^2/g, at (R,) debts."""
        if self.budget_g is None:
            return np.full(budget_debt_g.shape, self.V)
        return self.V * (1.0 + budget_debt_g / self.budget_g)

    def spent(self, columns: Mapping[str, Any]) -> FloatArray:
        """What the penalty is of, summed over devices, from (…, N) trace variables: energy, J, or emission, g."""
        if self.penalty == "energy":
            return super().spent(columns)
        emission_g: FloatArray = columns["emission_mg"].sum(axis=-1) * 1e-3
        return emission_g

    def joule_costs(self, observation: Observation) -> tuple[FloatArray, FloatArray]:
        """(R, N) and (R, B) what P2 counts for a joule of a device and of a station, bit^2/J."""
        seen = _seen(observation)
        weight = self.weight(seen.budget_debt_g)[:, None]
        if self.penalty == "energy":
            shapes = seen.queue_bits.shape, seen.station_queue_bits.shape
            device, station = (np.broadcast_to(weight, shape) for shape in shapes)
            return device, station
        station = seen.carbon_g_per_j
        if seen.power is not None:  # its panels and its battery emit nothing
            station = station * seen.power.grid_share
        return (
            weight * np.maximum(seen.device_carbon_g_per_j, LEAST_G_PER_J),
            weight * np.maximum(station, LEAST_G_PER_J),
        )

    def local_costs(self, device_cost: FloatArray) -> FloatArray:
        """(R, N) `local_cost`, 1/bit, at (R, N) costs of a device's joule."""
        network = self.network
        cycles, slot_s = network.cycles_per_bit, network.slot_s
        return device_cost * (3.0 * network.varsigma * cycles * cycles * cycles / (slot_s * slot_s))

    def pressing_value(self, observation: Observation, departed_bits: FloatArray) -> FloatArray:
        """(R, N) Y_i min(Psi_i, B_i), bit^2."""
        seen = _seen(observation)
        value: FloatArray = seen.lateness_bits * np.minimum(departed_bits, seen.pressing_bits)
        return value

    def bit_value(self, observation: Observation) -> FloatArray:
        """(R, N) v_i = V' x + Q_i - beta_i, bit."""
        seen = _seen(observation)
        value = np.empty(seen.queue_bits.shape)
        set_bit_values(1.0, self._worth(seen), seen.queue_bits, seen.perturbation_bits, value)
        return value

    def predict_emission(
        self,
        total_emission_g: FloatArray,
        total_departed_bits: FloatArray,
        emission_g: FloatArray,
        departed_bits: FloatArray,
        budget_debt_g: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """(R,) x, g/bit, and (R, N) beta_i of A(19) with emission for energy, bit; see `predict`."""
        ratio, earlier = np.empty((2, len(departed_bits)))
        set_energy_per_bit(
            total_emission_g, total_departed_bits, emission_g, departed_bits, ratio, earlier
        )
        beta = np.zeros(departed_bits.shape)
        if self.perturbation != "none":
            local_bits, observed = self.network.device_service_bits, self.perturbation == "observed"
            worth = self.weight(budget_debt_g) * earlier
            set_perturbation(1.0, worth, departed_bits, local_bits, observed, beta)
        return ratio, beta

    def best_local_hz_at(self, observation: Observation, bit_value: FloatArray) -> FloatArray:
        """(R, N) the optimum of P2 in f_i without its limits, Hz; infinite where it costs nothing."""
        device_cost, _ = self.joule_costs(observation)
        cost = 3.0 * self.network.varsigma * self.network.cycles_per_bit * device_cost
        positive = np.maximum(bit_value, 0.0)
        free = np.full(cost.shape, np.inf)
        best: FloatArray = np.sqrt(np.divide(positive, cost, out=free, where=cost > 0.0))
        return best

    def offload_cost(
        self, observation: Observation, outcome: Outcome, saved_j: FloatArray
    ) -> FloatArray:
        """(R, N) what offloading costs more than the (R, N) joules that the device's CPU saves, bit^2."""
        device_cost, station_cost = self.joule_costs(observation)
        edge_j = outcome.offload_energy_j - outcome.radio_energy_j
        edge_cost = observation.cells.at_station(station_cost) * edge_j
        return device_cost * (outcome.radio_energy_j - saved_j) + edge_cost

    def value(self, observation: Observation, decision: Decision) -> FloatArray:
        """(R,) P2's value of a decision on what the twin shows, without the arrivals' constant."""
        seen = _seen(observation)
        outcome = carry_out(self.network, seen.cells, seen.channel_gain, seen.queue_bits, decision)
        device_cost, station_cost = self.joule_costs(seen)
        own_j = outcome.local_energy_j + outcome.radio_energy_j
        edge_j = outcome.offload_energy_j - outcome.radio_energy_j
        cost = device_cost * own_j + seen.cells.at_station(station_cost) * edge_j
        return self.score(
            seen,
            cost,
            outcome.departed_bits,
            np.zeros(outcome.departed_bits.shape),
            (seen.queue_bits, seen.station_queue_bits, seen.pressing_bits),
            outcome.station_inflow_bits - decision.served_bits,
        )

    def score(
        self,
        seen: GreenObservation,
        cost: FloatArray,
        departed_bits: FloatArray,
        arrived_bits: FloatArray,
        queues: tuple[FloatArray, FloatArray, FloatArray],
        station_change_bits: FloatArray,
    ) -> FloatArray:
        """(R,) P2's value of what happened, bit^2.

        Args:
            seen: what was decided upon.
            cost: (R, N) V' times energy or emission, by device, bit^2.
            departed_bits: (R, N) Psi_i.
            arrived_bits: (R, N) lambda_i.
            queues: (R, N) Q_i, (R, B) Q_j and (R, N) B_i as the slot began.
            station_change_bits: (R, B) sum D^e - Psi_j.
        """
        queue_bits, station_queue_bits, pressing_bits = queues
        of_devices = cost - self._worth(seen)[:, None] * departed_bits
        of_devices -= (queue_bits - seen.perturbation_bits) * (departed_bits - arrived_bits)
        of_devices -= seen.lateness_bits * np.minimum(departed_bits, pressing_bits)
        of_stations: FloatArray = (station_queue_bits * station_change_bits).sum(axis=1)
        value: FloatArray = of_stations + of_devices.sum(axis=1)
        return value

    def with_pressing(
        self, observation: Observation, decision: Decision
    ) -> GreenObservation | None:
        """What is left to be decided where a decision leaves pressing bits: P2 is piecewise in Psi_i.

        Up to B_i a bit is worth v_i + Y_i, beyond v_i. Who at v_i serves less than B_i is shown B_i as
        its queue, at v_i + Y_i, so that whoever decides on that serves at most those. None if nobody does.
        """
        seen = _seen(observation)
        if not (seen.lateness_bits * seen.pressing_bits).any():
            return None
        outcome = carry_out(self.network, seen.cells, seen.channel_gain, seen.queue_bits, decision)
        bits = np.minimum(seen.pressing_bits, seen.queue_bits)
        short = (outcome.departed_bits < bits * (1.0 - 1e-9)) & (seen.lateness_bits > 0.0)
        if not short.any():
            return None
        beta = seen.perturbation_bits - (seen.queue_bits - bits) - seen.lateness_bits
        return replace(
            seen,
            queue_bits=np.where(short, bits, seen.queue_bits),
            perturbation_bits=np.where(short, beta, seen.perturbation_bits),
            lateness_bits=np.where(short, 0.0, seen.lateness_bits),
        )

    def _worth(self, seen: GreenObservation) -> FloatArray:
        """(R,) V' x, bit."""
        per_bit = seen.energy_per_bit_j if self.penalty == "energy" else seen.emission_per_bit_g
        return self.weight(seen.budget_debt_g) * per_bit


def emission_g(
    cells: Cells,
    own_j: FloatArray,
    edge_j: FloatArray,
    device_g_per_j: FloatArray,
    station_g_per_j: FloatArray,
) -> FloatArray:
    """(R, N) C(9), by device: what it draws itself, and what its station draws for it.

    Args:
        cells: the association.
        own_j: (R, N) energy of its CPU and its radio.
        edge_j: (R, N) energy of its station for it.
        device_g_per_j: (R, N) intensity of its own electricity.
        station_g_per_j: (R, B) of the stations'.
    """
    return own_j * device_g_per_j + edge_j * cells.at_station(station_g_per_j)


def _seen(observation: Observation) -> GreenObservation:
    assert isinstance(observation, GreenObservation), "a green problem has its own observations"
    return observation
