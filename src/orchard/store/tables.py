"""The tables under OUTPUT: Delta Lake, committed by delta-rs, one transaction a table and run.

Workers write Parquet files below `_staging/<run_id>/`, where no reader looks. The driver moves the
files of the tasks that Spark reported into the table's folder and names them in one commit. So a
task that ran twice, a lost worker or a killed driver leaves files that nobody reads, never a row
twice. After each commit the folder is swept of Orchard's files that the new version does not name:
who reads the folder as plain Parquet, without the Delta log, sees the same rows.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import Schema
from deltalake.transaction import AddAction, RemoveAction

from orchard.errors import TableError
from orchard.records import COMPONENTS, ERRORS, FEATURES, GONE
from orchard.storage import one_line
from orchard.store import log, sweeping
from orchard.store.output import Output

SCHEMAS = {"features": FEATURES, "errors": ERRORS, "components": COMPONENTS, "gone": GONE}
STAGING = "_staging"
# Else compaction writes the first and last path of each file to the log, out of erasure's reach.
_NO_STATISTICS: dict[str, str | None] = {"delta.dataSkippingNumIndexedCols": "0"}
_REQUESTS_AT_ONCE = 16
_REPEATING_COLUMNS = ["label", "fingerprint", "run_id", "reason", "pca_id"]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file of a table: path relative to OUTPUT, rows, bytes."""

    path: str
    n_rows: int
    n_bytes: int


def stage(output: Output, run_id: str, table: str, task: str, rows: pa.Table) -> TableFile:
    """Write one task's rows where only `commit` finds them; called by workers."""
    buffer = io.BytesIO()
    repeating = [name for name in _REPEATING_COLUMNS if name in rows.column_names]
    pq.write_table(rows.cast(SCHEMAS[table]), buffer, compression="zstd", use_dictionary=repeating)
    path = f"{STAGING}/{run_id}/{table}/part-{run_id}-{task}-{uuid.uuid4().hex[:8]}.parquet"
    output.create(path, buffer.getvalue())
    return TableFile(path, rows.num_rows, buffer.tell())


def commit(
    output: Output,
    run_id: str,
    table: str,
    staged: Iterable[TableFile],
    *,
    superseded: pa.Array | None = None,
    overwrite: bool = False,
    facts: dict[str, str] | None = None,
) -> None:
    """Make staged files part of a table in one transaction.

    superseded: paths whose present rows leave the table in the same transaction.
    overwrite: all present rows leave. facts: kept with the commit, for `provenance`.
    The transaction carries the run's id: committing the same run again changes nothing.
    Raises TableError where the commit fails; the table is then as before.
    """
    app_id = f"orchard/{run_id}"
    properties = CommitProperties(
        custom_metadata={"orchard.run_id": run_id, **(facts or {})},
        app_transactions=[Transaction(app_id=app_id, version=1)],
    )
    try:
        existing = _open(output, table)
        if existing is not None and existing.transaction_version(app_id):
            return
        _check_ours(output, table, existing)
        if not overwrite:
            check(output, table)
        removes: list[RemoveAction] = []
        added = list(staged)
        if existing is not None and superseded is not None and not overwrite:
            removes, rewritten = _without(output, run_id, table, superseded)
            added += rewritten
        if not added and (overwrite or len(removes) == len(files(output, table))):
            # Readers of plain Parquet need one file at least to see an empty table as such.
            added = [stage(output, run_id, table, "none", _no_rows(table))]
        if not added and not removes:
            return
        _write(output, table, existing, added, removes, properties, overwrite=overwrite)
    except (DeltaError, OSError) as error:
        raise TableError(
            f"cannot commit to {output.uri(table)}: {one_line(error)}; the table is as "
            "it was: run the same command again"
        ) from error


