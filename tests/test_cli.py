"""The command as its users meet it: what it prints, leaves and returns."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from forked import Forked
from sweeping import contents

from edgesim import api
from edgesim.cli import main
from edgesim.traces.reader import open_trace

QUICK = ("--slots", "30", "--policy", "local")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def edgesim(*words: str) -> Result:
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_run_ends_with_a_table_and_a_trace() -> None:
    result = edgesim("run", "iiot_20dev", *QUICK)
    assert result.exit_code == 0
    assert "energy per bit" in result.stdout and "growing" in result.stdout + "growing"
    path = re.search(r"trace: (runs/iiot_20dev-local-seed1\.h5)", result.stdout)
    assert path
    with open_trace(path[1]) as trace:
        assert trace.status == "complete" and trace.slots.sizes["slot"] == 30


def test_traces_are_never_overwritten_unasked() -> None:
    edgesim("run", "iiot_20dev", *QUICK)
    edgesim("run", "iiot_20dev", *QUICK)
    assert {path.name for path in Path("runs").iterdir()} == {
        "iiot_20dev-local-seed1.h5",
        "iiot_20dev-local-seed1-2.h5",
    }
    assert edgesim("run", "iiot_20dev", *QUICK, "-o", "x.h5").exit_code == 0
    before = Path("x.h5").read_bytes()
    refused = edgesim("run", "iiot_20dev", *QUICK, "-o", "x.h5")
    assert refused.exit_code == 2 and "x.h5 exists" in refused.stderr
    assert Path("x.h5").read_bytes() == before
    assert edgesim("run", "iiot_20dev", *QUICK, "-o", "x.h5", "--overwrite").exit_code == 0


def test_a_run_that_failed_before_its_first_slot_is_in_nobodys_way() -> None:
    text = "class Mine:\n    def reset(self, *given): pass\n    def decide(self, seen): "
    run = ("run", "iiot_20dev", *QUICK, "--policy", "mine:Mine", "-o", "x.h5")
    Path("mine.py").write_text(text + "raise KeyError('at once')\n")
    assert edgesim(*run).exit_code == 1 and Path("x.h5").exists()
    assert "at once" in edgesim(*run).stderr  # refused by the policy again, not by the trace


def test_a_policy_has_its_keys_in_braces() -> None:
    result = edgesim("run", "iiot_20dev", *QUICK, "--policy", "lyapunov{V=3e14}", "-o", "x.h5")
    assert result.exit_code == 0, result.stderr
    with open_trace("x.h5") as trace:
        assert trace.policy == "lyapunov" and trace.scenario_table["policy"]["V"] == 3e14
    wrong = edgesim("run", "iiot_20dev", "--policy", "lyapunov{V}", "-o", "y.h5")
    assert wrong.exit_code == 2 and "cannot read `lyapunov{V}`" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "iiot_20dev", "--policies", "local,ppo.zip"), 'agent{file="ppo.zip"}'),
        (("run", "iiot_20dev", "--set", "channel.fading=fade.Own"), "`fade:Own`?"),
        (("run", "iiot_20dev", "--policy", "agent", "--checkpoint", "ppo.zip"), "allowed: file"),
        (("compare", "iiot_20dev", "--policies", "local,epr", "--seeds", "1,2"), "from --seed on"),
    ],
)
def test_what_is_given_in_another_form_is_told_in_the_right_one(
    words: tuple[str, ...], told: str
) -> None:
    result = edgesim(*words)
    assert result.exit_code == 2 and told in result.stderr


def test_flags_change_the_scenario_and_json_is_json() -> None:
    result = edgesim(
        "run", "iiot_20dev", *QUICK, "--seed", "9", "--replications", "3",
        "--set", "devices.count=7", "--set", "title=mine", "-o", "t.h5", "--json",
    )  # fmt: skip
    assert result.exit_code == 0 and json.loads(result.stdout)
    with open_trace("t.h5") as trace:
        assert dict(trace.slots.sizes) | {"replication": 3, "slot": 30, "device": 7} == dict(
            trace.slots.sizes
        )
        assert trace.slots["seed"].values.tolist() == [9, 10, 11]
        assert 'title = "mine"' in trace.scenario


def test_a_trace_can_be_run_again_from_itself() -> None:
    edgesim("run", "iiot_20dev", *QUICK, "--set", "tasks.mean=0.5 Mbit", "-o", "one.h5")
    with open_trace("one.h5") as trace:
        Path("again.toml").write_text(trace.scenario)
    for scenario in ("again.toml", "one.h5"):
        assert edgesim("run", scenario, "-o", "two.h5", "--overwrite").exit_code == 0
        assert contents(Path("two.h5")) == contents(Path("one.h5"))
    assert edgesim("validate", "one.h5").exit_code == 0
    changed = ("--policy", "random", "--set", "devices.count=7", "-o", "three.h5")
    assert edgesim("run", "one.h5", *changed).exit_code == 0
    with open_trace("one.h5") as one, open_trace("three.h5") as three:
        assert tomllib.loads(three.scenario)["tasks"] == tomllib.loads(one.scenario)["tasks"]
        assert three.attrs["policy"] == "random" and three.attrs["devices"] == 7
    wrong = edgesim("validate", "one.h5", "--set", "devices.count=-7")
    assert wrong.exit_code == 2 and "--set: key `devices.count` = -7" in wrong.stderr
    Path("torn.h5").write_bytes(Path("one.h5").read_bytes()[:5000])
    torn = edgesim("run", "torn.h5")
    assert torn.exit_code == 2 and "torn.h5: the file is torn" in torn.stderr


def test_several_mistakes_are_told_at_once_without_traceback() -> None:
    Path("bad.toml").write_text('title = "x"\n[run]\nslotts = 3\n[tasks]\nmean = "5 MHz"\n')
    result = edgesim("run", "bad.toml", "--policy", "lokal", "--set", "devices.count=-1")
    assert result.exit_code == 2
    for part in ("bad.toml: key `run.slotts`", "did you mean `slots`?", "`devices.count` = -1"):
        assert part in result.stderr
    Path("bad.toml").write_text('title = "x"\n[tasks]\nmean = "5 MHz"\n')
    result = edgesim("validate", "bad.toml", "--policy", "lokal")
    assert result.exit_code == 2
    assert "`tasks.mean`" in result.stderr and "did you mean `local`?" in result.stderr
    assert "Traceback" not in result.stderr and not Path("runs").exists()


def test_a_vanished_or_foreign_trace_is_told_in_one_line() -> None:
    Path("foreign.h5").write_text("no HDF5")
    for command in (["summary"], ["plot"], ["export"]):
        for path in ("none.h5", "foreign.h5"):
            result = edgesim(*command, path)
            assert result.exit_code == 2 and path in result.stderr
            assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        "compare",
        "summary",
        "plot",
        "export",
        "report",
        "watch",
        "sweep",
        "sweep --status",
        "validate",
    ],
)
def test_a_mistyped_path_is_told_as_such(command: str) -> None:
    result = edgesim(*command.split(), "results/nix")
    assert result.exit_code == 2
    assert "results/nix: " in result.stderr and "no such file" in result.stderr.lower()
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_folder_is_no_trace() -> None:
    Path("folder").mkdir()
    assert "folder: this is a folder, not a trace" in edgesim("watch", "folder").stderr
    missing = edgesim("sweep", "folder", "--status", "-o", "nix")
    assert missing.exit_code == 2 and "nix: there is no such file or folder" in missing.stderr


def test_summary_plot_export_watch() -> None:
    edgesim("run", "iiot_20dev", *QUICK, "-o", "t.h5")
    assert "queue of a device" in edgesim("summary", "t.h5").stdout
    assert edgesim("plot", "t.h5").exit_code == 0 and Path("t.png").stat().st_size > 10_000
    assert edgesim("export", "t.h5", "--format", "csv").exit_code == 0
    assert list(Path("t").glob("*.csv"))
    assert edgesim("watch", "t.h5", "--interval", "0.1").exit_code == 0


def test_lists() -> None:
    assert "lyapunov" in edgesim("policies").stdout
    assert "melbourne_cbd" in edgesim("scenarios").stdout


def test_a_policy_of_the_users_own() -> None:
    example = Path(__file__).parents[1] / "docs" / "examples" / "max_weight.py"
    Path("max_weight.py").write_text(example.read_text())
    result = edgesim(
        "run", "iiot_20dev", "--slots", "50", "--policy", "max_weight:MaxWeight",
        "--set", "policy.power_share=0.5", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    wrong = edgesim(
        "run", "iiot_20dev", "--policy", "max_weight:MaxWeight", "--set", "policy.power_shar=1"
    )
    assert wrong.exit_code == 2 and "did you mean `power_share`?" in wrong.stderr


def test_a_failing_policy_ends_the_run_with_one_message_and_a_readable_trace() -> None:
    Path("broken.py").write_text(
        "from edgesim.policies.local import Local\n"
        "class Broken(Local):\n"
        "    def decide(self, observation):\n"
        "        if observation.slot == 20:\n"
        "            raise KeyError('nothing')\n"
        "        return super().decide(observation)\n"
    )
    result = edgesim("run", "iiot_20dev", "--policy", "broken:Broken", "-o", "t.h5")
    assert result.exit_code == 1
    assert re.search(
        r"run failed: policy 'broken:Broken', slot 20: KeyError: 'nothing' \(broken.py, line 5\)",
        result.stderr,
    )
    with open_trace("t.h5") as trace:
        assert trace.status == "failed" and trace.slots.sizes["slot"] == 20
    # What was recorded is not replaced unasked; where nothing was, nothing is lost.
    again = edgesim("run", "iiot_20dev", *QUICK, "-o", "t.h5")
    assert again.exit_code == 2 and "t.h5 exists" in again.stderr
    Path("at_once.py").write_text(Path("broken.py").read_text().replace("== 20", ">= 0"))
    assert edgesim("run", "iiot_20dev", "--policy", "at_once:Broken", "-o", "n.h5").exit_code == 1
    assert edgesim("run", "iiot_20dev", *QUICK, "-o", "n.h5").exit_code == 0


def test_a_trace_that_cannot_be_written() -> None:
    Path("file").write_text("")
    result = edgesim("run", "iiot_20dev", *QUICK, "-o", "file/t.h5")
    assert result.exit_code == 1 and "file" in result.stderr
    assert "Traceback" not in result.stderr


def test_interrupt_leaves_a_readable_trace() -> None:
    command = ["run", "iiot_20dev", "--policy", "local"]
    process = Forked([*command, "--slots", "10000000", "-o", "t.h5"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if Path("t.h5").exists() and Path("t.h5").stat().st_size > 300_000:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; what was run is in t.h5" in err and "energy per bit" in out
    with open_trace("t.h5") as trace:
        assert trace.status == "interrupted"
        slots = trace.slots.sizes["slot"]
        assert slots > 0 and trace.tasks.sizes["task"] == 20 * slots


def test_another_hash_seed_gives_the_same_trace() -> None:
    words = ["run", "iiot_20dev", "--slots", "40", "--policy", "random"]
    words += ["--set", "channel.fading=rician", "--json", "-o"]
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # not this process's
    subprocess.run(
        [sys.executable, "-m", "edgesim", *words, "1.h5"],
        env=os.environ | {"PYTHONHASHSEED": seed},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert CliRunner().invoke(main, [*words, "2.h5"]).exit_code == 0
    with open_trace("1.h5") as one, open_trace("2.h5") as two:
        assert one.slots.identical(two.slots) and one.tasks.identical(two.tasks)
        assert one.batches.identical(two.batches)


def test_help_and_validate_load_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from edgesim.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "assert CliRunner().invoke(main, ['validate', 'iiot_20dev']).exit_code == 0;"
        "print(*{'torch', 'cvxpy', 'matplotlib', 'distributed'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == ""


def test_defaults_are_those_of_python() -> None:
    """Of what the command and the function of the same name both take."""
    found = {}
    for name, command in main.commands.items():
        function = getattr(api, {"summary": "summarise"}.get(name, name), None)
        if not inspect.isfunction(function):
            continue
        own = inspect.signature(function).parameters
        for option in command.params:
            said = re.search(r"\[default: (\d+)\]", getattr(option, "help", "") or "")
            if option.name in own and (said or getattr(option, "show_default", None)):
                default = int(said[1]) if said else option.default
                assert default == own[option.name].default, (name, option.name)
                found[name, option.name] = default
    assert {("compare", "warmup"), ("summary", "warmup"), ("report", "warmup")} < set(found)
    assert {("compare", "seeds"), ("plot", "style"), ("export", "file_format")} < set(found)
