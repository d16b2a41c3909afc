"""Quantities as papers print them ("10 MHz", "23 dBm", "182 g/kWh"), turned into SI floats.

The types at the end annotate the keys of a scenario and the constructor keywords of a model or policy.
Quantities are plain floats once validated: text is read with its unit, a bare number is already SI.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    import pint

# A registry of our own: it loads in milliseconds where pint's takes a quarter of a second, keeps
# bits apart from hertz, and does not read a CPU cycle as 2 pi radian.
_DEFINITIONS = """
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ- = μ-
milli- = 1e-3 = m-
centi- = 1e-2 = c-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
metre = [length] = m = meter
second = [time] = s
minute = 60 * second = min
hour = 3600 * second = h
day = 86400 * second = d
cycle = []
task = [] = _ = request
hertz = 1 / second = Hz
joule = [energy] = J
watt = joule / second = W
watt_hour = 3600 * joule = Wh
bit = [information]
byte = 8 * bit = B
bps = bit / second
gram = [mass] = g = gCO2 = gCO2eq = gCO2e
"""

# Levels in decibels, with what 0 dB stands for. Not left to pint, which converts them in floats.
_DECIBELS = {
    "dB": ("", Decimal(1)),
    "dBW": ("W", Decimal(1)),
    "dBm": ("W", Decimal("1e-3")),
    "dBm/Hz": ("W/Hz", Decimal("1e-3")),
}

_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_UNIT = re.compile(r"(1|[^\W\d]\w*)([/*][^\W\d]\w*)*")


@cache
def _registry() -> "pint.UnitRegistry[Decimal]":
    import pint

    registry: pint.UnitRegistry[Decimal] = pint.UnitRegistry(None, non_int_type=Decimal)
    registry.load_definitions(_DEFINITIONS.strip().splitlines())
    return registry


@cache
def _factor(unit: str, si_unit: str) -> Decimal | None:
    """How many `si_unit` a `unit` is, exactly; None where they measure different things.

    Raises:
        LookupError: the unit is unknown.
    """
    import pint

    if not _UNIT.fullmatch(unit):
        raise LookupError(unit)
    registry = _registry()
    try:
        quantity = registry.Quantity(Decimal(1), registry.parse_units(unit))
        return Decimal(quantity.to(registry.parse_units(si_unit)).magnitude)
    except pint.DimensionalityError:
        return None
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError):
        raise LookupError(unit) from None


@dataclass(frozen=True)
class Quantity:
    """Annotates a float: its kind of quantity, and the units in which it may be written.

    Attributes:
        kind: in words, with its article: "a length".
        unit: the SI unit in which a bare number is read, and of the float that comes out.
        written: units that a user may want, the commonest first.
        example: a quantity as a user writes it.
    """

    kind: str
    unit: str
    written: tuple[str, ...]
    example: str

    @property
    def allowed(self) -> str:
        """The values that a user may write, for an error message or a table."""
        si_unit = f" of {self.unit}" if self.unit else ""
        return f'{self.kind} such as "{self.example}", or a number{si_unit}'

    def parse(self, value: object) -> float:
        """The value in SI, correctly rounded.

        Args:
            value: a string with number and unit, or a bare SI number.

        Raises:
            PydanticCustomError: not a number, no or an unknown unit, another kind of quantity, or
                not finite.
        """
        if isinstance(value, str):
            value = self._from_text(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"not {self.kind}")
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if not abs(number) < float("inf"):
            raise self._error("not finite")
        return number

    def write(self, value: float) -> str:
        """A value as a user would write it: in the first unit that leaves one to three digits."""
        for unit in self.written:
            if unit not in _DECIBELS and (factor := _factor(unit, self.unit)):
                amount = value / float(factor)
                if 1 <= amount < 1000:
                    return f"{amount:g} {unit}"
        return f"{value:g} {self.unit}".strip()

    @lru_cache(4096)  # noqa: B019 - there are few kinds, and they live as long as the program
    def _from_text(self, text: str) -> float:
        match = _QUANTITY.fullmatch(text)
        if match is None:
            raise self._error(f"not {self.kind}")
        number, unit = Decimal(match[1]), match[2].replace(" ", "")
        try:
            if unit in _DECIBELS:
                unit, reference = _DECIBELS[unit]
                number = reference * 10 ** (number / 10)
                factor = Decimal(1) if unit == self.unit else None
            elif not unit and self.unit:
                raise self._error(f"no unit in {text!r}")
            else:
                factor = Decimal(1) if unit == self.unit else _factor(unit, self.unit)
            if factor is None:
                raise self._error(f"not {self.kind}")
            return float(number * factor)
        except LookupError:
            near = get_close_matches(unit, self.written, n=1, cutoff=0.5) or [
                known for known in self.written if known.lower() == unit.lower()
            ]
            hint = f", did you mean {near[0]!r}" if near else ""
            raise self._error(f"unknown unit {unit!r}{hint}") from None
        except ArithmeticError:
            raise self._error("not finite") from None

    def _error(self, problem: str) -> PydanticCustomError:
        return PydanticCustomError("quantity", "{problem}", {"problem": problem})

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))


_LENGTH = Quantity("a length", "m", ("m", "km", "cm", "mm"), "150 m")
_DURATION = Quantity("a time", "s", ("s", "ms", "us", "µs", "ns", "min", "h", "d"), "100 ms")
_SPEED = Quantity("a speed", "m/s", ("m/s", "km/h", "m/min"), "1.4 m/s")
_FREQUENCY = Quantity(
    "a frequency", "Hz", ("Hz", "kHz", "MHz", "GHz", "1/s", "cycle/s", "Gcycle/s"), "10 MHz"
)
_RATE = Quantity("a rate", "1/s", ("1/s", "1/min", "1/h", "task/s", "tasks/s", "Hz"), "5 tasks/s")
_POWER = Quantity("a power", "W", ("W", "mW", "uW", "nW", "kW", "dBm", "dBW"), "100 mW")
_POWER_DENSITY = Quantity("a power per bandwidth", "W/Hz", ("dBm/Hz", "W/Hz"), "-174 dBm/Hz")
_ENERGY = Quantity("an energy", "J", ("J", "mJ", "uJ", "kJ", "Wh", "mWh", "kWh"), "10 J")
_DATA = Quantity("an amount of data", "bit", ("bit", "kbit", "Mbit", "B", "kB", "MB"), "0.6 Mbit")
_DATA_RATE = Quantity("a data rate", "bit/s", ("bps", "kbps", "Mbps", "bit/s", "Mbit/s"), "1 Mbps")
_CYCLES = Quantity("CPU cycles", "cycle", ("cycle", "cycles", "Mcycle", "Mcycles"), "1000 Mcycles")
_CYCLES_PER_BIT = Quantity(
    "CPU cycles per bit", "1/bit", ("cycle/bit", "cycles/bit", "cycles/B"), "100 cycles/bit"
)
_CARBON_INTENSITY = Quantity(
    "a carbon intensity", "g/J", ("g/kWh", "kg/kWh", "gCO2/kWh", "kg/MWh", "g/J"), "182 g/kWh"
)
_POWER_RATIO = Quantity("a ratio of powers", "", ("dB",), "3 dB")

_KINDS = (
    _LENGTH,
    _DURATION,
    _SPEED,
    _FREQUENCY,
    _RATE,
    _POWER,
    _POWER_DENSITY,
    _ENERGY,
    _DATA,
    _DATA_RATE,
    _CYCLES,
    _CYCLES_PER_BIT,
    _CARBON_INTENSITY,
    _POWER_RATIO,
)


def in_si(text: str) -> tuple[float, str] | None:
    """A quantity of whatever kind, in SI, and its SI unit; None if the text is no quantity.

    >>> in_si("0.6 Mbit")
    (600000.0, 'bit')
    """
    for kind in _KINDS:
        try:
            return kind.parse(text), kind.unit
        except PydanticCustomError:
            continue
    return None


Metres = Annotated[float, _LENGTH, Field(ge=0)]
Seconds = Annotated[float, _DURATION, Field(ge=0)]
MetresPerSecond = Annotated[float, _SPEED, Field(ge=0)]
Hertz = Annotated[float, _FREQUENCY, Field(ge=0)]
"""Bandwidth or CPU speed. A deviation, which has a sign, is `SignedHertz`."""
SignedHertz = Annotated[float, _FREQUENCY]
PerSecond = Annotated[float, _RATE, Field(ge=0)]
Watts = Annotated[float, _POWER, Field(ge=0)]
Joules = Annotated[float, _ENERGY, Field(ge=0)]
Bits = Annotated[float, _DATA, Field(ge=0)]
BitsPerSecond = Annotated[float, _DATA_RATE, Field(ge=0)]
Cycles = Annotated[float, _CYCLES, Field(ge=0)]
CyclesPerBit = Annotated[float, _CYCLES_PER_BIT, Field(ge=0)]
GramsPerJoule = Annotated[float, _CARBON_INTENSITY, Field(ge=0)]
PowerRatio = Annotated[float, _POWER_RATIO, Field(ge=0)]
"""Written in dB, or as a bare linear number; linear once validated."""
Number = Annotated[float, Field(allow_inf_nan=False)]
"""A pure number."""
PositiveMetres = Annotated[Metres, Field(gt=0)]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
PositiveHertz = Annotated[Hertz, Field(gt=0)]
PositivePerSecond = Annotated[PerSecond, Field(gt=0)]
PositiveMetresPerSecond = Annotated[MetresPerSecond, Field(gt=0)]
PositiveWatts = Annotated[Watts, Field(gt=0)]
PositiveBits = Annotated[Bits, Field(gt=0)]
PositiveCycles = Annotated[Cycles, Field(gt=0)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]


def _whole(value: object) -> object:
    """Let 1e4 stand for 10000, as TOML has no other short form; refuse what 64 bits do not hold."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise PydanticCustomError("quantity", "{problem}", {"problem": "too large"})
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=1)]


@dataclass(frozen=True)
class Noise:
    """Noise: its power over a station's whole band, or its power per hertz.

    Attributes:
        level: W, or W/Hz.
        per_hertz: which of the two.
    """

    level: float
    per_hertz: bool = False

    def power_w(self, bandwidth_hz: float) -> float:
        """sigma^2 over a band."""
        return self.level * bandwidth_hz if self.per_hertz else self.level


class _NoiseParser:
    """Annotates a `Noise`: it is a power, or a power per bandwidth."""

    allowed = 'a power such as "1e-11 mW", or one per bandwidth such as "-174 dBm/Hz"'

    @staticmethod
    def parse(value: object) -> Noise:
        if isinstance(value, Noise):
            return value
        try:
            noise = Noise(_POWER_DENSITY.parse(value), per_hertz=isinstance(value, str))
        except PydanticCustomError:
            noise = Noise(_POWER.parse(value))
        if noise.level <= 0:
            raise PydanticCustomError("quantity", "{problem}", {"problem": "not positive"})
        return noise

    @staticmethod
    def write(noise: Noise) -> float | str:
        return f"{noise.level!r} W/Hz" if noise.per_hertz else noise.level

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


NoiseLevel = Annotated[Noise, _NoiseParser()]
