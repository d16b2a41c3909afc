"""The numbers behind the figures of a report, as the JSON that its script draws.

Its size is bounded: a trace has at most a hundred batches, distributions and maps are thinned out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...traces.comparison import COMPARED
from ...traces.figures import has_map
from ...traces.file_errors import indices
from ...traces.network_graph import backhaul_pairs
from ...traces.panels import batch_middles, latency_distribution, panels, time_unit
from ...traces.reader import Trace
from ...traces.statistics import ROWS
from ..sweeps.comparison import POLICY, summarise_sweep
from ..sweeps.dataset import SweepResults
from ..sweeps.figures import NUMBERS, places_of

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
    times = [_numbers(batch_middles(trace) / scale) for trace in traces.values()]
    charts: dict[tuple[str, str], Json] = {}
    for number, (name, trace) in enumerate(traces.items()):
        alone = len(traces) == 1
        for panel in panels(trace):
            for place, line in enumerate(panel.lines):
                # Lines of several traces are told apart by trace, so each number has its own diagram.
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
    slots = trace.slots
    devices = _thinned(slots.sizes["device"], DRAWN_DEVICES)
    frames = _thinned(slots.sizes["slot"], max(min(FRAMES, POSITIONS // len(devices)), 1))
    chosen = slots.isel(replication=0).isel(slot=frames)
    streamed = "queue_bits" in slots

    if "station" in chosen.variables:
        indices(chosen["station"].values, trace.attrs["stations"], trace.path)

    def rows(name: str, decimals: int | None = None) -> Json:
        """By slot and device; one row if all are the same."""
        values = chosen[name].values
        values = values[:, devices] if "device" in chosen[name].dims else values
        if (values == values[:1]).all():
            values = values[:1]
        if decimals is None:
            return values.tolist()
        return [[_known(round(x, decimals)) for x in row] for row in values.tolist()]

    total = slots.sizes["device"]
    shown = "" if len(devices) == total else f" {len(devices):,} of {total:,} devices are drawn."
    links = (
        "linked to it; the larger, the longer its queue."
        if streamed
        else "filled and linked to it if it offloads its task."
    )
    values = rows("queue_bits" if streamed else "offload", 0)
    if streamed:
        values = [[None if v is None else float(f"{v * 1e-6:.3g}") for v in row] for row in values]
    scale, unit = time_unit(trace.attrs["slots"] * trace.attrs["slot_s"])
    wires = backhaul_pairs(trace)
    backhaul = " Dotted: the backhaul." if wires else ""
    map_: Json = {
        "title": title,
        "area": [float(size) for size in trace.attrs["area_m"]],
        "stations": [
            [str(name), x, y, _known(coverage)]
            for name, x, y, coverage in zip(
                slots["station_name"].values,
                slots["station_x_m"].values.tolist(),
                slots["station_y_m"].values.tolist(),
                slots["station_coverage_m"].values.tolist(),
                strict=True,
            )
        ],
        "backhaul": wires,
        "slots": chosen["slot"].values.tolist(),
        "times": [
            f"{slot * trace.attrs['slot_s'] / scale:.4g} {unit}"
            for slot in chosen["slot"].values.tolist()
        ],
        "kind": "queue" if streamed else "offload",
        "label": "queue",
        "unit": "Mbit",
        "x": rows("x_m", 1),
        "y": rows("y_m", 1),
        "station": rows("station")
        if "station" in chosen.variables
        else [[0] * len(devices)],  # there is only the one
        "value": values,
        "note": f"A dot is a device, in the colour of its station, {links}{shown}{backhaul}",
    }
    if len(devices) < total:
        map_["devices"] = devices.tolist()
    if "station_up" in slots and trace.attrs["stations"] > 0:
        map_["up"] = rows("station_up")
    return map_


def sweep_charts(results: SweepResults) -> Json | None:
    """Numbers against the swept keys, means and intervals over seeds; None if no key varies."""
    if not results.keys or not results.complete.any():
        return None
    names = NUMBERS if len(results.cases) > MANY_CASES else COMPARED
    known = [name for name in names if np.nan_to_num(results.numbers.get(name, np.zeros(1))).any()]
    summary = summarise_sweep(results, by=[*results.keys, POLICY], numbers=known)
    places = {key: places_of(results, key) for key in results.keys}
    labels = {key: list(places[key]) for key in results.keys}
    policies = list(dict.fromkeys(results.labels(POLICY)))
    quantities = [key for key in results.keys if results.values(key) is not None]
    groups = summary.groups

    def column(name: str, values: Sequence[float]) -> list[float | None]:
        return _numbers(np.array(values) * ROWS[name].scale)

    return {
        "axis": results.keys.index((quantities or results.keys)[0]),
        "keys": [
            {
                "name": key,
                "unit": (results.values(key) or (None, ""))[1],
                "labels": labels[key],
                "places": list(places[key].values()) if key in quantities else None,
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
        "numbers": [
            {
                "title": ROWS[name].label,
                "unit": ROWS[name].unit,
                "mean": column(name, [group.means[name].value for group in groups]),
                "half": column(name, [group.means[name].half_width for group in groups]),
            }
            for name in known
        ],
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
    return [_known(float(f"{value:.5g}")) for value in values.tolist()]


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
