#!/usr/bin/env bash
# Guess: in Ciw a node of 3 servers with a queue capacity of 2 holds 5 customers, be its servers the number 3 or a
#        Schedule of 3 in every shift.
# Truth: with a Schedule it holds 2, without a word: its capacity is the queue's plus the servers before any shift,
#        which are 0, and no shift changes it. A third server never works, and with a queue capacity of 0 every
#        customer is rejected. Adding the servers to the queue capacity by hand is right while their number stays.
# ciw 3.2.7, ciw/node.py (Node.__init__, change_shift) and schedules.py (Schedule.initialise); its guide on queue
# capacities counts the servers as well. The losses of M/M/c/K are those of Erlang.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check ciw==3.2.7 networkx==3.6.1 numpy==2.4.6 tqdm==4.70.1
"$place/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from math import factorial

import ciw

load = 2.0


def formula(servers, places):
    """Share lost by M/M/servers/places."""
    weights = [load**n / factorial(min(n, servers)) / servers ** max(n - servers, 0) for n in range(places + 1)]
    return weights[-1] / sum(weights) if places else 1.0


def simulated(servers, queue):
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(load)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[servers],
        queue_capacities=[queue],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(4000)
    records = simulation.get_all_records()
    working = {record.server_id for record in records if record.record_type == "service"}
    return sum(record.record_type == "rejection" for record in records) / len(records), len(working)


print("ciw", version("ciw"), "3 servers, 2 erlang: share lost")
for queue in (0, 2, 3, 5):
    number, at_work = simulated(3, queue)
    schedule, at_work_too = simulated(ciw.Schedule(numbers_of_servers=[3], shift_end_dates=[1e6]), queue)
    whole, servers_left_out = formula(3, 3 + queue), formula(3, queue)
    print(
        f"queue capacity {queue}: 3 servers {number:.3f} (formula for {3 + queue} places {whole:.3f}, {at_work} work), "
        f"a Schedule of 3 {schedule:.3f} (formula for {queue} places {servers_left_out:.3f}, {at_work_too} work)"
    )
    assert abs(number - whole) < 0.03 and at_work == 3
    assert abs(schedule - servers_left_out) < 0.03 and at_work_too == min(3, queue)
PYTHON
