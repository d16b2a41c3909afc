"""A group of a trace as an xarray dataset that reads its values when they are used.

xarray's own reader takes most of a second to open a group with many growing variables, and expects
them to be equally long, which they are not while the file is being written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from .file_errors import reported

_OF_NETCDF = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}
_cached: Any = indexing.MemoryCachedArray  # xarray leaves it untyped


class _Column(BackendArray):
    """The first `shape` of an HDF5 dataset, which may be longer."""

    def __init__(self, dataset: h5py.Dataset, shape: tuple[int, ...], path: Path) -> None:
        self._path = path
        self._is_text = h5py.check_string_dtype(dataset.dtype) is not None
        self._dataset = dataset
        self.shape = shape
        self.dtype = np.dtype(object) if self._is_text else dataset.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        bounded = tuple(
            slice(*part.indices(size)) if isinstance(part, slice) else part
            for part, size in zip(key, self.shape, strict=True)
        )
        with reported(self._path):
            return (self._dataset.asstr() if self._is_text else self._dataset)[bounded]


def lazy_dataset(group: h5py.Group, path: Path) -> xr.Dataset:
    """The variables of a netCDF-4 group; a growing dimension is as long as its scale is now.

    Args:
        group: of a file that stays open while the dataset is used.
        path: of the file, for messages.
    """
    sizes = {
        name: item.shape[0]
        for owner in (group.file, group)
        for name, item in owner.items()
        if isinstance(item, h5py.Dataset) and item.is_scale
    }
    variables = {}
    for name in group:
        dataset = group[name]
        if group.file.swmr_mode:
            # HDF5 may have cached it, when listing it above, before the sizes were read.
            dataset.id.refresh()
        if dataset.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension"):
            continue  # it has a size, but no values
        dims = (
            (name,)
            if dataset.is_scale
            else tuple(dim[0].name.rpartition("/")[2] for dim in dataset.dims)
        )
        column = _Column(dataset, tuple(sizes[dim] for dim in dims), path)
        attrs = {
            key: value.tolist() if isinstance(value, np.generic) else value
            for key, value in dataset.attrs.items()
            if key not in _OF_NETCDF
        }
        variables[name] = lazy_variable(dims, column, attrs)
    attrs = decoded_attrs(group)
    labels = attrs.pop("coordinates", "").split()
    return xr.Dataset(variables, attrs=attrs).set_coords(labels)


def lazy_variable(
    dims: Sequence[str], array: BackendArray, attrs: Mapping[str, Any]
) -> xr.Variable:
    """A variable that reads the parts that are used, like those of xarray's own `open_dataset`."""
    column: Any = indexing.LazilyIndexedArray(array)
    return xr.Variable(dims, _cached(indexing.CopyOnWriteArray(column)), attrs)


def decoded_attrs(owner: h5py.HLObject) -> dict[str, Any]:
    """The attributes of a file or group as plain Python values."""
    return {
        name: value.decode()
        if isinstance(value, np.bytes_)
        else value.tolist()
        if isinstance(value, np.generic | np.ndarray)
        else value
        for name, value in owner.attrs.items()
    }
