"""Quantities as papers print them ("10 MHz", "23 dBm", "182 g/kWh"), turned into SI floats.

The types at the end annotate the keys of a scenario and the constructor keywords of a model or policy.
Quantities are plain floats once validated: text is read with its unit, a bare number is already SI.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    import pint

LIGHT_M_PER_S = 299_792_458.0
"""In vacuum."""

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
second = [time] = s = sec
minute = 60 * second = min
hour = 3600 * second = h = hr
day = 86400 * second = d
week = 604800 * second
year = 31557600 * second = yr
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

# What most scenarios are written in, and what it is in SI; for these pint is not imported.
_IN_SI = {
    "m": {"m": "1", "km": "1e3", "cm": "0.01", "mm": "0.001"},
    "s": {"s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "ns": "1e-9"}
    | {"min": "60", "h": "3600", "d": "86400", "week": "604800", "yr": "31557600"},
    "m/s": {"m/s": "1", "km/h": "1/3.6", "m/min": "1/60"},
    "1/s": {"1/s": "1", "task/s": "1", "tasks/s": "1", "1/min": "1/60", "1/h": "1/3600"}
    | {"Hz": "1", "kHz": "1e3", "MHz": "1e6", "GHz": "1e9", "cycle/s": "1", "Gcycle/s": "1e9"},
    "W": {"W": "1", "mW": "1e-3", "uW": "1e-6", "nW": "1e-9", "kW": "1e3"},
    "J": {"J": "1", "mJ": "1e-3", "uJ": "1e-6", "kJ": "1e3", "W/Hz": "1", "W/MHz": "1e-6"}
    | {"Wh": "3600", "mWh": "3.6", "kWh": "3.6e6"},
    "bit": {"bit": "1", "kbit": "1e3", "Mbit": "1e6", "Gbit": "1e9"}
    | {"B": "8", "kB": "8e3", "MB": "8e6", "GB": "8e9"},
    "bit/s": {"bit/s": "1", "kbit/s": "1e3", "Mbit/s": "1e6", "Gbit/s": "1e9"}
    | {"bps": "1", "kbps": "1e3", "Mbps": "1e6", "Gbps": "1e9"},
    "": {"": "1", "task": "1", "tasks": "1", "cycle": "1", "cycles": "1"}
    | {"Mcycle": "1e6", "Mcycles": "1e6", "Gcycle": "1e9", "Gcycles": "1e9"},
    "1/bit": {"1/bit": "1", "cycle/bit": "1", "cycles/bit": "1", "cycles/B": "1/8"},
    "g/J": {"g/J": "1", "g/kWh": "1/3.6e6", "gCO2/kWh": "1/3.6e6"}
    | {"kg/kWh": "1/3.6e3", "kg/MWh": "1/3.6e6"},
    "g": {"g": "1", "mg": "1e-3", "ug": "1e-6", "kg": "1e3"},
}
_KNOWN = {unit: si for si, units in _IN_SI.items() for unit in units}

# Levels in decibels, with what 0 dB stands for. Not left to pint, which converts them in floats.
_DECIBELS = {
    "dB": ("", Decimal(1)),
    "dBW": ("W", Decimal(1)),
    "dBm": ("W", Decimal("1e-3")),
    "dBm/Hz": ("W/Hz", Decimal("1e-3")),
    "dBm/kHz": ("W/Hz", Decimal("1e-6")),
    "dBm/MHz": ("W/Hz", Decimal("1e-9")),
    "dBW/Hz": ("W/Hz", Decimal(1)),
    "dBW/MHz": ("W/Hz", Decimal("1e-6")),
}

# A thousandth of a bit is a million bits, mistyped; of a watt it is not.
_COUNTED = re.compile(
    r"(?:milli|micro|nano|pico|femto|centi|[munpfcµμ])(?=(?:bit|byte|B|bps|Hz|hertz|cycle|task)s?$)"
)

_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_LONGEST = 200
"""Characters of a quantity: who writes more means something else, and finding out takes long."""

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
    if unit in _KNOWN and si_unit in _KNOWN:
        if _KNOWN[unit] != _KNOWN[si_unit]:
            return None
        number, _, divisor = _IN_SI[_KNOWN[unit]][unit].partition("/")
        return Decimal(number) / Decimal(divisor or 1)
    return _factor_of_pint(unit, si_unit)


def _factor_of_pint(unit: str, si_unit: str) -> Decimal | None:
    import pint

    if not _UNIT.fullmatch(unit) or any(_COUNTED.match(one) for one in re.split("[/*]", unit)):
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
        plausible: from the least to the greatest that a network has, in SI; beyond, a bare number is
            asked about. Zero is always plausible.
    """

    kind: str
    unit: str
    written: tuple[str, ...]
    example: str
    plausible: tuple[float, float] = (0.0, float("inf"))

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
            PydanticCustomError: not a number, no or an unknown unit, another kind of quantity, not
                finite, or a bare number that no network has in SI.
        """
        bare = not isinstance(value, str)
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
        if bare and not self.is_plausible(number):
            meant = " or ".join(f'"{one}"' for one in self._meant(number))
            hint = f"did you mean {meant}; " if meant else ""
            si = f"{_exact(number)} {self.unit}"
            raise self._error(
                f'without a unit this is {si}, which no network has; {hint}if it is meant, "{si}"'
            )
        return number

    def is_plausible(self, value: float) -> bool:
        """Whether some network has this."""
        low, high = self.plausible
        return value == 0.0 or low <= abs(value) <= high

    def _meant(self, number: float) -> list[str]:
        """The number with those units that make it plausible."""
        found: dict[float, str] = {}
        for unit in self.written:
            text = f"{_exact(number)} {unit}"
            if self.is_plausible(value := self._from_text(text)):
                found.setdefault(value, text)
        return list(found.values())[:3]

    def serialise(self, value: float) -> float | str:
        """A number that is read back as the same: bare, or with its unit where it would be asked about."""
        return value if self.is_plausible(value) else f"{value!r} {self.unit}"

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
        match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise self._error(f"not {self.kind}")
        unit = match[2].replace(" ", "")
        try:
            number = Decimal(match[1])
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
            hint = " or ".join(repr(near) for near in self._respelt(unit))
            hint = f", did you mean {hint}" if hint else f"; known are {', '.join(self.written)}"
            raise self._error(f"unknown unit {unit!r}{hint}") from None
        except ArithmeticError:
            raise self._error("not finite") from None

    def _respelt(self, unit: str) -> list[str]:
        """Units that differ in upper and lower case only; never another one that looks alike."""
        known = [*self.written, *(unit for unit in _DECIBELS if _DECIBELS[unit][0] == self.unit)]
        if self is _DATA or self is _DATA_RATE:
            # A b is a bit to some and a byte to others.
            size, per, time = unit.replace("ps", "/s").partition("/")
            if size[-1:] in ("b", "B") and size[:-1].lower() in ("", "k", "m", "g", "t"):
                prefix = {"k": "k"}.get(size[:-1].lower(), size[:-1].upper())
                if unit.endswith("bps"):
                    return [f"{prefix}bps"]
                return [f"{prefix}{base}{per}{time}" for base in ("bit", "B")]
        known += [prefix + one for one in self.written for prefix in ("k", "M", "G")]
        near = [one for one in dict.fromkeys(known) if one.lower() == unit.lower() != one]
        return [one for one in near if one != unit and not _COUNTED.match(one)]

    def _error(self, problem: str) -> PydanticCustomError:
        return PydanticCustomError("quantity", "{problem}", {"problem": problem})

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            self.parse,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(self.serialise),
        )


def _exact(number: float) -> str:
    return repr(number).removesuffix(".0")


_LENGTH = Quantity("a length", "m", ("m", "km", "cm", "mm"), "150 m", (0.0, 1e7))
_DURATION = Quantity(
    "a time", "s", ("s", "ms", "us", "µs", "ns", "min", "h", "d", "yr"), "100 ms", (1e-9, 1e9)
)
_SPEED = Quantity("a speed", "m/s", ("m/s", "km/h", "m/min"), "1.4 m/s", (0.0, 1e4))
_FREQUENCY = Quantity(
    "a frequency",
    "Hz",
    ("Hz", "kHz", "MHz", "GHz", "1/s", "cycle/s", "Gcycle/s"),
    "10 MHz",
    (100.0, 1e14),
)
_RATE = Quantity(
    "a rate", "1/s", ("1/s", "1/min", "1/h", "task/s", "tasks/s", "Hz"), "5 tasks/s", (0.0, 1e9)
)
_POWER = Quantity("a power", "W", ("W", "mW", "dBm", "uW", "nW", "kW", "dBW"), "100 mW", (0.0, 1e5))
_RADIO_POWER = replace(_POWER, plausible=(1e-9, 20.0))
_NOISE_POWER = replace(_POWER, example="1e-11 mW", plausible=(1e-25, 1e-6))
_POWER_DENSITY = Quantity(
    "a power per bandwidth", "W/Hz", ("dBm/Hz", "dBm/MHz", "W/Hz", "W/MHz"), "-174 dBm/Hz"
)
_ENERGY = Quantity(
    "an energy", "J", ("J", "mJ", "uJ", "kJ", "Wh", "mWh", "kWh"), "10 J", (1e-12, 1e9)
)
_DATA = Quantity(
    "an amount of data", "bit", ("bit", "kbit", "Mbit", "B", "kB", "MB"), "0.6 Mbit", (1.0, 1e15)
)
_DATA_RATE = Quantity(
    "a data rate", "bit/s", ("bps", "kbps", "Mbps", "bit/s", "Mbit/s"), "1 Mbps", (10.0, 1e15)
)
_CYCLES = Quantity(
    "CPU cycles", "cycle", ("cycle", "cycles", "Mcycle", "Mcycles"), "1000 Mcycles", (1e5, 1e16)
)
_CYCLES_PER_BIT = Quantity(
    "CPU cycles per bit",
    "1/bit",
    ("cycle/bit", "cycles/bit", "cycles/B"),
    "100 cycles/bit",
    (1e-2, 1e9),
)
_CARBON_INTENSITY = Quantity(
    "a carbon intensity",
    "g/J",
    ("g/kWh", "kg/kWh", "gCO2/kWh", "kg/MWh", "g/J"),
    "182 g/kWh",
    (0.0, 1e-2),
)
_MASS = Quantity("a mass", "g", ("g", "mg", "ug", "kg"), "5 g", (1e-9, 1e9))
_EFFICIENCY = Quantity(
    "a spectral efficiency", "bit/s/Hz", ("bit/s/Hz", "bps/Hz"), "7.4 bit/s/Hz", (1e-3, 100.0)
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
    _MASS,
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
RadioWatts = Annotated[float, _RADIO_POWER, Field(ge=0)]
"""Of a device's transmitter."""
Joules = Annotated[float, _ENERGY, Field(ge=0)]
Bits = Annotated[float, _DATA, Field(ge=0)]
BitsPerSecond = Annotated[float, _DATA_RATE, Field(ge=0)]
Cycles = Annotated[float, _CYCLES, Field(ge=0)]
CyclesPerBit = Annotated[float, _CYCLES_PER_BIT, Field(ge=0)]
GramsPerJoule = Annotated[float, _CARBON_INTENSITY, Field(ge=0)]
Grams = Annotated[float, _MASS, Field(ge=0)]
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
    unit = "W"

    @staticmethod
    def parse(value: object) -> Noise:
        if isinstance(value, Noise):
            return value
        per_hertz = isinstance(value, str) and "/" in value
        level = (_POWER_DENSITY if per_hertz else _NOISE_POWER).parse(value)
        noise = Noise(level, per_hertz)
        if noise.level <= 0:
            raise PydanticCustomError("quantity", "{problem}", {"problem": "not positive"})
        return noise

    @staticmethod
    def write(noise: Noise) -> float | str:
        return f"{noise.level!r} W/Hz" if noise.per_hertz else _NOISE_POWER.serialise(noise.level)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


