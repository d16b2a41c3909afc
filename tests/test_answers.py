"""What is looked at in an answer of a policy or a model: what is converted, and which entry is told."""

from typing import Any

import numpy as np
import pytest

from edgesim.simulator.core.answers import DEVICE, amounts, diagnostics, numbers, truths
from edgesim.simulator.core.errors import AnswerError


@pytest.mark.parametrize("given", [[[1, 0]], [[True, False]], np.array([[1.0, 0.0]], np.float32)])
def test_what_is_harmless_is_converted(given: Any) -> None:
    found = numbers("power_w", given, (1, 2))
    assert found.dtype == np.float64 and found.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_the_first_entry_that_is_wrong_is_told(wrong: float) -> None:
    """Behind zeros, which are right."""
    assert amounts("power_w", [[0.0, 2.0]], (1, 2), DEVICE).tolist() == [[0.0, 2.0]]
    with pytest.raises(AnswerError, match=rf"{wrong} at replication 1, device 0; allowed: finite"):
        amounts("power_w", [[0.0, 2.0], [wrong, -3.0]], (2, 2), DEVICE)


@pytest.mark.parametrize(
    "given", [[["1", "0"]], np.ma.masked_array([[1.0, 2.0]]), [[1.0], [1.0, 2.0]]]
)
def test_what_is_no_number_is_refused(given: Any) -> None:
    with pytest.raises(AnswerError, match="not an array of numbers"):
        numbers("power_w", given, (1, 2))


def test_truths_are_true_or_false() -> None:
    assert truths("offload", [True, False], (2,)).tolist() == [True, False]
    with pytest.raises(AnswerError, match="not an array of True or False"):
        truths("offload", [1, 0], (2,))


def test_counts_of_diagnostics_are_amounts_and_bounds_are_numbers() -> None:
    given = {"iterations": [3, 0], "lower_bound_mg": [np.nan, -1.0]}
    assert diagnostics(given, 2)["iterations"].tolist() == [3.0, 0.0]
    with pytest.raises(AnswerError, match="finite and not negative"):
        diagnostics({"iterations": [3, -1]}, 2)
    with pytest.raises(AnswerError, match="'power_w' is not known"):
        diagnostics({"power_w": [1.0, 1.0]}, 2)
