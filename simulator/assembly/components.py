"""What a scenario names: models found and configured, files read, positions and series checked."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...scenarios.base import Section
from ...scenarios.carbon_section import CarbonFile, CarbonReading, CarbonSource
from ...scenarios.components import configure, is_unseen, resolve
from ...scenarios.data.carbon import longest_hold, read_carbon
from ...scenarios.data.catalogue import SHIPPED
from ...scenarios.data.graphs import read_graph
from ...scenarios.data.lookup import data_file, named_file
from ...scenarios.data.positions import coordinates, in_metres, plane, read_positions
from ...scenarios.data.records import read_table
from ...scenarios.data.topology import check_topology, read_topology
from ...scenarios.errors import Issue, ScenarioError, as_toml, naming
from ...scenarios.schema import Scenario
from ...scenarios.sections import MAX_DEVICES, File, TopologySection
from ...scenarios.validation import validate
from ..core.arrays import FloatArray
from ..core.clock import NANOSECONDS, to_ns
from ..core.errors import in_one_line
from ..core.memory import memory_bytes
from ..models.arrivals import SLOT_TASKS
from ..models.carbon import JOULES_PER_KWH, CarbonIntensity, Series
from ..models.clarke import Clarke
from ..models.fading import FADING
from ..models.mobility import RandomWaypoint, mean_distance_m
from ..models.movement_survey import survey
from ..models.path_loss import PATH_LOSS, DistanceLaw, PathLoss, Sites
from ..models.three_gpp import ThreeGpp
from ..models.trace_mobility import TraceMobility
from ..network.topology import Links, Topology, circle, star, station_names

_SECTIONS = {
    "mobility": ("mobility", "model"),
    "association": ("association", "model"),
    "fading": ("channel", "fading"),
    "arrivals": ("tasks", "arrivals"),
}
"""Of each kind of model, the section whose further keys are the model's, and the key naming it."""


MAX_LEGS = 1000
"""Waypoints that a device passes within a slot."""

MOST_HELD = 3.0
"""So many times the median of its steps a file's carbon intensity may hold; more is a hole in it."""


def find_model(scenario: Scenario, kind: str, builtins: Mapping[str, str]) -> Any:
    """The model of a kind that the scenario names, with its keys.

    Raises:
        ScenarioError: unknown name or key, a value that the model refuses, or a missing file.
    """
    section_name, key = _SECTIONS[kind]
    section = getattr(scenario, section_name)
    options = dict(section.options)
    files = dict[str, str]()

    def located(options: Mapping[str, Any]) -> dict[str, Any]:
        placed, net = dict(options), options.get("net")
        if isinstance(file := options.get("file"), str):
            path = data_file(scenario, file, key := f"{section_name}.file")
            placed["file"], files[str(path)] = path, key
        if isinstance(net, dict) and isinstance(net.get("file"), str):
            path = data_file(scenario, net["file"], key := f"{section_name}.net.file")
            placed["net"], files[str(path)] = net | {"file": str(path)}, key
        return placed

    name, verbs = getattr(section, key), ("start", "next") if builtins is SLOT_TASKS else None
    cls = resolve(name, kind, builtins, source=scenario.source, code=scenario.code, verbs=verbs)
    if kind == "fading":  # which shares its section with the path loss
        takes = inspect.signature(cls).parameters
        channel = scenario.channel
        known = {"carrier": channel.carrier, "coherence": channel.coherence or scenario.run.slot}
        options = {
            key: value
            for key, value in options.items()
            if key in takes or not _path_loss_takes(scenario, key)
        } | {key: value for key, value in known.items() if key in takes and value is not None}
    with naming(files):
        model = configure(cls, options, section_name, source=scenario.source, located=located)
    if kind == "mobility" and not is_unseen(cls):
        try:
            moves = getattr(model, "moves", None)
        except Exception as error:
            what = f"its attribute `moves`: {in_one_line(error)}"
            raise ScenarioError([_issue(scenario, f"{section_name}.{key}", name, what)]) from error
        if not isinstance(moves, bool):
            what = f"its attribute `moves` is {moves!r}; allowed: True or False"
            raise ScenarioError([_issue(scenario, f"{section_name}.{key}", name, what)])
    return model


