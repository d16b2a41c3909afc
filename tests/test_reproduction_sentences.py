"""Sentences of the reproduction: no number is typed in, and those of reasons follow the results."""

import ast
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import edgesim.experiments.reproduction as room
from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.figure import Claim, Figure, Ran, left_out
from edgesim.experiments.reproduction.judging import judge
from edgesim.experiments.reproduction.sentences import interval, listed, shipped, span
from edgesim.scenarios.loading import load_scenario

CLAIMS = {claim.id: (figure, claim) for figure in FIGURES.values() for claim in figure.claims}
WITH_REASON = [name for name, (_, claim) in CLAIMS.items() if claim.reason]

# ------------------------------------------------------------------------------------ made-up results

SWEEP = (
    "objective",
    "energy_per_bit_j",
    "power_w",
    "queue_bits",
    "worst_emission_mg",
    "offloaded_task_share",
    "emission_mg_per_bit",
    "decision_s",
)
LOG = ("reward", "steps")
EVALUATION = ("evaluated_steps", "system_cost", "gap_closed", "excess", "feasible")


def numbers(shape: Mapping[str, int], *key: object) -> xr.DataArray:
    """Positive, rising or falling along each dimension but the seeds, so that some claims hold."""
    rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
    values = rng.lognormal(sigma=0.02, size=tuple(shape.values()))
    for axis, (dim, size) in enumerate(shape.items()):
        if dim != "seed":
            factor = np.arange(1.0, size + 1.0) ** rng.choice([-1.0, -0.01, 0.01, 1.0])
            values = values * factor.reshape(-1, *[1] * (len(shape) - axis - 1))
    return xr.DataArray(values, dims=list(shape))


def made_up(figure: Figure, quick: bool = False, salt: int = 1) -> Ran:
    """Results as the engine would have them."""
    results = Ran()
    trainings, studies = figure.parts(quick)
    seeds = {one.name: one.quick_seeds if quick else one.seeds for one in trainings}
    for training in trainings:
        levels = {one.name: list(one.chosen(quick)) for one in training.factors}
        shape = {dim: len(values) for dim, values in levels.items()} | {
            "seed": seeds[training.name]
        }
        data = {
            name: numbers(shape | {dim: rows}, salt, training.name, name)
            for dim, rows, names in (("log", 200, LOG), ("evaluation", 20, EVALUATION))
            for name in names
        }
        for name, dim in (("steps", "log"), ("evaluated_steps", "evaluation")):
            data[name] = data[name].cumsum(dim)
        results[training.name] = xr.Dataset(data, levels)
    for study in studies:
        levels = {one.name: list(one.chosen(quick)) for one in study.factors}
        learned = (
            f"{label} {k + 1}" for label, name in study.learned.items() for k in range(seeds[name])
        )
        coords: dict[str, list[Any]] = {"policy": [*study.policies, *learned], **levels}
        shape = {dim: len(values) for dim, values in coords.items()}
        shape["seed"] = study.quick_seeds if quick else study.seeds
        data = {name: numbers(shape, salt, figure.id, study.name, name) for name in SWEEP}
        data["feasible_share"] = xr.ones_like(data["objective"])
        late = {"seed": slice(0, max(salt - 1, 0))}
        if "twin" in data["feasible_share"].dims:
            late["twin"] = slice(1, None)
        data["feasible_share"][late] = 0.5
        for name in (study.name, *(left_out(study.name, one) for one in study.warmups)):
            results[name] = xr.Dataset(data, coords)
    return results


def reason(claim: Claim, figure: Figure, results: Ran) -> str:
    """The sentence, whatever came out."""
    assert claim.reason is not None
    return judge(claim, figure, results).reason


def told(name: str, change: Callable[[Ran], None], salt: int = 1) -> str:
    """The reason of a claim after a change of made-up results."""
    figure, claim = CLAIMS[name]
    results = made_up(figure, salt=salt)
    change(results)
    return reason(claim, figure, results)


# ----------------------------------------------------------------------------------- what is typed in

