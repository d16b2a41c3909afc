"""Recorded requests: what sources publish, unedited, against values by hand, pandas and zoneinfo."""

import copy
import gzip
import io
import pickle
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from click.testing import CliRunner
from continuing import assert_same, stop_at
from pyarrow import csv, parquet
from scipy import stats

import edgesim
from edgesim.cli import main
from edgesim.experiments.data_check import check_data
from edgesim.experiments.run import execute, prepare, resume
from edgesim.scenarios.data import row_store, table_reader
from edgesim.scenarios.data.row_store import RowStore
from edgesim.scenarios.data.workloads import Workload, read_workload
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.workload_section import WorkloadReading
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.arrivals import Tasks
from edgesim.simulator.models.replay import Replay, ReplayPerSlot

LLM_2023 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n"
    "2023-11-16 18:17:04.0319600,3180,8\r\n2023-11-16 18:17:05.0000000,110,27"
)
LLM_2024 = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n"
    "2024-05-10 00:00:00.017335+00:00,2399,6\n2024-05-10 00:00:01+00:00,76,15\n"
)
FUNCTIONS_2019 = (
    "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no1,a1,f1,http,0,5,2\no1,a1,f2,timer,1,1,1\n"
)
FUNCTIONS_2021 = (
    "app,func,end_timestamp,duration\nb,f,79.875,0.125\na,g,15.5,2.5\na,f,12.0,1.0\nb,f,80.0,67.5\n"
)
ALIBABA_2018 = (
    "M1,10,j_1,1,Terminated,100,160,100,0.5\nR2_1,4,j_1,1,Terminated,160,200,50,0.25\n"
    "task_abc,1,j_2,1,Running,300,0,,\nM2,1,j_2,1,Failed,310,320,5,101\nM3,1,j_3,1,Failed,315,320,5,-1\n"
)
ALIBABA_2018_INSTANCES = (
    "ins_1,task_a,j_1,1,Terminated,41562,41618,m_1,1,1,10,20,0.02,0.04\n"
    "ins_2,task_a,j_1,1,Terminated,41561,41618,m_2,2,3,10,20,0.01,0.02\n"
)
GPU_2023 = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,"
    "scheduled_time\nopenb-pod-0000,12000,16384,1,1000,,LS,Running,0,12537496,0\n"
    "openb-pod-0001,6000,0,1,460,,LS,Running,427061,12902960,427061\n"
    "openb-pod-0002,6000,12288,1,460,,BE,Pending,427061,12902960,\n"
)
SWF = (
    "; Version: 2.2\n; UnixStartTime: 1000000000\n; MaxProcs: 128\n"
    "1 0 5 100 4 -1 -1 4 200 -1 1 1 1 -1 1 -1 -1 -1\n"
    "  2\t 30   -1 -1 8 -1 -1 8 600 -1 5 2 1 -1 1 -1 -1 -1 \r\n; a remark\n"
    "3 90 -1 50 2 -1 -1 8 -1 -1 5 1 1 -1 1 -1 -1 -1\n"
)
BURST_GPT = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,0,1087,API log\n"
)
BURST_GPT_2 = (
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log\n"
    "19440161.0,d5983bf9,2,ChatGPT,36,29,65,Conversation log\n"
)

