"""Parquet and Arrow files with a column of images: each row is a member.

The column is binary, or a struct of `bytes` and `path` as in Hugging Face's sets. A row is called
by its path, which the struct or a column of names says, else by its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from orchard.images.containers import names
from orchard.images.containers.columns import Columns, columns_of
from orchard.images.containers.files import TAIL, Unreadable
from orchard.images.containers.members import Contents, Member
from orchard.records import Failure, Reason

__all__ = ["TAIL", "read_rows", "read_table"]

ROWS_AT_ONCE = 16  # whose bytes are decoded in one go
PIECE = 8 * 1024 * 1024  # of a column that is read in one go


def read_table(file: BinaryIO, where: str, column: str | None) -> tuple[Contents, list[str | None]]:
    """Members and their labels. where: the table's path. column: of `--label column:NAME`.

    offset of a member is its row, detail its row group or batch; its size is a guess in Parquet,
    where only the bytes themselves say it. Raises Unreadable, and ConfigError for a label column
    that the table has not.
    """
    try:
        table = _Table.of(file, where)
        chosen = columns_of(table.schema, column, where)
        contents, labels = Contents(), list[str | None]()
        for group, (sizes, rows) in enumerate(table.rows(chosen)):
            for name, label, size in zip(*rows, sizes, strict=True):
                row = len(labels)
                member = Member(_name(name, row), size, 0, None, row, size, group)
                contents.members.append(member)
                labels.append(_label(label, chosen.labels))
    except (pa.ArrowException, OSError, EOFError) as error:
        raise Unreadable(_why_none(error)) from None
    _tell_apart(contents)
    return contents, labels


def read_rows(
    file: BinaryIO, where: str, wanted: list[tuple[int, int]]
) -> Iterator[bytes | Failure]:
    """The bytes of rows, each (group, row), in that order, which must rise; little at a time."""
    table = _Table.of(file, where)
    image = columns_of(table.schema, None, where).image
    groups = sorted({group for group, _ in wanted})
    pending = iter(wanted)
    row = next(pending, None)
    for group in groups:
        at = table.first(group)
        for values in table.images(group, image):
            while row is not None and row[0] == group and row[1] < at + len(values):
                value = values[row[1] - at].as_py()
                yield _NO_BYTES if value is None else value
                row = next(pending, None)
            at += len(values)
            if row is None or row[0] != group:
                break


_NO_BYTES = Failure(Reason.EMPTY, "the row holds no bytes of an image")


class _Table:
    """A Parquet or an Arrow file, group by group."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    @staticmethod
    def of(file: BinaryIO, path: str) -> _Table:
        return _Parquet(file) if path.lower().endswith(".parquet") else _Arrow(file)

    def rows(self, chosen: Columns) -> Iterator[tuple[list[int], tuple[list[Any], list[Any]]]]:
        raise NotImplementedError

    def first(self, group: int) -> int:
        raise NotImplementedError

    def images(self, group: int, image: str) -> Iterator[pa.Array]:
        raise NotImplementedError


class _Parquet(_Table):
    def __init__(self, file: BinaryIO) -> None:
        self._file = pq.ParquetFile(file, pre_buffer=False, buffer_size=PIECE)
        super().__init__(self._file.schema_arrow)

    def first(self, group: int) -> int:
        meta = self._file.metadata
        return sum(meta.row_group(n).num_rows for n in range(group))

    def rows(self, chosen: Columns) -> Iterator[tuple[list[int], tuple[list[Any], list[Any]]]]:
        meta = self._file.metadata
        paths = [meta.schema.column(n).path for n in range(meta.num_columns)]
        at = paths.index(chosen.image)
        wanted = [name for name in (chosen.path, chosen.label) if name]
        for group in range(meta.num_row_groups):
            part = meta.row_group(group)
            n = part.num_rows
            size = part.column(at).total_uncompressed_size // max(1, n)
            read = self._file.read_row_group(group, columns=wanted) if wanted else None
            yield [size] * n, (_values(read, chosen.path, n), _values(read, chosen.label, n))

    def images(self, group: int, image: str) -> Iterator[pa.Array]:
        for batch in self._file.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[image]):
            yield _leaf(batch.column(0))


class _Arrow(_Table):
    def __init__(self, file: BinaryIO) -> None:
        try:
            self._file = pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            file.seek(0)
            self._file = None
            self._stream = pa.ipc.open_stream(file)
        self._ahead = 0
        self._starts = [0]
        super().__init__((self._file or self._stream).schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            yield from map(_whole, self._stream)
        else:
            numbers = range(self._file.num_record_batches)
            yield from map(_whole, map(self._file.get_batch, numbers))

    def first(self, group: int) -> int:
        while len(self._starts) <= group:
            self._skip()
        return self._starts[group]

    def rows(self, chosen: Columns) -> Iterator[tuple[list[int], tuple[list[Any], list[Any]]]]:
        for batch in self._batches():
            table = pa.Table.from_batches([batch])
            image = _leaf(_nested(batch, chosen.image))
            sizes = [0 if value is None else value for value in _lengths(image)]
            n = batch.num_rows
            yield sizes, (_values(table, chosen.path, n), _values(table, chosen.label, n))

    def images(self, group: int, image: str) -> Iterator[pa.Array]:
        self.first(group)
        yield _leaf(_nested(self._batch(group), image))

    def _skip(self) -> None:
        self._starts.append(self._starts[-1] + self._batch(len(self._starts) - 1).num_rows)

    def _batch(self, group: int) -> pa.RecordBatch:
        """Of a stream, only what lies ahead, or was read last."""
        if self._file is not None:
            return _whole(self._file.get_batch(group))
        while self._ahead <= group:
            self._last = _whole(self._stream.read_next_batch())
            self._ahead += 1
        return self._last


def _whole(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose offsets lie in its buffers: Arrow takes them as they come, and a damaged one
    would end the process. Raises ArrowInvalid."""
    batch.validate(full=True)
    return batch


def _values(table: pa.Table | None, column: str | None, n: int) -> list[Any]:
    if table is None or column is None:
        return [None] * n
    top, _, inner = column.partition(".")
    values = table[top] if top in table.column_names else table[column]
    if inner and pa.types.is_struct(values.type):
        values = pa.chunked_array([chunk.field(inner) for chunk in values.chunks])
    return values.to_pylist()


def _nested(batch: pa.RecordBatch, column: str) -> pa.Array:
    top, _, inner = column.partition(".")
    values = batch.column(batch.schema.get_field_index(top))
    return values.field(inner) if inner else values


def _leaf(values: pa.Array) -> pa.Array:
    return values.field("bytes") if pa.types.is_struct(values.type) else values


def _lengths(values: pa.Array) -> list[int | None]:
    return pc.binary_length(values).to_pylist()


def _name(text: Any, row: int) -> str:
    """What a row is called: by its path, unless that cannot be a member's name, as a URL cannot."""
    clean = names.cleaned(str(text).lstrip("/")) if text else None
    return clean if isinstance(clean, str) else f"{row:07d}"


def _label(value: Any, labels: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    if labels and isinstance(value, int) and 0 <= value < len(labels):
        return labels[value]
    return str(value)


def _tell_apart(contents: Contents) -> None:
    """Rows of one path are different images, unlike members of one name."""
    seen: set[str] = set()
    for at, member in enumerate(contents.members):
        if member.name in seen:
            contents.members[at] = replace(member, name=f"{member.name}#{member.offset}")
        seen.add(member.name)


def _why_none(error: Exception) -> Failure:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Failure(Reason.NOT_AN_IMAGE, f"named as a table, and cannot be read as one: {said}")
