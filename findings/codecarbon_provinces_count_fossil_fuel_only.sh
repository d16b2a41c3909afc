#!/usr/bin/env bash
# Guess: CodeCarbon's g/kWh are of one kind in all places, CO2eq with what hydro, nuclear and wind have over their lives
#        (26, 29 and 26 g in its table): Quebec, at 3.9, is far greener than the Norwegian zone NO1, at 26.0.
# Truth: Canada's provinces count coal, oil and gas, and all else as 0, without a word; countries and Nordic zones count
#        all. By the same table, of which no mix is below 26, Quebec has 31 and Ontario, half nuclear, 93 and not 65.
#        So work moved from NO1 to Quebec saves 85 % by the tracker, and emits a fifth more by one and the same factors.
# codecarbon 3.3.2 (PyPI), core/emissions.py (_region_energy_mix_to_emissions_rate), which leaves the table of
# data/private_infra/carbon_intensity_per_source.json aside; its page on methods says that no mix is computed any more.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check codecarbon==3.3.2 numpy==2.4.6 pandas==3.1.1
venv/bin/python - <<'PYTHON' 2> log.txt || { cat log.txt; exit 1; }
import time
from importlib.metadata import version

from codecarbon import OfflineEmissionsTracker
from codecarbon.input import DataSource

KEYS = {"naturalGas": "natural_gas", "hydro": "hydroelectricity"}  # as the table of factors calls them
FOSSIL = ("coal", "petroleum", "naturalGas")
source = DataSource()
factors = source.get_carbon_intensity_per_source_data()
provinces = source.get_country_energy_mix_data("can")


def tracked(country, region=None):
    """Emission in g over energy in kWh, of a run of the tracker."""
    tracker = OfflineEmissionsTracker(
        country_iso_code=country, region=region, save_to_file=False, allow_multiple_runs=True, force_cpu_power=10
    )
    tracker.start()
    time.sleep(0.2)
    tracker.stop()
    data = tracker.final_emissions_data
    return 1000 * data.emissions / data.energy_consumed


def by_hand(province, counted=None):
    """Shares of the province times the factors of the package's table, in g/kWh."""
    mix = provinces[province]
    shares = {kind: share for kind, share in mix.items() if kind not in ("total", "other", "tidal")}
    return sum(
        share / mix["total"] * factors[KEYS.get(kind, kind)]
        for kind, share in shares.items()
        if counted is None or kind in counted
    )


print("codecarbon", version("codecarbon"), "g/kWh: of a tracked run, by hand of fossil fuel only, by hand of all")
for name in ("quebec", "manitoba", "newfoundland and labrador", "british columbia", "ontario", "alberta"):
    run, fossil, all_sources = tracked("CAN", name), by_hand(name, FOSSIL), by_hand(name)
    print(f"{name}: {run:.1f}, {fossil:.1f}, {all_sources:.1f}")
    assert provinces[name].get("other", 0) == provinces[name].get("tidal", 0) == 0
    assert abs(run - fossil) < 2e-3 * fossil
    assert all_sources > 1.01 * run
norway, iceland, quebec = tracked("NOR", "NO1"), tracked("ISL"), tracked("CAN", "quebec")
lowest = min(value for value in factors.values() if isinstance(value, (int, float)))
print(f"Norway's NO1: {norway:.1f}, Iceland: {iceland:.1f}; the lowest factor of the table: {lowest}")
moved, same = quebec / norway - 1, by_hand("quebec") / norway - 1
print(f"from NO1 to Quebec: {moved:+.0%} as tracked, {same:+.0%} by the same factors")
assert abs(norway - 26.0) < 1e-9 and lowest == 26 and iceland > 26
assert quebec < 4 and 31 < by_hand("quebec") < 31.5
assert -0.86 < moved < -0.84 and 0.19 < same < 0.21
PYTHON