def rewrite(output: Output, table: str, added: list[TableFile], removed: list[TableFile]) -> None:
    """Put staged files in the place of others that hold the same rows; provenance stays.

    Raises TableError.
    """
    check(output, table)
    removes = [_remove_action(file, data_change=False) for file in removed]
    properties = CommitProperties()
    try:
        _write(output, table, _open(output, table), added, removes, properties, data_change=False)
    except (DeltaError, OSError) as error:
        raise TableError(f"cannot commit to {output.uri(table)}: {one_line(error)}") from error


def version(output: Output, table: str) -> int:
    """The table's Delta version; -1 where there is no table."""
    opened = _open(output, table)
    return -1 if opened is None else opened.version()


def provenance(output: Output, table: str) -> dict[str, str]:
    """The facts of the last commit by a run or an erasure; empty where there is none.

    "orchard.run_id" names the content: compaction changes a table's version and files, not this.
    """
    return log.facts(output, table)


def files(output: Output, table: str) -> list[TableFile]:
    """The files of the table's current version, by path; none where there is no table."""
    opened = _open(output, table)
    if opened is None:
        return []
    actions = pa.table(opened.get_add_actions(flatten=True))
    found = [
        TableFile(f"{table}/{action['path']}", action["num_records"], action["size_bytes"])
        for action in actions.select(["path", "num_records", "size_bytes"]).to_pylist()
    ]
    return sorted(found, key=lambda file: file.path)


def count(output: Output, table: str) -> int:
    return sum(file.n_rows for file in files(output, table))


def read(output: Output, table: str, columns: list[str] | None = None) -> pa.Table:
    """A table's rows, in the order of their paths; empty where there is no table."""
    names = columns or SCHEMAS[table].names
    wanted = list(dict.fromkeys([*names, "path"]))
    paths = [file.path for file in files(output, table)]
    with ThreadPoolExecutor(1 if output.is_local else _REQUESTS_AT_ONCE) as pool:
        parts = list(pool.map(lambda path: read_file(output, path, wanted), paths))
    return pa.concat_tables([_no_rows(table).select(wanted), *parts]).sort_by("path").select(names)


def read_file(output: Output, path: str, columns: list[str] | None = None) -> pa.Table:
    """A file's rows. Of some columns no others are read: keys are a fiftieth of a feature file."""
    if columns is None:
        return pq.read_table(pa.BufferReader(output.get(path)))
    with output.open(path) as file:
        return pq.ParquetFile(file, pre_buffer=False).read(columns, use_threads=output.is_local)


def iter_batches(
    output: Output, path: str, columns: list[str], batch_size: int
) -> Iterator[pa.RecordBatch]:
    """The rows of one file, batch by batch; called by workers."""
    with pq.ParquetFile(pa.BufferReader(output.get(path))) as file:
        yield from file.iter_batches(batch_size, columns=columns)


def staged(output: Output, table: str) -> list[str]:
    """Paths of the files of a table that were staged and never committed, oldest run first."""
    return [path for path in output.paths(STAGING) if path.split("/")[2] == table]


def describe(output: Output, path: str) -> TableFile:
    """A staged file as `commit` takes it."""
    with output.open(path) as file:
        return TableFile(path, pq.read_metadata(file).num_rows, file.size())


def check(output: Output, table: str) -> None:
    """Raises TableError where the end of a table's log is missing: nothing may then be committed or
    swept, since what that end named looks like leftovers."""
    current = {file.path for file in files(output, table)}
    sweeping.check(output, table, version(output, table), current)


def sweep(output: Output) -> int:
    """Delete what killed writers left in the tables' folders: files of ours that no version names.

    Where a log names none, or has lost its end, they stay.
    """
    return sum(_sweep(output, table) for table in SCHEMAS)


def vacuum(output: Output) -> int:
    """Delete every file of ours that no table names, staged ones included; how many.

    Raises TableError, and deletes nothing, where the end of a table's log is missing.
    """
    for table in SCHEMAS:
        check(output, table)
    return discard_staged(output) + sweep(output)


def discard_staged(output: Output) -> int:
    """Delete what was staged and not committed; how many files."""
    return output.delete_folder(STAGING)


