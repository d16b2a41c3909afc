"""Of ours: energy and emission over the day, under Great Britain's carbon intensity."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import stream_figures as stream
from .. import task_figures as tasks
from ..figure import Checks, Diagram, Factor, Figure, Question, Results
from ..measure import EMISSION, curves, each
from ..sentences import listed
from ..training_settings import EASY

if TYPE_CHECKING:
    import xarray as xr

HOUR, SLOTS = "hour", 600
DAYS = {"January": "2020-01-15", "July": "2020-07-15"}
GB = "carbon_intensity_gb_2020.csv"

MOMENTS = Factor(
    "moment",
    {
        f"{month} {hour}": {"carbon.intensity": {"file": GB, "start": f"{day}T{hour:02d}:00"}}
        for month, day in DAYS.items()
        for hour in range(0, 24, 3)
    },
    quick=("January 0", "January 18", "July 0", "July 18"),
)

STUDIES = (
    stream.study(
        "stream",
        {name: stream.POLICIES[name] for name in ("P2 in each slot", "EPR", "EPR-EP", "local")},
        MOMENTS,
        keys={"run.slots": SLOTS},
        **stream.FEW,
    ),
    tasks.instances(
        "tasks",
        {"exact": "exact", "SCA": "sca", "EPR, server at 2 GHz": 'epr{edge_cpu="2 GHz"}'},
        MOMENTS,
        keys=EASY | {"run.slots": 3, "tasks.size": ["1 MB", "2 MB"]},
        warmup=0.0,
        **stream.FEW,
    ),
)


def over_hours(data: "xr.Dataset", month: str) -> "xr.Dataset":
    """One day over the hours that were run."""
    moments = [one for one in data["moment"].values.tolist() if one.startswith(month)]
    hours = [int(one.split()[1]) for one in moments]
    return data.sel(moment=moments).rename(moment=HOUR).assign_coords({HOUR: hours})


SHOWN = (
    ("stream", "emission_mg_per_bit", 1e6, "emission [mg/Mbit]"),
    ("stream", "energy_per_bit_j", 1e9, "energy [nJ/bit]"),
    ("tasks", "worst_emission_mg", 1.0, f"paper C: {EMISSION}"),
)
"""Study, variable, its unit in that of the diagram, and the diagram's vertical axis."""


def diagrams(results: Results) -> list[list[Diagram]]:
    """A row for each quantity, a column for each day."""
    rows = []
    for study, name, scale, y in SHOWN:
        days = {month: over_hours(results[study], month) for month in DAYS}
        rows.append(
            [
                Diagram(month, y, curves(data, scale * data[name], HOUR))
                for month, data in days.items()
            ]
        )
    return rows


def in_the_mean(study: str, name: str, scale: float) -> Callable[[Results], Checks]:
    """Of each policy over the hours of each day."""

    def checks(results: Results) -> Checks:
        days = {month: over_hours(results[study], month)[name] for month in DAYS}
        return {month: each(scale * of.mean(HOUR), "policy") for month, of in days.items()}

    return checks


EMITTED, ENERGY, WORST = (in_the_mean(*shown[:3]) for shown in SHOWN)

FIGURE = Figure(
    id="carbon",
    paper="",
    title="Energy and emission under Great Britain's carbon intensity",
    notes=(
        f"Half-hourly intensities of {listed(DAYS.values())} ({GB}); runs of {SLOTS} slots begin every "
        "three hours. Neither problem shifts work in time, and all stations and devices have the same "
        "intensity: decisions follow energy, and emission is energy at another price."
    ),
    x="hour of the day",
    diagrams=diagrams,
    minutes=(1.0, 0.3),
    studies=STUDIES,
    questions=(
        Question(
            "What is emitted for a million bits, in the mean over the day?", "mg/Mbit", EMITTED
        ),
        Question("What energy does a bit take?", "nJ/bit", ENERGY),
        Question("What is the worst-case emission on paper C's network?", "mg", WORST),
    ),
)
