"""What the papers did not ask: the optimum, a stale twin, real carbon intensity, time per decision.

All of it is measured, nothing is judged: there is no claim to hold it against.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .figure import (
    Axis,
    Check,
    Checks,
    Figure,
    Line,
    Panel,
    Question,
    Results,
    Shown,
    Study,
    axis,
)
from .measure import (
    EMISSION,
    FEASIBLE,
    by_training,
    curve,
    geometric_mean,
    line,
    sample,
    short,
    split,
    trained,
)
from .paper_a import AXES, QUICK, READINGS, RUN, WARM_UP, two_by_two
from .training_settings import (
    AAC_STEPS,
    DQN_STEPS,
    EASY,
    WORLD_A,
    WORLD_C,
    aac_stream,
    aac_tasks,
    ddpg_stream,
    ddpg_tasks,
    dqn_stream,
)

if TYPE_CHECKING:
    import xarray as xr

STREAM = {
    "P2 in each slot": "lyapunov",
    "SCA": "sca",
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
}
TASKS = {
    "exact": "exact",
    "SCA": "sca",
    "drift plus penalty": "lyapunov",
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
}
LEARNED_STREAM = {"AAC": "aac", "DQN": "dqn"}
LEARNED_TASKS = {"DDPG": "ddpg", "AAC": "aac-tasks"}


def _lines(
    data: "xr.Dataset",
    values: "xr.DataArray",
    x: str,
    policies: Sequence[str],
    learned: Mapping[str, str],
) -> tuple[Line, ...]:
    """Of each policy over `x`, and of each learned one over its trainings."""
    lines = [line(policy, values.sel(policy=policy), x) for policy in policies]
    lines += [
        line(label, by_training(values, data, label), x)
        for label in learned
        if trained(data, label)
    ]
    return tuple(lines)


def _stream_panels(results: Results, x: str) -> list[list[Panel]]:
    data = results["stream"]
    return two_by_two(
        [
            Panel("", name, _lines(data, of(data), x, list(STREAM), LEARNED_STREAM))
            for name, of in zip(AXES, READINGS.values(), strict=True)
        ]
    )


def _tasks_panels(results: Results, x: str) -> list[list[Panel]]:
    data = results["tasks"]
    policies = list(TASKS)
    emission = _lines(data, data["worst_emission_mg"], x, policies, LEARNED_TASKS)
    share = _lines(data, 100.0 * data["feasible_share"], x, policies, LEARNED_TASKS)
    return [[Panel("", EMISSION, emission, log=True)], [Panel("", "slots feasible [%]", share)]]


def _over_first(
    study: str, x: str, value: Callable[["xr.Dataset"], "xr.DataArray"], learned: Mapping[str, str]
) -> Callable[[Results], Checks]:
    """Of each policy, a value at each place less that at the first, paired by seed or training."""

    def checks(results: Results) -> Checks:
        data = results[study]
        values = value(data)
        rows = {
            name: values.sel(policy=name)
            for name in data["policy"].values.tolist()
            if not any(name in trained(data, label) for label in learned)
        }
        rows |= {label: by_training(values, data, label) for label in learned}
        places = data[x].values.tolist()
        return {
            name: [
                Check(
                    f"{x} {short(place)}",
                    sample(of.sel({x: place}) - of.sel({x: places[0]})),
                )
                for place in places[1:]
            ]
            for name, of in rows.items()
        }

    return checks


# ---------------------------------------------------------------------------------------- the optimum

CYCLES, N = "cycles", "devices"

_GAP_CYCLES = axis(
    CYCLES,
    "tasks.cycles",
    {c: [f"{c} Mcycles", f"{c} Mcycles"] for c in (1000, 1100, 1200, 1300, 1400, 1500)},
    quick=(1000, 1500),
)
_FLOOR = {"limits.rate_floor": "all"}
_PRINTED = {"Algorithm 1 as printed": 'sca{variant="paper"}'}
_STARTED = {"Algorithm 1, feasible start": 'sca{variant="paper", local_cpu="794 MHz"}'}
_GAPS = TASKS | _PRINTED | _STARTED


def _ratio(data: "xr.Dataset") -> "xr.DataArray":
    """Emission over that of the optimum, where a policy and the optimum keep all limits."""
    emission = data["worst_emission_mg"].where(data["feasible_share"] > 1.0 - 1e-9)
    return emission / emission.sel(policy="exact")


def _gap_c_panels(results: Results) -> list[list[Panel]]:
    schemes, learned = results["schemes"], results["learned"]
    ratios, shares = [], []
    for title, part in split(schemes, "theta_0"):
        policies = [name for name in _GAPS if name != "exact"]
        lines = _lines(part, _ratio(part), CYCLES, policies, {})
        feasible = _lines(part, 100.0 * part["feasible_share"], CYCLES, policies, {})
        if part["theta_0"].item() == EASY["energy.theta_0"]:
            lines += _lines(learned, _ratio(learned), CYCLES, [], LEARNED_TASKS)
            share = 100.0 * learned["feasible_share"]
            feasible += _lines(learned, share, CYCLES, [], LEARNED_TASKS)
        ratios.append(Panel(title, "emission over the optimum", lines, log=True))
        shares.append(Panel(title, FEASIBLE, feasible))
    return [ratios, shares]


def _gap_c(results: Results) -> Checks:
    """Geometric mean over all cycles, of the instances in which a policy keeps all limits."""
    found: dict[str, list[Check]] = {}
    for name, part in split(results["schemes"], "theta_0"):
        ratio = _ratio(part)
        for policy in _GAPS:
            if policy != "exact":
                mean = geometric_mean(ratio.sel(policy=policy), CYCLES)
                found.setdefault(name, []).append(Check(policy, mean, log=True))
    part = results["learned"]
    for label in LEARNED_TASKS:
        of = by_training(_ratio(part), part, label).mean(dim=CYCLES)
        found.setdefault("learned, theta_0 = 1e-28", []).append(Check(label, sample(of)))
    return found


def _feasible_c(results: Results) -> Checks:
    found: dict[str, list[Check]] = {}
    for name, part in split(results["schemes"], "theta_0"):
        share = 100.0 * part["feasible_share"].mean(dim=CYCLES)
        found[name] = [Check(policy, sample(share.sel(policy=policy))) for policy in _GAPS]
    part = results["learned"]
    for label in LEARNED_TASKS:
        share = 100.0 * by_training(part["feasible_share"], part, label).mean(dim=CYCLES)
        found.setdefault("learned, theta_0 = 1e-28", []).append(Check(label, sample(share)))
    return found


GAP_C = Figure(
    id="gap-c",
    paper="",
    title="Every policy against the exact optimum of C(10)",
    notes=(
        "One slot of paper C's network, tasks of 1 to 4 MB, the floor for all. Ratios are of instances in "
        "which the policy and the optimum keep all limits; drift plus penalty keeps the energy limit in "
        "the mean alone. DDPG and AAC were trained under theta_0 = 1e-28, on 1000 to 1500 Mcycles."
    ),
    x="cycles of each task [Mcycles]",
    panels=_gap_c_panels,
    minutes=(2.0, 0.4),
    trainings=(ddpg_tasks, aac_tasks),
    studies=(
        Study(
            "schemes",
            WORLD_C,
            _GAPS,
            (
                _GAP_CYCLES,
                axis("theta_0", "energy.theta_0", {1e-28: 1e-28, 3e-28: 3e-28, 1e-27: 1e-27}),
            ),
            _FLOOR | {"run.slots": 1},
        ),
        Study(
            "learned",
            WORLD_C,
            {"exact": "exact"},
            (_GAP_CYCLES,),
            _FLOOR | {"run.slots": 1, "energy.theta_0": 1e-28},
            learned=LEARNED_TASKS,
        ),
    ),
    questions=(
        Question("How much do policies emit?", "times the optimum", _gap_c),
        Question("In how many instances do they keep all limits?", "%", _feasible_c),
    ),
)


def _gap_a_values(data: "xr.Dataset") -> "xr.DataArray":
    """P2's value over that of the multi-start search, in % of the latter's mean."""
    cost = data["objective"]
    best = cost.sel(policy="exact search")
    return 100.0 * (cost - best) / abs(best.mean(dim="seed"))


def _gap_a_panels(results: Results) -> list[list[Panel]]:
    data = results["stream"]
    lines = _lines(data, _gap_a_values(data), N, list(STREAM), {"AAC": "aac"})
    return [[Panel("", "P2 over that of the search, in %", lines)]]


def _gap_a(results: Results) -> Checks:
    found = {}
    data = results["stream"]
    gap = _gap_a_values(data)
    for n in data[N].values.tolist():
        at = gap.sel({N: n})
        found[f"{n} devices"] = [
            *(Check(policy, sample(at.sel(policy=policy))) for policy in STREAM),
            Check("AAC", sample(by_training(at, data, "AAC"))),
        ]
    return found


GAP_A = Figure(
    id="gap-a",
    paper="",
    title="Every policy against a multi-start search on P2",
    notes=(
        "Paper A's network with few devices, 100 slots. The search tries all sets of senders from several "
        "starts in each slot, but has no certificate, and what is best in each slot need not be best in "
        "the long run: a policy can be below zero. AAC was trained with 20 devices."
    ),
    x="number of devices",
    panels=_gap_a_panels,
    minutes=(20.0, 0.4),
    trainings=(aac_stream,),
    studies=(
        Study(
            "stream",
            WORLD_A,
            {"exact search": "exact"} | STREAM,
            (axis(N, "devices.count", {n: n for n in (2, 3, 4, 5)}, quick=(2, 3)),),
            {"run.slots": 100},
            seeds=10,
            quick_seeds=2,
            quick_keys={"run.slots": 20},
            together=10,
            warmup=WARM_UP,
            learned={"AAC": "aac"},
        ),
    ),
    questions=(
        Question(
            "How far is P2's value, in the mean over slots, above that of the search?", "%", _gap_a
        ),
    ),
)

# ---------------------------------------------------------------------------------------- the learners


_LEARNERS_A = {"AAC": "aac", "DQN": "dqn", "DDPG": "ddpg-stream"}
_LEARNERS_C = {"DDPG": "ddpg", "AAC": "aac-tasks"}
"""By label, the trainings."""


def _learners_a_panels(results: Results) -> list[list[Panel]]:
    lines = [
        curve(label, results[name], "system_cost", "evaluated_steps", 1.0)
        for label, name in _LEARNERS_A.items()
    ]
    ends = np.array([min(one.x[0] for one in lines), max(one.x[-1] for one in lines)], dtype=float)
    for label, column in {
        "P2 in each slot": "lyapunov_system_cost",
        "local": "local_system_cost",
    }.items():
        level = sample(results["aac"][column].isel(evaluation=-1))
        lines.append(Line(label, ends, np.stack([level, level])))
    return [[Panel("", "system cost, P2 [bit²/slot]", tuple(lines))]]


def _learners_a(results: Results) -> Checks:
    return {
        "best evaluation": [
            Check(label, sample(100.0 * results[name]["gap_closed"].max(dim="evaluation")))
            for label, name in _LEARNERS_A.items()
        ],
        "mean of the last five": [
            Check(
                label,
                sample(
                    100.0
                    * results[name]["gap_closed"]
                    .isel(evaluation=slice(-5, None))
                    .mean(dim="evaluation")
                ),
            )
            for label, name in _LEARNERS_A.items()
        ],
    }


LEARNERS_A = Figure(
    id="learners-a",
    paper="",
    title="AAC, DQN and DDPG on paper A's network",
    notes=(
        f"Costs on held-out seeds, over 5 trainings each. AAC has {AAC_STEPS:,} environment steps, DQN and "
        f"DDPG, which learn from a replay, {DQN_STEPS:,}. DDPG's settings were not searched for."
    ),
    x="environment steps",
    panels=_learners_a_panels,
    minutes=(0.1, 0.1),
    trainings=(aac_stream, dqn_stream, ddpg_stream),
    log_x=True,
    questions=(
        Question(
            "How much of the gap between local execution and P2 solved in each slot do they close?",
            "%",
            _learners_a,
        ),
    ),
)


def _learners_c_panels(results: Results) -> list[list[Panel]]:
    def lines(values: Callable[["xr.Dataset"], "xr.DataArray"]) -> tuple[Line, ...]:
        return tuple(
            curve(
                label,
                results[name].assign(shown=values(results[name])),
                "shown",
                "evaluated_steps",
                1.0,
            )
            for label, name in _LEARNERS_C.items()
        )

    excess = lines(lambda data: 1.0 + data["excess"])
    feasible = lines(lambda data: 100.0 * data["feasible"])
    return [
        [Panel("", "emission over the optimum", excess, log=True)],
        [Panel("", "slots feasible [%]", feasible)],
    ]


def _learners_c(results: Results) -> Checks:
    return {
        "emission over the optimum": [
            Check(label, sample(1.0 + results[name]["excess"].isel(evaluation=-1)))
            for label, name in _LEARNERS_C.items()
        ],
        "part of the slots feasible": [
            Check(label, sample(results[name]["feasible"].isel(evaluation=-1)))
            for label, name in _LEARNERS_C.items()
        ],
    }


LEARNERS_C = Figure(
    id="learners-c",
    paper="",
    title="DDPG and AAC on paper C's network",
    notes=(
        "Held-out seeds, over 5 trainings each; theta_0 = 1e-28, 1000 to 1500 Mcycles. AAC's settings were "
        "not searched for."
    ),
    x="environment steps",
    panels=_learners_c_panels,
    minutes=(0.1, 0.1),
    trainings=(ddpg_tasks, aac_tasks),
    log_x=True,
    questions=(Question("Where do they end?", "1", _learners_c),),
)

# -------------------------------------------------------------------------------------------- the twin

AGE, LOSS = "age", "loss"
AGES = (0, 1, 2, 5, 10, 20)
LOSSES = (0, 10, 20, 30, 40, 50)
PERIODIC = {"twin.sync": "periodic"}


def _ages(slot_s: float) -> Axis:
    values: dict[Shown, str] = {k: f"{k * slot_s:g} s" for k in AGES}
    return axis(AGE, "twin.device.latency", values, quick=(0, 5, 20))


_LOSSES = axis(LOSS, "twin.device.loss", {k: k / 100.0 for k in LOSSES}, quick=(0, 50))

_STATIC = (
    "Devices stand still and fading is new in each slot, so a twin that is one slot old knows nothing of "
    "the channel but its mean. "
)


def _stale_stream(where: Axis) -> Study:
    return Study(
        "stream",
        WORLD_A,
        STREAM,
        (where,),
        RUN | PERIODIC,
        seeds=10,
        quick_seeds=2,
        quick_keys=QUICK,
        together=10,
        warmup=WARM_UP,
        learned=LEARNED_STREAM,
    )


def _stale_tasks(where: Axis) -> Study:
    return Study(
        "tasks",
        WORLD_C,
        TASKS,
        (where,),
        EASY | PERIODIC | {"run.slots": 60},
        seeds=10,
        quick_seeds=2,
        together=10,
        # The oldest twin knows nothing before the twentieth slot.
        warmup=0.5,
        learned=LEARNED_TASKS,
    )


def _stale_questions(study: str, x: str, learned: Mapping[str, str]) -> tuple[Question, ...]:
    if study == "stream":
        return tuple(
            Question(f"What does it add to {what}?", unit, _over_first(study, x, of, learned))
            for what, unit, of in zip(
                (
                    "P2's value",
                    "the energy per bit",
                    "the energy per second",
                    "the bits that wait at a device",
                ),
                ("bit²/slot", "nJ/bit", "W", "Mbit"),
                READINGS.values(),
                strict=True,
            )
        )
    return (
        Question(
            "What does it add to the part of the slots in which all limits are kept?",
            "%",
            _over_first(study, x, lambda data: 100.0 * data["feasible_share"], learned),
        ),
        Question(
            "And to the worst-case emission, feasible or not?",
            "mg",
            _over_first(study, x, lambda data: data["worst_emission_mg"], learned),
        ),
    )


def _stale(world: str, x: str) -> Figure:
    stream = world == "a"
    how = (
        "Each device reports in each slot; the report is so many slots on its way."
        if x == AGE
        else "Each device reports in each slot; so many of the reports are lost."
    )
    where = (_ages(0.1) if stream else _ages(2.0)) if x == AGE else _LOSSES
    panels = _stream_panels if stream else _tasks_panels
    return Figure(
        id=f"{x}-{world}",
        paper="",
        title=(
            f"What {'an old' if x == AGE else 'a lossy'} twin costs, on paper {world.upper()}'s network"
        ),
        notes=_STATIC
        + how
        + (
            ""
            if stream
            else " Tasks are new in each slot too: an old twin plans for others. theta_0 = 1e-28, 1000 to "
            "1500 Mcycles. The first half of 60 slots is left out."
        ),
        x="age of the twin [slots]" if x == AGE else "lost messages [%]",
        panels=lambda results: panels(results, x),
        minutes=(4.0, 0.4),
        trainings=(aac_stream, dqn_stream) if stream else (ddpg_tasks, aac_tasks),
        studies=(_stale_stream(where) if stream else _stale_tasks(where),),
        questions=_stale_questions(
            "stream" if stream else "tasks", x, LEARNED_STREAM if stream else LEARNED_TASKS
        ),
    )


AGE_A, LOSS_A, AGE_C, LOSS_C = (
    _stale(world, x) for world, x in (("a", AGE), ("a", LOSS), ("c", AGE), ("c", LOSS))
)

# ------------------------------------------------------------------------------------------ the carbon

HOUR = "hour"
SEASONS = {"January": "2020-01-15", "July": "2020-07-15"}
HOURS = (0, 3, 6, 9, 12, 15, 18, 21)
GB = "carbon_intensity_gb_2020.csv"


def _gb(season: str, hour: int) -> dict[str, str]:
    return {"file": GB, "start": f"{SEASONS[season]}T{hour:02d}:00"}


_MOMENTS = Axis(
    "moment",
    {
        f"{season} {hour}": {"carbon.intensity": _gb(season, hour)}
        for season in SEASONS
        for hour in HOURS
    },
    quick=("January 0", "January 18", "July 0", "July 18"),
)
_CARBON = ("P2 in each slot", "EPR", "EPR-EP", "local")


def _season(data: "xr.Dataset", season: str) -> "xr.Dataset":
    """One season over the hours that were run."""
    moments = [one for one in data["moment"].values.tolist() if one.startswith(season)]
    hours = [int(one.split()[1]) for one in moments]
    return data.sel(moment=moments).rename(moment=HOUR).assign_coords({HOUR: hours})


def _carbon_panels(results: Results) -> list[list[Panel]]:
    rows: list[list[Panel]] = [[], [], []]
    for season in SEASONS:
        stream, tasks = (_season(results[study], season) for study in ("stream", "tasks"))
        emission = 1e6 * stream["emission_mg_per_bit"]
        energy = 1e9 * stream["energy_per_bit_j"]
        policies = list(_CARBON)
        rows[0].append(
            Panel(season, "emission [mg/Mbit]", _lines(stream, emission, HOUR, policies, {}))
        )
        rows[1].append(Panel(season, "energy [nJ/bit]", _lines(stream, energy, HOUR, policies, {})))
        worst = _lines(tasks, tasks["worst_emission_mg"], HOUR, list(_CARBON_TASKS), {})
        rows[2].append(Panel(season, "paper C: " + EMISSION, worst))
    return rows


_CARBON_TASKS = {"exact": "exact", "SCA": "sca", "EPR, server at 2 GHz": 'epr{edge_cpu="2 GHz"}'}


def _carbon_of(study: str, value: str, scale: float) -> Callable[[Results], Checks]:
    def checks(results: Results) -> Checks:
        found = {}
        for season in SEASONS:
            data = _season(results[study], season)
            mean = scale * data[value].mean(dim=HOUR)
            found[season] = [
                Check(policy, sample(mean.sel(policy=policy)))
                for policy in data["policy"].values.tolist()
            ]
        return found

    return checks


CARBON = Figure(
    id="carbon",
    paper="",
    title="Energy and emission under Great Britain's carbon intensity",
    notes=(
        f"Half-hourly intensities of 2020-01-15 and 2020-07-15 ({GB}); runs of 600 slots begin every three "
        "hours. Neither problem shifts work in time, and all stations and devices have the same intensity: "
        "decisions follow energy, and emission is energy at another price."
    ),
    x="hour of the day",
    panels=_carbon_panels,
    minutes=(1.0, 0.3),
    studies=(
        Study(
            "stream",
            WORLD_A,
            {name: STREAM[name] for name in _CARBON},
            (_MOMENTS,),
            {"run.slots": 600},
            seeds=10,
            quick_seeds=2,
            quick_keys=QUICK,
            together=10,
            warmup=WARM_UP,
        ),
        Study(
            "tasks",
            WORLD_C,
            _CARBON_TASKS,
            (_MOMENTS,),
            EASY | {"run.slots": 3, "tasks.size": ["1 MB", "2 MB"]},
            seeds=10,
            quick_seeds=2,
            together=10,
            warmup=0.0,
        ),
    ),
    questions=(
        Question(
            "What is emitted for a million bits, in the mean over the day?",
            "mg/Mbit",
            _carbon_of("stream", "emission_mg_per_bit", 1e6),
        ),
        Question(
            "What energy does a bit take?", "nJ/bit", _carbon_of("stream", "energy_per_bit_j", 1e9)
        ),
        Question(
            "What is the worst-case emission on paper C's network?",
            "mg",
            _carbon_of("tasks", "worst_emission_mg", 1.0),
        ),
    ),
)

# -------------------------------------------------------------------------------------------- the time


def _time_panels(results: Results) -> list[list[Panel]]:
    columns = []
    for title, names in (
        ("paper A's network", ("stream", "search")),
        ("paper C's network", ("tasks",)),
    ):
        lines: tuple[Line, ...] = ()
        for name in names:
            data = results[name]
            policies = [one for one in data["policy"].values.tolist() if not one[-1].isdigit()]
            learned = LEARNED_STREAM if name == "stream" else LEARNED_TASKS
            lines += _lines(data, 1e3 * data["decision_s"], N, policies, learned)
        columns.append(Panel(title, "time per decision, median [ms]", lines, log=True))
    return [columns]


def _time(results: Results) -> Checks:
    found = {}
    for name in ("stream", "search", "tasks"):
        data = results[name]
        for n in data[N].values.tolist():
            values = 1e3 * data["decision_s"].sel({N: n})
            found[f"{name}, {n} devices"] = [
                Check(policy, sample(values.sel(policy=policy)))
                for policy in data["policy"].values.tolist()
            ]
    return found


def _timed(
    name: str, scenario: str, policies: Mapping[str, str], counts: tuple[int, ...], slots: int
) -> Study:
    learned = {"stream": LEARNED_STREAM, "tasks": LEARNED_TASKS}.get(name, {})
    return Study(
        name,
        scenario,
        policies,
        (axis(N, "devices.count", {n: n for n in counts}, quick=counts[:2]),),
        {"run.slots": slots, "trace.level": "slots"},
        seeds=10,
        quick_seeds=2,
        together=1,
        learned=learned,
        timed=True,
    )


TIME = Figure(
    id="time",
    paper="",
    title="Time per decision",
    notes=(
        "Wall-clock time of one decision of one replication on the machine of the run, so the one figure "
        "that is not the same twice. Compare policies, not machines."
    ),
    x="number of devices",
    panels=_time_panels,
    minutes=(9.0, 1.0),
    trainings=(aac_stream, dqn_stream, ddpg_tasks, aac_tasks),
    studies=(
        _timed("stream", WORLD_A, STREAM, (5, 10, 20, 40, 80), 30),
        _timed("search", WORLD_A, {"exact search": "exact"}, (2, 4, 6), 10),
        _timed("tasks", WORLD_C, TASKS, (2, 4, 6, 8, 10), 5),
    ),
    log_x=True,
    questions=(Question("How long does a decision take?", "ms", _time),),
)
