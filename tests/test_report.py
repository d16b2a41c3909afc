import json
import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from browser import Browser
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from sweeping import make, write
from trace_recording import completed, random_columns, record, run_info, zero_columns

from edgesim import run
from edgesim.cli import main
from edgesim.experiments.report import data as report_data
from edgesim.experiments.report.page import page
from edgesim.experiments.report.report import MAX_TRACES, write_report
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import parse_scenario
from edgesim.traces.panels import LatencyDistribution
from edgesim.traces.reader import TraceError, open_trace
from edgesim.traces.writer import TraceWriter

HOSTILE = (
    """<b>bold</b> </script><script>document.title='taken'</script> & "quotes" '\u2028' <!--"""
)
SCENARIO = f"""
title = {json.dumps(HOSTILE)}
[run]
slots = 300
[devices]
count = 8
[stations.sbs]
count = 2
failures = {{time_to_failure = "5 s", time_to_repair = "4 s"}}
[tasks]
arrivals = "poisson"
rate = "20 tasks/s"
mean = "25 kbit"
deadline = "500 ms"
[mobility]
model = "random-waypoint"
"""
VOID = {"meta", "link", "br", "input"}


class Page(HTMLParser):
    """A document that was read strictly: every element has to be closed, in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def data(self) -> Any:
        return json.loads(self.texts["script"][0])

    @property
    def said(self) -> str:
        """All text outside of scripts and styles."""
        skipped = ("script", "style")
        return "\n".join(
            t for tag, found in self.texts.items() if tag not in skipped for t in found
        )

    def chart(self, title: str) -> Any:
        (found,) = (chart for chart in self.data["charts"] if chart["title"] == title)
        return found


def simulated(path: Path, toml: str, *overrides: str) -> Path:
    assert execute(prepare(parse_scenario(toml, "test", overrides)), path) == "complete"
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the traces of both worlds, of two policies, and a sweep."""
    here = tmp_path_factory.mktemp("report")
    simulated(here / "streams.h5", SCENARIO)
    tasks = """
title = "tasks"
[run]
problem = "worst-case-emission"
slots = 60
slot = "2 s"
replications = 3
[devices]
count = 6
[stations.sbs]
count = 0
[channel]
access = "mrc"
[tasks]
arrivals = "per-slot"
deadline = "2 s"
[policy]
name = "random"
"""
    simulated(here / "tasks.h5", tasks)
    (here / "two").mkdir()
    for policy in ("lyapunov", "local"):
        options = "run.slots=100", "run.replications=3", f"policy.name={policy}"
        simulated(here / "two" / f"{policy}.h5", SCENARIO, "trace.level=summary", *options)
    (here / "files").mkdir()
    make(write(here / "files"), here / "sweep", workers=1)
    return here


def test_a_page_is_whole_and_asks_for_nothing(folder: Path) -> None:
    document = Page(write_report([folder / "streams.h5"], folder / "whole.html"))
    tags = [tag for tag, _ in document.tags]
    assert tags.count("script") == 2
    assert {"link", "img", "iframe", "object", "b", "a"}.isdisjoint(tags)
    for _, attributes in document.tags:
        assert {"src", "href", "onclick", "onload", "onerror"}.isdisjoint(attributes)
    # The name of SVG is no address.
    addresses = re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"]*", document.source)
    assert addresses == ["http://www.w3.org/2000/svg"]
    assert "@import" not in document.source and "url(" not in "".join(document.texts["style"])
    (policy,) = (a["content"] for _, a in document.tags if "http-equiv" in a)
    assert policy and policy.startswith("default-src 'none'")
    assert ("html", {"lang": "en"}) in document.tags
    assert any(a.get("name") == "viewport" for _, a in document.tags)
    assert len(document.source) < 300_000


def test_text_of_a_trace_is_only_text(folder: Path) -> None:
    document = Page(write_report([folder / "streams.h5"], folder / "hostile.html"))
    assert document.texts["h1"] == [HOSTILE]
    assert document.texts["title"][0].startswith(HOSTILE)
    assert "taken" in "".join(document.texts["pre"])  # the scenario


def test_text_in_the_data_ends_no_script(tmp_path: Path) -> None:
    data = {"charts": [{"label": HOSTILE}]}
    (tmp_path / "t.html").write_text(page("title", [], data), "utf-8")
    read = Page(tmp_path / "t.html")
    assert read.data == data
    assert [tag for tag, _ in read.tags].count("script") == 2


