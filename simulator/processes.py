"""The processes of a run. Each is a SimPy process that reads like what it describes.

A process acts on whole columns, all devices and all replications at once, so a slot has as many events
with a thousand devices as with one. It remembers nothing: what it needs lies in the world and in the
twin, when it acts next follows from the time, so a run that is saved between two slots goes on bit for
bit. What happens at one instant happens in the order of `EventOrder`. A slot is served at its end, by
its radio, its devices and its stations, in the order in which they were started.
"""

from collections.abc import Callable
from typing import Any

from .core.clock import Answer, Clock, EventOrder, Process
from .core.recorder import SlotColumns, TaskTable
from .models.failures import Failures
from .stream.world import StreamWorld
from .twin.synchronisation import Report
from .twin.twin import Twin
from .world import World


def task_arrivals(clock: Clock, world: World) -> Process:
    """Tasks arrive: those of the slot that begins are drawn, each with its own moment in it."""
    for slot in clock.every(world.slot_ns, EventOrder.ARRIVALS):
        yield slot
        world.arrive()


def mobility(clock: Clock, world: World) -> Process:
    """Devices move; distances, path gains and associations follow."""
    for slot in clock.every(world.slot_ns, EventOrder.MOBILITY, world.slot_ns):
        yield slot
        world.move()


def fading(clock: Clock, world: World, coherence_ns: int) -> Process:
    """The channel fades: a coherence time has passed, gains are drawn anew."""
    for block in clock.every(coherence_ns, EventOrder.FADING, coherence_ns):
        yield block
        world.fade()


def failures_and_repairs(clock: Clock, world: StreamWorld, failures: Failures) -> Process:
    """Stations fail and are repaired, each at its own moment."""
    while (moment_ns := failures.next_change_ns()) is not None:
        yield clock.at(moment_ns, EventOrder.FAILURES)
        world.fail_or_repair(failures, clock.now_ns)


def carbon_intensity(clock: Clock, world: World) -> Process:
    """The electricity of some station becomes greener or dirtier."""
    moment_ns = world.carbon.next_change_ns(clock.now_ns - (not clock.begun))
    while moment_ns is not None:
        yield clock.at(moment_ns, EventOrder.CARBON)
        world.change_carbon(clock.now_ns)
        moment_ns = world.carbon.next_change_ns(clock.now_ns)


def radio(clock: Clock, world: World) -> Process:
    """Devices send to their stations, for as long as these are up, and interfere with each other."""
    while True:
        yield clock.slot_end(world.slot_ns)
        world.transmit()


def device_queues(clock: Clock, world: World) -> Process:
    """A device's CPU and its radio draw together from the head of its queue."""
    while True:
        yield clock.slot_end(world.slot_ns)
        world.serve_devices()


def station_queues(clock: Clock, world: World) -> Process:
    """The CPUs of the MBS and of the SBSs serve their queues, and take in what devices sent."""
    while True:
        yield clock.slot_end(world.slot_ns)
        world.serve_stations()


def stock_taking(clock: Clock, world: World) -> Process:
    """Devices and stations take stock as a slot begins, for reports that leave within it."""
    for slot in clock.every(world.slot_ns, EventOrder.SLOT_START):
        yield slot
        world.take_stock()


def device_synchronisation(clock: Clock, world: World, twin: Twin, period_ns: int) -> Process:
    """First hop of the twin: every device reports to its station."""
    for moment in clock.every(period_ns, EventOrder.DEVICE_SYNC):
        yield moment
        stock = world.stock(clock.now_ns)
        for report in twin.devices_report(stock, clock.now_ns, world.slot_start_ns):
            clock.start(delivery(clock, report))


def station_synchronisation(clock: Clock, world: World, twin: Twin, period_ns: int) -> Process:
    """Second hop of the twin: every station forwards its devices' reports and its own to the MBS."""
    for moment in clock.every(period_ns, EventOrder.STATION_SYNC):
        yield moment
        stock, up = world.stock(clock.now_ns), world.state.station_up
        for report in twin.stations_report(stock, up, clock.now_ns, world.slot_start_ns):
            clock.start(delivery(clock, report))


def delivery(clock: Clock, report: Report) -> Process:
    """A report under way arrives."""
    yield clock.at(report.arrival_ns, report.order)
    report.deliver()


def slots(
    clock: Clock,
    world: World,
    twin: Twin,
    ask: Callable[[Any], Answer],
    record: Callable[[SlotColumns, TaskTable], None],
) -> Process:
    """The life of a slot: observe, decide, serve, account, record."""
    for slot in clock.every(world.slot_ns, EventOrder.SLOT_START):
        yield slot
        observation = world.observation(twin.view(world.state.slot, clock.now_ns))
        decision = yield from ask(observation)
        world.begin_slot(decision, observation)
        yield clock.slot_end(world.slot_ns)  # until when radio, devices and stations serve
        columns, ended = world.end_slot()
        record(columns, ended)
