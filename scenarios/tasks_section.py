"""The section [tasks] of a scenario file, and the classes of tasks."""

from typing import Annotated

from pydantic import Field, model_validator

from .base import Inconsistency, ModelSection, Section, reject
from .units import Bits, CyclesPerBit, Number, PositiveSeconds, Share


class TaskClassSection(Section):
    """A class of tasks that tolerate the same delay.

    A device serves first what has to be complete first. A virtual queue of each device and class keeps
    the share of its bits that are late at `late` in the long run; what it holds, times `weight`, is what
    P2 gives beside the bit's value for one that is late or has to leave now. More of it is in the documentation, in
    "Carbon in time and place".
    """

    share: Share = Field(gt=0, description="of all tasks; each task is drawn by itself")
    deadline: PositiveSeconds | None = Field(
        default=None, description="from arrival to completion; none: it may take for ever"
    )
    late: Share = Field(
        default=0.05, description="share of its bits that may be late in the long run"
    )
    weight: Number = Field(default=1.0, gt=0, le=1e9, description="of its debt in P2")


class TasksSection(ModelSection):
    """The tasks of the devices. Further keys are the arrival model's."""

    arrivals: str = Field(default="uniform", description="arrival model")
    cycles_per_bit: CyclesPerBit = Field(default=100.0, gt=0, description="c")
    deadline: PositiveSeconds | None = Field(default=None, description="from arrival to completion")
    buffer: Bits | None = Field(
        default=None, gt=0, description="room in a device's queue; tasks beyond it are dropped"
    )
    classes: Annotated[tuple[TaskClassSection, ...], Field(min_length=1, max_length=16)] | None = (
        Field(
            default=None,
            description="classes with deadlines of their own, instead of `deadline`; in the stream "
            "problem only",
        )
    )

    @model_validator(mode="after")
    def _told_apart(self) -> "TasksSection":
        classes = self.classes or ()
        deadlines = [one.deadline for one in classes]
        if len(set(deadlines)) < len(deadlines):
            what = "two classes with the same deadline, by which they are told apart"
            reject(Inconsistency(what, "classes", "each another"))
        if classes and abs(sum(one.share for one in classes) - 1.0) > 1e-9:
            total = sum(one.share for one in classes)
            reject(Inconsistency(f"shares that add up to {total:g}", "classes", "1 in all"))
        if classes and self.deadline is not None:
            reject(Inconsistency("classes have their own", "deadline", "not given"))
        return self
