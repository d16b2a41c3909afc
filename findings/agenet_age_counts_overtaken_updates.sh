#!/usr/bin/env bash
# Guess: agenet's aaoi_fn(received, made) is the mean age of information at a receiver, of any network as its documents
#        say: the time since the freshest update that has come was made.
# Truth: the update that came last counts, even where it was overtaken by a fresher one, so the age jumps up: 24 ms and
#        not 13 ms where about 5 updates are on their way at a time. Nothing says so. Where updates keep their order it
#        is right; else leave out first those that were overtaken.
# agenet 1.0.0 (PyPI), agenet/aaoi.py, aaoi_fn.
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
from agenet import aaoi_fn
from scipy.integrate import quad

print("agenet", version("agenet"))


def mean_age(received, made):
    """The area under now - (when the freshest update that has come was made), by the time at which it ends."""
    area = now = fresh = 0.0
    for at, when in zip(received, made, strict=True):
        area += (at - now) * ((now - fresh) + (at - fresh)) / 2
        now, fresh = at, max(fresh, when)
    return area / now


received, made = np.array([2.0, 4, 5, 7]), np.array([1.0, 3, 2, 6])
has, should = aaoi_fn(received, made)[0], mean_age(received, made)
print(f"made at 1, 3, 2, 6 s, received at 2, 4, 5, 7 s: {has:.3f} s; by hand (2 + 4 + 1.5 + 6) / 7 = {should:.3f} s")
assert abs(should - 13.5 / 7) < 1e-9 and abs(has - 15.5 / 7) < 1e-3

random = np.random.default_rng(3)
made = np.cumsum(random.exponential(1 / 250, 4000))
received = made + random.exponential(0.02, 4000)
order = np.argsort(received)
received, made = received[order], made[order]
fresher = made > np.concatenate([[0.0], np.maximum.accumulate(made)[:-1]])
has, should = aaoi_fn(received, made)[0], mean_age(received, made)
without = aaoi_fn(received[fresher], made[fresher])[0]
# At a time, no update made in the last x seconds has come with probability exp(-250 * (integral of 1 - exp(-50 u))).
theory = quad(lambda x: math.exp(-250 * (x - (1 - math.exp(-50 * x)) / 50)), 0, 1)[0]
print(f"250 updates per s, 20 ms on their way in the mean, {100 * (1 - fresher.mean()):.0f} % of them overtaken:")
print(f"aaoi_fn {has * 1e3:.2f} ms; without those that were overtaken {without * 1e3:.2f} ms")
print(f"by its definition {should * 1e3:.2f} ms; in theory (M/M/inf) {theory * 1e3:.2f} ms")
assert abs(should / theory - 1) < 0.03 and abs(without / should - 1) < 0.03 and has > 1.8 * should
PYTHON
