"""Scenarios: units, errors, overrides, round trips, data files, components, and the reference."""

import copy
import math
import runpy
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import pint
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from edgesim.api import run
from edgesim.scenarios import units
from edgesim.scenarios.carbon_section import CarbonFile
from edgesim.scenarios.code import Code
from edgesim.scenarios.components import Unseen, configure, resolve
from edgesim.scenarios.data.lookup import data_file
from edgesim.scenarios.data.positions import read_positions
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.scenarios.sections import (
    ExponentialLatency,
    File,
    Rectangle,
    UniformLatency,
)
from edgesim.scenarios.shipped import shipped, shipped_files
from edgesim.scenarios.validation import describe
from edgesim.traces.reader import open_trace

ROOT = Path(__file__).resolve().parents[1]
MINIMAL = 'title = "minimal"\n'
ENDLESS = 10**400
PINT: pint.UnitRegistry[float] = pint.UnitRegistry()


def load(text: str = "", *overrides: str) -> Scenario:
    return parse_scenario(MINIMAL + text, "my.toml", overrides)


def errors(text: str = "", *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load(text, *overrides)
    assert str(caught.value) == "\n".join(map(str, caught.value.issues))
    return [str(issue) for issue in caught.value.issues]


def parse(hint: Any, value: object) -> Any:
    return TypeAdapter(hint).validate_python(value)


# Units


@pytest.mark.parametrize(
    ("hint", "written", "si"),
    [
        (units.Hertz, "10 MHz", 10e6),
        (units.Hertz, "0.5 GHz", 0.5e9),
        (units.Hertz, "0.5 Gcycle/s", 0.5e9),  # a cycle is one, not 2 pi
        (units.PerSecond, "120 tasks/min", 2.0),
        (units.Seconds, "100 ms", 0.1),
        (units.Seconds, "3 µs", 3e-6),
        (units.Metres, "0.15 km", 150.0),
        (units.MetresPerSecond, "36 km/h", 10.0),
        (units.Watts, "100 mW", 0.1),
        (units.Watts, "1e-11 mW", 1e-14),
        (units.Watts, "30 dBm", 1.0),
        (units.Watts, "0 dBW", 1.0),
        (units.Joules, "1 kWh", 3.6e6),
        (units.Bits, "0.6 Mbit", 0.6e6),
        (units.Bits, "1 MB", 8e6),
        (units.Bits, "1 KiB", 8192.0),
        (units.CyclesPerBit, "800 cycles/B", 100.0),
        (units.GramsPerJoule, "360 g/kWh", 1e-4),
        (units.GramsPerJoule, "0.36 kgCO2/kWh", 1e-4),
        (units.PowerRatio, "20 dB", 100.0),
        (units.PowerRatio, "-30 dB", 1e-3),
        (units.PowerRatio, 2, 2.0),
        (units.Metres, 3, 3.0),
        (units.Metres, "1_000 m", 1000.0),
    ],
)
def test_a_quantity_is_the_si_number_exactly(hint: Any, written: object, si: float) -> None:
    assert parse(hint, written) == si


@pytest.mark.parametrize(
    ("hint", "si", "text"),
    [
        (units.Hertz, 5e6, "5 MHz"),
        (units.Hertz, 1500.0, "1.5 kHz"),
        (units.Hertz, 999.0, "999 Hz"),
        (units.Seconds, 0.1, "100 ms"),
        (units.Watts, 1e-4, "100 uW"),
        (units.Metres, 1000.0, "1 km"),
        (units.GramsPerJoule, 1e-4, "360 g/kWh"),
    ],
)
def test_quantities_are_written_with_one_to_three_digits(hint: Any, si: float, text: str) -> None:
    assert hint.__metadata__[0].write(si) == text


def test_levels_in_decibels_match_published_values() -> None:
    assert parse(units.Watts, "23 dBm") == pytest.approx(0.19952623149688797, rel=1e-15)
    noise = parse(units.NoiseLevel, "-174 dBm/Hz")
    assert noise.per_hertz
    assert noise.level == pytest.approx(3.9810717055349725e-21, rel=1e-15)
    # The thermal noise of 10 MHz is the -104 dBm of every link budget.
    assert 10 * math.log10(noise.power_w(10e6) / 1e-3) == pytest.approx(-104)
    total = parse(units.NoiseLevel, "1e-11 mW")
    assert total.power_w(10e6) == total.power_w(5e6) == 1e-14


@given(st.floats(0, 1e12, allow_subnormal=False), st.sampled_from(["n", "µ", "m", "", "k", "M"]))
def test_conversion_is_correctly_rounded(amount: float, prefix: str) -> None:
    factor = {"n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6}[prefix]
    exact = Fraction(str(amount)) * Fraction(10) ** factor
    assert parse(units.Joules, f"{amount!r} {prefix}J") == float(exact)


@pytest.mark.parametrize(
    ("hint", "unit", "si"),
    [
        *((units.Seconds, unit, "s") for unit in ("ms", "us", "min", "h", "d", "week")),
        *((units.Seconds, unit, "s") for unit in ("yr", "years", "sec", "hr", "hours")),
        *((units.Metres, unit, "m") for unit in ("cm", "km", "mm")),
        *((units.MetresPerSecond, unit, "m/s") for unit in ("km/h", "m/min")),
        *((units.Watts, unit, "W") for unit in ("fW", "pW", "nW", "mW", "kW", "J/s")),
        *((units.Joules, unit, "J") for unit in ("mJ", "Wh", "mWh", "kWh", "W*s")),
        *((units.Bits, unit, "bit") for unit in ("kbit", "Mbit", "B", "kB", "MB", "MiB")),
        *((units.GramsPerJoule, unit, "g/J") for unit in ("g/kWh", "kg/MWh", "mg/J")),
    ],
)
def test_units_agree_with_those_of_pint(hint: Any, unit: str, si: str) -> None:
    theirs = PINT.Quantity(7.5, unit).to(si).magnitude
    assert parse(hint, f"7.5 {unit}") == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("unit", [unit for unit in units._KNOWN if unit])
def test_known_units_are_those_of_pint_to_the_last_digit(unit: str) -> None:
    for kind in units._KINDS:
        assert units._factor(unit, kind.unit) == units._factor_of_pint(unit, kind.unit)


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        (units.Metres, "10 MHz", "not a length"),
        (units.Hertz, "5 Mbit/s", "not a frequency"),  # bits are not mere numbers
        (units.Bits, "10 Hz", "not an amount of data"),
        (units.Watts, "3 dB", "not a power"),
        (units.PowerRatio, "3 dBm", "not a ratio of powers"),
        (units.Metres, "10", "no unit"),
        (units.Metres, "ten metres", "not a length"),
        (units.Metres, "", "not a length"),
        (units.Metres, True, "not a length"),
        (units.Metres, [1], "not a length"),
        (units.Metres, None, "not a length"),
        (units.Hertz, "10 Mhz", "unknown unit 'Mhz', did you mean 'MHz'"),
        (units.Bits, "10 Mb", "unknown unit 'Mb', did you mean"),
        (
            units.Seconds,
            "3 months",
            "unknown unit 'months'; known are s, ms, us, µs, ns, min, h, d, yr",
        ),
        (units.Seconds, "1 s**9", "unknown unit"),
        (units.Metres, "-1 m", "greater than or equal to 0"),
        (units.Metres, math.nan, "not finite"),
        (units.Metres, math.inf, "not finite"),
        (units.Metres, ENDLESS, "not finite"),
        (units.Metres, "1e999 m", "not finite"),
        (units.Metres, "1e99999999999 m", "not finite"),
        (units.Watts, "1e99999999999 dBm", "not finite"),
        (units.NoiseLevel, 0, "not positive"),
        (units.NoiseLevel, "3 MHz", "not a power"),
        # A thousandth of what is counted is a slip of the finger.
        (units.Bits, "600 mbit", "unknown unit 'mbit', did you mean 'Mbit'"),
        (units.Hertz, "10 mHz", "unknown unit 'mHz', did you mean 'MHz'"),
        (units.BitsPerSecond, "1 mbps", "unknown unit 'mbps', did you mean 'Mbps'"),
        (units.BitsPerSecond, "1 mbit/s", "unknown unit 'mbit/s', did you mean 'Mbit/s'"),
        (units.Cycles, "1000 mcycles", "unknown unit 'mcycles', did you mean 'Mcycles'"),
        # No advice that changes the meaning: a b may be a bit or a byte, an m milli or mega.
        (units.Bits, "1 mb", "unknown unit 'mb', did you mean 'Mbit' or 'MB'"),
        (units.BitsPerSecond, "1 MBps", "unknown unit 'MBps', did you mean 'Mbit/s' or 'MB/s'"),
        (units.Watts, "100 mw", "unknown unit 'mw', did you mean 'mW' or 'MW'"),
        (units.NoiseLevel, "-114 dbm/MHz", "unknown unit 'dbm/MHz', did you mean 'dBm/MHz'"),
        (units.NoiseLevel, "-114 dBm/THz", "unknown unit 'dBm/THz'"),
    ],
)
def test_what_is_no_such_quantity_is_refused(hint: Any, value: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(hint, value)
    assert problem in caught.value.errors()[0]["msg"]


def test_noise_per_bandwidth_may_be_in_any_bandwidth() -> None:
    """-174 dBm/Hz are -114 dBm/MHz and -144 dBm/kHz."""
    for text in ("-114 dBm/MHz", "-144 dBm/kHz", "-204 dBW/Hz", "-144 dBW/MHz"):
        noise = parse(units.NoiseLevel, text)
        assert noise.per_hertz
        assert noise.level == pytest.approx(10.0**-20.4, rel=1e-14)
    assert parse(units.NoiseLevel, "4e-12 mW/MHz").level == pytest.approx(4e-21)


@pytest.mark.parametrize(
    ("key", "number", "meant", "si"),
    [
        ("carbon.intensity", 182, "182 g/kWh", "182 g/J"),
        ("carbon.mbs", 0.182, "0.182 kg/kWh", "0.182 g/J"),
        ("carbon.sbs", 182, "182 g/kWh", "182 g/J"),
        ("devices.power_max", 100, "100 mW", "100 W"),
        ("devices.power_max", 23, "23 dBm", "23 W"),
        ("devices.cpu", 0.5, "0.5 GHz", "0.5 Hz"),
        ("devices.cpu_min", 0.5, "0.5 GHz", "0.5 Hz"),
        ("stations.mbs.bandwidth", 10, "10 MHz", "10 Hz"),
        ("stations.mbs.cpu", 50, "50 GHz", "50 Hz"),
        ("stations.sbs.bandwidth", 5, "5 MHz", "5 Hz"),
        ("stations.sbs.cpu", 10, "10 GHz", "10 Hz"),
        ("twin.deviation.device_cpu.noise", 50, "50 MHz", "50 Hz"),
        ("twin.deviation.device_cpu.bias", -50, "-50 MHz", "-50 Hz"),
        ("limits.rate_min", 1, "1 Mbps", "1 bit/s"),
        ("backhaul.capacity", 1, "1 Mbps", "1 bit/s"),
        ("backhaul.report", 0.6, "0.6 kbit", "0.6 bit"),
        ("tasks.buffer", 0.5, "0.5 Mbit", "0.5 bit"),
        ("tasks.cycles_per_bit", 1e12, "", "1000000000000 1/bit"),
        ("channel.noise", 1e-3, "0.001 nW", "0.001 W"),
        ("run.slot", 1e-12, "", "1e-12 s"),
        ("area.size", [1e9, 1e9], "1000000000 mm", "1000000000 m"),
    ],
)
def test_a_bare_number_that_no_network_has_is_asked_about(
    key: str, number: Any, meant: str, si: str
) -> None:
    [found, *_] = errors("", f"{key}={number}")
    assert f"key `{key}" in found
    assert f"without a unit this is {si}, which no network has" in found
    assert f'if it is meant, "{si}"' in found
    assert f'"{meant}"' in found or not meant


def test_what_is_meant_can_be_said_and_is_kept() -> None:
    """With its unit no value is asked about, and a trace's scenario has the unit, too."""
    scenario = load("", "carbon.intensity=182 g/J", "stations.mbs.bandwidth=10 Hz")
    assert scenario.carbon.intensity == 182.0
    assert scenario.stations.mbs.bandwidth == 10.0
    assert 'intensity = "182.0 g/J"' in scenario.to_toml()
    assert_round_trip(scenario)


# What a scenario says


def test_defaults_are_the_settings_of_paper_a() -> None:
    scenario = load()
    assert (scenario.run.slots, scenario.run.slot, scenario.run.replications) == (10_000, 0.1, 1)
    assert (scenario.devices.count, scenario.stations.sbs.count) == (20, 3)
    assert (scenario.devices.power_max, scenario.devices.cpu) == (0.1, 0.5e9)
    assert (scenario.stations.mbs.bandwidth, scenario.stations.mbs.cpu) == (10e6, 50e9)
    assert (scenario.stations.sbs.bandwidth, scenario.stations.sbs.cpu) == (5e6, 10e9)
    assert (scenario.channel.noise, scenario.channel.noise_model) == (units.Noise(1e-14), "total")
    assert scenario.tasks.cycles_per_bit == 100
    assert (scenario.energy.varsigma, scenario.energy.epsilon) == (1e-27, 0.1)
    assert scenario.carbon.intensity == pytest.approx(182 / 3.6e6)
    assert scenario.mbs_position == (250.0, 250.0)


def test_paper_a_as_shipped_is_paper_a_by_default() -> None:
    iiot = load_scenario("iiot_20dev").model_dump()
    assert iiot.pop("title") and iiot["tasks"].pop("mean") == "0.6 Mbit"
    default = load().model_dump()
    del default["title"]
    assert iiot == default


def test_keys_of_a_chosen_model_are_its_options() -> None:
    scenario = load(
        '[mobility]\nmodel = "random-waypoint"\nspeed = [1, 2]\n'
        '[channel]\nfading = "rician"\nk_factor = "6 dB"\n'
        '[tasks]\nmean = "0.6 Mbit"\n[policy]\nname = "mine:Mine"\noptions = 3\n'
    )
    assert scenario.mobility.options == {"speed": [1, 2]}
    assert scenario.channel.options == {"k_factor": "6 dB"}
    assert scenario.tasks.options == {"mean": "0.6 Mbit"}
    assert scenario.policy.options == {"options": 3}
    assert scenario.association.options == {}


def test_alternative_forms() -> None:
    scenario = load(
        "[area]\nrectangle = { south = 0, west = 0, north = 0.01, east = 0.01 }\n"
        "[devices]\npositions = [[1, 2], ['0.3 km', 4]]\npower_max = ['23 dBm', 0.1]\n"
        "[stations.sbs]\npositions = { file = 'sites.csv' }\n"
        "[carbon]\nintensity = { file = 'grid.csv', start = '2020-06-01T00:00' }\n"
        "mbs = '360 g/kWh'\nsbs = [1e-4, { file = 'b.csv', start = 2020-06-01T02:00:00+02:00 }]\n"
        "[twin]\nsync = 'periodic'\ndevice.latency = { uniform = ['1 ms', '3 ms'] }\n"
        "station.latency = { exponential = '5 ms' }\nstation.loss = 0.1\npredict = ['location']\n"
    )
    # One degree of a great circle of the mean Earth is 111.195 km.
    assert scenario.area.size == pytest.approx((1111.95, 1111.95), rel=1e-5)
    assert scenario.devices.count == 2
    assert scenario.devices.positions == ((1.0, 2.0), (300.0, 4.0))
    assert scenario.devices.power_max == pytest.approx((0.19953, 0.1), rel=1e-4)
    assert scenario.stations.sbs.count is None
    assert scenario.stations.sbs.positions == File(file="sites.csv")
    midnight = datetime(2020, 6, 1)
    assert scenario.carbon.intensity == CarbonFile(file="grid.csv", start=midnight)
    assert scenario.carbon.mbs == pytest.approx(1e-4)
    assert scenario.carbon.sbs == (
        1e-4,
        CarbonFile(file="b.csv", start=midnight.replace(tzinfo=UTC)),
    )
    assert scenario.twin.device.latency == UniformLatency(uniform=(0.001, 0.003))
    assert scenario.twin.station.latency == ExponentialLatency(exponential=0.005)
    assert load("[twin]\nsync = 'periodic'\ndevice.latency = '2 ms'").twin.device.latency == 0.002


# Errors


def test_all_errors_come_at_once_each_with_file_key_value_and_what_is_allowed() -> None:
    found = errors(
        "[run]\nslotss = 5\nproblem = 'drift-plus-penlty'\nslots = 0\nreplications = true\n"
        "[area]\nsize = ['500 m']\n"
        "[stations.mbs]\ncoverage = '1 km'\n"
        "[channel]\npath_loss_exponent = '4'\nnoise_model = 'none'\n"
        "[twin]\ndevice.loss = 1.5\n"
        "[trce]\nlevel = 'full'\n"
    )
    assert found == [
        (
            'my.toml: key `run.problem` = "drift-plus-penlty": not a value that it may have; '
            'allowed: "drift-plus-penalty" or "worst-case-emission"; '
            "did you mean `drift-plus-penalty`?"
        ),
        "my.toml: key `run.slots` = 0: too small; allowed: a whole number, >= 1, <= 1_000_000_000",
        (
            "my.toml: key `run.replications` = true: not a whole number; "
            "allowed: a whole number, >= 1, <= 100_000"
        ),
        (
            "my.toml: key `run.slotss` = 5: unknown key; "
            "allowed: problem, slots, slot, seed, replications; did you mean `slots`?"
        ),
        (
            "my.toml: key `area.size[1]`: missing; "
            'allowed: a length such as "150 m", or a number of m, > 0'
        ),
        (
            'my.toml: key `stations.mbs.coverage` = "1 km": unknown key; '
            "allowed: bandwidth, cpu, position, height, failures, power; did you mean `stations.sbs.coverage`?"
        ),
        (
            'my.toml: key `channel.path_loss_exponent` = "4": not a number; '
            "allowed: a number, >= 0, <= 10"
        ),
        (
            'my.toml: key `channel.noise_model` = "none": not a value that it may have; '
            'allowed: "total" or "density"'
        ),
        "my.toml: key `twin.device.loss` = 1.5: too large; allowed: a number, >= 0, <= 1",
        (
            'my.toml: key `trce` = {level = "full"}: unknown key; allowed: title, run, area, devices, '
            "mobility, association, stations, topology, backhaul, channel, tasks, energy, limits, carbon, "
            "sci, twin, policy, trace; "
            "did you mean `trace`?"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("[area]\nsize = [0, 1]", "area.size[0]", "too small"),
        ("[area]\nrectangle = {south=1, west=0, north=1, east=1}", "area.rectangle.north", "north"),
        (
            "[area]\nsize = [1, 2]\nrectangle = {south=0, west=0, north=1, east=1}",
            "area.size",
            "not the size of",
        ),
        ("[devices]\ncpu = ['1 GHz', 2e9]", "devices.cpu", "2 values for 20 devices"),
        ("[devices]\ncpu = 0", "devices.cpu", "too small"),
        ("[devices]\ncount = 3\npositions = [[1, 2]]", "devices.count", "more than the 1 position"),
        ("[devices]\npositions = []", "devices.positions", "empty"),
        ("[devices]\npositions = [[1, 501]]", "devices.positions", "outside of the area"),
        ("[devices]\nbattery = {}", "devices.battery.capacity", "missing"),
        ("[devices]\nbattery = {capacity = 1, initial = 2}", "devices.battery.initial", "large"),
        ("[stations.mbs]\nposition = [9, 600]", "stations.mbs.position", "outside of the area"),
        ("[stations.sbs]\nradius = '1 km'", "stations.sbs.radius", "outside of the area"),
        ("[carbon]\nsbs = [1e-4, 2e-4]", "carbon.sbs", "2 values for 3 SBSs"),
        ("[carbon]\nintensity = {file = 'x'}", "carbon.intensity.start", "missing"),
        (
            "[carbon]\nintensity = {file = 'x', start = 2020-06-01T00:00:00, strat = 1}",
            "carbon.intensity.strat",
            "did you mean `start`",
        ),
        ("[twin]\ndevice.loss = 0.1", "twin.device", "no effect"),
        ("[twin]\npredict = ['energy', 'energy']", "twin.predict", "twice"),
        ("[twin]\ndevice.latency = {uniform = [2, 1]}", "twin.device.latency.uniform", "less than"),
        ("[policy]\nV = nan", "policy.V", "not finite"),
        ("[policy]\nname = 3", "policy.name", "not text"),
        ("[run]\nslots = 1.5", "run.slots", "not a whole number"),
        ("[run]\nslots = 10_000_000_000", "run.slots", "too large"),
        (f"[run]\nseed = {ENDLESS}", "run.seed", "large"),
        ("run = 3", "run", "not a table"),
        ("[stations]\nmbs = []", "stations.mbs", "not a table"),
        ("[area]\nsize = 3", "area.size", "not a list; allowed: [a, b]"),
        ("[area]\nsize = [1, 2, 3]", "area.size", "too many values"),
        ("[twin]\npredict = 3", "twin.predict", "not a list; allowed: a list"),
        ("[devices]\npositions = {file = ''}", "devices.positions.file", "empty; allowed: text"),
    ],
)
def test_each_error_names_its_key(text: str, key: str, what: str) -> None:
    [found] = errors(text)
    assert found.startswith(f"my.toml: key `{key}`")
    assert what in found


def test_a_key_is_looked_for_in_other_sections_but_not_guessed_among_them() -> None:
    """Three sections have a `cpu`: which of them is meant nobody knows."""
    keys = "problem, slots, slot, seed, replications"
    assert errors("[run]\ncpu = 1") == [f"my.toml: key `run.cpu` = 1: unknown key; allowed: {keys}"]
    [found] = errors("[run]\nfibre_index = 1")
    assert found.endswith("did you mean `topology.fibre_index`?")


@pytest.mark.parametrize(
    ("inner", "outer", "said"),
    [
        (Field(ge=1, le=5), Field(ge=2, le=9), ">= 2, <= 5"),
        (Field(ge=2, le=9), Field(ge=1, le=5), ">= 2, <= 5"),
        (Field(gt=1, le=5), Field(ge=1, lt=5), "> 1, < 5"),
        (Field(ge=1, lt=5), Field(gt=1, le=5), "> 1, < 5"),
        (Field(ge=0, lt=5), Field(gt=-1, le=4), ">= 0, <= 4"),
    ],
)
def test_of_two_bounds_on_a_side_the_narrower_is_told(inner: Any, outer: Any, said: str) -> None:
    assert describe(Annotated[Annotated[int, inner], outer]) == f"a whole number, {said}"


def test_a_missing_title_is_missing() -> None:
    with pytest.raises(ScenarioError, match=r"^my\.toml: key `title`: missing; allowed: text"):
        parse_scenario("", "my.toml")


def test_a_syntax_error_names_its_line() -> None:
    [found] = errors("[run]\nslots == 3\n")
    assert found.startswith("my.toml: not valid TOML") and "line 3" in found


def test_sizes_may_be_written_in_short() -> None:
    assert load("[run]\nslots = 1e4").run.slots == 10_000


# Overrides


def test_overrides_are_toml_or_else_text() -> None:
    scenario = load(
        "[carbon]\nintensity = { file = 'grid.csv', start = '2020-06-01T00:00' }\n",
        "stations.sbs.count=5",
        "run.slot = 10 ms",
        'devices.power_max="23 dBm"',
        "area.size=[100, '0.2 km']",
        "stations.sbs.radius=50",
        "carbon.intensity=0.001",
        "policy.name=mine:Mine",
        "policy.name=local",
        "twin={sync='periodic'}",
        "twin.station.loss=0.5",
    )
    assert scenario.stations.sbs.count == 5
    assert scenario.run.slot == 0.01
    assert scenario.devices.power_max == pytest.approx(0.19953, rel=1e-4)
    assert scenario.area.size == (100, 200)
    assert scenario.carbon.intensity == 0.001
    assert scenario.policy.name == "local"
    assert scenario.twin.station.loss == 0.5


def test_an_error_in_an_override_is_blamed_on_it() -> None:
    found = errors("[run]\nslots = -1\n", "run.seed=-1", "stations.sbs.cuont=5")
    assert [line.partition(":")[0] for line in found] == ["my.toml", "--set", "--set"]
    assert found[2].endswith("did you mean `count`?")


@pytest.mark.parametrize("override", ["run.slots", "=3", "run..slots=3", "", "run.\nslots=3"])
def test_an_override_has_a_key_and_a_value(override: str) -> None:
    [found] = errors("", override)
    assert found.startswith("--set: ") and "KEY=VALUE" in found


def test_an_override_cannot_go_through_a_value() -> None:
    [found] = errors("[devices]\npositions = 'uniform'", "devices.positions.file=a.csv")
    assert found.startswith('--set: key `devices.positions.file`: `devices.positions` is "uniform"')


def test_an_override_cannot_smuggle_other_keys_in() -> None:
    [found] = errors("", "run.slots=3\n[policy]\nV=1")
    assert "run.slots" in found and "not a whole number" in found


def test_another_policy_does_not_inherit_options() -> None:
    text = MINIMAL + "[policy]\nname = 'a'\nV = 3\noptimise = ['radio']\n"
    other = parse_scenario(text, "my.toml", ["policy.depth=2"], policy="b").policy
    assert (other.name, other.V, other.options) == ("b", 3, {"depth": 2})
    same = parse_scenario(text, "my.toml", policy="a").policy
    assert (same.name, same.options) == ("a", {"optimise": ["radio"]})
    assert parse_scenario(MINIMAL, "my.toml", policy="b").policy.name == "b"
    with pytest.raises(ScenarioError, match="`policy` = 3: not a table"):
        parse_scenario(MINIMAL + "policy = 3", "my.toml", policy="b")


# Files


def test_shipped_scenarios_are_valid_and_found_by_name() -> None:
    names = {scenario.name for scenario in shipped()}
    assert names >= {"iiot_20dev", "melbourne_cbd"}
    for name, title, path in shipped():
        assert load_scenario(path).title == title
        assert load_scenario(name).to_toml() == load_scenario(path).to_toml()
        # A path that leads nowhere falls back on what is shipped under its last name.
        assert load_scenario(f"scenarios/nowhere/{name}.toml").title == title


def test_an_unknown_name_lists_what_is_shipped(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("iiot_20devs")
    assert str(caught.value).startswith(
        "iiot_20devs: no such file or folder; allowed: a scenario file, or"
    )
    assert "melbourne_cbd" in str(caught.value)
    assert str(caught.value).endswith("did you mean `iiot_20dev`?")
    with pytest.raises(ScenarioError, match="is a folder"):
        load_scenario(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load_scenario(tmp_path / "binary.toml")


def test_a_users_file_comes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("iiot_20dev.toml").write_text("title = 'my own'", encoding="utf-8")
    assert load_scenario("iiot_20dev.toml").title == "my own"


def test_a_data_file_is_looked_up_beside_the_scenario_then_in_the_data_folder(
    tmp_path: Path,
) -> None:
    here, data = tmp_path / "here", tmp_path / "data"
    here.mkdir()
    data.mkdir()
    (here / "my.toml").write_text(MINIMAL, encoding="utf-8")
    scenario = load_scenario(here / "my.toml", data_dir=data)
    with pytest.raises(ScenarioError) as caught:
        data_file(scenario, "grid.csv", "carbon.intensity.file")
    [issue] = caught.value.issues
    assert issue.key == "carbon.intensity.file" and issue.value == '"grid.csv"'
    assert f"looked for {here / 'grid.csv'}, {data / 'grid.csv'}" in str(issue)
    (data / "grid.csv").touch()
    assert data_file(scenario, "grid.csv", "") == data / "grid.csv"
    (here / "grid.csv").touch()
    assert data_file(scenario, "grid.csv", "") == here / "grid.csv"


RECTANGLE = Rectangle(south=-37.82, west=144.95, north=-37.81, east=144.97)


def test_positions_are_projected_and_those_outside_left_out(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(
        'ID,LONGITUDE,Name,latitude\n1,144.95,"a, b",-37.82\n2,144.96,c,-37.8100001\n'
        "3,144.98,d,-37.815\n4,144.97,e,-37.815\n",
        encoding="utf-8",
    )
    metres = read_positions(path, RECTANGLE)
    assert metres.shape == (3, 2)
    assert metres[0] == pytest.approx([0, 0])
    # Great-circle distances by the haversine formula: the projection is good to 0.1 % here.
    for (x, y), (lat, lon) in zip(metres[1:], [(-37.81, 144.96), (-37.815, 144.97)], strict=True):
        assert math.hypot(x, y) == pytest.approx(haversine(-37.82, 144.95, lat, lon), rel=1e-3)
    (tmp_path / "none.csv").write_text("latitude,longitude\n", encoding="utf-8")
    assert read_positions(tmp_path / "none.csv", RECTANGLE).shape == (0, 2)


def haversine(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    a, b, c, d = map(math.radians, (lat1, lon1, lat2, lon2))
    h = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def test_malformed_coordinates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("latitude,longitude\n91,0\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match='row 2, column latitude: "91" is not an angle within'):
        read_positions(path, RECTANGLE)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_positions(tmp_path, RECTANGLE)


# Round trips and fuzz


def assert_round_trip(scenario: Scenario) -> None:
    again = parse_scenario(scenario.to_toml(), "trace")
    assert again.model_dump() == scenario.model_dump()
    assert again.to_toml() == scenario.to_toml()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[channel]\nnoise = '-174 dBm/Hz'\ncoherence = '30 ms'\nk_factor = '6 dB'",
        "[area]\nrectangle = { south = -37.815, west = 144.957, north = -37.8105, east = 144.9627 }",
        (
            "[devices]\npositions = [[1, 2], [0.1, 4]]\npower_max = ['23 dBm', 0.1]\n"
            "battery = {capacity = '1 kWh', harvest = '1 W'}"
        ),
        "[carbon]\nsbs = ['1 g/J', '182 g/kWh', { file = 'b.csv', start = 2020-06-01T02:00:00.5Z }]",
        (
            "[twin]\nsync = 'periodic'\ndevice.latency = { uniform = ['1 ms', '3 ms'] }\n"
            "station.latency = { exponential = '5 ms' }\npredict = ['location', 'energy']"
        ),
        "[policy]\nname = 'mine:Mine'\nlayers = [64, 32]\nnested = { a = 1, b = [true, 'x'] }",
    ],
)
def test_the_resolved_scenario_reads_back_exactly(text: str) -> None:
    assert_round_trip(load(text))


def test_shipped_scenarios_read_back_exactly() -> None:
    for scenario in shipped():
        assert_round_trip(load_scenario(scenario.path))


MONSTROUS: list[Any] = [
    "1e99999999999999999999 m",
    "1 " + "*".join(["Hz"] * 2000),
    "1" + " " * 60_000 + "m",
    "9999-12-31T23:59:59-12:00",
    "1e150 m/s",
    1e150,
    1e30,
    "json:loads",
]
TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.datetimes()
    | st.sampled_from(["1 m", "23 dBm", "-174 dBm/Hz", "182 g/kWh", "3 furlong", "uniform", "<x>"])
    | st.sampled_from(MONSTROUS)
    | st.sampled_from([0, 1, 3, -1, ENDLESS, 1e308, 5e-324, [[1, 2]], {"file": "x"}]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abfile.<>", max_size=4), inner)
    ),
    max_leaves=4,
)
BASES = [tomllib.loads(scenario.path.read_text(encoding="utf-8")) for scenario in shipped()]
SECTIONS = [table for base in BASES for table in base.values() if isinstance(table, dict)]
KEYS = sorted({key for table in SECTIONS for key in table} | {"latency", "device", "uniform", "x"})


def mutated(data: st.DataObject) -> dict[str, Any]:
    """A shipped scenario with up to three keys removed, changed or added anywhere."""
    table: dict[str, Any] = copy.deepcopy(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = table
        while data.draw(st.booleans()):
            inner = [value for value in at.values() if isinstance(value, dict)]
            if not inner:
                break
            at = data.draw(st.sampled_from(inner))
        key = data.draw(st.sampled_from([*at, *KEYS]))
        if key in at and data.draw(st.integers(0, 4)) == 0:
            del at[key]
        else:
            # Sampled values are the same objects each time: what is changed in one stays so.
            at[key] = copy.deepcopy(data.draw(TOML_VALUES))
    return table


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mutated_scenario_is_a_scenario_or_a_scenario_error(data: st.DataObject) -> None:
    table = mutated(data)
    try:
        scenario = parse_scenario(tomli_w.dumps(table), "fuzz")
    except ScenarioError as error:
        assert error.issues and all(str(issue).strip() for issue in error.issues)
    else:
        assert math.isfinite(scenario.run.slot * scenario.run.slots)
        # Through text, where nan equals nan.
        assert parse_scenario(scenario.to_toml(), "again").to_toml() == scenario.to_toml()


@settings(max_examples=80)
@given(
    st.text(max_size=30), st.text(max_size=30), st.text("0123456789[]{}=.\"'\\\n x", max_size=30)
)
def test_any_text_is_a_scenario_or_a_scenario_error(text: str, key: str, value: str) -> None:
    for overrides in ([], [f"{key}={value}"], [f"run.slot={value}"], [f"area.{key}={value}"]):
        try:
            parse_scenario(MINIMAL + text, "fuzz", overrides)
        except ScenarioError as error:
            assert error.issues


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000, "x = 0x" + "f" * 9000])
def test_monstrous_values_are_refused(text: str) -> None:
    assert len(errors(text)) == 1


# Components


@dataclass
class Bursty:
    """A model as a user writes one."""

    mean: units.Bits
    gap: units.Seconds = 0.5
    size: tuple[units.Metres, units.Metres] = (1.0, 2.0)
    shape: Literal["on-off", "ramp"] = "on-off"
    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    layers: list[int] | None = None
    bits: dict[str, units.Bits] | None = None
    exact: bool = False
    file: Path | None = None

    def __post_init__(self) -> None:
        if self.gap > self.mean:
            raise ValueError("gap and mean do not fit together")


class Plain:
    def __init__(self, copy, *, model_config=3) -> None:  # type: ignore[no-untyped-def]
        self.given = (copy, model_config)


class Bare:
    pass


def test_a_component_is_made_from_its_keys() -> None:
    made = configure(
        Bursty,
        {
            "mean": "0.6 Mbit",
            "size": [3, "1 km"],
            "layers": [1, 2],
            "bits": {"a": "1 kB"},
            "exact": True,
            "file": "a.csv",
        },
        "tasks",
    )
    assert made == Bursty(
        600_000.0,
        0.5,
        (3.0, 1000.0),
        layers=[1, 2],
        bits={"a": 8000.0},
        exact=True,
        file=Path("a.csv"),
    )
    found = configure(Bursty, {"mean": 1, "file": Path("found.csv")}, "tasks")
    assert found.file == Path("found.csv")
    assert configure(Plain, {"copy": [1]}, "policy").given == ([1], 3)
    assert isinstance(configure(Bare, {}, "policy"), Bare)


def test_wrong_keys_of_a_component_are_reported_together() -> None:
    with pytest.raises(ScenarioError) as caught:
        configure(
            Bursty,
            {
                "gapp": 1,
                "shape": "onoff",
                "factor": True,
                "cycles_per_bits": 1,
                "bits": {"a": "1 m"},
                "exact": 1,
            },
            "tasks",
            source="my.toml",
        )
    keys = "mean, gap, size, shape, factor, layers, bits, exact, file"
    assert [str(issue) for issue in caught.value.issues] == [
        (
            f"my.toml: key `tasks.gapp` = 1: unknown key for Bursty; allowed: {keys}; "
            "did you mean `gap`?"
        ),
        (
            f"my.toml: key `tasks.cycles_per_bits` = 1: unknown key for Bursty; allowed: {keys}; "
            "did you mean `cycles_per_bit`?"
        ),
        (
            'my.toml: key `tasks.mean`: missing; allowed: an amount of data such as "0.6 Mbit", '
            "or a number of bit, >= 0"
        ),
        (
            'my.toml: key `tasks.shape` = "onoff": not a value that it may have; '
            'allowed: "on-off" or "ramp"; did you mean `on-off`?'
        ),
        "my.toml: key `tasks.factor` = true: not a number; allowed: a number, > 0, <= 1",
        (
            'my.toml: key `tasks.bits.a` = "1 m": not an amount of data; '
            'allowed: an amount of data such as "0.6 Mbit", or a number of bit, >= 0'
        ),
        "my.toml: key `tasks.exact` = 1: neither true nor false; allowed: true or false",
    ]


def test_what_a_constructor_refuses_is_a_scenario_error() -> None:
    with pytest.raises(ScenarioError, match="key `tasks`: Bursty: gap and mean do not fit"):
        configure(Bursty, {"mean": 1, "gap": 2}, "tasks")


POLICY = "    def reset(self): ...\n    def decide(self): ...\n"
"""The verbs of a policy, in the file of a user's class."""


def named(name: str, *folders: Path, given: bool = False) -> Any:
    """The class that a scenario in these folders names as its policy, or, given, the caller."""
    keys = frozenset({"policy.name"} if given else ())
    return resolve(
        name, "policies", {"lyapunov": "a:B"}, source="my.toml", code=Code(folders, keys)
    )


def test_a_component_is_found_by_name_or_in_the_users_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve("ordered", "policies", {"ordered": "collections:OrderedDict"}).__name__ == (
        "OrderedDict"
    )
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, value in ((one, 1), (two, 2)):
        folder.mkdir()
        (folder / "neighbour.py").write_text(f"VALUE = {value}\n", encoding="utf-8")
        (folder / "json.py").write_text(
            "from dataclasses import dataclass\n"
            f"@dataclass\nclass Mine:\n    value: int = {value}\n{POLICY}",
            encoding="utf-8",
        )
    # A user's file wins over an installed module of its name, and each folder has its own.
    assert [named("json:Mine", folder)().value for folder in (one, two)] == [1, 2]
    assert named("json:Mine", one) is named("json:Mine", one, two)
    monkeypatch.chdir(two)
    assert named("json:Mine", one)().value == 1
    assert named("json:Mine", one, given=True)().value == 2
    path = list(sys.path)
    (two / "importer.py").write_text(f"import neighbour\nclass A:\n{POLICY}", encoding="utf-8")
    named("importer:A", given=True)
    assert sys.path == path
    monkeypatch.delitem(sys.modules, "neighbour")
    found = named("edgesim.policies.local:Local", given=True)
    assert found.__name__ == "Local"


def test_hints_of_a_users_class_are_read_in_its_own_module(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from edgesim.scenarios.units import Seconds\n"
        f"@dataclass\nclass Good:\n    gap: Seconds = 1.0\n{POLICY}"
        f"@dataclass\nclass Bad:\n    gap: Secnds = 1.0\n{POLICY}",
        encoding="utf-8",
    )
    assert configure(named("late:Good", tmp_path), {"gap": "3 ms"}, "policy").gap == 0.003
    with pytest.raises(ScenarioError, match=r"key `policy`: Bad's constructor has .* 'Secnds'"):
        configure(named("late:Bad", tmp_path), {}, "policy")


def test_a_component_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgesim.policies]\ngreedy = other_package:Greedy\n")
    (tmp_path / "other_package.py").write_text(f"class Greedy:\n{POLICY}")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("greedy", "policies", {}, code=Code(unseen=True)) is Unseen
    assert "other_package" not in sys.modules
    assert named("greedy").__name__ == "Greedy"
    with pytest.raises(ScenarioError, match=r"allowed: lyapunov, greedy, or .* mean `greedy`"):
        named("gredy")
    with pytest.raises(ScenarioError, match="not known"):
        resolve("greedy", "mobility", {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lypunov", "allowed: lyapunov, or .module:Class. of your own; did you mean `lyapunov`"),
        ("no.such.module:A", "no module `no.such.module`; allowed: .* no/such/module.py"),
        ("..:A", r'"\.\." is not the name of a module'),
        (":A", '"" is not the name of a module'),
        ("/tmp/broken:A", '"/tmp/broken" is not the name of a module'),
        ("../broken:A", '"../broken" is not the name of a module'),
        ("collections:counter", "collections has no class `counter`; did you mean `Counter`"),
        ("collections:namedtuple", "no class"),
        ("collections:Counter", "Counter cannot do this: it has no method `reset`; allowed: .*"),
        ("broken:A", "importing broken failed: ZeroDivisionError: .*broken.py, line 2"),
        ("unreadable:A", "importing unreadable failed: SyntaxError"),
    ],
)
def test_a_component_that_is_not_there(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.py").write_text("\n1 / 0\n", encoding="utf-8")
    (tmp_path / "unreadable.py").write_text("def\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=f"my.toml: key `policy.name` = .*{message}"):
        named(name, tmp_path, given=True)


# The rest


def test_the_reference_is_in_step_with_the_schema() -> None:
    for path, text in runpy.run_path(str(ROOT / "docs" / "reference.py"))["pages"]().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is out of date: python docs/reference.py"
        )


def test_a_mistake_is_told_of_where_it_was_made() -> None:
    """`run.slot` on the command line is not `run.slots` of the file; 2.5 devices are no whole number."""
    text = "[run]\nslots = 0\n[devices]\ncount = 2.5\n"
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "mine.toml", ["run.slot=-1"])
    told = {issue.key: (issue.source, issue.what) for issue in caught.value.issues}
    assert told["run.slots"] == ("mine.toml", "too small")
    assert told["run.slot"][0] == "--set"
    assert told["devices.count"] == ("mine.toml", "not a whole number")


PLAIN = 'title = "plain"\n[run]\nslots = 3\n'


@pytest.mark.parametrize("name", list(shipped_files()))
@pytest.mark.parametrize(
    "overrides",
    [
        {"run.slots": 7},
        {"devices.count": 4},
        {"policy.penalty": "carbon"},
        {"policy.name": "random"},
        {"carbon.intensity": 0.001},
        {"devices.positions": [[1.0, 2.0], [3.0, 4.0]]},
        {"stations.sbs.positions": [[1.0, 2.0], [3.0, 4.0]]},
    ],
    ids=lambda one: next(iter(one)),
)
def test_overrides_of_a_loaded_scenario_are_those_of_its_file(
    name: str, overrides: dict[str, Any]
) -> None:
    """Defaults that were not given give way, as they do where a file leaves them out."""

    def told(scenario: Any) -> str:
        try:
            return load_scenario(scenario, overrides).to_toml()
        except ScenarioError as error:
            return str([(issue.key, issue.what) for issue in error.issues])

    assert told(load_scenario(name)) == told(name)


def test_another_penalty_has_its_own_weight() -> None:
    """V is what it is if not given, also for what is loaded, has another policy, or comes from a trace."""
    carbon = {"policy.penalty": "carbon"}
    loaded = load_scenario(PLAIN)
    assert load_scenario(PLAIN, carbon).policy.V == 2e17
    assert load_scenario(loaded, carbon).policy.V == 2e17
    assert load_scenario(loaded.with_policy("local"), carbon).policy.V == 2e17
    assert load_scenario(load_scenario(PLAIN, {"policy.V": 3e13}), carbon).policy.V == 3e13


def test_what_was_run_can_be_run_again(tmp_path: Path) -> None:
    """A trace holds all defaults: those that would be refused beside a file are left out, and V is no one's gift."""
    (tmp_path / "w.csv").write_text("time_s,power_w\n0,10\n9,0\n")
    (tmp_path / "f.csv").write_text("time,g_per_kwh\n2025-01-01T00:00Z,100\n2025-01-01T09:00Z,0\n")
    sun = f'stations.mbs.power={{radio="pico", solar={{file="{tmp_path / "w.csv"}"}}}}'
    replay = (
        'carbon.forecast={replay={intensity="100 g/kWh"}, step="1 h", period="1 h", horizon="2 h"}'
    )
    for number, keys in enumerate(([sun], [replay], [])):
        scenario = load_scenario("iiot_20dev", ["run.slots=2", *keys])
        again = load_scenario(scenario.to_toml())
        assert again.to_toml() == scenario.to_toml()
        path = tmp_path / f"{number}.h5"
        run(scenario, path)
        run(path, tmp_path / "again.h5", data_dir=tmp_path)
    run(path, tmp_path / "carbon.h5", overrides={"policy.penalty": "carbon"})
    with open_trace(tmp_path / "carbon.h5") as trace:
        assert parse_scenario(trace.scenario, "x").policy.V == 2e17
