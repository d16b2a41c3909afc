#!/usr/bin/env bash
# Guess: a capacity in bit/s that networkx writes to GML as a whole number is one when it is read.
# Truth: from 2^31 on it is written in quotes, so 1 Gbit/s comes back as a number and 2.5 and 10 Gbit/s as text, in one
#        graph; of two such links the bottleneck is then "10000000000", as text goes. igraph makes all of them text.
# networkx 3.6.1, networkx/readwrite/gml.py, generate_gml (its comment says so, its documentation does not); igraph 1.0.0.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check networkx==3.6.1 igraph==1.0.0
cd "$place"
"$place/venv/bin/python" - <<'PYTHON'
import igraph
import networkx as nx

print("networkx", nx.__version__, "igraph", igraph.__version__)
network = nx.path_graph(["access", "metro", "core", "cloud"])
speeds = dict(zip(network.edges, (1_000_000_000, 2_500_000_000, 10_000_000_000)))
nx.set_edge_attributes(network, speeds, "capacity")


def capacities(graph):
    return list(nx.get_edge_attributes(graph, "capacity").values())


def bottleneck(graph):
    path = nx.shortest_path(graph, "metro", "cloud")
    return min(graph.edges[link]["capacity"] for link in nx.utils.pairwise(path))


nx.write_gml(network, "backhaul.gml")
read = nx.read_gml("backhaul.gml")
print("written:         ", capacities(network), "bottleneck of metro and cloud", bottleneck(network))
print("read by networkx:", capacities(read), "bottleneck", repr(bottleneck(read)))
assert capacities(read) == [1_000_000_000, "2500000000", "10000000000"]
assert bottleneck(network) == 2_500_000_000 and bottleneck(read) == "10000000000"

others = igraph.Graph.Read_GML("backhaul.gml").es["capacity"]
print("read by igraph:  ", others)
assert others == ["1000000000", "2500000000", "10000000000"]

nx.set_edge_attributes(network, {link: float(speed) for link, speed in speeds.items()}, "capacity")
nx.write_gml(network, "floats.gml")
print("as floats:       ", capacities(nx.read_gml("floats.gml")))
assert capacities(nx.read_gml("floats.gml")) == [1e9, 2.5e9, 1e10]
PYTHON
