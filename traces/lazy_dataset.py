"""A group of a trace as an xarray dataset that reads its values when they are used.

xarray's own reader takes most of a second to open a group with many growing variables, and expects
them to be equally long, which they are not while the file is being written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from .netcdf import decoded_attrs
from .open_file import OpenFile, read_values
from .variables import current_name

_OF_NETCDF = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}
_cached: Any = indexing.MemoryCachedArray  # xarray leaves it untyped


class _Column(BackendArray):
    """The first `shape` of an HDF5 dataset, which may be longer."""

    def __init__(
        self, file: OpenFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._file = file
        self._name = name
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        bounded = tuple(
            slice(*part.indices(size)) if isinstance(part, slice) else part
            for part, size in zip(key, self.shape, strict=True)
        )

        return self._file.read(lambda file: read_values(file, self._name, bounded))


def lazy_dataset(file: OpenFile, group: str) -> xr.Dataset:
    """The variables of a netCDF-4 group; a growing dimension is as long as all that spans it.

    Args:
        file: stays open while the dataset is used.
        group: its name.
    """
    columns, attrs = file.read(lambda opened: _described(opened[group]))
    sizes: dict[str, int] = {}
    for dims, shape, *_ in columns.values():
        for dim, size in zip(dims, shape, strict=True):
            sizes[dim] = min(size, sizes.get(dim, size))
    variables = {}
    for name, (dims, _, dtype, about) in columns.items():
        shape = tuple(sizes[dim] for dim in dims)
        column = _Column(file, f"{group}/{name}", shape, dtype)
        variables[current_name(group, name, len(dims))] = lazy_variable(dims, column, about)
    labels = attrs.pop("coordinates", "").split()
    dataset = xr.Dataset(variables, attrs=attrs).set_coords(labels)
    if "station" in dataset.dims and "station" not in dataset.coords:  # of an earlier version
        dataset = dataset.assign_coords(station=np.arange(dataset.sizes["station"]))
    return dataset


_Described = dict[str, tuple[tuple[str, ...], tuple[int, ...], np.dtype[Any], dict[str, Any]]]


def _described(group: h5py.Group) -> tuple[_Described, dict[str, Any]]:
    """Of each variable its dimensions, shape, type and attributes; the group's."""
    columns: _Described = {}
    scales: dict[int, str] = {}
    for name in group:
        dataset = group[name]
        there = list(dataset.attrs)  # to ask for one that is not takes longest
        if "NAME" in there and dataset.attrs["NAME"].startswith(b"This is a netCDF dimension"):
            continue  # it has a size, but no values
        is_scale = "CLASS" in there and dataset.attrs["CLASS"] == b"DIMENSION_SCALE"
        dims = (name,) if is_scale else _dims(dataset, scales)
        values = {key: dataset.attrs[key] for key in there if key not in _OF_NETCDF}
        attrs = {
            key: value.tolist() if isinstance(value, np.generic) else value
            for key, value in values.items()
        }
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        dtype = np.dtype(object) if is_text else dataset.dtype
        columns[name] = dims, dataset.shape, dtype, attrs
    return columns, decoded_attrs(group)


def _dims(dataset: h5py.Dataset, known: dict[int, str]) -> tuple[str, ...]:
    """The names of a variable's dimensions, as its attribute DIMENSION_LIST refers to their scales.

    HDF5's own functions for this crash the process where the attribute is of another type.

    Args:
        dataset: the variable.
        known: names of scales by their places in the file; HDF5 looks through all groups for one, so
            those that were not known are added.

    Raises:
        ValueError: it is.
    """
    if not dataset.ndim:
        return ()
    kept = h5py.h5a.open(dataset.id, b"DIMENSION_LIST")
    kind = kept.get_type()
    is_list = isinstance(kind, h5py.h5t.TypeVlenID)
    if not (is_list and kind.get_super().get_class() == h5py.h5t.REFERENCE) or kept.shape != (
        dataset.ndim,
    ):
        raise ValueError(f"the dimensions of {dataset.name} are not told")
    names = []
    for scales in dataset.attrs["DIMENSION_LIST"]:
        place = h5py.h5o.get_info(h5py.h5r.dereference(scales[0], dataset.id)).addr
        if place not in known:
            name = h5py.h5r.get_name(scales[0], dataset.id)
            known[place] = name.decode().rpartition("/")[2]
        names.append(known[place])
    return tuple(names)


def lazy_variable(
    dims: Sequence[str], array: BackendArray, attrs: Mapping[str, Any]
) -> xr.Variable:
    """A variable of the array's shape that reads the parts that are used, as of xarray's own `open_dataset`."""
    column: Any = indexing.LazilyIndexedArray(array)
    return xr.Variable(dims, _cached(indexing.CopyOnWriteArray(column)), attrs)
