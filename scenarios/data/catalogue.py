"""What ships with the program, and where other public data are: `catalogue.toml`, read."""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

SHIPPED = Path(__file__).resolve().parent / "shipped"
"""The folder of what ships; its files are compressed by gzip."""


class ShippedData(NamedTuple):
    """A data file that comes with the program.

    Attributes:
        file: the name by which a scenario names it.
        title: what it is.
        source: whose data, and where they are published.
        licence: on which it ships, with the attribution that this asks for.
        period: that it covers; of places, when they were collected.
        unit: of its values, and the step and zone of its times.
        basis: how the values came about, and what they are not.
        cut: what was done to the published file.
    """

    file: str
    title: str
    source: str
    licence: str
    period: str
    unit: str
    basis: str
    cut: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return SHIPPED / f"{self.file}.gz"


class PublishedData(NamedTuple):
    """Public data that do not come with the program.

    Attributes:
        name: of the data set.
        kind: what `edgesim data check --as` calls it.
        where: it is published.
        files: names of its files, as published.
        note: its licence as far as known, and what to know before it is used.
    """

    name: str
    kind: str
    where: str
    files: tuple[str, ...]
    note: str


class Catalogue(NamedTuple):
    """Both lists."""

    shipped: tuple[ShippedData, ...]
    published: tuple[PublishedData, ...]


@cache
def catalogue() -> Catalogue:
    """The lists, in the order in which they are shown."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return Catalogue(
        tuple(ShippedData(**entry) for entry in table["shipped"]),
        tuple(
            PublishedData(**entry | {"files": tuple(entry.get("files", ()))})
            for entry in table["published"]
        ),
    )


def published(file: str) -> str:
    """Which public data a file's name is that of, and where they are; "" for others."""
    found = (one for one in catalogue().published if file.removesuffix(".gz") in one.files)
    return next((f"{one.name}, published at {one.where}" for one in found), "")
