"""Values of TR 38.901 by tr3gpp, which has its formulas as text: what tests/test_three_gpp.py compares with.

pip install tr3gpp==0.2.0; python tests/record_tr38901.py > tests/tr38901.json

The formulas are LaTeX. They are turned into Python here, term by term, and know nothing of edgesim's own.
"""

import json
import re
from itertools import product
from math import exp, log, log10, sqrt
from typing import Any

from tr3gpp import tr38901

CARRIERS_GHZ = (0.7, 3.5, 28.0)
DISTANCES_M = (1.0, 10.0, 18.0, 25.0, 60.0, 150.0, 205.0, 215.0, 400.0, 1200.0)
SLOPES = tr38901.section("7.4")
FADING = tr38901.section("7.5")
MORE = tr38901.section("7.6")


def python(latex: str) -> str:
    """A term as Python."""
    text = re.sub(r",?\s*\\text\{ ?for ?\}.*", "", latex)
    for old, new in (
        (r"\left", ""),
        (r"\right", ""),
        ("[", "("),
        ("]", ")"),
        (r"\log_{10}", "log10"),
        (r"\ln", "log"),
        (r"\max", "max"),
        (r"\exp", "exp"),
        (r"\cdot", "*"),
        ("d_{2D-out}", "d2D"),
        ("d_{2D}", "d2D"),
        ("d_{3D}", "d3D"),
        ("d'_{BP}", "dBP"),
        ("f_c", "fc"),
        ("h_{BS}", "hBS"),
        ("h_{UT}", "hUT"),
        ("d_{clutter}", "dclutter"),
        ("h_c", "hc"),
        ("k_{subsce}", "k"),
        ("^2", "**2"),
        ("^3", "**3"),
    ):
        text = text.replace(old, new)
    while r"\dfrac" in text:
        text = re.sub(r"\\dfrac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", text)
    text = re.sub(r"(PL'?)_?(\{([\w-]+)\})?", lambda m: "PL" + _letters(m[0]), text)
    text = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)\s*(?=[a-z(])", r"\1*", text)
    return re.sub(r"\)\s*(?=[\d(])", ")*", text).strip()


def _letters(name: str) -> str:
    return re.sub(r"\W|_|PL", "", name.replace("'", "x"))


def assignments(formula: str) -> dict[str, str]:
    """The terms of "name = term; name = term", by name; those that list cases are left out."""
    found = {}
    for one in re.split(r";\s*(?:\\quad)?", formula):
        name, _, term = one.partition("=")
        if "cases" not in term:
            found[python(name.strip())] = python(term.strip().removesuffix(","))
    return found


def value(term: str, known: dict[str, Any]) -> float:
    """What a term comes to."""
    functions = {"log10": log10, "log": log, "exp": exp, "max": max, "__builtins__": {}}
    return float(eval(term, functions, known))


def losses(scenario: str, variant: str, known: dict[str, Any]) -> tuple[float, float]:
    """In line of sight, and without it."""
    los = assignments(SLOPES.pathloss(scenario=scenario, condition="LOS").formula)
    name = "PLLOS" if "PLLOS" in los else "PL1" if known["d2D"] <= known["dBP"] else "PL2"
    in_sight = value(los[name], known)
    if variant == "HH":
        return in_sight, in_sight
    terms = assignments(SLOPES.pathloss(scenario=variant, condition="NLOS").formula)
    given = known | {f"PL{scenario.split('-')[0]}LOS": in_sight, "PLLOS": in_sight}
    if variant == "InF-DL":
        sparse = assignments(SLOPES.pathloss(scenario="InF-SL", condition="NLOS").formula)
        given["PLInFSL"] = value(sparse["PL"], given)
    greatest = next(term for term in terms.values() if term.startswith("max"))
    for one, term in terms.items():
        if term != greatest:
            given[one] = value(term, given)
    return in_sight, value(greatest, given)


def probability(scenario: str, variant: str, known: dict[str, Any]) -> float:
    """Of line of sight, for devices of at most 13 m, where C'(h_UT) = 0."""
    if variant == "HH":
        return value(*_only("InF-HH"), known)
    if scenario == "InF":
        formula = SLOPES.los_probability(scenario="InF-SL, InF-DL, InF-SH, InF-DH").formula
        low, high = formula.partition(r"\begin{cases}")[2].split(r"\\")
        k = value(python((high if variant[-1] == "H" else low).partition("&")[0]), known)
        (term,) = [one for one in assignments(formula).values() if one.startswith("exp")]
        return value(term, known | {"k": k})
    cases = re.findall(r"begin{cases} 1 &.*?18m \\\\ (.*?) & 18m", _text(scenario))
    if known["d2D"] <= 18.0:
        return 1.0
    return value(python(cases[0]).replace("C'(hUT)", "0"), known)


def _text(scenario: str) -> str:
    return " ".join(SLOPES.los_probability(scenario=scenario).formula.split())


def _only(scenario: str) -> tuple[str]:
    return (_text(scenario).partition("=")[2].strip(),)


def cases() -> list[dict[str, Any]]:
    """Environments, with the heights and clutter at which they are asked for."""
    low, high = {"hBS": 1.5, "hUT": 1.2}, {"hBS": 8.0, "hUT": 1.5}
    sparse, dense = (
        {"r": 0.25, "dclutter": 9.0, "hc": 2.5},
        {"r": 0.6, "dclutter": 2.0, "hc": 6.0},
    )
    return [
        {"name": "3gpp-umi", "scenario": "UMi-StreetCanyon", "hBS": 10.0, "hUT": 1.5},
        {"name": "3gpp-umi", "scenario": "UMi-StreetCanyon", "hBS": 7.0, "hUT": 22.5},
        {"name": "3gpp-uma", "scenario": "UMa", "hBS": 25.0, "hUT": 1.5},
        {"name": "3gpp-uma", "scenario": "UMa", "hBS": 30.0, "hUT": 12.0},
        {"name": "3gpp-inf", "scenario": "InF", "variant": "SL", **low, **sparse},
        {"name": "3gpp-inf", "scenario": "InF", "variant": "DL", **low, **dense},
        {"name": "3gpp-inf", "scenario": "InF", "variant": "SH", **high, **sparse},
        {"name": "3gpp-inf", "scenario": "InF", "variant": "DH", **high, **dense},
        {"name": "3gpp-inf", "scenario": "InF", "variant": "HH", "hBS": 8.0, "hUT": 7.0, **dense},
    ]


def recorded(case: dict[str, Any]) -> dict[str, Any]:
    """A case, with its rows of carrier (GHz), distance (m), losses (dB) and probability."""
    scenario, variant = case["scenario"], case.get("variant", "")
    of = "HH" if variant == "HH" else f"InF-{variant}" if variant else scenario
    rows = []
    for fc, d2d in product(CARRIERS_GHZ, DISTANCES_M):
        known = case | {
            "fc": fc,
            "d2D": d2d,
            "d3D": sqrt(d2d**2 + (case["hBS"] - case["hUT"]) ** 2),
        }
        known["dBP"] = 4.0 * (case["hBS"] - 1.0) * (case["hUT"] - 1.0) * fc * 1e9 / 3e8  # NOTE 1
        rows.append([fc, d2d, *losses(scenario, of, known), probability(scenario, of, known)])
    street = {"UMi-StreetCanyon": "UMi - Street Canyon"}.get(scenario, scenario)
    sigma, apart = [], []
    for condition in ("LOS", "NLOS"):
        entry = SLOPES.pathloss(
            scenario=of if variant and condition == "NLOS" and of != "HH" else scenario,
            condition="LOS" if of == "HH" else condition,
        )
        sigma.append(entry.shadow_fading_std_db[0].value_db)
        parameters = FADING.channel_model_parameters(scenario=street, condition=condition)
        apart.append(float(parameters.corr_distance_SF_m))
    keys = {} if variant else {"condition": "LOS"}
    state = MORE.correlation_distance(scenario=scenario.partition("-")[0], **keys).los_nlos_state_m
    return case | {"sigma_db": sigma, "shadow_m": apart, "sight_m": state, "rows": rows}


if __name__ == "__main__":
    print("[")
    print(",\n".join(json.dumps(recorded(case)) for case in cases()))
    print("]")
