"""What the server of a sweep's workers imports, once, before it forks them: all that a run needs.

With it comes what numba registers before it loads its first function, which takes as long as the imports.
"""

from numba.core.registry import cpu_target

from ...simulator.assembly import build
from ...traces import writer

__all__ = ["build", "writer"]

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