PUBLISHED: dict[str, tuple[str, dict[str, Any], str, list[float], list[float]]] = {
    # Content, `bits`, the format; seconds between the first request and each, and sizes, by hand.
    "llm-2023.csv": (
        LLM_2023,
        {"ContextTokens": 2.0, "GeneratedTokens": 1.0},
        "Azure LLM inference trace",
        [0.0, 0.052, 1.02004],
        [9626.0, 6368.0, 247.0],
    ),
    "llm-2024.csv": (
        LLM_2024,
        {"ContextTokens": 1.0, "GeneratedTokens": 1.0},
        "Azure LLM inference trace",
        [0.0, 0.007405, 0.99007],
        [2167.0, 2405.0, 91.0],
    ),
    "functions-2021.txt": (
        FUNCTIONS_2021,
        {"duration": 8.0},
        "Azure Functions 2021",
        [0.0, 1.5, 2.0, 68.75],
        [8.0, 540.0, 20.0, 1.0],
    ),
    "batch_task.csv": (
        ALIBABA_2018,
        {"plan_mem": 100.0},
        "Alibaba 2018, batch_task",
        [0.0, 60.0],
        [50.0, 25.0],
    ),
    "batch_instance.csv": (
        ALIBABA_2018_INSTANCES,
        {"mem_max": 100.0},
        "Alibaba 2018, batch_instance",
        [0.0, 1.0],
        [2.0, 4.0],
    ),
    "gpu-2023.csv": (
        GPU_2023,
        {"memory_mib": 1.0},
        "Alibaba GPU 2023",
        [0.0, 427061.0],
        [16384.0, 12288.0],
    ),
    "jobs.swf": (
        SWF,
        {"run_time": 1.0},
        "Standard Workload Format",
        [0.0, 90.0],
        [100.0, 50.0],
    ),
    "burst.csv": (
        BURST_GPT,
        {"Request tokens": 1.0, "Response tokens": 10.0},
        "BurstGPT",
        [0.0, 40.0],
        [652.0, 1087.0],
    ),
    "burst-2.csv": (
        BURST_GPT_2,
        {"Request tokens": 1.0, "Response tokens": 0.0},
        "BurstGPT",
        [0.0, 51.0],
        [906.0, 36.0],
    ),
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(content: str | bytes, name: str = "f.csv") -> Path:
    path = Path(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(content: str | bytes, bits: Any = 1.0, name: str = "f.csv", **keys: Any) -> Workload:
    return read_workload(written(content, name), WorkloadReading(**keys), bits)


def rows(found: Workload) -> Any:
    return found.requests.read(0, found.requests.size)


def times(found: Workload) -> list[float]:
    time_s = rows(found)["time_s"]
    return list(time_s - time_s[0])


def replayed(model: Replay, slots: int, devices: int = 5, replications: int = 1) -> list[Tasks]:
    model.start(devices, 1.0, Streams(3, replications).generators)
    return [model.slot(slot) for slot in range(slots)]


class TestPublished:
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_is_read_unedited(self, name: str, packed: bool) -> None:
        content, bits, format_, seconds, sizes = PUBLISHED[name]
        if packed:
            found = read(gzip.compress(content.encode()), bits, f"{name}.gz")
        else:
            found = read(content, bits, name)
        assert found.format == format_
        assert times(found) == pytest.approx(seconds, abs=1e-6)
        assert rows(found)["bits"].tolist() == sizes

    def test_what_is_unknown_is_told_apart_and_counted(self) -> None:
        assert dict(read(ALIBABA_2018, {"plan_mem": 1.0}).left_out) == {
            "nothing in plan_mem": 1,
            '"101" in plan_mem': 1,
            '"-1" in plan_mem': 1,
        }
        # 1.01 of a core is none of those.
        assert read("M1,1,j,1,Failed,3,4,101,0.5\n", {"plan_cpu": 1.0}).left_out == {}
        swf = read(SWF, {"run_time": 1.0}, "a.swf", deadline_column="requested_time")
        assert dict(swf.left_out) == {'"-1" in run_time': 1}
        assert rows(swf)["deadline_s"].tolist()[0] == 200.0
        assert np.isnan(rows(swf)["deadline_s"][1])
        text = "time,n\n,5\n1,\n2,-1\n3,none\n4,7\n5,101\n"
        found = read(text, {"n": 1.0}, unknown=("", "-1", "none"))
        assert found.left_out == {
            "nothing in time": 1,
            "nothing in n": 1,
            '"-1" in n': 1,
            '"none" in n': 1,
        }
        assert rows(found)["bits"].tolist() == [7.0, 101.0]

    @pytest.mark.parametrize(
        ("content", "bits", "keys", "message"),
        [
            ("HashOwner,HashApp,HashFunction,Average,Count\no,a,f,1,2\n", 1.0, {}, "has no times"),
            (FUNCTIONS_2019, {"x": 1.0}, {}, "`bits` of every request"),
            (FUNCTIONS_2019, 1.0, {"time_column": "1"}, "by the minute; allowed: no `time_column`"),
            (FUNCTIONS_2019.replace("5", "5.5"), 1.0, {}, 'row 2, column 2: "5.5" is not a whole'),
            (FUNCTIONS_2019.replace("5", "x"), 1.0, {}, 'row 2, column 2: "x" is not a number'),
            (
                FUNCTIONS_2019.replace("5", "1e8"),
                1.0,
                {},
                'row 2, column 2: "1e8" is not a number that is finite and not negative, and at most 1e+07',
            ),
            ("a,b\n1,2\n", 1.0, {}, "no column of times by its name; its columns: a, b"),
            ("time,date\n1,2\n", 1.0, {}, "several columns of times: time, date"),
            (
                "a,a\n1,2\n",
                1.0,
                {"time_column": "a"},
                '2 columns "a", which `time_column` names; allowed: a, a',
            ),
            ("time,n\n5e10,1\n", 1.0, {}, "may be times of several units; allowed: `time_unit`"),
            ("time,n\n1,1\n2e12,1\n", 1.0, {}, "may be times of several units"),
            ("time\n2025-01-01\n", 1.0, {"time_unit": "s"}, "are dates; allowed: no `time_unit`"),
            ("time\n2025-01-01Z\n", 1.0, {}, '"2025-01-01Z" is not a number or a date'),
            ("time\n2025-01-01T00:00Z\n", 1.0, {"time_zone": "UTC"}, "have a zone; allowed: no"),
            ("time\n5\n", 1.0, {"time_zone": "UTC"}, "on no clock; allowed: no `time_zone`"),
            ("time\n5\n", 1.0, {"time_zone": "Nix/Nix"}, 'key `time_zone` = "Nix/Nix": no such'),
            ("time\n20251301000000\n", 1.0, {}, 'row 2, column time: "20251301000000" is not YYYY'),
            ("time\n20250230000000\n", 1.0, {}, 'row 2, column time: "20250230000000" is not YYYY'),
            (
                "time,n\n0,1e200\n",
                {"n": 1e200},
                {},
                'row 2, column n: "1e200" is not a number that is finite and not negative, and at most 1e+108',
            ),
            (
                "time\n1e300\n",
                1.0,
                {"time_unit": "s"},
                'row 2, column time: "1e300" is not within ±1e+15 s',
            ),
            ("time,n\n0,0\n", 1.0, {"deadline_column": "n"}, "is not a positive number of sec"),
            ("time,n\n0,-1\n", {"n": 1.0}, {}, "or `unknown`, what stands for unknown"),
            ("1 2 3\n", 1.0, {}, "no column of times"),
            ("", 1.0, {}, "empty; allowed: rows"),
            ("time\n", 1.0, {}, "no request that has any bits"),
            ("time\n" + "1," * 2_000_000, 1.0, {}, "longer than 1,048,576 bytes"),
            (b"time\n\xff\xfe\n", 1.0, {}, "cannot be read"),
        ],
    )
    def test_is_refused_in_a_message(
        self, content: str, bits: Any, keys: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ScenarioError) as error:
            read(content, bits, **keys)
        assert message in str(error.value) and str(error.value).startswith("f.csv: ")
        assert len(error.value.issues) == 1 or not keys.get("time_zone")

    @pytest.mark.parametrize("key", ["device_column", "deadline_column", "time_column"])
    def test_cells_of_no_number_or_text_are_refused(self, key: str) -> None:
        cells = {"time": [0.0, 1.0], "n": [1.0, 2.0], "odd": [[1.0], [2.0]]}
        out = io.BytesIO()
        parquet.write_table(pa.table(cells), out)
        with pytest.raises(ScenarioError, match=r"odd|cannot be read") as error:
            read(out.getvalue(), {"n": 1.0}, "f.parquet", **{key: "odd"})
        assert len(error.value.issues) == 1

    def test_all_kinds_of_mistakes_are_told_with_the_first_row_of_each(self) -> None:
        text = "time,n,m\n0,1,1\n\n1,x,1\nsoon,1,2\n2,y,1\n3\n4,1,-2\n5,6,7,8\n"
        with pytest.raises(ScenarioError) as error:
            read(text, {"n": 1.0, "m": 1.0})
        told = [str(issue) for issue in error.value.issues]
        assert told == [
            'f.csv: row 5, column time: "soon" is not a number, as the first times are',
            'f.csv: row 4, column n: "x" is not a number that is finite and not negative; and 1 more',
            'f.csv: row 8, column m: "-2" is not a number that is finite and not negative',
            "f.csv: row 7: 1 columns, not 3; and 1 more",
        ]
        with pytest.raises(ScenarioError, match="and 1,000 more, at which reading ended"):
            read("time,n\n" + "1\n" * 5000)
        with pytest.raises(ScenarioError, match=r"f.swf: row 7: 3 columns, not 18"):
            read(SWF.replace("3 90 -1", "3 90 -1\n1"), name="f.swf")


class TestTimes:
    def test_of_numbers_since_1970_are_told_by_their_size(self) -> None:
        for factor, digits in ((1, 10), (1000, 13), (10**6, 16), (10**9, 19)):
            numbers = [1715299200 * factor, 1715299207 * factor]
            assert len(str(numbers[0])) == digits
            assert times(read("time\n" + "\n".join(map(str, numbers)))) == [0.0, 7.0]
        assert times(read("t_ms,n\n500,1\n750,1\n", time_column="t_ms")) == [0.0, 0.25]
        assert times(read("time [us]\n500\n750\n")) == pytest.approx([0.0, 250e-6])
        assert times(read("time\n60000\n120000\n", time_unit="ms")) == [0.0, 60.0]
        assert times(read("time\n-5\n7.25\n")) == [0.0, 12.25]
        assert read("time\n1\n1\n2\n").out_of_order == (0, 0)

    def test_of_numbers_in_parquet_are_told_likewise(self) -> None:
        for numbers in (
            [1715299200123456789, 1715299207123456789],
            [20240510000000, 20240510000007],
            [1.5, 8.5],
            [date(2024, 2, 28), date(2024, 3, 1)],
        ):
            buffer = io.BytesIO()
            pd.DataFrame({"time": numbers, "n": [1, 2]}).to_parquet(buffer)
            found = read(buffer.getvalue(), {"n": 1.0}, "f.parquet")
            apart = 2 * 86400.0 if "date" in found.times else 7.0
            assert times(found) == pytest.approx([0.0, apart], abs=1e-6)
            assert rows(found)["bits"].tolist() == [1.0, 2.0]

    def test_as_one_number_are_dates(self) -> None:
        rng = random.Random(4)
        moments = sorted(
            datetime(1999, 1, 1) + timedelta(seconds=rng.randrange(10**9)) for _ in range(300)
        )
        text = "time\n" + "\n".join(moment.strftime("%Y%m%d%H%M%S") for moment in moments)
        expected = [(moment - moments[0]).total_seconds() for moment in moments]
        assert times(read(text)) == expected
        assert times(read(text, time_unit="YYYYMMDDhhmmss")) == expected
        assert times(read("time\n20161231235960\n20170101000001\n")) == [0.0, 1.0]  # a leap second
        for wrong in ("0229000000", "1301000000", "0010000000", "0431000000", "0400000000"):
            with pytest.raises(ScenarioError, match=f'row 3, .*2023{wrong}" is not'):
                read(f"time\n20230101000000\n2023{wrong}\n")
        for clock in ("240000", "236000", "235961"):
            with pytest.raises(ScenarioError, match=f'row 3, .*20230101{clock}" is not'):
                read(f"time\n20230101000000\n20230101{clock}\n")

    @pytest.mark.parametrize(
        ("name", "begin"),
        [
            ("Europe/London", datetime(2024, 10, 26, 20, tzinfo=ZoneInfo("UTC"))),
            ("Europe/Berlin", datetime(2024, 10, 26, 20, tzinfo=ZoneInfo("UTC"))),
            ("America/New_York", datetime(2024, 11, 3, 1, tzinfo=ZoneInfo("UTC"))),
            ("Australia/Sydney", datetime(2024, 4, 6, 11, tzinfo=ZoneInfo("UTC"))),
        ],
    )
    def test_of_a_clock_that_is_put_back_follow_the_rows(self, name: str, begin: datetime) -> None:
        """West and east of Greenwich, where the later of two moments is not UTC itself, too."""
        zone = ZoneInfo(name)
        moments = [begin + timedelta(minutes=7 * step) for step in range(100)]
        local = [moment.astimezone(zone).replace(tzinfo=None) for moment in moments]
        text = "time\n" + "\n".join(str(one) for one in local)
        assert local != sorted(local)
        found = read(text, time_zone=name)
        assert times(found) == [420.0 * step for step in range(100)]
        assert found.out_of_order == (0, 0)
        assert times(read(text)) != times(found)  # on a clock without an hour of its own

    def test_of_a_clock_that_is_put_back_follow_the_rows_whose_time_is_known(self) -> None:
        """As `unknown` stands for no time, it does not stand between two."""
        shown = ["00:50:00", "01:50:00", "", "01:10:00", "02:30:00"]
        for rows in (shown, [one for one in shown if one]):
            cells = (f"2024-10-27 {one},1" if one else ",1" for one in rows)
            text = "\n".join(["time,n", *cells]) + "\n"
            found = read(text, time_zone="Europe/London", unknown=("",))
            assert times(found) == [0.0, 3600.0, 4800.0, 9600.0]

    def test_that_a_clock_which_is_put_forward_does_not_show_are_refused(self) -> None:
        skipped = "time\n2024-03-31 00:59:00\n2024-03-31 01:30:00\n"
        with pytest.raises(ScenarioError, match=r"row 3, .*which clocks in Europe/London do not"):
            read(skipped, time_zone="Europe/London")
        stamps = "time\n20240331005900\n20240331020000\n"
        assert times(read(stamps, time_zone="Europe/London")) == [0.0, 60.0]
        assert times(read(stamps)) == [0.0, 3660.0]

    def test_of_dates_of_other_forms(self) -> None:
        assert times(read("time;n\n31.12.2025 23:00;1,5\n01.01.2026 00:00;2\n")) == [0.0, 3600.0]
        assert rows(read("time;n\n0,5;1,5\n1;2\n", {"n": 2.0}))["bits"].tolist() == [3.0, 4.0]
        text = "time\n2025-01-01 00:00 UTC\n 2025-01-01T02:00+01:00\n2025-01-01T01:00:00.5Z\n"
        found = read(text)
        assert times(found) == [0.0, 3600.0, 3600.5]
        assert found.times == "dates with a zone"
        mixed = "time\n2025-01-01\n2025-01-01T00:00Z\n"
        with pytest.raises(ScenarioError, match="the first times are dates without a zone"):
            read(mixed)

    @pytest.mark.parametrize(("first", "later"), [("Z", ""), ("", "Z")])
    def test_that_have_a_zone_have_it_in_every_piece_of_a_file(
        self, first: str, later: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(table_reader, "PIECE_BYTES", 100)
        clocks = [f"2025-01-01T00:{minute:02}:00" for minute in range(60)]
        cells = [clock + (first if row < 40 else later) for row, clock in enumerate(clocks)]
        with pytest.raises(ScenarioError, match=f"{clocks[40]}{later}"):
            read("time\n" + "\n".join(cells))
        alike = "time\n" + "\n".join(clock + first for clock in clocks)
        assert times(read(alike)) == [60.0 * minute for minute in range(60)]

    def test_of_ends_are_less_the_durations(self) -> None:
        text = "end,took\n2025-01-01 00:00:10,4\n2025-01-01 00:00:11,9\n"
        found = read(text, time_column="end", duration_column="took")
        assert times(found) == [0.0, 4.0] and found.out_of_order == (1, 2)
        text = "end,took\n10000,4000\n11000,9000\n"
        found = read(text, time_column="end", time_unit="ms", duration_column="took")
        assert times(found) == [0.0, 4.0]


class TestAgainstPandas:
    def frame(self, count: int) -> pd.DataFrame:
        rng = np.random.default_rng(7)
        at = pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(0, 10**12, count), "us")
        frame = pd.DataFrame(
            {
                "when": at,
                "size": rng.integers(0, 50, count).astype(float),
                "user": rng.choice(["u1", "u2", "ü 3", '"q", '], count),
                "wait": rng.random(count),
            }
        )
        frame.loc[rng.random(count) < 0.1, "size"] = np.nan
        return frame

    def check(self, found: Workload, frame: pd.DataFrame) -> None:
        kept = frame[frame["size"] > 0.0]
        ids = list(dict.fromkeys(kept["user"].str.strip()))
        ordered = kept.sort_values("when", kind="stable")
        got = rows(found)
        since = (ordered["when"].dt.tz_localize(None) - pd.Timestamp("2000-01-01")).dt
        assert got["time_s"] == pytest.approx(since.total_seconds().to_numpy(), abs=1e-6)
        assert got["bits"].tolist() == (ordered["size"] * 3.0 + ordered["wait"]).tolist()
        assert list(found.ids) == ids
        assert [ids[device] for device in got["device"]] == list(ordered["user"].str.strip())
        assert found.rows == len(frame)
        assert found.left_out["nothing in size"] == frame["size"].isna().sum()
        assert found.left_out["of no bits"] == (frame["size"] * 3.0 + frame["wait"] == 0.0).sum()
        behind = kept["when"].to_numpy()[1:] < kept["when"].to_numpy()[:-1]
        assert found.out_of_order[0] == behind.sum()
        assert found.out_of_order[1] == kept.index[1:][behind][0] + 1

    @pytest.mark.parametrize("form", ["csv", "tabs", "gz", "parquet", "parquet-text"])
    def test_a_shuffled_table(self, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(table_reader, "PIECE_BYTES", 3000)
        monkeypatch.setattr(table_reader, "PIECE_ROWS", 70)
        monkeypatch.setattr(row_store, "HELD_BYTES", 20_000)
        monkeypatch.setattr(row_store, "SORTED_AT_ONCE", 256)
        monkeypatch.setattr(row_store, "_SAMPLED", 16)
        monkeypatch.setattr(row_store, "BLOCK", 100)
        frame = self.frame(2000)
        frame.loc[frame["size"] == 0.0, "wait"] = 0.0
        if form == "parquet-text":
            frame["when"] = frame["when"].dt.tz_localize("UTC")
            written_frame = frame.assign(when=frame["when"].astype(str))
        else:
            written_frame = frame
        buffer = io.BytesIO()
        if form.startswith("parquet"):
            written_frame.to_parquet(buffer, row_group_size=300)
        else:
            written_frame.to_csv(buffer, index=False, sep="\t" if form == "tabs" else ",")
        content = gzip.compress(buffer.getvalue()) if form == "gz" else buffer.getvalue()
        name = {"parquet": "f.parquet", "parquet-text": "f.parquet", "gz": "f.csv.gz"}
        found = read(
            content,
            {"size": 3.0, "wait": 1.0},
            name.get(form, "f.csv"),
            time_column="when",
            device_column="user",
            unknown=("",),
        )
        self.check(found, frame)


@pytest.mark.parametrize(("name", "most"), [("f.csv", 45e6), ("f.parquet", 15e6)])
def test_some_pieces_are_held_at_a_time(name: str, most: float) -> None:
    """Of text some are read ahead; of Parquet none, also where all rows are one group."""
    count = 3_000_000
    numbers = np.random.default_rng(1).integers(0, 1 << 62, count)
    table = pa.table({"time": np.arange(count), "n": numbers})
    if name == "f.csv":
        csv.write_csv(table, name)
    else:
        parquet.write_table(table, name, row_group_size=count)
    del table
    before = pa.total_allocated_bytes()
    held, seen = 0, 0
    for piece in table_reader.open_pieces(Path(name)).read(["time", "n"]):
        held = max(held, pa.total_allocated_bytes() - before)
        seen += len(piece.columns["n"])
    assert seen == count
    assert held < most < 0.7 * Path(name).stat().st_size


class TestRowStore:
    DTYPE = np.dtype([("t", "f8"), ("n", "i8")])

    @pytest.mark.parametrize("held", [10, 10**9])
    @pytest.mark.parametrize(("count", "different"), [(0, 1), (1, 1), (3000, 5), (3000, 10**6)])
    def test_sorts_as_numpy_does(
        self, held: int, count: int, different: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(row_store, "HELD_BYTES", held)
        monkeypatch.setattr(row_store, "SORTED_AT_ONCE", 128)
        monkeypatch.setattr(row_store, "_SAMPLED", 8)
        monkeypatch.setattr(row_store, "BLOCK", 50)
        given = np.zeros(count, self.DTYPE)
        given["t"] = np.random.default_rng(1).integers(-different, different, count) / 7
        given["n"] = np.arange(count)
        store = RowStore(self.DTYPE)
        for part in np.array_split(given, 7):
            store.append(part)
        expected = given[np.argsort(given["t"], kind="stable")]
        argsort, most = np.argsort, [0]

        def watched(column: Any, **how: Any) -> Any:
            most[0] = max(most[0], column.size)
            return argsort(column, **how)

        monkeypatch.setattr(np, "argsort", watched)
        found = store.sorted("t")
        assert most[0] <= 4 * 128, "equal ones need no sorting, however many there are"
        assert np.array_equal(found.read(0, count), expected)
        assert np.array_equal(np.concatenate([given[:0], *found.blocks()]), expected)
        some = np.arange(0, count, 97)
        assert np.array_equal(found.take(some), expected[some])
        for value in (-1e9, 0.0, 1 / 7, 1e9):
            assert found.below("t", value) == np.searchsorted(expected["t"], value)
        assert np.array_equal(pickle.loads(pickle.dumps(found)).read(0, count), expected)
        assert copy.deepcopy(found) is found


class TestReplay:
    def test_from_a_file_is_that_from_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(2)
        lines = [
            f"{at:.3f},{size}" for at, size in zip(rng.random(900) * 90, range(900), strict=True)
        ]
        path = written("time,n\n" + "\n".join(lines))
        held = replayed(Replay(path, {"n": 1.0}), 200, replications=2)
        monkeypatch.setattr(row_store, "HELD_BYTES", 100)
        monkeypatch.setattr(row_store, "BLOCK", 64)
        monkeypatch.setattr("edgesim.simulator.models.requests.BLOCK", 64)
        monkeypatch.setattr("edgesim.simulator.models.requests.WINDOW", 10)
        model = Replay(path, {"n": 1.0})
        for one, other in zip(held, replayed(model, 200, replications=2), strict=True):
            for name in ("replication", "device", "arrival_s", "bits"):
                assert np.array_equal(getattr(one, name), getattr(other, name))
        again = pickle.loads(pickle.dumps(model))
        assert np.array_equal(again.slot(200).bits, model.slot(200).bits)

    def test_minutes_hold_as_many_as_are_counted_evenly(self) -> None:
        many = FUNCTIONS_2019.replace("5", "2000").replace("timer,1,1,1", "timer,300,7,0")
        model = Replay(written(many), 8.0, device_column="HashFunction", repeat=False)
        tasks = replayed(model, 200, replications=2)
        found = {
            name: np.concatenate([getattr(one, name) for one in tasks])
            for name in Tasks.__slots__[:4]
        }
        for replication in range(2):
            mine = found["replication"] == replication
            minute = (found["arrival_s"][mine] // 60).astype(int)
            device = found["device"][mine]
            counted = np.zeros((2, 4), int)
            np.add.at(counted, (device, minute), 1)
            assert counted.tolist() == [[0, 2000, 2, 0], [300, 7, 0, 0]]
            within = found["arrival_s"][mine][(device == 0) & (minute == 1)] - 60.0
            assert stats.kstest(within, stats.uniform(0.0, 60.0).cdf).pvalue > 0.01
        assert set(found["bits"]) == {8.0}
        first = [np.sort(found["arrival_s"][found["replication"] == one]) for one in range(2)]
        assert not np.array_equal(first[0], first[1])
        assert not any(one.bits.size for one in tasks[180:])

    def test_minutes_are_drawn_anew_each_time_through(self) -> None:
        model = Replay(written(FUNCTIONS_2019), 8.0)
        tasks = replayed(model, 540)
        at = np.concatenate([one.arrival_s for one in tasks])
        counts = np.bincount((at // 60).astype(int))
        assert counts.tolist() == [1, 6, 3] * 3
        assert not np.allclose(np.sort(at[at < 180]), np.sort(at[(at >= 180) & (at < 360)]) - 180)

    def test_ids_become_devices_as_they_appear(self) -> None:
        text = "time,who\n5,c\n1,a\n3,c\n2,b\n"
        model = Replay(written(text), 8.0, device_column="who", repeat=False)
        tasks = replayed(model, 6)
        told = [(slot, one.device.tolist()) for slot, one in enumerate(tasks) if one.bits.size]
        assert told == [(0, [1]), (1, [2]), (2, [0]), (4, [0])]
        with pytest.raises(ValueError, match=r"3 ids of devices for 2 devices; allowed: .*wrap"):
            replayed(model, 1, devices=2)
        model = Replay(written(text), 8.0, device_column="who", more_ids="wrap", repeat=False)
        devices = [one.device.tolist() for one in replayed(model, 6, devices=2)]
        assert devices == [[1], [0], [0], [], [0], []]

    def test_how_much_of_a_file_a_run_uses(self) -> None:
        text = "time\n" + "\n".join(map(str, range(10, 60)))
        # Ten slots of half a second, in which four times as much is gone through.
        assert Replay(written(text), 8.0, speedup=4.0).used(3, 10, 0.5) == (20, 50)
        # Of a minute that is begun all count.
        for slots, used in ((60, 1), (61, 7), (121, 10)):
            assert Replay(written(FUNCTIONS_2019), 8.0).used(3, slots, 1.0) == (used, 10)
        model = Replay(written(FUNCTIONS_2019), 8.0, speedup=2.0)
        assert model.used(3, 60, 1.0) == (7, 10)
        per_slot = ReplayPerSlot(written(TestPerSlot.TEXT), {"n": 8.0}, cycles_column="c")
        assert [per_slot.used(2, slots, 1.0) for slots in (3, 9)] == [(6, 11), (11, 11)]

    def test_requests_without_end_in_a_slot_are_refused(self) -> None:
        model = Replay(written("time\n0\n1e-9\n"), 8.0)
        with pytest.raises(ValueError, match="2 requests in 2e-09 s; allowed: at most 1,000,000"):
            replayed(model, 1)

    def test_cycles_are_for_the_other_problem(self) -> None:
        with pytest.raises(ValueError, match=r"the same cycles in all; allowed: `tasks.cycles_per"):
            Replay(written("time,n\n0,1\n1,1\n"), 8.0, cycles_column="n")


def scenario(**keys: Any) -> dict[str, Any]:
    tasks = {"arrivals": "replay", "file": "f.csv", **keys}
    return {"title": "x", "run": {"slots": 40}, "devices": {"count": 3}, "tasks": tasks}


def test_a_deadline_of_its_own_comes_before_that_of_the_scenario() -> None:
    """Each task is executed within seconds, and none within a tenth of a slot."""
    written("time,n,d\n0,1000,0.001\n0.01,1000,100\n0.02,1000,\n0.03,1000,-1\n")
    keys = {"bits": {"n": 1.0}, "deadline_column": "d", "unknown": ["", "-1"], "repeat": False}
    for deadline, late in ((1e-3, [True, False, True, True]), (50.0, [True, False, False, False])):
        with edgesim.run(scenario(**keys, deadline=deadline), "t.h5", data_dir=".") as trace:
            tasks = trace.tasks.to_dataframe().sort_values("arrival_s")
        own = tasks["deadline_s"] - tasks["arrival_s"]
        assert own.tolist() == pytest.approx([1e-3, 100.0, deadline, deadline])
        assert (tasks["completion_s"] > tasks["deadline_s"]).tolist() == late
        assert (tasks["outcome"].astype(str).str.contains("late|1")).tolist() == late


class TestPerSlot:
    TEXT = "time,n,c,d,who\n" + "".join(
        f"{(7 * k) % 11},{k + 1},{10 * k + 5},{k or ''},{'ab'[k % 2]}\n" for k in range(11)
    )
    ORDER = sorted(range(11), key=lambda k: (7 * k) % 11)

    def test_deals_out_requests_in_their_order(self) -> None:
        model = ReplayPerSlot(
            written(self.TEXT), {"n": 8.0}, cycles_column="c", cycles_per_unit=2.0
        )
        model.start(4, Streams(1, 2).generators)
        dealt = []
        for slot in range(9):
            bits, cycles = model.next()
            expected = [self.ORDER[(4 * slot + k) % 11] for k in range(4)]
            for r in range(2):
                assert sorted(bits[r] / 8.0 - 1.0) == sorted(expected)
                assert np.array_equal(cycles[r], 2.0 * (10.0 * (bits[r] / 8.0 - 1.0) + 5.0))
            dealt.append(bits)
        assert not np.array_equal(np.array(dealt)[:, 0], np.array(dealt)[:, 1])

    @pytest.mark.parametrize("more_ids", ["refuse", "wrap"])
    def test_each_device_has_its_own(self, more_ids: Any) -> None:
        devices = 2 if more_ids == "refuse" else 1
        keys: dict[str, Any] = {"device_column": "who", "deadline_column": "d", "unknown": [""]}
        model = ReplayPerSlot(
            written(self.TEXT), {"n": 8.0}, cycles_column="c", more_ids=more_ids, **keys
        )
        model.start(devices, Streams(1, 1).generators)
        mine = [[k for k in self.ORDER if k % devices == device] for device in range(devices)]
        for slot in range(12):
            bits, _, deadline_s = model.next()
            expected = [some[slot % len(some)] for some in mine]
            assert (bits[0] / 8.0 - 1.0).tolist() == expected
            assert np.array_equal(deadline_s[0], [k or np.nan for k in expected], equal_nan=True)
        for wrong in (1, 3) if more_ids == "refuse" else (3,):
            with pytest.raises(ValueError, match=rf"2 ids of devices for {wrong} devices"):
                model.start(wrong, Streams(1, 1).generators)

    def test_a_run_has_them(self) -> None:
        keys = {"bits": {"n": "1 Mbit"}, "cycles_column": "c", "cycles_per_unit": "1e7 cycles"}
        keys |= {"deadline_column": "d", "unknown": [""]}
        written(self.TEXT)
        own = {
            "title": "x",
            "run": {"problem": "worst-case-emission", "slots": 9},
            "devices": {"count": 6},
            "stations": {"sbs": {"count": 0}},
            "channel": {"access": "mrc"},
            "tasks": {"arrivals": "replay", "file": "f.csv", "deadline": 2.5, **keys},
            "policy": {"name": "offload-all"},
        }
        with edgesim.run(own, "t.h5", data_dir=".") as trace:
            slots = trace.slots.isel(replication=0)
            names = ("task_bits", "task_cycles", "deadline_s")
            bits, cycles, deadline = (slots[name].to_numpy() for name in names)
        expected = [[self.ORDER[(6 * slot + k) % 11] for k in range(6)] for slot in range(9)]
        assert np.array_equal(np.sort(bits / 1e6 - 1.0), np.sort(expected))
        assert np.array_equal(deadline, np.where(bits == 1e6, 2.5, bits / 1e6 - 1.0))
        assert cycles == pytest.approx((10.0 * (bits / 1e6 - 1.0) + 5.0) * 1e7)


GOING_ON: dict[str, tuple[str, dict[str, Any]]] = {
    "minutes": (FUNCTIONS_2019, {"bits": 1e4, "device_column": "HashFunction", "speedup": 60.0}),
    "deadlines": (
        "time,n,d\n" + "".join(f"{k / 7},{k + 1},{k % 5 or ''}\n" for k in range(30)),
        {"bits": {"n": 1e4}, "deadline_column": "d", "unknown": [""]},
    ),
    "per-slot": (
        TestPerSlot.TEXT.replace(",a", ",").replace(",b", ","),
        {"bits": {"n": 1e6}, "cycles_column": "c", "cycles_per_unit": 1e7},
    ),
}


@pytest.mark.parametrize("kind", GOING_ON)
def test_an_interrupted_run_goes_on_where_it_stopped(kind: str) -> None:
    content, keys = GOING_ON[kind]
    written(content)
    own = scenario(**keys, deadline=1.0) | {"policy": {"name": "local"}}
    if kind == "per-slot":
        own["run"] = own["run"] | {"problem": "worst-case-emission"}
        own |= {"stations": {"sbs": {"count": 0}}, "channel": {"access": "mrc"}}
    what = edgesim.load_scenario(own, {"run.replications": 2}, data_dir=".")
    assert execute(prepare(what), Path("whole.h5")) == "complete"
    assert execute(prepare(what), Path("run.h5"), stop_at(17), 5) == "interrupted"
    assert resume(prepare(what), Path("run.h5")) == "complete"
    assert_same(Path("run.h5"), Path("whole.h5"))
    with edgesim.open_trace("whole.h5") as trace:
        assert len(trace.tasks["bits"]) > 20


def test_a_check_reads_all_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgesim.experiments.data_check.MOST_ROWS", 10)
    monkeypatch.setattr(row_store, "BLOCK", 64)
    monkeypatch.setattr(table_reader, "PIECE_BYTES", 500)
    lines = [f"{2 * k + (k > 900)},{k % 3 - 1},{k}" for k in range(1000)]
    lines[700], lines[701] = lines[701], lines[700]
    written("time,n,m\n" + "\n".join([*lines, "1999,,7"]))
    told = check_data("f.csv", "arrivals").to_dict()
    assert (told["rows"], told["rows out of order"]) == (1001, 1)
    assert (told["usual step"], told["other steps"], told["longest step"]) == ("2 s", 1, "3 s")
    assert told["rows at the time of another"] == 1
    assert told["n"] == "-1 to 1, mean -0.001; nothing in 1 rows"
    assert told["m"] == f"0 to 999, mean {(999 * 500 + 7) / 1001:.6g}"
    with pytest.raises(ScenarioError, match=r"f.json: JSON; allowed: CSV, .swf or .parquet"):
        check_data(written("[]", "f.json"), "arrivals")


class TestNotes:
    def told(self, *words: str) -> tuple[str, str]:
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    def test_are_a_line_each(self) -> None:
        lines = [f"{k},{k % 7 or ''}" for k in range(1000)]
        lines[3], lines[900] = lines[900], lines[3]
        written("time,n\n" + "\n".join(lines))
        Path("s.toml").write_text(
            'title = "x"\n[run]\nslots = 40\n[tasks]\narrivals = "replay"\nfile = "f.csv"\n'
            'bits = {n = 1}\nunknown = [""]\n'
        )
        behind = "2 requests stand behind a later one, the first is record 5"
        notes = [
            "note: f.csv: the run uses 4 of 857 requests, 0.47 %",
            f"note: f.csv: {behind}; they are put in order",
            "note: f.csv: 143 rows left out: nothing in n",
        ]
        told = "note: half of the devices reach over 16 bit/s/Hz, radios up to 10: edgesim keys channel"
        assert [*notes, told] == self.told("validate", "s.toml")[0].splitlines()[1:]
        assert [*notes, told] == self.told("run", "s.toml", "-o", "t.h5")[1].splitlines()

    def test_few_are_less_than_a_twentieth(self) -> None:
        written("time\n" + "\n".join(map(str, range(100))))
        for slots, told in ((40, True), (41, False), (60, False)):  # 4 and 5 of 100
            over = {"run.slots": slots}
            own = edgesim.load_scenario(scenario(file="f.csv", bits=8.0), over)
            Path("s.toml").write_text(own.to_toml())
            said = self.told("validate", "s.toml")[0]
            assert ("uses 4 of 100 requests, 4 %" in said) == ("note: f.csv" in said) == told
