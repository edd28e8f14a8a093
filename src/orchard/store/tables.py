"""The tables under OUTPUT: Delta Lake, committed by delta-rs, one transaction a table and run.

Workers write Parquet files below `_staging/<run_id>/`, where no reader looks. The driver moves the
files of the tasks that Spark reported into the table's folder and names them in one commit. So a
task that ran twice, a lost worker or a killed driver leaves files that nobody reads, never a row
twice. After each commit the folder is swept of Orchard's files that the new version does not name:
who reads the folder as plain Parquet, without the Delta log, sees the same rows.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError
from deltalake.schema import Schema
from deltalake.transaction import AddAction, RemoveAction

from orchard.errors import TableError
from orchard.records import COMPONENTS, ERRORS, FEATURES, GONE, LABELS, widened, with_labels
from orchard.storage import one_line
from orchard.storage.results import RUN_KEY
from orchard.store import log, parquet, sweeping
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output

SCHEMAS = {"features": FEATURES, "errors": ERRORS, "components": COMPONENTS, "gone": GONE}
STAGING = "_staging"
# Else compaction writes the first and last path of each file to the log, out of erasure's reach.
_NO_STATISTICS: dict[str, str | None] = {"delta.dataSkippingNumIndexedCols": "0"}
_REQUESTS_AT_ONCE = 16
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*\.parquet", re.ASCII)
_STATE = "orchard/state"  # an application id of Delta's; its version is a digest, see `_state`
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
    repeating = [name for name in _REPEATING_COLUMNS if name in rows.column_names]
    data = parquet.to_bytes(rows.cast(SCHEMAS[table]), repeating)
    name = f"part-{run_id}-{task}-{parquet.checksums(data)}.parquet"
    path = f"{STAGING}/{run_id}/{table}/{name}"
    output.create(path, data)
    return TableFile(path, rows.num_rows, len(data))


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
    try:
        existing = _open(output, table)
        if existing is not None and existing.transaction_version(app_id):
            return []
        _check_ours(output, table, existing)
        if not overwrite:
            check(output, table)
        if existing is not None:
            existing = _widen(output, table, existing)
        removes: list[RemoveAction] = []
        rewritten: list[Rewritten] = []
        added = list(staged)
        if existing is not None and not overwrite:
            leaving = pa.array([], pa.string()) if superseded is None else superseded
            labels = LABELS.empty_table() if labels is None else labels
            task = f"{step}kept"
            removes, staged_again, rewritten = _rewrite(
                output, run_id, table, task, leaving, labels
            )
            added += staged_again
        if not added and (overwrite or len(removes) == len(files(output, table))):
            # Readers of plain Parquet need one file at least to see an empty table as such.
            added = [stage(output, run_id, table, "none", _no_rows(table))]
        if not added and not removes and not facts:
            return []
        facts = {RUN_KEY: run_id, **(facts or {})}
        done = Transaction(app_id, 1)
        _write(output, table, existing, added, removes, [done], facts, overwrite=overwrite)
        return rewritten
    except (DeltaError, OSError) as error:
        raise _uncommitted(output, table, error) from error


def rewrite(output: Output, table: str, added: list[TableFile], removed: list[TableFile]) -> None:
    """Put staged files in the place of others that hold the same rows; provenance stays.

    Raises TableError.
    """
    check(output, table)
    removes = [_remove_action(file, data_change=False) for file in removed]
    try:
        _write(output, table, _open(output, table), added, removes, data_change=False)
    except (DeltaError, OSError) as error:
        raise _uncommitted(output, table, error) from error


def version(output: Output, table: str) -> int:
    """The table's Delta version; -1 where there is no table."""
    opened = _open(output, table)
    return -1 if opened is None else opened.version()


def provenance(output: Output, table: str) -> dict[str, str]:
    """The facts of the last commit by a run or an erasure; empty where there is none.

    "orchard.run_id" names the content: compaction changes a table's version and files, not this.
    """
    return next(log.commits(output, table), {})


def run_ids(output: Output, table: str) -> list[str]:
    """The runs and erasures that committed to a table, the last one first."""
    return [facts[RUN_KEY] for facts in log.commits(output, table)]


