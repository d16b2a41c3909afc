"""A policy that sends its process a signal in the middle of a run."""

import signal
from typing import Any

from edgesim.policies.local import Local


class Signalling(Local):
    """Sends its process a signal in slot 7."""

    def __init__(self, number: int) -> None:
        self.number = number

    def decide(self, observation: Any) -> Any:
        if observation.slot == 7:
            signal.raise_signal(signal.Signals(self.number))
        return super().decide(observation)
