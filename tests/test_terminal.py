"""The command at a terminal, in a pipe, and on streams that cannot show everything."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from conftest import SMALL
from forked import Forked
from pseudo_terminal import COMMAND, CTRL_C, Ended, in_terminal, once

import edgesim
from edgesim import terminal
from edgesim.cli import main
from edgesim.experiments import evaluation

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("--slots", "20", "--policy", "local")


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the trace t.h5."""
    folder = tmp_path_factory.mktemp("traces")
    edgesim.run(SMALL, folder / "t.h5", policy="local").close()
    return folder


def good(ended: Ended, columns: int) -> Ended:
    """Ended well, and without a line of a table or of a bar that is too long."""
    assert ended.status == 0, ended.text
    assert "Traceback" not in ended.text
    drawn = [line for line in ended.lines if re.search("[│┃┏━╭]", line)]
    assert max(map(len, drawn), default=0) <= columns
    return ended


# At a terminal


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_is_as_wide_as_the_terminal(traces: Path, columns: int) -> None:
    ended = good(
        in_terminal([*COMMAND, "summary", *["t.h5"] * 9], traces, columns=columns), columns
    )
    assert "[bit²]" in ended.text and ended.text.count("95 % intervals") == 1
    heads = [line for line in ended.lines if "┃" in line and "t.h5" in line]
    assert sum(line.count("t.h5") for line in heads) == 9 and (len(heads) > 1) == (columns == 80)
    energy = edgesim.summarise(traces / "t.h5").traces[0].estimates["energy_per_bit_j"].value
    assert ended.text.count(f"{1e9 * energy:.4g}") >= 9  # no number is cut


FEW_STEPS = ("episodes=4", "episode_slots=2", "replicas=2", "warmup=2", "batch=2", "hidden=[4,4]")


def test_a_training_and_its_run_show_their_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(evaluation.SHAPES, "worst-case-emission", (1, 1))
    options = [word for key in FEW_STEPS for word in ("--set", f"policy.{key}")]
    command = ["run", "carbon_6ue", "--policy", "ddpg", "--train-first", "--slots", "3", *options]
    ended = good(in_terminal([*COMMAND, *command], tmp_path), 80)
    assert "preparing" in ended.text and re.search(r"16 / 16 steps", ended.text)
    assert "trace: runs/carbon_6ue-ddpg-seed1.h5" in ended.text


def test_colours_and_control_sequences_are_only_where_they_are_wanted(traces: Path) -> None:
    words = [*COMMAND, "watch", "t.h5"]
    colour = re.compile(r"\x1b\[[\d;]*\b(3\d|9\d)(;\d+)*m")
    assert colour.search(good(in_terminal(words, traces), 80).written)
    plain = good(in_terminal(words, traces, environment={"NO_COLOR": "1"}), 80)
    assert not colour.search(plain.written) and "complete" in plain.text
    dumb = good(in_terminal(words, traces, environment={"TERM": "dumb"}), 80)
    assert "\x1b" not in dumb.written and "complete" in dumb.written
    # Where colorama is installed, numba has it reset the terminal as the process ends.
    program = "from edgesim import terminal; terminal.take_over(); import numba.cpython.listobj"
    silent = in_terminal([sys.executable, "-c", program], traces, environment={"TERM": "dumb"})
    assert (silent.status, silent.written) == (0, "")


# Ctrl-C

INTERRUPT = """
import os, signal, sys
from edgesim import __main__
module = sys.argv.pop(1)
def watch(event, arguments):
    if event == "import" and arguments[0] == module:
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(watch)
__main__.main()
"""


