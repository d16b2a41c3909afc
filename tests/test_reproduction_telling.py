"""What the page says of claims: that it follows from what was judged, on made-up judgements."""

import math

import numpy as np
import pytest

from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.figure import Question, Ran
from edgesim.experiments.reproduction.judging import Judgement, Subject, answers, judge
from edgesim.experiments.reproduction.registration import registered
from edgesim.experiments.reproduction.stream_figures import READINGS
from edgesim.experiments.reproduction.telling import (
    because,
    called,
    counts,
    decisive,
    measured,
    measured_share,
    needed,
    row,
    sentences,
    tally,
    with_paper,
)
from edgesim.experiments.reproduction.verdicts import Check, Judged, Outcome, Rule

CLAIMS = {claim.id: (figure, claim) for figure in FIGURES.values() for claim in figure.claims}


def one(
    outcome: Outcome, ends: tuple[float, float] = (1.0, 3.0), kept: float = 1.0, seeds: int = 20
) -> Judged:
    """A comparison whose average is 2."""
    what = f"{outcome} {ends[0]:g}"
    return Judged(what, outcome, (2.0, *ends), 5, seeds, 30, ends[0] == ends[1], kept)


def judgement(subject: Subject, name: str = "c6-below-1", *more: Subject) -> Judgement:
    return Judgement(CLAIMS[name][1], "refuted", [subject, *more], {})


MIXED = Subject(
    "Algorithm 1 as printed",
    True,
    {
        "a": [one("holds"), one("holds")],
        "b": [one("holds"), one("infeasible", kept=0.07, seeds=2)],
        "c": [one("reversed")],
    },
    {"d": [one("equal")]},
    {"a": ["e", "f"], "d": ["g"]},
    run=True,
)


def test_conditions_that_repeat_others_are_counted() -> None:
    assert MIXED.counted() == {"holds": 3, "infeasible": 1, "reversed": 1}
    assert MIXED.counted(True) == {"equal": 2}
    assert counts(MIXED) == "holds under 3 of 5, reversed under 1 of 5, not comparable under 1 of 5"
    assert counts(MIXED, True) == "no difference under 2 of 2"
    assert counts(Subject("x", True)) == "not run"


def test_a_verdict_names_what_was_not_run_and_at_which_settings_it_is() -> None:
    figure, _ = CLAIMS["c6-below-1"]
    of = judgement(MIXED)
    assert called(of) == "refuted at our settings"
    assert called(judgement(MIXED, "a4-joint", Subject("AAC as printed", True))) == (
        "refuted at our settings (AAC as printed not run)"
    )
    # What is ours may be missing.
    assert called(judgement(MIXED, "a4-joint", Subject("ours", False))) == "refuted at our settings"
    assert because(of, figure) == (
        "Algorithm 1 as printed: holds under 3 of 5, reversed under 1 of 5, not comparable under 1 of 5 "
        "(all limits are kept in 7 % of the instances where nothing can be compared)."
    )


def test_what_was_not_run_says_whether_it_needs_trainings() -> None:
    for name, said in (
        ("a5-flat", "Not run, though Algorithm 1, P2 solved by us needs no training."),
        ("a7-dqn", "It needs trainings."),
        ("c4-best", "It needs trainings."),
        ("complexity-1", "Not run, though Algorithm 1 as printed needs no training."),
    ):
        figure, claim = CLAIMS[name]
        assert because(judge(claim, figure, Ran()), figure) == said
    assert "needs no training" in needed(FIGURES["carbon"])
    text = needed(FIGURES["time"])
    assert "needs trainings" in text and "the sweeps stream, search, tasks and once" in text


def test_both_algorithms_1_have_their_papers_letter() -> None:
    text = "Algorithms 1 and 2, Algorithm 1 as printed"
    for name, letter in (("a4-joint", "A"), ("c3-first", "C")):
        found = with_paper(text, judgement(MIXED, name))
        assert found == f"{letter}-Algorithms 1 and 2, {letter}-Algorithm 1 as printed"


def test_the_tally_has_every_verdict() -> None:
    of = [judge(claim, figure, Ran()) for figure, claim in CLAIMS.values()][:3]
    assert tally([*of, judgement(MIXED)]) == "Of 4 claims of both papers, 1 refuted and 3 not run."


