"""What claims and panels are made of: slices of a study's dataset."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from ...simulator.core.arrays import FloatArray
from .figure import Check, Line, Panel

if TYPE_CHECKING:
    import xarray as xr


def split(data: "xr.Dataset", *dims: str) -> "Iterator[tuple[str, xr.Dataset]]":
    """The dataset at each combination of values of these dimensions, with its name."""
    for values in product(*(data[dim].values.tolist() for dim in dims)):
        at = dict(zip(dims, values, strict=True))
        yield named(at), data.sel(at)


def named(at: dict[str, object]) -> str:
    """A combination of values, as tables call it; a name alone where a value says enough."""
    return ", ".join(
        f"{value}" if isinstance(value, str) and " " in value else f"{dim} = {short(value)}"
        for dim, value in at.items()
    )


def short(value: object) -> str:
    """A number without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def emission(data: "xr.Dataset", policies: Sequence[str] = ()) -> "xr.DataArray":
    """Worst-case emission, mg, in the instances where all these policies keep all limits; else NaN.

    An instance that one scheme cannot serve says nothing about what it emits: the least violation
    often is to keep local what is over its budget.

    Args:
        data: with `policy`.
        policies: those that are compared; all of them by default.
    """
    chosen = data.sel(policy=list(policies)) if policies else data
    possible = (chosen["feasible_share"] > 1.0 - 1e-9).all("policy")
    return chosen["worst_emission_mg"].where(possible)


def above(
    upper: "xr.DataArray", lower: "xr.DataArray", along: str, least: float = 0.0, what: str = ""
) -> list[Check]:
    """That one exceeds the other at each value of a dimension, by more than `least`.

    They are paired where both have the dimension `seed`.
    """
    difference = upper - lower
    return [
        Check(f"{what}{along} = {short(at)}", sample(difference.sel({along: at})), low=least)
        for at in difference[along].values.tolist()
    ]


def rising(values: "xr.DataArray", along: str, what: str = "") -> list[Check]:
    """That values rise from each place of a dimension to the next."""
    places = values[along].values.tolist()
    return [
        Check(
            f"{what}{along} from {short(a)} to {short(b)}",
            sample(values.sel({along: b}) - values.sel({along: a})),
            low=0.0,
        )
        for a, b in pairwise(places)
    ]


def trained(data: "xr.Dataset", label: str) -> list[str]:
    """The policies of a study that were trained under this label, one for each training seed."""
    names: list[str] = data["policy"].values.tolist()
    return [
        name for name in names if name.startswith(f"{label} ") and name[len(label) + 1].isdigit()
    ]


def by_training(values: "xr.DataArray", data: "xr.Dataset", label: str) -> "xr.DataArray":
    """Means over the runs' seeds of what was trained: `seed` is then the number of the training."""
    means = values.sel(policy=trained(data, label)).mean(dim="seed").rename(policy="seed")
    return means.assign_coords(seed=np.arange(1, means.sizes["seed"] + 1))


def curve(label: str, data: "xr.Dataset", value: str, steps: str, per_x: float) -> Line:
    """A training's course, by training seed.

    Args:
        label: what the legend calls it.
        data: of trainings with one setting.
        value: which column of its tables.
        steps: the variable with its steps.
        per_x: how many of these are one on the horizontal axis.
    """
    values = data[value].transpose(..., "seed")
    x = data[steps].transpose(..., "seed").mean(dim="seed").values / per_x
    return Line(label, np.asarray(x, dtype=float), np.asarray(values.values, dtype=float))


def geometric_mean(ratios: "xr.DataArray", dim: str) -> FloatArray:
    """(S,) by seed, over a dimension; places where a seed says nothing are left out."""
    logs = ratios.copy(data=np.log(ratios.values))
    return np.exp(sample(logs.mean(dim)))


def sample(values: "xr.DataArray") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """(S,) by seed."""
    return np.asarray(values.transpose("seed").values, dtype=float)


def line(label: str, values: "xr.DataArray", x: str) -> Line:
    """Of values over a dimension and `seed`."""
    at = np.asarray(values[x].values, dtype=float)
    return Line(label, at, np.asarray(values.transpose(x, "seed").values, dtype=float))


def panel(
    title: str, y: str, values: "xr.DataArray", x: str, by: str = "policy", log: bool = False
) -> Panel:
    """A panel of values over `x`, with a line for each value of `by`."""
    lines = (
        line(at if isinstance(at, str) else f"{by} = {short(at)}", values.sel({by: at}), x)
        for at in values[by].values.tolist()
    )
    return Panel(title, y, tuple(lines), log)


def emission_panels(
    data: "xr.Dataset", x: str, columns: str, *rows: str, policies: Sequence[str] = ()
) -> list[list[Panel]]:
    """Emission, and below it the share of feasible instances, a column for each value of `columns`."""
    shown = data.sel(policy=list(policies)) if policies else data
    found = []
    for _, row in split(shown, *rows):
        parts = list(split(row, columns))
        names = [title_of(part, columns, *rows) for _, part in parts]
        found += with_shares(
            [panel(n, EMISSION, emission(p), x) for n, (_, p) in zip(names, parts, strict=True)],
            [
                panel(n, FEASIBLE, 100.0 * p["feasible_share"], x)
                for n, (_, p) in zip(names, parts, strict=True)
            ],
        )
    return found


def with_shares(values: list[Panel], shares: list[Panel]) -> list[list[Panel]]:
    """A row of panels, and below it the row of shares if any of them is not whole."""
    whole = all(
        np.nan_to_num(line.sample, nan=100.0).min(initial=100.0) > 99.9
        for share in shares
        for line in share.lines
    )
    return [values] if whole else [values, shares]


def title_of(data: "xr.Dataset", *dims: str) -> str:
    """Of a panel that has one value of each of these dimensions."""
    return named({dim: data[dim].item() for dim in dims})


EMISSION = "worst-case emission [mg]"
FEASIBLE = "instances feasible [%]"
