"""A random generator as compiled code has it at once: the address of its state, and those of its functions.

To take a Generator apart costs numba 50 us a call, more than a thousand draws.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def bits_at(typing_context: Any, state: Any, next_uint64: Any, next_double: Any) -> Any:
    """What `next_uint64` and `next_double` of numba draw from; its owner must be alive meanwhile."""
    bits = types.NumPyRandomBitGeneratorType("bit_generator")

    def generate(context: Any, builder: Any, signature: Any, addresses: Any) -> Any:
        made = cgutils.create_struct_proxy(bits)(context, builder)
        made.state, made.fnptr_next_uint64, made.fnptr_next_double = addresses
        return made._getvalue()

    return bits(state, next_uint64, next_double), generate