def _open(output: Output, table: str) -> DeltaTable | None:
    try:
        return DeltaTable(output.url(table), storage_options=output.delta_options)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise TableError(f"cannot read {output.uri(table)}: {one_line(error)}") from error


def _create(output: Output, table: str) -> DeltaTable:
    # create_table_with_add_actions (deltalake 1.6.6) would make it and commit in one, but looks for
    # the table at AWS whatever endpoint its storage_options name.
    schema = Schema.from_arrow(SCHEMAS[table])
    return DeltaTable.create(
        output.url(table),
        schema,
        mode="error",
        configuration=_NO_STATISTICS,
        storage_options=output.delta_options,
    )


def _check_ours(output: Output, table: str, existing: DeltaTable | None) -> None:
    if existing is not None and not log.is_orchards(output, table):
        raise TableError(
            f"{output.uri(table)} is a Delta table that Orchard did not make; give another OUTPUT, "
            "or move it away"
        )


def _write(
    output: Output,
    table: str,
    existing: DeltaTable | None,
    staged: list[TableFile],
    removes: list[RemoveAction],
    properties: CommitProperties,
    *,
    overwrite: bool = False,
    data_change: bool = True,
) -> None:
    """One transaction, after which the folder holds what it names and nothing else of ours."""
    with _moved_in(output, table, staged) as moved:
        (existing or _create(output, table)).create_write_transaction(
            [*(_add_action(file, data_change) for file in moved), *removes],
            "overwrite" if overwrite else "append",
            Schema.from_arrow(SCHEMAS[table]),
            commit_properties=properties,
        )
    log.note(output, table, version(output, table))
    _sweep(output, table, anew=overwrite)


def _no_rows(table: str) -> pa.Table:
    return SCHEMAS[table].empty_table()


@contextmanager
def _moved_in(output: Output, table: str, staged: Iterable[TableFile]) -> Iterator[list[TableFile]]:
    """Staged files moved into the table's folder, to be committed in the block.

    Where the block fails they go back, for the next run to take over.
    """
    moved: dict[str, TableFile] = {}
    try:
        for file in staged:
            target = f"{table}/{file.path.rpartition('/')[2]}"
            output.move(file.path, target)
            moved[target] = file
        yield list(moved.values())
    except BaseException:
        committed = {file.path for file in files(output, table)}
        for target in moved.keys() - committed:
            output.move(target, moved[target].path)
        raise


def _add_action(file: TableFile, data_change: bool = True) -> AddAction:
    return AddAction(
        path=file.path.rpartition("/")[2],
        size=file.n_bytes,
        partition_values={},
        modification_time=_now_ms(),
        data_change=data_change,
        stats=json.dumps({"numRecords": file.n_rows}),
    )


def _remove_action(file: TableFile, *, data_change: bool = True) -> RemoveAction:
    name = file.path.rpartition("/")[2]
    return RemoveAction(name, data_change, _now_ms(), file.n_bytes, {})


def _without(
    output: Output, run_id: str, table: str, paths: pa.Array
) -> tuple[list[RemoveAction], list[TableFile]]:
    """The files that hold any of `paths`, to be removed, and their other rows, staged anew."""
    removes, rewritten = [], []
    for number, file in enumerate(files(output, table)):
        keys = read_file(output, file.path, ["path"])["path"]
        leaving = pc.is_in(keys, value_set=paths)
        if not pc.any(leaving).as_py():
            continue
        removes.append(_remove_action(file))
        kept = read_file(output, file.path).filter(pc.invert(leaving))
        if kept.num_rows:
            rewritten.append(stage(output, run_id, table, f"kept{number:05d}", kept))
    return removes, rewritten


def _sweep(output: Output, table: str, *, anew: bool = False) -> int:
    current = {file.path for file in files(output, table)}
    return sweeping.sweep(output, table, version(output, table), current, anew=anew)


def _now_ms() -> int:
    return int(time.time() * 1000)
