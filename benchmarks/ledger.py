"""Arrivals and the ledger of tasks alone, beside the same in plain Python with deques.

Both follow the same tasks through the same service, and must agree on every latency.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from edgesim.simulator.core.arrays import remainder
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.arrivals import Poisson, Tasks
from edgesim.simulator.stream.ledger import TaskLedger

from .measure import Row

DEVICES, STATIONS, SLOTS, WARM_UP = 1000, 4, 200, 20
SLOT_S, MEAN_BITS, TASKS_PER_SLOT, LOAD, LOCAL_SHARE = 0.1, 1e5, 5.0, 0.8, 0.5

Service = tuple[np.ndarray, np.ndarray, np.ndarray]
T = TypeVar("T")


def arrivals() -> Poisson:
    model = Poisson(MEAN_BITS, TASKS_PER_SLOT / SLOT_S)
    model.start(DEVICES, SLOT_S, Streams(1, 1).generators)
    return model


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def services(tasks: list[Tasks]) -> list[Service]:
    """Local, offloaded and station-served bits of each slot, all servers at a load of 0.8."""
    capacity = TASKS_PER_SLOT * MEAN_BITS / LOAD
    station_capacity = capacity * (1.0 - LOCAL_SHARE) * DEVICES / STATIONS
    queue, station_queue = np.zeros((1, DEVICES)), np.zeros((1, STATIONS))
    services = []
    for some in tasks:
        departed = np.minimum(queue, capacity)
        local = LOCAL_SHARE * departed
        offloaded = departed - local
        served = np.minimum(station_queue, station_capacity)
        services.append((local, offloaded, served))
        inflow = offloaded.reshape(-1, STATIONS).sum(axis=0)
        arrived = np.bincount(some.device, some.bits, minlength=DEVICES).astype(float)
        queue = remainder(queue, departed, arrived[None])
        station_queue = remainder(station_queue, served, inflow[None])
    return services


def compiled(tasks: list[Tasks], services: list[Service]) -> np.ndarray:
    """Latencies, by the ledger."""
    ledger = TaskLedger(1, DEVICES, STATIONS, SLOT_S)
    station = np.arange(DEVICES)[None] % STATIONS
    unbounded, admitted = np.zeros((1, DEVICES)), np.empty((2, 1, DEVICES))
    latencies = []
    for slot, (some, service) in enumerate(zip(tasks, services, strict=True)):
        ended = ledger.serve(slot, station, *service)
        ledger.admit(some, unbounded, unbounded, admitted)
        latencies.append(ended["completion_s"] - ended["arrival_s"])
    return np.concatenate(latencies)


def plain(
    tasks: list[list[tuple[int, float, float]]], services: list[list[list[float]]]
) -> list[float]:
    """Latencies, as one would write it in an afternoon."""
    queues: list[deque[list[float]]] = [deque() for _ in range(DEVICES)]
    station_queues: list[deque[list[Any]]] = [deque() for _ in range(STATIONS)]
    latencies = []
    for slot, (some, (local, offloaded, served)) in enumerate(zip(tasks, services, strict=True)):
        for j, parts in enumerate(station_queues):
            done = 0.0
            while parts:
                bits, task = parts[0]
                if done + bits > served[j] + 1e-3:
                    parts[0][0] -= served[j] - done
                    break
                done += bits
                parts.popleft()
                # A task: arrival, bits left at the device, parts at stations, latest end.
                task[3] = max(task[3], (slot + min(done / served[j], 1.0)) * SLOT_S)
                task[2] -= 1
                if task[2] == 0 and task[1] == 0.0:
                    latencies.append(task[3] - task[0])
        sent: list[list[tuple[float, list[float]]]] = [[] for _ in range(STATIONS)]
        inflow = [0.0] * STATIONS
        for i, queue in enumerate(queues):
            bits = local[i] + offloaded[i]
            inflow[i % STATIONS] += offloaded[i]
            done = 0.0
            while queue and bits - done > 1e-3:
                task = queue[0]
                left = max(task[1] - (bits - done), 0.0)
                done += task[1] - left
                task[1] = left if left > 1e-3 else 0.0
                phase = min(done / bits, 1.0)
                task[2] += 1
                task[3] = max(task[3], (slot + phase) * SLOT_S)
                sent[i % STATIONS].append((phase, task))
                if task[1] == 0.0:
                    queue.popleft()
        for j, fragments in enumerate(sent):
            fragments.sort(key=lambda fragment: fragment[0])
            position = 0.0
            for phase, task in fragments:
                station_queues[j].append([phase * inflow[j] - position, task])
                position = phase * inflow[j]
        for device, arrival_s, size in some:
            queues[device].append([arrival_s, size, 0, 0.0])
    return latencies


def plain_arrivals(slots: int) -> list[tuple[int, float, float]]:
    now, end, draw = 0.0, slots * SLOT_S, random.Random(1)
    tasks = []
    while now < end:
        tasks.append((draw.randrange(DEVICES), now, draw.expovariate(1.0 / MEAN_BITS)))
        now += draw.expovariate(DEVICES * TASKS_PER_SLOT / SLOT_S)
    return tasks


def measure() -> Iterator[Row]:
    warm = arrivals()
    some = [warm.slot(slot) for slot in range(WARM_UP)]
    compiled(some, services(some))

    model = arrivals()
    draw_s, tasks = timed(lambda: [model.slot(slot) for slot in range(SLOTS)])
    service = services(tasks)
    follow_s, latencies = timed(lambda: compiled(tasks, service))

    rows = [
        list(zip(one.device.tolist(), one.arrival_s.tolist(), one.bits.tolist(), strict=True))
        for one in tasks
    ]
    lists = [[column[0].tolist() for column in one] for one in service]
    plain_follow_s, plain_latencies = timed(lambda: plain(rows, lists))
    plain_draw_s, _ = timed(lambda: plain_arrivals(SLOTS))
    np.testing.assert_allclose(np.sort(latencies), np.sort(plain_latencies), rtol=1e-9, atol=1e-9)

    count = sum(map(len, rows))
    ours, theirs = count / (draw_s + follow_s), count / (plain_draw_s + plain_follow_s)
    yield Row("arrivals and ledger", ours, "tasks/CPU-s")
    yield Row("  arrivals", 1e6 * draw_s / count, "us of CPU per task")
    yield Row("  ledger", 1e6 * follow_s / count, "us of CPU per task")
    yield Row("the same in plain Python", theirs, "tasks/CPU-s")
    yield Row("arrivals and ledger over plain Python", ours / theirs, "x")
