"""What a trace and its numbers look like in Python: printed, in a notebook, and as values."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from trace_recording import record, run_info

import edgesim
from edgesim.cli import main
from edgesim.traces.reader import TraceError, open_trace, summarise
from edgesim.traces.variables import Level


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "t.h5"
    record(path, run_info(replications=3, slots=200), slots=120, status="interrupted")
    return path


def test_a_trace_prints_what_it_is(recorded: Path) -> None:
    with open_trace(recorded) as trace:
        lines = repr(trace).splitlines()
    assert lines[0] == f"Trace {recorded}"
    assert dict(line.split(maxsplit=1) for line in lines[1:]) == {
        "scenario": "made up",
        "policy": "lyapunov",
        "seeds": "7 to 9",
        "network": "5 devices, 3 stations",
        "slots": "120 of 200 of 0.1 s, level 'slots'",
        "status": "interrupted",
    }


def test_a_closed_or_empty_trace_prints_too(recorded: Path, tmp_path: Path) -> None:
    trace = open_trace(recorded)
    trace.close()
    assert "scenario made up" in repr(trace) and "slots    200 of 0.1 s" in repr(trace)
    record(tmp_path / "empty.h5", run_info(), slots=0, status="failed")
    with open_trace(tmp_path / "empty.h5") as empty:
        assert "slots    0 of 100 of 0.1 s" in repr(empty) and "failed" in repr(empty)
        with pytest.raises(TraceError, match="no slot was recorded"):
            empty.summary()


def test_a_notebook_shows_text_as_text(tmp_path: Path) -> None:
    run = run_info()
    object.__setattr__(run, "scenario", 'title = "a < b & <script>"\n')
    record(tmp_path / "<i>.h5", run)
    with open_trace(tmp_path / "<i>.h5") as trace:
        html, numbers = trace._repr_html_(), trace.summary()._repr_html_()
    assert "a &lt; b &amp; &lt;script&gt;" in html and "&lt;i&gt;.h5" in html
    assert "<script" not in html and "<i>" not in html
    assert html.count("<tr>") == 6 and html.startswith("<table>") and html.endswith("</table>")
    assert "&lt;i&gt;.h5" in numbers and "<i>" not in numbers


@pytest.mark.parametrize("level", ["summary", "slots"])
@pytest.mark.parametrize(("replications", "warmup"), [(1, 0.1), (3, 0.5)])
def test_the_summary_is_that_of_the_command(
    tmp_path: Path, level: Level, replications: int, warmup: float
) -> None:
    path = tmp_path / "t.h5"
    record(path, run_info(replications=replications, slots=120), level=level)
    with edgesim.open_trace(path) as trace:
        summary = trace.summary(warmup)
    assert (
        summary == summarise([path], warmup).traces[0] == edgesim.summarise(path, warmup).traces[0]
    )
    words = ["summary", str(path), "--warmup", str(warmup)]
    shown = CliRunner().invoke(main, [*words, "--json"])
    assert json.loads(shown.stdout) == summary.to_dict() == json.loads(summary.to_json())
    printed = CliRunner().invoke(main, words, terminal_width=200, env={"COLUMNS": "200"}).stdout
    assert _cells(printed) == _cells(str(summary))
    energy = summary.estimates["energy_per_bit_j"]
    assert f"{1e9 * energy.value:.3g}"[:3] in str(summary).replace(",", "")
    assert energy.low < energy.value < energy.high


def _cells(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_no_summary_without_slots_left(recorded: Path) -> None:
    with (
        open_trace(recorded) as trace,
        pytest.raises(ValueError, match=r"warmup is 1\.0, but must be"),
    ):
        trace.summary(1.0)
