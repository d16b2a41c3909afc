"""Results of figures, made by hand: all alike, and changes to them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from edgesim.experiments.reproduction.figure import (
    Figure,
    Ran,
    left_out,
)

Results = Ran
Change = Callable[[Results], None]

COSTS: tuple[str, ...] = ("objective", "energy_per_bit_j", "power_w", "queue_bits")
"""All readings of the system cost."""

EMITTED = ("worst_emission_mg",)
TIMES = ("decision_s",)


def alike(figure: Figure) -> Results:
    """Full results in which all numbers are 1, to be changed at will."""
    if figure.id not in _ALIKE:
        _ALIKE[figure.id] = made_alike(figure)
    return Ran({name: data.copy(deep=True) for name, data in _ALIKE[figure.id].items()})


_ALIKE: dict[str, Results] = {}


def made_alike(figure: Figure) -> Results:
    results = Ran()
    for training in figure.trainings:
        coords: dict[str, Any] = {one.name: list(one.settings) for one in training.factors}
        coords["seed"] = np.arange(1, training.seeds + 1)
        shape = {dim: len(values) for dim, values in coords.items()}
        variables = {
            name: xr.DataArray(np.ones((*shape.values(), rows)), dims=[*shape, dim])
            for dim, rows, names in (
                ("log", 200, ("reward", "steps")),
                ("evaluation", 20, ("evaluated_steps", "system_cost", "gap_closed")),
                ("evaluation", 20, ("excess", "feasible", "lyapunov_system_cost")),
                ("evaluation", 20, ("local_system_cost",)),
            )
            for name in names
        }
        for name, dim in (("steps", "log"), ("evaluated_steps", "evaluation")):
            variables[name] = 1000.0 * variables[name].cumsum(dim)
        results[training.name] = xr.Dataset(variables, coords)
    for study in figure.studies:
        coords = {"policy": list(study.policies)}
        for label, name in study.learned.items():
            coords["policy"] += [f"{label} {seed}" for seed in results[name]["seed"].values]
        coords |= {one.name: list(one.settings) for one in study.factors}
        coords["seed"] = np.arange(1, study.seeds + 1)
        ones = xr.DataArray(np.ones([len(values) for values in coords.values()]), coords)
        of_tasks = ("feasible_share", "offloaded_task_share", "emission_mg_per_bit")
        numbers = (*COSTS, *EMITTED, *TIMES, *of_tasks, "station_queue_bits")
        for called in (study.name, *(left_out(study.name, one) for one in study.warmups)):
            results[called] = xr.Dataset({name: ones.copy() for name in numbers})
    return results


def scale(data: xr.Dataset, names: tuple[str, ...], **factors: Mapping[Any, float]) -> None:
    """Multiply at places of dimensions; a policy that learns is named without its training's number."""
    for dim, by in factors.items():
        dim = dim.replace("_", " ") if dim not in data.dims else dim
        places = [
            at.rsplit(" ", 1)[0] if dim == "policy" and at[-1].isdigit() and at not in by else at
            for at in data[dim].values.tolist()
        ]
        multiply(data, names, dim, [by.get(at, 1.0) for at in places])


def multiply(data: xr.Dataset, names: tuple[str, ...], dim: str, factors: list[float]) -> None:
    """In place: a factor for each place of a dimension; xarray would look at all coordinates first."""
    for name in names:
        values = data[name].values
        values *= np.expand_dims(
            factors, [k for k, one in enumerate(data[name].dims) if one != dim]
        )


def named(studies: str, results: Results) -> list[str]:
    """Of the results, those of some studies, with all warm-ups."""
    return [name for name in results if name.partition(",")[0] in studies.split()]


def scaled(studies: str, names: tuple[str, ...], **factors: Mapping[Any, float]) -> Change:
    """The change of some studies by `scale`, where they have the dimension."""

    def change(results: Results) -> None:
        for study in named(studies, results):
            scale(results[study], names, **factors)

    return change


def by(dim: str, value: Callable[[float], float], studies: str, names: tuple[str, ...]) -> Change:
    """Multiply by a function of the place of a dimension."""

    def change(results: Results) -> None:
        for study in named(studies, results):
            data = results[study]
            multiply(data, names, dim, [value(at) for at in data[dim].values.tolist()])

    return change


def both(*changes: Change) -> Change:
    """One after the other."""

    def change(results: Results) -> None:
        for one in changes:
            one(results)

    return change
