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
import netCDF4  # before h5py: the wheels of these two share the name of a library
import numpy as np
import xarray as xr

import edgesim

TOOLS = (["h5dump"], ["ncdump"], ["ncks"])


def opened_by_all(path: Path) -> None:
    """All readers see the same queues."""
    with edgesim.open_trace(path) as trace:
        queues = trace.slots["queue_bits"].values
        assert trace.summary().slots == queues.shape[1] > 0
    with h5py.File(path, "r") as file:
        np.testing.assert_array_equal(file["slots/queue_bits"][...], queues)
    with netCDF4.Dataset(path) as file:
        np.testing.assert_array_equal(file["slots"]["queue_bits"][...], queues)
    for engine in ("h5netcdf", "netcdf4"):
        with xr.open_dataset(path, engine=engine, group="slots") as slots:
            np.testing.assert_array_equal(slots["queue_bits"], queues)
            assert slots.sel(station=1)["station_queue_bits"].dims == ("replication", "slot")
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
