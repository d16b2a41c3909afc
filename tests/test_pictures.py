"""Pictures of all commands that draw, in all styles: nothing on anything else, and fit for print."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click import Choice
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from picture_checks import mistakes

from edgesim import compare_sweep, run, sweep
from edgesim import plot as draw
from edgesim.cli import plot as plot_command
from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.drawing import draw_stored
from edgesim.experiments.reproduction.task_figures import CYCLES, emission_rows
from edgesim.traces import style
from edgesim.traces.figures import _line, plot
from edgesim.traces.network_map import NetworkMap, draw_map
from edgesim.traces.reader import TraceError
from edgesim.traces.style import LOOKS, SHEETS, STYLES, Style

DOCS = Path(__file__).resolve().parents[1] / "docs"
INCHES = {"paper": 3.5, "paper-wide": 7.16}
KINDS: tuple[Any, ...] = ("all", "series", "latency", "map")
SERIES = ("mean queue", "energy per bit", "bits offloaded", "emission")
DRAWERS = (
    "traces.figures",
    "traces.comparison_figures",
    "experiments.sweeps.figures",
    "experiments.reproduction.drawing",
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that would be saved, each without mistakes."""
    found: list[Figure] = []

    def save(figure: Figure, output: Path) -> None:
        style.settle(figure)
        found.append(figure)
        assert mistakes(figure) == []

    for module in DRAWERS:
        monkeypatch.setattr(f"edgesim.{module}.save", save)
    return found


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three replications of a small network."""
    path = tmp_path_factory.mktemp("pictures") / "a_long_name_of_a_trace.h5"
    overrides = ["devices.count=3", "stations.sbs.count=2"]
    run("iiot_20dev", path, slots=60, replications=3, overrides=overrides).close()
    return path


def check_sizes(figure: Figure, one: Style) -> None:
    width, height = figure.get_size_inches()
    assert width == INCHES.get(one, width)
    assert height <= style.TALLEST


def test_nothing_lies_on_anything_else(trace: Path, seen: list[Figure]) -> None:
    plot(trace, "t.pdf", "all", "paper")
    check_sizes(seen[0], "paper")
    assert "bands: their range" in seen[0].get_suptitle().replace("\n", " ")


def test_a_value_between_unknown_ones_is_seen() -> None:
    """Of three devices the twin moves bits in every other slot: energy per bit has no two neighbours."""
    ax, nan = Figure().subplots(), np.nan
    values = np.array([[nan, 2.0, nan, 3.0, 4.0, nan, 6.0], [nan, 4.0, nan, 3.0, 4.0, nan, 6.0]])
    _line(ax, np.arange(7.0), values, style.DARK)
    line, dots = ax.lines
    assert dots.get_marker() == "." and line.get_marker() == "None"
    assert np.asarray(dots.get_xydata()).tolist() == [[1.0, 3.0], [6.0, 6.0]]
    (_, ranges) = ax.collections
    assert [np.asarray(path.vertices).tolist() for path in ranges.get_paths()] == [
        [[1.0, 2.0], [1.0, 4.0]],
        [[6.0, 6.0], [6.0, 6.0]],
    ]


def test_what_one_replication_lacks_is_drawn_of_the_others() -> None:
    ax, nan = Figure().subplots(), np.nan
    _line(ax, np.arange(3.0), np.array([[nan, 2.0, nan], [4.0, 6.0, nan]]), style.DARK)
    assert np.asarray(ax.lines[0].get_ydata()).tolist()[:2] == [4.0, 4.0]
    corners = np.asarray(ax.collections[0].get_paths()[0].vertices).tolist()
    assert [0.0, 4.0] in corners and [1.0, 2.0] in corners and [1.0, 6.0] in corners


@pytest.mark.parametrize("x_m", [100.0, 101.0])
def test_a_station_at_the_edge_is_whole_and_one_beyond_is_not_drawn(x_m: float) -> None:
    ax = Figure().subplots()
    places = np.array([[50.0, 50.0], [x_m, 50.0]])
    names, reach = ("mbs", "sbs-1"), np.array([np.inf, 20.0])
    draw_map(NetworkMap((100.0, 100.0), places[:1], np.zeros(1, int), places, names, reach, []), ax)
    stations = [one for one in ax.collections if one.get_zorder() == 4]
    assert [one.get_clip_on() for one in stations] == 2 * [x_m > 100.0]


def test_of_equal_lines_over_time_both_are_seen(tmp_path: Path, seen: list[Figure]) -> None:
    """Decision and lower bound of the exact optimum: a thin dashed line on a wide one."""
    run("carbon_6ue", tmp_path / "t.h5", slots=3, policy="exact").close()
    plot(tmp_path / "t.h5", "t.pdf", "series")
    wide, thin = seen[0].axes[0].lines
    np.testing.assert_allclose(np.asarray(wide.get_ydata()), np.asarray(thin.get_ydata()), 1e-6)
    assert wide.get_linewidth() >= 2.0 * thin.get_linewidth() and thin.get_linestyle() == "--"


def test_panels_over_time_end_with_the_run(tmp_path: Path, seen: list[Figure]) -> None:
    """A panel without values at the end, energy per bit of a single device, ends where the others do."""
    run("iiot_20dev", tmp_path / "t.h5", slots=13, overrides=["devices.count=1"]).close()
    plot(tmp_path / "t.h5", "t.pdf", "all")
    series = [ax for ax in seen[0].axes if ax.get_title("left").partition(",")[0] in SERIES]
    assert len(series) == 4 and len({ax.get_xlim() for ax in series}) == 1


@pytest.mark.parametrize(("moves", "drawn"), [(1, 2), (2, 3), (3, 4), (9, 4)])
def test_a_picture_is_laid_out_until_nothing_moves(
    moves: int, drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = Figure(layout="constrained")
    heights: list[float] = []
    ax, layout = figure.subplots(), figure.get_layout_engine()
    assert layout is not None
    lay_out = layout.execute

    def draw(figure: Figure) -> None:
        lay_out(figure)
        heights.append(0.5 + 0.01 * min(len(heights), moves - 1))
        ax.set_position((0.1, 0.1, 0.5, heights[-1]))

    monkeypatch.setattr(layout, "execute", draw)
    style.settle(figure)
    assert len(heights) == drawn
    assert ax.get_position(original=True).height == pytest.approx(heights[-1])


def test_ticks_are_thinned_within_the_axes_and_its_ends_stay() -> None:
    with style.styled("screen"):
        figure = Figure(figsize=(1.2, 1.2), layout="constrained")
        ax = figure.subplots()
        ax.plot(np.arange(11.0), np.zeros(11))
        style.ticks_at(ax, {f"{place:g}": place for place in range(11)})
        ends = ax.get_xlim()
        style.settle(figure)
    assert ax.get_xlim() == ends
    texts = [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
    assert len(texts) >= 3 and texts[0] == "0"


def test_lines_far_below_the_uppermost_are_told_apart() -> None:
    """Emissions of schemes that differ by decades were a single line at zero."""
    assert style.far_apart([1.0, np.nan, 31.0]) and not style.far_apart([1.0, 29.0])
    assert not style.far_apart([0.0, 1e3]) and not style.far_apart([-1.0, 1e3])
    seeds = {"seed": [1, 2]}
    for highest, log in ((1e-2, False), (1.0, True)):
        mg = xr.DataArray([[[1e-2] * 2] * 2, [[highest] * 2] * 2], dims=("policy", CYCLES, "seed"))
        part = xr.Dataset({"feasible_share": mg}, {"policy": ["a", "b"], CYCLES: [1, 2]} | seeds)
        (row, shares) = emission_rows([("t", part)], lambda part: part["feasible_share"])
        assert (row[0].log, shares[0].log) == (log, False)


@pytest.mark.slow
@pytest.mark.parametrize("one", STYLES)
@pytest.mark.parametrize("devices", [3, 1000])
def test_no_picture_of_a_trace_has_mistakes(
    tmp_path: Path, seen: list[Figure], one: Style, devices: int
) -> None:
    stations = 2 if devices == 3 else 12
    overrides = [f"devices.count={devices}", f"stations.sbs.count={stations}"]
    run("iiot_20dev", tmp_path / "t.h5", slots=30, replications=2, overrides=overrides).close()
    for kind in KINDS:
        plot(tmp_path / "t.h5", "t.pdf", kind, one)
        check_sizes(seen[-1], one)


@pytest.mark.slow
@pytest.mark.parametrize("one", STYLES)
@pytest.mark.parametrize("folder", sorted((DOCS / "reproduction").glob("*/numbers.json.gz")))
def test_no_figure_of_the_papers_has_mistakes(
    tmp_path: Path, seen: list[Figure], one: Style, folder: Path
) -> None:
    (tmp_path / "numbers.json.gz").write_bytes(folder.read_bytes())
    draw_stored(FIGURES[folder.parent.name], tmp_path, one)
    for figure in seen:
        check_sizes(figure, one)
        assert all("theta_0" not in text.get_text() for ax in figure.axes for text in [ax.title])


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six policies, two of them alike, from 3 to 1000 devices at 2 and at 12 stations."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "s.toml").write_text(
        """
