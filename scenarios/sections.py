"""The sections of a scenario file: their keys, with units, ranges and defaults.

The attributes of a section are its keys in the file. All quantities are SI floats once validated.
Defaults are the settings of paper A; where it states none, the choice that docs/model.md explains.
"""

from decimal import Decimal
from math import radians
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from .base import Inconsistency, ModelSection, Section, form, reject
from .power_section import PowerSection, SbsPowerSection
from .units import (
    Bits,
    BitsPerSecond,
    Count,
    EfficiencyKey,
    Hertz,
    Joules,
    Metres,
    Noise,
    NoiseLevel,
    Number,
    PositiveHertz,
    PositiveMetres,
    PositiveSeconds,
    PowerRatio,
    RadioWatts,
    Seconds,
    Share,
    SignedHertz,
    Watts,
    Whole,
)

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the WGS 84 ellipsoid."""

MAX_SEED = 10**18
MAX_SLOTS = 10**9
MAX_REPLICATIONS = 10**5
MAX_DEVICES = 10**6
MAX_STATIONS = 10**4


Point: TypeAlias = tuple[Metres, Metres]


class RunSection(Section):
    """The experiment: its problem, its length and its seed."""

    problem: Literal["drift-plus-penalty", "worst-case-emission"] = Field(
        default="drift-plus-penalty",
        description="what is minimised each slot: P2 on a stream of bits, A(20), or the largest "
        "emission of any device with one task per device and slot, C(10)",
    )
    slots: Count = Field(default=10_000, le=MAX_SLOTS, description="how many slots")
    slot: PositiveSeconds = Field(default=0.1, description="length of a slot, tau")
    seed: Whole = Field(default=1, ge=0, le=MAX_SEED, description="of the first replication")
    replications: Count = Field(
        default=1,
        le=MAX_REPLICATIONS,
        description="independent copies, with seeds seed, seed + 1, …",
    )


def _cos(angle: float) -> float:
    """The cosine; the C library's last bit differs between processors."""
    square = Decimal(angle) * Decimal(angle)
    term = total = Decimal(1)
    for n in range(1, 40, 2):
        term *= -square / (n * (n + 1))
        total += term
    return float(total)


