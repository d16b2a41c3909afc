"""From numbers to verdicts, on made-up results of known truth."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgesim.experiments.reproduction.verdicts import (
    LEVEL,
    Average,
    Check,
    Checks,
    Outcome,
    Rule,
    Verdict,
    conclude,
    condition,
    distinct,
    holm,
    judged,
    share,
)

POSITIVE = Rule(low=0.0)
ABOVE_ONE = Rule("geometric mean", low=1.0)
MEDIAN = Rule("median", low=0.0)


def normal(mean: float, count: int = 20, spread: float = 1.0, seed: int = 7) -> Any:
    """Of exactly this mean."""
    sample = np.random.default_rng(seed).standard_normal(count)
    return mean + spread * (sample - sample.mean())


def outcome(rule: Rule, sample: Any, kept: Any = None) -> Outcome:
    """Of a claim with one comparison."""
    (one,) = judged(rule, {"": [Check("", np.asarray(sample, dtype=float), kept)]})[""]
    return one.outcome


# ------------------------------------------------------------------------------------- known truths

TRUTHS: list[tuple[str, Rule, Any, str]] = [
    ("holding", POSITIVE, normal(3.0), "holds"),
    ("reversed", POSITIVE, normal(-3.0), "reversed"),
    ("undecided", POSITIVE, normal(0.0), "undecided"),
    ("no variance, holding", POSITIVE, [2.0] * 20, "holds"),
    ("no variance, reversed", POSITIVE, [-2.0] * 20, "reversed"),
    ("no variance, nothing between them", POSITIVE, [0.0] * 20, "equal"),
    ("variance of rounding alone", POSITIVE, 2.0 + 1e-12 * normal(0.0), "holds"),
    ("infeasible", POSITIVE, [*normal(3.0, 4), *[math.nan] * 16], "infeasible"),
    ("survivors", POSITIVE, [*normal(9.0, 12), *[math.nan] * 18], "infeasible"),
    ("too few seeds", POSITIVE, normal(3.0, 4), "undecided"),
    # One seed out of 20 that hides what all others say: no verdict of the opposite, and none at all.
    ("one outlier", POSITIVE, [*normal(3.0, 19), -200.0], "undecided"),
    ("one outlier, median", MEDIAN, [*normal(3.0, 19), -200.0], "holds"),
    ("ratios, holding", ABOVE_ONE, np.exp(normal(1.0, 20, 0.5)), "holds"),
    ("ratios, reversed", ABOVE_ONE, np.exp(normal(-1.0, 20, 0.5)), "reversed"),
    ("between, inside", Rule(low=-1.0, high=1.0), normal(0.0, 40, 0.3), "holds"),
    ("between, beyond", Rule(low=-1.0, high=1.0), normal(2.0, 40, 0.3), "reversed"),
    ("between, below", Rule(low=-1.0, high=1.0), normal(-2.0, 40, 0.3), "reversed"),
    ("between, at an end", Rule(low=-1.0, high=1.0), normal(1.0, 40, 0.3), "undecided"),
    ("less than", Rule(high=0.0), normal(-3.0), "holds"),
    ("five trainings have no median", Rule("median", 0.0, least=5), normal(9.0, 5), "undecided"),
    ("ten have", MEDIAN, normal(9.0, 10), "holds"),
]


@pytest.mark.parametrize(
    ("rule", "sample", "expected"), [of[1:] for of in TRUTHS], ids=[of[0] for of in TRUTHS]
)
def test_an_outcome_is_the_known_truth(rule: Rule, sample: Any, expected: str) -> None:
    assert outcome(rule, sample) == expected


def test_what_is_told_of_a_comparison() -> None:
    sample = np.array([*normal(3.0, 12), *[math.nan] * 3])
    (one,) = judged(POSITIVE, {"": [Check("1100 Mcycles", sample)]})[""]
    assert (one.what, one.seeds, one.runs, one.divisor) == ("1100 Mcycles", 12, 15, 1)
    assert not one.algebra
    (same,) = judged(POSITIVE, {"": [Check("", np.full(12, 2.0))]})[""]
    assert same.algebra and same.interval == (2.0, 2.0, 2.0)
    for spread, is_algebra in ((4e-7, True), (2e-6, False)):
        little = 2.0 + spread * np.resize([1.0, -1.0], 12)
        (one,) = judged(POSITIVE, {"": [Check("", little)]})[""]
        assert (one.algebra, one.outcome) == (is_algebra, "holds")
    # Rounding is no chance, and takes no part in the correction.
    rounded = Check("", 2.0 + 1e-12 * normal(0.0))
    found = judged(POSITIVE, {"": [rounded, Check("", normal(3.0))]})[""]
    assert [(one.algebra, one.divisor) for one in found] == [(True, 1), (False, 1)]


def test_all_with_enough_seeds_are_corrected_together() -> None:
    """Ten seeds are enough; nine are not, and no comparison to be corrected for."""
    checks = {str(n): [Check("", normal(3.0, n, seed=n))] for n in (10, 11, 9)}
    found = judged(POSITIVE, checks)
    assert sorted(found[n][0].divisor for n in ("10", "11")) == [1, 2]
    assert (found["9"][0].divisor, found["9"][0].outcome) == (1, "undecided")


def test_what_is_at_the_end_of_the_range_is_on_neither_side_of_it() -> None:
    """Three zeros and seven above: as likely as at most three heads of ten coins, twice."""
    sample = np.array([0.0] * 3 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert MEDIAN.p_value(sample) == pytest.approx(2.0 * (1 + 10 + 45 + 120) / 1024.0)
    assert Rule("median", high=0.0).p_value(-sample) == pytest.approx(2.0 * 176 / 1024.0)


@pytest.mark.parametrize(
    "sample", [normal(3.0), normal(-3.0), normal(0.0), np.zeros(20), np.ones(20)]
)
def test_decisions_that_break_limits_decide_nothing_whatever_they_emit(sample: Any) -> None:
    """Neither holding nor reversed, neither equal nor undecided: a late decision emits what it likes."""
    free = outcome(POSITIVE, sample)
    assert free != "infeasible"
    for kept, expected in ((0.49, "infeasible"), (0.5, free), (0.6, free)):
        assert outcome(POSITIVE, sample, np.full(20, kept)) == expected
    # Instances that do not count are left out of the share; few seeds are too few before all else.
    assert outcome(POSITIVE, sample, np.array([1.0] * 4 + [math.nan] * 16)) == free
    assert outcome(POSITIVE, sample[:9], np.zeros(9)) == "undecided"
    assert Check("", sample, np.full(20, math.nan)).share_kept == 0.0  # where none counts


def test_what_decides_nothing_takes_no_part_in_the_correction() -> None:
    late = Check("late", normal(3.0), np.full(20, 0.2))
    found = judged(POSITIVE, {"late": [late, late], "in time": [Check("", normal(3.0))]})
    assert found["in time"][0].divisor == 1
    assert found["late"][0].kept == pytest.approx(0.2) and found["late"][0].seeds == 20


# ------------------------------------------------------------------------------------------ intervals


def test_an_interval_is_students() -> None:
    """Four values with mean 2 and standard deviation 1.826: t(3) is 3.182."""
    sample = np.array([0.0, 4.0, 1.0, 3.0])
    half = 3.1824463052842624 * sample.std(ddof=1) / 2.0
    assert Rule().interval(sample) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    wider = stats.ttest_1samp(sample, 0.0).confidence_interval(1.0 - LEVEL / 7)
    assert Rule().interval(sample, LEVEL / 7)[1:] == pytest.approx((wider.low, wider.high))


def test_the_interval_of_ratios_is_that_of_their_logarithms() -> None:
    logs = normal(1.0)
    found = Rule("geometric mean").interval(np.exp(logs))
    assert np.log(found) == pytest.approx(Rule().interval(logs))


@pytest.mark.parametrize("count", [6, 10, 17, 30])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_interval_of_a_median_is_of_order_statistics(count: int, level: float) -> None:
    """The widest that is needed: leaving out one value more at each end covers too seldom."""
    sample = np.random.default_rng(3).permutation(np.arange(float(count)))
    value, low, high = Rule("median").interval(sample, level)
    assert value == (count - 1) / 2.0
    # P(median beyond) = 2 P(B < k), with k values left out at each end and B binomial.
    beyond = [k for k in range(count) if 2.0 * stats.binom.cdf(k, count, 0.5) <= level]
    if beyond:
        assert (low, high) == (max(beyond), count - 1 - max(beyond))
    else:
        assert (low, high) == (-math.inf, math.inf)


def test_seeds_that_say_nothing_are_left_out() -> None:
    assert Rule().interval(np.array([1.0, math.nan, 3.0, math.inf]))[0] == 2.0
    assert all(math.isnan(end) for end in Rule().interval(np.array([1.0, math.nan])))


@pytest.mark.parametrize("average", ["mean", "geometric mean", "median"])
@pytest.mark.parametrize("ends", [(0.8, math.inf), (-math.inf, 1.3), (0.7, 1.4), (1.5, 1.6)])
def test_a_p_value_is_where_the_interval_reaches_an_end(
    average: Average, ends: tuple[float, float]
) -> None:
    """At a level above it the interval lies wholly inside or outside of the range, below it it does not."""
    rule = Rule(average, *ends)
    for seed in range(20):
        sample = np.exp(normal(0.0, 15, 0.3, seed))
        p = rule.p_value(sample)
        for level, decided in ((p * 1.01, True), (p * 0.99, False)):
            if not 0.0 < level < 1.0:
                continue
            _, low, high = rule.interval(sample, level)
            inside = rule.low < low and high < rule.high
            outside = high < rule.low or low > rule.high
            assert (inside or outside) is decided, (seed, level)


# --------------------------------------------------------------------------------------------- Holm


def test_holm_is_the_textbooks() -> None:
    """Four hypotheses at 5 %: 0.01 against 1/80, 0.0134 against 1/60, 0.03 against 1/40 stops it."""
    assert holm([0.01, 0.04, 0.03, 0.0134]) == [4, 2, 2, 3]
    assert holm([]) == []
    assert holm([0.2, 0.001]) == [1, 2]


def test_holm_agrees_with_a_library() -> None:
    """Adjusted p-values by hand: the running maximum of (m - k) p(k)."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = rng.uniform(0.0, 0.1, size=6) ** 1.5
        order = np.argsort(p)
        adjusted = np.maximum.accumulate((6 - np.arange(6)) * p[order])
        rejected = set(order[adjusted <= LEVEL].tolist())
        divisors = holm(p.tolist())
        assert {k for k in range(6) if p[k] <= LEVEL / divisors[k]} == rejected


