"""Runs of a few slots that call, between them, the compiled functions that most runs call.

`python runs.py stream` or `python runs.py tasks`: both problems, by policy and with what else a network
may have. What learns calls others too, which are compiled where they are called first.
"""

import sys
from tempfile import TemporaryDirectory

import edgesim

ROUGH = (
    "mobility.model=random-waypoint",
    'mobility.speed=["1 m/s", "2 m/s"]',
    "twin.sync=periodic",
    "twin.device.period=2.5 s",
    "twin.device.loss=0.3",
    "run.replications=2",
)

VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "poisson": ("local", ("tasks.arrivals=poisson", "tasks.rate=5 tasks/s", "tasks.deadline=1 s")),
    "mmpp": ("local", ("tasks.arrivals=mmpp", "tasks.rates=[5.0, 40.0]", "tasks.sojourns=[1, 1]")),
    "rician": ("local", ("channel.fading=rician", "association.model=load-aware")),
    "3gpp": (
        "local",
        (
            "channel.path_loss=3gpp-umi",
            "channel.carrier=3.5 GHz",
            "channel.fading=clarke",
            "channel.speed=1 m/s",
            "mobility.model=random-waypoint",
        ),
    ),
    "rough": ("lyapunov", (*ROUGH, 'twin.predict=["location", "arrivals"]')),
    "few": ("lyapunov", ("devices.count=5",)),
    "battery": ("random", ('devices.battery={capacity="1 J", initial=0.5, harvest="60 mW"}',)),
    "failures": (
        "local",
        ('stations.sbs.failures={time_to_failure="3 s", time_to_repair="1 s", law="fixed"}',),
    ),
}
POLICIES = ("lyapunov", "local", "offload-all", "random", "epr", "epr-ep")

RUNS: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "stream": [
        *(("iiot_20dev", name, ()) for name in POLICIES),
        *(("iiot_20dev", *variant) for variant in VARIANTS.values()),
        ("sumo_crossing", "lyapunov", ()),
    ],
    "tasks": [
        *(("carbon_6ue", name, ()) for name in (*POLICIES, "exact", "sca")),
        ("carbon_6ue", "local", ROUGH),
    ],
}
"""By problem: scenarios, policies, and overrides."""


def main(problem: str) -> None:
    """Make all runs of a problem."""
    with TemporaryDirectory() as folder:
        for scenario, policy, overrides in RUNS[problem]:
            edgesim.run(
                scenario, f"{folder}/t.h5", policy=policy, slots=12, overrides=overrides
            ).close()


if __name__ == "__main__":
    main(sys.argv[1])