scenario = "iiot_20dev"
policies = ["lyapunov", "lyapunov{V=1.0000001e13}", "local", "epr", "random", "offload-all"]
seeds = 2
[set]
run.slots = 20
[grid]
devices.count = [3, 1000]
stations.sbs.count = [2, 12]
"""
    )
    sweep(folder / "s.toml", folder / "swept", workers=1)
    return folder / "swept"


@pytest.mark.slow
@pytest.mark.parametrize("one", STYLES)
def test_no_picture_of_a_sweep_has_mistakes(swept: Path, seen: list[Figure], one: Style) -> None:
    draw(swept, "s.pdf", style=one)
    draw(swept, "s.pdf", x="stations.sbs.count", numbers=["latency_s"], style=one)
    for number in ("latency_s", "energy_per_bit_j"):
        compared = compare_sweep(swept, by=["devices.count"], numbers=[number])
        draw(compared, "c.pdf", style=one)
    assert len(seen) == 4
    # Energy per bit from 1 to 900 nJ, latency from 0.3 to 1.2 s.
    assert [ax.get_yscale() for ax in seen[0].axes[::4]] == ["log", "linear"]
    for figure in seen:
        check_sizes(figure, one)


def test_the_checks_see_what_is_wrong() -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.plot([0.0, 1.0], [0.0, 1.0], label="line")
    assert mistakes(figure) == []
    ax.legend(loc="center")
    ax.text(0.2, 0.8, "one text")
    ax.text(0.21, 0.8, "another")
    found = mistakes(figure)
    assert found == ["'one text' on 'another'", "names on the line 'line'"]


def test_letters_are_letters_in_print(trace: Path, tmp_path: Path) -> None:
    pdf = plot(trace, tmp_path / "t.pdf", "latency", "paper").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert float(box[0]) == pytest.approx(72.0 * 3.5)
    svg = plot(trace, tmp_path / "t.svg", "latency", "paper-wide").read_text("utf-8")
    assert "latency of tasks, distribution</text>" in svg
    assert float(re.findall(r'width="([\d.]+)pt"', svg)[0]) == pytest.approx(72.0 * 7.16)


@pytest.mark.parametrize("error", [1e-15, -3e-14])
def test_a_picture_is_the_same_file_whatever_the_layout_errs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    """The solver's last digits are other ones in each process, and an SVG's names are made of them."""

    def draw_small(name: str) -> bytes:
        with style.styled("screen"):
            figure = Figure(figsize=(3.0, 2.0), layout="constrained")
            figure.subplots().plot([0.0, 1.0], [0.0, 1.0])
            style.save(figure, tmp_path / name)
        return (tmp_path / name).read_bytes()

    exact, solve = draw_small("exact.svg"), ConstrainedLayoutEngine.execute

    def err(engine: ConstrainedLayoutEngine, figure: Figure) -> None:
        solve(engine, figure)
        for ax in figure.axes:
            x, y, width, height = ax.get_position(original=True).bounds
            ax._set_position((x + error, y, width, height - error))  # type: ignore[attr-defined]

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", err)
    assert draw_small("erring.svg") == exact


DRAW_C8 = """
from pathlib import Path
from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.drawing import draw_stored
draw_stored(FIGURES["c8"], Path())
"""


@pytest.mark.slow
def test_another_process_draws_the_same_picture(tmp_path: Path) -> None:
    """The one of the papers' pictures whose layout did come out differently."""
    drawn = []
    for seed in ("1", "2"):
        (folder := tmp_path / seed).mkdir()
        shutil.copy(DOCS / "reproduction/c8/numbers.json.gz", folder)
        seeded = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", DRAW_C8], cwd=folder, env=seeded, check=True)
        drawn.append((folder / "c8.svg").read_bytes())
    assert drawn[0] == drawn[1]


