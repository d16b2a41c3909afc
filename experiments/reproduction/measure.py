"""What claims and diagrams are made of: slices of a study's dataset."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...simulator.core.arrays import FloatArray
from .figure import Check, Curve, Diagram

if TYPE_CHECKING:
    import xarray as xr

Data = TypeVar("Data", "xr.Dataset", "xr.DataArray")

EMISSION = "worst-case emission [mg]"
FEASIBLE, SLOTS_FEASIBLE = "instances feasible [%]", "slots feasible [%]"


def split(data: Data, *dims: str) -> Iterator[tuple[str, Data]]:
    """The data at each combination of values of these dimensions, with its name."""
    for values in product(*(data[dim].values.tolist() for dim in dims)):
        at = dict(zip(dims, values, strict=True))
        yield named(at), data.sel(at)


def named(at: dict[str, object]) -> str:
    """A combination of values, as tables call it; a name alone where a value says enough."""
    return ", ".join(
        f"{value}" if isinstance(value, str) and " " in value else f"{dim} = {short(value)}"
        for dim, value in at.items()
    )


def title_of(data: "xr.Dataset", *dims: str) -> str:
    """The name of a part that has one value of each of these dimensions."""
    return named({dim: data[dim].item() for dim in dims})


def short(value: object) -> str:
    """A number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def sample(values: "xr.DataArray") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """(S,) by seed."""
    return np.asarray(values.transpose("seed").values, dtype=float)


# ------------------------------------------------------------------------------- policies and trainings


def trained(data: "xr.Dataset", label: str) -> list[str]:
    """The policies of a study that were trained under this label, one for each training seed."""
    names: list[str] = data["policy"].values.tolist()
    return [name for name in names if re.fullmatch(rf"{re.escape(label)} \d+", name)]


def by_training(values: "xr.DataArray", data: "xr.Dataset", label: str) -> "xr.DataArray":
    """Means over the runs' seeds of trained policies: `seed` is then the number of the training."""
    means = values.sel(policy=trained(data, label)).mean(dim="seed").rename(policy="seed")
    return means.assign_coords(seed=np.arange(1, means.sizes["seed"] + 1))


def labels(data: "xr.Dataset") -> list[str]:
    """The policies of a study; those of several trainings are one."""
    names: list[str] = data["policy"].values.tolist()
    return list(dict.fromkeys(re.sub(r" \d+$", "", name) for name in names))


def of_policy(values: "xr.DataArray", data: "xr.Dataset", label: str) -> "xr.DataArray":
    """Values of a policy by seed, or of one that learns by training."""
    learned = trained(data, label)
    return by_training(values, data, label) if learned else values.sel(policy=label)


# -------------------------------------------------------------------------------------------- emission


def feasible(data: "xr.Dataset") -> "xr.DataArray":
    """Whether all limits are kept, in all slots."""
    return data["feasible_share"] > 1.0 - 1e-9


def share(data: "xr.Dataset") -> "xr.DataArray":
    """Of the slots in which all limits are kept, %; with one slot, of instances."""
    return 100.0 * data["feasible_share"]


def emission(data: "xr.Dataset", policies: Sequence[str] = ()) -> "xr.DataArray":
    """Worst-case emission, mg, in the instances where all these policies keep all limits; else NaN.

    An instance that one scheme cannot serve says nothing about what it emits: the least violation
    often is to keep local what is over its budget.

    Args:
        data: with `policy`.
        policies: those that are compared; all of them by default.
    """
    chosen = data.sel(policy=list(policies)) if policies else data
    return chosen["worst_emission_mg"].where(feasible(chosen).all("policy"))


def geometric_mean(ratios: "xr.DataArray", dim: str) -> FloatArray:
    """(S,) by seed, over a dimension; places where a seed says nothing are left out."""
    logs = ratios.copy(data=np.log(ratios.values))
    return np.exp(sample(logs.mean(dim)))


# ---------------------------------------------------------------------------------------------- checks


def each(
    values: "xr.DataArray",
    along: str,
    name: str = "{}",
    low: float = -np.inf,
    high: float = np.inf,
    log: bool = False,
) -> list[Check]:
    """A check for each place of a dimension.

    Args:
        values: over the dimension and `seed`.
        along: the dimension.
        name: of a check, around the place.
        low: as of `Check`.
        high: as of `Check`.
        log: as of `Check`.
    """
    return [
        Check(name.format(short(at)), sample(values.sel({along: at})), low, high, log)
        for at in values[along].values.tolist()
    ]


def above(upper: "xr.DataArray", lower: "xr.DataArray", along: str, what: str = "") -> list[Check]:
    """That one exceeds the other at each place of a dimension.

    They are paired where both have the dimension `seed`.
    """
    return each(upper - lower, along, f"{what}{along} = {{}}", low=0.0)


def rising(values: "xr.DataArray", along: str, what: str = "") -> list[Check]:
    """That values rise from each place of a dimension to the next."""
    return [
        Check(
            f"{what}{along} from {short(a)} to {short(b)}",
            sample(values.sel({along: b}) - values.sel({along: a})),
            low=0.0,
        )
        for a, b in pairwise(values[along].values.tolist())
    ]


# -------------------------------------------------------------------------------------------- diagrams


def curve(label: str, values: "xr.DataArray", x: str) -> Curve:
    """Of values over a dimension and `seed`."""
    at = np.asarray(values[x].values, dtype=float)
    return Curve(label, at, np.asarray(values.transpose(x, "seed").values, dtype=float))


def curves(
    data: "xr.Dataset", values: "xr.DataArray", x: str, policies: Iterable[str] = ()
) -> tuple[Curve, ...]:
    """Of policies over `x`, a band being over seeds, or over trainings where one learns.

    Args:
        data: of a study.
        values: of its policies.
        x: a dimension.
        policies: all that the study has, by default.
    """
    shown = policies or labels(data)
    return tuple(curve(label, of_policy(values, data, label), x) for label in shown)


def training_curve(
    label: str, data: "xr.Dataset", value: str, steps: str, per_x: float = 1.0
) -> Curve:
    """The course of trainings, by training seed.

    Args:
        label: of the legend.
        data: of trainings with one setting.
        value: which column of their tables.
        steps: the variable with their steps.
        per_x: how many of these are one on the horizontal axis.
    """
    values = data[value].transpose(..., "seed")
    x = data[steps].transpose(..., "seed").mean(dim="seed").values / per_x
    return Curve(label, np.asarray(x, dtype=float), np.asarray(values.values, dtype=float))


def level(label: str, values: "xr.DataArray", ends: Sequence[float]) -> Curve:
    """A value by seed as a horizontal line."""
    one = sample(values)
    return Curve(label, np.array(ends, dtype=float), np.stack([one, one]))


Column = tuple[str, tuple[Curve, ...], tuple[Curve, ...]]
"""Its title, the curves of the emission and those of the share of feasible instances."""


def emission_rows(columns: Iterable[Column], log: bool = False) -> list[list[Diagram]]:
    """A row of emissions, and one of shares below it if any of them is not whole."""
    values, shares = [], []
    for title, emitted, kept in columns:
        values.append(Diagram(title, EMISSION, emitted, log))
        shares.append(Diagram(title, FEASIBLE, kept))
    whole = all(
        np.nan_to_num(curve.sample, nan=100.0).min(initial=100.0) > 99.9
        for share in shares
        for curve in share.curves
    )
    return [values] if whole else [values, shares]
