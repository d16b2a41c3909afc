"""Tasks followed from end to end, beside the event loops that one would write for them.

Our network: 1000 devices at four stations with 50 times the bandwidth and CPU of paper A's, Poisson
tasks, every latency exact through device and station queues, under the Lyapunov policy. The event
loops: the same number of sources, four queues with a server each, nothing else: no radio, no energy,
no policy, no trace.
"""

import heapq
import random
from collections import deque
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import numpy as np
import simpy

from .measure import Row, end_to_end, rounds, scenario

DEVICES, STATIONS, TASKS_PER_SLOT, SLOTS = 1000, 4, 5, 200
NETWORK = (
    f"devices.count={DEVICES}",
    "stations.mbs.bandwidth=500 MHz",
    "stations.mbs.cpu=2500 GHz",
    "stations.sbs.bandwidth=250 MHz",
    "stations.sbs.cpu=500 GHz",
    "tasks.arrivals=poisson",
    f"tasks.rate={TASKS_PER_SLOT * 10}",
    "tasks.mean=100 kbit",
)

ARRIVALS_PER_S, LOAD, PLAIN_SECONDS = DEVICES * TASKS_PER_SLOT * 10.0, 0.8, 3.0


def measure() -> Iterator[Row]:
    levels = {
        level: scenario(*NETWORK, f"trace.level={level}", slots=SLOTS)
        for level in ("summary", "slots")
    }
    for plan in levels.values():
        end_to_end(plan)
    works = [partial(end_to_end, plan) for plan in levels.values()]
    counts = np.array([SLOTS * DEVICES * TASKS_PER_SLOT] * 2 + [plain_simpy(), bare_heap()])
    rates = counts / rounds(*works, plain_simpy, bare_heap, count=3)
    summary, slots, plain, heap = np.median(rates, axis=0)
    yield Row("N = 1000, lyapunov, level summary", summary, "tasks/CPU-s", at_least=1e6)
    yield Row("N = 1000, lyapunov, level slots", slots, "tasks/CPU-s", at_least=4e5)
    yield Row("a plain SimPy model with Stores", plain, "tasks/CPU-s")
    yield Row("a bare heap", heap, "tasks/CPU-s")
    yield Row("level summary over plain SimPy", summary / plain, "x")
    yield Row("level summary over the bare heap", summary / heap, "x")


def plain_simpy() -> int:
    """One process per device, one Store and one server process per station; tasks completed."""
    env, draw = simpy.Environment(), random.Random(1)
    stores = [simpy.Store(env) for _ in range(STATIONS)]
    latencies = []

    def device() -> Generator[simpy.Event, Any, None]:
        while True:
            yield env.timeout(draw.expovariate(ARRIVALS_PER_S / DEVICES))
            stores[draw.randrange(STATIONS)].put(env.now)

    def server(store: simpy.Store) -> Generator[simpy.Event, Any, None]:
        while True:
            arrival = yield store.get()
            yield env.timeout(draw.expovariate(ARRIVALS_PER_S / STATIONS / LOAD))
            latencies.append(env.now - arrival)

    for _ in range(DEVICES):
        env.process(device())
    for store in stores:
        env.process(server(store))
    env.run(until=PLAIN_SECONDS)
    return len(latencies)


def bare_heap() -> int:
    """The same on a heap of events, without processes; tasks completed."""
    draw = random.Random(1)
    queues: list[deque[float]] = [deque() for _ in range(STATIONS)]
    # An event: when, a tie-breaker, and the station whose server is done, or -1 for an arrival.
    events = [(draw.expovariate(ARRIVALS_PER_S / DEVICES), i, -1) for i in range(DEVICES)]
    heapq.heapify(events)
    latencies, number = [], DEVICES
    while (event := heapq.heappop(events))[0] < PLAIN_SECONDS:
        now, _, station = event
        number += 2
        if station < 0:
            next_arrival = now + draw.expovariate(ARRIVALS_PER_S / DEVICES)
            heapq.heappush(events, (next_arrival, number, -1))
            station = draw.randrange(STATIONS)
            queues[station].append(now)
            idle = len(queues[station]) == 1
        else:
            latencies.append(now - queues[station].popleft())
            idle = bool(queues[station])
        if idle:
            done = now + draw.expovariate(ARRIVALS_PER_S / STATIONS / LOAD)
            heapq.heappush(events, (done, number + 1, station))
    return len(latencies)
