"""The numbers behind a figure, from which its claims, its diagrams and the page are made: `numbers.json.gz`.

Six significant digits are kept, and verdicts are reached from these: what differs by less than a solver's
tolerance is equal.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import __version__
from ...simulator.core.errors import RunError
from ...simulator.core.outputs import put_bytes
from .figure import Figure, Ran, left_out

NAME = "numbers.json.gz"
DIGITS = 6


def store(figure: Figure, results: Mapping[str, xr.Dataset], quick: bool, path: Path) -> None:
    """Write the numbers of a figure; a file that has the same ones stays as it is.

    Args:
        figure: which.
        results: of what was run; the attribute `cpu_s` is what it took.
        quick: whether in the small version.
        path: of the file.

    Raises:
        OSError: it cannot be written.
    """
    kept = {training.name: training.kept for training in figure.trainings}
    for study in figure.studies:
        names = (study.name, *(left_out(study.name, share) for share in study.warmups))
        kept |= dict.fromkeys(names, study.kept)
    numbers = {
        "figure": figure.id,
        "quick": quick,
        "results": {name: _packed(data[list(kept[name])]) for name, data in results.items()},
    }
    if path.exists():
        known = json.loads(gzip.decompress(path.read_bytes()))
        if all(known.get(name) == value for name, value in numbers.items()):
            return
    made = {
        "edgesim": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "cpu_min": round(sum(data.attrs.get("cpu_s", 0.0) for data in results.values()) / 60.0, 1),
    }
    text = json.dumps(numbers | {"made": made}, separators=(",", ":")) + "\n"
    put_bytes(path, gzip.compress(text.encode(), mtime=0))


def load(path: Path) -> tuple[dict[str, Any], Ran]:
    """What a file says about itself, and its results.

    Raises:
        RunError: it is none of `store`'s.
        OSError: it cannot be read.
    """
    try:
        about = json.loads(gzip.decompress(path.read_bytes()))
        results = Ran({name: _unpacked(data) for name, data in about.pop("results").items()})
        about["figure"], about["quick"], about["made"]["cpu_min"]
    except (
        gzip.BadGzipFile,
        EOFError,
        zlib.error,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise RunError(f"{path}: not the numbers of a figure ({error})") from None
    return about, results


def _packed(data: xr.Dataset) -> dict[str, Any]:
    """Coordinates, and each variable's numbers in the order of its dimensions."""
    coords = {str(dim): data[dim].values.tolist() for dim in data.dims if dim in data.coords}
    return {
        "coords": coords,
        "values": {
            str(name): {
                "dims": list(values.dims),
                "shape": list(values.shape),
                "data": [_short(value) for value in np.ravel(values.values).tolist()],
            }
            for name, values in data.items()
        },
    }


def _short(value: float) -> float | int | None:
    """Six significant digits; None for NaN."""
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 10**DIGITS else short


def _unpacked(packed: dict[str, Any]) -> xr.Dataset:
    variables = {
        name: (of["dims"], np.array(of["data"], dtype=float).reshape(of["shape"]))
        for name, of in packed["values"].items()
    }
    return xr.Dataset(variables, packed["coords"])
