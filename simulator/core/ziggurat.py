"""numba's draws of random bits, from `bits_at`, and the tables that it has from NumPy, by their names there.

They are imported when compiled code first asks for them, as numba is for `compiled`.
"""

from importlib import import_module
from typing import Any

_PLACES = (
    "numba.np.random.generator_core",
    "numba.np.random._constants",
    f"{__package__}.bit_source",
)


def __getattr__(name: str) -> Any:
    for place in () if name.startswith("__") else map(import_module, _PLACES):
        if hasattr(place, name):
            return getattr(place, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