class Rectangle(Section):
    """A rectangle of latitudes and longitudes, WGS 84 degrees."""

    south: Number = Field(ge=-89, le=89, description="latitude of the lower edge, degrees")
    west: Number = Field(ge=-180, le=180, description="longitude of the left edge, degrees")
    north: Number = Field(ge=-89, le=89, description="latitude of the upper edge, degrees")
    east: Number = Field(ge=-180, le=180, description="longitude of the right edge, degrees")

    @model_validator(mode="after")
    def _ordered(self) -> "Rectangle":
        if self.north <= self.south:
            reject(Inconsistency("not north of `south`", "north", f"> {self.south}"))
        if self.east <= self.west:
            reject(Inconsistency("not east of `west`", "east", f"> {self.west}"))
        return self

    @property
    def scale(self) -> tuple[float, float]:
        """Metres per degree of longitude and of latitude at the rectangle's middle latitude."""
        per_degree = EARTH_RADIUS_M * radians(1.0)
        return per_degree * _cos(radians((self.south + self.north) / 2)), per_degree

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in metres, by local equirectangular projection."""
        x, y = self.scale
        return x * (self.east - self.west), y * (self.north - self.south)


class AreaSection(Section):
    """The ground. Its origin is the south-west corner; x runs east and y north."""

    size: tuple[PositiveMetres, PositiveMetres] = Field(
        default=(500.0, 500.0), description="width and height"
    )
    rectangle: Rectangle | None = Field(
        default=None,
        description="a piece of the Earth; gives the size, and a place to files of coordinates",
    )

    @model_validator(mode="after")
    def _size_of_rectangle(self) -> "AreaSection":
        if self.rectangle is None:
            return self
        size = self.rectangle.size
        same = all(abs(a - b) <= 1e-6 * b for a, b in zip(self.size, size, strict=True))
        if "size" in self.model_fields_set and not same:
            reject(Inconsistency("not the size of `area.rectangle`", "size", "give one of the two"))
        # The model is frozen for its users, not for its own validator.
        self.__dict__["size"] = size
        return self


class File(Section):
    """A CSV or JSON of places: latitude and longitude, which need `area.rectangle`, or x and y in metres.

    What lies outside of the area is left out.
    """

    file: str = Field(min_length=1, description="name; `edgesim data` says where it is looked up")


class BatterySection(Section):
    """A battery in each device, and the energy that it harvests."""

    capacity: Joules = Field(gt=0, description="energy that it holds")
    initial: Share = Field(
        default=1.0, description="charge at the start, as a share of the capacity"
    )
    harvest: Watts = Field(
        default=0.0, description="mean power harvested; uniform on [0, 2 mean] per slot"
    )


Points: TypeAlias = (
    Annotated[tuple[Point, ...], Field(max_length=MAX_DEVICES), Tag("<list>")]
    | Annotated[File, Tag("<table>")]
)
PowerColumn: TypeAlias = Annotated[
    Annotated[RadioWatts, Tag("<value>")]
    | Annotated[tuple[RadioWatts, ...], Field(max_length=MAX_DEVICES), Tag("<list>")],
    Discriminator(form),
]
SpeedColumn: TypeAlias = Annotated[
    Annotated[PositiveHertz, Tag("<value>")]
    | Annotated[tuple[PositiveHertz, ...], Field(max_length=MAX_DEVICES), Tag("<list>")],
    Discriminator(form),
]


class DevicesSection(Section):
    """The devices: their number, their places at the start, and their capacities."""

    count: Count | None = Field(
        default=None,
        le=MAX_DEVICES,
        description="N; 20, or as many as `positions` lists, or move in the file of `mobility`",
    )
    positions: Annotated[
        Annotated[Literal["uniform"], Tag("<value>")] | Points, Discriminator(form)
    ] = Field(
        default="uniform",
        description="at random, listed as [x, y], or from a file; the first `count`",
    )
    power_max: PowerColumn = Field(
        default=0.1, description="radio's limit p_max; one for all, or a list"
    )
    cpu: SpeedColumn = Field(
        default=0.5e9, description="fastest CPU speed f^l; one for all, or a list"
    )
    cpu_min: Hertz = Field(
        default=0.0, description="slowest CPU speed at which a task is executed; C(10) only"
    )
    height: Metres = Field(
        default=1.5,
        description="of their antennas above the ground, where the path loss asks for it",
    )
    battery: BatterySection | None = Field(default=None, description="none: on mains")
    absent_queue: Literal["wait", "hand-over", "lost"] = Field(
        default="wait",
        description="of a device that leaves the network, its queue waits until it is back, is handed "
        "over to its station, or is lost; not C(10)",
    )

    @model_validator(mode="after")
    def _counted(self) -> "DevicesSection":
        self.__dict__["count"] = _count(self.count, self.positions, default=20)
        for key, column in (("power_max", self.power_max), ("cpu", self.cpu)):
            if isinstance(column, tuple) and self.count is not None and len(column) != self.count:
                reject(
                    Inconsistency(
                        f"{len(column)} values for {self.count} devices", key, "one, or one each"
                    )
                )
        return self


def _count(count: int | None, positions: object, default: int) -> int | None:
    """Their number, where it does not depend on a file."""
    if not isinstance(positions, tuple):
        return count if isinstance(positions, File) else count if count is not None else default
    if not positions:
        reject(Inconsistency("empty", "positions", "at least one [x, y]"))
    if count is not None and count > len(positions):
        reject(
            Inconsistency(
                f"more than the {len(positions)} positions", "count", f"<= {len(positions)}"
            )
        )
    return len(positions) if count is None else count


class MobilitySection(ModelSection):
    """How devices move. Further keys are the model's."""

    model: str = Field(default="static", description="mobility model")


class AssociationSection(ModelSection):
    """Which station a device talks to. Further keys are the model's."""

    model: str = Field(default="nearest", description="association model")


