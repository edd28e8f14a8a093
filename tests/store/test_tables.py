"""A commit is one transaction: all of it is seen or none, once, by every reader."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from orchard.errors import TableError
from orchard.records import COMPONENTS, ERRORS, FEATURES
from orchard.store import contents, staging, tables
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS, TableFile
from orchard.store.tables import Tables


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "out")


def feature_rows(paths: Iterable[str], value: float = 1.0) -> pa.Table:
    rows = [
        {
            "path": path,
            "label": "plum",
            "size": 10,
            "modified": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "features": [value, 2.0],
            "fingerprint": "f",
            "run_id": "r",
        }
        for path in paths
    ]
    return pa.Table.from_pylist(rows, schema=FEATURES)


def error_rows(paths: Iterable[str]) -> pa.Table:
    rows = [{"path": path, "reason": "empty", "run_id": "r"} for path in paths]
    return pa.Table.from_pylist(rows, schema=ERRORS)


R0, R1, R2, R3 = (f"2026010{day}T120000.000000Z-0000a{day}" for day in range(4))  # ids of runs


def commit(output: Output, run_id: str, *parts: str, value: float = 1.0, **options: Any) -> None:
    """Stage one file of feature rows for each word, a letter a path, and commit them."""
    staged = [
        staging.stage(output, run_id, "features", str(n), feature_rows(part, value))
        for n, part in enumerate(parts)
    ]
    if "superseded" in options:
        options["superseded"] = pa.array(list(options["superseded"]), pa.string())
    Tables(output).commit(run_id, "features", staged, **options)


def plain(output: Output, table: str = "features") -> list[str]:
    """The paths that a reader of plain Parquet sees."""
    return sorted(pd.read_parquet(f"{output.root}/{table}")["path"])


def paths(output: Output) -> list[str]:
    return Tables(output).read("features", ["path"])["path"].to_pylist()


def snapshot(output: Output) -> dict[str, bytes]:
    root = Path(output.root)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_without_a_table_there_are_no_rows(output: Output) -> None:
    assert Tables(output)["features"].version == -1
    assert Tables(output)["features"].files == ()
    assert Tables(output)["features"].n_rows == 0
    assert Tables(output).read("features").schema == FEATURES
    assert not Path(output.root).exists(), "looking creates nothing"


def test_staged_rows_are_seen_by_no_reader_until_they_are_committed(output: Output) -> None:
    commit(output, R1, "ab")
    staged = [staging.stage(output, R2, "features", "0", feature_rows("c"))]
    assert plain(output) == paths(output) == ["a", "b"]
    assert staging.staged(output, "features") == [staged[0].path]
    assert staging.describe(output, staged[0].path) == staged[0]
    Tables(output).commit(R2, "features", staged)
    assert plain(output) == paths(output) == ["a", "b", "c"]
    assert staging.staged(output, "features") == []


def test_a_commit_that_only_adds_reads_no_row_of_what_is_there(output: Output) -> None:
    """Of a table of thousands of files in a bucket, two requests each."""
    commit(output, R1, "ab")
    (there,) = Tables(output)["features"].files
    kept = Path(output.root, there.path).read_bytes()
    Path(output.root, there.path).write_bytes(b"unreadable")
    commit(output, R2, "c")
    with pytest.raises(TableError):
        commit(output, R3, "d", superseded="a")
    Path(output.root, there.path).write_bytes(kept)
    assert paths(output) == ["a", "b", "c"]


def test_each_commit_is_one_version(output: Output) -> None:
    commit(output, R1, "ab", "cd")
    first = Tables(output)["features"].version
    commit(output, R2, "ef")
    assert Tables(output)["features"].version == first + 1
    assert paths(output) == list("abcdef")
    assert Tables(output)["features"].n_rows == 6


def test_superseded_rows_leave_with_the_commit_that_brings_the_new_ones(output: Output) -> None:
    commit(output, R1, "abc", "de", "f")
    first = Tables(output)["features"].version
    commit(output, R2, "cxf", value=7, superseded="cf")
    assert Tables(output)["features"].version == first + 1
    assert plain(output) == paths(output) == list("abcdefx")
    values = {
        row["path"]: row["features"][0] for row in Tables(output).read("features").to_pylist()
    }
    assert values == dict.fromkeys("abde", 1.0) | dict.fromkeys("cfx", 7.0)
    names = {file.path for file in Tables(output)["features"].files}
    assert {f"features/{p.name}" for p in Path(output.root, "features").glob("*.parquet")} == names


def test_overwriting_leaves_the_new_rows_only(output: Output) -> None:
    commit(output, R1, "abc", "de")
    first = Tables(output)["features"].version
    commit(output, R2, "xy", overwrite=True)
    assert Tables(output)["features"].version == first + 1
    assert plain(output) == paths(output) == ["x", "y"]


def test_the_history_names_the_runs(output: Output) -> None:
    commit(output, R1, "a")
    commit(output, R2, "b", superseded="a")
    history = DeltaTable(f"{output.root}/features").history()
    assert [entry.get("orchard.run_id") for entry in history][:2] == [R2, R1]


def test_committing_a_run_again_changes_nothing(output: Output) -> None:
    commit(output, R1, "ab")
    commit(output, R2, "c", superseded="a")
    before = snapshot(output)
    for run_id, options in ((R1, {}), (R2, {"superseded": "b"}), (R2, {"overwrite": True})):
        commit(output, run_id, "xyz", **options)
        staging.discard_staged(output)
        assert snapshot(output) == before


def test_nothing_to_commit_is_no_version(output: Output) -> None:
    commit(output, R1, "ab")
    before = snapshot(output)
    commit(output, R2, superseded="xyz")
    commit(output, R3)
    assert snapshot(output) == before


@pytest.mark.parametrize("table", SCHEMAS)
def test_an_empty_table_can_be_read(output: Output, table: str) -> None:
    Tables(output).commit(R1, table, [])
    assert Tables(output)[table].n_rows == 0
    assert plain(output, table) == []
    assert pq.read_table(f"{output.root}/{table}").schema.equals(SCHEMAS[table])
    delta = pa.table(DeltaTable(f"{output.root}/{table}").to_pyarrow_table())
    assert delta.num_rows == 0


@pytest.mark.parametrize("options", [{"superseded": pa.array(["a", "b"])}, {"overwrite": True}])
def test_a_table_that_lost_its_last_row_can_be_read(output: Output, options: Any) -> None:
    staged = [staging.stage(output, R1, "errors", "0", error_rows("ab"))]
    Tables(output).commit(R1, "errors", staged)
    Tables(output).commit(R2, "errors", [], **options)
    assert plain(output, "errors") == Tables(output).read("errors")["path"].to_pylist() == []
    staged = [staging.stage(output, R3, "errors", "0", error_rows("c"))]
    Tables(output).commit(R3, "errors", staged)
    assert plain(output, "errors") == ["c"]


def test_files_of_killed_writers_are_swept(output: Output) -> None:
    commit(output, R1, "ab")
    version = Tables(output)["features"].version
    orphan = Path(output.root, "features", f"part-{R0}-000000-00000000.parquet")
    pq.write_table(feature_rows("z"), orphan)
    assert plain(output) == ["a", "b", "z"]
    Tables(output).sweep()
    assert plain(output) == ["a", "b"]
    assert Tables(output)["features"].version == version


def test_files_of_a_writer_killed_before_its_first_commit_are_swept_by_the_next(
    output: Output,
) -> None:
    orphan = Path(output.root, "features", f"part-{R0}-000000-00000000.parquet")
    orphan.parent.mkdir(parents=True)
    pq.write_table(feature_rows("a"), orphan)
    commit(output, R1, "ab")
    assert plain(output) == paths(output) == ["a", "b"]


def test_what_is_staged_is_discarded_as_a_whole(output: Output) -> None:
    commit(output, R1, "a")
    staging.stage(output, R2, "features", "0", feature_rows("b"))
    staging.discard_staged(output)
    assert not Path(output.root, "_staging").exists()
    assert paths(output) == ["a"]


def interrupted_by(output: Output, monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Let `action` happen when a commit has moved its files and not yet written the log."""
    add_action = tables.add_action

    def then(file: TableFile, data_change: bool = True) -> Any:
        monkeypatch.setattr(tables, "add_action", add_action)
        action()
        return add_action(file, data_change)

    monkeypatch.setattr(tables, "add_action", then)


