#!/usr/bin/env bash
# Guess: pyMSER, the marginal standard error rule in a library, finds the same warm-up in ms, s and min; and its "uSE"
#        is a standard error that takes account of autocorrelation.
# Truth: squared errors below 1e-9, whatever their unit, count as the largest there is, so the same latencies lose their
#        whole warm-up in ms, a part of it in s, and none in min. And batches for "uSE" are half-lives long, not
#        independent: of an AR(1) of 0.9, mean +- 1.96 uSE holds the mean 3 times in 4, not 95 times in 100.
# pymser 1.0.22, pymser/pymser.py, MSERm_index, calc_autocorrelation_time and calc_equilibrated_average.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check pymser==1.0.22 torch==2.13.0 numpy==2.4.6 scipy==1.17.1 \
  statsmodels==0.15.0
OMP_NUM_THREADS=1 "$place/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pymser
from scipy.signal import lfilter

print("pymser", version("pymser"))


def ar1(seed, n):
    """A stationary AR(1) of mean 0 and coefficient 0.9."""
    steps = np.random.default_rng(seed).standard_normal(n)
    steps[0] /= np.sqrt(1 - 0.9**2)
    return lfilter([1.0], [1.0, -0.9], steps)


slots = np.arange(2000)
latency_ms = 5 + 0.2 * ar1(1, 2000) + 20 * np.exp(-slots / 50)
print("latencies of mean 5 ms, and a warm-up that decays by 1/e in 50 slots:")
left_out, mean_ms = {}, {}
for unit, scale in {"us": 1e3, "ms": 1, "s": 1e-3, "min": 1e-3 / 60}.items():
    found = pymser.equilibrate(scale * latency_ms, ADF_test=False, print_results=False)
    left_out[unit], mean_ms[unit] = int(found["t0"]), found["average"] / scale
    print(f"in {unit}: {left_out[unit]} slots left out, mean {mean_ms[unit]:.3f} ms")
assert left_out["us"] == left_out["ms"] > 100 > left_out["s"] > left_out["min"] == 0
assert abs(mean_ms["ms"] - 5) < 0.1 and mean_ms["s"] > 5.2 and mean_ms["min"] > 5.4

held, runs = 0, 100
for seed in range(runs):
    series = 10 + ar1(seed, 2000)
    time, _ = pymser.calc_autocorrelation_time(series)
    mean, error = pymser.calc_equilibrated_average(series, 0, "uSE", time)
    held += abs(mean - 10) < 1.96 * float(error)
print(f"an AR(1) of 0.9: mean +- 1.96 uSE holds the mean in {held} of {runs} runs")
assert 0.55 < held / runs < 0.88
PYTHON
