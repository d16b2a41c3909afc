"""Energy of a slot, A(9) and A(11), and what a battery can give of it."""

import numpy as np

from ..core.arrays import FloatArray, remainder
from ..core.compiled import compiled
from ..core.elementary import cbrt_each
from ..network.network import Network


@compiled
def local_energy_j(varsigma: float, slot_s: float, local_cpu_hz: float) -> float:
    """A(9): varsigma tau f^3, at the speed f_i^l at which the CPU ran throughout the slot."""
    return varsigma * slot_s * (local_cpu_hz * local_cpu_hz * local_cpu_hz)


@compiled
def radio_energy_j(offloaded_bits: float, rate_bps: float, power_w: float) -> float:
    """First term of A(11): p for as long as there is something to send.

    That is p D^e / R, and p tau where the radio is busy for the whole slot.
    """
    return power_w * (offloaded_bits / rate_bps) if offloaded_bits > 0.0 else 0.0


@compiled
def edge_energy_j(
    epsilon_w: float, cycles_per_bit: float, offloaded_bits: float, edge_cpu_hz: float
) -> float:
    """Second term of A(11): epsilon D^e c / f^e.

    Zero where nothing is sent, whatever CPU share is reserved.
    """
    if offloaded_bits <= 0.0:
        return 0.0
    return offloaded_bits * (epsilon_w * cycles_per_bit) / edge_cpu_hz


def within_battery(
    network: Network, battery_j: FloatArray, local_cpu_hz: FloatArray, power_w: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Slow the CPU, then the transmitter, to what the battery can give in one slot.

    Args:
        network: gives varsigma and tau.
        battery_j: (R, N) charge at the start of the slot.
        local_cpu_hz: (R, N) asked for.
        power_w: (R, N) asked for.

    Returns:
        (R, N) CPU speeds and (R, N) powers; together they use no more than the battery holds.
    """
    joules_per_hz3 = network.varsigma * network.slot_s
    local_cpu_hz = np.minimum(local_cpu_hz, cbrt_each(battery_j / joules_per_hz3))
    cubed = local_cpu_hz * local_cpu_hz * local_cpu_hz
    left_j = remainder(battery_j, joules_per_hz3 * cubed)
    return local_cpu_hz, np.minimum(power_w, left_j / network.slot_s)
