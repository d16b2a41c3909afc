"""The vocabulary of a trace: every variable's dimensions, type, unit and meaning, in one table."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["summary", "slots", "full"]

Total = Literal["sum", "level", "mean"]
"""How /summary condenses a variable over a batch of slots. "sum": over devices (or stations) and
slots. "level": sum over devices, mean over slots. "mean": over devices and slots."""

NETWORK = ("replication", "slot")
DEVICE = ("replication", "slot", "device")
STATION = ("replication", "slot", "station")
LINK = ("replication", "slot", "device", "station")
FORECAST = ("replication", "slot", "station", "lead")


@dataclass(frozen=True)
class Variable:
    """One variable of a trace.

    Attributes:
        dims: names of its dimensions.
        units: as UDUNITS has them; "1" for a number, "" for text.
        long_name: what it is.
        dtype: as stored; "text" for UTF-8.
        total: how it enters /summary; None if it does not.
        full: written at level "full" only.
    """

    dims: tuple[str, ...]
    units: str
    long_name: str
    dtype: str = "f8"
    total: Total | None = None
    full: bool = False


def _summed(dims: tuple[str, ...], units: str, long_name: str, dtype: str = "f8") -> Variable:
    return Variable(dims, units, long_name, dtype, total="sum")


SLOT_VARIABLES = {
    "queue_bits": Variable(DEVICE, "bit", "device queue Q_i at the slot's start", total="level"),
    "station_queue_bits": Variable(
        STATION, "bit", "station queue Q_j at the slot's start", total="level"
    ),
    "arrived_bits": _summed(DEVICE, "bit", "bits that joined the device's queue"),
    "dropped_bits": _summed(DEVICE, "bit", "bits refused by the device's full buffer"),
    "local_bits": _summed(DEVICE, "bit", "bits executed by the device, A(8)"),
    "offloaded_bits": _summed(DEVICE, "bit", "bits sent to the station, A(10)"),
    "station_served_bits": _summed(STATION, "bit", "bits executed by the station"),
    "station_up": Variable(
        STATION,
        "1",
        "1 if the station works as the slot begins, 0 if it has failed",
        "i1",
        total="mean",
    ),
    "station_availability": Variable(
        STATION, "1", "share of the slot in which the station works", total="mean"
    ),
    "lost_bits": _summed(STATION, "bit", "bits lost with the station since the last slot began"),
    "present": Variable(
        DEVICE, "1", "1 if the device is in the network, 0 if it is absent", "i1", total="mean"
    ),
    "left_bits": _summed(DEVICE, "bit", "bits lost as the device left, when the slot began"),
    "handed_over_bits": _summed(
        DEVICE, "bit", "bits handed over to the station as the device left, when the slot began"
    ),
    "serving_station": Variable(DEVICE, "1", "index of the device's station", "i4"),
    "rate_bps": Variable(DEVICE, "bit/s", "rate to the station, A(3), A(4)"),
    "bandwidth_hz": Variable(DEVICE, "Hz", "bandwidth given to the device"),
    "power_w": Variable(DEVICE, "W", "transmission power"),
    "local_cpu_hz": Variable(DEVICE, "Hz", "CPU speed of the device, as it really runs"),
    "edge_cpu_hz": Variable(DEVICE, "Hz", "CPU share at the station, as it really runs"),
    "local_energy_j": _summed(DEVICE, "J", "energy of local execution, A(9)"),
    "offload_energy_j": _summed(DEVICE, "J", "energy of offloading, A(11)"),
    "emission_mg": _summed(DEVICE, "mg", "CO2 emitted for the device's tasks"),
    "twin_age_s": Variable(
        DEVICE, "s", "age of the device's twin; 0 of one that is absent", total="mean"
    ),
    "device_carbon_g_per_kwh": Variable(
        DEVICE, "g/kWh", "carbon intensity of the device's electricity, mean over the slot"
    ),
    "signal_g_per_kwh": Variable(
        STATION,
        "g/kWh",
        "carbon intensity at the station by which it is decided, mean over the slot",
    ),
    "device_signal_g_per_kwh": Variable(
        DEVICE, "g/kWh", "carbon intensity of the device by which it is decided, mean over the slot"
    ),
    "forecast_g_per_kwh": Variable(
        STATION, "g/kWh", "carbon intensity at the station by the forecast's step that holds now"
    ),
    "forecast_age_s": Variable(NETWORK, "s", "time since the forecast was issued"),
    "forecast_horizon_g_per_kwh": Variable(
        FORECAST,
        "g/kWh",
        "carbon intensity at the station by the forecast, from its issue",
        full=True,
    ),
    "signal_emission_mg": _summed(
        DEVICE, "mg", "CO2 emitted for the device's tasks, by the intensity that is decided by"
    ),
    "pressing_bits": Variable(
        DEVICE,
        "bit",
        "bits that are late, or in time only if they leave in this slot",
        total="level",
    ),
    "late_debt_bits": Variable(
        DEVICE, "bit", "virtual queues of the shares that may be late, all classes", total="level"
    ),
    "budget_debt_mg": Variable(
        NETWORK, "mg", "virtual queue of the carbon budget at the slot's start", total="level"
    ),
    "emission_per_bit_mg": Variable(
        NETWORK, "mg/bit", "running ratio of emission to bits that the decision used"
    ),
    "device_energy_j": _summed(DEVICE, "J", "drawn by the device itself: its CPU and its radio"),
    "device_emission_mg": _summed(DEVICE, "mg", "CO2 of what the device itself drew"),
    "station_energy_j": _summed(STATION, "J", "drawn by the station: radio, server, waking up"),
    "station_radio_j": _summed(STATION, "J", "drawn by the station's radio, idle or not"),
    "station_server_j": _summed(STATION, "J", "drawn by the station's server, idle or not"),
    "station_wake_j": _summed(STATION, "J", "drawn by the station for waking up"),
    "station_grid_j": _summed(STATION, "J", "drawn by the station from the grid"),
    "station_emission_mg": _summed(STATION, "mg", "CO2 of what the station drew from the grid"),
    "network_emission_mg": _summed(NETWORK, "mg", "CO2 of what all devices and stations drew"),
    "station_awake": Variable(
        STATION, "1", "1 if the station is awake, 0 if it sleeps", "i1", total="mean"
    ),
    "station_open": Variable(
        STATION, "1", "1 if devices may choose the station", "i1", total="mean"
    ),
    "station_solar_j": _summed(STATION, "J", "given by the station's panels"),
    "station_curtailed_j": _summed(STATION, "J", "of that, what nobody took"),
    "station_battery_j": Variable(
        STATION, "J", "charge of the station's battery at the slot's start", total="level"
    ),
    "station_loss_j": _summed(STATION, "J", "lost in charging the station's battery"),
    "sci_energy_j": _summed(NETWORK, "J", "E of the software carbon intensity"),
    "sci_operational_mg": _summed(NETWORK, "mg", "E I: each energy times its carbon intensity"),
    "sci_embodied_mg": _summed(
        NETWORK, "mg", "M: embodied emission by share of time and resources"
    ),
    "functional_units": _summed(NETWORK, "1", "R: completed tasks, or Mbit of them"),
    "battery_j": Variable(DEVICE, "J", "battery charge at the slot's start"),
    "power_max_w": Variable(
        DEVICE, "W", "largest transmission power, as the battery has it, A(14b)"
    ),
    "x_m": Variable(DEVICE, "m", "position of the device, first axis"),
    "y_m": Variable(DEVICE, "m", "position of the device, second axis"),
    "perturbation_bits": Variable(DEVICE, "bit", "perturbation beta_i of the queue, A(19)"),
    "objective": Variable(NETWORK, "bit2", "drift-plus-penalty P2, A(20)", total="level"),
    "energy_per_bit_j": Variable(NETWORK, "J/bit", "running ratio eta_EE that the decision used"),
    "scaled": _summed(NETWORK, "1", "entries of the decision scaled down to a capacity", "i8"),
    "carbon_g_per_kwh": Variable(
        STATION, "g/kWh", "carbon intensity at the station, mean over the slot"
    ),
    "task_bits": _summed(DEVICE, "bit", "size S_m of the slot's task"),
    "task_cycles": _summed(DEVICE, "1", "CPU cycles C_m of the slot's task"),
    "deadline_s": Variable(DEVICE, "s", "deadline D_m of the slot's task"),
    "offload": Variable(DEVICE, "1", "1 if the task is offloaded, alpha_m", "i1", total="mean"),
    "delay_s": Variable(DEVICE, "s", "delay D_m of the task, C(6)", total="mean"),
    "energy_j": _summed(DEVICE, "J", "energy of the device, C(7)"),
    "server_energy_j": _summed(DEVICE, "J", "energy of the server for the device, C(8)"),
    "worst_emission_mg": Variable(
        NETWORK, "mg", "largest emission of any device, C(10a)", total="level"
    ),
    "feasible": Variable(NETWORK, "1", "1 if (10b) to (10f) hold", "i1", total="level"),
    "violation": Variable(
        NETWORK, "1", "by how much, relative, some limit is exceeded", total="level"
    ),
    "local_deviation_hz": Variable(DEVICE, "Hz", "fhat of the device's CPU, C(4)"),
    "edge_deviation_hz": Variable(DEVICE, "Hz", "fhat of the server, C(5)"),
    "lower_bound_mg": Variable(NETWORK, "mg", "what no decision can go below", total="level"),
    "optimality_gap": Variable(
        NETWORK, "1", "of the decision over the lower bound, relative; NaN without certificate"
    ),
    "iterations": Variable(NETWORK, "1", "iterations of the policy's method", total="level"),
    "failed_solves": _summed(NETWORK, "1", "programs that a solver did not solve", "i8"),
    "channel_gain": Variable(LINK, "1", "power gain, path loss included", full=True),
    "interference_gain": Variable(
        ("replication", "slot", "device", "interferer"),
        "1",
        "|h_m^H h_n|^2 / ||h_m||^2 of device and interferer, C(2)",
        full=True,
    ),
}
"""/slots: the columns that a simulation may hand over for each slot."""

TABLES = {
    "slots": NETWORK,
    "devices": DEVICE,
    "stations": STATION,
    "links": LINK,
    "interference": ("replication", "slot", "device", "interferer"),
    "forecasts": FORECAST,
    "tasks": ("task",),
}
"""The variables of /slots and /tasks by their dimensions: a table for each set of them."""

_STATION = ("station",)

SLOT_COORDINATES = {
    "seed": Variable(("replication",), "1", "seed of the replication", "i8"),
    "station_name": Variable(_STATION, "", "name of the station", "text"),
    "station_x_m": Variable(_STATION, "m", "position of the station, first axis"),
    "station_y_m": Variable(_STATION, "m", "position of the station, second axis"),
    "station_coverage_m": Variable(_STATION, "m", "radius of the cell; inf if unbounded"),
}
"""Labels of /slots beside its dimensions' own."""

