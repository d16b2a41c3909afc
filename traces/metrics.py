"""The numbers of a summary: what each is called, its unit, and the sums whose ratio it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..simulator.core.arrays import FloatArray


@dataclass(frozen=True)
class Metric:
    """One number, as tables and figures show it.

    Attributes:
        label: what it is called.
        unit: of the numbers shown.
        scale: from SI to that unit.
        meaning: what it is, in a sentence.
        over: the sums in the numerator, as "a + b"; empty for latency quantiles.
        under: the sums in the denominator.
        signed: whether it may be negative.
    """

    label: str
    unit: str
    scale: float
    meaning: str
    over: str = ""
    under: str = ""
    signed: bool = False

    @property
    def within(self) -> tuple[float, float]:
        """Least and greatest value that it can have, SI."""
        if self.unit == "%":
            return 0.0, 1.0
        return (-math.inf if self.signed else 0.0), math.inf

    @property
    def formula(self) -> str:
        """The sums of trace variables whose ratio it is; none of latency quantiles."""
        over, under = (f"({one})" if " + " in one else one for one in (self.over, self.under))
        return f"{over} / {under}" if over else ""

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


_ENERGY = "local_energy_j + offload_energy_j"
_DEPARTED = "local_bits + offloaded_bits"
_RUNS = "replications"
_STATION_J = "station_energy_j"
_ALL_J = f"device_energy_j + {_STATION_J}"

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Of the latencies of tasks, by name."""

