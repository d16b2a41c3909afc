"""Every policy of the task problem against the exact optimum of C(10)."""

from collections.abc import Callable
from typing import Any

import xarray as xr

from .. import task_figures as tasks
from ..figure import Diagram, Figure, Question, Results
from ..measure import FEASIBLE, conditions, curves, feasible, geometric_mean, of_policy, split
from ..task_figures import CYCLES, LEARNED, PRINTED_1, REPAIRED_1
from ..training_settings import ALL_GUIDED, EASY_CYCLES, EASY_THETA_0, aac_tasks, ddpg_tasks
from ..verdicts import Checks

SCHEMES = tasks.EVERY | {one: tasks.ALGORITHM_1[one] for one in (PRINTED_1, REPAIRED_1)}
OTHERS = [name for name in SCHEMES if name != "exact"]
KEYS = {"limits.rate_floor": "all"} | tasks.ONE_SLOT

STUDIES = (
    tasks.instances("schemes", SCHEMES, tasks.UP_TO_1500, tasks.THETA_0, keys=KEYS),
    tasks.instances(
        "learned",
        {"exact": "exact"},
        tasks.UP_TO_1500,
        keys=KEYS | {"energy.theta_0": EASY_THETA_0},
        learned=LEARNED,
    ),
)


def _ratio(data: xr.Dataset) -> xr.DataArray:
    """Emission over that of the optimum, where a policy and the optimum keep all limits."""
    emission = data["worst_emission_mg"].where(feasible(data))
    return emission / emission.sel(policy="exact")


def _share(data: xr.Dataset) -> xr.DataArray:
    return 100.0 * data["feasible_share"]


def _diagrams(results: Results) -> list[list[Diagram]]:
    def row(of: Callable[[xr.Dataset], xr.DataArray], y: str, **scale: Any) -> list[Diagram]:
        found = []
        for title, part in split(results["schemes"], "theta_0"):
            lines = curves(part, of(part), OTHERS)
            if part["theta_0"].item() == EASY_THETA_0:
                lines |= curves(results["learned"], of(results["learned"]), LEARNED)
            found.append(Diagram(title, y, lines, **scale))
        return found

    return [
        row(_ratio, "emission over the optimum", log=True, least=1.0),
        row(_share, FEASIBLE),
    ]


def _emitted(results: Results) -> Checks:
    """Over all cycles, of the instances in which a policy keeps all limits."""
    mean = geometric_mean(_ratio(results["schemes"]), CYCLES).sel(policy=OTHERS)
    schemes = conditions(mean, "theta_0", along="policy")
    return schemes | _learned(_ratio(results["learned"]), results)


def _kept(results: Results) -> Checks:
    share = 100.0 * results["schemes"]["feasible_share"].mean(dim=CYCLES)
    schemes = conditions(share, "theta_0", along="policy")
    return schemes | _learned(_share(results["learned"]), results)


def _learned(values: xr.DataArray, results: Results) -> Checks:
    """Of policies that learn, by training."""
    of = {name: of_policy(values, results["learned"], name).mean(dim=CYCLES) for name in LEARNED}
    place = f"learned, theta_0 = {EASY_THETA_0:g}"
    return conditions(of, prefix=place)


FIGURE = Figure(
    id="gap-c",
    title="Every policy against the exact optimum of C(10)",
    notes=(
        f"One slot of paper C's network, tasks of {' to '.join(tasks.SIZE)}, the floor for all. Ratios "
        "are of instances in which the policy and the optimum keep all limits; drift plus penalty keeps "
        f"the energy limit in the mean alone. DDPG and AAC were trained under theta_0 = "
        f"{EASY_THETA_0:g}, on {tasks.between(*EASY_CYCLES)}. {ALL_GUIDED}"
    ),
    x=tasks.MEGACYCLES,
    diagrams=_diagrams,
    minutes=(2.0, 0.1),
    trainings=(ddpg_tasks, aac_tasks),
    studies=STUDIES,
    questions=(
        Question("How much do policies emit?", "times the optimum", _emitted, "geometric mean"),
        Question("In how many instances do they keep all limits?", "%", _kept, "share"),
    ),
)
