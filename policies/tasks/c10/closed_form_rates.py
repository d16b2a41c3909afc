"""The best processing rates of C(10) for given offloading and powers: the slowest in time.

Energy grows with the square of a rate, C(7) and C(8), and nothing in C(10) rewards being early. So
the best rate is the one that meets the deadline exactly, whatever the rest of the decision is.
"""

import numpy as np

from ....simulator.core.arrays import FloatArray
from ....simulator.core.elementary import cbrt_each
from ....simulator.tasks.network import TaskNetwork, Tasks


def slowest_local_hz(network: TaskNetwork, tasks: Tasks) -> FloatArray:
    """The least f_m that executes a task in time, from C(4) and (10b).

    Args:
        network: gives the CPUs' least speeds.
        tasks: (…, N) columns.

    Returns:
        (…, N) Hz: C_m / D_max, but not below the CPU's least speed; above its greatest where the
        device cannot execute the task in time.
    """
    return np.maximum(tasks.cycles / tasks.deadline_s, network.device_cpu_min_hz)


def slowest_edge_hz(tasks: Tasks, transmission_s: FloatArray) -> FloatArray:
    """The least f_m^0 that executes an offloaded task in time, from C(3), C(5) and (10b).

    Args:
        tasks: (…, N) columns.
        transmission_s: (…, N) D_m^tx, C(3).

    Returns:
        (…, N) Hz: C_m / (D_max - D_m^tx); infinite where sending alone takes too long.
    """
    left_s = tasks.deadline_s - transmission_s
    in_time = left_s > 0.0
    return np.where(in_time, tasks.cycles / np.where(in_time, left_s, 1.0), np.inf)


def feasible_common_hz(network: TaskNetwork, tasks: Tasks) -> FloatArray:
    """One local rate for all devices that serves as many tasks as any rate can.

    At (E_max / (theta_m D_max))^(1/3) a device executes every task, in time, (10b), and within its
    energy, (10c), that it can execute at any rate: with fewer cycles both hold, with more the two
    exclude each other.

    Args:
        network: gives E_max and theta_m, and the range of the CPUs.
        tasks: (…, N) columns.

    Returns:
        (…, N) Hz: the least of these rates over the devices, within the range of each CPU.
    """
    rate_hz = cbrt_each(network.energy_max_j / (network.theta_device * tasks.deadline_s))
    common_hz = rate_hz.min(axis=-1, keepdims=True)
    cut_hz: FloatArray = np.clip(common_hz, network.device_cpu_min_hz, network.device_cpu_max_hz)
    return cut_hz
