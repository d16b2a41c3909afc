"""Numbers in words: how an explaining sentence follows the results and settings that it speaks of."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from ...scenarios.loading import load_table
from ...traces.confidence_intervals import Estimate, format_estimate


@cache
def shipped(scenario: str, key: str) -> Any:
    """What a shipped scenario says, as written: `shipped("carbon_6ue", "tasks.deadline")` is "2 s"."""
    found: Any = load_table(scenario)[0]
    for part in key.split("."):
        found = found[part]
    return found


def listed(items: Iterable[object]) -> str:
    """'a, b and c'; 'none' of nothing."""
    *most, last = [str(item) for item in items] or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def span(values: Any, digits: int = 3) -> str:
    """'1.04 to 1.13', from the least to the largest that is known.

    Args:
        values: array or DataArray of any shape; NaN where nothing is known.
        digits: significant ones.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return "unknown"
    ends = dict.fromkeys(f"{end:.{digits}g}" for end in (known.min(), known.max()))
    return " to ".join(ends)


def interval(value: float, low: float, high: float, unit: str = "1") -> str:
    """'1.23 ± 0.04 mg', or with both ends where they are not alike; no unit if it is "1"."""
    if np.isnan(value):
        return "unknown"
    suffix = "" if unit == "1" else f" {unit}"
    if not np.isfinite([low, high]).all():
        return f"{value:.4g}{suffix}, no interval"
    if low == value == high:
        return f"{value:.4g}{suffix}, no variance"
    if abs((high - value) - (value - low)) > 0.02 * (high - low):
        return f"{value:.4g} ({low:.4g} to {high:.4g}){suffix}"
    return f"{format_estimate(Estimate(value, low, high))}{suffix}"
