"""The numbers behind the figures of a report, as the JSON that its script draws.

Its size is bounded: a trace has at most a hundred batches, distributions and maps are thinned out.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...traces.comparison import COMPARED
from ...traces.figures import has_map
from ...traces.file_errors import indices
from ...traces.metrics import METRICS
from ...traces.network_graph import backhaul_pairs
from ...traces.panels import latency_distribution, panels, time_unit
from ...traces.printing import finite
from ...traces.reader import Trace
from ..sweeps.comparison import summarise_sweep
from ..sweeps.figures import NUMBERS, logarithmic
from ..sweeps.results import POLICY, SweepResults

if TYPE_CHECKING:
    import xarray as xr

Json = Any

LATENCIES = 300
"""Points of a distribution function, at most."""

FRAMES = 60
"""Slots that a map shows, at most."""

DRAWN_DEVICES = 2000
"""Devices that a map shows, at most."""

POSITIONS = 40_000
"""Devices times slots that a map shows, about, at most."""

MANY_CASES = 1000
"""A sweep with more cases than this has only its main numbers drawn."""


def series_charts(traces: Mapping[str, Trace]) -> list[Json]:
    """A diagram for each number over time; of several traces, with a line for each.

    Args:
        traces: open, by label.

    Raises:
        TraceError: a trace cannot be read or holds no slot.
    """
    scale, unit = time_unit(max(t.attrs["slots"] * t.attrs["slot_s"] for t in traces.values()))
    times = [_numbers(trace.totals.middles_s / scale) for trace in traces.values()]
    charts: dict[tuple[str, str], Json] = {}
    for number, (name, trace) in enumerate(traces.items()):
        alone = len(traces) == 1
        for panel in panels(trace):
            for place, line in enumerate(panel.lines):
                # A line stands for a trace here, so each number has its own diagram.
                title = panel.title if alone or not line.label else f"{panel.title}: {line.label}"
                chart = charts.setdefault(
                    (title, panel.unit),
                    {
                        "title": title,
                        "unit": panel.unit,
                        "xlabel": f"time, {unit}",
                        "group": panel.title if alone else "traces",
                        "zero": True,
                        "left": 0.0,
                        "x": times,
                        "lines": [],
                    }
                    | ({"top": panel.top} if panel.top else {}),
                )
                label = line.label or _whole(len(line.values)) if alone else name
                series = place if alone else number
                chart["lines"].append(_line(label, series, number, line.values))
    return list(charts.values())


def latency_chart(traces: Mapping[str, Trace]) -> Json | None:
    """The distribution functions of the latencies; None if no task was completed.

    Args:
        traces: open, by label.
    """
    found = {name: latency_distribution(trace) for name, trace in traces.items()}
    known = {name: one for name, one in found.items() if one is not None}
    if not known:
        return None
    log = any(one.log for one in known.values())
    lefts = [one.left_s for one in known.values() if one.left_s > 0.0 or not log]
    chart: Json = {
        "title": "latency of tasks, distribution",
        "unit": "%",
        "xlabel": "latency, s",
        "group": "traces",
        "zero": True,
        "log": log,
        "left": float(f"{min(lefts):.5g}"),
        "top": 102.0,
        "x": [],
        "lines": [],
    }
    for name, one in known.items():
        kept = _thinned(len(one.latency_s), LATENCIES)
        kept = kept[one.latency_s[kept] >= min(lefts)]
        label = name if len(traces) > 1 else ""
        line = {"label": label, "series": list(traces).index(name), "x": len(chart["x"])}
        chart["lines"].append(line | {"mean": _numbers(100.0 * one.below[kept])})
        chart["x"].append(_numbers(one.latency_s[kept]))
    if len(known) == 1:
        (one,) = known.values()
        marks = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
        shown = [(one.quantile(share), share, name) for share, name in marks]
        chart["note"] = ", ".join(f"{name} {at:.3g} s" for at, _, name in shown)
        chart["marks"] = [[float(f"{at:.5g}"), 100.0 * share] for at, share, _ in shown]
    return chart


def network_map(trace: Trace, title: str) -> Json | None:
    """Where devices and stations of the first replication are, in slots over the whole run.

    Args:
        trace: open.
        title: of the map.

    Returns:
        None if positions were not recorded.
    """
    if not has_map(trace):
        return None
    slots, attrs = trace.slots, trace.attrs
    total = slots.sizes["device"]
    devices = _thinned(total, DRAWN_DEVICES)
    frames = _thinned(slots.sizes["slot"], max(min(FRAMES, POSITIONS // len(devices)), 1))
    drawn = slots.isel(replication=0).isel(slot=frames)
    station: Json = [[0] * len(devices)]  # where there is only the one
    if "serving_station" in drawn.variables:
        indices(drawn["serving_station"].values, attrs["stations"], trace.path)
        station = _frames(drawn["serving_station"], devices)
    scale, unit = time_unit(attrs["slots"] * attrs["slot_s"])
    numbers = drawn["slot"].values.tolist()
    map_: Json = {
        "title": title,
        "area": [float(size) for size in attrs["area_m"]],
        "stations": _stations(slots),
        "backhaul": backhaul_pairs(trace),
        "slots": numbers,
        "times": [f"{slot * attrs['slot_s'] / scale:.4g} {unit}" for slot in numbers],
        "x": _frames(_there(drawn, "x_m"), devices, 1),
        "y": _frames(_there(drawn, "y_m"), devices, 1),
        "station": station,
        "label": "queue",
        "unit": "Mbit",
    }
    if "queue_bits" in slots:
        map_["kind"] = "queue"
        map_["value"] = [
            [value and float(f"{value * 1e-6:.3g}") for value in row]
            for row in _frames(drawn["queue_bits"], devices, 0)
        ]
        links = "linked to it; the larger, the longer its queue."
    else:
        map_["kind"], map_["value"] = "offload", _frames(drawn["offload"], devices, 0)
        links = "filled and linked to it if it offloads its task."
    map_["note"] = f"A dot is a device, in the colour of its station, {links}"
    if len(devices) < total:
        map_["devices"] = devices.tolist()
        map_["note"] += f" {len(devices):,} of {total:,} devices are drawn."
    if map_["backhaul"]:
        map_["note"] += " Dotted: the backhaul."
    if "station_up" in slots and attrs["stations"] > 0:
        map_["up"] = _frames(drawn["station_up"], devices)
    return map_


def _stations(slots: "xr.Dataset") -> Json:
    """Name, position and radius of each station."""
    columns = [slots[f"station_{name}"].values for name in ("name", "x_m", "y_m", "coverage_m")]
    names, *rest = (column.tolist() for column in columns)
    return [
        [str(name), x, y, finite(radius)] for name, x, y, radius in zip(names, *rest, strict=True)
    ]


def _there(drawn: "xr.Dataset", name: str) -> "xr.DataArray":
    """A column of those that are there; of the others there is nothing to be drawn."""
    return drawn[name].where(drawn["present"] > 0) if "present" in drawn else drawn[name]


def _frames(column: "xr.DataArray", devices: NDArray[np.intp], decimals: int | None = None) -> Json:
    """Values by slot and device, or slot and station; one row if all slots have the same."""
    values = column.values[:, devices] if "device" in column.dims else column.values
    if (values == values[:1]).all():
        values = values[:1]
    if decimals is None:
        return values.tolist()
    return [[finite(round(x, decimals)) for x in row] for row in values.tolist()]


def sweep_charts(results: SweepResults) -> Json | None:
    """Numbers against the swept keys, means and intervals over seeds; None if no key varies."""
    if not results.keys or not results.complete.any():
        return None
    known = results.nonzero(NUMBERS if len(results.cases) > MANY_CASES else COMPARED)
    groups = summarise_sweep(results, by=[*results.keys, POLICY], numbers=known).groups
    places = {key: results.places(key) for key in results.keys}
    labels = {key: list(places[key]) for key in results.keys}
    policies = list(dict.fromkeys(results.labels(POLICY)))

    def numbers(name: str) -> Json:
        means, metric = [group.means[name] for group in groups], METRICS[name]
        return {
            "title": metric.label,
            "unit": metric.unit,
            "log": logarithmic(name, groups),
            "mean": _numbers(np.array([mean.value for mean in means]) * metric.scale),
            "low": _numbers(np.array([mean.low for mean in means]) * metric.scale),
            "high": _numbers(np.array([mean.high for mean in means]) * metric.scale),
        }

    return {
        "axis": results.keys.index(results.main_key),
        "keys": [
            {
                "name": key,
                "unit": results.unit(key),
                "labels": labels[key],
                "places": list(places[key].values()) if results.values(key) is not None else None,
            }
            for key in results.keys
        ],
        "policies": policies,
        "cases": [
            [
                *(labels[key].index(group.labels[key]) for key in results.keys),
                policies.index(group.labels[POLICY]),
            ]
            for group in groups
        ],
        "numbers": [numbers(name) for name in known],
    }


def _line(label: str, series: int, x: int, values: FloatArray) -> Json:
    """The mean over replications, (R, K), with their range; of one, the values."""
    line: Json = {"label": label, "series": series, "x": x}
    # As a batch counts: no mean where a replication has no value.
    line["mean"] = _numbers(values.mean(axis=0))
    if len(values) > 1:
        line |= {"low": _numbers(values.min(axis=0)), "high": _numbers(values.max(axis=0))}
    return line


def _whole(replications: int) -> str:
    return "" if replications == 1 else f"mean of {replications} replications, and their range"


def _thinned(length: int, most: int) -> NDArray[np.intp]:
    """Places spread evenly, the first and the last among them; of one, the last."""
    if length <= most:
        return np.arange(length)
    return np.unique(np.linspace(length - 1, 0, most).round().astype(np.intp))


def _numbers(values: Any) -> list[float | None]:
    """Five digits are more than a screen shows."""
    return [finite(float(f"{value:.5g}")) for value in values.tolist()]
