"""The first bytes of an HDF5 file (HDF5 specification, II.A, versions 2 and 3).

They say how far the file reaches, and whether it is open for writing. HDF5 refuses to read a file that
says so, and a writer that is killed leaves it so for ever.
"""

import struct

SIZE = 48
"""Bytes of a superblock."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FLAGS, _END = 11, slice(28, 36)
_WORD = 0xFFFFFFFF


def is_superblock(block: bytes) -> bool:
    """Whether these bytes are a whole superblock of a version that has a checksum."""
    if len(block) != SIZE or block[:8] != _SIGNATURE or block[8] not in (2, 3):
        return False
    return block[9:11] == b"\x08\x08" and _checksummed(block[:-4]) == block


def says_open(block: bytes) -> bool:
    """Whether it says that the file is open for writing."""
    return block[8] == 3 and block[_FLAGS] != 0


def end_of(block: bytes) -> int:
    """How many bytes the file has at least."""
    return int.from_bytes(block[_END], "little")


def as_closed(block: bytes, end: int) -> bytes:
    """The superblock of the same file, closed, with this many bytes."""
    changed = bytearray(block[:-4])
    if changed[8] == 3:
        changed[_FLAGS] = 0
    changed[_END] = end.to_bytes(8, "little")
    return _checksummed(bytes(changed))


def _checksummed(content: bytes) -> bytes:
    return content + lookup3(content).to_bytes(4, "little")


def lookup3(content: bytes) -> int:
    """Bob Jenkins' hash, which is HDF5's checksum of metadata (lookup3.c, `hashlittle`)."""
    a = b = c = (0xDEADBEEF + len(content)) & _WORD
    if not content:
        return c
    blocks = -(-len(content) // 12)
    words: tuple[int, ...] = struct.unpack(f"<{3 * blocks}I", content.ljust(12 * blocks, b"\0"))
    for place in range(0, len(words) - 3, 3):
        a, b, c = ((old + words[place + i]) & _WORD for i, old in enumerate((a, b, c)))
        a = (a - c) & _WORD ^ _rotated(c, 4)
        c = (c + b) & _WORD
        b = (b - a) & _WORD ^ _rotated(a, 6)
        a = (a + c) & _WORD
        c = (c - b) & _WORD ^ _rotated(b, 8)
        b = (b + a) & _WORD
        a = (a - c) & _WORD ^ _rotated(c, 16)
        c = (c + b) & _WORD
        b = (b - a) & _WORD ^ _rotated(a, 19)
        a = (a + c) & _WORD
        c = (c - b) & _WORD ^ _rotated(b, 4)
        b = (b + a) & _WORD
    a, b, c = ((old + words[i - 3]) & _WORD for i, old in enumerate((a, b, c)))
    c = ((c ^ b) - _rotated(b, 14)) & _WORD
    a = ((a ^ c) - _rotated(c, 11)) & _WORD
    b = ((b ^ a) - _rotated(a, 25)) & _WORD
    c = ((c ^ b) - _rotated(b, 16)) & _WORD
    a = ((a ^ c) - _rotated(c, 4)) & _WORD
    b = ((b ^ a) - _rotated(a, 14)) & _WORD
    return ((c ^ b) - _rotated(b, 24)) & _WORD


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _WORD
