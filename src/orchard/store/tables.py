"""The tables under OUTPUT: Delta Lake, committed by delta-rs, one transaction a table and run.

Workers write Parquet files below `_staging/<run_id>/`, where no reader looks. The driver moves the
files of the tasks that Spark reported into the table's folder and names them in one commit. So a
task that ran twice, a lost worker or a killed driver leaves files that nobody reads, never a row
twice. After each commit the folder is swept of files the new version does not name: who reads the
folder as plain Parquet, without the Delta log, sees the same rows.
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
from orchard.records import COMPONENTS, ERRORS, FEATURES, GONE, LABELS, widened, with_labels
from orchard.storage import one_line
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


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file whose rows a commit has put into another one. n_lost: rows that left on the way."""

    old: str
    new: str
    n_lost: int


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
    labels: pa.Table | None = None,
    overwrite: bool = False,
    facts: dict[str, str] | None = None,
    step: str = "",
) -> list[Rewritten]:
    """Make staged files part of a table in one transaction; the files that it rewrote.

    superseded: paths whose present rows leave the table in the same transaction. labels: LABELS
    rows, which other present rows get. overwrite: all present rows leave. facts: kept with the
    commit, for `provenance`, though no row may have changed.
    The transaction carries the run's id (and `step`, where a run commits to a table twice):
    committing the same again changes nothing.
    Raises TableError where the commit fails; the table is then as before.
    """
    app_id = f"orchard/{run_id}/{step}" if step else f"orchard/{run_id}"
    properties = CommitProperties(
        custom_metadata={"orchard.run_id": run_id, **(facts or {})},
        app_transactions=[Transaction(app_id=app_id, version=1)],
    )
    try:
        existing = _open(output, table)
        if existing is not None and existing.transaction_version(app_id):
            return []
        if existing is not None:
            existing = _widen(output, table, existing)
        removes: list[RemoveAction] = []
        rewritten: list[Rewritten] = []
        added = list(staged)
        if existing is not None and not overwrite:
            leaving = pa.array([], pa.string()) if superseded is None else superseded
            labels = LABELS.empty_table() if labels is None else labels
            task = f"{step}kept"
            removes, kept, rewritten = _rewrite(output, run_id, table, task, leaving, labels)
            added += kept
        if not added and (overwrite or len(removes) == len(files(output, table))):
            # Readers of plain Parquet need one file at least to see an empty table as such.
            added = [stage(output, run_id, table, "none", _no_rows(table))]
        if not added and not removes and not facts:
            return []
        with _moved_in(output, table, added) as adds:
            (existing or _create(output, table)).create_write_transaction(
                [*adds, *removes],
                "overwrite" if overwrite else "append",
                Schema.from_arrow(SCHEMAS[table]),
                commit_properties=properties,
            )
        _sweep(output, table)
        return rewritten
    except (DeltaError, OSError) as error:
        raise TableError(
            f"cannot commit to {output.uri(table)}: {one_line(error)}; the table is as "
            "it was: run the same command again"
        ) from error


def version(output: Output, table: str) -> int:
    """The table's Delta version; -1 where there is no table."""
    opened = _open(output, table)
    return -1 if opened is None else opened.version()


def provenance(output: Output, table: str) -> dict[str, str]:
    """The facts of the last commit by a run or an erasure; empty where there is none.

    "orchard.run_id" names the content: compaction changes a table's version and files, not this.
    """
    return next(_provenances(output, table), {})


def run_ids(output: Output, table: str) -> list[str]:
    """The runs and erasures that committed to a table, the last one first."""
    return [facts["orchard.run_id"] for facts in _provenances(output, table)]


def _provenances(output: Output, table: str) -> Iterator[dict[str, str]]:
    opened = _open(output, table)
    for entry in opened.history() if opened is not None else ():
        facts = {key: value for key, value in entry.items() if key.startswith("orchard.")}
        if facts:
            yield facts


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
    none = _no_rows(table).select(wanted)
    whole = [p if p.num_columns == len(wanted) else widened(p, none.schema) for p in parts]
    return pa.concat_tables([none, *whole]).sort_by("path").select(names)


