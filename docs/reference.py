"""Writes docs/scenario.md, the reference of all keys of a scenario: `python docs/reference.py`."""

from pathlib import Path

from edgesim.policies.catalogue import POLICIES
from edgesim.scenarios.reference import reference
from edgesim.simulator.models.arrivals import ARRIVALS, SLOT_TASKS
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.fading import FADING
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS

PAGE = Path(__file__).with_name("scenario.md")


def text() -> str:
    """The page."""
    return reference(
        {
            "policies": POLICIES["drift-plus-penalty"],
            "arrivals": ARRIVALS,
            "arrivals of worst-case-emission": SLOT_TASKS,
            "fading": FADING,
            "path_loss": PATH_LOSS,
            "mobility": MOBILITY,
            "association": ASSOCIATION,
        }
    )


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