def test_the_diagrams_show_what_the_slots_say(folder: Path) -> None:
    document = Page(write_report([folder / "streams.h5"], folder / "diagrams.html"))
    with open_trace(folder / "streams.h5") as trace:
        slots, tasks = trace.slots.isel(replication=0).load(), trace.tasks.load()

    def batches(name: str, dim: str) -> Any:
        return slots[name].mean(dim).values.reshape(100, 3)

    queue, age = document.chart("mean queue"), slots["queue_bits"].mean("device").values * 1e-6
    assert_allclose(queue["x"][0], 0.1 * (3 * np.arange(100) + 1.5))
    assert_allclose(queue["lines"][0]["mean"], age.reshape(100, 3).mean(axis=1), rtol=1e-4)
    bits = (slots["local_bits"] + slots["offloaded_bits"]).sum("device").values
    joule = (slots["local_energy_j"] + slots["offload_energy_j"]).sum("device").values
    (energy,) = document.chart("energy per bit")["lines"]
    per_bit = 1e9 * joule.reshape(100, 3).sum(axis=1) / bits.reshape(100, 3).sum(axis=1)
    assert_allclose(energy["mean"], per_bit, rtol=1e-4)
    emitted = slots["emission_mg"].sum("device").values.reshape(100, 3).sum(axis=1)
    assert_allclose(document.chart("emission")["lines"][0]["mean"], emitted / 0.3, rtol=1e-4)
    working = 100.0 * batches("station_availability", "station").mean(axis=1)
    assert 0.0 < working.min() < 100.0
    assert_allclose(document.chart("stations at work")["lines"][0]["mean"], working, rtol=1e-4)
    latency = tasks["completion_s"].values - tasks["arrival_s"].values
    latency = np.sort(latency[np.isfinite(latency)])
    shown = document.chart("latency of tasks, distribution")
    below = np.searchsorted(latency, shown["x"][0], side="right") / len(latency)
    assert_allclose(np.array(shown["lines"][0]["mean"]) / 100.0, below, atol=0.02)
    assert_allclose(shown["marks"][0][0], np.quantile(latency, 0.5), rtol=0.02)