def rows_of(output: Output, table: str, paths: pa.Array) -> Iterator[pa.Table]:
    """The rows of some paths, file by file."""
    for file in files(output, table) if len(paths) else ():
        wanted = pc.is_in(read_file(output, file.path, ["path"])["path"], value_set=paths)
        if pc.any(wanted).as_py():
            yield read_file(output, file.path).filter(wanted)


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


def sweep(output: Output) -> int:
    """Delete what killed writers left in the tables' folders: files no version names."""
    return sum(_sweep(output, table) for table in SCHEMAS if _open(output, table) is not None)


def vacuum(output: Output) -> int:
    """Delete every file that no table names, staged ones included; how many."""
    n_staged = len(output.paths(STAGING))
    discard_staged(output)
    return n_staged + sweep(output)


def compact(output: Output, table: str, target_bytes: int) -> int:
    """Merge a table's small files into files of about `target_bytes`; how many files went.

    Rows, order within files and provenance stay; readers of the folder see no row twice.
    """
    opened = _open(output, table)
    if opened is None:
        return 0
    found = opened.optimize.compact(target_size=target_bytes)
    _sweep(output, table)
    return int(found["numFilesRemoved"] - found["numFilesAdded"])


def discard_staged(output: Output) -> None:
    """Delete what was staged and not committed."""
    output.delete_folder(STAGING)


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


def _no_rows(table: str) -> pa.Table:
    return SCHEMAS[table].empty_table()


@contextmanager
def _moved_in(output: Output, table: str, staged: Iterable[TableFile]) -> Iterator[list[AddAction]]:
    """Staged files moved into the table's folder, to be committed in the block.

    Where the block fails they go back, for the next run to take over.
    """
    moved: dict[str, TableFile] = {}
    try:
        for file in staged:
            target = f"{table}/{file.path.rpartition('/')[2]}"
            output.move(file.path, target)
            moved[target] = file
        yield [_add_action(file) for file in moved.values()]
    except BaseException:
        committed = {file.path for file in files(output, table)}
        for target in moved.keys() - committed:
            output.move(target, moved[target].path)
        raise


def _add_action(file: TableFile) -> AddAction:
    return AddAction(
        path=file.path.rpartition("/")[2],
        size=file.n_bytes,
        partition_values={},
        modification_time=_now_ms(),
        data_change=True,
        stats=json.dumps({"numRecords": file.n_rows}),
    )


def _rewrite(
    output: Output, run_id: str, table: str, task: str, leaving: pa.Array, labels: pa.Table
) -> tuple[list[RemoveAction], list[TableFile], list[Rewritten]]:
    """The files that hold a row that leaves or gets a label, to be removed, and what stays of
    their rows, staged anew."""
    removes, staged, rewritten = [], [], []
    for number, file in enumerate(files(output, table)):
        keys = read_file(output, file.path, ["path"])["path"]
        goes = pc.is_in(keys, value_set=leaving)
        changes = pc.or_(goes, pc.is_in(keys, value_set=labels["path"]))
        if not pc.any(changes).as_py():
            continue
        name = file.path.rpartition("/")[2]
        removes.append(RemoveAction(name, True, _now_ms(), file.n_bytes, {}))
        kept = widened(read_file(output, file.path).filter(pc.invert(goes)), SCHEMAS[table])
        if kept.num_rows:
            kept = with_labels(kept, labels)
            staged.append(stage(output, run_id, table, f"{task}{number:05d}", kept))
            new = f"{table}/{staged[-1].path.rpartition('/')[2]}"
            rewritten.append(Rewritten(file.path, new, len(keys) - kept.num_rows))
    return removes, staged, rewritten


def _widen(output: Output, table: str, opened: DeltaTable) -> DeltaTable | None:
    """A table with the columns of today: 0.1.0 kept of what is gone only path and run_id."""
    known = {field.name for field in opened.schema().fields}
    new = [field for field in Schema.from_arrow(SCHEMAS[table]).fields if field.name not in known]
    if not new:
        return opened
    opened.alter.add_columns(new)
    return _open(output, table)


def _sweep(output: Output, table: str) -> int:
    current = {file.path for file in files(output, table)}
    log = f"{table}/_delta_log/"
    orphans = [p for p in output.paths(table) if p not in current and not p.startswith(log)]
    output.delete(orphans)
    return len(orphans)


def _now_ms() -> int:
    return int(time.time() * 1000)
