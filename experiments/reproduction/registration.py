"""What was written down before figures are run: `registration.toml`, from which claims are built."""

import math
import tomllib
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from .verdicts import Average, Rule

FILE = Path(__file__).parent / "registration.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(_Strict):
    """What was changed, when and why, and whether results had been seen by then."""

    date: date
    what: str
    why: str
    after_first_look: bool


class Entry(_Strict):
    """What is registered of a claim; the head of the file says what each key means."""

    says: str
    quote: str
    section: str
    statistic: str
    unit: str
    average: Average = "mean"
    low: float = -math.inf
    high: float = math.inf
    seeds: int
    least: int = 10
    printed: tuple[str, ...]
    ours: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()
    open: dict[str, tuple[str | float, ...]] = {}
    once: dict[str, tuple[str, ...]] = {}
    readings: tuple[str, ...] = ()
    algebra: str = ""
    missing: str = ""
    changed: tuple[Change, ...] = ()

    def rule(self, subject: str) -> Rule:
        """By which the conditions of one of those who are run are judged."""
        average: Average = "median" if subject in self.trained else self.average
        return Rule(average, self.low, self.high, self.least)

    @property
    def test(self) -> str:
        """Statistic and range, in words."""
        finite = (math.isfinite(self.low), math.isfinite(self.high))
        where = {
            (True, True): f"between {self.low:g} and {self.high:g}",
            (True, False): f"more than {self.low:g}",
            (False, True): f"less than {self.high:g}",
        }[finite]
        average = f"{self.average}, of trainings the median," if self.trained else self.average
        return f"{self.statistic}; {average} {where}"

    def conditions(self, subject: str) -> list[str]:
        """Names of the conditions under which one of those who are run is judged."""
        kept = [name for name in self.open if name not in self.once.get(subject, ())]
        places = product(*([level_name(name, level) for level in self.open[name]] for name in kept))
        return [", ".join(place) for place in places]

    def another_reading(self, condition: str) -> bool:
        """Whether a condition is of another reading than the paper's own, or contradicts what it states."""
        return any(reading in condition.split(", ") for reading in self.readings)


class _File(_Strict):
    written: date
    assumed: dict[str, str]
    units: dict[str, str]
    changed: tuple[Change, ...]
    claim: dict[str, Entry]

    def unit(self, entry: Entry, condition: str) -> str:
        """Of a claim's numbers under a condition."""
        if entry.unit != "as the reading":
            return entry.unit
        return next(self.units[part] for part in condition.split(", ") if part in self.units)


def level_name(name: str, level: object) -> str:
    """As conditions are called: a level alone where it says enough."""
    if isinstance(level, str) and " " in level:
        return level
    return f"{name} = {level:g}" if isinstance(level, float) else f"{name} = {level}"


@cache
def registered() -> _File:
    """The whole file.

    Raises:
        ValueError: a key or value is not one of those above.
    """
    return _File.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
