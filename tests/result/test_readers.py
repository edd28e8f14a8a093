"""A result is the same rows, values and types to every tool that reads Parquet or Delta."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from orchard.records import COMPONENTS, ERRORS, FEATURES
from orchard.store.output import Output
from orchard.store.tables import Tables

SCHEMAS = {"features": FEATURES, "components": COMPONENTS, "errors": ERRORS}
SPARK_TYPES = {
    "string": "string",
    "int32": "int",
    "int64": "bigint",
    "float": "float",
    "timestamp[us, UTC]": "timestamp",
    "list<float>": "array<float>",
}


def with_pandas(folder: Path) -> pa.Table:
    return pa.Table.from_pandas(pd.read_parquet(folder), preserve_index=False)


def with_duckdb(folder: Path) -> pa.Table:
    with duckdb.connect() as connection:
        return connection.read_parquet(f"{folder}/*.parquet").to_arrow_table()


def with_polars(folder: Path) -> pa.Table:
    return pl.scan_parquet(f"{folder}/*.parquet").collect().to_arrow()


def with_polars_delta(folder: Path) -> pa.Table:
    return pl.read_delta(str(folder)).to_arrow()


def with_deltalake(folder: Path) -> pa.Table:
    return pa.table(DeltaTable(folder).to_pyarrow_table())


def all_with_the_same_list(folder: Path) -> pa.Table:
    """Of files, as the README has it."""
    files = sorted(map(str, folder.glob("*.parquet")))
    by_pandas = pa.Table.from_pandas(pd.read_parquet(files), preserve_index=False)
    with duckdb.connect() as connection:
        assert connection.read_parquet(files).to_arrow_table().num_rows == by_pandas.num_rows
    assert pl.read_parquet(files).height == by_pandas.num_rows
    return by_pandas


READERS = [
    all_with_the_same_list,
    with_pandas,
    with_duckdb,
    with_polars,
    with_polars_delta,
    with_deltalake,
]


def kind(type_: pa.DataType) -> str:
    """A type's name, the same for the encodings that tools choose between."""
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "string"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"list<{kind(type_.value_type)}>"
    if pa.types.is_timestamp(type_):
        return f"timestamp[{type_.unit}, {'UTC' if type_.tz else 'local'}]"
    return str(type_)


def kinds(schema: pa.Schema) -> dict[str, str]:
    return {field.name: kind(field.type) for field in schema}


def rows(table: pa.Table) -> list[dict[str, Any]]:
    if "modified" in table.column_names:  # DuckDB tells times in the zone of the session
        at = table.column_names.index("modified")
        in_utc = table["modified"].cast(pa.timestamp("us", "UTC"))
        table = table.set_column(at, "modified", in_utc)
    return table.sort_by("path").to_pylist()


@pytest.fixture(params=["result", "grown"])
def output(request: pytest.FixtureRequest) -> Output:
    return Output.at(request.getfixturevalue(request.param))


def expected(output: Output, table: str) -> list[dict[str, Any]]:
    return Tables(output).read(table).to_pylist()


@pytest.mark.parametrize("table", SCHEMAS)
@pytest.mark.parametrize("read", READERS)
def test_the_same_rows_values_and_types(
    output: Output, table: str, read: Callable[[Path], pa.Table]
) -> None:
    found = read(Path(output.root, table))
    assert kinds(found.schema) == kinds(SCHEMAS[table])
    assert rows(found) == expected(output, table)


@pytest.mark.parametrize("table", SCHEMAS)
def test_the_same_in_spark(spark: Any, output: Output, table: str) -> None:
    frame = spark.read.parquet(f"{output.root}/{table}")
    files = sorted(map(str, Path(output.root, table).glob("*.parquet")))
    assert spark.read.parquet(*files).count() == frame.count()
    types = {name: SPARK_TYPES[type_] for name, type_ in kinds(SCHEMAS[table]).items()}
    assert dict(frame.dtypes) == types
    found = [row.asDict() for row in frame.orderBy("path").collect()]
    for row in found:
        if row.get("modified"):
            row["modified"] = row["modified"].astimezone(timezone.utc)
    assert found == expected(output, table)


def test_the_rows_are_those_of_the_present_images(result: Path, grown: Path) -> None:
    def names(output: Path, table: str) -> list[str]:
        found = pd.read_parquet(output / table)["path"]
        return sorted(Path(path).name for path in found if "lemon" in path)

    assert names(result, "features") == [f"{n}.png" for n in range(2, 10)]
    assert names(result, "errors") == ["0.png", "1.png"]
    left = ["0.png", "2.png", "3.png", "4.png", "6.png", "7.png", "8.png", "9.png", "new.png"]
    assert names(grown, "features") == names(grown, "components") == left
    assert names(grown, "errors") == ["1.png", "5.png"]
    sha256 = pd.read_parquet(grown / "features").set_index("path")["sha256"]
    lemons = {Path(path).name: digest for path, digest in sha256.items() if "lemon" in path}
    assert lemons["4.png"] == lemons["3.png"] == lemons["0.png"] != lemons["2.png"]
