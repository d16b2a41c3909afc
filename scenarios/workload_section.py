"""How a file of recorded requests is read."""

from typing import Literal, TypeAlias

from pydantic import Field

from .base import Section

TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns", "YYYYMMDDhhmmss"]


class WorkloadReading(Section):
    """How a file of recorded requests is read; what the file says by itself need not be given."""

    time_column: str | None = Field(default=None, description="column of the times of arrival")
    time_unit: TimeUnit | None = Field(default=None, description="of times that are numbers")
    time_zone: str | None = Field(
        default=None,
        max_length=100,
        description='of dates without one: "UTC", "Europe/London", "+10:00"',
    )
    duration_column: str | None = Field(
        default=None, description="how long before its time a request arrived"
    )
    device_column: str | None = Field(default=None, description="whose request it is")
    cycles_column: str | None = Field(default=None, description="of each request's cycles")
    deadline_column: str | None = Field(default=None, description="of each request's deadline, s")
    unknown: tuple[str, ...] | None = Field(
        default=None, max_length=20, description="what stands for unknown"
    )
