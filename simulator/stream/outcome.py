"""One slot of the stream problem: what a decision does to queues and energy.

The same function serves the world, which applies it to what is, and a policy, which may apply it to
what its twin believes.
"""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled, compiled_in_place
from ..network.cells import Cells
from ..network.network import Network
from ..network.spectral_efficiency import SpectralEfficiency
from .channel import interference_w, rate_bps
from .decision import Decision
from .energy import edge_energy_j, local_energy_j, radio_energy_j
from .queues import drain
from .slot_columns import (
    DEPARTED,
    LOCAL,
    LOCAL_CPU,
    LOCAL_J,
    OFFLOAD_J,
    OFFLOADED,
    POWER,
    RADIO_J,
    RATE,
    SENDABLE,
    SERVICE_ROWS,
    TOTAL_J,
)


@dataclass(slots=True)
class Outcome:
    """What happened in a slot. Every server spreads its work evenly over the slot.

    Attributes:
        bandwidth_hz: (R, N) as decided.
        edge_cpu_hz: (R, N) as decided.
        station_served_bits: (R, B) Psi_j, as decided.
        station_inflow_bits: (R, B) sum of D^e over a station's devices.
        power_w: (R, N) zero where there was nothing to send or nothing to send it with.
        rate_bps: (R, N) R_ij of A(3), A(4), at these powers.
        local_cpu_hz: (R, N) the speed that finishes the local bits exactly at the slot's end.
        local_bits: (R, N) D^l, A(8).
        offloaded_bits: (R, N) D^e, A(10).
        departed_bits: (R, N) Psi_i = D^l + D^e.
        local_energy_j: (R, N) A(9).
        radio_energy_j: (R, N) first term of A(11), spent by the device.
        offload_energy_j: (R, N) A(11), the edge CPU's included.
        energy_j: (R, N) E_tol of A(12), by device.
    """

    bandwidth_hz: FloatArray
    edge_cpu_hz: FloatArray
    station_served_bits: FloatArray
    station_inflow_bits: FloatArray
    power_w: FloatArray
    rate_bps: FloatArray
    local_cpu_hz: FloatArray
    local_bits: FloatArray
    offloaded_bits: FloatArray
    departed_bits: FloatArray
    local_energy_j: FloatArray
    radio_energy_j: FloatArray
    offload_energy_j: FloatArray
    energy_j: FloatArray


def carry_out(
    network: Network,
    cells: Cells,
    gain: FloatArray,
    queue_bits: FloatArray,
    decision: Decision,
) -> Outcome:
    """Serve the queues for one slot and account the energy, A(3) to A(11); all stations are up.

    Args:
        network: capacities and constants.
        cells: the association.
        gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i at the start of the slot.
        decision: one that fits the network (`decision.fit`).
    """
    columns = np.empty((SERVICE_ROWS, *queue_bits.shape))
    inflow_bits = np.empty(cells.shape)
    transmit(network, cells, gain, queue_bits, decision, np.ones(cells.shape), columns)
    serve(network, cells, queue_bits, decision, columns, inflow_bits)
    return Outcome(
        bandwidth_hz=decision.bandwidth_hz,
        edge_cpu_hz=decision.edge_cpu_hz,
        station_served_bits=decision.served_bits,
        station_inflow_bits=inflow_bits,
        power_w=columns[POWER],
        rate_bps=columns[RATE],
        local_cpu_hz=columns[LOCAL_CPU],
        local_bits=columns[LOCAL],
        offloaded_bits=columns[OFFLOADED],
        departed_bits=columns[DEPARTED],
        local_energy_j=columns[LOCAL_J],
        radio_energy_j=columns[RADIO_J],
        offload_energy_j=columns[OFFLOAD_J],
        energy_j=columns[TOTAL_J],
    )


def transmit(
    network: Network,
    cells: Cells,
    gain: FloatArray,
    queue_bits: FloatArray,
    decision: Decision,
    availability: FloatArray,
    columns: FloatArray,
) -> None:
    """The radios, A(3), A(4) and A(10).

    Args:
        network: see `carry_out`; so are the following four.
        cells: likewise.
        gain: likewise.
        queue_bits: likewise.
        decision: likewise.
        availability: (R, B) the share of the slot in which each station is up.
        columns: of the slot, see `slot_columns`; the radios' rows are filled.
    """
    _transmit(
        network.slot_s,
        network.fixed_noise_w,
        network.noise_w_per_hz,
        network.efficiency.cap,
        network.efficiency.steps,
        cells.station,
        gain,
        queue_bits,
        decision.bandwidth_hz,
        decision.power_w,
        decision.edge_cpu_hz,
        availability,
        columns,
    )


