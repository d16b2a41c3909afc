"""The core of the program with the lowest versions that setup.cfg allows, which .ci/run installs.

A trace is written, read while it grows, resumed, and opened by all that users of traces have: h5py, xarray
with both of its engines, and, where they are installed, the command-line tools of HDF5 1.10.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

import edgesim

TOOLS = (["h5dump"], ["ncdump"], ["ncks"])

NETCDF = """
import sys
import netCDF4, xarray
with netCDF4.Dataset(sys.argv[1]) as file:
    emission = file["slots"]["emission_mg"][...]
with xarray.open_dataset(sys.argv[1], engine="netcdf4", group="slots") as slots:
    assert (slots["emission_mg"].values == emission).all()
print(repr(float(emission.sum())))
"""
"""In a process of its own: after h5py, these wheels of netCDF4 open no file at all."""


def opened_by_all(path: Path) -> None:
    """All readers see the same emission."""
    with edgesim.open_trace(path) as trace:
        emission = trace.slots["emission_mg"].values
        assert trace.summary().slots == emission.shape[1] > 0
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["slots/emission_mg"][...], emission)
    with xr.open_dataset(path, engine="h5netcdf", group="slots") as slots:
        np.testing.assert_array_equal(slots["emission_mg"], emission)
        assert slots.sel(station=0)["carbon_g_per_kwh"].dims == ("replication", "slot")
    line = [sys.executable, "-c", NETCDF, str(path)]
    told = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(float(told), emission.sum(), rtol=1e-12)
    for tool in TOOLS:
        if shutil.which(tool[0]):
            done = subprocess.run([*tool, str(path)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (tool, done.stderr)


def main() -> None:
    """In the current folder."""
    print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, xarray {xr.__version__}")
    for scenario, policy in (("iiot_20dev", "lyapunov"), ("carbon_6ue", "sca")):
        path = Path(f"{scenario}-{policy}.h5")
        slots = 200 if policy != "sca" else 5
        with edgesim.run(scenario, path, policy=policy, slots=slots, replications=2) as trace:
            assert trace.status == "complete"
            print(trace.summary())
        opened_by_all(path)
    command = [sys.executable, "-m", "edgesim", "run", "iiot_20dev", "--slots", "1000000"]
    command += ["-o", "killed.h5", "--checkpoint-every", "1000", "--resume"]
    process, killed = subprocess.Popen(command, stderr=subprocess.DEVNULL), Path("killed.h5")
    while not Path("killed.h5.checkpoint").exists():
        assert process.poll() is None
        time.sleep(0.1)
    with edgesim.open_trace(killed) as trace:
        assert trace.status == "running" and trace.slots.sizes["slot"] >= 1000
    process.send_signal(signal.SIGKILL)
    process.wait()
    opened_by_all(killed)
    edgesim.export(killed, "tables", "csv")
    edgesim.plot(killed)
    edgesim.report(killed)
    print("the lowest versions work", os.linesep)


if __name__ == "__main__":
    main()
