"""Bounds of what a state from a file may hold, at each end; and how much memory there is."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgesim.simulator.core.memory import cores, memory_bytes
from edgesim.simulator.core.state_checks import (
    check_amounts,
    check_present,
    check_stations,
    check_used,
)


def test_stations_are_those_that_there_are() -> None:
    """Of 3: 0 to 2, and -1 where a device may have none."""
    for right, least in (([[0, 2]], 0), ([[-1, 2]], -1), ([[]], 0)):
        station = np.array(right, np.int64)
        check_stations(station, station.shape, 3, least)
    for wrong, least in (([[0, 3]], 0), ([[-1, 2]], 0), ([[-2, 2]], -1)):
        station = np.array(wrong, np.int64)
        with pytest.raises(ValueError, match="a station that is none of 3"):
            check_stations(station, station.shape, 3, least)
    for other in (np.zeros((1, 2)), np.zeros((1, 3), np.int64), [[0, 2]]):
        with pytest.raises(ValueError, match="not a station for each device"):
            check_stations(other, (1, 2), 3)


def test_nothing_is_used_that_was_not_drawn() -> None:
    for used in (0, 5):
        check_used(used, 5)
    for used in (-1, 6):
        with pytest.raises(ValueError, match=f"{used} used of 5 that were drawn"):
            check_used(used, 5)


def test_amounts_and_presence() -> None:
    check_amounts(np.array([0.0, np.inf]))
    for wrong in (-1e-300, np.nan):
        with pytest.raises(ValueError, match="negative, or no number"):
            check_amounts(np.array([0.0, wrong]))
    there = np.ones((2, 3), np.bool_)
    check_present(there, (2, 3))
    for other, shape in (
        (there, (3, 2)),
        (there.astype(np.int64), (2, 3)),
        ([[True] * 3] * 2, (2, 3)),
    ):
        with pytest.raises(ValueError, match="not whether each device is there"):
            check_present(other, shape)


@pytest.mark.parametrize(
    ("pages", "limit", "expected"),
    [
        (1000, "1000000\n", 1_000_000),
        (1000, "max\n", 4_096_000),
        (1000, "5000000", 4_096_000),
        (-1, "7", 7),
    ],
)
def test_memory_is_the_machines_or_what_its_control_group_leaves(
    pages: int, limit: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": pages}
    monkeypatch.setattr(os, "sysconf", told.__getitem__)
    monkeypatch.setattr(Path, "read_text", lambda path: limit)
    assert memory_bytes() == expected


def test_cores_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 7}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