def test_few_conditions_are_named_and_limits_told() -> None:
    text = " ".join(sentences(judgement(MIXED)))
    assert "Reversed: (c)." in text and "Not comparable: (b)." in text
    # Three hold, of which two repeat the one that has a row.
    assert "Holds:" not in text
    assert "(all limits are kept in 7 % of the instances where nothing can be compared)" in text


def test_too_few_numbers_are_no_broken_limits() -> None:
    """What nobody waits for has no ratio: 9 of 10 trainings say something, where ten are asked for."""
    subject = Subject(
        "AAC as printed", True, {"a": [one("infeasible", kept=0.9), one("reversed")]}, run=True
    )
    assert because(judgement(subject, "a4-stable"), FIGURES["a4"]) == (
        "AAC as printed: reversed under 1 of 1 (of one comparison too few instances say something)."
    )


@pytest.mark.parametrize(
    ("outcomes", "shown"),
    [
        ([one("holds"), one("undecided"), one("reversed")], "reversed 1"),
        ([one("holds"), one("equal"), one("infeasible")], "infeasible 1"),
        ([one("equal"), one("undecided"), one("holds")], "undecided 1"),
        # Of those that hold, the one with least to spare for the width of its interval.
        (
            [one("holds", (1.0, 3.0)), one("holds", (0.5, 3.5)), one("holds", (2.0, 2.0))],
            "holds 0.5",
        ),
    ],
)
def test_the_comparison_that_is_shown_decides(outcomes: list[Judged], shown: str) -> None:
    for order in (outcomes, outcomes[::-1]):
        assert decisive(order, Rule(low=0.0)).what == shown


def test_a_row_has_survivors_by_comparison() -> None:
    cells = row("b", MIXED.conditions["b"], MIXED, judgement(MIXED))
    assert cells[1:6] == ["infeasible", "1 of 2 hold", "100, 7 %", "20, 2 of 30", "infeasible 1"]
    # Too few for an interval, and no level where nothing is compared.
    assert cells[6:] == ["2 mg, too few", ""]
    first = row("a", MIXED.conditions["a"], MIXED, judgement(MIXED))
    assert first[0] == "a; and, the same in all values: (e) and (f)"
    assert first[3:5] == ["100 %", "20 of 30"] and first[7] == "1 %"


def test_what_is_the_same_in_all_instances_is_algebra_only_if_it_can_be_compared() -> None:
    same = one("holds", (2.0, 2.0))
    of = judgement(MIXED)
    assert row("x", [same, same], MIXED, of)[1] == "holds, algebra"
    assert row("x", [same, one("holds")], MIXED, of)[1] == "holds"
    late = one("infeasible", (2.0, 2.0), kept=0.1)
    assert row("x", [late], MIXED, of)[1] == "infeasible"


def test_numbers_of_readings_have_their_units() -> None:
    assert registered().units == {one.name: one.unit for one in READINGS}
    subject = Subject("x", True, {"energy per bit, V = 1e+12": [one("holds")]}, run=True)
    ((name, of),) = subject.conditions.items()
    assert row(name, of, subject, judgement(subject, "a4-radio"))[6] == "2.0 ± 1.0 nJ/bit"


def test_words_for_what_is_measured() -> None:
    nothing = Judged("", "infeasible", (math.nan, math.nan, math.nan), 1, 0, 30)
    assert measured(nothing, "mg") == measured_share(nothing) == "nothing"
    assert measured(one("holds", seeds=9), "mg", 10) == "2 mg, too few"
    assert measured(one("holds", seeds=10), "mg", 10) == "2.0 ± 1.0 mg"


def test_shares_stay_between_none_and_all() -> None:
    sample = np.array([100.0] * 2 + [0.0] * 18)
    question = Question("?", "%", lambda results: {"a": [Check("b", sample)]}, "share")
    ((_, found),) = answers(question, {})
    assert measured_share(found) == "10 (3 to 30)"


def test_claims_quote_their_paper() -> None:
    """A few words of it, and where they are; figures of other papers have none."""
    for name, entry in registered().claim.items():
        assert 4 <= len(entry.quote.split()) <= 25, name
        paper, _, place = entry.section.partition(", ")
        figure = CLAIMS[name][0]
        assert place and paper in ("paper A", "paper C")
        assert not figure.paper or paper.endswith(figure.paper), name
    assert set(registered().assumed) == {"A", "C"}
