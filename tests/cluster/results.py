"""What an OUTPUT holds, as its readers see it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from deltalake import DeltaTable
from rich.console import Console

import orchard
from cluster.processes import Started
from orchard.progress import Reporter
from orchard.result.compare import compare
from orchard.store.output import Output

SETTINGS = {"weights": "fruit", "size": 96, "components": 5}
N_TASKS = 9  # that `planning.cut` makes of the 512 pictures


def run_here(source: Path, output: Path) -> dict[str, Any]:
    """`orchard run` in this process, on the session that is running; its record."""
    config = orchard.RunConfig(sources=(str(source),), output=str(output), **SETTINGS)
    quiet = Reporter(Console(file=io.StringIO()), quiet=True)
    return dict(orchard.run(config, quiet).record)


def last_record(output: Path) -> dict[str, Any]:
    records = sorted((output / "runs").glob("*.json"))
    return dict(json.loads(records[-1].read_text()))


def staged(output: Path, table: str = "features") -> list[Path]:
    return sorted((output / "_staging").glob(f"*/{table}/*.parquet"))


def staged_paths(output: Path) -> set[str]:
    """The images whose features are staged, be it by more than one attempt."""
    columns = [pq.ParquetFile(file).read(["path"])["path"] for file in staged(output)]
    return {path for column in columns for path in column.to_pylist()}


def assert_whole(output: Path, expected: Path, record: dict[str, Any] | None = None) -> None:
    """Exactly the rows of another result, whoever reads them; nothing left over, all accounted.

    record: of the run that completed it, by default the last one in OUTPUT.
    """
    found = compare(Output.at(output), Output.at(expected))
    assert found.is_equal, found
    for table in ("features", "errors", "components"):
        assert_plain_readers_agree(output / table)
        # compare() goes by path, and would not see a row that is there twice
        assert sorted(rows(output / table)["path"]) == sorted(rows(expected / table)["path"])
    assert not (output / "_staging").exists()
    assert not [path for path in output.rglob("*") if "#" in path.name], "a half-written object"
    counts = (record or last_record(output))["counts"]
    accounted = ("embedded", "already_there", "errors", "known_errors")
    assert counts["listed"] == sum(counts.get(name, 0) for name in accounted)
    for made in ("explained_variance.csv", "report/explained_variance.png"):
        assert (output / made).is_file()


def assert_refused(second: Started, output: Path, *, by: Started) -> None:
    """It ends before it has started Spark, in one line that names the run that is in its way."""
    assert second.wait() == 5
    expected = (
        rf"orchard: {re.escape(str(output))} is being written by process {by.pid} on \S+; wait for "
        r"it to end, or give another OUTPUT\n"
    )
    assert re.fullmatch(expected, second.output), second.output


def assert_plain_readers_agree(table: Path) -> None:
    """Who reads the folder's Parquet files sees the rows of the Delta table and no other."""
    plain = pd.read_parquet(table).sort_values("path", ignore_index=True)
    pd.testing.assert_frame_equal(plain, rows(table), check_dtype=False)


def rows(table: Path) -> pd.DataFrame:
    found = DeltaTable(table).to_pandas()
    return found.sort_values("path", ignore_index=True)


def assert_ends_well(run: Started, output: Path, undisturbed: Path) -> None:
    assert run.wait() == 0, run.output
    assert "Traceback" not in run.output
    assert_whole(output, undisturbed)


def is_midway(output: Path) -> bool:
    return len(staged(output)) < N_TASKS and not (output / "features").exists()
