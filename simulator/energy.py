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


def offload_energy_j(
    network: Network,
    offloaded_bits: FloatArray,
    rate_bps: FloatArray,
    power_w: FloatArray,
    edge_cpu_hz: FloatArray,
) -> FloatArray:
    """A(11): p times the time spent sending, plus epsilon times the edge CPU's time.

    A device that has sent all it had switches its transmitter off, so the first term is
    p D^e / R, which is p tau where the radio is busy for the whole slot.

    Args:
        network: gives epsilon and c.
        offloaded_bits: (R, N) D^e.
        rate_bps: (R, N) R, positive wherever bits are offloaded.
        power_w: (R, N) p.
        edge_cpu_hz: (R, N) f_ij^e, positive wherever bits are offloaded.

    Returns:
        (R, N) joules; zero where nothing is sent, whatever CPU share is reserved.
    """
    sending = offloaded_bits > 0.0
    zeros = np.zeros_like(offloaded_bits)
    radio = np.divide(power_w * offloaded_bits, rate_bps, out=zeros, where=sending)
    cycles = offloaded_bits * network.cycles_per_bit
    edge = np.divide(cycles, edge_cpu_hz, out=np.zeros_like(cycles), where=sending)
    return radio + network.epsilon_w * edge
