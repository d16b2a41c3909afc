"""Collections of HDF5's global heap, in which texts of any length lie (HDF5 specification, III.E).

They have no checksum, and HDF5 2.0.0 believes them: where the sizes in one lead nowhere, it may not come
back. So each is walked through before HDF5 gets it.
"""

import re
import struct
from collections.abc import Iterator

HEADER = 16
"""Bytes before a collection's first object, and before each object's content."""

_SIGNATURE = re.compile(rb"GCOL\x01\0\0\0")
_ALIGNED = 8


def collections(block: memoryview) -> Iterator[int]:
    """Where collections begin in a piece of a file."""
    return (found.start() for found in _SIGNATURE.finditer(block))


def size_of(header: bytes | bytearray) -> int:
    """Bytes that a collection says to have, by its first `HEADER` bytes."""
    return int.from_bytes(header[8:HEADER], "little")


def is_whole(collection: bytes | bytearray) -> bool:
    """Whether the objects of a collection fill it, one after another."""
    if len(collection) < HEADER or size_of(collection) != len(collection):
        return False
    place = HEADER
    while len(collection) - place >= HEADER:  # less is left free without a word
        index, size = struct.unpack_from("<H6xQ", collection, place)
        # Object 0 is the free room, with its own header.
        step = HEADER + -(-size // _ALIGNED) * _ALIGNED if index else size
        if step < HEADER:
            return False
        place += step
    return place <= len(collection)
