#!/usr/bin/env bash
# Guess: itur's total_attenuation_synthesis (ITU-R P.1853-1) gives a series in time whose parts have the statistics of
#        P.618 and P.836: a comment in it wants scintillation of unit variance, which it multiplies by P.618's sigma.
# Truth: the scintillation has a deviation of 0.041 / sqrt(samples + 200,000) instead of 1: the fade that P.618 exceeds
#        1 % of the time is 0.35 dB, of the series 0.0006 dB, and less the longer it is. With a cut-off of 0.01 Hz it
#        changes its sign each second. The water vapour is 0.7 of P.836's, which the same module fits well.
# itur 0.4.0, itur/models/itu1853.py: scintillation_attenuation_synthesis shifts half a spectrum, so that 0.25 to 0.5 Hz
# are left of it, and takes ifft's 1/N; integrated_water_vapour_synthesis has log10 where its fit has the natural one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    itur==0.4.0 numpy==2.4.6 scipy==1.17.1 astropy==8.0.2 pyproj==3.7.2
cd "$place"
cat > series.py <<'PYTHON'
from importlib.metadata import version

import numpy as np
from itur.models import itu618, itu836, itu1853

print("itur", version("itur"), "P.1853 version", itu1853.get_version())
np.random.seed(1)


def next_to_it(series):
    return np.corrcoef(series[1:], series[:-1])[0, 1]


deviation = {}
for samples in (200_000, 1_800_000):
    deviation[samples] = itu1853.scintillation_attenuation_synthesis(samples).value.std()
    whole = samples + 200_000
    scaled = deviation[samples] * whole**0.5
    print(f"{samples} samples: deviation {deviation[samples]:.2e}, times sqrt({whole}) {scaled:.4f}")
    assert 0.040 < scaled < 0.042
band = np.linspace(0.25, 0.5, 100_001)
kept = np.mean((band / 0.1) ** (-16 / 3)) ** 0.5
print(f"root mean square of (f / 0.1 Hz)^(-8/3) from 0.25 to 0.5 Hz: {kept:.4f}")
assert 2.2 < deviation[200_000] / deviation[1_800_000] < 2.3

slow = itu1853.scintillation_attenuation_synthesis(100_000, f_c=0.01).value
noise = np.fft.rfft(np.random.normal(size=100_000))
hertz = np.fft.rfftfreq(100_000, 1.0)
filtered = np.fft.irfft(noise * np.maximum(hertz / 0.01, 1.0) ** (-8 / 3))
print(f"cut off at 0.01 Hz, a sample with the next: {next_to_it(slow):.3f}; noise cut so {next_to_it(filtered):.3f}")
assert next_to_it(slow) < -0.99 and next_to_it(filtered) > 0.99

place = {"lat": 51.5, "lon": -0.14}
link = {**place, "f": 22.5, "el": 30.0, "p": 1.0, "D": 1.2}
sigma = itu618.scintillation_attenuation_sigma(**link).value
wanted = itu618.scintillation_attenuation(**link).value
parts = itu1853.total_attenuation_synthesis(**link, Ns=100_000, return_contributions=True)
fades = np.asarray(parts[3])
print(f"London, 22.5 GHz, 30 degrees, 1.2 m: P.618 sigma {sigma:.3f} dB, exceeded 1 % of the time {wanted:.3f} dB")
print(f"series of 100000 s: deviation {fades.std():.5f} dB, exceeded 1 % of the time {np.quantile(fades, 0.99):.5f} dB")
assert abs(wanted - 3 * sigma) < 0.002
assert np.quantile(fades, 0.99) < wanted / 300

noise = np.random.normal(size=200_000)
vapour = itu1853.integrated_water_vapour_synthesis(**place, Ns=noise.size, Ts=10**6, n=noise).value
for percent in (50, 10, 1):
    table = itu836.total_water_vapour_content(**place, p=percent).value
    made = np.quantile(vapour, 1 - percent / 100)
    share = made / table
    print(f"water vapour exceeded {percent} % of the time: P.836 {table:.1f}, series {made:.1f} kg/m2: {share:.2f}")
    assert 0.69 < share < 0.72
PYTHON
"$place/venv/bin/python" -W ignore series.py
