"""What claims and diagrams are made of: slices of a study's dataset."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import TypeVar

import numpy as np
import xarray as xr

from .figure import Diagram
from .registration import level_name
from .verdicts import Check, Checks

Data = TypeVar("Data", xr.Dataset, xr.DataArray)

EMISSION = "worst-case emission [mg]"
FEASIBLE = "instances feasible [%]"


def split(data: Data, *dims: str) -> Iterator[tuple[str, Data]]:
    """The data at each combination of values of these dimensions, with its name."""
    for values in product(*(data[dim].values.tolist() for dim in dims)):
        at = dict(zip(dims, values, strict=True))
        yield named(at), data.sel(at)


def named(at: dict[str, object]) -> str:
    """A combination of values, as tables call it; a name alone where a value says enough."""
    return ", ".join(level_name(dim, value) for dim, value in at.items())


def title_of(data: xr.Dataset, *dims: str) -> str:
    """The name of a part that has one value of each of these dimensions."""
    return named({dim: data[dim].item() for dim in dims})


def short(value: object) -> str:
    """A number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def trained(data: xr.Dataset, label: str) -> list[str]:
    """The policies of a study that were trained under this label, one for each training seed."""
    names: list[str] = data["policy"].values.tolist()
    return [name for name in names if re.fullmatch(rf"{re.escape(label)} \d+", name)]


def by_training(values: xr.DataArray, data: xr.Dataset, label: str) -> xr.DataArray:
    """Means over the runs' seeds of trained policies: the dimension `seed` is then the training."""
    means = values.sel(policy=trained(data, label)).mean(dim="seed").rename(policy="seed")
    return means.assign_coords(seed=np.arange(1, means.sizes["seed"] + 1))


def labels(data: xr.Dataset) -> list[str]:
    """The policies of a study; those of several trainings, of which one is the first, are one."""
    names: list[str] = data["policy"].values.tolist()
    bases = {name: re.sub(r" \d+$", "", name) for name in names}
    return list(
        dict.fromkeys(base if f"{base} 1" in bases else name for name, base in bases.items())
    )


def of_policy(values: xr.DataArray, data: xr.Dataset, label: str) -> xr.DataArray:
    """Values, without the dimension `policy`, of one of them by seed, or by training if it learns."""
    learned = trained(data, label)
    return by_training(values, data, label) if learned else values.sel(policy=label)


def feasible(data: xr.Dataset) -> xr.DataArray:
    """Whether all limits are kept in all slots, over the dimensions of the data."""
    return data["feasible_share"] > 1.0 - 1e-9


def emission(data: xr.Dataset, policies: Sequence[str] = ()) -> xr.DataArray:
    """Worst-case emission, mg, in the instances where all these policies keep all limits; else NaN.

    An instance that one scheme cannot serve says nothing about what it emits: the least violation
    often is to keep local what is over its budget. It has the dimensions of the data.

    Args:
        data: with `policy`.
        policies: those that are compared; all of them by default.
    """
    chosen = data.sel(policy=list(policies)) if policies else data
    return chosen["worst_emission_mg"].where(feasible(chosen).all("policy"))


def geometric_mean(ratios: xr.DataArray, dim: str) -> xr.DataArray:
    """Over one of the dimensions; places where a seed says nothing are left out."""
    logs = ratios.copy(data=np.log(ratios.values)).mean(dim)
    return logs.copy(data=np.exp(logs.values))


def conditions(
    values: xr.DataArray | Mapping[str, xr.DataArray],
    *dims: str,
    along: str = "",
    prefix: str = "",
    kept: xr.DataArray | Mapping[str, xr.DataArray] | None = None,
) -> Checks:
    """A condition for each place of `dims`, with a check for each place of `along`, or with one.

    Args:
        values: by name of the check, over these dimensions and `seed`; braces in the name stand for
            the place of `along`, which is the whole name where there is but one array.
        dims: which.
        along: a dimension.
        prefix: of the conditions' names.
        kept: over dimensions of the values, whether what is compared keeps all limits, NaN in instances
            that do not count; by name of the check where they differ. By default where values are known.
    """
    found: Checks = {}
    order = [*dims, *([along] if along else []), "seed"]
    for what, array in (values if isinstance(values, Mapping) else {"{}": values}).items():
        ordered = array.transpose(*order)
        samples, shares = ordered.values.astype(float), None
        if kept is not None:
            of = kept[what] if isinstance(kept, Mapping) else kept
            shares = of.broadcast_like(ordered).transpose(*order).values.astype(float)
        levels = [ordered[dim].values.tolist() for dim in order[:-1]]
        for place in np.ndindex(samples.shape[:-1]):
            at = [level[k] for level, k in zip(levels, place, strict=True)]
            name = named(dict(zip(dims, at, strict=False)))
            called = what.format(short(at[-1]) if along else "")
            check = Check(called, samples[place], None if shares is None else shares[place])
            found.setdefault(", ".join(filter(None, (prefix, name))), []).append(check)
    return found


def steps(values: xr.DataArray, along: str) -> xr.DataArray:
    """What values rise by from each place of a dimension to the next, of which it has one fewer."""
    places = map(short, values[along].values.tolist())
    names = [f"{along} from {a} to {b}" for a, b in pairwise(places)]
    return values.diff(along).assign_coords({along: names})


def curves(
    data: xr.Dataset, values: xr.DataArray, policies: Iterable[str] = ()
) -> dict[str, xr.DataArray]:
    """By policy, all by default, without that dimension; by training, not by seed, where one learns."""
    return {label: of_policy(values, data, label) for label in policies or labels(data)}


def level(values: xr.DataArray, ends: tuple[float, float]) -> xr.DataArray:
    """A value by seed as a horizontal line over a new dimension `x`, from end to end."""
    return values.expand_dims(x=np.array(ends))


def course(data: xr.Dataset, value: str, steps: str, per_x: float = 1.0) -> xr.DataArray:
    """A column of the tables of trainings with one setting, by training seed and over the dimension of steps.

    Args:
        data: of the trainings.
        value: the column.
        steps: the variable with their steps.
        per_x: how many of these are one on the horizontal axis.
    """
    x = data[steps].mean(dim="seed") / per_x
    return data[value].assign_coords({x.dims[0]: x.values})


def with_shares(values: list[Diagram], shares: list[Diagram]) -> list[list[Diagram]]:
    """A row of diagrams, and below it the row of shares if any of them is not whole."""
    samples = [of for share in shares for _, _, of in share.lines()]
    whole = all(np.nan_to_num(of, nan=100.0).min(initial=100.0) > 99.9 for of in samples)
    return [values] if whole else [values, shares]
