#!/usr/bin/env bash
# Guess: TopoHub's ecmp_fwd["org"] and ecmp_bwd["org"] are the loads of a link in its two directions by the network's
#        demands, which for some SNDlib networks (abilene, geant, brain) are given from A to B and from B to A.
# Truth: each demand is sent both ways, so both directions carry the sum of the two demands: the only link of a
#        node that sends 11 times what it gets is as loaded down as up. Demands given once per pair (polska) are right.
#        And the "percentage utilization" is of the busiest direction of the network, no capacity is known.
# topohub 1.5.1, topohub/graph.py (calculate_utilization) and topohub/data/sndlib, whose loads were made by it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check topohub==1.5.1
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import topohub

print("topohub", version("topohub"))
for key in ("sndlib/abilene", "sndlib/geant", "sndlib/brain", "sndlib/polska"):
    topology = topohub.get(key)
    demands = topology["graph"]["demands"]
    pairs = {(a, b) for a in demands for b in demands[a]}
    loads = [edge[way]["org"] for edge in topology["edges"] for way in ("ecmp_fwd", "ecmp_bwd")]
    twice = sum((b, a) in pairs for a, b in pairs)
    print(f"{key}: {len(pairs)} demands, {twice} of them with one the other way; largest load {max(loads)}")
    assert max(loads) == 100
    assert twice == 0 if key.endswith("polska") else twice > 0.9 * len(pairs)

topology = topohub.get("sndlib/brain")
demands, edges = topology["graph"]["demands"], topology["edges"]
checked, per_load = 0, []
for node in topology["nodes"]:
    links = [edge for edge in edges if node["id"] in (edge["source"], edge["target"])]
    sent = sum(demands.get(node["id"], {}).values())
    got = sum(to.get(node["id"], 0) for to in demands.values())
    if len(links) != 1 or sent + got == 0:
        continue
    up, down = links[0]["ecmp_fwd"]["org"], links[0]["ecmp_bwd"]["org"]
    if links[0]["target"] == node["id"]:
        up, down = down, up
    assert up == down
    checked += 1
    if up > 5:
        per_load.append((sent + got) / up)
    if node["name"] in ("HU3", "HTW11", "SPK2"):
        print(f"brain, {node['name']}, one link: sends {sent / 1e6:.1f}, gets {got / 1e6:.1f} M: up {up}, down {down}")
        assert max(sent, got) > 4 * min(sent, got)
print(f"the same up and down in {checked} of {checked} nodes with one link; sent + got per unit of load in the larger")
print(f"{len(per_load)} of them: {min(per_load):.5g} to {max(per_load):.5g}")
assert checked > 90 and max(per_load) < 1.002 * min(per_load)
PYTHON