METRICS = {
    "worst_emission_mg": Metric(
        "worst-case emission",
        "mg",
        1.0,
        "largest emission of any device in a slot, C(10a), mean over the slots; also of slots that are "
        "not feasible",
        "worst_emission_mg",
        "slots",
    ),
    "lower_bound_mg": Metric(
        "lower bound of it",
        "mg",
        1.0,
        "what no decision that keeps the limits of the network that the twin shows can go below, mean over the slots; of policies that prove it",
        "lower_bound_mg",
        "slots",
    ),
    "feasible_share": Metric(
        "slots feasible",
        "%",
        100.0,
        "share of the slots in which all limits of C(10) hold, (10b) to (10f), as the network really is; "
        "look at it before any other row",
        "feasible",
        "slots",
    ),
    "energy_per_task_j": Metric(
        "energy per task",
        "J",
        1.0,
        "energy of the device, C(7), and of the server for it, C(8), for each task",
        "energy_j + server_energy_j",
        "device_slots",
    ),
    "offloaded_task_share": Metric(
        "tasks offloaded",
        "%",
        100.0,
        "share of the tasks that are sent to the server, alpha_m",
        "offload",
        "there",
    ),
    "energy_per_bit_j": Metric(
        "energy per bit",
        "nJ/bit",
        1e9,
        "energy of all devices' CPUs, A(9), radios and edge CPUs, A(11), for each bit that left a "
        "device's queue: eta_EE of A(13)",
        _ENERGY,
        _DEPARTED,
    ),
    "power_w": Metric(
        "energy per second",
        "W",
        1.0,
        "the same energy in a second of simulated time, of the whole network",
        _ENERGY,
        "seconds",
    ),
    "emission_mg": Metric(
        "emission",
        "mg",
        1.0,
        "CO2 of the whole network over all slots counted, by the carbon intensity of each station",
        "emission_mg",
        _RUNS,
    ),
    "signal_emission_mg": Metric(
        "emission by the signal",
        "mg",
        1.0,
        "CO2 of the whole network by the intensity that was decided by, `carbon.signal`",
        "signal_emission_mg",
        _RUNS,
    ),
    "emission_mg_per_bit": Metric(
        "emission per Mbit",
        "mg/Mbit",
        1e6,
        "CO2 of the whole network for each Mbit that left a device's queue",
        "emission_mg",
        _DEPARTED,
    ),
    "network_power_w": Metric(
        "power of the network",
        "W",
        1.0,
        "what devices and stations draw, idle stations included, in the mean",
        _ALL_J,
        "seconds",
    ),
    "network_emission_mg": Metric(
        "emission of the network",
        "mg",
        1.0,
        "CO2 of all that devices and stations draw, idle stations included, over all slots counted; of "
        "stations what is from the grid",
        "network_emission_mg",
        _RUNS,
    ),
    "stations_awake": Metric(
        "stations awake",
        "%",
        100.0,
        "share of the stations that do not sleep, mean over the slots",
        "station_awake",
        "slots",
    ),
    "solar_power_w": Metric(
        "panels' power",
        "W",
        1.0,
        "what the panels of all stations give, in the mean",
        "station_solar_j",
        "seconds",
    ),
    "curtailed_share": Metric(
        "of it nobody took",
        "%",
        100.0,
        "share of what panels gave that neither station nor battery took",
        "station_curtailed_j",
        "station_solar_j",
    ),
    "grid_share": Metric(
        "stations' energy from the grid",
        "%",
        100.0,
        "share of what stations drew that is neither from their panels nor from their batteries",
        "station_grid_j",
        _STATION_J,
    ),
    "sci_mg": Metric(
        "SCI",
        "mg/R",
        1.0,
        "software carbon intensity (E I + M) per R of ISO/IEC 21031:2024, R a completed task or a Mbit of "
        "them (`sci.per`)",
        "sci_operational_mg + sci_embodied_mg",
        "functional_units",
    ),
    "sci_energy_j": Metric(
        "SCI: E per R",
        "J/R",
        1.0,
        "energy of devices and stations for each functional unit",
        "sci_energy_j",
        "functional_units",
    ),
    "sci_intensity_mg_per_j": Metric(
        "SCI: I",
        "g/kWh",
        3600.0,
        "carbon intensity of that energy: E I over E",
        "sci_operational_mg",
        "sci_energy_j",
    ),
    "sci_embodied_mg": Metric(
        "SCI: M per R",
        "mg/R",
        1.0,
        "embodied emission TE TS RS of the hardware for each functional unit, TS the time counted over its "
        "lifespan (`sci.device`, `sci.mbs`, `sci.sbs`)",
        "sci_embodied_mg",
        "functional_units",
    ),
    "functional_units": Metric(
        "SCI: R",
        "",
        1.0,
        "functional units over all slots counted: completed tasks, or Mbit of them",
        "functional_units",
        _RUNS,
    ),
    # Of those that are there: in the mean over slots, each slot counts as often as it has of them.
    "queue_bits": Metric(
        "queue of a device",
        "Mbit",
        1e-6,
        "bits that wait at a device, Q_i, mean over slots and over the devices that are there",
        "present_queue_bits",
        "device_slots",
    ),
    "station_queue_bits": Metric(
        "queue of a station",
        "Mbit",
        1e-6,
        "bits that wait at a station's server, Q_j, mean over slots and stations",
        "station_queue_bits",
        "station_slots",
    ),
    "offloaded_share": Metric(
        "bits offloaded",
        "%",
        100.0,
        "share of the bits that left a device's queue by radio; the device executed the others",
        "offloaded_bits",
        _DEPARTED,
    ),
    "dropped_share": Metric(
        "bits dropped",
        "%",
        100.0,
        "share of the bits that a full buffer refused (`tasks.buffer`)",
        "dropped_bits",
        "arrived_bits + dropped_bits",
    ),
    "completed_tasks": Metric(
        "tasks completed",
        "",
        1.0,
        "tasks whose last bit was executed, in time or late, over all slots counted",
        "completed",
        _RUNS,
    ),
    "late_share": Metric(
        "completed tasks late",
        "%",
        100.0,
        "share of the completed tasks that took longer than their deadline (`tasks.deadline`)",
        "late",
        "completed",
    ),
    "late_debt_bits": Metric(
        "debts of late bits",
        "Mbit",
        1e-6,
        "virtual queues of the shares of `tasks.classes` that may be late, whole network, mean over the slots",
        "late_debt_bits",
        "slots",
    ),
    "budget_debt_mg": Metric(
        "debt of the carbon budget",
        "mg",
        1.0,
        "virtual queue of `carbon.budget`, mean over the slots",
        "budget_debt_mg",
        "slots",
    ),
    "lost_share": Metric(
        "tasks lost",
        "%",
        100.0,
        "share of the tasks that were lost with a station that failed or a device that left",
        "lost",
        "completed + lost",
    ),
    "latency_s": Metric(
        "latency, mean",
        "s",
        1.0,
        "time from a task's arrival to the execution of its last bit, mean over the completed tasks",
        "latency_sum_s",
        "completed",
    ),
    **{
        f"latency_{name}_s": Metric(
            f"latency, {name}",
            "s",
            1.0,
            f"latency that {share:.0%} of the completed tasks do not exceed",
        )
        for name, share in QUANTILES.items()
    },
    "objective": Metric(
        "objective per slot",
        "bit²",
        1.0,
        "drift-plus-penalty P2, A(20), that the policy's decision has, mean over the slots; comparable "
        "only between runs of one V",
        "objective",
        "slots",
        signed=True,
    ),
    "present_share": Metric(
        "devices present",
        "%",
        100.0,
        "share of the devices that are in the network, mean over the slots",
        "present",
        "slots",
    ),
    "twin_age_s": Metric(
        "age of the twins",
        "s",
        1.0,
        "how old what the policy sees of a device is, mean over slots and devices that are there",
        "twin_age_s",
        "there",
    ),
    "scaled": Metric(
        "decision entries scaled down",
        "",
        1.0,
        "numbers in the policy's decisions that exceeded a capacity and were cut to it, over all slots "
        "counted",
        "scaled",
        _RUNS,
    ),
    "failed_solves": Metric(
        "programs not solved",
        "",
        1.0,
        "optimisation programs that a policy's solver did not solve, over all slots counted",
        "failed_solves",
        _RUNS,
    ),
}
"""By key, in the order of a table, of both problems: a trace has those whose variables it has. Totals
(emission, tasks, entries, programs) are per replication, over the slots counted."""