NoiseLevel = Annotated[Noise, _NoiseParser()]

EFFICIENCIES = ("shannon", *(f"cqi-table-{number}" for number in (1, 2, 3, 4)))
"""Names of what links carry; the tables are Tables 5.2.2.1-2 to 5.2.2.1-5 of TS 38.214."""


class _EfficiencyParser:
    """Annotates what a link carries: a name, or the greatest spectral efficiency."""

    allowed = ", ".join(f'"{name}"' for name in EFFICIENCIES) + f", or {_EFFICIENCY.allowed}"
    unit = _EFFICIENCY.unit
    choices = EFFICIENCIES

    @staticmethod
    def parse(value: object) -> float | str:
        if isinstance(value, str) and value in EFFICIENCIES:
            return value
        if isinstance(value, str) and not _QUANTITY.fullmatch(value[:_LONGEST]):
            raise PydanticCustomError("quantity", "{problem}", {"problem": "no such table"})
        cap = _EFFICIENCY.parse(value)
        if cap <= 0.0:
            raise PydanticCustomError("quantity", "{problem}", {"problem": "not positive"})
        return cap

    @staticmethod
    def write(value: float | str) -> float | str:
        return value if isinstance(value, str) else _EFFICIENCY.serialise(value)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )


EfficiencyKey = Annotated[float | str, _EfficiencyParser()]