class FailuresSection(Section):
    """How stations fail and are repaired; each by itself, all up at the start.

    While it is down a station hears nothing and executes nothing; in a slot in which it is up for a part,
    it serves for that part. Reports to the twin go on, at their own periods; they are how the twin learns
    of it.
    """

    time_to_failure: PositiveSeconds = Field(description="mean time from repair to failure")
    time_to_repair: PositiveSeconds = Field(description="mean time from failure to repair")
    law: Literal["exponential", "fixed"] = Field(default="exponential", description="of both times")
    devices: Literal["reassociate", "wait"] = Field(
        default="reassociate", description="what devices do while their station is down"
    )
    queue: Literal["wait", "lost"] = Field(
        default="wait", description="what becomes of the bits queued at the station"
    )


class MbsSection(Section):
    """The macro base station and its edge server."""

    bandwidth: PositiveHertz = Field(default=10e6, description="w_MBS")
    cpu: PositiveHertz = Field(default=50e9, description="f^e of its server")
    position: Point | None = Field(
        default=None, description="[x, y]; the middle of the area if not given"
    )
    height: Metres = Field(
        default=25.0, description="of its antennas, where the path loss asks for it"
    )
    failures: FailuresSection | None = Field(default=None, description="none: it never fails")
    power: PowerSection | None = Field(
        default=None, description="what it draws beside its tasks; none: nothing is counted"
    )


class SbsSection(Section):
    """The small base stations and their edge servers, all alike."""

    count: Whole | None = Field(
        default=None, ge=0, le=MAX_STATIONS, description="M; 3, or as many as `positions` lists"
    )
    coverage: PositiveMetres = Field(default=150.0, description="radius of a cell")
    bandwidth: PositiveHertz = Field(default=5e6, description="w_SBS; all SBSs use the same band")
    cpu: PositiveHertz = Field(default=10e9, description="f^e of a server")
    radius: Metres = Field(
        default=150.0, gt=0, description="of the circle around the MBS on which they stand"
    )
    positions: Annotated[Points, Discriminator(form)] | None = Field(
        default=None,
        description="instead of the circle: listed as [x, y], or from a file; the first `count`",
    )
    height: Metres = Field(
        default=10.0, description="of their antennas, where the path loss asks for it"
    )
    failures: FailuresSection | None = Field(default=None, description="none: they never fail")
    power: SbsPowerSection | None = Field(
        default=None, description="what each draws beside its tasks; none: nothing is counted"
    )

    @model_validator(mode="after")
    def _counted(self) -> "SbsSection":
        self.__dict__["count"] = _count(self.count, self.positions, default=3)
        return self


class StationsSection(Section):
    """The base stations."""

    mbs: MbsSection = Field(default_factory=MbsSection)
    sbs: SbsSection = Field(default_factory=SbsSection)


NodeName: TypeAlias = Annotated[
    str, BeforeValidator(lambda name: str(name) if type(name) is int else name), Field(min_length=1)
]
"""Files name nodes by numbers, too."""


