"""Of ours: every policy against the exact optimum of C(10), paper C's network."""

from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import (
    FEASIBLE,
    by_training,
    curves,
    each,
    feasible,
    geometric_mean,
    sample,
    share,
    split,
)
from ..sentences import shipped
from ..task_figures import CYCLES, LEARNED, LOCAL_CPU
from ..training_settings import EASY_THETA_0, NETWORK_C, aac_tasks, ddpg_tasks

if TYPE_CHECKING:
    import xarray as xr

OPTIMUM = "exact"
SCHEMES = tasks.POLICIES | {
    "Algorithm 1 as printed": 'sca{variant="paper"}',
    "Algorithm 1, feasible start": f'sca{{variant="paper", local_cpu="{LOCAL_CPU}"}}',
}
OTHERS = [scheme for scheme in SCHEMES if scheme != OPTIMUM]
FLOOR = {"limits.rate_floor": "all"} | tasks.ONE_SLOT

STUDIES = (
    tasks.instances("schemes", SCHEMES, tasks.UP_TO_1500, tasks.THETA_0, keys=FLOOR),
    tasks.instances(
        "learned",
        {OPTIMUM: "exact"},
        tasks.UP_TO_1500,
        keys=FLOOR | {"energy.theta_0": EASY_THETA_0},
        learned=LEARNED,
    ),
)


def ratio(data: "xr.Dataset") -> "xr.DataArray":
    """Emission over that of the optimum, where a policy and the optimum keep all limits."""
    emission = data["worst_emission_mg"].where(feasible(data))
    return emission / emission.sel(policy=OPTIMUM)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Ratio and share, a column for each theta_0; learned policies under that of their training."""
    learned = results["learned"]
    ratios: list[Diagram] = []
    shares: list[Diagram] = []
    for title, part in split(results["schemes"], "theta_0"):
        trained = part["theta_0"].item() == EASY_THETA_0
        for found, y, of in (
            (ratios, "emission over the optimum", ratio),
            (shares, FEASIBLE, share),
        ):
            lines = curves(part, of(part), CYCLES, OTHERS)
            if trained:
                lines += curves(learned, of(learned), CYCLES, LEARNED)
            found.append(Diagram(title, y, lines, log=found is ratios))
    return [ratios, shares]


def of_learned(values: "xr.DataArray", data: "xr.Dataset") -> dict[str, list[Check]]:
    """The mean over all cycles, of each policy that was trained."""
    checks = [
        Check(label, sample(by_training(values, data, label).mean(CYCLES))) for label in LEARNED
    ]
    return {f"learned, theta_0 = {EASY_THETA_0:g}": checks}


def emitted(results: Results) -> Checks:
    """Geometric mean over all cycles, of the instances in which a policy keeps all limits."""
    found: dict[str, list[Check]] = {}
    for name, part in split(results["schemes"], "theta_0"):
        over = ratio(part)
        means = {one: geometric_mean(over.sel(policy=one), CYCLES) for one in OTHERS}
        found[name] = [Check(one, mean, log=True) for one, mean in means.items()]
    data = results["learned"]
    return found | of_learned(ratio(data), data)


def kept(results: Results) -> Checks:
    """The share over all cycles."""
    found = {
        name: each(share(part).mean(CYCLES), "policy")
        for name, part in split(results["schemes"], "theta_0")
    }
    data = results["learned"]
    return found | of_learned(share(data), data)


FIGURE = Figure(
    id="gap-c",
    paper="",
    title="Every policy against the exact optimum of C(10)",
    notes=(
        f"One slot of paper C's network, tasks of {' to '.join(shipped(NETWORK_C, 'tasks.size'))}, the "
        "floor for all. Ratios are of instances in which the policy and the optimum keep all limits; "
        "drift plus penalty keeps the energy limit in the mean alone. DDPG and AAC were trained under "
        f"{tasks.EASY_TASKS}."
    ),
    x=tasks.MEGACYCLES,
    diagrams=diagrams,
    minutes=(2.0, 0.4),
    trainings=(ddpg_tasks, aac_tasks),
    studies=STUDIES,
    questions=(
        Question("How much do policies emit?", "times the optimum", emitted),
        Question("In how many instances do they keep all limits?", "%", kept),
    ),
)
