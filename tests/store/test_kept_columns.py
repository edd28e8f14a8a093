"""Columns that a manifest gave: beside a table's own, null where a file does not have them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from orchard.records import COMPONENTS, LABELS, with_kept
from orchard.store import ownership, staging
from orchard.store.compaction import compact
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "out")


def put(output: Output, paths: list[str], **kept: list[str | None]) -> Tables:
    """Commit a file of components, with columns of text besides."""
    vectors = pa.array([[1.0, 2.0]] * len(paths), COMPONENTS.field("components").type)
    own = {"path": paths, "label": ["x"] * len(paths), "components": vectors, "pca_id": paths}
    rows = pa.table(own | kept, schema=with_kept(COMPONENTS, kept))
    run_id = new_run_id()
    with ownership.claim(output):
        file = staging.stage(output, run_id, "components", "0", rows)
        return Tables(output).commit(run_id, "components", [file]).tables


def values(tables: Tables, name: str) -> dict[str, str | None]:
    rows = tables.read("components", ["path", name])
    return dict(zip(rows["path"].to_pylist(), rows[name].to_pylist(), strict=True))


def test_a_file_without_a_column_has_null_there(output: Output) -> None:
    put(output, ["a"])
    put(output, ["b"], sku=["1"])
    tables = put(output, ["c"], price=["2"], sku=["3"])
    assert tables["components"].kept == ("sku", "price")
    assert values(tables, "sku") == {"a": None, "b": "1", "c": "3"}
    assert values(tables, "price") == {"a": None, "b": None, "c": "2"}
    seen = DeltaTable(output.root + "/components").to_pyarrow_table().sort_by("path")
    assert seen["sku"].to_pylist() == [None, "1", "3"]


def test_labels_bring_columns_to_rows_that_have_none(output: Output) -> None:
    put(output, ["a", "b"])
    tables = put(output, ["c"], sku=["1"])
    changed = {"path": ["a", "c"], "label": ["A", "C"], "sku": ["7", None]}
    with ownership.claim(output):
        labels = pa.table(changed, schema=with_kept(LABELS, ["sku"]))
        tables = Tables(output).commit(new_run_id(), "components", [], labels=labels).tables
    assert values(tables, "label") == {"a": "A", "b": "x", "c": "C"}
    assert values(tables, "sku") == {"a": "7", "b": None, "c": None}


def test_files_of_different_columns_are_merged(output: Output) -> None:
    put(output, ["a"])
    before = put(output, ["b"], sku=["1"]).read("components")
    with ownership.claim(output):
        assert compact(output, 10**6)["components"] == 1
    after = Tables(output)
    assert after.read("components").equals(before)
    (file,) = after["components"].files
    assert pq.read_schema(output.uri(file.path)).names == [*COMPONENTS.names, "sku"]
