"""An export holds the tables' rows, in the order of the paths, in one file a table."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from orchard.cli import main
from orchard.errors import ConfigError, TableError
from orchard.records import COMPONENTS, FEATURES, vectors_of
from orchard.result.export import MADE, export
from orchard.store import contents, staging
from orchard.store.output import Output
from orchard.store.tables import Tables

ALWAYS = {"errors.csv", "explained_variance.csv"}
COLUMNS = {"components": ("components", "pc_"), "features": ("features", "f_")}


@pytest.fixture
def output(result: Path) -> Output:
    return Output.at(result)


def names(written: list[Path], folder: Path) -> set[str]:
    assert set(folder.iterdir()) == {*written, folder / MADE}, "and no scratch folder"
    return {path.name for path in written}


@pytest.mark.parametrize("table", COLUMNS)
def test_parquet_is_the_tables_key_and_vectors(output: Output, tmp_path: Path, table: str) -> None:
    written = export(output, tmp_path, "parquet", features=True)
    assert names(written, tmp_path) == {"components.parquet", "features.parquet"} | ALWAYS
    found = pq.read_table(tmp_path / f"{table}.parquet")
    schema = {"components": COMPONENTS, "features": FEATURES}[table]
    columns = ["path", "label", table]
    assert found.schema.equals(pa.schema([schema.field(name) for name in columns]))
    assert found == Tables(output).read(table, columns)


@pytest.mark.parametrize("table", COLUMNS)
def test_csv_gives_every_value_back_exactly(output: Output, tmp_path: Path, table: str) -> None:
    written = export(output, tmp_path, "csv", features=True)
    assert names(written, tmp_path) == {"components.csv", "features.csv"} | ALWAYS
    column, prefix = COLUMNS[table]
    rows = Tables(output).read(table)
    vectors = vectors_of(rows[column])
    found = pd.read_csv(tmp_path / f"{table}.csv", dtype=dict.fromkeys(["path", "label"], str))
    numbered = [f"{prefix}{number + 1}" for number in range(vectors.shape[1])]
    assert list(found.columns) == ["path", "label", *numbered]
    assert found["path"].tolist() == rows["path"].to_pylist()
    assert found["label"].tolist() == rows["label"].to_pylist()
    np.testing.assert_array_equal(found[numbered].to_numpy().astype(np.float32), vectors)


def test_csv_keeps_commas_quotes_and_line_ends_of_names(output: Output, tmp_path: Path) -> None:
    export(output, tmp_path, "csv")
    with (tmp_path / "components.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["label"] for row in csv.DictReader(file)}
    assert labels == {'apple, "red"', "lemon", "plum\nripe", "sweet pepper"}


@pytest.mark.parametrize("table", COLUMNS)
def test_npy_is_an_array_whose_rows_are_those_of_paths_csv(
    output: Output, tmp_path: Path, table: str
) -> None:
    written = export(output, tmp_path, "npy", features=True)
    assert names(written, tmp_path) == {"components.npy", "features.npy", "paths.csv"} | ALWAYS
    rows = Tables(output).read(table)
    array = np.load(tmp_path / f"{table}.npy")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, vectors_of(rows[table]))
    paths = pd.read_csv(tmp_path / "paths.csv")
    assert paths.to_dict("list") == rows.select(["path", "label"]).to_pydict()


@pytest.mark.parametrize("file_format", ["parquet", "csv", "npy"])
def test_variances_and_errors_come_along_features_only_if_asked(
    output: Output, tmp_path: Path, file_format: str
) -> None:
    written = export(output, tmp_path / "new/folder", file_format)
    assert not [path for path in written if path.name.startswith("features")]
    variances = Path(output.root, "explained_variance.csv").read_bytes()
    assert (tmp_path / "new/folder/explained_variance.csv").read_bytes() == variances
    found = pd.read_csv(tmp_path / "new/folder/errors.csv")
    expected = Tables(output).read("errors")
    assert found["path"].tolist() == expected["path"].to_pylist()
    assert found["reason"].tolist() == ["empty", "not_an_image"]


def test_exporting_again_replaces_each_file_whole(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(output, tmp_path, "csv")
    fresh = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "components.csv").write_text("older and longer than nothing")
    (tmp_path / "mine.txt").write_text("not Orchard's")
    opened = (tmp_path / "components.csv").open()  # who has the old file open reads it to its end
    export(output, tmp_path, "csv")
    assert opened.read() == "older and longer than nothing"
    opened.close()
    now = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert now == fresh | {"mine.txt": b"not Orchard's"}


def test_an_export_that_fails_leaves_what_was_there(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(output, tmp_path, "csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    read_file = contents.read_file

    def fail(output: Output, path: str, columns: list[str] | None = None) -> pa.Table:
        if path.startswith("errors"):
            raise TableError("the disk is gone")
        return read_file(output, path, columns)

    monkeypatch.setattr(contents, "read_file", fail)
    with pytest.raises(TableError, match="the disk is gone"):
        export(output, tmp_path, "csv", features=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_rows_come_in_order_from_files_that_are_not(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output.at(tmp_path / "out")
    shutil.copytree(result / "models", tmp_path / "out/models")
    rows = Tables(Output.at(result)).read("components")
    shuffled = rows.take(np.random.default_rng(2).permutation(rows.num_rows))
    staged = [
        staging.stage(output, "r", "components", str(n), shuffled.slice(n * 10, 10))
        for n in range(4)
    ]
    Tables(output).commit("r", "components", staged)
    monkeypatch.setattr("orchard.store.rows.FILES_IN_MEMORY", 1)
    export(output, tmp_path / "export", "parquet")
    assert pq.read_table(tmp_path / "export/components.parquet") == rows.select(
        ["path", "label", "components"]
    )


def test_what_cannot_be_exported_is_named(output: Output, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--format xlsx: expected csv, npy or parquet$"):
        export(output, tmp_path, "xlsx")
    with pytest.raises(TableError, match=r"^cannot write /dev/null/x: Not a directory; choose"):
        export(output, Path("/dev/null/x"), "csv")
    with pytest.raises(TableError, match=r"holds no components; expected the OUTPUT of a run$"):
        export(Output.at(tmp_path), tmp_path / "to", "csv")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_beside_the_tables_or_where_told(output: Output, tmp_path: Path) -> None:
    to = tmp_path / "to"
    done = CliRunner().invoke(main, ["export", output.root, "--format", "npy", "--to", str(to)])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [str(path) for path in sorted(to.glob("[!.]*"))]
    copy = shutil.copytree(output.root, tmp_path / "copy")
    done = CliRunner().invoke(main, ["export", str(copy)])
    assert done.exit_code == 0
    assert (copy / "export/components.parquet").is_file()
