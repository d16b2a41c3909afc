"""Beside what one would take or write instead: event loops, Ciw, and Stable-Baselines3's trainer.

Events: tasks followed from end to end per CPU-second. Our network is N devices at four stations: paper A's
own, and a thousand devices with 50 times its bandwidth and CPU and Poisson tasks; every latency is exact
through device and station queues, with radio, energy, the Lyapunov policy and a trace. Theirs is as many sources and four queues with a server each, loaded to 0.8, and
nothing else. In Ciw a station's sources are one, as it has no cheaper way to have them.

Training: DDPG and SAC with the same networks, batches and a trivial environment.
"""

import heapq
import random
from collections import deque
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import ciw
import gymnasium
import numpy as np
import simpy
import torch

from edgesim.policies.learning.ddpg import Ddpg
from edgesim.policies.learning.off_policy import OffPolicy
from edgesim.policies.learning.sac import Sac

from .measure import Row, end_to_end, rounds, scenario

STATIONS, LOAD, SLOT_S = 4, 0.8, 0.1

LARGE_DEVICES = 1000
LARGE = (
    f"devices.count={LARGE_DEVICES}",
    "stations.mbs.bandwidth=500 MHz",
    "stations.mbs.cpu=2500 GHz",
    "stations.sbs.bandwidth=250 MHz",
    "stations.sbs.cpu=500 GHz",
    "tasks.arrivals=poisson",
    "tasks.rate=50",
    "tasks.mean=100 kbit",
)
CASES = (
    (20, 1, 3000, "slots", (), None),
    (LARGE_DEVICES, 5, 100, "slots", LARGE, 4e5),
    (LARGE_DEVICES, 5, 100, "summary", LARGE, 1e6),
)
"""Devices, tasks of each per slot, slots, the trace's level, keys, and the least tasks per CPU-second."""

DEVICES, FEATURES, ACTIONS = 6, 5, 3
STEPS = 200


def measure() -> Iterator[Row]:
    for devices, tasks_per_slot, slots, level, keys, at_least in CASES:
        case, count = f"N = {devices}, level {level}", slots * devices * tasks_per_slot
        plan = scenario(*keys, f"trace.level={level}", slots=slots)
        theirs = {
            name: partial(loop, devices, tasks_per_slot / SLOT_S, slots * SLOT_S)
            for name, loop in (
                ("plain SimPy with Stores", plain_simpy),
                ("a bare heap", bare_heap),
                (f"Ciw {ciw.__version__}", ciw_queues),
            )
        }
        end_to_end(plan)
        counts = np.array([count, *(loop() for loop in theirs.values())])
        rates = counts / rounds(partial(end_to_end, plan), *theirs.values(), count=3)
        yield Row(case, float(np.median(rates[:, 0])), "tasks/CPU-s", at_least=at_least)
        for name, rate in zip(theirs, rates.T[1:], strict=True):
            yield Row(f"N = {devices}, {name}", float(np.median(rate)), "tasks/CPU-s")
            yield Row(f"{case}, over {name}", float(np.median(rates[:, 0] / rate)), "x")
    yield from training()


def training() -> Iterator[Row]:
    torch.set_num_threads(1)
    for name, batch, target in (
        ("DDPG", 64, 1.3),
        ("DDPG", 128, None),
        ("SAC", 64, 1.3),
        ("SAC", 256, None),
    ):
        own, other = ours(name, batch), theirs(name, batch)

        def learn(other: Any = other) -> None:
            other.learn(STEPS, reset_num_timesteps=False)

        seconds = rounds(own.advance, learn)
        what = f"{name}, one replica, batch {batch}"
        yield Row(what, STEPS / float(np.median(seconds[:, 0])), "steps/CPU-s")
        ratio = float(np.median(seconds[:, 1] / seconds[:, 0]))
        yield Row(f"{what}, over Stable-Baselines3", ratio, "x", at_least=target)


