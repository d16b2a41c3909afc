"""What the page says about a claim, in words: its rules, the verdict, why it follows, and rows of tables."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

import numpy as np

from ...traces.printing import duration
from .figure import Figure, NotRun, Ran
from .judging import Judgement, Subject
from .registration import registered
from .sentences import interval, listed, span
from .verdicts import LEAST_KEPT, LEVEL, Judged, Outcome, Rule, Verdict, condition

INTRO = (
    (
        "This is exploratory. Each claim is registered with its statistic, range, seeds and conditions "
        f"(first on {registered().written}), but ranges and rules were revised after results had been seen; "
        "each change is dated beside its claim, and those of the rules are below. A range is the paper's "
        "where its sentence has the number; all others are ours, and so are numbers of SBSs, devices and cycles "
        "that the paper shows on an axis alone."
    ),
    (
        "Step one, comparison by comparison. If all limits are kept in less than "
        f"{100.0 * LEAST_KEPT:g} % of the instances, or fewer than {Rule().least} say anything, it is infeasible, whatever "
        "it measures. Else it holds if its interval lies within the range, is reversed if it lies wholly "
        "outside, is equal if what is compared is the same in each instance, and is undecided otherwise. "
        f"Intervals are corrected by Holm's procedure, {100.0 * LEVEL:g} % over all comparisons that can be compared "
        "and that a verdict looks at. A condition, a value of what the paper leaves open, holds if all of its "
        "comparisons do. It is reversed if one is; else infeasible if one is, as it could not hold however "
        "many instances are run; equal if all are; else undecided. Conditions of which all values agree are one "
        "in the correction and in tables; counts are of all."
    ),
    (
        "Step two, on what is printed: the paper's own words for what is measured, its algorithm, the "
        "settings that it states. In this order: not run; not testable, if a parameter that is not stated and was "
        "not varied is known to decide; reproduced as printed, if all conditions hold and all that is printed "
        "was run; reproduced under conditions, if some hold; refuted, if one is reversed; undecided, if one "
        "is; refuted, if one makes no difference; not testable, as nothing can be compared within its limits. What "
        "is not stated but was varied is a condition; what was not varied is named under each paper, and a "
        "claim is refuted at our settings of it, not at others. Other algorithms under names of their own, "
        "and other readings or settings than the paper's, stand beside it and decide nothing."
    ),
)

GLOSSARY = (
    (
        "A-Algorithm 1, C-Algorithm 1",
        "Algorithm 1 of paper A (P2 in each slot; how it is solved is ours), and of paper C (successive convex approximation)",
    ),
    ("AAC, DQN", "asynchronous actor-critic, what paper A proposes and draws, and deep Q-learning"),
    ("EPR, EPR-EP", "equal processing rates, without and with equal powers"),
    ("SBS, MBS", "small base station, macro base station"),
    (
        "A(19), C(10), …",
        "equations of paper A or C; C(10) is the worst-case emission with its limits",
    ),
    ("guided", "a learner of ours that shifts a decision which a model has worked out"),
    (
        "our search",
        "a search over nested sets of offloaders, each with a joint convex program: another algorithm than C-Algorithm 1",
    ),
    (
        "exact optimum",
        "of C(10) in each instance; that no other set of offloaders is better is proven",
    ),
    (
        "instance",
        "one draw of places, channels and tasks: one slot of one seed in paper C, one run in paper A, one training of what learns",
    ),
    (
        "within limits",
        "in which part of the instances that have a solution all that is compared keeps all limits and is a number, by comparison",
    ),
    ("instances", "how many say something, of how many, by comparison"),
    (
        "shown",
        "the comparison that decides the outcome; where all hold, the one whose interval comes nearest to an end of the range",
    ),
    ("measured", "its average and corrected interval"),
    ("level", "what its interval leaves out, after the correction"),
    ("algebra", "no instance that was drawn differs; a sentence says where none can"),
    ("theta_0, theta_m, V", "in W s³/cycle³, W s³/cycle³ and bit²/J; cycles are in Mcycles"),
)

WORDS: dict[Outcome, str] = {
    "holds": "holds",
    "reversed": "reversed",
    "equal": "no difference",
    "infeasible": "not comparable",
    "undecided": "undecided",
}

ORDER: tuple[Outcome, ...] = ("reversed", "infeasible", "undecided", "equal", "holds")
"""Of what decides a condition."""

NAMED = 3
"""So many conditions are named in a sentence; the table has all."""


def tally(judgements: Sequence[Judgement]) -> str:
    """How many claims came out how."""
    verdicts = [one.verdict for one in judgements]
    each = [
        f"{verdicts.count(one)} {one}"
        for one in dict.fromkeys(sorted(verdicts, key=get_args(Verdict).index))
    ]
    return f"Of {len(verdicts)} claims of both papers, {listed(each)}."


def with_paper(text: str, one: Judgement) -> str:
    """Both papers have an Algorithm 1: with the paper's letter, where both are told."""
    letter = one.claim.entry.section.removeprefix("paper ")[:1]
    return re.sub(r"\b(Algorithms? \d)", rf"{letter}-\1", text)


def called(one: Judgement) -> str:
    """The verdict, with what it leaves out."""
    verdict = "refuted at our settings" if one.verdict == "refuted" else str(one.verdict)
    absent = [of.name for of in one.subjects if of.printed and not of.run]
    part = absent and one.verdict != "not run"
    return f"{verdict} ({listed(absent)} not run)" if part else verdict


def because(one: Judgement, figure: Figure) -> str:
    """A sentence: what came out of what is printed, or what that needs."""
    printed = [of for of in one.subjects if of.printed]
    if said := [f"{of.name}: {counts(of)}{_limits(of)}" for of in printed if of.run]:
        return f"{'; '.join(said)}."
    free = [of.name for of in printed if _is_free(one, of.name, figure)]
    return f"Not run, though {listed(free)} needs no training." if free else "It needs trainings."


