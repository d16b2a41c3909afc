"""Makes the tables and the figure of carbon.md, "When waiting pays": `python docs/carbon_study.py [FOLDER]`.

A day of tasks on docs/examples/shifting.toml, in each of thirty weeks of 2020, under each policy and each value of a
factor. Every run is a row of FOLDER/runs.csv (runs/carbon_study), written as it ends: started again, it goes on.
`--quick`: two weeks and no solver; `--only FACTOR`: one of the tables.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt

from edgesim import run
from edgesim.simulator.core.arrays import FloatArray
from edgesim.traces.confidence_intervals import Estimate, ratio
from edgesim.traces.style import STYLE, save

DOCS = Path(__file__).resolve().parent
WEEKS = 30
BASELINE = "energy"
"""What others save is beside the controller that knows of no hours."""
POLICIES = {
    "energy": ("policy.name=lyapunov", "policy.penalty=energy", "policy.V=1.5e19"),
    "carbon": ("policy.name=lyapunov",),
    "wait-awhile": ("policy.name=wait-awhile",),
    "lookahead": ("policy.name=lookahead",),
    "clairvoyant": ("policy.name=clairvoyant",),
    "local": ("policy.name=local",),
    "epr": ("policy.name=epr",),
}
NAMES = {"energy": '`lyapunov`, `penalty = "energy"`', "carbon": '`lyapunov`, `penalty = "carbon"`'}
SOLVERS = ("lookahead", "clairvoyant")
CHEAP = ("energy", "carbon", "wait-awhile")
FIELDS = ("emission_mg", "energy_j", "late", "latency_h", "bound_mg", "network_mg")


def classes(slack_h: float, share: float = 0.7) -> str:
    """The key: tasks that are due after 2 h, and a share of them that has so much longer."""
    urgent, rest = "deadline = '2 h', late = 0.05, weight = 10", "late = 0.05, weight = 10"
    parts = [(1.0 - share, urgent), (share, f"deadline = '{2.0 + slack_h:g} h', {rest}")]
    if slack_h == 0.0:
        parts = [(1.0, urgent)]
    each = [f"{{share = {of:.12g}, {what}}}" for of, what in parts if of > 0.0]
    return f"tasks.classes=[{', '.join(each)}]"


def slack(hours: float) -> tuple[str, ...]:
    """Overrides: the run ends with the longest deadline."""
    return classes(hours), f"run.slots={96 + round(4 * (2 + hours)) + 1}"


MARGINAL = (
    'carbon.intensity="394 g/kWh"',
    "carbon.signal.intensity={file='carbon_intensity_gb_2020.csv', start=START}",
)
IDLE = ("stations.mbs.power.radio=femto", "stations.sbs.power.radio=femto")

FACTORS: dict[str, tuple[dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    "slack, h": (
        {f"{hours:g}": slack(hours) for hours in (0, 6, 12, 24)},
        (*CHEAP, "lookahead"),
    ),
    "accounting": ({"average": (), "marginal": MARGINAL}, (*CHEAP, "lookahead")),
    "forecast error": (
        {f"{error:g}": (f"carbon.forecast.error={error:g}",) for error in (0, 0.15, 0.3)},
        ("energy", "wait-awhile", "lookahead"),
    ),
    "share of tolerant tasks": (
        {f"{share:g}": (classes(12, share),) for share in (0.3, 0.7, 1)},
        (*CHEAP, "lookahead"),
    ),
    "V, bit²/g": (
        {f"{V:g}": (f"policy.V={V:g}",) for V in (1e22, 1e23, 3e23, 1e24)},
        ("energy", "carbon"),
    ),
    "idle power": ({"none": (), "femto": IDLE}, ("energy", "carbon", "local")),
    "slack": ({"12 h": slack(12)}, tuple(POLICIES)),
}
"""Values, each as overrides, and the policies that run with each. What takes longest is last."""


class Case(NamedTuple):
    """A run: of a policy, in a week, with overrides."""

    overrides: tuple[str, ...]
    policy: str
    week: int


Rows = dict[Case, dict[str, float]]


def start(week: int) -> str:
    """Its day: every twelfth of the year, so that all days of the week have their turn."""
    return (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=12 * week)).strftime(
        "%Y-%m-%dT00:00:00Z"
    )


def key(case: Case) -> tuple[str, str, str]:
    """Its name in the file. What is given as the scenario has it anyway is the same run."""
    usual = {*slack(12), classes(12), "policy.V=3e+23", "carbon.forecast.error=0.15"}
    if case.policy == BASELINE:
        usual |= {one for one in case.overrides if one.startswith("policy.V=")}
    changed = [one for one in case.overrides if one not in usual]
    return ";".join(changed), case.policy, str(case.week)


def measured(case: Case, folder: Path) -> dict[str, float]:
    """What came out of its run."""
    began = start(case.week)
    overrides = [
        f"carbon.intensity={{file='carbon_intensity_gb_2020.csv', start={began}}}",
        *(one.replace("START", began) for one in case.overrides),
        *POLICIES[case.policy],
    ]
    scenario = DOCS / "examples" / "shifting.toml"
    path = folder / "trace.h5"
    # Each week has its own tasks, the same for all policies.
    with run(scenario, path, seed=case.week + 1, overrides=overrides, overwrite=True) as trace:
        slots, tasks = trace.slots, trace.tasks
        bound, network = slots.get("lower_bound_mg"), slots.get("network_emission_mg")
        return {
            "emission_mg": float(slots["emission_mg"].sum()),
            "energy_j": float((slots["local_energy_j"] + slots["offload_energy_j"]).sum()),
            "late": float((tasks["outcome"] != 0).mean()),
            "latency_h": float((tasks["completion_s"] - tasks["arrival_s"]).mean()) / 3600.0,
            "bound_mg": np.nan if bound is None else float(bound.sum()),
            "network_mg": np.nan if network is None else float(network.sum()),
        }


def cases(factor: str, weeks: int, solvers: bool) -> Iterator[Case]:
    """The runs of a table, week by week."""
    values, policies = FACTORS[factor]
    for week in range(weeks):
        for overrides in values.values():
            for policy in policies:
                if solvers or policy not in SOLVERS:
                    yield Case(overrides, policy, week)


def results(wanted: Iterable[Case], folder: Path) -> Rows:
    """What is not in the file yet is run, and written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runs.csv"
    known: dict[tuple[str, str, str], dict[str, float]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            for overrides, policy, week, *values in csv.reader(file):
                numbers = map(float, values)
                known[overrides, policy, week] = dict(zip(FIELDS, numbers, strict=True))
    rows: Rows = {}
    with path.open("a", newline="", encoding="utf-8") as file:
        for case in wanted:
            if key(case) not in known:
                known[key(case)] = measured(case, folder)
                csv.writer(file).writerow([*key(case), *known[key(case)].values()])
                file.flush()
            rows[case] = known[key(case)]
    return rows


def column(
    rows: Rows, field: str, overrides: tuple[str, ...], policy: str, weeks: int
) -> FloatArray:
    """(weeks,) of a policy."""
    return np.array([rows[Case(overrides, policy, week)][field] for week in range(weeks)])


def saved(emitted: FloatArray, beside: FloatArray) -> Estimate:
    """Per cent of what another emitted in the same weeks, with the 95 % interval of paired weeks."""
    one = ratio(beside - emitted, beside)
    return Estimate(100.0 * one.value, 100.0 * one.low, 100.0 * one.high)


def table(rows: Rows, factor: str, weeks: int, solvers: bool) -> Iterator[str]:
    """Lines of Markdown."""
    values, policies = FACTORS[factor]
    field = "network_mg" if factor == "idle power" else "emission_mg"
    policies = tuple(one for one in policies if solvers or one not in SOLVERS)
    bounded = "clairvoyant" in policies
    yield f"| {factor} | policy | emission, mg | saved, % | energy, J | late, % | latency, h |" + (
        " above the bound, % |" if bounded else ""
    )
    yield "| --- " * (8 if bounded else 7) + "|"
    for value, overrides in values.items():
        # Without idle stations the network draws what its tasks take.
        of = "emission_mg" if not overrides else field
        for policy in policies:

            def these(
                name: str, policy: str = policy, overrides: tuple[str, ...] = overrides
            ) -> FloatArray:
                return column(rows, name, overrides, policy, weeks)

            mass, other = these(of), column(rows, of, overrides, BASELINE, weeks)
            digits = 4 if of == "network_mg" else 1
            one = saved(mass, other)
            gain = (
                ""
                if policy == BASELINE
                else (f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})")
            )
            cells = [
                value,
                NAMES.get(policy, f"`{policy}`"),
                f"{mass.mean():.3g}",
                gain,
                f"{these('energy_j').mean():.1f}",
                f"{100.0 * these('late').mean():.2g}",
                f"{these('latency_h').mean():.1f}",
            ]
            if bounded:
                bound = column(rows, "bound_mg", overrides, "clairvoyant", weeks)
                cells.append(f"{100.0 * (mass.sum() / bound.sum() - 1.0):.0f}")
            yield f"| {' | '.join(cells)} |"


