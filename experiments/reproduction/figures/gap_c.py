"""Every policy of the task problem against the exact optimum of C(10)."""

from typing import TYPE_CHECKING

from .. import task_figures as tasks
from ..figure import Check, Checks, Diagram, Figure, Question, Results
from ..measure import FEASIBLE, curves, feasible, geometric_mean, of_policy, sample, split
from ..task_figures import CYCLES, LEARNED, LOCAL_CPU
from ..training_settings import EASY_CYCLES, EASY_THETA_0, aac_tasks, ddpg_tasks

if TYPE_CHECKING:
    import xarray as xr

SCHEMES = tasks.EVERY | {
    "Algorithm 1 as printed": 'sca{variant="paper"}',
    "Algorithm 1, feasible start": f'sca{{variant="paper", local_cpu="{LOCAL_CPU}"}}',
}
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


def ratio(data: "xr.Dataset") -> "xr.DataArray":
    """Emission over that of the optimum, where a policy and the optimum keep all limits."""
    emission = data["worst_emission_mg"].where(feasible(data))
    return emission / emission.sel(policy="exact")


def diagrams(results: Results) -> list[list[Diagram]]:
    """Ratios and shares of feasible instances, a column for each theta_0."""
    ratios, shares = [], []
    for title, part in split(results["schemes"], "theta_0"):
        shown = [(part, OTHERS)]
        if part["theta_0"].item() == EASY_THETA_0:
            shown.append((results["learned"], list(LEARNED)))
        lines = [line for of, names in shown for line in curves(of, ratio(of), CYCLES, names)]
        ratios.append(Diagram(title, "emission over the optimum", tuple(lines), log=True))
        lines = [
            line
            for of, names in shown
            for line in curves(of, 100.0 * of["feasible_share"], CYCLES, names)
        ]
        shares.append(Diagram(title, FEASIBLE, tuple(lines)))
    return [ratios, shares]


def emitted(results: Results) -> Checks:
    """Mean over all cycles, of the instances in which a policy keeps all limits."""
    found = {}
    for name, part in split(results["schemes"], "theta_0"):
        means = {one: geometric_mean(ratio(part).sel(policy=one), CYCLES) for one in OTHERS}
        found[name] = [Check(policy, mean, log=True) for policy, mean in means.items()]
    return found | learned(results["learned"], ratio(results["learned"]))


def kept(results: Results) -> Checks:
    """Share of the instances in which a policy keeps all limits."""
    found = {}
    for name, part in split(results["schemes"], "theta_0"):
        share = 100.0 * part["feasible_share"].mean(dim=CYCLES)
        found[name] = [Check(policy, sample(share.sel(policy=policy))) for policy in SCHEMES]
    return found | learned(results["learned"], results["learned"]["feasible_share"], 100.0)


def learned(data: "xr.Dataset", values: "xr.DataArray", scale: float = 1.0) -> Checks:
    """Of policies that learn, by training."""
    means = {name: scale * of_policy(values, data, name).mean(dim=CYCLES) for name in LEARNED}
    checks = [Check(label, sample(mean)) for label, mean in means.items()]
    return {f"learned, theta_0 = {EASY_THETA_0:g}": checks}


FIGURE = Figure(
    id="gap-c",
    paper="",
    title="Every policy against the exact optimum of C(10)",
    notes=(
        f"One slot of paper C's network, tasks of {' to '.join(tasks.SIZE)}, the floor for all. Ratios "
        "are of instances in which the policy and the optimum keep all limits; drift plus penalty keeps "
        f"the energy limit in the mean alone. DDPG and AAC were trained under theta_0 = "
        f"{EASY_THETA_0:g}, on {tasks.between(*EASY_CYCLES)}."
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
