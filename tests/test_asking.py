"""What the command says when it is asked: keys, rows, traces, a scenario to start from, a shell's completion."""

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SMALL

import edgesim
from edgesim.cli import main
from edgesim.policies.catalogue import POLICIES
from edgesim.scenarios.components import KEYS, resolve
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.key_list import FILE as KEYS_FILE
from edgesim.scenarios.key_list import NOT_GIVEN, key_list, shown_value
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.scenarios.shipped import shipped
from edgesim.scenarios.template import template
from edgesim.simulator.models.arrivals import ARRIVALS, SLOT_TASKS
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.fading import FADING
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS
from edgesim.traces.metrics import BATCH_METRICS, SUMS
from edgesim.traces.summary_rows import rows, terms
from edgesim.traces.variables import SLOT_VARIABLES

SHIPPED = [one.name for one in shipped()]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(*words: str) -> Result:
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(*words: str) -> str:
    result = command(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: str) -> str:
    result = command(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


# Keys


def leaves(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in table.items():
        at = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from leaves(value, at)
        else:
            yield at


@pytest.mark.parametrize("name", SHIPPED)
def test_every_key_of_a_resolved_scenario_is_in_the_list(name: str) -> None:
    import tomllib

    known = {dotted for dotted, _ in key_list().dotted()}
    # A table as a value, and one of one key, is told beside the key that it stands for.
    inside = ("tasks.bits", "devices.positions", "stations.sbs.positions", "mobility.net")
    found = {
        key
        for key in leaves(tomllib.loads(load_scenario(name).to_toml()))
        if not key.startswith(inside)
    }
    assert found <= known


def test_every_keyword_of_every_model_and_policy_is_in_the_list() -> None:
    stream, tasks = POLICIES
    tables = [("policies", problem, table) for problem, table in POLICIES.items()]
    tables += [("arrivals", stream, ARRIVALS), ("arrivals", tasks, SLOT_TASKS)]
    tables += [("fading", stream, FADING), ("path_loss", stream, PATH_LOSS)]
    tables += [("mobility", tasks, MOBILITY), ("association", stream, ASSOCIATION)]
    for kind, problem, table in tables:
        for name in table:
            (model,) = (one for one in key_list().named(KEYS[kind], problem) if one.name == name)
            keywords = inspect.signature(resolve(name, kind, table)).parameters.values()
            named = [
                one.name
                for one in keywords
                if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            ]
            assert [key.name for key in model.keys] == named, (kind, name)


def test_every_key_says_what_it_is_and_what_it_may_be() -> None:
    for dotted, key in key_list().dotted():
        assert key.meaning and key.default, dotted
        assert key.kind and key.allowed, dotted
    for model in key_list().models:
        assert model.text and model.problems


def test_keys_by_section_key_model_and_policy() -> None:
    assert 'slot  = "100 ms"' in told("keys", "run")
    assert told("keys", "[run]") == told("keys", "run")
    assert "how many slots" in told("keys", "run.slots")
    mean = told("keys", "tasks.mean")
    assert mean.count("mean size") == 1 and "of tasks.arrivals = uniform, poisson, mmpp" in mean
    both = told("keys", "lyapunov")
    assert "drift-plus-penalty" in both and "emission_weight" in both
    assert "clutter_density" in told("keys", "3gpp-inf")
    everything = told("keys")
    assert all(
        f"[{path}]" in everything for one in key_list().sections for path in one.paths if path
    )
    assert "did you mean `lyapunov`?" in refused("keys", "lyapunof")
    assert "did you mean `stations.sbs.count`?" in refused("keys", "stations.sbs.cuont")
    assert "did you mean `stations.mbs`?" in refused("keys", "station")


@pytest.mark.parametrize("columns", [40, 80])
def test_keys_keep_within_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (["keys"], ["keys", "channel"], ["keys", "ddpg"], ["explain", "emission"]):
        lines = told(*words).splitlines()
        # Headings, and words that are longer, stay whole.
        assert not [one for one in lines if len(one) > columns and re.search(r"^ +\S+ +\S", one)]


# Rows of a summary


def test_every_row_that_a_summary_prints_is_explained() -> None:
    known = rows()
    for name, keys in (
        ("iiot_20dev", {}),
        ("carbon_6ue", {}),
        ("melbourne_cbd", {"devices.count": 5}),
        ("sumo_crossing", {}),
    ):
        overrides = {"run.slots": 3, **keys}
        edgesim.run(name, f"{name}.h5", policy="local", overrides=overrides).close()
    one = edgesim.summarise(["iiot_20dev.h5"])
    several = edgesim.summarise([f"{name}.h5" for name in SHIPPED if Path(f"{name}.h5").exists()])
    for summary in (one, several):
        for section in summary.sections():
            for label, _ in section:
                dotted = {key for key, _ in key_list().dotted()}
                assert label in known or label in dotted or "keys more differ" in label, label
    assert {metric.heading for metric in BATCH_METRICS.values()} <= known.keys()


def test_every_row_has_a_meaning_and_a_formula_of_what_a_trace_has() -> None:
    for heading, row in rows().items():
        assert len(row.meaning) > 10, heading
        said = told("explain", heading)
        assert heading in said
        if row.key:
            assert heading in told("explain", row.key)
    for key, metric in BATCH_METRICS.items():
        for name in re.findall(r"[a-z]\w+", metric.formula):
            assert name in SLOT_VARIABLES or name in SUMS, (key, name)
        assert len(list(terms(metric.formula))) == len(set(re.findall(r"[a-z]\w+", metric.formula)))


def test_a_formula_is_what_is_worked_out() -> None:
    with edgesim.run("iiot_20dev", "t.h5", slots=40, policy="epr") as trace:
        slots, found = trace.slots, trace.summary(warmup=0.0).estimates["energy_per_bit_j"].value
        over, under = rows()["energy per bit [nJ/bit]"].formula.split(" / ")
        names = [re.findall(r"\w+", part) for part in (over, under)]
        energy, bits = (sum(float(slots[one].sum()) for one in part) for part in names)
        assert found == pytest.approx(energy / bits, rel=1e-12)


def test_explain_knows_variables_too_and_what_was_meant() -> None:
    said = told("explain", "channel_gain")
    assert "/slots/channel_gain" in said and "level full" in said
    assert "/tasks/outcome" in told("explain", "outcome")
    assert told("explain", "energy", "per", "bit") == told("explain", "energy per bit")
    assert "did you mean `energy per bit`?" in refused("explain", "energy per bitt")
    assert "did you mean `latency, p99`?" in refused("explain", "p99")


# A scenario to start from


@pytest.mark.parametrize("name", SHIPPED)
def test_a_new_scenario_is_the_one_that_it_is_from(name: str) -> None:
    assert "mine.toml" in told("new", "mine.toml", "--from", name)
    text = Path("mine.toml").read_text(encoding="utf-8")
    assert load_scenario("mine.toml").to_toml() == load_scenario(name).to_toml()
    assert all(len(line) <= 101 for line in text.splitlines() if line.startswith("#"))
    before = Path("mine.toml").read_bytes()
    assert "mine.toml exists" in refused("new", "mine.toml", "--from", name)
    assert Path("mine.toml").read_bytes() == before


@pytest.mark.parametrize("name", ["iiot_20dev", "carbon_6ue"])
def test_what_is_commented_out_is_the_default(name: str) -> None:
    """Each such line alone: it is TOML, and as it is by default, if there is a default."""
    lines, same = template(name).splitlines(), load_scenario(name).to_toml()
    section, found = "", 0
    for number, line in enumerate(lines):
        if heading := re.fullmatch(r"\[([\w.]+)\]", line):
            section = heading[1]
        if commented := re.match(r"#(\w+) = ", line):
            key = dict(key_list().dotted()).get(f"{section}.{commented[1]}")
            assert key is not None
            text = "\n".join([*lines[:number], line[1:], *lines[number + 1 :]])
            of_model = any(key in model.keys for model in key_list().models)
            if key.default != NOT_GIVEN and not of_model:
                assert parse_scenario(text, "x").to_toml() == same, line
                found += 1
            else:
                try:
                    parse_scenario(text, "x")
                except ScenarioError as error:  # of its place among the others, not of what it is
                    assert re.search("outside|go with|more than", str(error)), line
    assert found > 10


def test_new_with_another_model_has_its_keys() -> None:
    keys = ("tasks.arrivals=mmpp", "devices.count=7", "twin.device.period='1 s'")
    told("new", "mine.toml", *(word for key in keys for word in ("--set", key)))
    text = Path("mine.toml").read_text(encoding="utf-8")
    assert 'arrivals = "mmpp"' in text and "[twin.device]" in text
    filled = text.replace("#rates =", "rates =").replace("#sojourns =", "sojourns =")
    Path("mine.toml").write_text(filled.replace('sync = "ideal"', 'sync = "periodic"'))
    scenario = edgesim.load_scenario("mine.toml")
    assert scenario.devices.count == 7 and scenario.twin.device.period == 1.0
    assert edgesim.validate("mine.toml").devices == 7
    assert "is not KEY=VALUE" in refused("new", "other.toml", "--set", "tasks.arrivals")
    assert not Path("other.toml").exists()


OWN = '''
from edgesim.scenarios.units import Seconds

class Shadow:
    """Fading with memory."""

    def __init__(self, sigma_db: float = 4.0, tau: Seconds = 2.0) -> None:
        pass

    def start(self, devices, station_names, rngs_of): ...
    def next(self): ...
'''


def test_keys_and_new_know_a_class_of_ones_own() -> None:
    Path("fade.py").write_text(OWN, encoding="utf-8")
    lines = told("keys", "fade:Shadow").splitlines()
    assert lines[:2] == ["fade:Shadow", "  Fading with memory."]
    assert "  sigma_db  = 4" in lines and '  tau  = "2 s"' in lines
    assert "did you mean `Shadow`?" in refused("keys", "fade:Shadw")
    told("new", "mine.toml", "--set", "channel.fading=fade:Shadow")
    text = Path("mine.toml").read_text(encoding="utf-8")
    channel = text.partition("[channel]")[2].partition("\n[")[0]
    assert "#sigma_db = 4\n" in channel and '#tau = "2 s"\n' in channel
    Path("mine.toml").write_text(text.replace("#sigma_db = 4", "sigma_db = 5"), encoding="utf-8")
    assert edgesim.load_scenario("mine.toml").channel.options == {"sigma_db": 5}
    assert "no module `fad`" in refused("new", "x.toml", "--set", "channel.fading=fad:Shadow")


def test_sections_that_may_be_several_have_two_brackets() -> None:
    assert told("keys", "tasks.classes").startswith("[[tasks.classes]]\n")
    assert "further in: [[tasks.classes]]" in told("keys", "tasks")
    assert told("keys", "twin.device").startswith("[twin.device], [twin.station]\n")


def test_what_the_command_says_names_no_file_of_the_repository() -> None:
    assert "docs/" not in KEYS_FILE.read_text(encoding="utf-8")


def test_a_file_where_a_table_names_it_and_a_sweep_for_a_scenario() -> None:
    said = refused("validate", "iiot_20dev", "--set", "devices.positions=dev.csv")
    assert 'a file is named in a table, {file = "dev.csv"}' in said
    said = refused("validate", "iiot_20dev", "--set", "tasks.mean=dev.csv")
    assert "named in a table" not in said
    Path("many.toml").write_text('scenario = "iiot_20dev"\nseeds = 3\n', encoding="utf-8")
    said = refused("validate", "many.toml")
    assert said.count("\n") == 1 and "edgesim sweep many.toml --dry-run" in said
    said = refused("summary", "runs/none", "--number", "latency_s")
    assert "runs/none: there is no such file" in said
    assert 'a file, as in agent{file="ppo.zip"}' in refused(
        "run", "iiot_20dev", "--policy", "agent"
    )


def test_new_tells_what_is_wrong() -> None:
    assert "did you mean `carbon_6ue`?" in refused("new", "mine.toml", "--from", "carbon_6eu")
    assert not Path("mine.toml").exists()
    result = command("new", "nowhere/mine.toml")
    assert result.exit_code == 1 and "nowhere/mine.toml: No such file" in result.stderr


# What a trace is


def test_show_tells_what_differs_from_the_shipped_scenario() -> None:
    keys = {"devices.count": 7, "tasks.mean": "0.5 Mbit", "twin.sync": "periodic"}
    edgesim.run("iiot_20dev", "t.h5", slots=3, policy="local", overrides=keys).close()
    found = json.loads(told("show", "t.h5", "--json"))
    assert found["shipped"] == "iiot_20dev"
    differences = found["differences"]
    assert differences.keys() == {"run.slots", "policy.name", *keys}
    assert differences["tasks.mean"] == {"trace": "0.5 Mbit", "shipped": "0.6 Mbit"}
    assert found["facts"]["scenario"] == "Industrial IoT"
    assert found["facts"]["network"].startswith("7 devices, 4 stations")
    assert found["versions"]["edgesim"] == edgesim.__version__
    table = told("show", "t.h5")
    assert "devices.count" in table and "0.2.0" in table
    assert "none.h5: there is no such file" in refused("show", "none.h5")
    Path("own.toml").write_text("title = 'own'")
    assert "TOML, of which `edgesim validate` tells" in refused("show", "own.toml")


def test_show_finds_the_nearest_of_a_scenario_of_ones_own() -> None:
    text = (Path(shipped()[0].path)).read_text(encoding="utf-8")
    assert shipped()[0].name == "carbon_6ue"
    Path("own.toml").write_text(re.sub('title = ".*"', 'title = "own"', text))
    edgesim.run("own.toml", "t.h5", slots=2, policy="local").close()
    found = json.loads(told("show", "t.h5", "--json"))
    assert found["shipped"] == "carbon_6ue"
    assert found["differences"].keys() == {"title", "run.slots", "policy.name"}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("stations.mbs.bandwidth", 1e7, "10 MHz"),
        ("run.slot", 0.1, "100 ms"),
        ("carbon.intensity", 182 / 3.6e6, "182 g/kWh"),
        ("tasks.mean", 6e5, "600 kbit"),
        ("channel.noise", 1e-14, "10 fW"),
        ("stations.sbs.coverage", 1500.0, "1500 m"),
        ("area.rectangle.south", 52.517012, "52.517012"),
        ("area.size", [676.6047828, 1000.0], "[676.6 m, 1000 m]"),
        ("run.slots", 10_000, "10000"),
        ("tasks.deadline", None, None),
    ],
)
def test_values_are_shown_with_their_unit(key: str, value: object, text: str | None) -> None:
    assert shown_value(key, value) == text