ALLOWED = re.compile(
    r"Figs?\. \d(?: and \d)?"  # of a paper
    r"|[AC]\(\d+\w?\)|\bC\(10\)"  # an equation
    r"|Algorithms? \d(?: and \d)?|\bP[12]\b"  # a name
    r"|\b(?:more|less) than [01]\b"  # the threshold of a difference, or of a ratio
    r"|\b95 %|</?h\d"  # of all intervals; a tag
    r"|\^2\b|\btheta_0\b|\bc3\b"  # of a formula, a symbol, a figure
)
PROSE = re.compile(r"(?:[A-Za-z][\w,.;:()'-]* ){3}[A-Za-z]")
"""Four words in a row."""


def typed_in(source: str) -> Iterator[str]:
    """Sentences of a module that hold a number; of f-strings, that what stands in braces is left out."""
    tree = ast.parse(source)
    quiet = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
            ]
            quiet |= {id(part) for part in node.values}
            text = "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in quiet:
                continue
            text = node.value
        else:
            continue
        if PROSE.search(text) and re.search(r"\d", ALLOWED.sub("", text)):
            yield text


def test_no_sentence_has_a_number_typed_in() -> None:
    """A number is a setting's, taken from the setting, or computed from the results."""
    for path in sorted(Path(next(iter(room.__path__))).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        # What a browser reads is no sentence.
        found = [text for text in typed_in(source) if "font:" not in text and "<meta" not in text]
        assert not found, f"{path.name}: {found}"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = 'It emits 20 to 62 % less in the mean'", 1),
        ("x = f'It emits {a} to {b} % less in the mean'", 0),
        ("x = f'In the mean of 5 trainings it emits {a} mg'", 1),
        ("x = 'As Fig. 6 of the paper has it, by A(20)'", 0),
        ("x = '1000 Mcycles'", 0),  # a setting, not a sentence
        ('def f():\n    """Of the last 5 of them all."""', 0),
    ],
)
def test_a_number_that_is_typed_in_is_found(source: str, count: int) -> None:
    assert len(list(typed_in(source))) == count


def test_settings_in_sentences_are_the_scenarios() -> None:
    assert shipped("carbon_6ue", "tasks.deadline") == "2 s"
    for name in ("carbon_6ue", "iiot_20dev"):
        assert shipped(name, "devices.count") == load_scenario(name).devices.count


# ------------------------------------------------------------------------------------------- follow


@pytest.mark.parametrize("name", WITH_REASON)
def test_a_reason_follows_the_results(name: str) -> None:
    """Other results, other numbers; and quick results, of fewer places, have one too."""
    figure, claim = CLAIMS[name]
    texts: set[str] = set()
    for salt in range(6):
        texts.add(reason(claim, figure, made_up(figure, salt=salt)))
        if len(texts) > 1:
            break
    assert len(texts) > 1
    texts.add(reason(claim, figure, made_up(figure, quick=True)))
    for text in texts:
        assert text.endswith(".") and "nan" not in text and "unknown" not in text, text


def test_what_a_cpu_takes_is_the_scenarios() -> None:
    """varsigma f² c = 1e-27 x (0.5e9)² x 100; what schemes spend is measured."""

    def spent(results: Ran) -> None:
        energy = results["schemes"]["energy_per_bit_j"]
        energy[:] = 3e-9
        energy.loc[{"policy": "compute alone"}] = 2e-9

    found = told("a4-radio", spent)
    assert "= 25 nJ/bit" in found
    assert "radio alone spends 3 nJ/bit, and compute alone 2." in found


def test_at_what_the_printed_algorithm_fails_is_measured() -> None:
    def printed(results: Ran) -> None:
        data = results["schemes"]
        data["worst_emission_mg"][:] = 0.25
        data["worst_emission_mg"].loc[{"policy": "Algorithm 1 as printed"}] = 0.75
        data["feasible_share"].loc[{"policy": "Algorithm 1 as printed", "seed": slice(1, 27)}] = 0.5

    for name in ("c6-below-1", "c7-epr"):
        found = told(name, with_seeds(printed))
        assert "Algorithm 1 as printed keeps all limits in 10 % and emits 0.75 mg" in found
        assert "our search keeps all limits in 100 % and emits 0.25 mg" in found


