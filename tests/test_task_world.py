"""The task problem in whole runs: everything recomputed from what is recorded, laws, and reproducibility."""

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import Capture, Run, simulate
from numpy.typing import NDArray
from scipy import stats

from edgesim.cli import main
from edgesim.scenarios.shipped import shipped
from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.simulator.tasks.decision import TaskDecision

CARBON_6UE = next(one.path for one in shipped() if one.name == "carbon_6ue")
TOML = CARBON_6UE.read_text(encoding="utf-8")
KEYS = tomllib.loads(TOML)

MOVING = ("mobility.model=random-waypoint", 'mobility.speed=["10 m/s", "20 m/s"]')
STALE = (
    "twin.sync=periodic",
    "twin.device.period=4.0",
    "twin.device.latency={exponential=2.0}",
    "twin.device.loss=0.3",
)
DEVIATING = (
    'twin.deviation.device_cpu={bias="-20 MHz", relative=-0.05, noise="50 MHz"}',
    'twin.deviation.edge_cpu={bias="100 MHz", relative=0.1, noise="300 MHz"}',
)


def simulated(*overrides: str, slots: int = 40, decide: Any = None) -> Run:
    return simulate(f"run.slots={slots}", *overrides, toml=TOML, decide=decide)


# C(2) to C(10), recomputed


def seconds(cycles: float, real_hz: float) -> float:
    """A CPU that deviates to a standstill never gets done."""
    return cycles / real_hz if real_hz > 0.0 else math.inf


class Recomputed:
    """One slot of one replication, from its recorded columns, device by device."""

    # Table I, as the scenario's file has it.
    bandwidth_hz = 10e6
    noise_w = 10 ** (-174 / 10) * 1e-3 * 10e6
    power_max_w = 10 ** (23 / 10) * 1e-3
    cpu_hz = (0.5e9, 2e9)
    server_hz = 20e9
    theta = 1e-27
    energy_max_j = 1.0
    rate_min_bps = 1e6

    def __init__(
        self,
        row: dict[str, NDArray[Any]],
        theta_0: float,
        g_per_kwh: float,
        floor_for_all: bool,
    ) -> None:
        devices = len(row["power_w"])
        self.rate_bps, self.delay_s, self.energy_j = [], [], []
        self.server_j, self.emission_mg = [], []
        asked_hz, worst = 0.0, 0.0
        for m in range(devices):
            interference = 0.0
            for n in range(devices):
                if n != m:
                    interference += row["power_w"][n] * row["interference_gain"][m, n]
            signal = row["power_w"][m] * row["channel_gain"][m, 0]
            rate = self.bandwidth_hz * math.log2(1 + signal / (interference + self.noise_w))  # C(2)
            cycles, power = row["task_cycles"][m], row["power_w"][m]
            if row["offload"][m]:
                transmission_s = row["task_bits"][m] / rate  # C(3)
                delay = transmission_s + seconds(cycles, row["edge_cpu_hz"][m])  # C(5), C(6)
                energy = power * transmission_s  # C(7)
                server = theta_0 * cycles * row["edge_cpu_hz"][m] ** 2  # C(8)
                asked_hz += row["edge_cpu_hz"][m] - row["edge_deviation_hz"][m]
            else:
                delay = seconds(cycles, row["local_cpu_hz"][m])  # C(4), C(6)
                energy = self.theta * cycles * row["local_cpu_hz"][m] ** 2  # C(7)
                server = 0.0
                believed_hz = row["local_cpu_hz"][m] - row["local_deviation_hz"][m]
                worst = max(worst, believed_hz / self.cpu_hz[1], self.cpu_hz[0] / believed_hz)
            worst = max(worst, delay / row["deadline_s"][m])  # (10b)
            worst = max(worst, energy / self.energy_max_j)  # (10c)
            if floor_for_all or row["offload"][m]:
                worst = max(worst, self.rate_min_bps / rate)  # (10d)
            worst = max(worst, power / self.power_max_w)
            self.rate_bps.append(rate)
            self.delay_s.append(delay)
            self.energy_j.append(energy)
            self.server_j.append(server)
            self.emission_mg.append(1e3 * g_per_kwh / 3.6e6 * (energy + server))  # C(9)
        worst = max(worst, asked_hz / self.server_hz)  # (10e)
        self.worst_use = worst