# Summaries


def test_a_summary_names_scenario_and_sizes_and_what_differs() -> None:
    edgesim.run(SMALL, "one.h5", policy="local").close()
    keys = {"channel.noise": "1e-12 mW"}
    edgesim.run(SMALL, "two.h5", policy="local", overrides=keys).close()
    alone, both = told("summary", "one.h5"), told("summary", "one.h5", "two.h5")
    assert "test" in alone.splitlines()[0] and "channel.noise" not in alone
    assert re.search(r"devices +│ +6 │", alone) and re.search(r"stations +│ +4 │", alone)
    assert re.search(r"channel.noise +│.*│ +1 fW", both)
    assert "run.seed" not in both
    found = json.loads(told("summary", "one.h5", "two.h5", "--json"))["traces"]
    assert [one["scenario"] for one in found] == ["test", "test"] and found[0]["stations"] == 4


# Quick


def test_what_only_asks_imports_nothing_heavy() -> None:
    edgesim.run(SMALL, "t.h5", policy="local").close()
    code = (
        "import sys; from click.testing import CliRunner; from edgesim.cli import main\n"
        "for words in (['keys'], ['keys', 'lyapunov'], ['explain', 'latency_s'], ['show', 't.h5'],\n"
        "              ['new', 'n.toml'], ['policies'], ['scenarios']):\n"
        "    assert CliRunner().invoke(main, words).exit_code == 0, words\n"
        "print(*{'torch', 'cvxpy', 'numba', 'matplotlib', 'xarray', 'scipy'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == ""


# A shell's completion


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a shell offers at the end of a line."""
    words = re.findall(r"=|[^\s=]+", line) if shell == "bash" else line.split()
    if line.endswith(" "):
        words.append("")
    variables = {
        "_EDGESIM_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner().invoke(main, env=variables, prog_name="edgesim")
    lines = result.stdout.splitlines()
    if shell == "zsh":
        return lines[1::3]
    return [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edgesim exp", ["explain", "export"]),
        ("edgesim run carb", ["carbon_6ue"]),
        ("edgesim run iiot_20dev --policy of", ["offload-all"]),
        ("edgesim compare iiot_20dev --policies local,of", ["local,offload-all"]),
        ("edgesim run iiot_20dev --set run.sl", ["run.slots=", "run.slot="]),
        ("edgesim run iiot_20dev --set channel.fading=r", ["rayleigh", "rician"]),
        ("edgesim run carbon_6ue --set channel.fading=", ["rayleigh", "clarke"]),
        ("edgesim run carbon_6ue --policy lyapunov --set policy.emi", ["policy.emission_weight="]),
        ("edgesim run iiot_20dev --set tasks.arrivals=poisson --set tasks.ra", ["tasks.rate="]),
        ("edgesim run iiot_20dev --policy dqn --set policy.netw", ["policy.network="]),
        ("edgesim run iiot_20dev --policy dqn --set policy.network=", ["flat", "shared"]),
        ("edgesim run iiot_20dev --set trace.level=f", ["full"]),
        ("edgesim plot t.h5 --kind la", ["latency"]),
        ("edgesim keys 3gpp-i", ["3gpp-inf"]),
        ("edgesim explain latency_p9", ["latency_p90_s", "latency_p95_s", "latency_p99_s"]),
        ("edgesim new mine.toml --from polska", ["polska_backhaul"]),
        ("edgesim data check f --as top", ["topology"]),
    ],
)
def test_completion(line: str, offered: list[str]) -> None:
    found = [one for one in completed(line) if one and one not in line.split()]
    assert sorted(found) == sorted(offered)
    if "=" not in line:  # zsh takes it for one word
        whole = [one for one in completed(line, "zsh") if one and one not in line.split()]
        assert sorted(whole) == sorted(offered)
    elif len(offered) > 1:
        key = line.split()[-1].partition("=")[0]
        assert completed(line, "zsh") == [f"{key}={one}" for one in completed(line)]


def test_completion_in_bash_itself() -> None:
    """At a terminal: TAB after a key that is begun, and after `=`."""
    script = (
        f'eval "$(_EDGESIM_COMPLETE=bash_source {sys.executable} -m edgesim)"\n'
        "complete -p edgesim >&2\n"
    )
    code = "from edgesim.__main__ import main; main()"
    Path("edgesim").write_text(f"#!{sys.executable}\n{code}\n")
    Path("edgesim").chmod(0o755)
    environment = os.environ | {"PATH": f"{Path.cwd()}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", script.replace(f"{sys.executable} -m edgesim", "edgesim")],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "_edgesim_completion" in ran.stderr
    call = 'eval "$(_EDGESIM_COMPLETE=bash_source edgesim)"\n'
    for words in ("run iiot_20dev --set trace.level = s", "run carb", "keys 3gpp-i"):
        call += (
            f"COMP_WORDS=(edgesim {words}); COMP_CWORD={len(words.split())}; COMPREPLY=()\n"
            "_edgesim_completion edgesim 2>/dev/null; echo ${COMPREPLY[@]}\n"
        )
    ran = subprocess.run(
        ["bash", "-c", call], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["summary slots", "carbon_6ue", "3gpp-inf"]
