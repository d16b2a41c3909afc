"""What is minimised in each slot: the drift-plus-penalty P2 of A(20)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .arrays import FloatArray
from .decision import Decision
from .network import Network
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

    def perturbation_bits(
        self, previous_energy_per_bit_j: FloatArray, departed_bits: FloatArray
    ) -> FloatArray:
        """(R, N) beta_i = V eta' + Psi_max, A(19).

        Args:
            previous_energy_per_bit_j: (R,) eta'_EE, the running ratio one slot earlier.
            departed_bits: (R, N) Psi_i of the last slot.
        """
        devices = departed_bits.shape[1]
        if self.perturbation == "none":
            return np.zeros(departed_bits.shape)
        if self.perturbation == "observed":
            psi_max = departed_bits.max(axis=1, keepdims=True)
        else:
            psi_max = self.network.device_cpu_hz * (
                self.network.slot_s / self.network.cycles_per_bit
            )
        beta: FloatArray = self.V * previous_energy_per_bit_j[:, None] + psi_max
        return beta.repeat(devices // beta.shape[1], axis=1)

    def objective(
        self,
        outcome: Outcome,
        queue_bits: FloatArray,
        station_queue_bits: FloatArray,
        perturbation_bits: FloatArray,
        energy_per_bit_j: FloatArray,
        arrived_bits: FloatArray | float = 0.0,
    ) -> FloatArray:
        """(R,) P2's value of a slot's outcome, bit^2; A(22) is its negative.

        Args:
            outcome: what the decision did.
            queue_bits: (R, N) Q_i at the start of the slot.
            station_queue_bits: (R, B) Q_j at the start of the slot.
            perturbation_bits: (R, N) beta_i.
            energy_per_bit_j: (R,) eta_EE.
            arrived_bits: (R, N) lambda_i of the slot; a constant as far as the decision goes.
        """
        energy = outcome.energy_j.sum(axis=1)
        departed = outcome.departed_bits
        penalty = self.V * (energy - energy_per_bit_j * departed.sum(axis=1))
        device_drift = ((queue_bits - perturbation_bits) * (departed - arrived_bits)).sum(axis=1)
        inflow = outcome.station_inflow_bits
        station_drift = (station_queue_bits * (inflow - outcome.station_served_bits)).sum(axis=1)
        value: FloatArray = penalty + station_drift - device_drift
        return value

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
