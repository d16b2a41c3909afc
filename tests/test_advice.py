"""One line of advice where something is probably not meant, and none where all is well."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import edgesim
from edgesim.cli import main
from edgesim.experiments.advice import advice
from edgesim.experiments.run import look
from edgesim.scenarios.shipped import shipped

# One station, two devices: each executes 1 Mbit/s itself, the server 3 Mbit/s.
TWO = """
title = "two"
[run]
slots = 400
[devices]
count = 2
cpu = "0.1 GHz"
[stations.mbs]
cpu = "0.3 GHz"
[stations.sbs]
count = 0
[tasks]
arrivals = "poisson"
rate = "10 tasks/s"
mean = "0.2 Mbit"
"""


def said(scenario: str, *overrides: str) -> list[str]:
    return advice(look(edgesim.load_scenario(scenario, list(overrides))))


@pytest.mark.parametrize("name", [one.name for one in shipped()])
def test_there_is_none_for_what_ships(name: str) -> None:
    assert said(name) == []


def test_what_ships_leads_to_no_file_that_an_installed_program_lacks() -> None:
    assert not [one.name for one in shipped() if "docs/" in one.path.read_text("utf-8")]


def test_places_that_are_left_out_and_an_mbs_in_degrees(tmp_path: Path) -> None:
    sites = "latitude,longitude\n0.001,0.001\n0.002,0.002\n0.5,0.5\n"
    (tmp_path / "sites.csv").write_text(sites, encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(
        TWO.replace("count = 0", 'positions = {file = "sites.csv"}')
        + "[area.rectangle]\nsouth = 0\nwest = 0\nnorth = 0.003\neast = 0.003\n"
    )
    (left,) = said(str(path))
    assert "1 of the 3 places in sites.csv lie outside" in left and "stations.sbs.positions" in left
    # A degree at the equator is 111,195 m.
    found = said(str(path), "stations.mbs.position=[0.001, 0.002]", "stations.sbs.count=2")
    assert len(found) == 1 and '["111 m", "222 m"]' in found[0]
    assert not said(str(path), "stations.mbs.position=[100, 200]", "stations.sbs.count=2")
    most = said(str(path), "area.rectangle.north=0.0015", "area.rectangle.east=0.0015")
    assert not most  # one of three: a piece of the file is meant


def test_stations_beyond_the_area_by_hand() -> None:
    """Of six on a circle around the middle of 500 m x 500 m, at 300 m the two on its x axis and four at 260 m north or south."""
    found = said("iiot_20dev", "stations.sbs.count=6", "stations.sbs.radius=300 m")
    assert len(found) == 1 and "sbs-1, sbs-2, sbs-3, …: 6 of 7 stations lie outside" in found[0]
    # 270 m sin 60 degrees is 234 m.
    (line,) = said("iiot_20dev", "stations.sbs.count=6", "stations.sbs.radius=270 m")
    assert line.startswith("sbs-1, sbs-4: 2 of 7 stations")
    assert not said("iiot_20dev", "stations.sbs.count=6", "stations.sbs.radius=249 m")


def test_a_count_that_leaves_places_of_a_file_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("x,y\n10,10\n20,20\n30,30\n9000,1\n", encoding="utf-8")
    path = tmp_path / "own.toml"
    path.write_text(TWO.replace("count = 2", 'count = 2\npositions = {file = "sites.csv"}'))
    told = CliRunner().invoke(main, ["validate", str(path)]).stdout
    line = "note: the first 2 of 3 places in sites.csv that lie in the area are taken (`devices.count`)"
    assert line in told
    all_of_it = CliRunner().invoke(main, ["validate", str(path), "--set", "devices.count=3"])
    assert "are taken" not in all_of_it.stdout


@pytest.mark.parametrize(("load", "fits"), [("0.24 Mbit", True), ("0.26 Mbit", False)])
def test_a_load_beyond_all_cpus_by_hand(load: str, fits: bool) -> None:
    """2 x 10 x mean - 2 x 1 Mbit/s is 3 Mbit/s at a mean of 0.25 Mbit."""
    found = said(TWO, f"tasks.mean={load}")
    assert (found == []) is fits
    if not fits:
        (line,) = found
        assert "3.2 Mbit/s arrive beyond" in line and "the servers execute 3 Mbit/s" in line
    # As much a slot of 0.1 s, and as bursts: 5 tasks/s half of the time, 15 the other.
    each = [f"tasks={{arrivals='uniform', mean='{load}'}}"]
    bursts = f"tasks={{arrivals='mmpp', mean='{load}', rates=[5, 15], sojourns=['1 s', '1 s']}}"
    assert said(TWO, *each) == said(TWO, bursts) == found


def test_what_is_said_to_grow_grows_under_the_best_policy(tmp_path: Path) -> None:
    for mean, grows in (("0.15 Mbit", False), ("0.4 Mbit", True)):
        keys = {"tasks.mean": mean}
        with edgesim.run(TWO, tmp_path / "t.h5", overrides=keys, policy="lyapunov") as trace:
            summary = trace.summary()
        assert bool(said(TWO, f"tasks.mean={mean}")) is grows
        assert (summary.stability == "growing") is grows
        assert ("queues grow by" in summary.advice) is grows


def test_a_load_beyond_all_radio() -> None:
    """Of a band of 1 kHz not even the nearest place gives the 2 Mbit/s that are too much for the devices."""
    (line,) = said(TWO, "stations.mbs.bandwidth=1 kHz")
    assert re.search(r"all radio carries \d+(\.\d+)? kbit/s at the very most", line)
    assert said(TWO, "stations.mbs.bandwidth=1 MHz") == []
    # A full buffer drops what is too much, so nothing grows.
    assert said(TWO, "stations.mbs.bandwidth=1 kHz", "tasks.buffer=1 Mbit") == []


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("stations.mbs.bandwidth=10 Hz", "`stations.mbs.bandwidth` is 10 Hz, which no network has"),
        ("stations.sbs.coverage=1 m", "reach 1 m, 0.0038 % of the area"),
        ("devices.cpu=1 Hz", "`devices.cpu` is 1 Hz"),
    ],
)
def test_units_that_are_probably_missing(override: str, part: str) -> None:
    found = said("iiot_20dev", override)
    assert sum(part in line and "is another unit meant" in line for line in found) == 1


def test_a_bare_number_that_no_network_has_is_asked_about() -> None:
    result = CliRunner().invoke(
        main, ["validate", "iiot_20dev", "--set", "stations.mbs.bandwidth=10"]
    )
    assert result.exit_code == 2 and 'did you mean "10 kHz" or "10 MHz"' in result.stderr


def test_a_policy_that_cannot_carry_the_load() -> None:
    (line,) = said("iiot_20dev", "policy.name=local")
    assert "2 Mbit/s arrive beyond" in line or "20 Mbit/s arrive beyond" in line
    assert "`local` offloads nothing" in line
    assert said("iiot_20dev", "policy.name=local", "tasks.mean=0.4 Mbit") == []


def test_a_weight_of_the_other_problem() -> None:
    (line,) = said("carbon_6ue", "policy.V=1e12")
    assert "`policy.V`" in line and "policy.emission_weight" in line


def test_a_weight_with_which_nothing_waits() -> None:
    """0.1 W 100 / 50 GHz = 2e-10 J/bit at the MBS, 155.4 g/kWh at midnight; 360 Mbit in a slot."""
    assert said("green_shift_gb", "policy.V=1e22") == []
    (line,) = said("green_shift_gb", "policy.V=1e20")
    weight = 1e20 * 2e-10 * 155.4 / 3.6e6
    assert re.search(r"`policy.V` = 1e\+20 weighs .* and a slot brings 360 Mbit: hardly", line)
    told = re.search(r"like ([\d.]+) (\w?)bit", line)
    assert told is not None
    assert float(told[1]) * {"k": 1e3, "M": 1e6}[told[2]] == pytest.approx(weight, rel=1e-3)


def test_run_and_summary_say_it(tmp_path: Path) -> None:
    trace = str(tmp_path / "t.h5")
    words = ["run", "carbon_6ue", "--policy", "local", "--slots", "5", "-o", trace]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 0 and "advice: no slot is feasible" in ran.stderr
    assert "--policy exact" in ran.stderr
    again = CliRunner().invoke(main, ["summary", trace, "--json"])
    assert f"advice: {trace}: no slot is feasible" in again.stderr
    hopeless = [*words[:3], "exact", *words[4:], "--overwrite", "--set", "limits.rate_min=10 Gbps"]
    said_of = CliRunner().invoke(main, hopeless).stderr
    assert "no decision keeps them; `edgesim keys limits`" in said_of


def test_carbon_6ue_greets_with_what_is_feasible(tmp_path: Path) -> None:
    with edgesim.run("carbon_6ue", tmp_path / "t.h5", slots=40) as trace:
        summary = trace.summary()
    assert summary.estimates["feasible_share"].value > 0.9 and summary.advice == ""


@pytest.mark.parametrize("policy", ["Streams", "Answers"])
def test_a_policy_of_the_other_problem(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "import edgesim, numpy as np\n"
        "class Streams:\n"
        "    def reset(self, network, problem, rngs): self.network = network\n"
        "    def decide(self, observation): return observation.queue_bits\n"
        "class Answers(Streams):\n"
        "    def decide(self, observation): return edgesim.Decision(*[np.zeros((1, 6))] * 5)\n"
    )
    words = ["run", "carbon_6ue", "--policy", f"own:{policy}", "--slots", "2"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "a policy of the other problem? this scenario's is worst-case-emission" in result.stderr
