"""What no radio does is said by `validate` and `run`, in a line each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import edgesim
from edgesim.cli import main
from edgesim.experiments.radio_notes import radio_notes
from edgesim.experiments.run import prepare
from edgesim.scenarios.loading import parse_scenario

ONE = """
title = "one device, 100 m from the MBS"
[devices]
count = 1
positions = [["350 m", "250 m"]]
power_max = "100 mW"
[stations.sbs]
count = 0
[tasks]
mean = "0.6 Mbit"
[channel]
noise = "-100 dBm"
"""


def notes(*overrides: str) -> list[str]:
    return list(prepare(parse_scenario(ONE, "test", overrides)).blueprint.notes())


@pytest.mark.parametrize(
    ("gain_db", "said"),
    [(-50.0, []), (-40.0, ["13 bit"]), (-10.0, ["70 dB, radios have up to 60", "23 bit/s/Hz"])],
)
def test_snr_and_efficiency_by_hand(gain_db: float, said: list[str]) -> None:
    """At 100 m alpha = 2 loses 40 dB more: 20 dBm - 40 dB + gain + 100 dBm."""
    found = notes("channel.path_loss_exponent=2", f"channel.reference_gain={gain_db} dB")
    assert len(found) == len(said)
    for one, part in zip(found, said, strict=True):
        assert part in one
        assert one.endswith(": edgesim keys channel")
        assert len(one) < 90


def test_less_loss_than_free_space_is_said_where_a_carrier_is_stated() -> None:
    quiet = ("channel.noise=-50 dBm",)
    assert notes(*quiet) == []
    (said,) = notes(*quiet, "channel.carrier=3.5 GHz", 'devices.height="25 m"')
    # 40 log10 100 = 80 dB, and 20 log10(4 pi 100 / 0.0857) = 83.3.
    assert said == "a link of 100 m loses 80 dB, free space at 3.5 GHz 83: edgesim keys channel"
    # In space it is 141 m, where free space loses 3 dB more.
    (said,) = notes(*quiet, "channel.carrier=3.5 GHz", "stations.mbs.height=101.5 m")
    assert said.startswith("a link of 141 m loses 80 dB, free space at 3.5 GHz 86")
    assert notes(*quiet, "channel.carrier=0.7 GHz") == []
    # Right below an SBS of that height: 40 log10 5 = 28 dB, over 100 m.
    below = ("stations.sbs.count=1", "stations.sbs.radius=100 m", "stations.sbs.height=101.5 m")
    (said,) = notes("channel.noise=-30 dBm", "channel.carrier=3.5 GHz", *below)
    assert said.startswith("a link of 100 m loses 28 dB, free space at 3.5 GHz 83")


@pytest.mark.parametrize("name", ["3gpp-umi", "3gpp-uma"])
def test_3gpps_models_lose_more_than_free_space(name: str) -> None:
    own = (f"channel.path_loss={name}", "channel.carrier=3.5 GHz")
    assert not any("free space" in note for note in notes(*own))


def test_a_device_counts_at_the_station_that_covers_it() -> None:
    near = ("stations.sbs.count=1", "channel.path_loss_exponent=2", "channel.reference_gain=-50 dB")
    # On the spot of the SBS: min_distance, 26 dB closer than the MBS is.
    (said,) = notes(*near, "stations.sbs.radius=100 m")
    assert "18 bit/s/Hz" in said or "19 bit/s/Hz" in said
    assert (
        notes(*near, "stations.sbs.radius=100 m", "stations.sbs.positions=[[450.0, 450.0]]") == []
    )


def test_antennas_are_counted() -> None:
    single, eight = (
        prepare(edgesim.load_scenario("carbon_6ue", {"channel.antennas": count})).blueprint.notes()
        for count in (1, 8)
    )
    assert "13 bit" in eight[0]
    assert "10 bit" in single[0]


def test_somebody_elses_path_loss_is_asked_for_nothing_before_the_run() -> None:
    class Counts:
        def gain(self, distance_m: object) -> object:
            raise AssertionError("asked")

    plan = prepare(parse_scenario(ONE, "test", ["channel.noise=-150 dBm"])).blueprint
    assert radio_notes(plan) != []
    other: Any = Counts()
    assert radio_notes(replace(plan, path_loss=other)) == []


def test_validate_and_run_say_it(tmp_path: Path) -> None:
    trace = str(tmp_path / "t.h5")
    note = (
        "note: half of the devices reach over 16 bit/s/Hz, radios up to 10: edgesim keys channel\n"
    )
    validated = CliRunner().invoke(main, ["validate", "iiot_20dev"])
    assert validated.exit_code == 0
    assert validated.stdout.splitlines(keepends=True)[1:] == [note]
    ran = CliRunner().invoke(main, ["run", "iiot_20dev", "--slots", "2", "-o", trace, "--json"])
    assert ran.exit_code == 0
    assert note in ran.stderr and note not in ran.stdout


def test_who_shows_no_notes_does_not_pay_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(plan: object) -> list[str]:
        raise AssertionError("asked")

    monkeypatch.setattr("edgesim.experiments.run.radio_notes", refuse)
    trace = edgesim.run(ONE, tmp_path / "t.h5", slots=2, overrides={"policy.name": "local"})
    assert trace.status == "complete"
    edgesim.compare(ONE, ["local", "epr"], tmp_path / "runs", seeds=2, slots=2)
    with pytest.raises(AssertionError, match="asked"):
        prepare(parse_scenario(ONE, "test")).blueprint.notes()