def files(output: Output, table: str) -> list[TableFile]:
    """The files of the table's current version, by path; none where there is no table.

    Raises DamagedError where the log names anything but files of the table's own folder.
    """
    opened = _open(output, table)
    if opened is None:
        return []
    with _reading_log(output, table):
        actions = pa.table(opened.get_add_actions(flatten=True))
        found = [
            _named(table, action)
            for action in actions.select(["path", "num_records", "size_bytes"]).to_pylist()
        ]
        _check_log(opened, {file.path.rpartition("/")[2] for file in found})
    return sorted(found, key=lambda file: file.path)


def count(output: Output, table: str) -> int:
    return sum(file.n_rows for file in files(output, table))


def read(output: Output, table: str, columns: list[str] | None = None) -> pa.Table:
    """A table's rows, in the order of their paths; empty where there is no table."""
    names = columns or SCHEMAS[table].names
    wanted = list(dict.fromkeys([*names, "path"]))
    named = files(output, table)
    with ThreadPoolExecutor(1 if output.is_local else _REQUESTS_AT_ONCE) as pool:
        parts = list(pool.map(lambda file: read_named(output, file, wanted), named))
    none = _no_rows(table).select(wanted)
    whole = [p if p.num_columns == len(wanted) else widened(p, none.schema) for p in parts]
    return pa.concat_tables([none, *whole]).sort_by("path").select(names)


def rows_of(output: Output, table: str, paths: pa.Array) -> Iterator[pa.Table]:
    """The rows of some paths, file by file."""
    for file in files(output, table) if len(paths) else ():
        wanted = pc.is_in(read_file(output, file.path, ["path"])["path"], value_set=paths)
        if pc.any(wanted).as_py():
            yield read_file(output, file.path).filter(wanted)


def read_named(output: Output, file: TableFile, columns: list[str]) -> pa.Table:
    """Some columns of a file that the log names, as many rows as it says. Raises DamagedError."""
    rows = read_file(output, file.path, columns)
    if rows.num_rows != file.n_rows:
        why = f"it holds {rows.num_rows} rows, of which the table's log says {file.n_rows}"
        raise damaged(output.root, file.path, why)
    return rows


def read_file(output: Output, path: str, columns: list[str] | None = None) -> pa.Table:
    """A file's rows. Of some columns no others are read: keys are a fiftieth of a feature file.

    Raises TableError, and DamagedError where the file is not as it was stored.
    """
    schema = _schema_of(path)
    if columns is None:
        data = output.get(path)
        with noticing(output.root, path):
            rows = parquet.open_whole(data, path).read(schema.names)
            return parquet.check_rows(rows.select(schema.names), schema, path)
    with output.open(path) as file, noticing(output.root, path):
        rows = parquet.open_part(file, path).read(columns, use_threads=output.is_local)
        return parquet.check_rows(rows.select(columns), schema, path)


def iter_batches(
    output: Output, path: str, columns: list[str], batch_size: int
) -> Iterator[pa.RecordBatch]:
    """The rows of one file, batch by batch; called by workers. Raises as `read_file`."""
    data, schema = output.get(path), _schema_of(path)
    with noticing(output.root, path):
        file = parquet.open_whole(data, path)
        for batch in file.iter_batches(batch_size, columns=columns):
            rows = pa.Table.from_batches([batch]).select(columns)
            yield from parquet.check_rows(rows, schema, path).to_batches()


def staged(output: Output, table: str) -> list[str]:
    """Paths of the files of a table that were staged and never committed, oldest run first."""
    return [path for path in output.paths(STAGING) if path.split("/")[2] == table]


def describe(output: Output, path: str) -> TableFile:
    """A staged file as `commit` takes it, checked as a whole."""
    data = output.get(path)
    with noticing(output.root, path):
        return TableFile(path, parquet.open_whole(data, path).metadata.num_rows, len(data))


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
    with _reading_log(output, table):
        try:
            return DeltaTable(output.url(table), storage_options=output.delta_options)
        except TableNotFoundError:
            return None


@contextmanager
def _reading_log(output: Output, table: str) -> Iterator[None]:
    """Raises DamagedError where delta-rs cannot make sense of a log, TableError where it cannot
    reach it."""
    try:
        with noticing(output.root, f"{table}/_delta_log"), _telling_requests(output, table):
            yield
    except DeltaProtocolError as error:
        raise damaged(output.root, f"{table}/_delta_log", one_line(error)) from error
    except (DeltaError, OSError) as error:
        raise TableError(f"cannot read {output.uri(table)}: {one_line(error)}") from error
    except TableError:
        raise
    except Exception as error:  # delta-rs has no one class for what it cannot parse
        raise damaged(output.root, f"{table}/_delta_log", one_line(error)) from error


