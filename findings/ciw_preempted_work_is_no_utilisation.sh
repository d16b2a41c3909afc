#!/usr/bin/env bash
# Guess: in Ciw the server_utilisation of a node is the share of time in which its servers work, so pre-emption that
#        resumes does not change it: no work is lost by it.
# Truth: what a server did before it was pre-empted is left out, whether a customer of higher priority or the end of a
#        shift does it: the start of the service is cleared before the busy time is taken from it. An M/M/1 of load 0.8
#        shows 0.67. Interrupted and served records, from service_start_date to exit_date, have the whole of it.
# ciw 3.2.7, ciw/node.py (preempt and detatch_server; interrupt_service and kill_server).
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check ciw==3.2.7 networkx==3.6.1 numpy==2.4.6 tqdm==4.70.1
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from math import inf, isclose

import ciw


def utilisation(servers, until, **settings):
    """As Ciw has it, and by its own records."""
    ciw.seed(1)
    simulation = ciw.Simulation(ciw.create_network(number_of_servers=[servers], **settings))
    simulation.simulate_until_max_time(until)
    node = simulation.transitive_nodes[0]
    worked = [r.exit_date - r.service_start_date for r in simulation.get_all_records()]
    return node.server_utilisation, sum(worked) / sum(node.all_servers_total)


print("ciw", version("ciw"), "utilisation of one server")
once = {
    "arrival_distributions": {"high": [ciw.dists.Sequential([5.0, inf])], "low": [ciw.dists.Sequential([1.0, inf])]},
    "service_distributions": {"high": [ciw.dists.Deterministic(1.0)], "low": [ciw.dists.Deterministic(10.0)]},
}
poisson = {
    "arrival_distributions": {name: [ciw.dists.Exponential(0.4)] for name in ("high", "low")},
    "service_distributions": {name: [ciw.dists.Exponential(1.0)] for name in ("high", "low")},
}
shown = {}
for kind, customers, until in (("two customers, 11 of 20 h of work", once, 20.0), ("M/M/1, load 0.8", poisson, 5000.0)):
    for pre_emption in (False, "resume"):
        classes = ({"high": 0, "low": 1}, [pre_emption])
        shown[until, pre_emption] = found, worked = utilisation(1, until, priority_classes=classes, **customers)
        print(f"{kind}, priority, pre-emption {pre_emption}: {found:.3f}, by its records {worked:.3f}")
assert isclose(shown[20.0, False][0], 0.55) and isclose(shown[20.0, False][1], 0.55)
assert isclose(shown[20.0, "resume"][0], 0.35) and isclose(shown[20.0, "resume"][1], 0.55)
assert all(abs(share - 0.8) < 0.05 for share in (*shown[5000.0, False], shown[5000.0, "resume"][1]))
assert shown[5000.0, "resume"][0] < 0.7

shifts = {"numbers_of_servers": [1, 0], "shift_end_dates": [10.0, 20.0], "preemption": "resume"}
found, worked = utilisation(
    ciw.Schedule(**shifts),
    30.0,
    arrival_distributions=[ciw.dists.Sequential([1.0, inf])],
    service_distributions=[ciw.dists.Deterministic(15.0)],
)
print(f"one customer of 15 h, in shifts of 10 h (1 to 10, 20 to 26): {found:.3f}, by its records {worked:.3f}")
assert isclose(found, 6 / 20) and isclose(worked, 15 / 20)
PYTHON