def plain_simpy(devices: int, rate: float, until_s: float) -> int:
    """One process per device, one Store and one server process per station; tasks completed."""
    env, draw = simpy.Environment(), random.Random(1)
    stores = [simpy.Store(env) for _ in range(STATIONS)]
    latencies = []

    def device() -> Generator[simpy.Event, Any, None]:
        while True:
            yield env.timeout(draw.expovariate(rate))
            stores[draw.randrange(STATIONS)].put(env.now)

    def server(store: simpy.Store) -> Generator[simpy.Event, Any, None]:
        while True:
            arrival = yield store.get()
            yield env.timeout(draw.expovariate(devices * rate / STATIONS / LOAD))
            latencies.append(env.now - arrival)

    for _ in range(devices):
        env.process(device())
    for store in stores:
        env.process(server(store))
    env.run(until=until_s)
    return len(latencies)


def bare_heap(devices: int, rate: float, until_s: float) -> int:
    """The same on a heap of events, without processes; tasks completed."""
    draw = random.Random(1)
    queues: list[deque[float]] = [deque() for _ in range(STATIONS)]
    # An event: when, a tie-breaker, and the station whose server is done, or -1 for an arrival.
    events = [(draw.expovariate(rate), i, -1) for i in range(devices)]
    heapq.heapify(events)
    latencies, number = [], devices
    while (event := heapq.heappop(events))[0] < until_s:
        now, _, station = event
        number += 2
        if station < 0:
            next_arrival = now + draw.expovariate(rate)
            heapq.heappush(events, (next_arrival, number, -1))
            station = draw.randrange(STATIONS)
            queues[station].append(now)
            idle = len(queues[station]) == 1
        else:
            latencies.append(now - queues[station].popleft())
            idle = bool(queues[station])
        if idle:
            done = now + draw.expovariate(devices * rate / STATIONS / LOAD)
            heapq.heappush(events, (done, number + 1, station))
    return len(latencies)


def ciw_queues(devices: int, rate: float, until_s: float) -> int:
    """The same four queues by Ciw; tasks completed."""
    each = devices * rate / STATIONS
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(each)] * STATIONS,
        service_distributions=[ciw.dists.Exponential(each / LOAD)] * STATIONS,
        number_of_servers=[1] * STATIONS,
        routing=[[0.0] * STATIONS] * STATIONS,
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(until_s)
    return len(simulation.get_all_records())


class Trivial(gymnasium.Env[Any, Any]):
    """Next to no work: what is measured is the learner."""

    observation_space = gymnasium.spaces.Box(-5.0, 5.0, (DEVICES, FEATURES), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (DEVICES, ACTIONS), np.float32)
    state = np.zeros((DEVICES, FEATURES), np.float32)

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """Always the same state."""
        return self.state, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A reward that depends on the action."""
        return self.state, float(action[0, 0]), False, False, {}


class TrivialVector:
    """The same as a vector of one."""

    single_observation_space = Trivial.observation_space
    single_action_space = Trivial.action_space

    def __init__(self, *how: Any) -> None:
        self._env = Trivial()

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Always the same state."""
        return self._env.state[None], {}

    def step(self, action: Any) -> tuple[Any, Any, None, None, dict[str, Any]]:
        """A reward that depends on the action."""
        state, reward, *_ = self._env.step(action[0])
        return state[None], np.array([reward]), None, None, {}


def ours(name: str, batch: int) -> Any:
    """With the papers' networks and defaults."""
    cls: type[OffPolicy] = Ddpg if name == "DDPG" else Sac
    config = cls(network="flat", batch=batch, warmup=batch, episode_slots=STEPS)
    learner = config.learner(TrivialVector, seed=1)
    learner.advance()
    return learner


def theirs(name: str, batch: int) -> Any:
    """The same."""
    from stable_baselines3 import DDPG, SAC
    from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

    common: dict[str, Any] = {
        "buffer_size": 100_000,
        "learning_starts": batch,
        "batch_size": batch,
        "device": "cpu",
        "seed": 1,
    }
    model: DDPG | SAC
    if name == "SAC":
        common |= {"policy_kwargs": {"net_arch": [256, 256]}, "ent_coef": "auto_0.01"}
        model = SAC("MlpPolicy", Trivial(), learning_rate=3e-4, tau=5e-3, **common)
    else:
        zero = np.zeros((DEVICES, ACTIONS))
        common |= {"policy_kwargs": {"net_arch": [512, 256, 128]}}
        common |= {"action_noise": OrnsteinUhlenbeckActionNoise(zero, zero + 0.2, dt=1.0)}
        model = DDPG("MlpPolicy", Trivial(), learning_rate=1e-4, tau=1e-3, **common)
    model.learn(STEPS)
    return model