@pytest.mark.parametrize("module", ["click", "numpy", "edgesim.api", "numba.core"])
def test_ctrl_c_while_something_is_imported(module: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", INTERRUPT, module, "run", "iiot_20dev", *QUICK]
    ended = in_terminal(words, tmp_path)
    assert (ended.status, ended.text.strip()) == (130, "interrupted")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_ctrl_c_in_the_first_second_of_processes_that_are_started(tmp_path: Path) -> None:
    """It reaches all processes of the terminal, also those that have not begun to ignore it."""
    (tmp_path / "s.toml").write_text('scenario = "iiot_20dev"\npolicies = ["local"]\nseeds = 9')
    words = ["bash", "-c", f"{sys.executable} -m edgesim sweep s.toml --workers 2; echo status $?"]
    server = f"pgrep -P $(pgrep -f '^{sys.executable} -m edgesim sweep s.toml') -f forkserver"

    seen: list[float] = []

    def imports(text: str, seconds: float) -> bool:
        """A while after it has begun to, as it takes a second."""
        if (
            not seen
            and subprocess.run(
                server, check=False, shell=True, stdout=subprocess.DEVNULL
            ).returncode
            == 0
        ):
            seen.append(seconds)
        return bool(seen) and seconds - seen[0] > 0.3

    ended = in_terminal(words, tmp_path, press=once(CTRL_C, imports))
    assert "interrupted" in ended.text and "Traceback" not in ended.text


def test_ctrl_c_later_leaves_trace_table_and_cursor(tmp_path: Path) -> None:
    words = [*COMMAND, "run", "iiot_20dev", "--policy", "local", "--slots", "9999999", "-o", "t.h5"]
    ended = in_terminal(words, tmp_path, press=once(CTRL_C, lambda text, _: " slots/s" in text))
    assert ended.status == 130 and "Traceback" not in ended.text
    assert ended.lines[-2:] == ["interrupted; what was run is in t.h5", ""]
    assert "energy per bit" in ended.text
    assert ended.written.rindex("\x1b[?25h") > ended.written.rindex("\x1b[?25l")
    with edgesim.open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "interrupted" and trace.recorded > 0


def test_a_terminated_run_leaves_its_trace(tmp_path: Path) -> None:
    words = ["run", "iiot_20dev", "--policy", "local", "--slots", "9999999"]
    process = Forked([*words, "-o", str(tmp_path / "t.h5")])
    while not (tmp_path / "t.h5").exists() or (tmp_path / "t.h5").stat().st_size < 100_000:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1].endswith("\nterminated\n") and process.returncode == 143
    with edgesim.open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "interrupted" and trace.recorded > 0


def test_what_a_script_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        terminal.take_over()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGINT, before)


# Streams

ENCODINGS = ("ascii", "gbk", "cp932", "latin-1")


