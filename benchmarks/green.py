"""Electricity by the hour: a week of `lookahead`, and a year of `lyapunov`, 20 devices in slots of 15 minutes."""

from collections.abc import Iterator
from functools import partial

from .measure import Row, cpu_s, end_to_end, scenario

YEAR = "carbon.intensity={file='carbon_intensity_gb_2020.csv', start=2020-01-01T00:00:00Z}"
RUNS = {
    "a week of lookahead over 24 h": (672, "policy.name=lookahead"),
    "a year of lyapunov": (96 * 365, YEAR),
}


def measure() -> Iterator[Row]:
    for what, (slots, overrides) in RUNS.items():
        end_to_end(scenario(overrides, slots=20, name="green_shift_gb"))
        whole = partial(end_to_end, scenario(overrides, slots=slots, name="green_shift_gb"))
        yield Row(what, cpu_s(whole), "CPU-s", at_most=60.0)