@contextmanager
def _telling_requests(output: Output, table: str) -> Iterator[None]:
    """Raises TableError where a request of delta-rs failed, for which it has no one class either:
    a bucket that may not be read is no damage."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())
        is_request = re.search(r"Error performing|Generic S3 error", said)
        if output.is_local or not is_request or "not found" in said:  # what is lost is damage
            raise
        raise TableError(f"cannot read {output.uri(table)}: {said[:300]}") from error


def _uncommitted(output: Output, table: str, error: Exception) -> TableError:
    return TableError(
        f"cannot commit to {output.uri(table)}: {one_line(error)}; the table is as it was: run the "
        "same command again"
    )


def _names(opened: DeltaTable) -> set[str]:
    return set(pa.table(opened.get_add_actions(flatten=True))["path"].to_pylist())


def _state(version: int, names: set[str]) -> int:
    """What a table's log is held against: 63 bits over its version and its files' names."""
    digest = hashlib.sha256("\n".join([str(version), *sorted(names)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


_NO_FILES = _state(0, set())


def _check_log(opened: DeltaTable, names: set[str]) -> None:
    """Raises ValueError where entries of the log are lost or damaged.

    Delta reads an entry without actions, such as one that was emptied, as nothing to do. Tables of
    0.1.0 have no state to compare, and what another program adds on purpose is its own affair.
    """
    stored = opened.transaction_version(_STATE)
    if stored is None or stored == _state(opened.version(), names):
        return
    last = next(iter(opened.history(1)), {})
    is_foreign = (
        last.get("version") == opened.version()
        and last.get("operation", "CREATE TABLE") != "CREATE TABLE"
        and not _facts(last)
    )
    if not is_foreign:
        raise ValueError("its entries do not add up to what was last committed")


def _facts(entry: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in entry.items() if key.startswith("orchard.")}


def _named(table: str, action: dict[str, Any]) -> TableFile:
    """A file that the log names. Raises ValueError where it lies anywhere but in the folder."""
    name, n_rows, n_bytes = action["path"], action["num_records"], action["size_bytes"]
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"it names {name!r}, which is no file of this folder")
    if n_rows is None:
        raise ValueError(f"it does not say how many rows {name} has")
    return TableFile(f"{table}/{name}", n_rows, n_bytes)


def _schema_of(path: str) -> pa.Schema:
    """Of a file of a table, staged or not."""
    return SCHEMAS[path.split("/")[-2]]


def _create(output: Output, table: str) -> DeltaTable:
    # create_table_with_add_actions (deltalake 1.6.6) would make it and commit in one, but looks for
    # the table at AWS whatever endpoint its storage_options name.
    schema = Schema.from_arrow(SCHEMAS[table])
    return DeltaTable.create(
        output.url(table),
        schema,
        mode="error",
        configuration=_NO_STATISTICS,
        commit_properties=CommitProperties(
            app_transactions=[Transaction(_STATE, _state(0, set()))]
        ),
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
    transactions: Iterable[Transaction] = (),
    facts: dict[str, str] | None = None,
    *,
    overwrite: bool = False,
    data_change: bool = True,
) -> None:
    """One transaction, after which the folder holds what it names and nothing else of ours."""
    opened = existing or _create(output, table)
    kept = set() if overwrite else _names(opened) - {action.path for action in removes}
    with _moved_in(output, table, staged) as moved:
        adds = [_add_action(file, data_change) for file in moved]
        state = _state(opened.version() + 1, kept | {action.path for action in adds})
        opened.create_write_transaction(
            [*adds, *removes],
            "overwrite" if overwrite else "append",
            Schema.from_arrow(SCHEMAS[table]),
            commit_properties=CommitProperties(
                custom_metadata=facts,
                app_transactions=[*transactions, Transaction(_STATE, state)],
            ),
        )
    log.note(output, table, opened.version() + 1)
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
        removes.append(_remove_action(file))
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


def _sweep(output: Output, table: str, *, anew: bool = False) -> int:
    current = {file.path for file in files(output, table)}
    return sweeping.sweep(output, table, version(output, table), current, anew=anew)


def _now_ms() -> int:
    return int(time.time() * 1000)
