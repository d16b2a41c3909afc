"""What is minimised in each slot: the drift-plus-penalty P2 of A(20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..core.arrays import FloatArray
from ..core.compiled import compiled, compiled_in_place
from ..network.network import Network
from .decision import Decision
from .observation import Observation
from .outcome import Outcome, carry_out

Perturbation = Literal["observed", "local", "none"]


@dataclass(frozen=True)
class DriftPlusPenalty:
    """P2, A(20): V [E - eta D] + sum Q_j [sum D^e - Psi_j] - sum (Q_i - beta_i) [Psi_i - lambda_i].

    As printed, with the same slot's own ratio, E - eta D is identically zero; eta is the running
    ratio up to the last slot, as stochastic fractional programming has it.

    Attributes:
        network: the network it is about.
        V: weight of the penalty, bit^2/J.
        perturbation: how Psi_max of A(19) is read. "observed": the largest departure of any device
            in the last slot; "local": the most that the device's own CPU can serve; "none": beta = 0.
    """

    network: Network
    V: float
    perturbation: Perturbation = "observed"

    def predict(
        self,
        total_energy_j: FloatArray,
        total_departed_bits: FloatArray,
        energy_j: FloatArray,
        departed_bits: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """(R,) eta_EE of A(13), J/bit, and (R, N) beta_i = V eta' + Psi_max of A(19), bit.

        eta' is the running ratio one slot earlier.

        Args:
            total_energy_j: (R, N) all energy up to the last slot.
            total_departed_bits: (R, N) all bits that left the devices' queues up to the last slot.
            energy_j: (R, N) of the last slot.
            departed_bits: (R, N) Psi_i of the last slot.
        """
        ratio, beta = np.empty(len(departed_bits)), np.empty(departed_bits.shape)
        _predict(
            total_energy_j,
            total_departed_bits,
            energy_j,
            departed_bits,
            self.V,
            self.network.device_service_bits,
            self.perturbation == "observed",
            self.perturbation != "none",
            ratio,
            beta,
        )
        return ratio, beta

    def bit_value(self, observation: Observation) -> FloatArray:
        """(R, N) v_i = V eta + Q_i - beta_i, bit: what P2 gives for a bit that leaves queue i."""
        value = np.empty(observation.queue_bits.shape)
        set_bit_values(
            self.V,
            observation.energy_per_bit_j,
            observation.queue_bits,
            observation.perturbation_bits,
            value,
        )
        return value

    def spent(self, columns: Mapping[str, Any]) -> FloatArray:
        """What the penalty is of, summed over devices, from (…, N) trace variables: energy, J."""
        spent: FloatArray = (columns["local_energy_j"] + columns["offload_energy_j"]).sum(axis=-1)
        return spent

    def joule_costs(self, observation: Observation) -> tuple[FloatArray, FloatArray]:
        """(R, N) and (R, B) what P2 counts for a joule of a device and of a station, bit^2/J."""
        shapes = observation.queue_bits.shape, observation.station_queue_bits.shape
        device, station = (np.full(shape, self.V) for shape in shapes)
        return device, station

    @property
    def local_cost(self) -> float:
        """The constant a = 3 V varsigma c^3 / tau^2, 1/bit: A(9) of l bits enters P2 as a l^3 / 3.

        A device's CPU is therefore best used where a l^2 = v.
        """
        network = self.network
        cycles, slot_s = network.cycles_per_bit, network.slot_s
        cubed = cycles * cycles * cycles
        return 3.0 * self.V * network.varsigma * cubed / (slot_s * slot_s)

    def best_local_hz(self, bit_value: FloatArray) -> FloatArray:
        """(R, N) sqrt(v / (3 V varsigma c)), Hz: the optimum of P2 in f_i without its limits.

        Infinite where a CPU needs no energy.
        """
        cost = 3.0 * self.V * self.network.varsigma * self.network.cycles_per_bit
        positive = np.maximum(bit_value, 0.0)
        return np.sqrt(positive / cost) if cost > 0.0 else np.full(bit_value.shape, np.inf)

    def best_local_hz_at(self, observation: Observation, bit_value: FloatArray) -> FloatArray:
        """(R, N) `best_local_hz`, by what is observed; here it does not matter."""
        return self.best_local_hz(bit_value)

    def offload_cost(
        self, observation: Observation, outcome: Outcome, saved_j: FloatArray
    ) -> FloatArray:
        """(R, N) what offloading costs more than the (R, N) joules that the device's CPU saves, bit^2."""
        return self.V * (outcome.offload_energy_j - saved_j)

    def with_pressing(self, observation: Observation, decision: Decision) -> Observation | None:
        """What is left to be decided where a decision leaves bits that are pressing; here none is."""
        return None

    def pressing_value(
        self, observation: Observation, departed_bits: FloatArray
    ) -> FloatArray | float:
        """(R, N) what P2 gives for (R, N) bits beside v_i, bit^2: here nothing."""
        return 0.0

    def objective(
        self,
        outcome: Outcome,
        queue_bits: FloatArray,
        station_queue_bits: FloatArray,
        perturbation_bits: FloatArray,
        energy_per_bit_j: FloatArray,
        arrived_bits: FloatArray | None = None,
    ) -> FloatArray:
        """(R,) P2's value of a slot's outcome, bit^2; A(22) is its negative.

        Args:
            outcome: what the decision did.
            queue_bits: (R, N) Q_i at the start of the slot.
            station_queue_bits: (R, B) Q_j at the start of the slot.
            perturbation_bits: (R, N) beta_i.
            energy_per_bit_j: (R,) eta_EE.
            arrived_bits: (R, N) lambda_i of the slot; none by default, for it does not depend on the
                decision.
        """
        if arrived_bits is None:
            arrived_bits = np.zeros(queue_bits.shape)
        return _objectives(
            self.V,
            outcome.energy_j,
            outcome.departed_bits,
            outcome.station_inflow_bits,
            outcome.station_served_bits,
            queue_bits,
            station_queue_bits,
            perturbation_bits,
            energy_per_bit_j,
            arrived_bits,
        )

    def value(self, observation: Observation, decision: Decision) -> FloatArray:
        """(R,) P2's value of a decision on what the twin shows, without the arrivals' constant.

        The idle decision has value zero.
        """
        outcome = carry_out(
            self.network,
            observation.cells,
            observation.channel_gain,
            observation.queue_bits,
            decision,
        )
        return self.objective(
            outcome,
            observation.queue_bits,
            observation.station_queue_bits,
            observation.perturbation_bits,
            observation.energy_per_bit_j,
        )


