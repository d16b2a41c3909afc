"""What stations draw whether or not they serve anybody, where it is from, and what all hardware has cost to make."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Inconsistency, Section, form, reject
from .units import Count, Grams, Joules, Number, PositiveSeconds, Seconds, Share, Watts

EarthClass: TypeAlias = Literal["macro", "micro", "pico", "femto"]


class RadioPower(Section):
    """A radio after the linear model of EARTH: transceivers (idle + slope max load), or transceivers sleep.

    G. Auer et al., "How much energy is needed to run a wireless network?", IEEE Wireless Communications
    18 (5), 2011, eq. (1).
    """

    transceivers: Count = Field(le=1024, description="N_TRX: antennas times carriers times sectors")
    max: Watts = Field(description="P_max, what one sends at full load")
    idle: Watts = Field(description="P_0, what one draws without load")
    slope: Number = Field(ge=0, le=1000, description="Delta_p, watts drawn for each watt sent")
    sleep: Watts = Field(description="P_sleep, what one draws asleep")

    @model_validator(mode="after")
    def _sleeps_deeper(self) -> "RadioPower":
        if self.sleep > self.idle:
            reject(Inconsistency("asleep it draws more than idle", "sleep", f"<= {self.idle:g} W"))
        return self


def _earth(count: int, most: float, idle: float, slope: float, sleep: float) -> RadioPower:
    return RadioPower(transceivers=count, max=most, idle=idle, slope=slope, sleep=sleep)


EARTH: dict[EarthClass, RadioPower] = {
    "macro": _earth(6, 20.0, 130.0, 4.7, 75.0),
    "micro": _earth(2, 6.3, 56.0, 2.6, 39.0),
    "pico": _earth(2, 0.13, 6.8, 4.0, 4.3),
    "femto": _earth(2, 0.05, 4.8, 8.0, 2.9),
}
"""Table II of Auer et al.: the state of the art of 2010, for LTE at 10 MHz with 2x2 antennas."""


class ServerPower(Section):
    """An edge server: idle + (busy - idle) times the share of its CPU that works, or sleep."""

    idle: Watts = Field(description="P_idle")
    busy: Watts = Field(description="P_busy, all of its CPU at work")
    sleep: Watts = Field(default=0.0, description="asleep with its station")

    @model_validator(mode="after")
    def _ordered(self) -> "ServerPower":
        if self.busy < self.idle:
            reject(Inconsistency("busy it draws less than idle", "busy", f">= {self.idle:g} W"))
        if self.sleep > self.idle:
            reject(Inconsistency("asleep it draws more than idle", "sleep", f"<= {self.idle:g} W"))
        return self


class SleepSection(Section):
    """That stations may sleep: then they serve nobody, and devices choose among the others.

    A station that is to sleep takes no more devices from the next slot on, serves what is in its queue, and
    sleeps from the slot after which the queue is empty. A policy says in each slot which stations are to be
    awake, `Decision.awake`; those that say nothing keep all awake. More is in the documentation, in
    "Power of the infrastructure".
    """

    when: Literal["decided", "empty"] = Field(
        default="decided",
        description="a station sleeps when the policy says so, or also by itself while no device is in "
        "its coverage",
    )
    wake: Seconds = Field(
        default=0.0,
        description="from the order to be awake until devices may choose it, at the beginning of a slot; "
        "until then it draws as if idle",
    )
    wake_energy: Joules = Field(default=0.0, description="drawn once for it, beside that")


class SolarSection(Section):
    """Panels at a station: of a clear-sky model with clouds, or from a file.

    The model: peak times the sine of the sun's elevation, times what clouds leave. The file is a CSV with
    columns `time_s`, from the start of the run, and `power_w`, each value up to the next row's time.
    """

    peak: Watts | None = Field(
        default=None,
        gt=0,
        description="with the sun overhead; of a file its values are not changed",
    )
    latitude: Number | None = Field(
        default=None, ge=-90, le=90, description="degrees, north positive"
    )
    start: datetime | None = Field(
        default=None, description="when the run begins, by the sun: noon is when it is highest"
    )
    clouds: Annotated[Share, Field(le=0.5)] = Field(
        default=0.0,
        description="mean share of the clear sky's power that clouds take; each hour's is uniform on "
        "[0, 2 clouds]",
    )
    file: str | None = Field(
        default=None, min_length=1, description="instead; `edgesim data` says where it is looked up"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "SolarSection":
        model = ("peak", "latitude", "start")
        if self.file is None:
            missing = [key for key in model if getattr(self, key) is None]
            reject(*(Inconsistency("is missing", key, "given, or `file`") for key in missing))
        else:
            given = [key for key in (*model, "clouds") if key in self.model_fields_set]
            reject(
                *(
                    Inconsistency("is of the model, not of a file", key, "not given")
                    for key in given
                )
            )
        if self.start is not None and self.start.tzinfo is not None:
            reject(Inconsistency("has a time zone", "start", "a time by the sun, without one"))
        return self


class StationBatterySection(Section):
    """A battery at a station, charged by what its panels give and it does not draw, and used before the grid."""

    capacity: Joules = Field(gt=0, description="energy that it holds")
    initial: Share = Field(
        default=0.0, description="charge at the start, as a share of the capacity"
    )
    efficiency: Share = Field(
        default=0.9,
        gt=0,
        description="of what is charged, the share that is stored; there and back",
    )
    power: Watts | None = Field(
        default=None, gt=0, description="most that it takes or gives; none: no limit"
    )


Radio: TypeAlias = Annotated[
    Annotated[EarthClass, Tag("<value>")] | Annotated[RadioPower, Tag("<table>")],
    Discriminator(form),
]


class PowerSection(Section):
    """What a station draws, and where from: its panels, then its battery, then the grid."""

    radio: Radio | None = Field(
        default=None,
        description='"macro", "micro", "pico", "femto" of EARTH, or a table; none: nothing is counted',
    )
    server: ServerPower | None = Field(
        default=None, description="none: what its tasks take, by A(11) or C(8), and nothing else"
    )
    solar: SolarSection | None = Field(default=None, description="none: no panels")
    battery: StationBatterySection | None = Field(default=None, description="none: none")

    @model_validator(mode="after")
    def _charged(self) -> "PowerSection":
        if self.battery is not None and self.solar is None:
            reject(Inconsistency("nothing charges it", "battery", "`solar` beside it"))
        return self


class SbsPowerSection(PowerSection):
    """The same of SBSs, all alike, which may also sleep; the MBS, where the twin is, does not."""

    sleep: SleepSection | None = Field(default=None, description="none: they are always awake")


class Embodied(Section):
    """What making a piece of hardware emitted, and which part of it counts here."""

    embodied: Grams = Field(description="TE, total embodied emission of the piece")
    lifespan: PositiveSeconds = Field(description="EL, its expected lifespan")
    share: Share = Field(
        default=1.0, description="RS, the share of it that is reserved for this network"
    )


class SciSection(Section):
    """The software carbon intensity of ISO/IEC 21031:2024: SCI = (E I + M) per R.

    More is in the documentation, in "Power of the infrastructure".
    """

    per: Literal["task", "Mbit"] = Field(
        default="task", description="R, the functional unit: a completed task, or a Mbit of them"
    )
    device: Embodied | None = Field(default=None, description="of each device; none: not counted")
    mbs: Embodied | None = Field(default=None, description="of the MBS with its server")
    sbs: Embodied | None = Field(default=None, description="of each SBS with its server")