def test_trainings_whose_value_is_bought_are_counted() -> None:
    """Below P2 solved in each slot, which is -1 in the mean over seeds: of each number of devices training 2."""

    def bought(results: Ran) -> None:
        for name, data in results.items():
            if name.startswith("printed-"):
                data["objective"][:], data["queue_bits"][:] = -1.0, 2.5e6
                [second] = {"AAC 2", "AAC as printed 2"} & set(data["policy"].values.tolist())
                data["objective"].loc[{"policy": second}] = -1.5
                data["queue_bits"].loc[{"policy": second}] = 80e6

    for name in ("a7-dqn", "a7-rising", "a6-rising"):
        found = told(name, bought)
        assert "In 4 of 40 trainings AAC as printed comes below P2 solved in each slot" in found
        assert "while 80 Mbit wait at a device, and not 2.5: energy that is wasted" in found

        def none(results: Ran) -> None:
            for data in results.values():
                if "objective" in data:
                    data["objective"][:] = -1.0

        assert told(name, none).endswith(
            "In 0 of 40 trainings AAC as printed comes below P2 solved in each slot."
        )


def test_an_algorithm_that_stands_still_is_told() -> None:
    def still(results: Ran) -> None:
        data = results["convergence"].assign_coords(iteration=np.arange(11))
        emission = data["worst_emission_mg"]
        emission.loc[{"policy": "Algorithm 1 as printed"}] = 2.0
        emission.loc[{"policy": "Algorithm 1 from 0.794 GHz"}] = 1.0
        emission.loc[{"policy": "Algorithm 1 from 0.794 GHz", "iteration": 0}] = 16.0
        data["feasible_share"].loc[{"policy": "Algorithm 1 as printed", "iteration": 0}] = 0.0
        results["convergence"] = data

    found = told("c3-factor", still)
    assert "does not move in 100 % of the instances" in found
    assert "its start keeps all limits in 0 % of them, and from 794 MHz in 100 %" in found
    assert "the factor is 16 at theta_0 = 1e-28; 16 at theta_0 = 3e-28" in found


def with_seeds(
    change: Callable[[Ran], None],
) -> Callable[[Ran], None]:
    """Seeds count from 1, such that a slice of them ends with its last."""

    def changed(results: Ran) -> None:
        for name, data in results.items():
            results[name] = data.assign_coords(seed=np.arange(1, data.sizes["seed"] + 1))
        change(results)

    return changed


def test_shares_are_the_measured_ones() -> None:
    def kept(results: Ran) -> None:
        data = results["twins"]
        data["feasible_share"].loc[{"twin": "real rates lower 5 %", "seed": slice(1, 5)}] = 0.0
        data["feasible_share"].loc[{"twin": "noise 5 %"}] = 0.0

    found = told("c8-accuracy", with_seeds(kept))
    assert "75 % (real rates lower) and 0 % (noise) of the instances" in found

    def offloaded(results: Ran) -> None:
        share = results["sizes"]["offloaded_task_share"]
        share.loc[{"size": 1}], share.loc[{"size": 4}] = 1.0, 0.25

    assert "theta_0 = 1e-28, 100 and 25 %" in told("c9-size", offloaded)


# ---------------------------------------------------------------------------------------- the words


def test_words_for_numbers() -> None:
    assert listed(["a"]) == "a" and listed(iter("abc")) == "a, b and c" and listed([]) == "none"
    assert span([1.0, np.nan, 2.5]) == "1 to 2.5" and span([3.0, 3.0]) == "3"
    assert span([np.nan]) == "unknown"
    assert interval(2.0, 1.0, 5.0, "mg") == "2 (1 to 5) mg"
    assert interval(np.nan, np.nan, np.nan, "mg") == "unknown"
    assert interval(1.23, 1.19, 1.27, "mg") == "1.230 ± 0.040 mg"
    assert interval(2.0, -np.inf, np.inf, "mg") == "2 mg, no interval"
    assert interval(2.0, 2.0, 2.0) == "2, no variance"
