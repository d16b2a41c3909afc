"""What is looked at in an answer that may be of somebody else's: a policy's, or a model's."""

from collections.abc import Mapping, Sequence
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import FloatArray, first_invalid
from .errors import AnswerError

LINK = ("replication", "device", "station")
"""What the axes of an array count; the first two of them those of a device's column."""

DEVICE = LINK[:2]
STATION = ("replication", "station")

DIAGNOSTICS = ("lower_bound_mg", "optimality_gap", "iterations", "failed_solves")
"""The trace variables that a policy may give."""

_COUNTS = DIAGNOSTICS[2:]


def amounts(field: str, values: Any, shape: tuple[int, ...], axes: Sequence[str]) -> FloatArray:
    """Numbers that are finite and not negative; what is harmless (lists, integers) is converted.

    Raises:
        AnswerError: there is another one, or no numbers, or none in this shape.
    """
    found = numbers(field, values, shape)
    if first_invalid(found.reshape(-1)) >= 0:
        at = first(~((found >= 0.0) & (found < np.inf)))
        assert at is not None
        what = f"{found[at]} at {place(at, axes)}"
        raise AnswerError(field, f"{what}; allowed: finite and not negative")
    return found


def numbers(field: str, values: Any, shape: tuple[int, ...]) -> FloatArray:
    """Numbers, in the shape that is asked for.

    Raises:
        AnswerError: there are none, or in another one.
    """
    if not (type(values) is np.ndarray and values.dtype == np.float64):
        values = _array(field, values, "biuf", "numbers").astype(np.float64)
    found: FloatArray = values
    _check_shape(field, found, shape)
    return found


def whole_numbers(
    field: str, values: Any, shape: tuple[int, ...] | None = None
) -> NDArray[np.integer[Any]]:
    """Whole numbers, in a shape or in any; none at all are whole, too.

    Raises:
        AnswerError: there are others, or in another shape.
    """
    array = _array(field, values, "iu", "whole numbers")
    if shape is not None:
        _check_shape(field, array, shape)
    return array


def truths(field: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """True or False, in the shape that is asked for.

    Raises:
        AnswerError: there is something else, or in another shape.
    """
    array = _array(field, values, "b", "True or False")
    _check_shape(field, array, shape)
    return array.astype(np.bool_)


def first(wrong: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """The place of the first that is wrong, of any shape; None if there is none."""
    if not wrong.any():
        return None
    return tuple(int(n) for n in np.unravel_index(int(wrong.argmax()), wrong.shape))


def place(index: Sequence[int], axes: Sequence[str]) -> str:
    """An entry, in words; of an array with as many axes, or fewer."""
    return ", ".join(f"{axis} {number}" for axis, number in zip(axes, index, strict=False))


def diagnostics(given: Any, replications: int) -> dict[str, FloatArray]:
    """What a policy tells the trace of how it decided: by name, (R,) a number for each replication.

    Raises:
        AnswerError: it is of a variable that a policy does not give, or no number for each replication.
    """
    if type(given) is dict and not given:  # as is the rule
        return given
    if not isinstance(given, Mapping):
        raise AnswerError("diagnostics", f"expected a mapping, got {type(given).__name__}")
    found = {}
    for name, values in given.items():
        if name not in DIAGNOSTICS:
            what = f"{shortened(name)} is not known; allowed: {', '.join(DIAGNOSTICS)}"
            raise AnswerError("diagnostics", what)
        if name in _COUNTS:
            found[name] = amounts(name, values, (replications,), DEVICE)
        else:
            found[name] = numbers(name, values, (replications,))
    return found


def _check_shape(field: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise AnswerError(field, f"shape {array.shape}, expected {shape}")


def _array(field: str, values: Any, kinds: str, what: str) -> NDArray[Any]:
    """An array of some of numpy's kinds; what is masked in one is no number, and text is none."""
    try:
        array = np.asarray(values)
    except Exception:  # noqa: BLE001 - whatever it is, it is no array
        array = np.array(None)
    if isinstance(values, np.ma.MaskedArray) or (array.dtype.kind not in kinds and array.size):
        kind = f"{type(values).__name__} of {array.dtype}" if array.dtype.kind != "O" else ""
        raise AnswerError(field, f"not an array of {what}: {kind or shortened(values)}")
    return array