def find_antenna_fading(scenario: Scenario) -> Clarke | None:
    """What fades antenna by antenna in the task problem; None for Rayleigh fading block by block.

    Raises:
        ScenarioError: another fading, or a key that it does not take.
    """
    channel, what = scenario.channel, f"does not go with the problem {scenario.run.problem}"
    if channel.fading == "clarke":
        found: Clarke = find_model(scenario, "fading", FADING)
        if found.k_factor > 0.0:
            issue = _issue(scenario, "channel.k_factor", found.k_factor, what, "0")
            raise ScenarioError([issue])
        return found
    issues = [
        _issue(scenario, f"channel.{extra}", given, what, "not given")
        for extra, given in channel.options.items()
        if not _path_loss_takes(scenario, extra)
    ]
    if channel.fading != "rayleigh":
        allowed = '"rayleigh" or "clarke"'
        issues.append(_issue(scenario, "channel.fading", channel.fading, what, allowed))
    if issues:
        raise ScenarioError(issues)
    return None


def find_path_loss(scenario: Scenario) -> PathLoss | DistanceLaw:
    """The path-loss model; of the keys of [channel] it is given those that it takes.

    Raises:
        ScenarioError: unknown name, or a value that the model refuses.
    """
    channel, cls = scenario.channel, _path_loss_class(scenario)
    known = {name: getattr(channel, name) for name in type(channel).model_fields}
    takes = inspect.signature(cls).parameters
    options = {
        key: value
        for key, value in (known | channel.options).items()
        if key in takes and value is not None
    }
    model: PathLoss | DistanceLaw = configure(cls, options, "channel", source=scenario.source)
    return model


def find_sites(scenario: Scenario, topology: Topology) -> Sites:
    """What a path loss is told of where stations and antennas are."""
    mbs, sbs = scenario.stations.mbs, scenario.stations.sbs
    return Sites(
        area_m=topology.area_m.copy(),
        station_names=topology.station_names,
        station_position_m=topology.station_position_m.copy(),
        station_height_m=np.array([mbs.height] + [sbs.height] * (topology.stations - 1)),
        device_height_m=scenario.devices.height,
    )


def check_path_loss(scenario: Scenario, model: Any, sites: Sites) -> None:
    """Whether a path loss can do the network.

    Raises:
        ScenarioError: it says that it cannot.
    """
    try:
        if hasattr(model, "check"):
            model.check(sites)
    except ValueError as error:
        what, _, allowed = str(error).partition("; allowed: ")
        name = scenario.channel.path_loss
        raise ScenarioError([_issue(scenario, "channel.path_loss", name, what, allowed)]) from None
    except Exception as error:
        name, what = scenario.channel.path_loss, f"its `check`: {in_one_line(error)}"
        raise ScenarioError([_issue(scenario, "channel.path_loss", name, what)]) from error


def _path_loss_class(scenario: Scenario) -> type:
    name, source = scenario.channel.path_loss, scenario.source
    return resolve(name, "path_loss", PATH_LOSS, source=source, code=scenario.code)


def _path_loss_takes(scenario: Scenario, key: str) -> bool:
    """Whether a further key of [channel] is the path loss's; also where that cannot be told."""
    try:
        cls = _path_loss_class(scenario)
    except ScenarioError:
        return True
    return is_unseen(cls) or key in inspect.signature(cls).parameters