def figure(rows: Rows, weeks: int, solvers: bool, path: Path) -> None:
    """What is saved against slack."""
    values, policies = FACTORS["slack, h"]
    shown, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
    lines = zip(("#1b3a6b", "#d1682b", "#666666"), ("-", "--", ":"), ("o", "s", "^"), strict=True)
    ax.axhline(0.0, color="black", linewidth=0.8)
    for (colour, line, marker), policy in zip(lines, policies[1:], strict=True):
        if policy in SOLVERS and not solvers:
            continue
        found = [
            saved(*(column(rows, "emission_mg", one, name, weeks) for name in (policy, BASELINE)))
            for one in values.values()
        ]
        ax.errorbar(
            [float(value) for value in values], [one.value for one in found],
            np.transpose([one.arms for one in found]), color=colour, linestyle=line,
            marker=marker, markersize=4, linewidth=1.3, capsize=2,
            label={"carbon": "lyapunov, carbon"}.get(policy, policy),
        )  # fmt: skip
    ax.set_xlabel("slack beyond 2 h of 70 % of the tasks, h")
    ax.set_title("CO2 saved beside lyapunov with the penalty of energy, %", loc="left")
    ax.legend()
    save(shown, path)


def main(folder: Path, quick: bool, only: str | None) -> None:
    """Run what is missing; print the tables, and draw."""
    weeks, solvers = (2, False) if quick else (WEEKS, True)
    for factor in [only] if only else FACTORS:
        rows = results(cases(factor, weeks, solvers), folder)
        print("\n".join(table(rows, factor, weeks, solvers)), end="\n\n", flush=True)
        if factor == "slack, h":
            with plt.rc_context(STYLE):
                picture = folder if quick else DOCS
                figure(rows, weeks, solvers, picture / "carbon_study.svg")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/carbon_study"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=FACTORS, metavar="FACTOR")
    given = parser.parse_args(sys.argv[1:])
    main(given.folder, given.quick, given.only)