def test_lines_differ_in_a_grey_print() -> None:
    dashes, markers = {str(dashes) for _, dashes, _ in LOOKS}, {marker for *_, marker in LOOKS}
    assert len(dashes) == len(markers) == len(LOOKS)
    grey = [
        0.299 * r + 0.587 * g + 0.114 * b for r, g, b in map(to_rgb, (style.DARK, style.MIDDLE))
    ]
    assert abs(grey[0] - grey[1]) > 0.2


def test_a_print_that_is_taller_than_a_page_is_refused() -> None:
    with pytest.raises(TraceError, match="20 inches tall in style paper"):
        SHEETS["paper"].size(8.0, 20.0 / 0.72)
    assert SHEETS["paper"].size(8.0, 30.0, at_most=True) == (3.5, style.TALLEST)
    with pytest.raises(ValueError, match="paper-wide"), style.styled("poster"):  # type: ignore[arg-type]
        pass


def test_the_command_has_the_styles() -> None:
    (option,) = (one for one in plot_command.params if one.name == "style")
    assert isinstance(option.type, Choice) and tuple(option.type.choices) == STYLES


def test_pictures_of_the_documents_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DOCS.rglob("*.svg")}
    assert len(sizes) > 10
    assert {name: size for name, size in sizes.items() if size >= 300_000} == {}