def serve(
    network: Network,
    cells: Cells,
    queue_bits: FloatArray,
    decision: Decision,
    columns: FloatArray,
    inflow_bits: FloatArray,
) -> None:
    """The devices' queues, A(8) and A(10), and all energy, A(9) and A(11).

    Args:
        network: see `carry_out`; so are the following three.
        cells: likewise.
        queue_bits: likewise.
        decision: likewise.
        columns: of the slot, see `slot_columns`; the radios' rows are there, all others of a service are filled.
        inflow_bits: (R, B) is filled: what each station received.
    """
    _serve(
        network.slot_s,
        network.cycles_per_bit,
        network.varsigma,
        network.epsilon_w,
        cells.station,
        queue_bits,
        decision.local_cpu_hz,
        decision.edge_cpu_hz,
        columns,
        inflow_bits,
    )


@compiled
def _transmit(
    slot_s: float,
    fixed_noise_w: FloatArray,
    noise_w_per_hz: FloatArray,
    efficiency_cap: float,
    efficiency_steps: FloatArray,
    station: IntArray,
    gain: FloatArray,
    queue_bits: FloatArray,
    bandwidth_hz: FloatArray,
    power_w: FloatArray,
    edge_cpu_hz: FloatArray,
    availability: FloatArray,
    columns: FloatArray,
) -> None:
    limit = SpectralEfficiency(efficiency_cap, efficiency_steps)  # apart, numba takes it at once
    power = columns[POWER]
    for r in range(len(station)):
        for i in range(station.shape[1]):
            sends = queue_bits[r, i] > 0.0 and bandwidth_hz[r, i] > 0.0 and edge_cpu_hz[r, i] > 0.0
            power[r, i] = power_w[r, i] if sends else 0.0
    interference = interference_w(power, gain, station)
    for r in range(len(station)):
        for i in range(station.shape[1]):
            j = station[r, i]
            hertz = bandwidth_hz[r, i]
            noise = fixed_noise_w[j] + noise_w_per_hz[j] * hertz
            received = power[r, i] * gain[r, i, j]
            rate = rate_bps(hertz, received, noise + interference[r, j], limit)
            columns[RATE, r, i] = rate
            columns[SENDABLE, r, i] = rate * slot_s * availability[r, j]


@compiled_in_place
def _serve(
    slot_s: float,
    cycles_per_bit: float,
    varsigma: float,
    epsilon_w: float,
    station: IntArray,
    queue_bits: FloatArray,
    local_cpu_hz: FloatArray,
    edge_cpu_hz: FloatArray,
    columns: FloatArray,
    inflow_bits: FloatArray,
) -> None:
    bits_per_hz = slot_s / cycles_per_bit
    inflow_bits[:] = 0.0
    for r in range(len(station)):
        for i in range(station.shape[1]):
            local, sent = drain(
                queue_bits[r, i], local_cpu_hz[r, i] * bits_per_hz, columns[SENDABLE, r, i]
            )
            speed = local / bits_per_hz
            local_energy = local_energy_j(varsigma, slot_s, speed)
            radio_energy = radio_energy_j(sent, columns[RATE, r, i], columns[POWER, r, i])
            edge_energy = edge_energy_j(epsilon_w, cycles_per_bit, sent, edge_cpu_hz[r, i])
            columns[LOCAL_CPU, r, i] = speed
            columns[LOCAL, r, i] = local
            columns[OFFLOADED, r, i] = sent
            columns[DEPARTED, r, i] = local + sent
            columns[LOCAL_J, r, i] = local_energy
            columns[RADIO_J, r, i] = radio_energy
            columns[OFFLOAD_J, r, i] = radio_energy + edge_energy
            columns[TOTAL_J, r, i] = local_energy + (radio_energy + edge_energy)
            inflow_bits[r, station[r, i]] += sent