_DEVICE, _BACKHAUL = ("device",), ("link",)

NETWORK_VARIABLES = {
    "station_bandwidth_hz": Variable(_STATION, "Hz", "bandwidth of the station, A(14a)"),
    "station_cpu_hz": Variable(_STATION, "Hz", "CPU speed of the station's server, A(14d)"),
    "device_cpu_hz": Variable(_DEVICE, "Hz", "fastest CPU speed of the device, A(14c)"),
    "device_power_max_w": Variable(_DEVICE, "W", "largest transmission power, without battery"),
    "link_source": Variable(_BACKHAUL, "1", "index of the station at which the link begins", "i4"),
    "link_target": Variable(_BACKHAUL, "1", "index of the station at which the link ends", "i4"),
    "link_latency_s": Variable(_BACKHAUL, "s", "latency of the backhaul link"),
    "link_capacity_bps": Variable(_BACKHAUL, "bit/s", "capacity of the link; inf if unlimited"),
}
"""/network: what stations, devices and backhaul links are, which does not change."""

DECISION_S = Variable(("slot",), "s", "wall-clock time of the slot's decision")
"""The one variable of /timing."""

_TASK = ("task",)

TASK_VARIABLES = {
    "replication": Variable(_TASK, "1", "replication", "i4"),
    "device": Variable(_TASK, "1", "device that the task arrived at", "i4"),
    "station": Variable(
        _TASK, "1", "station that executed a part; -1 if wholly local, or lost by its device", "i4"
    ),
    "arrival_s": Variable(_TASK, "s", "arrival, from the start of the run"),
    "completion_s": Variable(_TASK, "s", "execution of the last bit; NaN if never"),
    "bits": Variable(_TASK, "bit", "size"),
    "cycles": Variable(_TASK, "1", "CPU cycles that it takes"),
    "deadline_s": Variable(_TASK, "s", "time by which it has to be complete; inf if none"),
    "outcome": Variable(_TASK, "1", "how it ended", "u1"),
}
"""/tasks: one row per task that ended."""

