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
        over: the sums in the numerator, as "a + b"; empty for latency quantiles.
        under: the sums in the denominator.
        signed: whether it may be negative.
    """

    label: str
    unit: str
    scale: float
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
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


_ENERGY = "local_energy_j + offload_energy_j"
_DEPARTED = "local_bits + offloaded_bits"
_RUNS = "replications"

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Of the latencies of tasks, by name."""

METRICS = {
    "worst_emission_mg": Metric("worst-case emission", "mg", 1.0, "worst_emission_mg", "slots"),
    "lower_bound_mg": Metric("lower bound of it", "mg", 1.0, "lower_bound_mg", "slots"),
    "feasible_share": Metric("slots feasible", "%", 100.0, "feasible", "slots"),
    "energy_per_task_j": Metric(
        "energy per task", "J", 1.0, "energy_j + server_energy_j", "device_slots"
    ),
    "offloaded_task_share": Metric("tasks offloaded", "%", 100.0, "offload", "there"),
    "energy_per_bit_j": Metric("energy per bit", "nJ/bit", 1e9, _ENERGY, _DEPARTED),
    "power_w": Metric("energy per second", "W", 1.0, _ENERGY, "seconds"),
    "emission_mg": Metric("emission", "mg", 1.0, "emission_mg", _RUNS),
    "signal_emission_mg": Metric("emission by the signal", "mg", 1.0, "signal_emission_mg", _RUNS),
    "emission_mg_per_bit": Metric("emission per Mbit", "mg/Mbit", 1e6, "emission_mg", _DEPARTED),
    # Of those that are there: in the mean over slots, each slot counts as often as it has of them.
    "queue_bits": Metric("queue of a device", "Mbit", 1e-6, "present_queue_bits", "device_slots"),
    "station_queue_bits": Metric(
        "queue of a station", "Mbit", 1e-6, "station_queue_bits", "station_slots"
    ),
    "offloaded_share": Metric("bits offloaded", "%", 100.0, "offloaded_bits", _DEPARTED),
    "dropped_share": Metric(
        "bits dropped", "%", 100.0, "dropped_bits", "arrived_bits + dropped_bits"
    ),
    "completed_tasks": Metric("tasks completed", "", 1.0, "completed", _RUNS),
    "late_share": Metric("completed tasks late", "%", 100.0, "late", "completed"),
    "late_debt_bits": Metric("debts of late bits", "Mbit", 1e-6, "late_debt_bits", "slots"),
    "budget_debt_mg": Metric("debt of the carbon budget", "mg", 1.0, "budget_debt_mg", "slots"),
    "lost_share": Metric("tasks lost", "%", 100.0, "lost", "completed + lost"),
    "latency_s": Metric("latency, mean", "s", 1.0, "latency_sum_s", "completed"),
    **{f"latency_{name}_s": Metric(f"latency, {name}", "s", 1.0) for name in QUANTILES},
    "objective": Metric("objective per slot", "bit²", 1.0, "objective", "slots", signed=True),
    "present_share": Metric("devices present", "%", 100.0, "present", "slots"),
    "twin_age_s": Metric("age of the twins", "s", 1.0, "twin_age_s", "there"),
    "scaled": Metric("decision entries scaled down", "", 1.0, "scaled", _RUNS),
    "failed_solves": Metric("programs not solved", "", 1.0, "failed_solves", _RUNS),
}
"""By key, in the order of a table, of both problems: a trace has those whose variables it has. Totals
(emission, tasks, entries, programs) are per replication, over the slots counted."""

BATCH_METRICS = METRICS | {
    "emission_mg_per_s": Metric("emission", "mg/s", 1.0, "emission_mg", "seconds"),
    "stations_at_work": Metric("stations at work", "%", 100.0, "stations_at_work", "slots"),
}
"""Of each batch of slots."""


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
