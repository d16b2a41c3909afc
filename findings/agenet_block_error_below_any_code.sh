#!/usr/bin/env bash
# Guess: agenet's block_error(snr, n, k) is the error of the best code of k bits in n symbols, by the normal
#        approximation of Polyanskiy, Poor and Verdu that its documents cite.
# Truth: it takes the capacity of complex symbols and the dispersion of real ones, half of what belongs to it: 2e-7
#        where the approximation has 1.7e-4, and where by Shannon's bound of 1959 no code can be below 1.1e-5. (Were the
#        symbols real, the capacity would be twice too large, and there were no such code at all.) With more bits than
#        the capacity it is 1, not from 1/2 on. Averaged over Rayleigh fading, as in its `sim`, little of this is seen.
# agenet 1.0.0 (PyPI), agenet/blkerr.py, block_error and _qfunc.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check --no-deps agenet==1.0.0 numpy==2.4.6 scipy==1.17.1 \
  pandas==2.3.3 python-dateutil==4.0.0 pytz==2026.6
OMP_NUM_THREADS=1 "$place/venv/bin/python" -W ignore - <<'PYTHON'
import math
from importlib.metadata import version

import numpy as np
from agenet import block_error, block_error_th
from scipy.optimize import brentq
from scipy.special import betainc
from scipy.stats import nct, norm

print("agenet", version("agenet"))


def normal(snr, n, k):
    """The normal approximation with n complex symbols: capacity and dispersion in bits, and bits squared, of each."""
    dispersion = (1 - 1 / (1 + snr) ** 2) * math.log2(math.e) ** 2
    return norm.sf((n * math.log2(1 + snr) - k) / math.sqrt(n * dispersion))


def shannon(snr, n, k):
    """No code of 2^k words of equal energy errs less often than noise leaves a cone of 2^-k of the sphere."""
    real = 2 * n
    angle = brentq(lambda a: betainc((real - 1) / 2, 0.5, math.sin(a) ** 2) / 2 - 2.0**-k, 1e-3, math.pi / 2)
    return nct.cdf(math.sqrt(real - 1) / math.tan(angle), real - 1, math.sqrt(real * snr))


print("snr, n, k: block_error; normal approximation; no code is below")
for snr, n, k in ((1, 400, 350), (1, 400, 320), (1, 200, 150), (3, 100, 150)):
    has, should, least = block_error(snr, n, k), normal(snr, n, k), shannon(snr, n, k)
    print(f"{snr}, {n}, {k}: {has:.2g}; {should:.2g}; {least:.2g}")
    assert has < 0.5 * least < least < should
    assert math.isclose(norm.isf(has), math.sqrt(2) * norm.isf(should), rel_tol=1e-6)
assert block_error(3, 100, 150) < 0.02 * shannon(3, 100, 150)

above = 0.9, 400, 380
print(f"more bits than the capacity, {above}: {block_error(*above)}; {normal(*above):.2f}; {shannon(*above):.2f}")
assert block_error(*above) == 1 and normal(*above) < 0.66

fades = -10 * np.log((np.arange(2000) + 0.5) / 2000)
faded = [np.mean([error(snr, 100, 70) for snr in fades]) for error in (block_error, normal)]
theory = block_error_th(10, 100, 70)
print(f"10, 100, 70 in Rayleigh fading: {faded[0]:.4f}; {faded[1]:.4f}; block_error_th {theory:.4f}")
assert abs(faded[0] / faded[1] - 1) < 0.1
PYTHON
