"""The diagrams of a trace, for any renderer: numbers over time and the distribution of latencies."""

from dataclasses import dataclass

import numpy as np

from ..simulator.core.arrays import FloatArray
from .latencies import Latencies
from .metrics import BATCH_METRICS
from .reader import Trace
from .statistics import batch_values

DRAWN_SHARES = 1001
"""Points of a distribution function."""


@dataclass(frozen=True)
class Line:
    """A number over time.

    Attributes:
        label: empty where a panel has one line only.
        values: (R, K) by replication and batch, in the panel's unit; NaN where there is none.
    """

    label: str
    values: FloatArray


@dataclass(frozen=True)
class Panel:
    """A diagram over time.

    Attributes:
        title: what it shows.
        unit: of its values.
        lines: one or more.
        top: upper end of the axis; None if the values decide.
    """

    title: str
    unit: str
    lines: list[Line]
    top: float | None = None

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}"


@dataclass(frozen=True)
class _Spec:
    title: str
    keys: dict[str, str]
    """Keys of `batch_values`, and their labels."""
    top: float | None = None
    always: bool = False
    """Also where all is zero."""


_STREAM = (
    _Spec("mean queue", {"queue_bits": "device", "station_queue_bits": "station"}, always=True),
    _Spec("energy per bit", {"energy_per_bit_j": ""}, always=True),
    _Spec("bits offloaded", {"offloaded_share": ""}, 100.0, always=True),
)
_TASKS = (
    _Spec(
        "worst-case emission",
        {"worst_emission_mg": "decision", "lower_bound_mg": "lower bound"},
        always=True,
    ),
    _Spec("energy per task", {"energy_per_task_j": ""}, always=True),
    _Spec(
        "share",
        {"offloaded_task_share": "tasks offloaded", "feasible_share": "slots feasible"},
        102.0,
        always=True,
    ),
)
_BOTH = (
    _Spec("emission", {"emission_mg_per_s": ""}, always=True),
    _Spec("latency of tasks, mean", {"latency_s": ""}),
    _Spec(
        "late, lost and dropped",
        {
            "late_share": "completed tasks late",
            "lost_share": "tasks lost",
            "dropped_share": "bits dropped",
        },
    ),
    _Spec("stations at work", {"stations_at_work": ""}, 102.0),
    _Spec("devices present", {"present_share": ""}, 102.0),
    _Spec("age of the twins", {"twin_age_s": ""}),
)


def panels(trace: Trace) -> list[Panel]:
    """The diagrams of a trace; the first four are those of an ordinary picture, in every trace.

    Raises:
        TraceError: if no slot was recorded.
    """
    values = batch_values(trace.totals)
    found = []
    for spec in (*(_STREAM if "queue_bits" in values else _TASKS), *_BOTH):
        known = {key: label for key, label in spec.keys.items() if key in values}
        if not spec.always:
            known = {key: label for key, label in known.items() if np.nan_to_num(values[key]).any()}
        if known:
            metric = BATCH_METRICS[next(iter(known))]
            lines = [Line(label, values[key] * metric.scale) for key, label in known.items()]
            found.append(Panel(spec.title, metric.unit, lines, spec.top))
    return found


def time_unit(duration_s: float) -> tuple[float, str]:
    """The unit that suits a time axis, in seconds, and its name."""
    for seconds, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if duration_s >= 3.0 * seconds:
            return seconds, unit
    return 1.0, "s"


@dataclass(frozen=True)
class LatencyDistribution:
    """The distribution function of the latencies of all completed tasks.

    Attributes:
        latency_s: (n,) ascending.
        below: (n,) share of the tasks that took no longer.
        left_s: where an axis begins: a few tasks that were done at once must not fill a log axis.
        log: whether the axis is better logarithmic.
        latencies: that it is of.
    """

    latency_s: FloatArray
    below: FloatArray
    left_s: float
    log: bool
    latencies: Latencies

    def quantile(self, share: float) -> float:
        """Latency that this share of the tasks does not exceed, seconds."""
        return float(self.latencies.quantiles(np.array([share]))[0])


def latency_distribution(trace: Trace) -> LatencyDistribution | None:
    """Of all replications together; None if no task was completed.

    Raises:
        TraceError: if no slot was recorded.
    """
    latencies = trace.latencies.by_replication(slice(0, len(trace.totals.arrays["slots"])))
    if not latencies.tasks.any():
        return None
    below = np.linspace(0.0, 1.0, DRAWN_SHARES)
    latency = latencies.quantiles(below)
    left = float(latencies.quantiles(np.array([0.001]))[0])
    log = bool(latency[-1] > 5.0 * left)
    return LatencyDistribution(latency, below, left if log else 0.0, log, latencies)