BATCH_METRICS = METRICS | {
    "emission_mg_per_s": Metric(
        "emission",
        "mg/s",
        1.0,
        "CO2 of the whole network in a second of simulated time",
        "emission_mg",
        "seconds",
    ),
    "stations_at_work": Metric(
        "stations at work",
        "%",
        100.0,
        "share of the time in which a station works, mean over the stations",
        "stations_at_work",
        "slots",
    ),
}
"""Of each batch of slots."""

SUMS = {
    "slots": "slots counted",
    "seconds": "slots counted times length of a slot",
    "replications": "replications",
    "there": "share of the devices that are there, summed over the slots; 1 a slot where all are",
    "device_slots": "devices that are there, summed over the slots",
    "station_slots": "stations times slots",
    "present_queue_bits": "queues of the devices that are there",
    "completed": "tasks completed, in time or late",
    "late": "tasks completed after their deadline",
    "lost": "tasks lost",
    "latency_sum_s": "latencies of the completed tasks",
    "stations_at_work": "share of the stations that work",
}
"""The sums in formulas that are no variable of a trace's slots, in words."""


def fractions(
    sums: Mapping[str, FloatArray], metrics: Mapping[str, Metric]
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Numerator and denominator of each metric whose sums there are.

    Args:
        sums: by name, (…) over slots and network, SI.
        metrics: by key.

    Returns:
        By key, two of the same shape.
    """

    def total(names: str) -> FloatArray:
        return reduce(np.add, (sums[name] for name in names.split(" + ")))

    return {
        key: (total(metric.over), total(metric.under))
        for key, metric in metrics.items()
        if all(name in sums for name in f"{metric.over} + {metric.under}".split(" + "))
    }


def metric_values(
    sums: Mapping[str, FloatArray], metrics: Mapping[str, Metric]
) -> dict[str, FloatArray]:
    """Each metric whose sums there are.

    Args:
        sums: by name, (…) over slots and network, SI.
        metrics: by key.

    Returns:
        By key, of the same shape, SI; NaN where there is nothing to divide by.
    """
    return {
        key: np.divide(over, under, out=np.full(np.shape(under), np.nan), where=under > 0.0)
        for key, (over, under) in fractions(sums, metrics).items()
    }
