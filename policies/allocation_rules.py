"""Parts of decisions that several policies share."""

import numpy as np

from ..simulator.core.arrays import FloatArray
from ..simulator.network.cells import Cells
from ..simulator.network.network import Network
from ..simulator.stream.observation import Observation


def equal_shares(capacity: FloatArray, cells: Cells) -> FloatArray:
    """(R, N) each station's capacity (B,), divided equally among those of its devices that are there."""
    return cells.at_station(capacity / np.maximum(cells.members, 1)) * cells.present


def local_cpu_to_empty(network: Network, observation: Observation) -> FloatArray:
    """(R, N) Hz: full speed, or as fast as it takes to empty the queue within the slot."""
    needed = observation.queue_bits * (network.cycles_per_bit / network.slot_s)
    return np.minimum(network.device_cpu_hz, needed)


def station_service(network: Network, observation: Observation) -> FloatArray:
    """(R, B) Psi_j = min(F_j tau / c, Q_j): the optimum of P2 in Psi, at no cost in energy."""
    return np.minimum(network.station_service_bits, observation.station_queue_bits)
