"""What a change alters: digests of every trace variable, of this checkout and of an earlier one.

`python tests/digests.py --base REVISION` runs every case with both and prints, per case, the variables
whose values differ in any bit, or that are gone; its exit status is 1 if there are any. `--record FILE`
leaves this checkout's digests, `--base FILE` compares with such a file. Bits depend on the processor and on the
libraries' versions, so digests are only comparable within one machine and environment.

Cases: every policy on every shipped scenario, and runs with failures, batteries, lossy and late twins,
movement, bounded buffers, bursts and three replications; learners have weights from a short training. A case
whose scenario or policy the earlier checkout does not have is named and counted apart.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py

from edgesim.policies.catalogue import POLICIES

ROOT = Path(__file__).resolve().parents[1]
SLOTS = 300

LEARNED = ("aac", "ddpg", "dqn", "sac")
PLANNERS = ("lookahead", "wait-awhile", "clairvoyant")
"""They plan by deadlines, and refuse scenarios without."""

FEW = ("devices.count=3",)
"""In the stream `exact` searches all sets of senders, and refuses other networks than small ones."""

FAILING = (
    'stations.sbs.failures={time_to_failure=3, time_to_repair=1, law="fixed"}',
    'stations.mbs.failures={time_to_failure=7, time_to_repair=1, law="fixed"}',
)
"""At slots' boundaries: within a slot a station serves for the part in which it is up."""
RANDOMLY = "stations.sbs.failures={time_to_failure=3, time_to_repair=1}"
LOSING = 'stations.sbs.failures={time_to_failure=3, time_to_repair=1, queue="lost", devices="wait"}'
MOVING = ("mobility.model=random-waypoint", 'mobility.speed=["5 m/s", "15 m/s"]')
BATTERIES = ('devices.battery={capacity="0.05 J", initial=0.5, harvest="60 mW"}',)
LATE = (
    "twin.sync=periodic",
    "twin.device.period=0.2 s",
    "twin.device.latency={exponential=0.15}",
    "twin.device.loss=0.3",
    "twin.station.latency={uniform=[0.0, 0.3]}",
    "twin.station.loss=0.3",
)
PREDICTED = (*LATE, 'twin.predict=["location", "arrivals", "energy"]')
LATE_TASKS = (
    "twin.sync=periodic",
    "twin.device.period=4.0",
    "twin.device.latency={exponential=2.0}",
    "twin.device.loss=0.3",
    "twin.station.loss=0.3",
    'twin.deviation.device_cpu={noise="50 MHz"}',
)
BOUNDED = ("tasks.buffer=1 Mbit", "tasks.deadline=500 ms")
BURSTS = ("tasks.arrivals=mmpp", "tasks.rates=[5.0, 40.0]", "tasks.sojourns=[0.5, 0.5]")
THREE = ("run.replications=3",)

CONDITIONS = {
    "failing": ("iiot_20dev", FAILING),
    "failing at any time": ("iiot_20dev", (RANDOMLY,)),
    "losing": ("iiot_20dev", (LOSING, *THREE)),
    "batteries": ("iiot_20dev", (*BATTERIES, *MOVING)),
    "late": ("iiot_20dev", (*LATE, *MOVING)),
    "late and predicted": ("iiot_20dev", (*PREDICTED, *MOVING, *BATTERIES)),
    "moving": ("iiot_20dev", (*MOVING, "association.model=load-aware")),
    "bounded": ("iiot_20dev", (*BOUNDED, *BURSTS)),
    "poisson": ("iiot_20dev", ("tasks.arrivals=poisson", "tasks.rate=20 tasks/s", *BOUNDED)),
    "density": ("iiot_20dev", ("channel.noise_model=density", "channel.fading=rician")),
    "full": ("iiot_20dev", ("trace.level=full", "channel.coherence=300 ms")),
    "deviating": ("iiot_20dev", ("twin.deviation.device_cpu={noise=1e7}", *THREE)),
    "everything": ("iiot_20dev", (*FAILING, *MOVING, *BATTERIES, *PREDICTED, *BURSTS, *THREE)),
    "late tasks": ("carbon_6ue", (*LATE_TASKS, *MOVING, *THREE)),
    "full tasks": ("carbon_6ue", ("trace.level=full", 'limits.rate_floor="offloading"')),
}
MANY = {"iiot_20dev": ("lyapunov", "epr", "local"), "carbon_6ue": ("exact", "epr-ep", "sca")}
"""The policies under each condition."""