def test_a_commit_that_meets_another_writer_leaves_that_ones_table(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(output, R1, "ab")
    theirs = feature_rows("xy").cast(SCHEMAS["features"])
    location = f"{output.root}/features"
    interrupted_by(output, monkeypatch, lambda: write_deltalake(location, theirs, mode="overwrite"))
    with pytest.raises(TableError, match=r"^cannot commit to .*/features: .*run the same command"):
        commit(output, R2, "c", superseded="a")
    assert paths(output) == ["x", "y"]
    assert len(staging.staged(output, "features")) == 2, "the new row, and the kept one"
    Tables(output).sweep()
    assert plain(output) == ["x", "y"]


@pytest.mark.parametrize("before", [(), ("ab",)])
def test_a_commit_that_is_interrupted_leaves_the_table_and_keeps_what_was_staged(
    output: Output, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    if before:
        commit(output, R1, *before)

    def parquet() -> list[str]:
        return [name for name in snapshot(output) if name.startswith("features/part")]

    kept = parquet()

    def interrupt() -> None:
        raise KeyboardInterrupt

    interrupted_by(output, monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        commit(output, R2, "c", "d")
    assert paths(output) == sorted("".join(before))
    assert parquet() == kept
    staged = [staging.describe(output, path) for path in staging.staged(output, "features")]
    Tables(output).commit(R3, "features", staged)
    assert plain(output) == paths(output) == sorted([*"".join(before), "c", "d"])


@pytest.mark.parametrize(
    "name",
    ["two words", "Früchte", "cafe\u0301", "a#b", "50%", "100 % ?", "[x]*", "'q\"", "~a", "a&b"],
)
def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    output = Output.at(tmp_path / name / "out")
    commit(output, R1, "ab")
    commit(output, R2, "bc", superseded="b")
    assert plain(output) == paths(output) == ["a", "b", "c"]
    assert [p.name for p in tmp_path.iterdir()] == [name], "and no other folder is made"


def test_rows_are_read_in_the_order_of_their_paths_with_the_columns_asked_for(
    output: Output,
) -> None:
    commit(output, R1, "db", "ca")
    assert paths(output) == list("abcd")
    assert Tables(output).read("features", ["label", "size"]).column_names == ["label", "size"]
    files = Tables(output)["features"].files
    assert [file.n_rows for file in files] == [2, 2]
    assert [file.n_bytes for file in files] == [
        Path(output.root, file.path).stat().st_size for file in files
    ]
    batches = list(contents.iter_batches(output, files[0].path, ["path"], 1))
    assert [batch.num_rows for batch in batches] == [1, 1]


def test_rows_of_another_schema_are_refused(output: Output) -> None:
    with pytest.raises(ValueError, match="schema"):
        staging.stage(output, "r", "features", "0", COMPONENTS.empty_table())
