"""The rows of tables, and of their Parquet files: each file is checked as it is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchard.errors import DamagedError
from orchard.records import QUALITY, widened, with_kept
from orchard.store import parquet
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS, Table, TableFile

_REQUESTS_AT_ONCE = 16
AHEAD_BYTES = 32 * 1024 * 1024
_GONE_BEFORE = ["path", "run_id"]  # the columns of 0.1.0


def read(table: Table, columns: list[str] | None = None) -> pa.Table:
    """A table's rows, in the order of their paths; empty where there is no table."""
    output = table.output
    schema = with_kept(SCHEMAS[table.name], [*table.kept, *(columns or ())])
    names = columns or schema.names
    wanted = list(dict.fromkeys([*names, "path"]))
    with ThreadPoolExecutor(1 if output.is_local else _REQUESTS_AT_ONCE) as pool:
        parts = list(pool.map(lambda file: read_named(output, file, wanted), table.files))
    rows = pa.concat_tables([schema.empty_table().select(wanted), *parts])
    parts.clear()
    return rows.sort_by("path").select(names)


def rows_of(table: Table, paths: pa.Array) -> Iterator[pa.Table]:
    """The rows of some paths, file by file."""
    for file in table.files if len(paths) else ():
        wanted = pc.is_in(read_file(table.output, file.path, ["path"])["path"], value_set=paths)
        if pc.any(wanted).as_py():
            yield read_file(table.output, file.path).filter(wanted)


def read_named(output: Output, file: TableFile, columns: list[str]) -> pa.Table:
    """Some columns of a file that the log names, as many rows as it says. Raises DamagedError."""
    rows = read_file(output, file.path, columns)
    if rows.num_rows != file.n_rows:
        raise _other_length(output, file, rows.num_rows)
    return rows


def batches_of(table: Table, columns: list[str], size: int = 2048) -> Iterator[pa.Table]:
    """A table's rows, `size` at a time, file by file: for vectors, which take several times their
    room while they are decoded. Raises as `read_named`."""
    output = table.output
    for file, opened in _parts_of(table) if output.is_local else _fetched(table):
        n_rows = 0
        with noticing(output.root, file.path):
            names, schema = _held(opened, file.path, columns), _schema_of(opened, file.path)
            for batch in opened.iter_batches(size, columns=names, use_threads=False):
                n_rows += batch.num_rows
                rows = pa.Table.from_batches([batch]).select(names)
                yield _filled(parquet.check_rows(rows, schema, file.path), schema, columns)
                pa.default_memory_pool().release_unused()  # which Arrow would keep, and more each
        if n_rows != file.n_rows:
            raise _other_length(output, file, n_rows)


def _parts_of(table: Table) -> Iterator[tuple[TableFile, pq.ParquetFile]]:
    for file in table.files:
        with table.output.open(file.path) as opened, noticing(table.output.root, file.path):
            yield file, parquet.open_part(opened, file.path)


def _fetched(table: Table) -> Iterator[tuple[TableFile, pq.ParquetFile]]:
    """Each file in one request, and the next ones meanwhile, as many as AHEAD_BYTES hold."""
    left, coming, held = deque(table.files), deque[tuple[TableFile, Future[memoryview]]](), 0
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        while left or coming:
            while left and (not coming or held + left[0].n_bytes <= AHEAD_BYTES):
                file = left.popleft()
                held += file.n_bytes
                coming.append((file, pool.submit(table.output.get, file.path)))
            file, data = coming.popleft()
            with noticing(table.output.root, file.path):
                yield file, parquet.open_whole(data.result(), file.path)
            held -= file.n_bytes


def read_file(output: Output, path: str, columns: list[str] | None = None) -> pa.Table:
    """A file's rows. Of some columns no others are read: keys are a fiftieth of a feature file.
    Those that it does not hold, being older or of another manifest, are null.

    Raises TableError, and DamagedError where the file is not as it was stored.
    """
    if columns is None:
        data = output.get(path)
        with noticing(output.root, path):
            whole = parquet.open_whole(data, path)
            schema = _schema_of(whole, path)
            names = _held(whole, path, schema.names)
            rows = parquet.check_rows(whole.read(names).select(names), schema, path)
        return rows if rows.num_columns == len(schema) else widened(rows, schema)
    with output.open(path) as file, noticing(output.root, path):
        part = parquet.open_part(file, path)
        names, schema = _held(part, path, columns), _schema_of(part, path)
        rows = part.read(names, use_threads=output.is_local)
        rows = parquet.check_rows(rows.select(names), schema, path)
    return _filled(rows, schema, columns)


def iter_batches(
    output: Output, path: str, columns: list[str], batch_size: int, *, and_kept: bool = False
) -> Iterator[pa.RecordBatch]:
    """The rows of one file, batch by batch; called by workers. Raises as `read_file`.

    and_kept: with the columns that a manifest gave, behind the others.
    """
    data = output.get(path)
    with noticing(output.root, path):
        file = parquet.open_whole(data, path)
        schema = _schema_of(file, path)
        if and_kept:
            columns = [*columns, *schema.names[len(SCHEMAS[path.split("/")[-2]]) :]]
        for batch in file.iter_batches(batch_size, columns=columns):
            rows = pa.Table.from_batches([batch]).select(columns)
            yield from parquet.check_rows(rows, schema, path).to_batches()


def _filled(rows: pa.Table, schema: pa.Schema, columns: list[str]) -> pa.Table:
    """With the columns that a file does not hold as nulls."""
    if rows.column_names == columns:
        return rows
    schema = with_kept(schema, columns)
    return widened(rows, pa.schema([schema.field(name) for name in columns]))


def _held(file: pq.ParquetFile, path: str, columns: list[str]) -> list[str]:
    """Those of the columns that a file must hold: of what is gone 0.1.0 kept two, and it took no
    figures of quality; of what manifests give, each file has its own."""
    table, there = path.split("/")[-2], file.schema_arrow.names
    is_old = table == "gone" and there == _GONE_BEFORE
    own = _GONE_BEFORE if is_old else [n for n in SCHEMAS[table].names if n not in QUALITY]
    return [name for name in columns if name in own or name in there]


def _schema_of(file: pq.ParquetFile, path: str) -> pa.Schema:
    """Of a file of a table, staged or not."""
    return with_kept(SCHEMAS[path.split("/")[-2]], file.schema_arrow.names)


def _other_length(output: Output, file: TableFile, n_rows: int) -> DamagedError:
    why = f"it holds {n_rows} rows, of which the table's log says {file.n_rows}"
    return damaged(output.root, file.path, why)
