"""Times are what a disk or a clock says they are: what is written can be read, the last run is
the last."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchard.cli import main
from orchard.images import local
from orchard.records import Found
from orchard.result import Result
from orchard.store import runs
from orchard.store.output import Output
from orchard.store.tables import Tables

Run = Callable[..., Result]
OF_1843 = -4_000_000_000_000_000  # microseconds
OF_30000 = 900_000_000_000_000_000


@pytest.mark.parametrize(
    ("modified", "stored"),
    [
        (OF_1843, datetime(1900, 1, 1, tzinfo=timezone.utc)),
        (-(2**70), datetime(1900, 1, 1, tzinfo=timezone.utc)),
        (OF_30000, datetime(9999, 12, 31, tzinfo=timezone.utc)),
        (2**70, datetime(9999, 12, 31, tzinfo=timezone.utc)),
        (0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_a_time_is_brought_into_the_years_that_every_reader_takes(
    modified: int, stored: datetime
) -> None:
    found = pa.scalar(Found(1, modified).modified, pa.timestamp("us", tz="UTC"))
    assert found.as_py() == stored


@pytest.mark.parametrize("modified", [OF_1843, OF_30000])
def test_every_reader_reads_the_table_of_files_whose_times_are_no_times(
    run: Run, spark: Any, photos: Path, tmp_path: Path, monkeypatch: Any, modified: int
) -> None:
    def found(path: str, status: Any) -> Found:
        return Found(status.st_size, modified)

    monkeypatch.setattr(local, "_found", found)
    output = run(photos, tmp_path / "out").output
    for table in ("features", "errors", "gone"):
        rows = spark.read.parquet(f"{output}/{table}").collect()
        files = f"{output}/{table}/*.parquet"
        assert len(rows) == len(pd.read_parquet(f"{output}/{table}"))
        assert (
            len(rows)
            == pl.scan_parquet(files).collect().height
            == len(pl.read_delta(f"{output}/{table}"))
        )
        with duckdb.connect() as connection:
            assert len(rows) == connection.read_parquet(files).to_arrow_table().num_rows
    assert len(Result.open(output).features().to_pylist()) == 40
    again = run(photos, output).record["counts"]
    assert (again["already_there"], again["changed"]) == (40, 0), "a rerun is none the wiser"


@pytest.fixture
def set_back(run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Two runs, the second by a clock that was set back."""
    ids = iter(["20261130T120000.000000Z-aaaaaa", "20200101T120000.000000Z-bbbbbb"])
    monkeypatch.setattr(runs, "new_run_id", lambda: next(ids))
    source = shutil.copytree(photos, tmp_path / "in")
    run(source, tmp_path / "out", report=True)
    shutil.copy(source / "plum/0.png", source / "plum/new.png")
    second = run(source, tmp_path / "out", report=True)
    monkeypatch.undo()
    return second


def test_with_the_clock_set_back_the_last_run_is_described(set_back: Result) -> None:
    assert set_back.record["run_id"].endswith("bbbbbb")
    opened = Result.open(set_back.output)
    assert opened.record["run_id"] == set_back.record["run_id"]
    page = Path(set_back.output, "report/index.html")
    page.unlink()
    drawn = CliRunner().invoke(main, ["report", set_back.output, "--no-thumbnails"])
    assert drawn.exit_code == 0, drawn.output
    assert "bbbbbb" in page.read_text(encoding="utf-8")
    assert "aaaaaa" not in page.read_text(encoding="utf-8")


def test_a_run_that_only_adds_an_error_is_the_last_too(
    run: Run, set_back: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "new_run_id", lambda: "20100101T120000.000000Z-cccccc")
    (tmp_path / "in/plum/text.png").write_text("no picture")
    run(tmp_path / "in", set_back.output)
    assert Result.open(set_back.output).record["run_id"].endswith("cccccc")


def test_records_of_0_1_0_and_of_no_run_that_committed(set_back: Result) -> None:
    output = Output.at(set_back.output)
    record = {"started": "2026", "seconds": {}}
    record["config"] = {"sources": [], "weights": "fruit", "output": "out"}
    output.put_json("runs/20990101T000000.000000Z-dddddd.json", record | {"run_id": "d"})
    assert runs.last(output)["run_id"].endswith("bbbbbb"), "no table knows the run"
    run_id = "20990101T000000.000000Z-eeeeee"
    Tables(output).commit(run_id, "errors", [], facts={"orchard.note": "no row"})
    output.put_json(f"runs/{run_id}.json", record | {"run_id": "e"})
    assert runs.last(output)["run_id"] == "e", "0.1.0 committed to the tables that changed only"
    for path in output.paths("runs"):
        output.delete([path])
    assert runs.last(output) == {}
    output.put_json(f"runs/{run_id}.json", record | {"run_id": "x"})
    assert runs.last(output)["run_id"] == "x"
