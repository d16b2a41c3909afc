"""Numbers in words: how an explaining sentence follows the results and settings that it speaks of."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from ...scenarios.loading import load_table
from ...traces.confidence_intervals import Estimate, format_estimate
from .figure import Evidence


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
    if abs((high - value) - (value - low)) > 0.02 * (high - low):
        return f"{value:.4g} ({low:.4g} to {high:.4g}){suffix}"
    return f"{format_estimate(Estimate(value, high - value))}{suffix}"


def held_by(evidence: Evidence, parts: Iterable[str]) -> str:
    """'P2 in 8 of 10, AAC in 0 of 4': under how many conditions a claim holds, by a part of their names."""
    found = []
    for part in parts:
        answers = [one for name, one in evidence.answers.items() if part in name.split(", ")]
        found.append(f"{part} in {answers.count('holds')} of {len(answers)}")
    return ", ".join(found)


def held_at(evidence: Evidence) -> str:
    """The conditions under which a claim holds, in brackets."""
    return listed(f"({name})" for name, answer in evidence.answers.items() if answer == "holds")


def ahead(evidence: Evidence, what: str = "") -> str:
    """'44 of 45': of the seeds of all checks, or of those that are called `what`, how many pass alone."""
    inside = [
        check.low < value < check.high
        for checks in evidence.checks.values()
        for check in checks
        if what in ("", check.what)
        for value in check.sample[np.isfinite(check.sample)]
    ]
    return f"{sum(inside)} of {len(inside)}"
