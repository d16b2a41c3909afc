"""One slot of world A: what a decision does to queues and energy.

The same function serves the world, which applies it to what is, and a policy, which may apply it to
what its twin believes.
"""

from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .cells import Cells
from .channel import rates_bps
from .decision import Decision
from .energy import edge_energy_j, local_energy_j, radio_energy_j
from .network import Network
from .queues import drain


@dataclass(slots=True)
class Outcome:
    """What happened in a slot. Every server spreads its work evenly over the slot.

    Attributes:
        bandwidth_hz: (R, N) as decided.
        power_w: (R, N) zero where there was nothing to send or nothing to send it with.
        rate_bps: (R, N) R_ij of A(3), A(4), at these powers.
        local_cpu_hz: (R, N) the speed that finishes the local bits exactly at the slot's end.
        edge_cpu_hz: (R, N) as decided.
        local_bits: (R, N) D^l, A(8).
        offloaded_bits: (R, N) D^e, A(10).
        station_inflow_bits: (R, B) sum of D^e over a station's devices.
        station_served_bits: (R, B) Psi_j.
        local_energy_j: (R, N) A(9).
        radio_energy_j: (R, N) first term of A(11), spent by the device.
        edge_energy_j: (R, N) second term of A(11), spent by its station.
    """

    bandwidth_hz: FloatArray
    power_w: FloatArray
    rate_bps: FloatArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    local_bits: FloatArray
    offloaded_bits: FloatArray
    station_inflow_bits: FloatArray
    station_served_bits: FloatArray
    local_energy_j: FloatArray
    radio_energy_j: FloatArray
    edge_energy_j: FloatArray

    @property
    def offload_energy_j(self) -> FloatArray:
        """(R, N) A(11)."""
        return self.radio_energy_j + self.edge_energy_j

    @property
    def departed_bits(self) -> FloatArray:
        """(R, N) Psi_i = D^l + D^e."""
        return self.local_bits + self.offloaded_bits

    @property
    def energy_j(self) -> FloatArray:
        """(R, N) E_tol of A(12), by device."""
        return self.local_energy_j + self.offload_energy_j


def carry_out(
    network: Network,
    cells: Cells,
    gain: FloatArray,
    queue_bits: FloatArray,
    decision: Decision,
) -> Outcome:
    """Serve the queues for one slot and account the energy, A(3) to A(11).

    Args:
        network: capacities and constants.
        cells: the association.
        gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i at the start of the slot.
        decision: one that fits the network (`decision.fit`).
    """
    sends = (queue_bits > 0.0) & (decision.bandwidth_hz > 0.0) & (decision.edge_cpu_hz > 0.0)
    power_w = np.where(sends, decision.power_w, 0.0)
    rate_bps = rates_bps(network, cells, gain, decision.bandwidth_hz, power_w)
    bits_per_hz = network.slot_s / network.cycles_per_bit
    local_bits, offloaded_bits = drain(
        queue_bits, decision.local_cpu_hz * bits_per_hz, rate_bps * network.slot_s
    )
    local_cpu_hz = local_bits / bits_per_hz
    return Outcome(
        bandwidth_hz=decision.bandwidth_hz,
        power_w=power_w,
        rate_bps=rate_bps,
        local_cpu_hz=local_cpu_hz,
        edge_cpu_hz=decision.edge_cpu_hz,
        local_bits=local_bits,
        offloaded_bits=offloaded_bits,
        station_inflow_bits=cells.total(offloaded_bits),
        station_served_bits=decision.served_bits,
        local_energy_j=local_energy_j(network, local_cpu_hz),
        radio_energy_j=radio_energy_j(offloaded_bits, rate_bps, power_w),
        edge_energy_j=edge_energy_j(network, offloaded_bits, decision.edge_cpu_hz),
    )
