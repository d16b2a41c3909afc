"""Signals that end what is under way: for a run or a training, and for processes that it starts."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an end, after the current slot; a second one is not waited for.

    Either reaches the handler that was there before, the first one at the end of this context. A signal
    that the program ignores stays ignored.

    Args:
        stop: is called in a signal handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # None is a handler that is not Python's, which could not be put back.
    before = {n: handler for n, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for one in came:
        signal.raise_signal(one)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Processes that are started meanwhile never see SIGINT, which a terminal sends to all of them.

    Else those that have not yet come to ignore it end in tracebacks of their own. In this process it
    arrives afterwards.
    """
    resource_tracker.ensure_running()  # it unblocks SIGINT as it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Have this process, which another one started, end when that does, whatever it is at."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # only such processes come here

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
