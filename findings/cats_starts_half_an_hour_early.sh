#!/usr/bin/env bash
# Guess: CATS (the climate-aware task scheduler), told that a job takes an hour, names the hour of the forecast with the
#        least carbon, and how much that has.
# Truth: each value of Great Britain's API is the mean of a half-hour, from 'from' to 'to'; CATS takes it for that of the
#        moment 'from', and joins moments by straight lines. So all is a quarter of an hour early: of two green half-hours
#        among others the job gets the one before them and the first of them, 200 g where 100 are to be had, told as 150;
#        of random walks over two days four in ten start half an hour too early.
# climate-aware-task-scheduler 1.2.1 (PyPI), cats/providers/uk_carbonintensity.py (get_data) and cats/forecast.py, whose
# least window cats/cli.py takes (`min(wf)`); the API: https://carbon-intensity.github.io/api-definitions/.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check climate-aware-task-scheduler==1.2.1
TMPDIR="$place" venv/bin/python - <<'PYTHON'
import json
import random
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from cats.forecast import PointEstimate, WindowedForecast
from cats.providers import UKCarbonIntensityProvider

BEGIN, HALF = datetime(2026, 1, 1, tzinfo=timezone.utc), timedelta(minutes=30)
MEANS = [300, 300, 300, 100, 100, 300, 300, 300, 300, 300]  # g/kWh of half-hours, from midnight on


class Api(BaseHTTPRequestHandler):
    """The regional forecast as the API has it: a value for each half-hour, with its begin and its end."""

    def do_GET(self):
        rows = [
            {
                "from": f"{BEGIN + i * HALF:%Y-%m-%dT%H:%MZ}",
                "to": f"{BEGIN + (i + 1) * HALF:%Y-%m-%dT%H:%MZ}",
                "intensity": {"forecast": value, "index": "moderate"},
            }
            for i, value in enumerate(MEANS)
        ]
        body = json.dumps({"data": {"regionid": 12, "postcode": "OX1", "data": rows}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def chosen(points, minutes):
    """Half-hours from midnight to the start that CATS would take, and what it says of it."""
    best = min(WindowedForecast(points, minutes, start=BEGIN))
    return (best.start - BEGIN) / HALF, best.value


def mean_of(means, start, minutes):
    count = minutes // 30
    return sum(means[int(start) : int(start) + count]) / count


def least(means, minutes):
    return min(range(len(means) - minutes // 30), key=lambda i: mean_of(means, i, minutes))


server = HTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
provider = UKCarbonIntensityProvider(base_url=f"http://127.0.0.1:{server.server_port}")
points = provider.get_data(BEGIN, "OX1").values
server.shutdown()
start, says = chosen(points, 60)
print("climate-aware-task-scheduler", version("climate-aware-task-scheduler"))
print(f"an hour: starts in half-hour {start:g}, told {says:g} g/kWh, has {mean_of(MEANS, start, 60):g}")
print(f"the least is from half-hour {least(MEANS, 60)} on, {mean_of(MEANS, least(MEANS, 60), 60):g} g/kWh")
assert (start, says, mean_of(MEANS, start, 60)) == (2, 150, 200) and least(MEANS, 60) == 3

early = right = 0
rng = random.Random(1)
for _ in range(1000):
    walk = [200.0]
    for _ in range(95):
        walk.append(max(walk[-1] + rng.gauss(0.0, 15.0), 20.0))
    shift = chosen([PointEstimate(g, BEGIN + i * HALF) for i, g in enumerate(walk)], 120)[0] - least(walk[:-1], 120)
    early, right = early + (shift == -1), right + (shift == 0)
print(f"two hours in 1000 random walks: {early} start half an hour early, {right} right")
assert 350 < early < 480
PYTHON
