"""Where the columns of a slot lie: side by side, so that a process fills its rows of one block.

Behind what is for the simulation alone come, in one piece each, the trace variables.
"""

import numpy as np

from ..core.columns import Layout

# Device columns, (DEVICE_ROWS, R, N). First those of a service, `outcome.py`:
(
    SENDABLE,  # tau R, bit, or as much of it as the time that the station is up gives
    DEPARTED,  # Psi_i = D^l + D^e
    RADIO_J,  # first term of A(11)
    TOTAL_J,  # E_tol of A(12), by device
    POWER,
    RATE,
    LOCAL_CPU,
    LOCAL,
    OFFLOADED,
    LOCAL_J,
    OFFLOAD_J,
    # then those of an account, `account.py`:
    ARRIVED,
    DROPPED,
    QUEUE,
    STATION,
    BANDWIDTH,
    EDGE_CPU,
    EMISSION,
    AGE,
    X,
    Y,
    PERTURBATION,
    # and what the next slot begins with:
    NEXT_QUEUE,
    ALL_J,
    ALL_DEPARTED,
    DEVICE_ROWS,
) = range(26)
SERVICE_ROWS = OFFLOAD_J + 1

# Station columns, (STATION_ROWS, R, B):
(
    INFLOW,
    NEXT_STATION_QUEUE,
    STATION_QUEUE,
    STATION_SERVED,
    CARBON,
    UP,
    AVAILABILITY,
    LOST,
    STATION_ROWS,
) = range(9)

# Columns of the whole network, (NETWORK_ROWS, R):
ENERGY_PER_BIT, SCALED, OBJECTIVE, NETWORK_ROWS = range(4)

_DEVICE_NAMES = {
    POWER: "power_w",
    RATE: "rate_bps",
    LOCAL_CPU: "local_cpu_hz",
    LOCAL: "local_bits",
    OFFLOADED: "offloaded_bits",
    LOCAL_J: "local_energy_j",
    OFFLOAD_J: "offload_energy_j",
    ARRIVED: "arrived_bits",
    DROPPED: "dropped_bits",
    QUEUE: "queue_bits",
    STATION: "serving_station",
    BANDWIDTH: "bandwidth_hz",
    EDGE_CPU: "edge_cpu_hz",
    EMISSION: "emission_mg",
    AGE: "twin_age_s",
    X: "x_m",
    Y: "y_m",
    PERTURBATION: "perturbation_bits",
}
_STATION_NAMES = {
    STATION_QUEUE: "station_queue_bits",
    STATION_SERVED: "station_served_bits",
    CARBON: "carbon_g_per_kwh",
    UP: "station_up",
    AVAILABILITY: "station_availability",
    LOST: "lost_bits",
}
_NETWORK_NAMES = {
    ENERGY_PER_BIT: "energy_per_bit_j",
    SCALED: "scaled",
    OBJECTIVE: "objective",
}
ADMITTED = slice(ARRIVED, DROPPED + 1)
_KINDS = {"serving_station": np.int64, "station_up": np.bool_, "scaled": np.int64}
TRACED_DEVICE = slice(POWER, PERTURBATION + 1)
TRACED_STATION = slice(STATION_QUEUE, CARBON + 1)
TRACED_FAILING_STATION = slice(STATION_QUEUE, LOST + 1)


def _layout(stations: slice) -> Layout:
    of_stations = [_STATION_NAMES[row] for row in range(stations.start, stations.stop)]
    names = list(_DEVICE_NAMES.values()), of_stations, list(_NETWORK_NAMES.values())
    return Layout(*names, kinds=_KINDS)


LAYOUT = _layout(TRACED_STATION)
"""Of the trace variables: devices', stations', the network's."""

LAYOUT_WITH_FAILURES = _layout(TRACED_FAILING_STATION)
"""The same where stations may fail."""