@compiled
def _predict(
    total_energy_j: FloatArray,
    total_bits: FloatArray,
    energy_j: FloatArray,
    bits: FloatArray,
    V: float,
    local_bits: FloatArray,
    observed: bool,
    perturbed: bool,
    ratio: FloatArray,
    beta: FloatArray,
) -> None:
    earlier = np.empty(len(bits))
    set_energy_per_bit(total_energy_j, total_bits, energy_j, bits, ratio, earlier)
    beta[:] = 0.0
    if perturbed:
        set_perturbation(V, earlier, bits, local_bits, observed, beta)


# What follows sets arrays that are given; why none is assigned whole, `core/assignment.py` says.


@compiled_in_place
def set_bit_values(
    V: float,
    energy_per_bit_j: FloatArray,
    queue_bits: FloatArray,
    perturbation_bits: FloatArray,
    value: FloatArray,
) -> None:
    """`DriftPlusPenalty.bit_value`, (R, N), from (R,) and (R, N) columns."""
    replications, devices = queue_bits.shape
    for r in range(replications):
        for i in range(devices):
            value[r, i] = (V * energy_per_bit_j[r] + queue_bits[r, i]) - perturbation_bits[r, i]


@compiled_in_place
def set_energy_per_bit(
    total_energy_j: FloatArray,
    total_bits: FloatArray,
    energy_j: FloatArray,
    bits: FloatArray,
    ratio: FloatArray,
    earlier: FloatArray,
) -> None:
    """(R,) eta_EE and eta'_EE, the ratio one slot earlier, J/bit; zero before the first bit."""
    replications, devices = bits.shape
    for r in range(replications):
        ratio[r], earlier[r] = 0.0, 0.0
        joules, joules_before, all_bits, bits_before = 0.0, 0.0, 0.0, 0.0
        for i in range(devices):
            joules += total_energy_j[r, i]
            all_bits += total_bits[r, i]
            # One slot earlier: without the last slot's share.
            joules_before += total_energy_j[r, i] - energy_j[r, i]
            bits_before += total_bits[r, i] - bits[r, i]
        if all_bits > 0.0:
            ratio[r] = joules / all_bits
        if bits_before > 0.0:
            earlier[r] = joules_before / bits_before


@compiled_in_place
def set_perturbation(
    V: float,
    previous_energy_per_bit_j: FloatArray,
    departed_bits: FloatArray,
    local_bits: FloatArray,
    observed: bool,
    beta: FloatArray,
) -> None:
    """(R, N) beta_i = V eta' + Psi_max of A(19), bit, from (R,) eta', (R, N) Psi_i and (N,) columns."""
    replications, devices = departed_bits.shape
    for r in range(replications):
        largest = 0.0
        for i in range(devices):
            largest = max(largest, departed_bits[r, i])
        for i in range(devices):
            psi_max = largest if observed else local_bits[i]
            beta[r, i] = V * previous_energy_per_bit_j[r] + psi_max


@compiled
def _objectives(
    V: float,
    energy_j: FloatArray,
    departed_bits: FloatArray,
    inflow_bits: FloatArray,
    served_bits: FloatArray,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    perturbation_bits: FloatArray,
    energy_per_bit_j: FloatArray,
    arrived_bits: FloatArray,
) -> FloatArray:
    value = np.empty(len(queue_bits))
    for r in range(len(value)):
        value[r] = objective(
            V,
            energy_j[r],
            departed_bits[r],
            inflow_bits[r],
            served_bits[r],
            queue_bits[r],
            station_queue_bits[r],
            perturbation_bits[r],
            energy_per_bit_j[r],
            arrived_bits[r],
        )
    return value


@compiled_in_place
def objective(
    V: float,
    energy_j: FloatArray,
    departed_bits: FloatArray,
    inflow_bits: FloatArray,
    served_bits: FloatArray,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    perturbation_bits: FloatArray,
    energy_per_bit_j: float,
    arrived_bits: FloatArray,
) -> float:
    """`DriftPlusPenalty.objective` of one replication, from (N,) and (B,) columns, for kernels."""
    value = 0.0
    for i in range(len(queue_bits)):
        excess_bits = queue_bits[i] - perturbation_bits[i]
        value += V * (energy_j[i] - energy_per_bit_j * departed_bits[i])
        value -= excess_bits * (departed_bits[i] - arrived_bits[i])
    for b in range(len(station_queue_bits)):
        value += station_queue_bits[b] * (inflow_bits[b] - served_bits[b])
    return value
