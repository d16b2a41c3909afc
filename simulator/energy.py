"""Energy of a slot, A(9) and A(11), and the carbon that it costs."""

import numpy as np

from .arrays import FloatArray
from .network import Network


def local_energy_j(network: Network, local_cpu_hz: FloatArray) -> FloatArray:
    """A(9): varsigma tau f^3.

    Args:
        network: gives varsigma and tau.
        local_cpu_hz: (R, N) f_i^l, the speed at which the CPU ran throughout the slot.

    Returns:
        (R, N) joules.
    """
    return network.varsigma * network.slot_s * (local_cpu_hz * local_cpu_hz * local_cpu_hz)


def radio_energy_j(
    offloaded_bits: FloatArray, rate_bps: FloatArray, power_w: FloatArray
) -> FloatArray:
    """First term of A(11): p for as long as there is something to send.

    That is p D^e / R, and p tau where the radio is busy for the whole slot.

    Args:
        offloaded_bits: (R, N) D^e.
        rate_bps: (R, N) R, positive wherever bits are offloaded.
        power_w: (R, N) p.

    Returns:
        (R, N) joules.
    """
    time_s = offloaded_bits / np.where(rate_bps > 0.0, rate_bps, 1.0)
    return power_w * time_s


def edge_energy_j(
    network: Network, offloaded_bits: FloatArray, edge_cpu_hz: FloatArray
) -> FloatArray:
    """Second term of A(11): epsilon D^e c / f^e.

    Args:
        network: gives epsilon and c.
        offloaded_bits: (R, N) D^e.
        edge_cpu_hz: (R, N) f_ij^e, positive wherever bits are offloaded.

    Returns:
        (R, N) joules; zero where nothing is sent, whatever CPU share is reserved.
    """
    joule_hz = offloaded_bits * (network.epsilon_w * network.cycles_per_bit)
    return joule_hz / np.where(edge_cpu_hz > 0.0, edge_cpu_hz, 1.0)


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
    local_cpu_hz = np.minimum(
        local_cpu_hz, np.cbrt(battery_j / (network.varsigma * network.slot_s))
    )
    left_j = np.maximum(battery_j - local_energy_j(network, local_cpu_hz), 0.0)
    return local_cpu_hz, np.minimum(power_w, left_j / network.slot_s)
