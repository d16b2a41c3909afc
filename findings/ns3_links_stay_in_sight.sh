#!/usr/bin/env bash
# Guess: in ns-3 a user who drives away from a base station loses its line of sight as 3GPP TR 38.901's probability says.
# Truth: the state of a link (ThreeGppUmaChannelConditionModel and its siblings) is drawn once, where the link is used
#        first, and kept: "UpdatePeriod" is 0. Of 100 users who start at 15 m all are in sight 2 km away, where TR
#        38.901 has 0.9 %; the loss is 32 dB too small. With UpdatePeriod = 100 ms none of 100 is.
# ns-3 3.44 (PyPI ns3 3.44.post0), src/propagation/model/channel-condition-model.cc; its manual names the attribute.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check ns3==3.44.post0
cd "$place"
cat > drive.py <<'PYTHON'
from collections import Counter
from importlib.metadata import version
from math import exp

from ns import ns


def stands(x_m, height_m):
    mobility = ns.CreateObject[ns.ConstantPositionMobilityModel]()
    mobility.SetPosition(ns.Vector(x_m, 0.0, height_m))
    node = ns.CreateObject[ns.Node]()
    node.AggregateObject(mobility)
    return mobility, node


def links(update_ms):
    condition = ns.CreateObject[ns.ThreeGppUmaChannelConditionModel]()
    if update_ms is not None:
        condition.SetAttribute("UpdatePeriod", ns.TimeValue(ns.MilliSeconds(update_ms)))
    loss = ns.CreateObject[ns.ThreeGppUmaPropagationLossModel]()
    loss.SetAttribute("Frequency", ns.DoubleValue(3.5e9))
    loss.SetAttribute("ShadowingEnabled", ns.BooleanValue(False))
    loss.SetChannelConditionModel(condition)
    return loss, condition


station, station_node = stands(0.0, 25.0)
kept, counts = [], {}
for update_ms in (None, 100):
    far_db = Counter()
    for _ in range(100):
        loss, condition = links(update_ms)
        user, node = stands(15.0, 1.5)
        kept += [loss, condition, user, node]
        loss.CalcRxPower(0.0, station, user)
        user.SetPosition(ns.Vector(2000.0, 0.0, 1.5))
        ns.Simulator.Stop(ns.Seconds(1.0))
        ns.Simulator.Run()
        far_db[round(-loss.CalcRxPower(0.0, station, user), 1)] += 1
    counts[update_ms] = far_db
    print("UpdatePeriod", "as it is" if update_ms is None else f"{update_ms} ms", "loss in dB:", dict(far_db))
probable = 18 / 2000 + exp(-2000 / 63) * (1 - 18 / 2000)
print("ns-3", version("ns3"), f"TR 38.901, Table 7.4.2-1, UMa at 2 km: {100 * probable:.1f} % in sight")
assert counts[None] == {121.4: 100}
assert counts[100][153.4] >= 95
PYTHON
"$place/venv/bin/python" drive.py 2> errors || { cat errors; exit 1; }
