"""Tables that people keep beside their images: CSV (also separated by ; or tabs) and Parquet, on a
disk or in a bucket.

Every value is text, as the file has it: "007" stays what it is, and two files cannot disagree about
a column's type. What is empty is null.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from obstore.exceptions import BaseError

from orchard.errors import ConfigError, first_line, one_line
from orchard.images import local
from orchard.storage import Storage, is_remote, read_object, split

SUFFIXES = (".csv", ".tsv", ".parquet")
_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class TableFile:
    """place: an absolute path or a URL. option: that named it. rows: columns of text."""

    place: str
    option: str
    rows: pa.Table

    @property
    def folder(self) -> str:
        """Where it lies."""
        return self.place.rpartition("/")[0]

    def line(self, row: int) -> str:
        """What people call a row, counted from 0; a CSV's first line is its header."""
        is_parquet = self.place.lower().endswith(".parquet")
        return f"row {row + 1}" if is_parquet else f"line {row + 2}"

    def column(self, names: tuple[str, ...], what: str) -> str:
        """The first of the names that is a column, whatever its case. Raises ConfigError."""
        known = {name.lower(): name for name in reversed(self.rows.column_names)}
        found = next((known[name] for name in names if name in known), None)
        if found is None:
            raise ConfigError(
                f"{self.option} {self.place}: expected a column for the {what}, named "
                f"{' or '.join(names)}; it has {', '.join(self.rows.column_names)}"
            )
        return found


def read_table(place: str, option: str, storage: Storage) -> TableFile:
    """A CSV or Parquet file. Raises ConfigError where it cannot be read."""
    if not place.lower().endswith(SUFFIXES):
        raise ConfigError(f"{option} {place}: expected a file named .csv, .tsv or .parquet")
    return table_of(read_bytes(place, option, storage), place, option)


def read_bytes(place: str, option: str, storage: Storage) -> bytes | memoryview:
    """A file's content, here or in a bucket. Raises ConfigError where it cannot be read."""
    try:
        if not is_remote(place):
            return Path(local.absolute(place)).read_bytes()
        root, key = split(place)
        return read_object(storage.store(root), key)
    except OSError as error:
        raise ConfigError(
            f"{option} {place}: cannot be read: {error.strerror or first_line(error)}"
        ) from None
    except (BaseError, ValueError) as error:
        raise ConfigError(f"{option} {place}: cannot be read: {one_line(error)}") from None


def table_of(data: bytes | memoryview, place: str, option: str) -> TableFile:
    """The same of a content: Parquet by its name, else CSV. Raises ConfigError."""
    whole = place if is_remote(place) else local.absolute(place)
    try:
        rows = _parquet(data) if whole.lower().endswith(".parquet") else _csv(data)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ConfigError(f"{option} {place}: cannot be read: {one_line(error)}") from None
    return TableFile(whole, option, rows)


def _csv(data: bytes | memoryview) -> pa.Table:
    """RFC 4180, by whichever separator its header holds. Raises ValueError and Arrow's errors."""
    content = bytes(data).removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from None
    header = content.partition(b"\n")[0].decode("utf-8").rstrip("\r")
    separator = max(_SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if not any(names):
        raise ValueError("it has no header; expected the columns' names in its first line")
    _check_once(names)
    text = dict.fromkeys(names, pa.string())
    rows = pyarrow.csv.read_csv(
        io.BytesIO(content),
        parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=text, strings_can_be_null=True, null_values=[""]
        ),
    )
    return _texts(rows)


def _parquet(data: bytes | memoryview) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data))
    flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    _check_once(flat)
    rows = file.read(flat)
    binary = [name for name in flat if pa.types.is_binary(rows[name].type)]
    return _texts(rows.drop_columns(binary))


def _check_once(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two columns are named {twice[0]!r}; rename one of them")


def _texts(rows: pa.Table) -> pa.Table:
    columns = {}
    for name in rows.column_names:
        column = rows[name].cast(pa.string())
        columns[name] = pc.if_else(pc.equal(column, ""), None, column)
    return pa.table(columns) if columns else rows
