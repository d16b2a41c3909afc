"""What `carbon.forecast` would have to be for errors like those of a file that has forecasts beside what was."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..scenarios.data.records import normal
from ..scenarios.errors import as_toml

MOST_LAGS = 1000
"""Lags of the autocorrelation that are looked at."""

_LEAST_SHARE = 1e-9
"""Of the mean: errors that deviate by less are constant."""


def forecast_of(value: str, columns: Sequence[str]) -> str | None:
    """The column that is called as that of the values is, with "forecast" for "actual"; None if not one is."""
    wanted = re.sub(r"\bactual\b", "forecast", normal(value))
    fits = [one for one in columns if normal(one) == wanted and one != value]
    return fits[0] if len(fits) == 1 else None


def memory_of(errors: NDArray[np.float64], at: NDArray[np.int64]) -> float | None:
    """Steps in which the correlation of errors falls to 1/e; None where it does not tell.

    The logarithm of an autoregressive process's autocorrelation is -k / memory at lag k: a line through zero,
    fitted by least squares to the lags before the first one below 1/e, or to the first alone. Noise beside the
    process, as of rounded values, lowers all lags alike, which tells least where the line has fallen furthest.

    Args:
        errors: (n,) without their mean.
        at: (n,) the step of each, increasing; the steps between may be missing.
    """
    variance, logs = float((errors * errors).mean()) or 1.0, list[float]()
    for lag in range(1, min(max(len(errors) // 4, 1), MOST_LAGS) + 1):
        _, first, later = np.intersect1d(at + lag, at, assume_unique=True, return_indices=True)
        alike = float((errors[first] * errors[later]).sum()) / max(len(first), 1) / variance
        if alike <= (np.exp(-1.0) if logs else 0.0):
            break
        logs.append(float(np.log(alike)))
    lags = np.arange(1.0, len(logs) + 1.0)
    falls = -float(lags @ np.array(logs))
    return float(lags @ lags) / falls if falls > 0.0 else None


def forecast_facts(
    forecast: NDArray[np.float64], actual: NDArray[np.float64], times: NDArray[np.datetime64]
) -> dict[str, str | int | float]:
    """What pairs of forecast and actual say, in words and numbers.

    Args:
        forecast: (n,) g/kWh
        actual: (n,) g/kWh
        times: (n,) increasing.
    """
    told: dict[str, str | int | float] = {"rows with forecast and value": len(times)}
    if len(times) < 2 or not (mean := float(actual.mean())) > 0.0:
        return told | {"forecast becomes": "nothing: two rows that have both, and a mean above 0"}
    wrong = forecast - actual
    bias, deviation = float(wrong.mean()), float(wrong.std())
    constant = deviation <= _LEAST_SHARE * mean
    told |= {
        "forecast too high by, g/kWh": bias,
        "deviation of its errors, g/kWh": 0.0 if constant else deviation,
    }
    error = f"error = {0.0 if constant else deviation / mean:.3g}"
    if constant:
        becomes = f"{{{error}}}; a constant error has no memory to tell"
    else:
        steps = np.sort(np.diff(times))
        step = steps[(len(steps) - 1) // 2]
        at, kept = np.unique(np.rint((times - times[0]) / step).astype(int), return_index=True)
        memory = memory_of((wrong - bias)[kept], at)
        if memory is None:
            becomes = f"{{{error}, memory = …}}; rows a step apart tell no memory"
        else:
            hours = memory * float(step / np.timedelta64(1, "s")) / 3600.0
            # Its standard error, as simulated; that of the first lag alone would be sqrt(2 m / n).
            known = np.sqrt(3.0 * memory / len(times))
            becomes = (
                f"{{{error}, memory = {as_toml(f'{hours:.3g} h')}}}; memory to about {known:.0%}"
            )
    return told | {
        "forecast becomes": f"[carbon] forecast = {becomes}",
        "assumed": "each row's forecast is one of a long lead; errors are autoregressive, of mean 0",
    }
