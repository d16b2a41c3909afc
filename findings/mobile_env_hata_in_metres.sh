#!/usr/bin/env bash
# Guess: the channel `OkumuraHata` of mobile-env, its only one, has Hata's path loss, whose distances are in km.
# Truth: it is given metres, so it loses 3 * (44.9 - 6.55 log10(50)) = 101.3 dB too much at any distance. A threshold of
#        2e-8 (-77 dB) gives cells their size all the same; but a user 60 m from 1 W in 9 MHz then has 0.4 bit/s, and
#        log2(1 + SNR) is a straight line: twice the power is twice the rate, 10 m from a station as at its cell's edge.
# mobile-env 2.1.0, mobile_env/core/channels.py (OkumuraHata.power_loss) and base.py (default_config); Hata, IEEE Trans.
# Veh. Technol. 29 (3), 1980, for small and medium cities.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check mobile-env==2.1.0 gymnasium==1.2.2 pygame==2.6.1 numpy==2.4.6
PYGAME_HIDE_SUPPORT_PROMPT=1 "$place/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version
from math import isclose, log10

from mobile_env.core.base import MComCore
from mobile_env.core.channels import OkumuraHata
from mobile_env.core.entities import BaseStation, UserEquipment


def hata_db(mhz, station_m, user_m, km):
    """Median loss in a small or medium city."""
    user_db = (1.1 * log10(mhz) - 0.7) * user_m - (1.56 * log10(mhz) - 0.8)
    slope_db = 44.9 - 6.55 * log10(station_m)
    return 69.55 + 26.16 * log10(mhz) - 13.82 * log10(station_m) - user_db + slope_db * log10(km)


print("mobile-env", version("mobile-env"), "with its default configuration")
config, channel, rates = MComCore.default_config(), OkumuraHata(), {}
for metres in (10, 60, 100):
    for more_db in (0, 10 * log10(2)):
        station = BaseStation(0, (0, 0), **config["bs"] | {"tx": config["bs"]["tx"] + more_db})
        user = UserEquipment(0, **config["ue"])
        user.x, user.y = metres, 0
        snr = channel.snr(station, user)
        rates[metres, more_db > 0] = channel.datarate(station, user, snr)
    found, hata = channel.power_loss(station, user), hata_db(2500, 50, 1.5, metres / 1000)
    one, two = rates[metres, False], rates[metres, True]
    print(f"{metres} m: {found:.1f} dB, Hata {hata:.1f} dB; rate {one:.3g} bit/s, with twice the power {two:.3g}")
    assert isclose(found - hata, 3 * (44.9 - 6.55 * log10(50)), abs_tol=1e-6)
assert 0.4 < rates[60, False] < 0.43 and rates[100, False] == 0
assert all(isclose(rates[m, True], 2 * rates[m, False], rel_tol=1e-3) for m in (10, 60))
PYTHON