def test_latencies_are_drawn_from_where_the_axis_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leftmost beginning of all traces; what lies left of it, at zero here, is not drawn."""

    def of(scale: float) -> LatencyDistribution:
        latency_s = scale * np.array([0.0, 0.1, 0.4, 2.0])
        below = np.array([0.0, 0.25, 0.5, 1.0])
        return LatencyDistribution(latency_s, below, scale * 0.1, True, latencies=None)  # type: ignore[arg-type]

    known: Any = {"a": 2.0, "none": None, "b": 1.0}
    monkeypatch.setattr(report_data, "latency_distribution", lambda scale: scale and of(scale))
    chart = report_data.latency_chart(known)
    assert chart is not None
    assert chart["x"] == [[0.2, 0.8, 4.0], [0.1, 0.4, 2.0]] and chart["left"] == 0.1
    assert [line["mean"] for line in chart["lines"]] == [[25.0, 50.0, 100.0]] * 2
    told = [(line["label"], line["series"], line["x"]) for line in chart["lines"]]
    assert told == [("a", 0, 0), ("b", 2, 1)]


def test_the_map_shows_slots_from_the_first_to_the_last(folder: Path) -> None:
    document = Page(write_report([folder / "streams.h5"], folder / "map.html"))
    (drawn,) = document.data["maps"]
    slots = drawn["slots"]
    assert (slots[0], slots[-1], len(slots)) == (0, 299, report_data.FRAMES)
    with open_trace(folder / "streams.h5") as trace:
        seen = trace.slots.isel(replication=0, slot=slots).load()
    assert_allclose(drawn["x"], seen["x_m"].values, atol=0.051)
    assert_allclose(drawn["y"], seen["y_m"].values, atol=0.051)
    assert_array_equal(drawn["station"], seen["serving_station"].values)
    assert_allclose(drawn["value"], seen["queue_bits"].values * 1e-6, rtol=6e-3, atol=1e-6)
    assert_array_equal(drawn["up"], seen["station_up"].values)
    assert [name for name, *_ in drawn["stations"]] == ["mbs", "sbs-1", "sbs-2"]


def test_replications_have_bands(folder: Path) -> None:
    document = Page(write_report([folder / "tasks.h5"], folder / "bands.html"))
    (worst,) = document.chart("worst-case emission")["lines"]
    with open_trace(folder / "tasks.h5") as trace:
        values = trace.slots["worst_emission_mg"].values
        place = trace.slots["x_m"].isel(replication=0, slot=0).values
    assert_allclose(worst["mean"], values.mean(axis=0), rtol=1e-4)
    assert_allclose(worst["low"], values.min(axis=0), rtol=1e-4)
    assert_allclose(worst["high"], values.max(axis=0), rtol=1e-4)
    (drawn,) = document.data["maps"]
    assert drawn["kind"] == "offload"
    assert len(drawn["x"]) == 1  # nobody moves
    assert_allclose(drawn["x"][0], place, atol=0.051)
    assert "seeds 1 to 3" in document.said


def test_two_policies_are_compared(folder: Path) -> None:
    document = Page(write_report([folder / "two"], folder / "two.html"))
    queue = document.chart("mean queue: device")
    assert [line["label"] for line in queue["lines"]] == ["local", "lyapunov"]
    assert "difference to local" in document.said
    assert "policy.name" in document.said  # among the keys that differ
    assert "so there is no map" in document.said
    assert document.data["maps"] == []


def test_a_sweep_is_drawn_against_its_keys(folder: Path) -> None:
    document = Page(write_report([folder / "sweep"], folder / "sweep.html"))
    sweep = document.data["sweep"]
    assert [key["name"] for key in sweep["keys"]] == ["devices.count"]
    assert sweep["keys"][0]["places"] == [3, 5]
    assert sweep["policies"] == ["local", "random"]
    assert sweep["cases"] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    from edgesim import open_sweep

    emission = open_sweep(folder / "sweep")["emission_mg"]
    (shown,) = (number for number in sweep["numbers"] if number["title"] == "emission")
    assert_allclose(shown["mean"], emission.mean("seed").values.ravel(), rtol=1e-4)
    assert document.said.count("difference to local") == 2  # in each group
    assert "16 runs: 2 points, 2 policies, 4 seeds" in document.said


def test_a_sweep_has_the_logarithmic_axes_of_its_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of these needs one; with a lower bar emissions would, and a share never does."""

    def logs() -> dict[str, bool]:
        sweep = Page(write_report([folder / "sweep"], folder / "logs.html")).data["sweep"]
        return {number["title"]: number["log"] for number in sweep["numbers"]}

    assert not any(logs().values())
    monkeypatch.setattr("edgesim.traces.style.FAR_APART", 1.2)
    near = logs()
    assert near["emission"] and near["energy per bit"] and not near["bits offloaded"]


def test_what_is_not_whole_is_told(tmp_path: Path) -> None:
    record(tmp_path / "cut.h5", run_info(slots=80), slots=30, status="interrupted")
    document = Page(write_report([tmp_path / "cut.h5"], tmp_path / "a.html"))
    assert "was interrupted: 30 of 80 slots are recorded" in document.said
    assert len(document.chart("emission")["x"][0]) == 30
    (tmp_path / "torn.h5").write_bytes((tmp_path / "cut.h5").read_bytes()[:20_000])
    with pytest.raises(TraceError, match="torn"):
        write_report([tmp_path / "torn.h5"], tmp_path / "b.html")
    document = Page(write_report([tmp_path], tmp_path / "b.html"))
    assert "Left out: " in document.said and "torn" in document.said
    writer = TraceWriter(tmp_path / "killed.h5", run_info(slots=80))
    for slot in range(40):
        writer.slot(slot, random_columns(run_info(slots=80), slot))
    writer.close("failed")
    document = Page(write_report([tmp_path / "killed.h5"], tmp_path / "c.html"))
    assert "ended by a failure: 40 of 80 slots" in document.said


def test_the_page_is_small_however_large_the_run(tmp_path: Path) -> None:
    run = run_info(devices=5000, slots=3)
    writer = TraceWriter(tmp_path / "large.h5", run)
    for slot in range(3):
        place = np.random.default_rng(slot).random((1, 5000)) * 400.0
        writer.slot(slot, zero_columns(run, x_m=place, y_m=place, queue_bits=1e4 * place))
    writer.tasks(completed(np.random.default_rng(1).lognormal(sigma=4.0, size=100_000)))
    writer.close("complete")
    output = write_report([tmp_path / "large.h5"], tmp_path / "large.html")
    (drawn,) = Page(output).data["maps"]
    assert len(drawn["x"][0]) == report_data.DRAWN_DEVICES == len(drawn["devices"])
    assert "2,000 of 5,000 devices" in drawn["note"]
    curve = Page(output).chart("latency of tasks, distribution")
    assert 100 < len(curve["x"][0]) <= report_data.LATENCIES
    assert output.stat().st_size < 500_000


