"""Energy and emission of policies under Great Britain's carbon intensity, on a winter's and a summer's day."""

from collections.abc import Callable

import xarray as xr

from .. import stream_figures as stream
from ..figure import Diagram, Factor, Figure, Question, Results, Study
from ..measure import EMISSION, conditions, curves
from ..sentences import listed
from ..training_settings import EASY, NETWORK_C
from ..verdicts import Checks

HOUR, EVERY_HOURS = "hour", 3
DAYS = {"January": "2020-01-15", "July": "2020-07-15"}
INTENSITY = "carbon_intensity_gb_2020.csv"
SLOTS = 600
MOMENTS = Factor(
    "moment",
    {
        f"{day} {hour}": {"carbon.intensity": {"file": INTENSITY, "start": f"{date}T{hour:02d}:00"}}
        for day, date in DAYS.items()
        for hour in range(0, 24, EVERY_HOURS)
    },
    quick=("January 0", "January 18", "July 0", "July 18"),
)

STUDIES = (
    stream.study(
        "stream",
        {name: stream.EVERY[name] for name in ("P2 in each slot", "EPR", "EPR-EP", "local")},
        MOMENTS,
        keys={"run.slots": SLOTS},
        warmups=(),
        kept=("emission_mg_per_bit", "energy_per_bit_j"),
        **stream.FEW,
    ),
    Study(
        "tasks",
        NETWORK_C,
        {"exact": "exact", "SCA": "sca", "EPR, server at 2 GHz": 'epr{edge_cpu="2 GHz"}'},
        (MOMENTS,),
        EASY | {"run.slots": 3, "tasks.size": ["1 MB", "2 MB"]},
        warmup=0.0,
        **stream.FEW,
    ),
)


def _of_day(data: xr.Dataset, day: str) -> xr.Dataset:
    """One day over the hours that were run."""
    moments = [one for one in data["moment"].values.tolist() if one.startswith(day)]
    hours = [int(one.split()[1]) for one in moments]
    return data.sel(moment=moments).rename(moment=HOUR).assign_coords({HOUR: hours})


def _diagrams(results: Results) -> list[list[Diagram]]:
    def row(study: str, value: str, scale: float, y: str) -> list[Diagram]:
        days = {day: _of_day(results[study], day) for day in DAYS}
        return [Diagram(day, y, curves(of, scale * of[value])) for day, of in days.items()]

    return [
        row("stream", "emission_mg_per_bit", 1e6, "emission [mg/Mbit]"),
        row("stream", "energy_per_bit_j", 1e9, "energy [nJ/bit]"),
        row("tasks", "worst_emission_mg", 1.0, f"paper C: {EMISSION}"),
    ]


def _mean(study: str, value: str, scale: float) -> Callable[[Results], Checks]:
    """Of each policy, over a day."""

    def checks(results: Results) -> Checks:
        found: Checks = {}
        for day in DAYS:
            mean = scale * _of_day(results[study], day)[value].mean(dim=HOUR)
            found |= conditions(mean, along="policy", prefix=day)
        return found

    return checks


FIGURE = Figure(
    id="carbon",
    title="Energy and emission under Great Britain's carbon intensity",
    notes=(
        f"Half-hourly intensities of {listed(DAYS.values())} ({INTENSITY}); runs of {SLOTS} slots begin "
        f"every {EVERY_HOURS} hours. Neither problem shifts work in time, and all stations and devices "
        "have the same intensity: decisions follow energy, and emission is energy at another price."
    ),
    x="hour of the day",
    diagrams=_diagrams,
    minutes=(1.0, 0.05),
    studies=STUDIES,
    questions=(
        Question(
            "What is emitted for a million bits, in the mean over the day?",
            "mg/Mbit",
            _mean("stream", "emission_mg_per_bit", 1e6),
        ),
        Question(
            "What energy does a bit take?", "nJ/bit", _mean("stream", "energy_per_bit_j", 1e9)
        ),
        Question(
            "What is the worst-case emission on paper C's network?",
            "mg",
            _mean("tasks", "worst_emission_mg", 1.0),
        ),
    ),
)
