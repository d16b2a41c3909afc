"""What tables of carbon intensity say by themselves: known sources, and names of columns."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..carbon_section import Basis, Kind, Unit
from .records import Table, normal

G_PER_KWH: dict[Unit, float] = {
    "g/kWh": 1.0,
    "kg/kWh": 1000.0,
    "kg/MWh": 1.0,
    "t/MWh": 1000.0,
    "lb/MWh": 0.45359237,
}
"""Grams per kilowatt hour in one of each; the international pound is 453.59237 g exactly."""

_UNIT = re.compile(
    r"(?<![a-z])(kg|g|t|tons?|tonnes?|lbs?)\s*(?:of\s*)?(?:co2\s*(?:eq|e)?)?\s*(?:/|per)\s*(kwh|mwh)(?![a-z])"
)
_MASS = {"tons": "t", "ton": "t", "tonnes": "t", "tonne": "t", "lbs": "lb"}
_ENERGY = {"kwh": "kWh", "mwh": "MWh"}
_RANK = re.compile(r"percent|\bindex\b|\brank\b|%")
_INTENSITY = re.compile(
    r"carbon ?intensity|\bmoer\b|\baoer\b|emissions? (?:factor|intensity|rate)|\bg?co2\b"
)


class Said(NamedTuple):
    """What is known of a table, or of one of its columns.

    Attributes:
        source: whose format it is; "" if it is nobody's.
        time: column of the times.
        value: column of the values.
        unit: of them.
        kind: of intensity.
        basis: of it.
        utc: whether times without a zone are in UTC.
        usual: kind of intensity if nobody says.
        end: column of the moment at which a value ends.
        rank: whether it is a share or an index, and no intensity.
        unknown_unit: a unit of emission per energy that is none of those that are read.
    """

    source: str = ""
    time: str | None = None
    value: str | None = None
    unit: Unit | None = None
    kind: Kind | None = None
    basis: Basis | None = None
    utc: bool = False
    usual: Kind | None = None
    end: str | None = None
    rank: bool = False
    unknown_unit: str = ""


class _Source(NamedTuple):
    """A known table: columns that it has, and what it then says."""

    columns: frozenset[str]
    said: Said


_SOURCES = (
    _Source(
        frozenset({"from", "to", "intensity.forecast"}),
        Said(
            "Carbon Intensity API of Great Britain",
            "from",
            "intensity.actual",
            "g/kWh",
            "average",
            "direct",
            end="to",
        ),
    ),
    _Source(
        frozenset({"datetime", "generation", "carbon intensity"}),
        Said("NESO", "datetime", "carbon intensity", "g/kWh", "average", "direct"),
    ),
    _Source(
        frozenset({"datetime (utc)", "zone id"}),
        Said("Electricity Maps", "datetime (utc)", kind="average"),
    ),
    _Source(
        frozenset({"datetime", "carbonintensity"}),
        Said("Electricity Maps", "datetime", "carbonintensity", "g/kWh", "average"),
    ),
    _Source(
        frozenset({"point time", "value"}),
        Said("WattTime", "point time", "value", usual="marginal"),
    ),
    _Source(
        frozenset({"location", "rating", "time"}),
        Said("carbon-aware-sdk", "time", "rating", "g/kWh"),
    ),
)
_PLAIN = Said("", "time", "carbon intensity", "g/kWh")
"""A table of just these two columns, as that of lets-wait-awhile: its values are g/kWh."""

_SIGNALS: dict[str, Kind] = {"co2 moer": "marginal", "co2 aoer": "average"}


def of_column(name: str) -> Said:
    """What the name of a column says."""
    text = normal(name)
    found = _UNIT.search(text)
    unit, unknown = None, ""
    if found:
        written = f"{_MASS.get(found[1], found[1])}/{_ENERGY[found[2]]}"
        unit = next((one for one in G_PER_KWH if one == written), None)
        unknown = "" if unit else written
    kinds: list[Kind] = []
    if re.search(r"marginal|\bmoer\b", text):
        kinds.append("marginal")
    if re.search(r"\baverage\b|\baoer\b", text):
        kinds.append("average")
    bases: list[Basis] = []
    if re.search(r"life ?-?cycle|\blca\b", text):
        bases.append("life-cycle")
    if re.search(r"\bdirect\b", text):
        bases.append("direct")
    return Said(
        unit=unit,
        kind=kinds[0] if len(kinds) == 1 else None,
        basis=bases[0] if len(bases) == 1 else None,
        utc=bool(re.search(r"\butc\b|\bgmt\b", text)),
        rank=bool(_RANK.search(text)) and not found,
        unknown_unit=unknown,
    )


def of_table(table: Table) -> Said:
    """What a table says by the columns that it has, and by what JSON has beside its records."""
    names = {normal(column): column for column in table.columns}
    said = next((one.said for one in _SOURCES if one.columns <= names.keys()), Said())
    if names.keys() == {"time", "carbon intensity"}:
        said = _PLAIN
    time, value, end = (
        None if one is None else names.get(one) for one in (said.time, said.value, said.end)
    )
    said = said._replace(time=time, value=value, end=end)
    if factors := names.get("emissionfactortype"):
        index = table.columns.index(factors)
        bases = {of_column(str(row[index])).basis for row in table.rows if len(row) > index}
        said = said._replace(basis=bases.pop() if len(bases) == 1 else None)
    about = {normal(key): value for key, value in table.about.items()}
    units = next((about[key] for key in ("meta.units", "units", "unit") if key in about), None)
    if isinstance(units, str):
        stated = of_column(units)
        rank = stated.rank or (stated.unit is None and normal(units) in ("percentile", "percent"))
        said = said._replace(unit=stated.unit, rank=rank, unknown_unit=stated.unknown_unit)
        if not (stated.unit or rank or stated.unknown_unit):
            said = said._replace(unknown_unit=units)
    signal = about.get("meta.signal type", about.get("signal type"))
    if isinstance(signal, str):
        said = said._replace(kind=_SIGNALS.get(normal(signal)), usual=None)
    return said


def time_columns(columns: Sequence[str]) -> list[str]:
    """Columns that may be the times: those of the usual names, else those whose names speak of time.

    Else those of short names, which may be followed by a unit: `t`, `when_ms`.
    """
    usual = {"time", "datetime", "date time", "timestamp", "date", "time stamp", "from", "start"}
    bare = {
        column: re.sub(r"\s*[(\[]?\b(utc|gmt)\b[)\]]?", "", normal(column)).strip()
        for column in columns
    }
    return (
        [column for column, name in bare.items() if name in usual]
        or [
            column
            for column, name in bare.items()
            if "time" in name or re.search(r"\bdate\b", name)
        ]
        or [column for column, name in bare.items() if _SHORT.fullmatch(name)]
    )


_SHORT = re.compile(
    r"(t|ts|when|arrival|moment)( ?[(\[]?(s|sec|seconds|ms|millis|us|µs|ns)[)\]]?)?"
)


def value_columns(table: Table) -> list[str]:
    """Columns that may be a carbon intensity, by their names."""
    found = []
    for column in table.columns:
        said = of_column(column)
        if not said.rank and (said.unit or said.unknown_unit or _INTENSITY.search(normal(column))):
            found.append(column)
    return found
