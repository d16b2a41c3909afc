"""The account of a slot: emission, P2's value, the queues and totals that the next slot begins with."""

from ..core.arrays import FloatArray, IntArray, read_only
from ..core.compiled import compiled_in_place
from ..models.carbon import JOULES_PER_KWH
from .decision import Decision
from .observation import Observation
from .problem import DriftPlusPenalty, objective
from .queues import after_service
from .slot_columns import (
    AGE,
    ALL_DEPARTED,
    ALL_J,
    ARRIVED,
    BANDWIDTH,
    CARBON,
    DEPARTED,
    EDGE_CPU,
    EMISSION,
    ENERGY_PER_BIT,
    INFLOW,
    NEXT_QUEUE,
    OBJECTIVE,
    PERTURBATION,
    QUEUE,
    SCALED,
    STATION,
    STATION_QUEUE,
    STATION_SERVED,
    TOTAL_J,
    X,
    Y,
)
from .state import StreamState


def account(
    problem: DriftPlusPenalty,
    state: StreamState,
    observation: Observation,
    decision: Decision,
    scaled: IntArray,
    station: IntArray,
    carbon_g_per_j: FloatArray,
    columns: FloatArray,
    station_columns: FloatArray,
    network_columns: FloatArray,
) -> None:
    """Fill what is left of a slot's columns, see `slot_columns`, after its service and its arrivals.

    Args:
        problem: P2, A(20).
        state: at the slot's beginning.
        observation: what was decided upon.
        decision: as the network carried it out.
        scaled: (R,) how many entries were scaled down.
        station: (R, N) of each device during the slot.
        carbon_g_per_j: (R, B) the slot's mean intensity, C_IE of C(9).
        columns: devices', (DEVICE_ROWS, R, N).
        station_columns: (STATION_ROWS, R, B).
        network_columns: (NETWORK_ROWS, R).
    """
    # Compiled for one kind of each column, whether or not somebody has looked at it.
    _account(
        problem.V,
        read_only(state.queue_bits),
        read_only(state.station_queue_bits),
        read_only(state.total_energy_j),
        read_only(state.total_departed_bits),
        read_only(state.position_m.view()),
        observation.age_s,
        observation.perturbation_bits,
        observation.energy_per_bit_j,
        decision.bandwidth_hz,
        decision.edge_cpu_hz,
        decision.served_bits,
        scaled,
        station,
        carbon_g_per_j,
        columns,
        station_columns,
        network_columns,
    )


@compiled_in_place
def _account(
    V: float,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    total_energy_j: FloatArray,
    total_departed_bits: FloatArray,
    position_m: FloatArray,
    age_s: FloatArray,
    perturbation_bits: FloatArray,
    energy_per_bit_j: FloatArray,
    bandwidth_hz: FloatArray,
    edge_cpu_hz: FloatArray,
    served_bits: FloatArray,
    scaled: IntArray,
    station: IntArray,
    carbon_g_per_j: FloatArray,
    columns: FloatArray,
    station_columns: FloatArray,
    network_columns: FloatArray,
) -> None:
    replications, devices = station.shape
    for r in range(replications):
        for i in range(devices):
            energy = columns[TOTAL_J, r, i]
            departed = columns[DEPARTED, r, i]
            columns[QUEUE, r, i] = queue_bits[r, i]
            columns[STATION, r, i] = station[r, i]
            columns[BANDWIDTH, r, i] = bandwidth_hz[r, i]
            columns[EDGE_CPU, r, i] = edge_cpu_hz[r, i]
            columns[EMISSION, r, i] = energy * (carbon_g_per_j[r, station[r, i]] * 1e3)
            columns[AGE, r, i] = age_s[r, i]
            columns[X, r, i] = position_m[r, i, 0]
            columns[Y, r, i] = position_m[r, i, 1]
            columns[PERTURBATION, r, i] = perturbation_bits[r, i]
            columns[NEXT_QUEUE, r, i] = after_service(
                queue_bits[r, i], departed, columns[ARRIVED, r, i]
            )
            columns[ALL_J, r, i] = total_energy_j[r, i] + energy
            columns[ALL_DEPARTED, r, i] = total_departed_bits[r, i] + departed
        for b in range(station_queue_bits.shape[1]):
            station_columns[STATION_QUEUE, r, b] = station_queue_bits[r, b]
            station_columns[STATION_SERVED, r, b] = served_bits[r, b]
            station_columns[CARBON, r, b] = carbon_g_per_j[r, b] * JOULES_PER_KWH
        network_columns[ENERGY_PER_BIT, r] = energy_per_bit_j[r]
        network_columns[SCALED, r] = scaled[r]
        network_columns[OBJECTIVE, r] = objective(
            V,
            columns[TOTAL_J, r],
            columns[DEPARTED, r],
            station_columns[INFLOW, r],
            served_bits[r],
            queue_bits[r],
            station_queue_bits[r],
            perturbation_bits[r],
            energy_per_bit_j[r],
            columns[ARRIVED, r],
        )
