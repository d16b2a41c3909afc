"""What a file of movements is, gone through as a run would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..scenarios.components import configure
from ..scenarios.errors import as_toml
from ..simulator.models.movement_survey import survey
from ..simulator.models.trace_mobility import TraceMobility
from ..traces.printing import duration


def movement_facts(path: Path, keys: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Objects, period, steps, and where they are, in the file's coordinates.

    Args:
        path: of the file.
        keys: of `TraceMobility`, which say how it is read.

    Raises:
        ScenarioError: it cannot be read, or a key is unknown.
    """
    model: TraceMobility = configure(
        TraceMobility, {**keys, "file": str(path)}, "mobility", source="--set"
    )
    source = model.source
    found = survey(source, lambda x, y: (x, y), np.full(2, np.inf))
    unit = "degrees" if model.in_degrees else "m"
    low, high = found.low, found.high
    facts: dict[str, str | int | float] = {
        "form": source.form,
        **({"columns": ", ".join(source.columns)} if hasattr(source, "columns") else {}),
        "samples": found.samples,
        "objects": found.objects,
        "first object": source.name(0),
        "most samples at one time": found.at_once,
        "period": f"{found.first_s:g} s to {found.last_s:g} s",
    }
    if found.usual_s:
        facts["usual step"] = duration(found.usual_s)
        facts["other steps"] = found.other
        facts["longest step"] = duration(found.longest_s)
        facts["largest jump"] = f"{found.jump:.6g} {unit}"
    facts["x"] = f"{low[0]:.9g} to {high[0]:.9g} {unit}"
    facts["y"] = f"{low[1]:.9g} to {high[1]:.9g} {unit}"
    becomes = f'[mobility] model = "trace", file = {as_toml(path.name.removesuffix(".gz"))}'
    if not model.in_degrees:
        corner = np.floor(low)
        becomes += f", origin = [{corner[0]:.9g}, {corner[1]:.9g}]"
        width, height = np.floor(high) - corner + 1
        becomes += f", with [area] size = [{width:.9g}, {height:.9g}]"
    facts["becomes"] = becomes
    return facts