def cases() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> scenario and overrides."""
    named = {}
    for path in sorted((ROOT / "scenarios").glob("*.toml")):
        scenario, table = path.stem, tomllib.loads(path.read_text(encoding="utf-8"))
        problem = table["run"].get("problem", "drift-plus-penalty")
        for policy in POLICIES[problem]:
            # An agent is a file from elsewhere.
            if policy == "agent" or (policy in PLANNERS and "classes" not in table["tasks"]):
                continue
            # Every slot of these two is a search, or a series of convex programs.
            slots = SLOTS if policy not in ("sca", "exact") else SLOTS // 10
            few = FEW if (problem, policy) == ("drift-plus-penalty", "exact") else ()
            overrides = (*few, f"run.slots={slots}")
            named[f"{scenario} {policy}"] = (scenario, (f"policy.name={policy}", *overrides))
    for name, (scenario, overrides) in CONDITIONS.items():
        for policy in MANY[scenario]:
            slots = SLOTS if policy != "sca" else SLOTS // 10
            more = (f"policy.name={policy}", f"run.slots={slots}", *overrides)
            named[f"{name}, {policy}"] = (scenario, more)
    return named


def digest(trace: Path) -> dict[str, str]:
    """Of every variable outside of /timing."""
    found = {}
    with h5py.File(trace, "r", libver="latest", swmr=True, locking=False) as file:

        def take(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("timing"):
                values = item[...]
                # Not the bytes of texts, which are pointers, nor those between a record's fields.
                plain = values.dtype.names is None and values.dtype.kind != "O"
                content = values.tobytes() if plain else str(values.tolist()).encode()
                shape = f"{values.dtype} {values.shape} ".encode()
                found[name] = sha256(shape + content).hexdigest()[:16]

        file.visititems(take)
    return found


class Checkout:
    """The command of one checkout, whatever is installed."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._data: list[str] = []
        folder.mkdir(parents=True)
        (folder / "edgesim").symlink_to(root)
        self._root = root
        self._folder = folder
        self._environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}

    def command(self, *words: str) -> str:
        """Run `edgesim …`, and return what it printed; a failure shows what it said."""
        line = [sys.executable, "-m", "edgesim", *words]
        done = subprocess.run(
            line,
            check=False,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def has(self, chosen: Collection[str]) -> set[str]:
        """Those of the cases whose scenario and policy are there."""
        policies = set(re.findall(r"[\w-]+", self.command("policies")))
        scenarios = {path.stem for path in (self._root / "scenarios").glob("*.toml")}
        return {
            name
            for name in chosen
            if cases()[name][0] in scenarios and cases()[name][1][0].partition("=")[2] in policies
        }

    def look_into(self, data: Path) -> None:
        """Look up data files there."""
        self._data = ["--data", str(data)]

    def trained(self, policy: str, scenario: str) -> str:
        """Weights after a few steps of training."""
        folder = self._folder / f"{scenario}-{policy}"
        if not folder.exists():
            few = ["policy.steps=5000"] if policy == "aac" else ["policy.episodes=4"]
            few += ["policy.episode_slots=20"] + ["policy.workers=1"] * (policy == "aac")
            keys = [word for key in few for word in ("--set", key)]
            self.command("train", scenario, "--policy", policy, "-o", str(folder), *keys)
        return str(folder / "best.pt")

    def run(self, name: str, scenario: str, overrides: tuple[str, ...]) -> dict[str, str]:
        """The digests of one case."""
        trace = self._folder / f"{name.replace(' ', '_')}.h5"
        words = ["run", scenario, "-o", str(trace), *self._data]
        policy = overrides[0].partition("=")[2]
        if policy in LEARNED:
            kind = "carbon_6ue" if scenario == "carbon_6ue" else "iiot_20dev"
            words += ["--checkpoint", self.trained(policy, kind)]
        self.command(*words, *(word for key in overrides for word in ("--set", key)))
        found = digest(trace)
        trace.unlink()
        return found

    def all(self, only: str = "") -> dict[str, dict[str, str]]:
        """The digests of all cases whose name matches, as far as it has them."""
        named = self.has([name for name in cases() if re.search(only, name)])
        chosen = {name: case for name, case in cases().items() if name in named}
        for scenario in ("iiot_20dev", "carbon_6ue"):
            for policy in LEARNED:
                if f"policy.name={policy}" in {keys[0] for _, keys in chosen.values()}:
                    self.trained(policy, scenario)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            under_way = {
                name: pool.submit(self.run, name, scenario, overrides)
                for name, (scenario, overrides) in chosen.items()
            }
            return {name: one.result() for name, one in under_way.items()}


def plain_data(folder: Path) -> Path:
    """The data of `melbourne_cbd` as revisions read them that shipped none."""
    folder.mkdir()
    for path in (ROOT / "scenarios" / "data" / "shipped").glob("*.gz"):
        text = gzip.decompress(path.read_bytes()).decode()
        if path.name.startswith("carbon"):
            text = "Time,Carbon Intensity\n" + text.partition("\n")[2]
        (folder / path.stem).write_text(text, encoding="utf-8")
    return folder


def earlier(revision: str, folder: Path, only: str) -> dict[str, dict[str, str]]:
    """The digests of another revision of this repository."""
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    checkout = Checkout(source, folder / "base")
    if not (source / "scenarios" / "data").is_dir():
        checkout.look_into(plain_data(folder / "data"))
    return checkout.all(only)


def main() -> int:
    """Record, compare, or both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", help="a revision, or a file that --record left")
    parser.add_argument(
        "--only", default="", help="cases whose name matches this regular expression"
    )
    parser.add_argument("--record", type=Path, help="leave this checkout's digests there")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        ours = Checkout(ROOT, Path(name) / "ours").all(arguments.only)
        if arguments.record:
            arguments.record.write_text(json.dumps(ours, indent=1), encoding="utf-8")
        if not arguments.base:
            return 0
        if Path(arguments.base).is_file():
            theirs = json.loads(Path(arguments.base).read_text(encoding="utf-8"))
            theirs = {name: theirs[name] for name in theirs if re.search(arguments.only, name)}
        else:
            theirs = earlier(arguments.base, Path(name), arguments.only)
    altered = 0
    for case, before in sorted(theirs.items()):
        after = ours.get(case, {})
        if differ := [one for one in sorted(before) if before[one] != after.get(one)]:
            altered += 1
            print(f"{case}: {', '.join(differ)}")
    if new := sorted(ours.keys() - theirs.keys()):
        print(f"not there before: {', '.join(new)}")
    print(f"{len(ours)} cases, {altered} altered, {len(new)} new")
    return 1 if altered else 0


if __name__ == "__main__":
    sys.exit(main())