def find_topology(scenario: Scenario) -> Topology:
    """Where the stations stand, what they can do, and how they are linked.

    Raises:
        ScenarioError: a file is missing or wrong, or has too few stations in the area.
    """
    if scenario.topology.file is not None:
        return _topology_of_file(scenario, scenario.topology.file)
    mbs, sbs, backhaul = scenario.stations.mbs, scenario.stations.sbs, scenario.backhaul
    at = np.array(scenario.mbs_position)
    positions = _positions(scenario, sbs.positions, sbs.count, "stations.sbs")
    if positions is None:
        positions = circle(at, sbs.radius, sbs.count or 0)
    count = len(positions)
    return Topology(
        area_m=np.array(scenario.area.size),
        station_names=station_names(count),
        station_position_m=np.concatenate([at[None], positions]),
        coverage_m=np.array([np.inf] + [sbs.coverage] * count),
        station_bandwidth_hz=np.array([mbs.bandwidth] + [sbs.bandwidth] * count),
        station_cpu_hz=np.array([mbs.cpu] + [sbs.cpu] * count),
        links=star(count, backhaul.latency, backhaul.capacity or np.inf),
    )


def _topology_of_file(scenario: Scenario, file: str) -> Topology:
    with named_file(scenario, file, "topology.file") as path:
        read = read_topology(path, scenario)
    if scenario.run.problem == "worst-case-emission" and len(read.names) > 1:
        what = f"{len(read.names)} stations"
        issue = _issue(scenario, "topology.file", file, what, "1 with this problem, the MBS")
        raise ScenarioError([issue])
    sends = scenario.backhaul.report > 0.0 and np.isfinite(read.capacity_bps).any()
    if scenario.twin.sync == "ideal" and (read.latency_s.any() or sends):
        what = f"no time for the backhaul of {file}"
        raise ScenarioError([_issue(scenario, "twin.sync", "ideal", what, '"periodic"')])
    return Topology(
        area_m=np.array(scenario.area.size),
        station_names=read.names,
        station_position_m=read.position_m,
        coverage_m=read.coverage_m,
        station_bandwidth_hz=read.bandwidth_hz,
        station_cpu_hz=read.cpu_hz,
        links=Links(read.source, read.target, read.latency_s, read.capacity_bps),
    )


def find_device_positions(scenario: Scenario) -> FloatArray | None:
    """(N, 2) m, where the scenario places the devices; None if it draws their places.

    Raises:
        ScenarioError: their file is missing, or has too few of them in the area.
    """
    devices = scenario.devices
    listed = None if devices.positions == "uniform" else devices.positions
    positions = _positions(scenario, listed, devices.count, "devices")
    if positions is None:
        return None
    for key in ("power_max", "cpu"):
        column = getattr(devices, key)
        if isinstance(column, tuple) and len(column) != len(positions):
            what = f"{len(column)} values for {len(positions)} devices"
            raise ScenarioError([_issue(scenario, f"devices.{key}", column, what)])
    return positions


COUNTED_BY = ("run", "area", "devices", "mobility")
"""Keys that `count_devices` looks at."""


def count_devices(scenario: Scenario, mobility: Any, positions: FloatArray | None) -> int:
    """N: as many as are placed at (N, 2) positions, or asked for, or as objects move in a file.

    Raises:
        ScenarioError: the file of the movements is wrong, or does not go with the scenario.
    """
    if not isinstance(mobility, TraceMobility):
        return len(positions) if positions is not None else scenario.devices.count or 0
    if positions is not None:
        what = 'mobility.model = "trace" places the devices'
        given = scenario.model_dump(include={"devices": {"positions"}})["devices"]["positions"]
        raise ScenarioError([_issue(scenario, "devices.positions", given, what, "not given")])
    area, length_s = scenario.area, run_ns(scenario) / NANOSECONDS
    with _naming_of(mobility):
        size = np.array(area.size)
        count = mobility.survey(size, area.rectangle, length_s, scenario.devices.count)
    if count > MAX_DEVICES:
        what = f"{count:,} objects move during the run"
        raise ScenarioError(
            [_issue(scenario, "devices.count", None, what, f"at most {MAX_DEVICES:,} of them")]
        )
    return count


