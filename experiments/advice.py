"""What is probably not meant in a scenario, a line each with what to do, for `validate` and `run` to say."""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel

from ..scenarios.data.lookup import data_file
from ..scenarios.data.positions import read_positions
from ..scenarios.data.records import read_table
from ..scenarios.key_list import amount
from ..scenarios.policy_section import PolicySection
from ..scenarios.schema import Scenario
from ..scenarios.sections import File
from ..scenarios.validation import field_hint, quantity_of
from ..simulator.assembly.build import Blueprint
from ..simulator.models.arrivals import MarkovModulatedPoisson, Poisson, Uniform
from ..simulator.models.path_loss import LogDistance
from ..simulator.models.trace_mobility import TraceMobility
from ..simulator.stream.green_problem import GreenProblem

LEAST_COVERED = 0.01
"""Of the area, by all small cells together: below that they are no part of the network."""


LEAST_WEIGHT = 0.1
"""Of a bit's emission in P2, as a share of the bits that come in a slot: below that it is not noticed."""


def advice(plan: Blueprint) -> list[str]:
    """A line each; none where nothing is doubtful."""
    scenario = plan.scenario
    found = [*_implausible(scenario, ""), *_misplaced(plan), *_uncovered(plan)]
    if scenario.run.problem == "drift-plus-penalty":
        found += [*_unstable(plan), *_weightless(plan)]
    else:
        found += _without_effect(scenario)
    return found


def places_taken(plan: Blueprint) -> list[str]:
    """A line for each file of which `count` takes only the first places."""
    scenario, found = plan.scenario, []
    for key, section in (("devices", scenario.devices), ("stations.sbs", scenario.stations.sbs)):
        if isinstance(section.positions, File) and section.count is not None:
            file = section.positions.file
            path = data_file(scenario, file, f"{key}.positions.file")
            inside = len(read_positions(path, scenario.area.rectangle, scenario.area.size))
            if section.count < inside:
                what = f"the first {section.count} of {inside} places in {file}"
                found.append(f"{what} that lie in the area are taken (`{key}.count`)")
    return found


def _implausible(section: BaseModel, path: str) -> Iterator[str]:
    """Quantities with a unit that no network has; those without are refused when they are read."""
    for name, field in type(section).model_fields.items():
        value, key = getattr(section, name), f"{path}.{name}".removeprefix(".")
        if isinstance(value, BaseModel):
            yield from _implausible(value, key)
        elif isinstance(value, float):
            kind = quantity_of(field_hint(field))
            if kind is not None and not kind.is_plausible(value):
                what = f"`{key}` is {value:g} {kind.unit}, which no network has"
                yield f'{what}: is another unit meant, as in "{kind.example}"?'


def _misplaced(plan: Blueprint) -> Iterator[str]:
    """Places of a file and stations that lie outside of the area, and an MBS at metres that look like degrees."""
    scenario, area = plan.scenario, plan.scenario.area
    for key, section, inside in (
        ("devices", scenario.devices, plan.network.devices),
        ("stations.sbs", scenario.stations.sbs, plan.network.stations - 1),
    ):
        if isinstance(section.positions, File) and section.count is None:
            path = data_file(scenario, section.positions.file, f"{key}.positions.file")
            rows = len(read_table(path).rows)
            if rows / 2 < inside < rows:  # of fewer a piece of the file is meant
                what = f"{rows - inside} of the {rows} places in {section.positions.file}"
                yield f"{what} lie outside of the area, and are left out (`{key}.positions`)"
    at_m, size_m = plan.topology.station_position_m, plan.topology.area_m
    beyond = np.flatnonzero(((at_m < 0.0) | (at_m > size_m)).any(axis=1))
    if len(beyond):
        names = ", ".join(plan.topology.station_names[k] for k in beyond[:3])
        names += ", …" if len(beyond) > 3 else ""
        what = f"{names}: {len(beyond)} of {len(at_m)} stations lie outside of the area"
        yield f"{what}, where no device is (`stations.sbs.radius`, `area.size`)"
    at = scenario.stations.mbs.position
    if at is not None and (degrees := area.rectangle) is not None:
        for x, y in (at, at[::-1]):
            if degrees.west <= x <= degrees.east and degrees.south <= y <= degrees.north:
                scale = degrees.scale
                east, north = (x - degrees.west) * scale[0], (y - degrees.south) * scale[1]
                meant = f'if longitude and latitude are meant, ["{east:.0f} m", "{north:.0f} m"]'
                yield f"`stations.mbs.position` is in metres from the south-west corner; {meant}"
                return


