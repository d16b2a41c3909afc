#!/usr/bin/env bash
# Guess: where LINE's MVA says "type: exact", the mean is that of the queue in the model. One that shares its processor
#        (PS) with Poisson arrivals holds rho / (1 - rho) tasks, whatever the distribution of their sizes.
# Truth: an open queue alone, with one class, has the formula of first come, first served, be it PS or LCFS-PR: 11.2
#        tasks, not 4, "exact", by default, by method="exact" and where LINE picks the solver. Behind it a delay changes
#        nothing, a second queue does: then MVA has 4, as NC and MAM have. And NC, "approximate", has 80 tasks in an
#        M/M/20 queue of load 0.8, where Erlang C has 17.0: as many as in 20 M/M/1 queues.
# line-solver 3.0.8.0 (PyPI), solvers/solver_mva/solver_mva.py, runAnalyzer: its branch for one open queue looks at the
# variation of arrivals and sizes, never at the discipline; api/solvers/nc/handler.py, solver_nc: the open chains.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check --no-deps line-solver==3.0.8.0 \
  numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 python-dateutil==4.0.0 pytz==2026.6 networkx==3.6.1
TMPDIR="$place" OMP_NUM_THREADS=1 "$place/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import io
import math
from importlib.metadata import version

import line_solver as line
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

print("line-solver", version("line-solver"))
PER_S, SHORT, RATES = 0.8, 0.9, (2.0, 1 / 5.5)  # 9 of 10 tasks take 0.5 s in the mean, 1 of 10 takes 5.5 s
MEAN = SHORT / RATES[0] + (1 - SHORT) / RATES[1]
SQUARE = 2 * (SHORT / RATES[0] ** 2 + (1 - SHORT) / RATES[1] ** 2)
assert abs(MEAN - 1) < 1e-12


def network(discipline, behind=None, servers=1):
    """Source, queue, what is behind it, sink; with more servers than one the tasks' sizes are exponential."""
    model = line.Network("model")
    source, sink = line.Source(model, "source"), line.Sink(model, "sink")
    queue, tasks = line.Queue(model, "queue", discipline), line.OpenClass(model, "tasks")
    source.setArrival(tasks, line.Exp(PER_S * servers))
    queue.setService(tasks, line.Exp(1.0) if servers > 1 else line.HyperExp(SHORT, *RATES))
    queue.setNumberOfServers(servers)
    nodes = [source, queue]
    if behind is not None:
        nodes.append(behind(model, "behind"))
        nodes[-1].setService(tasks, line.Exp(100.0))
    model.link(line.Network.serialRouting(*nodes, sink))
    return model


def mean(said, solver, model, **options):
    """The mean number of tasks at the queue, and what the solver prints of itself."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        table = solver(model, **options).avg_table()
    table = getattr(table, "data", table)
    tasks = float(table[table["Station"].astype(str) == "queue"]["QLen"].iloc[0])
    word = "exact" if "type: exact" in printed.getvalue() else "approximate"
    print(f"  {said}: {tasks:.4f}, {word}")
    return round(tasks, 6), word


def shared(limit=120):
    """The same PS queue as a Markov chain of (short, long) tasks, at most `limit` of them, solved as it stands."""
    states = {(a, b): None for a in range(limit + 1) for b in range(limit + 1 - a)}
    states = {state: i for i, state in enumerate(states)}
    rows, columns, rates = [], [], []
    for (a, b), i in states.items():
        moves = []
        if a + b < limit:
            moves += [((a + 1, b), PER_S * SHORT), ((a, b + 1), PER_S * (1 - SHORT))]
        if a:
            moves.append(((a - 1, b), RATES[0] * a / (a + b)))
        if b:
            moves.append(((a, b - 1), RATES[1] * b / (a + b)))
        for to, rate in moves:
            rows += [states[to], i]
            columns += [i, i]
            rates += [rate, -rate]
    flow = coo_matrix((rates, (rows, columns)), shape=(len(states), len(states))).tolil()
    flow[0, :] = 1.0  # the probabilities sum to 1
    share = spsolve(flow.tocsc(), np.eye(1, len(states)).ravel())
    return sum(share[i] * (a + b) for (a, b), i in states.items())


fcfs = PER_S + PER_S**2 * SQUARE / (2 * (1 - PER_S))
ps = PER_S / (1 - PER_S)
print(f"M/G/1 of load {PER_S}: first come, first served {fcfs:.4f} (Pollaczek and Khinchine); shared {ps:.4f},")
print(f"  by its Markov chain {shared():.4f}")
assert abs(fcfs - 11.2) < 1e-9 and abs(ps - 4) < 1e-9 and abs(shared() - 4) < 1e-6

PS, LCFSPR, FCFS = line.SchedStrategy.PS, line.SchedStrategy.LCFSPR, line.SchedStrategy.FCFS
assert mean("MVA, FCFS", line.MVA, network(FCFS)) == (11.2, "exact")
assert mean("MVA, PS", line.MVA, network(PS)) == (11.2, "exact")
assert mean('MVA, PS, method="exact"', line.MVA, network(PS), method="exact") == (11.2, "exact")
assert mean("LINE, PS, the solver it picks", line.LINE, network(PS)) == (11.2, "exact")
assert mean("MVA, LCFS-PR", line.MVA, network(LCFSPR)) == (11.2, "exact")
assert mean("MVA, PS, a delay behind it", line.MVA, network(PS, line.Delay)) == (11.2, "exact")
second = lambda model, name: line.Queue(model, name, PS)
assert mean("MVA, PS, a second queue behind it", line.MVA, network(PS, second)) == (4, "exact")
assert mean("NC, PS", line.NC, network(PS))[0] == 4
assert mean("MAM, PS", line.MAM, network(PS))[0] == 4

servers, load = 20, 20 * PER_S
waits = load**servers / math.factorial(servers) / (1 - PER_S)
waits /= waits + sum(load**k / math.factorial(k) for k in range(servers))
erlang = load + waits * PER_S / (1 - PER_S)
print(f"M/M/{servers} of load {PER_S}: {erlang:.4f} (Erlang C); {servers} M/M/1: {servers * ps:.4f}")
assert mean("MVA, 20 servers", line.MVA, network(FCFS, servers=servers)) == (round(erlang, 6), "exact")
assert mean("NC, 20 servers", line.NC, network(FCFS, servers=servers)) == (80, "approximate")
PYTHON