class TopologySection(Section):
    """Stations and backhaul from a file, instead of a star around the MBS.

    Its nodes are stations with `kind`, which is "mbs" for one of them and "sbs" for the others, and
    `x_m` and `y_m`, or in JSON `position_m` = [x, y]. They may have `coverage_m`, `bandwidth_hz`
    and `cpu_hz`; what is missing is as in [stations]. Its edges are links of the backhaul, in both
    directions unless the graph is directed, and may have `latency_s` and `capacity_bps`, without
    limit where it is infinite (in JSON: null); what is missing is as in [backhaul]. Devices are left
    out, so that what `edgesim export --graph` has written can be read.

    Graphs of the Internet Topology Zoo and of topohub, and others whose nodes have `Latitude` and
    `Longitude` or `pos`, say nothing of `kind`: the keys after `file` are for them. Their links take
    the time that light takes in fibre over the distance of their ends, and have the capacity that
    `LinkSpeedRaw` says, in bit/s, else that of [backhaul]. More of them is in the
    documentation, in "Data of your own".
    """

    file: str | None = Field(
        default=None,
        min_length=1,
        description="GraphML (.graphml), GML (.gml) or node-link JSON (.json) as networkx writes them; "
        "`edgesim data` says where it is looked up",
    )
    mbs: NodeName | None = Field(
        default=None, description="the node that is the MBS, by its name or its label"
    )
    stations: Annotated[
        Annotated[Literal["all", "internal"], Tag("<value>")]
        | Annotated[
            tuple[NodeName, ...], Field(min_length=1, max_length=MAX_STATIONS), Tag("<list>")
        ],
        Discriminator(form),
    ] = Field(
        default="all",
        description="which nodes are stations: all, those with `Internal` = 1, or these, by name or label",
    )
    coordinates: Literal["degrees", "km", "m"] | None = Field(
        default=None,
        description="what `pos` = [x, y] is: longitude and latitude, or a place in the area",
    )
    parallel: Literal["refuse", "join"] = Field(
        default="refuse",
        description="links between the same two nodes: a mistake, or one link with their capacities "
        "together and the least latency",
    )
    min_length: PositiveMetres | None = Field(
        default=None,
        description="no link is taken to be shorter; without it one of length 0 is refused",
    )
    fibre_index: Number = Field(
        default=1.468,
        ge=1,
        le=10,
        description="refractive index of the fibre: light is so much slower",
    )

    def of_others(self) -> list[str]:
        """The keys for graphs without `kind` that are not as they are by default."""
        fields = type(self).model_fields.items()
        return [key for key, one in fields if key != "file" and getattr(self, key) != one.default]


class BackhaulSection(Section):
    """The links over which the SBSs' reports reach the MBS.

    Without a file of the topology every SBS has a link of its own to the MBS and one back. A report
    takes the path with the least latency over stations that are up; a link sends one report after
    another. What the hop from the stations to the MBS, `twin.station`, takes comes on top.
    """

    latency: Seconds = Field(default=0.0, description="of a link, unless the file gives its own")
    capacity: Annotated[BitsPerSecond, Field(gt=0)] | None = Field(
        default=None, description="of a link, unless the file gives its own; none: unlimited"
    )
    report: Bits = Field(default=0.0, description="size of what a station reports to the MBS")


class ChannelSection(ModelSection):
    """The radio channel. Further keys are those of the fading and of the path loss."""

    access: Literal["ofdma", "mrc"] = Field(
        default="ofdma",
        description="how devices share a station's band: in parts, A(3), or all of it by all, told "
        "apart by maximum-ratio combining, C(2)",
    )
    antennas: Count = Field(default=8, le=1024, description='L of access = "mrc"')
    fading: str = Field(default="rayleigh", description="fading model")
    coherence: PositiveSeconds | None = Field(
        default=None, description="how long a fading gain lasts; one slot if not given"
    )
    carrier: PositiveHertz | None = Field(
        default=None, description="carrier frequency; the 3GPP models and Clarke's fading need it"
    )
    path_loss: str = Field(default="log-distance", description="path-loss model")
    path_loss_exponent: Number = Field(default=4.0, ge=0, le=10, description="alpha")
    reference_gain: PowerRatio = Field(default=1.0, gt=0, description="power gain at 1 m")
    min_distance: PositiveMetres = Field(default=5.0, description="no link is taken to be shorter")
    noise: NoiseLevel = Field(
        default=Noise(1e-14),
        description="sigma^2: power over a station's whole band, or power per bandwidth",
    )
    noise_figure: PowerRatio = Field(
        default=1.0, ge=1, description="by so much a receiver raises the noise; 1 is 0 dB"
    )
    noise_model: Literal["total", "density"] = Field(
        default="total",
        description="sigma^2 whatever a device's bandwidth (A(3)), or in proportion to it",
    )
    spectral_efficiency: EfficiencyKey = Field(
        default="shannon",
        description="what a link carries: Shannon's log2(1 + SINR), that up to a cap, or the greatest "
        "efficiency not above it in a CQI table of TS 38.214 (64-, 256-, 64- and 1024-QAM)",
    )


