#!/usr/bin/env bash
# Guess: in LEAF a wireless link with PowerModelLinkWirelessTx takes (energy per bit + amplifier x distance^2) x bit/s.
# Truth: always 0 W, without a word: the model asks the nodes for distance(), which they do not have (their locations
#        do), and Link.measure_power takes any AttributeError for "this link has no power model". So does any model of
#        one's own with such a mistake in it. With a subclass of Node that has distance() the power is as said.
# leafsim 0.4.2 (PyPI), leaf/power.py and leaf/infrastructure.py.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check leafsim==0.4.2
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from leaf.application import Application, SinkTask, SourceTask
from leaf.infrastructure import Infrastructure, Link, Node
from leaf.mobility import Location
from leaf.orchestrator import Orchestrator
from leaf.power import PowerModelLink, PowerModelLinkWirelessTx


class Placed(Node):
    def distance(self, other):
        return self.location.distance(other.location)


class First(Orchestrator):
    def _processing_task_placement(self, task, application):
        raise NotImplementedError


def power_w(kind, model):
    sensor = kind("sensor", cu=10, location=Location(0, 0))
    edge = kind("edge", cu=10, location=Location(30, 40))
    network = Infrastructure()
    link = Link(sensor, edge, bandwidth=20e6, power_model=model)
    network.add_link(link)
    application = Application()
    source, sink = SourceTask(cu=1, bound_node=sensor), SinkTask(cu=1, bound_node=edge)
    application.add_task(source)
    application.add_task(sink, incoming_data_flows=[(source, 10e6)])
    First(network).place(application)
    assert link.used_bandwidth == 10e6
    return float(network.measure_power())


expected_w = (50e-9 + 100e-12 * 50.0**2) * 10e6
wired_w = power_w(Node, PowerModelLink(50e-9))
wireless_w = power_w(Node, PowerModelLinkWirelessTx(50e-9, 100e-12))
placed_w = power_w(Placed, PowerModelLinkWirelessTx(50e-9, 100e-12))
print("leafsim", version("leafsim"), "10 Mbit/s over 50 m, 50 nJ/bit and 100 pJ/bit/m^2")
print(f"PowerModelLink, 50 nJ/bit alone: {wired_w:.2f} W")
print(f"PowerModelLinkWirelessTx:        {wireless_w:.2f} W, by its formula {expected_w:.2f} W")
print(f"with nodes that have distance(): {placed_w:.2f} W")
assert abs(wired_w - 0.5) < 1e-12
assert wireless_w == 0.0
assert abs(placed_w - expected_w) < 1e-12
PYTHON
