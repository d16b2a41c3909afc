"""The section [carbon] of a scenario file: constants, and files with how they are to be read."""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from .base import Inconsistency, Section, form, reject
from .units import Grams, GramsPerJoule, Number, PositiveSeconds

Unit: TypeAlias = Literal["g/kWh", "kg/kWh", "kg/MWh", "t/MWh", "lb/MWh"]
Kind: TypeAlias = Literal["average", "marginal"]
Basis: TypeAlias = Literal["direct", "life-cycle"]

MOST_LEADS = 10_000
"""Values of a forecast."""


def aware_in_utc(moment: datetime) -> datetime:
    """A moment with a time zone turned into UTC; one without stays as it is.

    Raises:
        ValueError: in UTC it is beyond the years that there are.
    """
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError("in UTC a year that there is not") from None


class CarbonReading(Section):
    """How a file of carbon intensity is read; what the file says by itself need not be given."""

    time_column: str | None = Field(
        default=None, min_length=1, description="column of the times at which values begin"
    )
    value_column: str | None = Field(
        default=None, min_length=1, description='column of the values; in JSON with dots, "a.b"'
    )
    unit: Unit | None = Field(default=None, description="of the values, mass of CO2 per energy")
    time_zone: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description='of times without one: "UTC", "Europe/London", "+10:00"',
    )
    kind: Kind | None = Field(
        default=None,
        description="what the grid emits per kWh of all, or per kWh that is drawn in addition",
    )
    basis: Basis | None = Field(
        default=None,
        description="what power stations emit, or also what building and fuelling them does",
    )


class CarbonFile(CarbonReading):
    """Carbon intensity over time from a file, each value from its time to the next.

    CSV with a header, separated by commas, semicolons or tabs, and JSON; each may be compressed
    (.gz). What the file says by itself need not be given: more of that is in
    the documentation, in "Data of your own".
    """

    file: str = Field(min_length=1, description="name; `edgesim data` says where it is looked up")
    start: Annotated[datetime, AfterValidator(aware_in_utc)] = Field(
        description="moment at which the run begins; with a time zone where the file's times have one, "
        "else on the file's clock"
    )
    max_gap: PositiveSeconds | None = Field(
        default=None,
        description="longest time that a value may hold; three of the file's usual steps if not given",
    )


CarbonIntensity: TypeAlias = Annotated[
    Annotated[GramsPerJoule, Tag("<value>")] | Annotated[CarbonFile, Tag("<table>")],
    Discriminator(form),
]


CarbonIntensities: TypeAlias = Annotated[
    Annotated[GramsPerJoule, Tag("<value>")]
    | Annotated[CarbonFile, Tag("<table>")]
    | Annotated[tuple[CarbonIntensity, ...], Tag("<list>")],
    Discriminator(form),
]


class CarbonSource(Section):
    """Carbon intensity of the electricity of stations and devices."""

    intensity: CarbonIntensity = Field(
        default=182 / 3.6e6, description="everywhere, unless given below; a constant or a file"
    )
    mbs: CarbonIntensity | None = Field(default=None, description="at the MBS")
    sbs: CarbonIntensities | None = Field(
        default=None, description="at the SBSs; one for all, or a list"
    )
    devices: CarbonIntensities | None = Field(
        default=None,
        description="of the devices, one for all, or a list; if not given a device has that of its "
        "station. In the stream problem only",
    )


class CarbonSignal(CarbonSource):
    """The carbon intensity that the network decides by, where it is not what a run is accounted by.

    So a run decides by the average and is accounted by the marginal, or the other way round. In the
    stream problem only.
    """


class CarbonBudget(Section):
    """What may be emitted in the long run: a virtual queue of P2, with `policy.penalty = "carbon"`."""

    mass: Annotated[Grams, Field(gt=0)] = Field(
        description="in a period, by the whole network; a debt of so much doubles V"
    )
    period: PositiveSeconds = Field(default=86400.0, description="a day, a week, …")


class CarbonForecast(Section):
    """A forecast of what is decided by, at the stations: issued from time to time, and wrong.

    Without `replay` its errors are made: each station's differ from what comes as the forecast of an
    autoregressive process does, so they grow with the lead, are correlated in time, and shrink from one
    issue to the next as the moment comes near. In the stream problem only.
    """

    horizon: PositiveSeconds = Field(default=86400.0, description="how far ahead")
    step: PositiveSeconds = Field(default=1800.0, description="of its values")
    period: PositiveSeconds = Field(
        default=1800.0, description="from one issue to the next; a whole number of `step`"
    )
    error: Annotated[Number, Field(ge=0, le=10)] = Field(
        default=0.15,
        description="standard deviation of the error far ahead, as a share of the station's mean",
    )
    memory: PositiveSeconds = Field(
        default=6 * 3600.0, description="in which the correlation of errors falls to 1/e"
    )
    replay: CarbonSource | None = Field(
        default=None,
        description="recorded forecasts instead, of files with one value for each time, whenever issued",
    )

    @model_validator(mode="after")
    def _whole(self) -> "CarbonForecast":
        for key in ("period", "horizon"):
            steps = getattr(self, key) / self.step
            if abs(steps - round(steps)) > 1e-9 or round(steps) < 1:
                reject(Inconsistency("not a whole number of steps", key, f"k x {self.step:g} s"))
        if self.horizon / self.step > MOST_LEADS:
            what = f"{self.horizon / self.step:g} values"
            reject(Inconsistency(what, "horizon", f"at most {MOST_LEADS} x {self.step:g} s"))
        if self.horizon < self.period:
            reject(Inconsistency("ends before the next issue", "horizon", ">= period"))
        for key in ("error", "memory") if self.replay is not None else ():
            if key in self.model_fields_set:
                reject(Inconsistency("has no effect on recorded ones", key, "not given"))
        if self.replay is not None and self.replay.devices is not None:
            reject(Inconsistency("is of stations", "replay.devices", "not given"))
        return self


class CarbonSection(CarbonSource):
    """Carbon intensity of the electricity, also of the devices that a station serves."""

    signal: CarbonSignal | None = Field(
        default=None, description="what is decided by, if not by the same"
    )
    budget: CarbonBudget | None = Field(default=None, description="none: no limit")
    forecast: CarbonForecast | None = Field(default=None, description="none: no forecast is known")