def _positions(scenario: Scenario, listed: Any, count: int | None, where: str) -> FloatArray | None:
    """(n, 2) metres; None if none are given."""
    if listed is None:
        return None
    if not isinstance(listed, File):
        return np.array(listed, dtype=np.float64).reshape(-1, 2)[:count]
    with named_file(scenario, listed.file, f"{where}.positions.file") as path:
        found = read_positions(path, scenario.area.rectangle, scenario.area.size)
    if len(found) < (count or 1):
        what = f"{listed.file} has {len(found)} positions in the area"
        raise ScenarioError(
            [
                _issue(
                    scenario,
                    f"{where}.count",
                    count,
                    what,
                    f"none, which takes all; <= {len(found)}; or a larger area",
                )
            ]
        )
    return found[:count]


def find_carbon(
    scenario: Scenario, stations: int
) -> tuple[CarbonIntensity, dict[str, dict[str, Any]]]:
    """Carbon intensity at each of the stations, and where it is from.

    Returns:
        The intensity; by the key that states one, its `g_per_kwh`, or its `file` and what is known of
        that (`CarbonAbout`).

    Raises:
        ScenarioError: a file is missing, wrong, or does not cover the run, or a list has the wrong length.
    """
    found, about = find_intensities(scenario, scenario.carbon, "carbon", stations, None)
    return CarbonIntensity(found), about


def find_intensities(
    scenario: Scenario,
    carbon: CarbonSource,
    at: str,
    stations: int,
    devices: int | None,
    beyond_s: float = 0.0,
) -> tuple[list[Series], dict[str, dict[str, Any]]]:
    """Intensity at each of the stations, then of each device where they have one of their own.

    Args:
        scenario: in which it is.
        carbon: where it is stated.
        at: the key of that.
        stations: B.
        devices: N; None if it is not asked for them.
        beyond_s: so long after the run they are asked for, too.

    Returns:
        The series, and where they are from, as in `find_carbon`.

    Raises:
        ScenarioError: as `find_carbon`.
    """
    listed = _each(scenario, carbon.sbs, f"{at}.sbs", stations - 1, "SBSs")
    wanted = [(carbon.mbs, f"{at}.mbs"), *listed]
    if devices is not None and carbon.devices is not None:
        wanted += _each(scenario, carbon.devices, f"{at}.devices", devices, "devices")
    read: dict[str, tuple[Series, dict[str, Any]]] = {}
    series = []
    for one, key in wanted:
        source, key = (carbon.intensity, f"{at}.intensity") if one is None else (one, key)
        if key not in read:
            read[key] = _series(scenario, source, key, beyond_s)
        series.append(read[key][0])
    return series, {key: about for key, (_, about) in read.items()}


def _each(
    scenario: Scenario, source: Any, key: str, count: int, whose: str
) -> list[tuple[float | CarbonFile | None, str]]:
    """What is stated for each, and by which key: one for all, or a list."""
    if not isinstance(source, tuple):
        return [(source, key)] * count
    if len(source) != count:
        what = f"{len(source)} values for {count} {whose}"
        raise ScenarioError([_issue(scenario, key, source, what)])
    return [(one, f"{key}.{n}") for n, one in enumerate(source)]


