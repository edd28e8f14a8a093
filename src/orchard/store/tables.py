"""The tables under OUTPUT: Delta Lake, committed by delta-rs, one transaction a table and run.

Workers write Parquet files below `_staging/<run_id>/`, where no reader looks. The driver moves the
files of the tasks that Spark reported into the table's folder and names them in one commit. So a
task that ran twice, a lost worker or a killed driver leaves files that nobody reads, never a row
twice. After each commit the folder is swept of Orchard's files that the new version does not name:
who reads the folder as plain Parquet, without the Delta log, sees the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.schema import Schema
from deltalake.transaction import RemoveAction

from orchard.errors import TableError
from orchard.records import LABELS
from orchard.storage import one_line
from orchard.storage.results import RUN_KEY
from orchard.store import log, snapshot, sweeping
from orchard.store.changes import Rewritten, add_action, remove_action, rewrite_files
from orchard.store.contents import iter_batches, read, read_file, read_named, rows_of
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS, TableFile, count, files, files_left, version
from orchard.store.staging import STAGING, describe, discard_staged, moved_in, stage, staged

__all__ = [
    "SCHEMAS", "STAGING", "Rewritten", "TableFile", "check", "commit", "count", "describe",
    "discard_staged", "files", "iter_batches", "provenance", "read", "read_file", "read_named",
    "rewrite", "rows_of", "run_ids", "stage", "staged", "sweep", "vacuum", "version",
]  # fmt: skip

# Else compaction writes the first and last path of each file to the log, out of erasure's reach.
_NO_STATISTICS: dict[str, str | None] = {"delta.dataSkippingNumIndexedCols": "0"}


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
    passed_over: list[str] | None = None,
) -> list[Rewritten]:
    """Make staged files part of a table in one transaction; the files that it rewrote.

    superseded: paths whose present rows leave the table in the same transaction. labels: LABELS
    rows, which other present rows get. overwrite: all present rows leave. facts: kept with the
    commit, for `provenance`, though no row may have changed. passed_over: gets a sentence for each
    file that cannot be read, which then stays as it is; without it, that is raised.
    The transaction carries the run's id (and `step`, where a run commits to a table twice):
    committing the same again changes nothing.
    Raises TableError where the commit fails; the table is then as before.
    """
    app_id = f"orchard/{run_id}/{step}" if step else f"orchard/{run_id}"
    try:
        existing = snapshot.open_table(output, table)
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
            removes, staged_again, rewritten = rewrite_files(
                output, run_id, table, task, leaving, labels, passed_over
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
    removes = [remove_action(file, data_change=False) for file in removed]
    try:
        _write(output, table, snapshot.open_table(output, table), added, removes, data_change=False)
    except (DeltaError, OSError) as error:
        raise _uncommitted(output, table, error) from error


def provenance(output: Output, table: str) -> dict[str, str]:
    """The facts of the last commit by a run or an erasure; empty where there is none.

    "orchard.run_id" names the content: compaction changes a table's version and files, not this.
    """
    return next(log.commits(output, table), {})


def run_ids(output: Output, table: str) -> list[str]:
    """The runs and erasures that committed to a table, the last one first."""
    return [facts[RUN_KEY] for facts in log.commits(output, table)]


def check(output: Output, table: str) -> None:
    """Raises TableError where the end of a table's log is missing: nothing may then be committed or
    swept, since what that end named looks like leftovers."""
    current = {file.path for file in files_left(output, table)}
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


def _uncommitted(output: Output, table: str, error: Exception) -> TableError:
    return TableError(
        f"cannot commit to {output.uri(table)}: {one_line(error)}; the table is as it was: run the "
        "same command again"
    )


def _create(output: Output, table: str) -> DeltaTable:
    # create_table_with_add_actions (deltalake 1.6.6) would make it and commit in one, but looks for
    # the table at AWS whatever endpoint its storage_options name.
    schema = Schema.from_arrow(SCHEMAS[table])
    return DeltaTable.create(
        output.url(table),
        schema,
        mode="error",
        configuration=_NO_STATISTICS,
        commit_properties=CommitProperties(app_transactions=[snapshot.state(0, set())]),
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
    kept = set() if overwrite else snapshot.names(opened) - {action.path for action in removes}
    with moved_in(output, table, staged) as moved:
        adds = [add_action(file, data_change) for file in moved]
        state = snapshot.state(opened.version() + 1, kept | {action.path for action in adds})
        opened.create_write_transaction(
            [*adds, *removes],
            "overwrite" if overwrite else "append",
            Schema.from_arrow(SCHEMAS[table]),
            commit_properties=CommitProperties(
                custom_metadata=facts,
                app_transactions=[*transactions, state],
            ),
        )
    log.note(output, table, opened.version() + 1)
    _sweep(output, table, anew=overwrite)


def _no_rows(table: str) -> pa.Table:
    return SCHEMAS[table].empty_table()


def _widen(output: Output, table: str, opened: DeltaTable) -> DeltaTable | None:
    """A table with the columns of today: 0.1.0 kept of what is gone only path and run_id."""
    known = {field.name for field in opened.schema().fields}
    new = [field for field in Schema.from_arrow(SCHEMAS[table]).fields if field.name not in known]
    if not new:
        return opened
    opened.alter.add_columns(new)
    return snapshot.open_table(output, table)


def _sweep(output: Output, table: str, *, anew: bool = False) -> int:
    current = {file.path for file in files_left(output, table)}
    return sweeping.sweep(output, table, version(output, table), current, anew=anew)
