"""The base of a scenario's sections: tables of a TOML file that are checked as a whole."""

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Inconsistency(NamedTuple):
    """Something wrong between keys that are each right by themselves.

    Attributes:
        what: the fault, in words.
        key: the key at fault, relative to the model that is validated.
        allowed: values that would be right, in words.
    """

    what: str
    key: str = ""
    allowed: str = ""


def reject(*inconsistencies: Inconsistency) -> None:
    """Called by a validator: fails where there are inconsistencies.

    Raises:
        PydanticCustomError: of type "inconsistencies".
    """
    if inconsistencies:
        raise PydanticCustomError(
            "inconsistencies", "{inconsistencies}", {"inconsistencies": inconsistencies}
        )


class Section(BaseModel):
    """A table of the file, with no keys but these."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelSection(Section):
    """A table whose remaining keys are the options of the model or policy that it names."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The keys that the section itself does not know: the chosen class's constructor keywords."""
        return dict(self.model_extra or {})


def form(value: object) -> str:
    """The tag of a key's alternative that a value is meant to be; tags are no part of a key's path."""
    if isinstance(value, dict | BaseModel):
        return "<table>"
    return "<list>" if isinstance(value, list | tuple) else "<value>"
