"""A training that a command begins, and what is told of it."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim import terminal
from edgesim.terminal import say

if TYPE_CHECKING:
    from edgesim.experiments.training_result import TrainingResult


def trained(arguments: Mapping[str, Any], *, as_json: bool = False, told: bool = True) -> Path:
    """Train a policy, print what came of it if it is to be told, and return the best checkpoint."""
    from edgesim import api
    from edgesim.experiments.progress import training_progress

    command = shlex.join(["edgesim", *sys.argv[1:]])
    with training_progress() as (follow, foretell):
        result: TrainingResult = api.train(
            command=command, foretell=foretell, follow=follow, **arguments
        )
    if told:
        terminal.print_result(result, as_json)
    if result.warning:
        say(f"warning: {result.warning}", err=True)
    return result.checkpoint
