"""Claims and questions held against the results of a figure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .figure import Claim, Evidence, Figure, NotRun, Question, Ran, Results, left_out
from .registration import Entry
from .verdicts import (
    Checks,
    Judged,
    Outcome,
    Rule,
    Verdict,
    conclude,
    condition,
    distinct,
    judged,
    share,
)


@dataclass(frozen=True)
class Subject:
    """Who is judged, and under which conditions it went how.

    Attributes:
        name: as registered.
        printed: whether it is as the paper has it.
        conditions: of the paper's own words, by name.
        readings: of another reading or setting.
        repeats: by condition, those that repeat it and are left out.
        run: whether it was.
    """

    name: str
    printed: bool
    conditions: Mapping[str, list[Judged]] = field(default_factory=dict)
    readings: Mapping[str, list[Judged]] = field(default_factory=dict)
    repeats: Mapping[str, list[str]] = field(default_factory=dict)
    run: bool = False

    def outcomes(self, other: bool = False) -> dict[str, Outcome]:
        """By condition of the paper's own words, or of another reading."""
        return {
            name: condition(of)
            for name, of in (self.readings if other else self.conditions).items()
        }

    def counted(self, other: bool = False) -> dict[Outcome, int]:
        """By outcome, how many conditions, those that repeat another counted too."""
        found: dict[Outcome, int] = {}
        for name, outcome in self.outcomes(other).items():
            found[outcome] = found.get(outcome, 0) + 1 + len(self.repeats.get(name, ()))
        return found


@dataclass(frozen=True)
class Judgement:
    """Of a claim.

    Attributes:
        claim: which.
        verdict: on what is printed.
        subjects: who was judged.
        again: by a choice of ours, the verdict if it is made otherwise.
        reason: what explains it; may be empty.
    """

    claim: Claim
    verdict: Verdict
    subjects: list[Subject]
    again: dict[str, Verdict]
    reason: str = ""

    @property
    def depends(self) -> list[str]:
        """The choices of ours on which the verdict depends."""
        return [choice for choice, verdict in self.again.items() if verdict != self.verdict]


def judge(claim: Claim, figure: Figure, results: Results) -> Judgement:
    """A claim, by what was run; again with other warm-ups, where a figure has them."""
    watched = _Watched(results)
    subjects, verdict = _subjects(claim, watched, results)
    again = {}
    for part in sorted({one for study in figure.studies for one in study.warmups}):
        others = {
            study.name: results[left_out(study.name, part)]
            for study in figure.studies
            if part in study.warmups and left_out(study.name, part) in results
        }
        if others and verdict != "not run" and watched.looked_at() & set(others):
            choice = f"{100.0 * part:g} % of the slots left out first"
            again[choice] = _subjects(claim, Ran({**results, **others}))[1]
    reason = ""
    if claim.reason and any(one.run for one in subjects):
        of = {one.name: {**one.conditions, **one.readings} for one in subjects if one.run}
        try:
            reason = claim.reason(Evidence(results, of))
        except NotRun:
            reason = ""
    return Judgement(claim, verdict, subjects, again, reason)


class _Watched(Ran):
    """Results that remember which of them were asked for."""

    def __init__(self, results: Results) -> None:
        super().__init__(results)
        self.asked: set[str] = set()

    def __getitem__(self, name: str):  # type: ignore[no-untyped-def]
        self.asked.add(name)
        return super().__getitem__(name)

    def looked_at(self) -> set[str]:
        """Those that were asked for; none if what asked compares warm-ups itself: it is not judged again."""
        return set() if any("left out" in name for name in self.asked) else self.asked


def _subjects(
    claim: Claim, printed: Results, ours: Results | None = None
) -> tuple[list[Subject], Verdict]:
    """Step one for each subject, and step two for those that are printed, together.

    Args:
        claim: which.
        printed: the results by which those that are printed are judged.
        ours: by which the others are, if they are.
    """
    entry, found = claim.entry, {}
    of_all = [(name, printed) for name in entry.printed]
    of_all += [] if ours is None else [(name, ours) for name in entry.ours]
    for name, results in of_all:
        try:
            found[name] = claim.subjects[name](results)
        except NotRun:
            continue
    own, repeats, readings = {}, {}, {}
    for name, checks in found.items():
        others = {place: of for place, of in checks.items() if entry.another_reading(place)}
        words = {place: of for place, of in checks.items() if place not in others}
        own[name], repeats[name] = distinct(words)
        readings[name], more = distinct(others)
        repeats[name] |= more
    # Intervals are corrected over all that one verdict looks at: what is printed; and each of ours alone.
    together = {name: own[name] for name in entry.printed if name in own}
    of = _together(entry, together)
    of |= {name: judged(entry.rule(name), own[name]) for name in entry.ours if name in own}
    subjects = [
        Subject(
            name,
            name in entry.printed,
            of[name],
            judged(entry.rule(name), readings[name]),
            repeats[name],
            run=True,
        )
        if name in found
        else Subject(name, name in entry.printed)
        for name in (*entry.printed, *entry.ours)
    ]
    outcomes = [
        one for subject in subjects if subject.printed for one in subject.outcomes().values()
    ]
    return subjects, conclude(outcomes, entry.missing, set(entry.printed) <= set(found))


def _together(entry: Entry, checks: Mapping[str, Checks]) -> dict[str, dict[str, list[Judged]]]:
    """Conditions of several subjects, corrected over all of them."""
    places = [(name, place) for name, of in checks.items() for place in of]
    all_of = judged(
        {str(k): entry.rule(name) for k, (name, _) in enumerate(places)},
        {str(k): checks[name][place] for k, (name, place) in enumerate(places)},
    )
    found: dict[str, dict[str, list[Judged]]] = {name: {} for name in checks}
    for k, (name, place) in enumerate(places):
        found[name][place] = all_of[str(k)]
    return found


def answers(question: Question, results: Results) -> Iterator[tuple[str, Judged]]:
    """The numbers that answer a question, with intervals of 95 %: the name of a place, and one of them.

    Raises:
        NotRun: what it asks about was not.
    """
    interval = share if question.average == "share" else Rule(question.average).interval
    for name, checks in question.checks(results).items():
        for check in checks:
            seeds, runs = len(check.known), len(check.sample)
            yield name, Judged(check.what, "undecided", interval(check.sample), 1, seeds, runs)
