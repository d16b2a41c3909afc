"""A policy of one's own: `edgesim run iiot_20dev --policy max_weight:MaxWeight` in this folder."""

import numpy as np

from edgesim.policies.allocation_rules import equal_shares, local_cpu_to_empty, station_service
from edgesim.simulator.stream.decision import Decision


class MaxWeight:
    """Each station gives its whole band to the device with the largest queue times spectral rate."""

    def __init__(self, power_share: float = 1.0) -> None:
        self.power_share = power_share  # a key of the scenario's [policy] section

    def reset(self, network, problem, rngs):
        self.network = network

    def decide(self, observation):
        network, cells = self.network, observation.cells
        power = self.power_share * observation.power_max_w
        snr = power * cells.own(observation.channel_gain) / network.noise_w[cells.station]
        weight = observation.queue_bits * np.log2(1.0 + snr)
        chosen = np.zeros(weight.shape, dtype=bool)
        for station in range(network.stations):
            mine = np.where(observation.station == station, weight, 0.0)
            chosen |= (mine > 0.0) & (mine == mine.max(axis=1, keepdims=True))
        return Decision(
            bandwidth_hz=chosen * network.station_bandwidth_hz[cells.station],
            power_w=chosen * power,
            local_cpu_hz=local_cpu_to_empty(network, observation),
            edge_cpu_hz=equal_shares(network.station_cpu_hz, cells),
            served_bits=station_service(network, observation),
        )