_BATCH = ("replication", "batch")

SUMMARY_VARIABLES = {
    "slots": Variable(("batch",), "1", "slots in the batch", "i8"),
    "initial_queue_bits": Variable(_BATCH, "bit", "all device queues as the batch begins"),
    "initial_station_queue_bits": Variable(_BATCH, "bit", "all station queues as the batch begins"),
    "present_queue_bits": Variable(
        _BATCH, "bit", "queues of the devices that are there: network total, mean over the batch"
    ),
    "tasks": Variable((*_BATCH, "outcome"), "1", "tasks that ended in the batch", "i8"),
    "latency_sum_s": Variable(_BATCH, "s", "sum of the latencies of completed tasks"),
    "latency_min_s": Variable(_BATCH, "s", "least latency of a completed task; inf if none"),
    "latency_max_s": Variable(_BATCH, "s", "greatest latency of a completed task; -inf if none"),
    "latency_tasks": Variable(
        ("replication", "part", "latency_bin"), "1", "completed tasks by latency", "i8"
    ),
    "latency_bin_min_s": Variable(
        ("replication", "latency_bin"), "s", "least latency in the bin; 0 if none"
    ),
    "latency_bin_max_s": Variable(
        ("replication", "latency_bin"), "s", "greatest latency in the bin; 0 if none"
    ),
    "latency_low_s": Variable(("latency_bin",), "s", "lower edge of the latency bin, inclusive"),
    "latency_high_s": Variable(("latency_bin",), "s", "upper edge of the latency bin, exclusive"),
} | {
    name: Variable(
        _BATCH,
        variable.units,
        f"{variable.long_name}: "
        + {
            "sum": "network total of the batch",
            "level": "network total, mean over the batch",
            "mean": "mean over the batch and the network",
        }[variable.total],
    )
    for name, variable in SLOT_VARIABLES.items()
    if variable.total is not None
}
"""/summary: network totals by batch of slots, and the latency histogram by part of the run."""


def total_of(name: str) -> Total | None:
    """How a column, or a part of one, enters /summary."""
    return "level" if name == "present_queue_bits" else SLOT_VARIABLES[name].total


def columns_of(name: str) -> tuple[str, ...]:
    """Of which columns of /slots a variable of /summary is; none: it is of the tasks."""
    if name == "present_queue_bits":
        return "queue_bits", "present"
    column = name.removeprefix("initial_")
    return (column,) if column in SLOT_VARIABLES else ()


def current_name(group: str, name: str, dims: int) -> str:
    """What a variable is called now, which earlier versions gave the name of a dimension."""
    return "serving_station" if (group, name, dims) == ("slots", "station", 3) else name


def stored_name(name: str) -> str:
    """What earlier versions called it in /slots."""
    return "station" if name == "serving_station" else name