def test_the_command_names_the_page_and_repeats_it(folder: Path, tmp_path: Path) -> None:
    source = (folder / "streams.h5").read_bytes()
    (tmp_path / "t.h5").write_bytes(source)
    pages = []
    for _ in range(2):
        result = CliRunner().invoke(main, ["report", str(tmp_path / "t.h5")])
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 't.html'}\n")
        pages.append((tmp_path / "t.html").read_bytes())
    assert pages[0] == pages[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.h5", "t.html"]
    result = CliRunner().invoke(main, ["report", str(tmp_path), "-o", str(tmp_path / "o.html")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "o.html").exists()


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.h5").write_text("text")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sweep.sqlite").write_text("no database" * 100)
    record(tmp_path / "t.h5", run_info(slots=2), level="summary")
    record(tmp_path / "none.h5", run_info(slots=2), slots=0)
    many = [str(tmp_path / "t.h5")] * (MAX_TRACES + 1)
    for words, message in (
        (["missing.h5"], "no such file"),
        ([str(tmp_path / "text.h5")], "not an HDF5 file"),
        ([str(tmp_path / "none.h5")], "no slot was recorded"),
        ([str(tmp_path / "empty")], "neither a sweep nor a folder of traces"),
        ([str(tmp_path / "broken")], "damaged"),
        ([str(tmp_path / "t.h5"), str(tmp_path / "empty")], "a folder"),
        (many, f"{MAX_TRACES} traces at most, and these are {MAX_TRACES + 1}"),
    ):
        output = tmp_path / "kept.html"
        output.write_text("before")
        result = CliRunner().invoke(main, ["report", *words, "--overwrite", "-o", str(output)])
        assert result.exit_code == 2, (words, result.output)
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert output.read_text() == "before"


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    if browser.EXECUTABLE is None:
        pytest.skip("no Chromium on the PATH")
    with Browser() as opened:
        yield opened


@pytest.mark.parametrize("what", ["streams.h5", "tasks.h5", "two", "sweep"])
def test_every_figure_is_drawn_in_a_browser(
    folder: Path, tmp_path: Path, window: Browser, what: str
) -> None:
    document = write_report([folder / what], tmp_path / "page.html")
    for width, dark in ((1280, False), (390, True)):
        window.open(document, width, dark=dark)
        assert window.problems == []
        assert window.requests == [document.resolve().as_uri()]
        assert window.run("document.documentElement.scrollWidth") <= width
        cells = "[...document.querySelectorAll('.comparison :is(th, td)')]"
        rights = f"{cells}.map(cell => cell.getBoundingClientRect().right)"
        assert max(window.run(rights), default=0.0) <= width
        figures = window.run(
            """[...document.querySelectorAll("figure")].map(figure => {
                const picture = figure.querySelector("svg[role=img]");
                const box = picture.getBoundingClientRect();
                const lines = [...picture.querySelectorAll("path.line, circle")];
                return {width: box.width, height: box.height, label: picture.ariaLabel,
                    drawn: lines.filter(one => one.getBBox().width > 0).length,
                    right: box.right, odd: /NaN|undefined|Infinity/.test(picture.outerHTML)};
            })"""
        )
        assert len(figures) >= 6
        for figure in figures:
            assert figure["width"] > 200 and figure["height"] > 150
            assert figure["right"] <= width
            assert figure["drawn"] > 0 and not figure["odd"], figure["label"]
            assert len(figure["label"]) > 10
        assert window.run("document.title") != "taken"


def test_a_value_between_unknown_ones_is_a_point(tmp_path: Path, window: Browser) -> None:
    """Of so few devices the bits move in every other slot: no two neighbours have an energy per bit."""
    overrides = ["devices.count=3", "stations.sbs.count=2"]
    run("iiot_20dev", tmp_path / "t.h5", slots=30, overrides=overrides).close()
    document = write_report([tmp_path / "t.h5"], tmp_path / "page.html")
    (line,) = Page(document).chart("energy per bit")["lines"]
    known = [value is not None for value in [None, *line["mean"], None]]
    alone = [now and not (a or b) for a, now, b in zip(known, known[1:], known[2:], strict=False)]
    window.open(document)
    points = """[...document.querySelectorAll("figure")].filter(figure =>
        figure.textContent.includes("energy per bit")).map(figure =>
        figure.querySelector("path.points").getAttribute("d").match(/M/g).length)"""
    assert window.run(points) == [sum(alone)] and sum(alone) > 5


def test_lines_are_hidden_values_read_and_time_moved(
    folder: Path, tmp_path: Path, window: Browser
) -> None:
    document = Page(write_report([folder / "streams.h5"], tmp_path / "page.html"))
    window.open(tmp_path / "page.html")
    lines = "document.querySelector('figure').querySelectorAll('path.line[d]').length"
    # Two in the picture, two in the legend.
    assert window.run(lines) == 4
    window.run("document.querySelector('figure .legend button').click()")
    assert window.run(lines) == 3
    pressed = "document.querySelector('figure .legend button').ariaPressed"
    assert window.run(pressed) == "false"
    window.run("document.querySelector('figure .legend button').click()")
    window.run(
        """document.querySelector("figure svg[role=img]").dispatchEvent(
            new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}))"""
    )
    first = document.chart("mean queue")["lines"][0]["mean"][0]
    read = window.run("document.querySelector('figure .legend b').textContent")
    assert float(read) == pytest.approx(first, rel=1e-3)
    dot = "Number(document.querySelector('figure[data-map] svg[role=img] > circle').getAttribute('cx'))"
    (drawn,) = document.data["maps"]
    last = window.run(dot)
    window.run(
        """(() => { const slider = document.querySelector("figure[data-map] input");
            slider.value = 0; slider.dispatchEvent(new Event("input")); })()"""
    )
    moved = (drawn["x"][0][0] - drawn["x"][-1][0]) / drawn["area"][0]
    wide = window.run("document.querySelector('figure[data-map] rect.area').getBBox().width")
    assert window.run(dot) - last == pytest.approx(moved * wide, abs=0.1)
    assert window.problems == []


AXE = Path(__file__).resolve().parents[1] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.parametrize("what", ["streams.h5", "two", "sweep"])
def test_everybody_can_use_a_report(
    folder: Path, tmp_path: Path, window: Browser, what: str
) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: npm install --no-save axe-core")
    document = write_report([folder / what], tmp_path / "page.html")
    for width, dark in ((1280, False), (390, True)):
        window.open(document, width, dark=dark)
        window.run(AXE.read_text("utf-8") + ";0")
        found = window.run(
            """axe.run().then(told => told.violations.map(one =>
                one.id + ": " + one.nodes.map(node => node.html).slice(0, 3).join(" | ")))"""
        )
        assert found == []


def test_lines_far_below_the_uppermost_are_told_apart(
    folder: Path, tmp_path: Path, window: Browser
) -> None:
    """On a logarithmic axis 1 and 10 are as far apart as 10 and 100; a band that reaches below zero ends at its foot."""
    write_report([folder / "streams.h5"], tmp_path / "page.html")
    window.open(tmp_path / "page.html")
    means = [1.0, 10.0, 100.0]
    lines = [
        {"label": str(k), "series": k, "x": 0, "mean": [y] * 2, "low": [-y] * 2, "high": [y] * 2}
        for k, y in enumerate(means)
    ]
    chart = {"title": "t", "unit": "u", "xlabel": "x", "group": "g", "x": [[0, 1]], "lines": lines}
    heights = {
        log: window.run(
            f"""(() => {{ const figure = document.querySelector("figure").parentElement
                .appendChild(document.createElement("figure"));
                lineChart(figure, {json.dumps(chart | {"ylog": log})});
                return [...figure.querySelectorAll("svg[role=img] path.line")].map(one =>
                    Number(one.getAttribute("d").split(/[ML ]/)[2])); }})()"""
        )
        for log in (False, True)
    }
    a, b, c = heights[True]
    assert a - b == pytest.approx(b - c, abs=0.2) and a - b > 30.0
    a, b, c = heights[False]
    assert (b - c) == pytest.approx(10.0 * (a - b), abs=0.6)
    assert window.problems == []


def test_a_diagram_is_zoomed_and_whole_again(folder: Path, tmp_path: Path, window: Browser) -> None:
    write_report([folder / "streams.h5"], tmp_path / "page.html")
    window.open(tmp_path / "page.html")
    ticks = (
        "[...document.querySelectorAll('figure svg[role=img] text')].map(t => t.textContent).join()"
    )
    whole = window.run(ticks)
    for key in ("+", "-"):
        window.run(
            f"""document.querySelector("figure svg[role=img]").dispatchEvent(
                new KeyboardEvent("keydown", {{key: "{key}", bubbles: true}}))"""
        )
        assert (window.run(ticks) == whole) == (key == "-")
    window.run(
        """["pointerdown", "pointerup"].forEach((name, k) => {
            const plot = document.querySelector("figure .plot");
            const left = plot.getBoundingClientRect().left;
            plot.dispatchEvent(new PointerEvent(name, {clientX: left + 100 + 60 * k})); })"""
    )
    assert window.run(ticks) != whole
    window.run("document.querySelector('figure .plot').dispatchEvent(new Event('dblclick'))")
    assert window.run(ticks) == whole
    assert window.problems == []


@pytest.mark.parametrize(("what", "names"), [("two", ["local", "lyapunov"]), ("sweep", None)])
def test_a_box_hides_its_lines_in_all_diagrams(
    folder: Path, tmp_path: Path, window: Browser, what: str, names: list[str] | None
) -> None:
    window.open(write_report([folder / what], tmp_path / "page.html"))
    boxes = "[...document.querySelectorAll('.chooser input')]"
    assert window.run(f"{boxes}.map(box => box.labels[0].textContent)") == (
        names or ["local", "random"]
    )
    lines = """[...document.querySelectorAll("figure.chart")].map(figure =>
        figure.querySelectorAll("svg[role=img] path.line").length)"""
    before = window.run(lines)
    assert max(before) == 2
    window.run(f"{boxes}[1].focus()")
    assert window.run(f"document.activeElement === {boxes}[1]")
    for kind in ("keyDown", "keyUp"):
        window.call("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ")
    assert window.run(f"{boxes}.map(box => box.checked)") == [True, False]
    assert max(window.run(lines)) == 1
    # A name under a diagram is the same choice.
    window.run("document.querySelectorAll('figure.chart .legend button')[1].click()")
    assert window.run(f"{boxes}.every(box => box.checked)") and window.run(lines) == before
    assert window.problems == []


def test_a_print_is_light_and_whole(folder: Path, tmp_path: Path, window: Browser) -> None:
    window.open(write_report([folder / "two"], tmp_path / "page.html"), dark=True)
    colour = "getComputedStyle(document.body).color"
    assert window.run(colour) == "rgb(230, 233, 238)"
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    window.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
    try:
        assert window.run(colour) == "rgb(28, 36, 48)"
        assert window.run("getComputedStyle(document.querySelector('.chooser')).display") == "none"
        # Narrower than what was drawn.
        over = """[...document.querySelectorAll("figure")].map(figure => {
            figure.style.width = "200px";
            const picture = figure.querySelector("svg[role=img]").getBoundingClientRect();
            return picture.right - figure.getBoundingClientRect().right; })"""
        assert max(window.run(over)) <= 0.0
    finally:
        window.call("Emulation.setEmulatedMedia", media="")


def test_scenarios_are_told_apart(tmp_path: Path) -> None:
    for name, title, policy in (("a", "one", "local"), ("b", "two", "local"), ("c", "two", "epr")):
        overrides = "run.slots=20", f"title={title}", f"policy.name={policy}"
        simulated(tmp_path / f"{name}.h5", SCENARIO, "trace.level=summary", *overrides)

    def lines(*names: str) -> list[str]:
        paths = [tmp_path / f"{name}.h5" for name in names]
        charts = Page(write_report(paths, tmp_path / "page.html")).chart("mean queue: device")
        return [line["label"] for line in charts["lines"]]

    assert lines("a", "b") == ["one", "two"]
    assert lines("b", "c") == ["local", "epr"]
    assert lines("a", "c") == ["one", "two"]  # two policies, too, but also two scenarios
    assert lines("a", "b", "c") == ["one, local", "two, local", "two, epr"]


def test_the_line_that_runs_it_again_does(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.h5").write_bytes((folder / "tasks.h5").read_bytes())
    said = Page(write_report([tmp_path / "t.h5"], tmp_path / "t.html")).said
    (line,) = (line for line in said.splitlines() if line.startswith("edgesim run "))
    assert CliRunner().invoke(main, shlex.split(line)[1:]).exit_code == 0
    with open_trace(tmp_path / "t.h5") as one, open_trace(tmp_path / "t-again.h5") as other:
        assert one.slots.load().equals(other.slots.load())
        assert str(one.attrs["edgesim_version"]) in said