class EnergySection(Section):
    """What computing costs."""

    varsigma: Number = Field(
        default=1e-27,
        gt=0,
        le=1e-15,
        description="effective switched capacitance of a device, W s^3; A(9), theta_m of C(7)",
    )
    theta_0: Number = Field(
        default=1e-27, gt=0, le=1e-15, description="the same of the edge server, C(8); C(10) only"
    )
    epsilon: Watts = Field(default=0.1, description="power of an edge CPU, A(11)")


class LimitsSection(Section):
    """What C(10) asks of every device in every slot. The deadline, C(10b), is that of [tasks]."""

    energy_max: Joules = Field(default=1.0, gt=0, description="E_max, C(10c)")
    rate_min: BitsPerSecond = Field(default=1e6, description="R_min, C(10d)")
    rate_floor: Literal["all", "offloading"] = Field(
        default="all", description="who must reach R_min; C(10d) as printed asks it of all"
    )


class UniformLatency(Section):
    """Latencies spread evenly over an interval."""

    uniform: tuple[Seconds, Seconds] = Field(description="least and greatest")

    @field_validator("uniform")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[1] < value[0]:
            reject(Inconsistency("the second is less than the first", allowed="[least, greatest]"))
        return value


class ExponentialLatency(Section):
    """Exponentially distributed latencies."""

    exponential: PositiveSeconds = Field(description="mean")


def _latency_form(value: object) -> str:
    if isinstance(value, ExponentialLatency):
        return "<exponential>"
    if isinstance(value, dict | UniformLatency):
        exponential = isinstance(value, dict) and "exponential" in value
        return "<exponential>" if exponential else "<uniform>"
    return "<value>"


class HopSection(Section):
    """How one hop of the twin synchronises."""

    period: PositiveSeconds | None = Field(
        default=None, description="time between two messages; one slot if not given"
    )
    latency: Annotated[
        Annotated[Seconds, Tag("<value>")]
        | Annotated[UniformLatency, Tag("<uniform>")]
        | Annotated[ExponentialLatency, Tag("<exponential>")],
        Discriminator(_latency_form),
    ] = Field(
        default=0.0,
        description="of a message: constant, {uniform = [a, b]} or {exponential = mean}",
    )
    loss: Share = Field(default=0.0, description="probability that a message is lost")


class DeviationSection(Section):
    """How much faster a CPU really runs than the twin believes, whatever the speed.

    The greatest speed, too, is what the twin believes: the real one may exceed it.
    """

    bias: SignedHertz = Field(default=0.0, description="constant difference")
    relative: Number = Field(
        default=0.0, ge=-1, le=10, description="difference as a share of the speed"
    )
    noise: Hertz = Field(
        default=0.0, description="standard deviation of a difference drawn in each slot"
    )


class DeviationsSection(Section):
    """Deviations of the twin, fhat."""

    device_cpu: DeviationSection = Field(default_factory=DeviationSection)
    edge_cpu: DeviationSection = Field(default_factory=DeviationSection)


class TwinSection(Section):
    """The digital twin, through which the policy sees the network."""

    sync: Literal["ideal", "periodic"] = Field(
        default="ideal", description="ideal: each slot, at once, without loss"
    )
    device: HopSection = Field(
        default_factory=HopSection, description="from a device to its station"
    )
    station: HopSection = Field(default_factory=HopSection, description="from a station to the MBS")
    predict: tuple[Literal["location", "arrivals", "energy"], ...] = Field(
        default=(),
        max_length=3,
        description="what is predicted for the time since the last message; energy is that of batteries, "
        "and of none on mains",
    )
    deviation: DeviationsSection = Field(default_factory=DeviationsSection)

    @model_validator(mode="after")
    def _ideal_has_no_hops(self) -> "TwinSection":
        for key, hop in (("device", self.device), ("station", self.station)):
            if self.sync == "ideal" and hop != HopSection():
                reject(Inconsistency('has no effect with sync = "ideal"', key, 'sync = "periodic"'))
        if len(set(self.predict)) < len(self.predict):
            reject(Inconsistency("the same twice", "predict", "each once"))
        return self


class TraceSection(Section):
    """The trace that a run leaves."""

    level: Literal["summary", "slots", "full"] = Field(
        default="slots", description="how much is kept"
    )
