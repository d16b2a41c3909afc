"""What a server of processes imports, once, before it forks them: all that a run needs.

With it comes what numba registers before it loads its first function, which takes as long as the imports.
"""

from numba.core.registry import cpu_target

from . import build

__all__ = ["build"]

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