def check_files(scenario: Scenario, mobility: Any) -> None:
    """Read the files that are named, where it is not known what run, area and stations they are for.

    Args:
        scenario: with keys that are doubtful, or other mistakes.
        mobility: its model, if it has one, or what was probably meant.

    Raises:
        ScenarioError: with all that is wrong.
    """
    issues = list[Issue]()

    def attempt(name: str, key: str, read: Callable[[Path], object]) -> None:
        try:
            with named_file(scenario, name, f"{key}.file") as path:
                read(path)
        except ScenarioError as error:
            issues.extend(error.issues)

    def places(path: Path) -> None:
        table = read_table(path)
        plane(table) if in_metres(table) else coordinates(table)

    def series(source: CarbonReading, key: str) -> Callable[[Path], object]:
        known = _said_how(scenario, key, source, CarbonReading)
        return lambda path: read_carbon(path, source) if known else None

    if (file := scenario.topology.file) is not None:
        attempt(file, "topology", lambda path: _check_topology(scenario, path))
    for key, section in (("stations.sbs", scenario.stations.sbs), ("devices", scenario.devices)):
        if isinstance(listed := section.positions, File):
            attempt(listed.file, f"{key}.positions", places)
    sources: dict[str, Any] = {}
    of_all = scenario.carbon
    forecast = of_all.forecast and of_all.forecast.replay
    for at, carbon in (
        ("carbon", of_all),
        ("carbon.signal", of_all.signal),
        ("carbon.forecast.replay", forecast),
    ):
        for name in ("intensity", "mbs", "sbs", "devices") if carbon else ():
            stated, key = getattr(carbon, name), f"{at}.{name}"
            listed = stated if isinstance(stated, tuple) else ()
            sources |= {f"{key}.{n}": one for n, one in enumerate(listed)} or {key: stated}
    for key, source in sources.items():
        if isinstance(source, CarbonFile):
            attempt(source.file, key, series(source, key))
    for key, table in scenario.lost_files:
        if key.endswith("positions"):
            attempt(table["file"], key, places)
        elif key.startswith("carbon."):
            given = {one: table[one] for one in CarbonReading.model_fields if one in table}
            try:
                reading = validate(CarbonReading, given, scenario.source)
            except ScenarioError:  # told already
                attempt(table["file"], key, lambda path: None)
            else:
                attempt(table["file"], key, series(reading, key))
        else:
            attempt(table["file"], key, lambda path: None)
    if isinstance(mobility, TraceMobility):
        # Of a run of unknown length its beginning, which every run reads.
        length_s = 0.0 if scenario.doubts("run") else run_ns(scenario) / NANOSECONDS
        try:
            with _naming_of(mobility):
                _read_movements(mobility, length_s)
        except ScenarioError as error:
            issues.extend(error.issues)
    if issues:
        raise ScenarioError(issues)


def _said_how(scenario: Scenario, key: str, section: Section, reading: type[Section]) -> bool:
    """Whether no key is wrong, and not even nearly right, that says how a file is read."""
    return not any(
        scenario.doubts(f"{key}.{one}") and one not in section.model_fields_set
        for one in reading.model_fields
    )


def _check_topology(scenario: Scenario, path: Path) -> None:
    """Look at what of a graph does not hang on what is doubtful."""
    if _said_how(scenario, "topology", scenario.topology, TopologySection):
        check_topology(path, scenario)
    else:
        read_graph(path)


def _naming_of(mobility: TraceMobility) -> AbstractContextManager[None]:
    """What is wrong in the files of a model says which key names them."""
    files = {str(mobility.file): "mobility.file"}
    if mobility.net is not None:
        files[mobility.net.file] = "mobility.net.file"
    return naming(files)


def run_ns(scenario: Scenario) -> int:
    """How long a run lasts: in floats 1900 slots of 1 ms would be more than 1.9 s."""
    return scenario.run.slots * to_ns(scenario.run.slot)


def _read_movements(mobility: TraceMobility, length_s: float) -> None:
    """Go through the part of a file that a run uses, wherever its objects are."""
    end_s = np.inf if mobility.at_end == "repeat" else length_s
    whole = np.full(2, np.inf)
    survey(mobility.source, lambda x, y: (x, y), whole, mobility.begin, end_s, mobility.max_gap)


