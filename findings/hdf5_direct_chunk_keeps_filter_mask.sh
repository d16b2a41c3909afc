#!/usr/bin/env bash
# Guess: write_direct_chunk(place, bytes, mask) stores the mask with the bytes, and what was stored can be read.
# Truth: a chunk that is written again with as many bytes keeps its first mask, and reads as other numbers; and
# who wrote one with a mask cannot read it until the file is opened again. h5py 3.16.0 with HDF5 2.0.0, src/H5Dchunk.c.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PYTHON'
import zlib

import h5py
import numpy as np

print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version)
plain, new = np.arange(8.0), np.arange(1.0, 9.0)
deflated = zlib.compress(new.view(np.uint8).reshape(8, 8).T.tobytes())
assert len(deflated) < plain.nbytes
AS_IT_IS, FILTERED = 0b11, 0


def written_again(stored):
    with h5py.File("two.h5", "w") as file:
        filters = {"shuffle": True, "compression": "gzip"}
        dataset = file.create_dataset("x", (8,), "f8", chunks=(8,), maxshape=(None,), **filters)
        dataset.id.write_direct_chunk((0,), plain.tobytes(), AS_IT_IS)
        dataset.id.write_direct_chunk((0,), stored, FILTERED)
    with h5py.File("two.h5") as file:
        dataset = file["x"]
        return dataset.id.get_chunk_info(0).filter_mask, dataset[:].tolist() == new.tolist()


shorter, equal = written_again(deflated), written_again(deflated.ljust(plain.nbytes, b"\0"))
print("filtered over plain, other length (mask, right):", shorter)
print("filtered over plain, same length  (mask, right):", equal)
assert shorter == (FILTERED, True)
assert equal == (AS_IT_IS, False)

with h5py.File("one.h5", "w") as file:
    dataset = file.create_dataset("x", (8,), "f8", chunks=(8,), shuffle=True, compression="gzip")
    dataset.id.write_direct_chunk((0,), plain.tobytes(), AS_IT_IS)
    try:
        same = dataset[:].tolist() == plain.tolist()
    except OSError as error:
        same = str(error)
with h5py.File("one.h5") as file:
    later = file["x"][:].tolist() == plain.tolist()
print("read by who wrote it:", same)
print("read by who opens it:", later)
assert "filter returned failure" in str(same)
assert later
PYTHON