def carbon_file(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """An override, and the intensity of slots 0 to 39: five of 2 s, then another, from 100 on."""
    rows = ["Time,Carbon Intensity"]
    rows += [
        f"2020-06-01 00:{s // 60:02}:{s % 60:02},{100 + 10 * k}"
        for k, s in enumerate(range(0, 130, 10))
    ]
    path = folder / "carbon.csv"
    path.write_text("\n".join(rows))
    override = f'carbon.intensity={{file="{path}", start="2020-06-01T00:00:20"}}'
    return override, np.repeat(np.arange(120.0, 200.0, 10.0), 5)


RUNS = {
    "random": ("policy.name=random",),
    "exact": ("policy.name=exact", "energy.theta_0=1e-28"),
    "feasible": ("policy.name=exact", 'tasks.cycles=["1000 Mcycles", "1500 Mcycles"]'),
    "epr": ("policy.name=epr", 'tasks.cycles=["1000 Mcycles", "1900 Mcycles"]'),
    "epr-ep offloading": ("policy.name=epr-ep", 'limits.rate_floor="offloading"'),
    "offload-all": ("policy.name=offload-all", 'tasks.size=["0.5 MB", "2 MB"]'),
    "lyapunov": ("policy.name=lyapunov", "energy.theta_0=3e-28"),
    "deviation": ("policy.name=exact", *DEVIATING, "energy.theta_0=1e-28"),
    "moving": ("policy.name=epr", *MOVING),
    "stale": ("policy.name=exact", *MOVING, *STALE),
    "all at once": ("policy.name=random", *MOVING, *STALE, *DEVIATING),
}

FEASIBLE = dict.fromkeys(RUNS, (True, False)) | {
    "random": (False, False),
    "all at once": (False, False),
    "feasible": (True, True),
    "offload-all": (True, True),
    "stale": (False, False),
}
"""Whether some, and all, slots hold all limits."""


@pytest.mark.parametrize("name", RUNS)
def test_a_run_recomputed_from_its_columns(name: str, tmp_path: Path) -> None:
    overrides = RUNS[name]
    intensity = np.full(40, 182.0)
    if name in ("moving", "all at once"):
        override, intensity = carbon_file(tmp_path)
        overrides = (*overrides, override)
    run = simulated(*overrides, "run.replications=2")
    trace, energy = run.trace, run.scenario.energy
    devices = KEYS["devices"]["count"]
    np.testing.assert_allclose(trace["carbon_g_per_kwh"][0, :, 0], intensity, rtol=1e-12)
    floor_for_all = run.scenario.limits.rate_floor == "all"
    columns = {n: trace[n] for n in trace.rows[0]}
    for missing in ("local_deviation_hz", "edge_deviation_hz"):
        columns.setdefault(missing, np.zeros((2, 40, devices)))
    for r in range(2):
        for t in range(40):
            row = {n: column[r, t] for n, column in columns.items()}
            slot = Recomputed(row, energy.theta_0, intensity[t], floor_for_all)
            for column, values in (
                ("rate_bps", slot.rate_bps),
                ("delay_s", slot.delay_s),
                ("energy_j", slot.energy_j),
                ("server_energy_j", slot.server_j),
                ("emission_mg", slot.emission_mg),
                ("worst_emission_mg", max(slot.emission_mg)),
            ):
                np.testing.assert_allclose(row[column], values, rtol=1e-9, err_msg=column)
            assert row["feasible"] == (slot.worst_use <= 1.0 + 1e-9)
            excess = 0.0 if row["feasible"] else slot.worst_use - 1.0
            np.testing.assert_allclose(row["violation"], excess, rtol=1e-9, atol=1e-12)
    some, all_of_them = columns["feasible"].any(), columns["feasible"].all()
    assert (bool(some), bool(all_of_them)) == FEASIBLE[name]


def test_deviations_are_bias_share_and_noise() -> None:
    trace = simulated("policy.name=local", *DEVIATING, slots=500).trace
    real, deviation = trace["local_cpu_hz"].ravel(), trace["local_deviation_hz"].ravel()
    noise = deviation + 20e6 + 0.05 * (real - deviation)
    assert stats.kstest(noise / 50e6, stats.norm.cdf).pvalue > 1e-3
    believed = real - deviation
    assert believed == pytest.approx(np.maximum(trace["task_cycles"].ravel() / 2.0, 0.5e9))
    assert not trace["edge_deviation_hz"].any()  # a server that nobody uses


def test_the_last_slots_emission_is_shown() -> None:
    """1e-27 W s^3 x 1.5 Gcycles x (1 GHz)^2 = 1.5 J, at 182 g/kWh."""
    shown = []

    def decide(observation: Any) -> TaskDecision:
        shown.append(observation.last_emission_g)
        devices = observation.tasks.bits.shape
        everywhere = np.full(devices, 1e9)
        return TaskDecision(
            np.zeros(devices), np.zeros(devices, dtype=np.bool_), everywhere, everywhere
        )

    cycles = 'tasks.cycles=["1500 Mcycles", "1500 Mcycles"]'
    simulated("policy.name=local", cycles, slots=3, decide=decide)
    assert not shown[0].any()
    np.testing.assert_allclose(shown[1:], np.full((2, 1, 6), 1.5 * 182.0 / 3.6e6), rtol=1e-12)


def test_the_server_runs_at_its_real_rate() -> None:
    """1.5 Gcycles at 1 GHz (1 - 0.3) + 0.05 GHz take 2 s, and 1e-27 W s^3 x 1.5e9 x (0.75e9)^2 J."""

    def decide(observation: Any) -> TaskDecision:
        devices = observation.tasks.bits.shape
        full = np.full(devices, 0.1)
        return TaskDecision(full, full > 0.0, 0.0 * full, 1e10 * full)

    cycles = 'tasks.cycles=["1500 Mcycles", "1500 Mcycles"]'
    deviation = "twin.deviation.edge_cpu={relative=-0.3, bias=5e7}"
    trace = simulated(cycles, deviation, "energy.theta_0=1e-27", slots=2, decide=decide).trace
    np.testing.assert_allclose(trace["edge_cpu_hz"], 0.75e9, rtol=1e-12)
    executing_s = trace["delay_s"] - trace["task_bits"] / trace["rate_bps"]
    np.testing.assert_allclose(executing_s, 2.0, rtol=1e-9)
    np.testing.assert_allclose(trace["server_energy_j"], 0.84375, rtol=1e-12)


def test_planning_with_wrong_rates_makes_tasks_late() -> None:
    """Slower devices than believed miss a deadline that was met to the instant; faster ones pay."""
    for sign, late in ((-1, True), (1, False)):
        run = simulated("policy.name=local", f"twin.deviation.device_cpu={{relative={0.1 * sign}}}")
        believed = run.trace["task_cycles"] / 2.0
        assert ((run.trace["delay_s"] > 2.0) == late).all()
        assert run.trace["delay_s"] == pytest.approx(np.full((1, 40, 6), 2.0 / (1 + 0.1 * sign)))
        assert run.trace["energy_j"] == pytest.approx(
            1e-27 * run.trace["task_cycles"] * (believed * (1 + 0.1 * sign)) ** 2
        )


# Laws


def test_laws_of_the_channel() -> None:
    """||hbar||^2 ~ Gamma(L, 1); the interference is g_n Exp(1), apart from the own gain."""
    run = simulated("policy.name=local", "channel.antennas=4", slots=1500)
    trace = run.trace
    offset = np.stack([trace["x_m"], trace["y_m"]]) - 50.0  # the base station is in the middle
    distance = np.maximum(np.hypot(*offset), 1.0)
    gain = 10 ** ((-35.3 - 37.6 * np.log10(distance)) / 10)
    own = trace["channel_gain"][..., 0] / gain
    heard = trace["interference_gain"] / gain[..., None, :]
    for m in range(6):
        assert stats.kstest(own[0, :, m], stats.gamma(4).cdf).pvalue > 1e-4
        n = (m + 1) % 6
        assert stats.kstest(heard[0, :, m, n], stats.expon.cdf).pvalue > 1e-4
        assert abs(np.corrcoef(own[0, :, m], heard[0, :, m, n])[0, 1]) < 0.1
        assert not trace["interference_gain"][0, :, m, m].any()
        # Every slot fades anew.
        assert abs(np.corrcoef(own[0, 1:, m], own[0, :-1, m])[0, 1]) < 0.1


def test_laws_of_the_tasks() -> None:
    trace = simulated("policy.name=local", slots=400).trace
    bits, cycles = trace["task_bits"].ravel(), trace["task_cycles"].ravel()
    assert stats.kstest(bits, stats.uniform(8e6, 24e6).cdf).pvalue > 1e-3
    assert stats.kstest(cycles, stats.uniform(1e9, 1e9).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(bits, cycles)[0, 1]) < 0.06


def test_a_channel_holds_for_its_coherence_time() -> None:
    gain = simulated("policy.name=local", 'channel.coherence="6 s"').trace["channel_gain"]
    changed = (gain[0, 1:] != gain[0, :-1]).any(axis=(1, 2))
    assert np.flatnonzero(changed).tolist() == list(range(2, 39, 3))


# Reproducibility


@pytest.mark.parametrize("policy", ["random", "epr", "epr-ep", "lyapunov", "exact"])
def test_a_replication_is_the_same_alone_and_among_others(policy: str) -> None:
    overrides = (f"policy.name={policy}", *MOVING, *STALE, *DEVIATING, "energy.theta_0=3e-28")
    together = simulated(*overrides, "run.seed=5", "run.replications=3", slots=15).trace
    for r in range(3):
        alone = simulated(*overrides, f"run.seed={5 + r}", slots=15).trace
        for name in together.rows[0]:
            np.testing.assert_array_equal(together[name][r], alone[name][0], err_msg=name)
    assert (together["task_bits"][0] != together["task_bits"][1]).all()


def test_policies_meet_the_same_world() -> None:
    """Same seed: same places, channels, tasks and deviations, whoever decides."""
    runs = [
        simulated(f"policy.name={name}", *MOVING, slots=15).trace
        for name in ("local", "random", "offload-all", "epr", "lyapunov")
    ]
    for name in ("x_m", "y_m", "channel_gain", "interference_gain", "task_bits", "task_cycles"):
        for trace in runs[1:]:
            np.testing.assert_array_equal(trace[name], runs[0][name], err_msg=name)
    assert (runs[0]["power_w"] != runs[1]["power_w"]).any()


def test_a_run_is_the_same_twice() -> None:
    overrides = ("policy.name=random", *MOVING, *STALE, *DEVIATING)
    one, two = simulated(*overrides).trace, simulated(*overrides).trace
    for name in one.rows[0]:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


# Tasks


def ended(trace: Capture) -> dict[str, NDArray[Any]]:
    names = ("arrival_s", "completion_s", "bits", "cycles", "deadline_s", "outcome", "device")
    return {name: trace.column(name) for name in (*names, "replication", "station")}


@pytest.mark.parametrize("policy", ["random", "local"])
def test_every_task_ends_with_its_slot(policy: str) -> None:
    run = simulated(f"policy.name={policy}", "run.replications=2", 'devices.cpu="0.8 GHz"')
    trace, tasks = run.trace, ended(run.trace)
    assert len(tasks["bits"]) == 2 * 40 * 6
    seen = set()
    for k in range(len(tasks["bits"])):
        r, m = int(tasks["replication"][k]), int(tasks["device"][k])
        t = round(tasks["arrival_s"][k] / 2.0)
        seen.add((r, t, m))
        delay_s = trace["delay_s"][r, t, m]
        assert tasks["arrival_s"][k] == 2.0 * t
        assert tasks["completion_s"][k] == pytest.approx(2.0 * t + delay_s, rel=1e-12)
        assert tasks["deadline_s"][k] == 2.0 * t + 2.0
        assert tasks["bits"][k] == trace["task_bits"][r, t, m]
        assert tasks["cycles"][k] == trace["task_cycles"][r, t, m]
        assert tasks["station"][k] == (0 if trace["offload"][r, t, m] else -1)
        late = delay_s > 2.0 * (1 + 1e-9)
        assert OUTCOMES[tasks["outcome"][k]] == ("late" if late else "done")
    assert len(seen) == 2 * 40 * 6
    outcomes = {OUTCOMES[code] for code in tasks["outcome"]}
    assert outcomes == {"late", "done"}


def test_what_is_never_sent_or_executed_is_lost() -> None:
    """Half of the devices offload in silence, the others do not compute."""

    def idle(observation: Any) -> TaskDecision:
        shape = observation.tasks.bits.shape
        offload = np.broadcast_to(np.arange(shape[1]) % 2 == 0, shape)
        return TaskDecision(np.zeros(shape), offload, np.zeros(shape), np.zeros(shape))

    run = simulated(slots=3, decide=idle)
    tasks = ended(run.trace)
    assert {OUTCOMES[code] for code in tasks["outcome"]} == {"lost"}
    assert np.isnan(tasks["completion_s"]).all()
    assert np.isinf(run.trace["delay_s"]).all()
    assert not run.trace["energy_j"].any() and not run.trace["feasible"].any()


# What does not fit


def test_what_exceeds_a_capacity_is_scaled_down_and_counted() -> None:
    def greedy(observation: Any) -> TaskDecision:
        shape = observation.tasks.bits.shape
        offload = np.broadcast_to(np.arange(shape[1]) < 4, shape)
        return TaskDecision(np.full(shape, 1.0), offload, np.full(shape, 3e9), np.full(shape, 10e9))

    trace = simulated(slots=3, decide=greedy).trace
    # Six powers; six CPU speeds, used or not; four shares of the server.
    assert trace["scaled"].tolist() == [[16, 16, 16]]
    assert trace["power_w"] == pytest.approx(np.full((1, 3, 6), 10**2.3 * 1e-3))
    assert (trace["local_cpu_hz"] == 2e9).all()
    assert trace["edge_cpu_hz"][..., :4] == pytest.approx(np.full((1, 3, 4), 5e9))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run.problem", "drift-plus-penalty"),
        ("channel.access", "ofdma"),
        ("stations.sbs.count", "2"),
        ("tasks.buffer", '"1 MB"'),
        ("devices.battery", '{capacity="1 J"}'),
        ("twin.predict", '["arrivals"]'),
        ("channel.fading", "none"),
        ("tasks.arrivals", "poisson"),
        ("policy.edge_cpu", '"0 GHz"'),
        ("policy.local_cpu", '"1 W"'),
        ("policy.powerr", '"1 W"'),
    ],
)
def test_keys_that_do_not_fit_are_named(key: str, value: str) -> None:
    words = ["run", "carbon_6ue", "--policy", "epr", "--set", f"{key}={value}"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2, result.output
    named = {"run.problem": "channel.access", "policy.edge_cpu": "edge_cpu"}.get(key, key)
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_a_deadline_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML.replace('deadline = "2 s"', ""))
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 2 and "tasks.deadline" in result.stderr
