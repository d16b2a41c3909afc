#!/usr/bin/env bash
# Guess: where LEAF refuses a data flow, as a link on its path is full, nothing is reserved and another path can be tried.
# Truth: the links before the full one keep its bandwidth, and its power: the flow counts as placed, another path is
#        refused with "already placed", and deallocate() ends in an error at the link that it never had. A refused Task
#        likewise counts as placed where there was no room for it.
# leafsim 0.4.2 (PyPI), leaf/application.py, DataFlow.allocate and Task.allocate: what is reserved is noted first.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check leafsim==0.4.2
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from leaf.application import DataFlow, ProcessingTask
from leaf.infrastructure import Infrastructure, Link, Node
from leaf.power import PowerModelLink


def refused(step):
    try:
        step()
    except ValueError as error:
        return str(error)
    return None


device, relay, other, edge = (Node(name, cu=10) for name in ("device", "relay", "other", "edge"))
first = Link(device, relay, bandwidth=100e6, power_model=PowerModelLink(100e-9))
full = Link(relay, edge, bandwidth=5e6, power_model=PowerModelLink(100e-9))
around = [Link(device, other, 100e6, PowerModelLink(100e-9)), Link(other, edge, 100e6, PowerModelLink(100e-9))]
network = Infrastructure()
for link in (first, full, *around):
    network.add_link(link)
flow = DataFlow(10e6)
print("leafsim", version("leafsim"))
print("a path with a full link:", refused(lambda: flow.allocate([first, full])))
kept = first.used_bandwidth
print(f"on its first link {first.used_bandwidth / 1e6:g} Mbit/s, the network takes {float(network.measure_power()):g} W")
again = refused(lambda: flow.allocate(around))
print("another path:", again)
back = refused(flow.deallocate)
print("taken back:", back)
task = ProcessingTask(cu=11)
print("a node without room:", refused(lambda: task.allocate(edge)))
moved = refused(lambda: task.allocate(Node("cloud", cu=100)))
print("another node:", moved)
assert kept == 10e6
assert again is not None and "already placed" in again
assert back is not None and "Cannot release" in back
assert moved is not None and "already placed" in moved
PYTHON
