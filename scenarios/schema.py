"""A scenario: its sections, and the checks that concern several of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import hypot
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from .base import Inconsistency, Section, reject
from .carbon_section import CarbonSection
from .code import Code
from .policy_section import PolicySection, objective_keys
from .power_section import SciSection
from .sections import (
    AreaSection,
    AssociationSection,
    BackhaulSection,
    ChannelSection,
    DevicesSection,
    EnergySection,
    LimitsSection,
    MobilitySection,
    RunSection,
    StationsSection,
    TopologySection,
    TraceSection,
    TwinSection,
)
from .tasks_section import TasksSection

FAILURES_PER_SLOT = 1000
"""The most that a station may have in the mean."""

REPORTS_PER_SLOT = 1000
"""The most that a device or a station may send to the twin."""


class Scenario(Section):
    """One experiment."""

    title: str = Field(min_length=1, max_length=200, description="one line on what it is")
    run: RunSection = Field(default_factory=RunSection)
    area: AreaSection = Field(default_factory=AreaSection)
    devices: DevicesSection = Field(default_factory=DevicesSection)
    mobility: MobilitySection = Field(default_factory=MobilitySection)
    association: AssociationSection = Field(default_factory=AssociationSection)
    stations: StationsSection = Field(default_factory=StationsSection)
    topology: TopologySection = Field(default_factory=TopologySection)
    backhaul: BackhaulSection = Field(default_factory=BackhaulSection)
    channel: ChannelSection = Field(default_factory=ChannelSection)
    tasks: TasksSection = Field(default_factory=TasksSection)
    energy: EnergySection = Field(default_factory=EnergySection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    carbon: CarbonSection = Field(default_factory=CarbonSection)
    sci: SciSection | None = Field(
        default=None, description="the software carbon intensity; none: not worked out"
    )
    twin: TwinSection = Field(default_factory=TwinSection)
    policy: PolicySection = Field(default_factory=PolicySection)
    trace: TraceSection = Field(default_factory=TraceSection)
    # Origin and folders of data are no part of the scenario, so not in `to_toml`.
    _source: str = PrivateAttr("scenario")
    _folders: tuple[Path, ...] = PrivateAttr(())
    _code: Code = PrivateAttr(Code())
    _doubtful: frozenset[str] = PrivateAttr(frozenset())
    _lost_files: tuple[tuple[str, Mapping[str, Any]], ...] = PrivateAttr(())

    @property
    def source(self) -> str:
        """The file that it was read from, as the user named it."""
        return self._source

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its data files are looked up, in this order."""
        return self._folders

    @property
    def code(self) -> Code:
        """Which classes of its own it may name."""
        return self._code

    @property
    def doubtful(self) -> frozenset[str]:
        """Keys that are wrong in the file, and are as by default here: such a scenario is not run."""
        return self._doubtful

    def doubts(self, *keys: str) -> bool:
        """Whether one of these keys, or what they stand in or what stands in them, is doubtful."""
        return _touch(keys, self._doubtful)

    @property
    def lost_files(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Tables that name a file and are wrong otherwise, by their keys: they are as by default here."""
        return self._lost_files

    def doubting(self, keys: Iterable[str], files: Mapping[str, Mapping[str, Any]]) -> "Scenario":
        """The same, with doubtful keys, and with files that went with them."""
        copied = self.model_copy()
        copied._doubtful, copied._lost_files = frozenset(keys), tuple(files.items())
        return copied

    def located(self, source: str, folders: Sequence[Path], code: Code | None = None) -> "Scenario":
        """The same scenario, with the place that it came from and the folders of its data."""
        located = self.model_copy()
        located._source, located._folders = source, tuple(folders)
        located._code = code or self._code
        return located

    def with_policy(self, name: str) -> "Scenario":
        """The same problem under another policy, which has its default options."""
        policy = PolicySection(
            name=name, **objective_keys(self.policy.model_dump(exclude_unset=True))
        )
        return self.model_copy(update={"policy": policy})

    def with_run(self, **changes: int) -> "Scenario":
        """The same scenario with other keys of [run]."""
        return self.model_copy(update={"run": self.run.model_copy(update=changes)})

    @property
    def mbs_position(self) -> tuple[float, float]:
        """Metres from the south-west corner."""
        width, height = self.area.size
        return self.stations.mbs.position or (width / 2, height / 2)

    def to_toml(self) -> str:
        """The scenario with every default filled in, which reads back to the same scenario."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(exclude_none=True, exclude=self._unused()))

    def as_given(self) -> str:
        """The TOML of what was given alone, of which overrides leave another scenario than of all defaults."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(exclude_none=True, exclude_unset=True))

    def _unused(self) -> dict[str, Any]:
        """Defaults of keys that are refused beside what the scenario has."""
        stations: dict[str, Any] = {}
        for kind in ("mbs", "sbs"):
            power = getattr(self.stations, kind).power
            if power is not None and power.solar is not None and power.solar.file is not None:
                stations[kind] = {"power": {"solar": {"clouds"}}}
        if self.topology.file is not None:
            stations["sbs"] = {**stations.get("sbs", {}), "radius": True}
        forecast = self.carbon.forecast
        if forecast is not None and forecast.replay is not None:
            return {"stations": stations, "carbon": {"forecast": {"error", "memory"}}}
        return {"stations": stations}

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> "Scenario":
        if self.topology.file is not None:  # which has their number
            self.stations.sbs.__dict__["count"] = None
        if self.mobility.model == "trace" and "count" not in self.devices.model_fields_set:
            self.devices.__dict__["count"] = None  # as many as the file has
        doubtful = info.context or ()  # keys that are not as the file says
        checks = (check for check, keys in _CHECKS.items() if not _touch(keys, doubtful))
        reject(*(found for check in checks for found in check(self)))
        return self


def _devices(scenario: Scenario) -> Iterator[Inconsistency]:
    yield from _positions(scenario, {"devices.positions": scenario.devices.positions})


def _stations(scenario: Scenario) -> Iterator[Inconsistency]:
    mbs, sbs = scenario.stations.mbs.position, scenario.stations.sbs.positions
    given = {"stations.sbs.positions": sbs, "stations.mbs.position": mbs and (mbs,)}
    yield from _positions(scenario, given)


def _positions(scenario: Scenario, given: Mapping[str, object]) -> Iterator[Inconsistency]:
    """Places outside of the area."""
    width, height = scenario.area.size
    for key, points in given.items():
        if isinstance(points, tuple):
            outside = [list(point) for point in points if point[0] > width or point[1] > height]
            if outside:
                size = f"x <= {width:g} m, y <= {height:g} m"
                yield Inconsistency(f"{outside[0]} lies outside of the area", key, size)


def _placed_by_file(scenario: Scenario) -> Iterator[Inconsistency]:
    """Places of stations beside the file that has them, and how a file is read that there is not."""
    if scenario.topology.file is None:
        for key in scenario.topology.of_others():
            yield Inconsistency(
                "has no effect without a file", f"topology.{key}", "`topology.file`"
            )
        return
    for station, keys in (("mbs", ("position",)), ("sbs", ("count", "positions", "radius"))):
        for key in keys:
            if key in getattr(scenario.stations, station).model_fields_set:
                what = "`topology.file` places the stations"
                yield Inconsistency(what, f"stations.{station}.{key}", "not given")


def _circle(scenario: Scenario) -> Iterator[Inconsistency]:
    """A circle of SBSs of which no point is in the area."""
    (x, y), (width, height) = scenario.mbs_position, scenario.area.size
    farthest = hypot(max(x, width - x), max(y, height - y))
    sbs = scenario.stations.sbs
    if sbs.positions is None and sbs.count and sbs.radius > farthest:
        what = f"the whole circle of {sbs.radius:g} m around the MBS is outside of the area"
        yield Inconsistency(what, "stations.sbs.radius", f"<= {farthest:g} m")


def _problem(scenario: Scenario) -> Iterator[Inconsistency]:
    """Keys that do not go with the problem: C(10) has one station, no queues, and tasks with a deadline."""
    if scenario.run.problem == "drift-plus-penalty":
        if scenario.channel.access == "mrc":
            what = "is for the problem worst-case-emission"
            yield Inconsistency(what, "channel.access", '"ofdma"')
        return
    stations, devices, tasks = scenario.stations, scenario.devices, scenario.tasks
    carbon = scenario.carbon
    for right, key, allowed in (
        (scenario.channel.access == "mrc", "channel.access", '"mrc"'),
        (
            stations.sbs.count == 0 or scenario.topology.file is not None,
            "stations.sbs.count",
            "0, as there is one base station",
        ),
        (tasks.deadline is not None, "tasks.deadline", "a time, D_max of C(10b)"),
        (tasks.buffer is None, "tasks.buffer", "none, as nothing is queued"),
        (devices.battery is None, "devices.battery", "none"),
        (stations.mbs.failures is None, "stations.mbs.failures", "none"),
        (stations.sbs.power is None, "stations.sbs.power", "none, as there is no SBS"),
        (scenario.sci is None or scenario.sci.sbs is None, "sci.sbs", "none, as there is no SBS"),
        (not scenario.twin.predict, "twin.predict", "[]"),
        (tasks.classes is None, "tasks.classes", "none"),
        (carbon.devices is None, "carbon.devices", "not given"),
        (carbon.signal is None, "carbon.signal", "not given"),
        (carbon.forecast is None, "carbon.forecast", "not given"),
        (scenario.policy.penalty == "energy", "policy.penalty", '"energy": C(10) is of emission'),
    ):
        if not right:
            what = "does not go with the problem worst-case-emission"
            yield Inconsistency(what, key, allowed)


def _failures(scenario: Scenario) -> Iterator[Inconsistency]:
    """Times so short that a slot would have failures and repairs without end."""
    slot_s = scenario.run.slot
    least_s = slot_s / FAILURES_PER_SLOT
    stations = scenario.stations
    for station, section in (("mbs", stations.mbs.failures), ("sbs", stations.sbs.failures)):
        for key in ("time_to_failure", "time_to_repair") if section else ():
            if (time_s := getattr(section, key)) < least_s:
                what = f"{time_s:g} s is too short for slots of {slot_s:g} s"
                where = f"stations.{station}.failures.{key}"
                yield Inconsistency(what, where, f">= {least_s:g} s")


def _reports(scenario: Scenario) -> Iterator[Inconsistency]:
    """Periods so short that a slot would have reports without end: a unit mistaken."""
    slot_s = scenario.run.slot
    least_s = slot_s / REPORTS_PER_SLOT
    for hop in ("device", "station"):
        period_s = getattr(scenario.twin, hop).period
        if period_s is not None and period_s < least_s:
            what = f"{period_s:g} s is too short for slots of {slot_s:g} s"
            yield Inconsistency(what, f"twin.{hop}.period", f">= {least_s:g} s")


def _backhaul(scenario: Scenario) -> Iterator[Inconsistency]:
    """A backhaul that takes time, and a synchronisation that takes none."""
    backhaul = scenario.backhaul
    if scenario.twin.sync != "ideal":
        return
    for key, takes in (
        ("latency", backhaul.latency > 0.0),
        ("report", backhaul.report > 0.0 and backhaul.capacity is not None),
    ):
        if takes:
            what = 'has no effect with twin.sync = "ideal"'
            yield Inconsistency(what, f"backhaul.{key}", 'twin.sync = "periodic"')


def _carbon(scenario: Scenario) -> Iterator[Inconsistency]:
    """A list of carbon intensities that is not one for each SBS."""
    carbon, count = scenario.carbon, scenario.stations.sbs.count
    replay = None if carbon.forecast is None else carbon.forecast.replay
    named = (
        ("carbon", carbon),
        ("carbon.signal", carbon.signal),
        ("carbon.forecast.replay", replay),
    )
    for key, source in named:
        if source is None:
            continue
        if isinstance(source.sbs, tuple) and count not in (None, len(source.sbs)):
            what = f"{len(source.sbs)} values for {count} SBSs"
            yield Inconsistency(what, f"{key}.sbs", "one, or one each")
        devices = scenario.devices.count
        if isinstance(source.devices, tuple) and devices not in (None, len(source.devices)):
            what = f"{len(source.devices)} values for {devices} devices"
            yield Inconsistency(what, f"{key}.devices", "one, or one each")
    if carbon.budget is not None and scenario.policy.penalty != "carbon":
        yield Inconsistency(
            "has no effect without a penalty of emission",
            "carbon.budget",
            '`policy.penalty = "carbon"`',
        )


_CHECKS: dict[Callable[[Scenario], Iterator[Inconsistency]], tuple[str, ...]] = {
    _devices: ("area", "devices.positions"),
    _stations: ("area", "stations.sbs.positions", "stations.mbs.position"),
    _placed_by_file: ("topology", "stations"),
    _circle: ("area", "stations.mbs.position", "stations.sbs"),
    _problem: (
        "run.problem",
        "channel.access",
        "stations.sbs.count",
        "stations.mbs.failures",
        "stations.sbs.power",
        "sci",
        "topology.file",
        "tasks.deadline",
        "tasks.buffer",
        "devices.battery",
        "twin.predict",
        "tasks.classes",
        "carbon.devices",
        "carbon.signal",
        "carbon.forecast",
        "policy.penalty",
    ),
    _failures: ("run.slot", "stations.mbs.failures", "stations.sbs.failures"),
    _reports: ("run.slot", "twin.device", "twin.station"),
    _backhaul: ("backhaul", "twin.sync"),
    _carbon: ("carbon", "devices.count", "stations.sbs.count", "topology.file", "policy.penalty"),
}
"""Of each check the keys that it looks at."""


def _touch(keys: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a key is one of the others, or stands in it, or holds it."""
    return any(
        one == key or one.startswith(f"{key}.") or key.startswith(f"{one}.")
        for key in keys
        for one in others
    )