def _is_free(one: Judgement, subject: str, figure: Figure) -> bool:
    """Whether a subject that was not run needs no training: by the first results that it asks for."""
    try:
        one.claim.subjects[subject](Ran())
    except NotRun as missing:
        return any(of.name == str(missing) and not of.learned for of in figure.studies)
    return True


def counts(subject: Subject, other: bool = False) -> str:
    """'holds under 6 of 24, reversed under 18 of 24'."""
    if not subject.run:
        return "not run"
    found = subject.counted(other)
    of = sum(found.values())
    said = [f"{WORDS[one]} under {found[one]} of {of}" for one in WORDS if one in found]
    return ", ".join(said) or "nothing"


def _limits(subject: Subject) -> str:
    """Why comparisons are infeasible: in how few instances limits are kept, or that too few say something."""
    kept = [
        one.kept for of in subject.conditions.values() for one in of if one.outcome == "infeasible"
    ]
    late = [100.0 * share for share in kept if share < LEAST_KEPT]
    if late:
        return f" (all limits are kept in {span(late, 2)} % of the instances where nothing can be compared)"
    return " (of one comparison too few instances say something)" if kept else ""


def needed(figure: Figure) -> str:
    """What a figure that was not run would take."""
    sweeps = duration(60.0 * figure.minutes[0])
    if not figure.trainings:
        return f"Not run. It needs no training, and about {sweeps} of CPU time."
    hours = duration(60.0 * sum(one.minutes[0] for one in figure.trainings))
    free = [study.name for study in figure.studies if not study.learned]
    rest = f" Without trainings it has the sweeps {listed(free)}." if free else ""
    return f"Not run. It needs trainings, about {hours} of CPU time, and sweeps of about {sweeps}.{rest}"


def sentences(one: Judgement) -> Iterator[str]:
    """Why the verdict follows, from what was judged alone."""
    entry = one.claim.entry
    if absent := [subject.name for subject in one.subjects if not subject.run]:
        yield f"Not run: {listed(absent)}."
    for subject in one.subjects:
        if not subject.run:
            continue
        yield f"{subject.name}: {counts(subject)} conditions{_limits(subject)}.{_few(subject)}"
    if entry.algebra and any(
        of.algebra
        for subject in one.subjects
        for found in subject.conditions.values()
        for of in found
    ):
        yield f"Algebra, where nothing varies: {entry.algebra}"
    if entry.missing:
        yield f"What decides is not stated: {entry.missing}."
    for choice in one.again:
        verdict = one.again[choice]
        same = "the same" if choice not in one.depends else f"{verdict}: it depends on this choice"
        yield f"With {choice} the verdict is {same}."
    if one.reason:
        yield one.reason


def _few(subject: Subject) -> str:
    """The conditions of an outcome that is not that of all, by name where they are few."""
    outcomes = subject.outcomes()
    found = {outcome: [name for name, of in outcomes.items() if of == outcome] for outcome in WORDS}
    some = [
        f" {WORDS[outcome].capitalize()}: {listed(f'({name})' for name in names)}."
        for outcome, names in found.items()
        if 0 < len(names) <= NAMED and len(names) == subject.counted()[outcome] < len(outcomes)
    ]
    return "".join(some)


def row(name: str, of: list[Judged], subject: Subject, one: Judgement) -> list[str]:
    """Of the table of conditions."""
    entry = one.claim.entry
    shown = decisive(of, entry.rule(subject.name))
    outcome = condition(of)
    derived = entry.algebra and outcome != "infeasible" and all(each.algebra for each in of)
    more = subject.repeats.get(name, [])
    named = name or "the one"
    if more:
        named += f"; and, the same in all values: {listed(f'({other})' for other in more)}"
    compared = shown.outcome != "infeasible" and not shown.algebra
    return [
        named,
        f"{outcome}, algebra" if derived else outcome,
        f"{sum(each.outcome == 'holds' for each in of)} of {len(of)} hold",
        f"{_each(of, lambda each: f'{100.0 * each.kept:.0f}')} %",
        f"{_each(of, lambda each: str(each.seeds))} of {shown.runs}",
        shown.what,
        measured(shown, registered().unit(entry, name), entry.least),
        f"{100.0 * LEVEL / shown.divisor:.2g} %" if compared else "",
    ]


def decisive(of: Sequence[Judged], rule: Rule) -> Judged:
    """Of a condition's comparisons the first that decides it, or that holds with least to spare."""

    def spare(one: Judged) -> float:
        _, low, high = one.interval
        if one.outcome != "holds" or high <= low:
            return np.inf
        return min(low - rule.low, rule.high - high) / (high - low)

    return min(of, key=lambda one: (ORDER.index(one.outcome), spare(one)))


def _each(of: Sequence[Judged], number: Callable[[Judged], str]) -> str:
    """A number of each comparison, in their order; of many that differ the least and the most."""
    found = [number(one) for one in of]
    if len(set(found)) == 1:
        return found[0]
    return ", ".join(found) if len(found) <= 6 else span([float(one) for one in found])


def measured(found: Judged, unit: str = "1", least: int = 0) -> str:
    """Average and interval; none of fewer values than decide anything."""
    if not found.seeds:
        return "nothing"
    if found.seeds < least:
        value = interval(found.interval[0], found.interval[0], found.interval[0], unit)
        return f"{value.replace(', no variance', '')}, too few"
    return interval(*found.interval, unit)


def measured_share(found: Judged) -> str:
    """A share in per cent, and its interval."""
    value, low, high = found.interval
    return f"{value:.0f} ({low:.0f} to {high:.0f})" if found.seeds else "nothing"