def written(encoding: str, write: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What is written to a stdout of this encoding."""
    stream = TextIOWrapper(BytesIO(), encoding=encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", TextIOWrapper(BytesIO(), encoding=encoding))
        patch.setattr(signal, "signal", lambda number, handler: None)
        terminal.take_over()
        write()
    stream.flush()
    return stream.buffer.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_streams_that_cannot_show_everything(
    encoding: str, traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*words: str) -> str:
        def command() -> None:
            with pytest.raises(SystemExit) as end:
                main(words)
            assert not end.value.code

        # Click takes ASCII for a mistake, and writes UTF-8 there.
        clicks = encoding == "ascii" and (words[0] != "summary" or "--help" in words)
        return written(encoding, command, monkeypatch).decode("utf-8" if clicks else encoding)

    for command in main.commands:
        assert f"{command} [OPTIONS]" in shown(command, "--help")
    for words in (("reproduce",), ("policies",), ("scenarios",)):
        assert shown(*words)
    table = shown("summary", str(traces / "t.h5"))
    sign = "±" if "±".encode(encoding, "ignore") else "+-"
    squared = "bit²" if "²".encode(encoding, "ignore") else "bit2"
    assert f" {sign} " in table and f"[{squared}]" in table
    frame = [line for line in table.splitlines() if line[:1] in ("|", "+")]
    assert len({len(line) for line in frame}) == 1 and len(frame) > 20


def test_names_that_are_no_text_are_shown_as_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = os.fsdecode(b"caf\xe9 ") + "é µs ²…"
    shown = {
        encoding: written(encoding, lambda: print(text, end=""), monkeypatch)
        for encoding in ("ascii", "utf-8")
    }
    assert shown == {"ascii": b"caf\xe9 e us 2...", "utf-8": b"caf\xe9 " + "é µs ²…".encode()}


def test_output_that_head_cuts_ends_without_a_word(traces: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for words, unbuffered in ((["policies"], ""), (["policies"], "1"), (["summary", "t.h5"], "")):
        done = subprocess.run(
            [*COMMAND, *words],
            check=False,
            cwd=traces,
            stdout=writer,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
        assert (done.returncode, done.stderr) == (141, b"")
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_a_full_disk_cuts_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "policies"], check=False, stdout=full, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_streams_that_are_closed(tmp_path: Path) -> None:
    command = shlex.join([*COMMAND, "run", "iiot_20dev", *QUICK, "-o", "t.h5"])
    done = subprocess.run(f"{command} >&- 2>&-", check=False, shell=True, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "t.h5").exists()


# Every command of README and documents

LINE = re.compile(r"^ *edgesim ([a-z]+\b.*)$", re.MULTILINE)
SMALLER = {
    "run": "--slots 10",
    "train": "--set policy.episode_slots=2 --set policy.replicas=6",  # of six worlds
    "compare": "--seeds 2 --slots 5",
}
FEW = {
    "aac": "--set policy.steps=40",
    "dqn": "--set policy.episodes=4 --set policy.warmup=4 --set policy.batch=4",
    "sac": "--set policy.episodes=4 --set policy.warmup=4 --set policy.batch=4",
    "ddpg": "--set policy.episodes=4 --set policy.warmup=4 --set policy.batch=4",
}
TERMINALS: dict[str, tuple[int, dict[str, str]]] = {
    "80 columns": (80, {}),
    "200 columns": (200, {}),
    "NO_COLOR": (80, {"NO_COLOR": "1"}),
    "dumb": (80, {"TERM": "dumb"}),
}


def commands(page: str) -> list[list[str]]:
    """The commands of a page, made smaller."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = LINE.findall(text)
    for name, values in re.findall(r"^ *for (\w+) in (.*);", text, re.MULTILINE):
        lines = [
            one
            for line in lines
            for one in dict.fromkeys(line.replace(f"${name}", two) for two in values.split()[:2])
        ]
    found = []
    for line in lines:
        words = [one for one in shlex.split(line, comments=True) if one != "$own"]
        if "--scheduler" in words:  # another machine
            continue
        if words[0] == "reproduce" and len(words) > 1:
            words = ["reproduce", "c9", "--quick"]
            if words in found:
                continue
        if "--steps" in words:  # instead of what `FEW` says
            at = words.index("--steps")
            del words[at : at + 2]
        if words[0] in SMALLER and not (words[0] == "compare" and "/" in words[1]):
            words += SMALLER[words[0]].split()
        for policy, fewer in FEW.items():
            if policy in words and (words[0] == "train" or "--train-first" in words):
                words += fewer.split()
        found.append(words)
    return found


def test_the_documents_commands_are_found() -> None:
    assert {words[0] for page in PAGES for words in commands(page)} == set(main.commands) - {
        "policies",
        "scenarios",
    }


PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("learning", "problems", "reproduction", "sweeps")),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", TERMINALS)
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_documents(page: str, kind: str, tmp_path: Path) -> None:
    """At a terminal, in the order of the page, in one folder."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (tmp_path / "runs").mkdir()
    for name in ("max_weight.py", "agents/margin.py"):
        shutil.copy(ROOT / "docs/examples" / name, tmp_path)
    readme = (ROOT / PAGES[0]).read_text(encoding="utf-8")  # whose scenario other pages use
    for block in re.findall(r"```toml\n(.*?)```", readme + text, re.DOTALL):
        if block.startswith("title"):
            (tmp_path / "mine.toml").write_text(block)
            continue
        small = re.sub(r"seeds = \d+", "seeds = 2", block)
        small = re.sub(r"run.slots = \d+", "run.slots = 10", small)
        if block.startswith("scenario") and not (tmp_path / "load.toml").exists():
            (tmp_path / "load.toml").write_text(small)
        elif named := re.match(r"# (\S+\.toml)", block):
            (tmp_path / named[1]).write_text(small)
    small_training = {"trials": 2, "episodes": 2, "replicas": 2, "warmup": 4, "batch": 4}
    (tmp_path / "docs/searches").mkdir(parents=True)
    for file in (ROOT / "docs/searches").glob("*.toml"):
        small = file.read_text(encoding="utf-8")
        for key, value in small_training.items():
            small = re.sub(rf"\b{key} = \d+", f"{key} = {value}", small)
        (tmp_path / "docs/searches" / file.name).write_text(small)
    for name in re.findall(r'agent\{file="(\w+)\.zip"', text):  # that a script of the page trains
        import gymnasium
        from test_agent import model

        env = gymnasium.make("edgesim/Stream-v0", scenario="iiot_20dev")
        model(name.upper(), env).save(tmp_path / name)
    columns, environment = TERMINALS[kind]
    for words in commands(page):
        if words[0] == "train":
            shutil.rmtree(tmp_path / words[words.index("-o") + 1], ignore_errors=True)
        line = " ".join(shlex.quote(word) if "*" not in word else word for word in words)
        shell = ["bash", "-c", f"{shlex.join(COMMAND)} {line}"]
        ended = in_terminal(
            shell, tmp_path, columns=columns, environment=environment, timeout_s=3600.0
        )
        assert ended.status == 0, (words, ended.text[-2000:])
        good(ended, columns)
        if kind == "dumb":
            assert "\x1b" not in ended.written, words
