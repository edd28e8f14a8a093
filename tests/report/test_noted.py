"""What the report's workbench is given: rows of the table of findings, filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from orchard.report.filters import STEPS, UNKNOWN, filters_of
from orchard.report.noted import WRONG, of_table
from orchard.report.points import Images, places_of
from tests.report.test_findings import written


def test_rows_of_a_table_of_findings_take_their_place(tmp_path: Path) -> None:
    vectors = np.random.default_rng(5).normal(size=(8, 12)).astype(np.float32)
    images = Images.read(written(tmp_path, ["apple"] * 8, vectors))
    here = images.rows["path"][4].as_py()
    table = pa.table(
        {
            "path": pa.array([here, "/gone.png", None]),
            "kind": [WRONG, WRONG, "overlap"],
            "score": [0.9, 0.8, 0.7],
            "group": pa.nulls(3, pa.int64()),
            "keep": pa.nulls(3, pa.bool_()),
            "label": ["apple"] * 3,
            "suggested_label": ["plum"] * 3,
        }
    )
    notes = of_table(table, images)
    assert notes.at.tolist() == [4]
    assert notes.kinds == (WRONG,)
    assert notes.rows.to_pylist() == table.drop_columns("path").slice(0, 1).to_pylist()
    assert notes.of_kind("dark").at.tolist() == []


def test_paths_are_found_among_ascending_ones() -> None:
    paths = pa.array(["a", "b", "d", "é", "\U0001f34e"])
    assert places_of(pa.array(["d", "b", "c"]), paths).to_pylist() == [2, 1, None]
    assert places_of(pa.array(["\U0001f34e", "é", "zz"]), paths).to_pylist() == [4, 3, None]
    assert places_of(pa.array([], pa.string()), paths).to_pylist() == []
    assert places_of(pa.array(["0"]), paths).to_pylist() == [None]


def test_a_filter_has_steps_from_the_lowest_value_to_the_highest() -> None:
    rows = pa.table(
        {
            "brightness": pa.array([0.2, None, 0.6, 0.4], pa.float32()),
            "size": pa.array([1023, 1023, 4095, 2047]),
            "modified": pa.array([5, 5, 5, 5], pa.timestamp("us", tz="UTC")),
        }
    )
    brightness, size = filters_of(rows)  # all dates are one: there is nothing to choose
    assert brightness.levels.tolist() == [0, UNKNOWN, STEPS, STEPS // 2]
    assert size.levels.tolist() == [0, 0, STEPS, STEPS // 2]
    assert (size.name, size.low, size.high) == ("size", 10, 12)