def _series(
    scenario: Scenario, source: float | CarbonFile, key: str, beyond_s: float
) -> tuple[Series, dict[str, Any]]:
    if not isinstance(source, CarbonFile):
        return Series.constant(source), {"g_per_kwh": source * JOULES_PER_KWH}
    with named_file(scenario, source.file, f"{key}.file") as path:
        file = read_carbon(path, source)
    try:
        start = file.moment(source.start)
    except ValueError as error:
        what, _, allowed = str(error).partition("; allowed: ")
        raise ScenarioError(
            [_issue(scenario, f"{key}.start", source.start, what, allowed)]
        ) from None
    # Rounded up: a run that ends within a microsecond is in need of that one, too.
    length_ns = run_ns(scenario) + to_ns(beyond_s)
    length_s = length_ns / NANOSECONDS
    length = np.timedelta64(-(-length_ns // 1000), "us")
    if start < file.times[0] or file.end < start + length:
        what = f"{source.file} covers {file.times[0]} to {file.end}, not the run's {length} from it"
        if beyond_s:
            what += ", the forecast's horizon among them"
        raise ScenarioError([_issue(scenario, f"{key}.start", source.start, what)])
    row, held_s = longest_hold(file, start, start + length)
    usual_s = file.usual_step_s
    most_s = source.max_gap if source.max_gap is not None else MOST_HELD * usual_s
    if held_s > most_s:
        what = f"{source.file} has no value between {file.times[row]} and {file.until(row)}"
        allowed = f"rows at most {most_s:g} s apart during the run"
        if source.max_gap is None:
            allowed = (
                f"rows at most {MOST_HELD:g} times their usual {usual_s:g} s apart during the run"
            )
            allowed += ", or a longer `max_gap`"
        raise ScenarioError([_issue(scenario, f"{key}.file", source.file, what, allowed)])
    elapsed_s = (file.times - start) / np.timedelta64(1, "s")
    begins = int(np.searchsorted(elapsed_s, 0.0, side="right")) - 1
    ends = int(np.searchsorted(elapsed_s, length_s, side="right"))
    values = file.g_per_kwh[begins:ends] / JOULES_PER_KWH
    about = {"file": source.file, **asdict(file.about)}
    if path.parent == SHIPPED:
        about["source"] = "ships with edgesim"
    return Series(elapsed_s[begins:ends], values), about


def check_times(scenario: Scenario) -> None:
    """What the clock can count: slots of whole nanoseconds, whole slots between two fadings.

    Raises:
        ScenarioError: with all that is wrong.
    """
    slot_s, coherence_s = scenario.run.slot, scenario.channel.coherence
    issues = []
    if coherence_s is not None:
        slots = round(coherence_s / slot_s)
        if slots < 1 or abs(coherence_s / slot_s - slots) > 1e-9:
            what, allowed = "not a whole number of slots", f"1, 2, … times {slot_s} s"
            issues.append(_issue(scenario, "channel.coherence", coherence_s, what, allowed))
    if round(slot_s * 1e9) < 1 or abs(slot_s * 1e9 - round(slot_s * 1e9)) > 1e-3:
        what = "not a whole number of nanoseconds"
        issues.append(_issue(scenario, "run.slot", slot_s, what))
    if issues:
        raise ScenarioError(issues)


def check_size(scenario: Scenario, devices: int, sites: Sites, path_loss: Any) -> None:
    """What the state takes, about, and what memory there is.

    Raises:
        ScenarioError: it is more.
    """
    replications, antennas = scenario.run.replications, scenario.channel.antennas
    stations = len(sites.station_names)
    if scenario.run.problem == "drift-plus-penalty":
        row = 6 * stations + 40
    else:
        row = 4 * devices + 4 * antennas + 40
    needed, there = 8 * replications * devices * row, memory_bytes()
    if isinstance(path_loss, ThreeGpp):
        needed += path_loss.memory_bytes(sites, replications)
    if needed > there:
        what = (
            f"{replications:,} replications of {devices:,} devices and {stations:,} stations take "
        )
        what += f"{needed / 1e9:,.0f} GB of memory, and there are {there / 1e9:,.0f}"
        raise ScenarioError([_issue(scenario, "devices.count", devices, what)])


def check_speed(scenario: Scenario, mobility: Any) -> None:
    """How many waypoints a device passes in a slot, each of which takes its time here.

    Raises:
        ScenarioError: more than anybody waits for.
    """
    if not isinstance(mobility, RandomWaypoint):
        return
    fastest, leg_m = mobility.speed[1], mean_distance_m(*scenario.area.size)
    if not fastest * scenario.run.slot <= MAX_LEGS * leg_m:
        what = f"a device passes over {MAX_LEGS:,} waypoints, {leg_m:.3g} m apart, within a slot"
        raise ScenarioError([_issue(scenario, "mobility.speed", mobility.speed, what)])


def _issue(scenario: Scenario, key: str, value: object, what: str, allowed: str = "") -> Issue:
    return Issue(scenario.source, what, key, None if value is None else as_toml(value), allowed)
