"""HDF5 laid out as netCDF-4: dimensions are dimension scales, variables carry units and names."""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike

from .variables import Variable

TEXT = h5py.string_dtype()
_TEXT_KIND, _ONE = h5py.h5t.py_create(TEXT, logical=True), h5py.h5s.create(h5py.h5s.SCALAR)
DEFLATE_LEVEL = 1
SHUFFLED_AND_DEFLATED: dict[str, Any] = {
    "shuffle": True,
    "compression": "gzip",
    "compression_opts": DEFLATE_LEVEL,
}
"""The filters of variables that grow, in their order; every reader of netCDF-4 has them."""

_WITHOUT_VALUES = "This is a netCDF dimension but not a netCDF variable."


def dimension(group: h5py.Group, name: str, size: int, *, unlimited: bool = False) -> h5py.Dataset:
    """A dimension without a coordinate variable."""
    scale = group.create_dataset(
        name,
        (size,),
        "i1",
        maxshape=(None if unlimited else size,),
        chunks=(1 << 20,) if unlimited else None,
    )
    scale.make_scale(f"{_WITHOUT_VALUES}{size:10d}")
    return scale


def coordinate(group: h5py.Group, name: str, values: ArrayLike, *, long_name: str) -> h5py.Dataset:
    """A dimension with a number or a text for each of its places, (size,)."""
    text = np.asarray(values).dtype.kind == "U"
    scale = group.create_dataset(name, data=values, dtype=TEXT if text else "i8")
    scale.make_scale(name)
    scale.attrs["long_name"] = long_name
    return scale


def growing_coordinate(group: h5py.Group, name: str, chunk: int, *, long_name: str) -> h5py.Dataset:
    """An unlimited dimension with a number for each place, -1 where there is none yet; empty at first."""
    scale = group.create_dataset(name, (0,), "i8", maxshape=(None,), chunks=(chunk,), fillvalue=-1)
    scale.make_scale(name)
    scale.attrs["long_name"] = long_name
    return scale


def variable(
    group: h5py.Group,
    name: str,
    what: Variable,
    scales: Mapping[str, h5py.Dataset],
    chunks: Sequence[int] | None = None,
    fill: Any = None,
    *,
    compressed: bool = False,
) -> h5py.Dataset:
    """A variable over the given dimensions; along an unlimited one it grows.

    Args:
        group: where it is made.
        name: its name.
        what: dimensions, type, unit and meaning.
        scales: the dimensions by name.
        chunks: shape of a chunk; None for one block.
        fill: value of what was never written.
        compressed: whether its chunks are.
    """
    dims = [scales[dim] for dim in what.dims]
    dataset = group.create_dataset(
        name,
        tuple(scale.shape[0] for scale in dims),
        TEXT if what.dtype == "text" else what.dtype,
        maxshape=tuple(scale.maxshape[0] for scale in dims) if chunks else None,
        chunks=tuple(chunks) if chunks else None,
        fillvalue=fill,
        **SHUFFLED_AND_DEFLATED if compressed else {},
    )
    for axis, scale in enumerate(dims):
        h5py.h5ds.attach_scale(dataset.id, scale.id, axis)
    _new_text(dataset, "long_name", what.long_name)
    if what.units:
        _new_text(dataset, "units", what.units)
    return dataset


def overwrite(dataset: h5py.Dataset, values: ArrayLike) -> None:
    """All values of a variable of fixed size, in its shape; a third of the time of `dataset[...] = …`."""
    opened = dataset.id  # whose numbers `dataset` would ask for once more
    whole = np.ascontiguousarray(values, opened.dtype)
    if whole.shape != opened.shape:
        raise ValueError(f"{dataset.name} has shape {opened.shape}, not {whole.shape}")
    opened.write(h5py.h5s.ALL, h5py.h5s.ALL, whole)


def _new_text(owner: h5py.HLObject, name: str, text: str) -> None:
    """An attribute that is not there yet; `attrs` makes a temporary one first, and renames it."""
    value = np.array(text.encode(), dtype=TEXT)
    h5py.h5a.create(owner.id, name.encode(), _TEXT_KIND, _ONE).write(value)


def fixed_text(owner: h5py.HLObject, name: str, text: str, width: int) -> None:
    """A text attribute of fixed width, the only kind that can be changed in SWMR mode."""
    owner.attrs.create(name, np.bytes_(text), dtype=h5py.string_dtype("ascii", width))


def set_fixed_text(owner: h5py.HLObject, name: str, text: str) -> None:
    """Change an attribute made by `fixed_text`."""
    owner.attrs.modify(name, np.array(np.bytes_(text), dtype=owner.attrs.get_id(name).dtype))


def decoded_attrs(owner: h5py.HLObject) -> dict[str, Any]:
    """The attributes of a file or group as plain Python values."""
    found = {}
    for name in owner.attrs:
        attribute = h5py.h5a.open(owner.id, name.encode())
        kind = attribute.dtype
        if attribute.shape == () and (kind.kind in "fiu" or kind == TEXT):
            one = np.empty((), kind)  # in a quarter of the time of `attrs`
            attribute.read(one)
            value = one.item()
        else:
            value = owner.attrs[name]
        if isinstance(value, np.generic | np.ndarray) and not isinstance(value, bytes):
            value = value.tolist()
        found[name] = value.decode() if isinstance(value, bytes) else value
    return found