def test_intervals_are_corrected_over_all_comparisons_of_a_claim() -> None:
    """A comparison that holds alone does not among a hundred that say nothing."""
    lucky = normal(0.6, seed=11)
    assert 0.001 < POSITIVE.p_value(lucky) < LEVEL
    assert outcome(POSITIVE, lucky) == "holds"
    many: Checks = {str(k): [Check("", normal(0.0, seed=k))] for k in range(100)}
    many["lucky"] = [Check("", lucky)]
    found = judged(POSITIVE, many)
    assert found["lucky"][0].outcome == "undecided"
    assert found["lucky"][0].divisor == 101


def test_nothing_is_found_where_nothing_is() -> None:
    """In 400 claims of 24 comparisons of noise, 5 % have one that holds or is reversed."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        checks = {str(k): [Check("", rng.standard_normal(20))] for k in range(24)}
        found = judged(POSITIVE, checks)
        wrong += any(of[0].outcome != "undecided" for of in found.values())
    assert stats.binom.cdf(wrong, 400, LEVEL) > 0.001
    assert stats.binom.sf(wrong - 1, 400, LEVEL) > 0.001


def test_algebra_takes_no_part_in_the_correction() -> None:
    checks: Checks = {"algebra": [Check("", np.ones(20))], "chance": [Check("", normal(3.0))]}
    assert judged(POSITIVE, checks)["chance"][0].divisor == 1


# --------------------------------------------------------------------------- conditions and verdicts


def test_a_condition_holds_if_all_its_comparisons_do() -> None:
    samples = {
        "holds": normal(5.0),
        "reversed": normal(-5.0),
        "undecided": normal(0.0),
        "equal": np.zeros(20),
        "infeasible": np.full(20, math.nan),
    }

    def of(*names: str) -> str:
        return condition(judged(POSITIVE, {"": [Check(one, samples[one]) for one in names]})[""])

    assert of("holds", "holds") == "holds"
    assert of("holds", "undecided") == "undecided"
    assert of("holds", "equal") == of("equal", "undecided") == "undecided"
    assert of("equal", "equal") == "equal"
    assert of("holds", "equal", "infeasible") == of("undecided", "infeasible") == "infeasible"
    assert of(*samples) == "reversed"
    assert condition([]) == "undecided"


VERDICTS: list[tuple[list[Outcome], Verdict]] = [
    (["holds", "holds"], "reproduced as printed"),
    (["holds", "undecided"], "reproduced under conditions"),
    (["holds", "reversed"], "reproduced under conditions"),
    (["holds", "equal"], "reproduced under conditions"),
    (["holds", "infeasible"], "reproduced under conditions"),
    (["reversed", "undecided"], "refuted"),
    (["reversed", "infeasible"], "refuted"),
    (["equal"], "refuted"),
    (["undecided", "undecided"], "undecided"),
    (["equal", "infeasible"], "refuted"),
    (["equal", "reversed"], "refuted"),
    # What might yet hold is neither refuted by others that make no difference, nor not testable.
    (["equal", "undecided"], "undecided"),
    (["infeasible", "undecided"], "undecided"),
    (["infeasible", "infeasible"], "not testable"),
    ([], "not run"),
]


@pytest.mark.parametrize(("outcomes", "expected"), VERDICTS)
def test_a_verdict_is_what_the_conditions_come_to(
    outcomes: list[Outcome], expected: Verdict
) -> None:
    assert conclude(outcomes) == expected
    assert conclude(outcomes[::-1]) == expected


def test_nothing_is_reproduced_as_printed_that_was_not_all_run() -> None:
    assert conclude(["holds"], complete=False) == "reproduced under conditions"
    assert conclude(["reversed"], complete=False) == "refuted"
    assert conclude([], complete=False) == "not run"


def test_a_parameter_that_decides_and_is_not_stated_leaves_nothing_to_test() -> None:
    assert conclude(["holds"], "slots of an episode") == "not testable"
    assert conclude([], "slots of an episode") == "not run"


def test_conditions_that_repeat_each_other_are_one() -> None:
    """Those of which one instance differs are two, and so are those that keep limits elsewhere."""
    sample = normal(3.0, 40)
    one_differs, unknown = sample.copy(), sample.copy()
    one_differs[0] *= 1.001
    unknown[0] = math.nan
    checks = {
        "one": [Check("a", sample)],
        "same": [Check("a", sample * (1.0 + 1e-9))],
        "differs": [Check("a", one_differs)],
        "unknown": [Check("a", unknown)],
        "two per cent more": [Check("a", 1.02 * sample)],
        "renamed": [Check("b", sample)],
        "late": [Check("a", sample, np.full(40, 0.4))],
    }
    kept, repeats = distinct(checks)
    assert list(kept) == ["one", "differs", "unknown", "two per cent more", "renamed", "late"]
    assert repeats == {"one": ["same"]}
    # Whichever of the two is the first, and whatever is said of limits.
    all_kept = np.ones(40)
    both = {"unknown": [Check("a", unknown, all_kept)], "one": [Check("a", sample, all_kept)]}
    assert len(distinct(both)[0]) == len(distinct(dict(reversed(both.items())))[0]) == 2
    nothing: Checks = {str(k): [Check("a", np.full(40, math.nan))] for k in range(3)}
    assert distinct(nothing)[1] == {"0": ["1", "2"]}


@pytest.mark.parametrize(("yes", "count"), [(0, 20), (2, 20), (10, 30), (30, 30)])
def test_the_interval_of_a_share_is_wilsons(yes: int, count: int) -> None:
    sample = np.array([100.0] * yes + [0.0] * (count - yes) + [math.nan])
    known = stats.binomtest(yes, count).proportion_ci(1.0 - LEVEL, method="wilson")
    expected = (100.0 * yes / count, 100.0 * known.low, 100.0 * known.high)
    assert share(sample) == pytest.approx(expected, abs=1e-9)
    assert all(math.isnan(end) for end in share(np.array([math.nan])))