def _uncovered(plan: Blueprint) -> Iterator[str]:
    """Small cells in which hardly any device can be."""
    topology, at_m = plan.topology, plan.device_position_m
    if topology.stations < 2 or not np.isfinite(topology.coverage_m[1:]).all():
        return
    reach_m = topology.coverage_m[1:]
    share = float(np.pi * (reach_m * reach_m).sum() / np.prod(topology.area_m))
    if at_m is not None and plan.scenario.mobility.model == "static":
        apart_m = np.linalg.norm(at_m[:, None] - topology.station_position_m[1:], axis=2)
        if (apart_m < reach_m).any():
            return
    if share < LEAST_COVERED:
        what = f"the small cells reach {reach_m.max():g} m, {100 * share:.2g} % of the area"
        yield f'{what}: is another unit meant, as in stations.sbs.coverage = "150 m"?'


def _without_effect(scenario: Scenario) -> Iterator[str]:
    """Keys of the other problem."""
    default = PolicySection.model_fields["V"].default
    if default != scenario.policy.V:
        what = (
            "`policy.V` weighs the energy in the problem drift-plus-penalty, and does nothing here"
        )
        yield f"{what}; `policy.emission_weight` of lyapunov is its like"


def _unstable(plan: Blueprint) -> Iterator[str]:
    """Loads that no policy carries: bounds that hold whatever is decided."""
    network, scenario = plan.network, plan.scenario
    arrives_bps = _mean_bps(plan.arrivals, network.slot_s)
    # Who is gone has no tasks, and a full buffer has no more.
    if arrives_bps is None or scenario.tasks.buffer or isinstance(plan.mobility, TraceMobility):
        return
    own_bps = network.device_service_bits / network.slot_s
    excess_bps = float(np.maximum(arrives_bps - own_bps, 0.0).sum())
    if excess_bps <= 0.0:
        return
    more = f"{amount(excess_bps, 'bit/s')} arrive beyond what the devices' CPUs execute"
    if scenario.policy.name == "local":
        what = f"{more}, and the policy `local` offloads nothing, so queues grow"
        yield f"{what}: another policy, or a lower load (`edgesim keys tasks`)"
        return
    servers_bps = float(network.station_service_bits.sum() / network.slot_s)
    if excess_bps > servers_bps:
        what = f"{more}, the servers execute {amount(servers_bps, 'bit/s')}"
        yield f"no policy keeps the queues stable: {what}; a lower load, or faster CPUs (stations.mbs.cpu)"
    radio_bps = _radio_bps(plan)
    if radio_bps is not None and excess_bps > radio_bps:
        what = f"{more}, all radio carries {amount(radio_bps, 'bit/s')} at the very most"
        yield f"no policy keeps the queues stable: {what}; a lower load, or more bandwidth"


def _weightless(plan: Blueprint) -> Iterator[str]:
    """A V with which a bit's emission weighs less than what a slot brings: queues decide alone."""
    problem, network = plan.problem, plan.network
    arrives_bps = _mean_bps(plan.arrivals, network.slot_s)
    if not isinstance(problem, GreenProblem) or problem.penalty != "carbon" or not arrives_bps:
        return
    bits = arrives_bps * network.slot_s
    cycles = network.cycles_per_bit
    own_j = 3.0 * network.varsigma * cycles**3 * (bits / network.slot_s) ** 2
    joule = min(own_j, float((network.epsilon_w * cycles / network.station_cpu_hz).min()))
    per_bit = joule * float(plan.carbon.at(0).max())
    if 0.0 < problem.V * per_bit < LEAST_WEIGHT * bits:
        weighs = f"weighs the emission of a bit like {amount(problem.V * per_bit, 'bit')} of queue"
        what = f"`policy.V` = {problem.V:g} {weighs}, and a slot brings {amount(bits, 'bit')}"
        yield f"{what}: hardly anything waits for green hours; about {10 * bits / per_bit:.0e}?"


def _mean_bps(arrivals: object, slot_s: float) -> float | None:
    """Of one device; None where it is not known without reading a file, or of a model of somebody else's."""
    match arrivals:
        case Uniform():
            return arrivals.mean / slot_s
        case Poisson():
            return arrivals.mean * arrivals.rate
        case MarkovModulatedPoisson():
            shares = np.array(arrivals.sojourns) / np.sum(arrivals.sojourns)
            return float(arrivals.mean * (shares * arrivals.rates).sum())
    return None


def _radio_bps(plan: Blueprint) -> float | None:
    """More than all stations together carry, whatever is decided; None where no bound is known.

    Shares of a band are w_i log2(1 + p_i g_i / noise): with all devices at the least distance, their mean
    gains together, by Jensen's inequality for any fading with mean 1.
    """
    network, model = plan.network, plan.path_loss
    if not isinstance(model, LogDistance):
        return None
    gain = model.reference_gain * max(model.min_distance, 1e-3) ** -model.path_loss_exponent
    power_w = network.device_power_max_w.sum()
    per_hertz = np.minimum(np.log2(1.0 + power_w * gain / network.noise_w), network.efficiency.cap)
    return float((network.station_bandwidth_hz * per_hertz).sum())
