"""How much memory there is."""

import os
from contextlib import suppress
from pathlib import Path


def memory_bytes() -> int:
    """The memory of this machine, or what its control group leaves of it; very much where none is told."""
    found = [1 << 62]
    with suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(size for size in found if size > 0)
