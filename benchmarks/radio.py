"""What a slot costs with 3GPP's path losses and Clarke's fading, against log-distance and Rayleigh."""

from collections.abc import Iterator

import numpy as np

from edgesim.experiments.run import prepare
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.simulation import Simulation

from .measure import Row, rounds, scenario

DEVICES, STATIONS, SLOTS = 1000, 12, 60
ROUNDS = 15

WALKS = (
    f"devices.count={DEVICES}",
    f"stations.sbs.count={STATIONS - 1}",
    "mobility.model=random-waypoint",
    "stations.mbs.height=10 m",
    "channel.carrier=3.5 GHz",
)
LOSSES = ("3gpp-umi", "3gpp-uma", "3gpp-inf")


def begun(*overrides: str) -> Simulation:
    """A run of which the first slots are over, so that all is compiled."""
    experiment = prepare(scenario(*WALKS, *overrides, slots=10**6))
    plan, policy, streams = experiment.blueprint, experiment.policy, experiment.streams
    policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    simulation = plan.simulation(policy.decide, NullRecorder(), streams)
    simulation.run(SLOTS)
    return simulation


def measure() -> Iterator[Row]:
    for policy in ("lyapunov", "local"):
        cases = [("log-distance", "rayleigh"), *((loss, "rayleigh") for loss in LOSSES)]
        cases.append(("log-distance", "clarke"))
        runs = [
            begun(f"policy.name={policy}", f"channel.path_loss={loss}", *_fades(fading))
            for loss, fading in cases
        ]
        works = [lambda run=run: run.run(run.world.state.slot + SLOTS) for run in runs]
        seconds = rounds(*works, count=ROUNDS)
        ratios = np.median(seconds / seconds[:, :1], axis=0)
        for (loss, fading), ratio in list(zip(cases, ratios, strict=True))[1:]:
            what = f"N = {DEVICES}, B = {STATIONS}, {policy}, {loss}, {fading}"
            bar = 1.3 if fading == "rayleigh" else None
            yield Row(what, float(ratio), "x", at_most=bar)


def _fades(fading: str) -> tuple[str, ...]:
    extra = ("channel.speed=1 m/s",) if fading == "clarke" else ()
    return (f"channel.fading={fading}", *extra)
