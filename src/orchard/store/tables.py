"""The tables under OUTPUT: Delta Lake, committed by delta-rs, one transaction a table and run.

Workers write Parquet files below `_staging/<run_id>/`, where no reader looks. The driver moves the
files of the tasks that Spark reported into the table's folder and names them in one commit. So a
task that ran twice, a lost worker or a killed driver leaves files that nobody reads, never a row
twice. After each commit the folder is swept of Orchard's files that the new version does not name:
who reads the folder as plain Parquet, without the Delta log, sees the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.schema import Schema
from deltalake.transaction import RemoveAction

from orchard.errors import TableError, first_line
from orchard.records import LABELS, with_kept
from orchard.storage.results import RUN_KEY
from orchard.store import contents, log, snapshot, sweeping
from orchard.store.changes import Rewritten, add_action, remove_action, rewrite_files
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS, Table, TableFile
from orchard.store.staging import discard_staged, moved_in, stage

# Else compaction writes the first and last path of each file to the log, out of erasure's reach.
_NO_STATISTICS: dict[str, str | None] = {"delta.dataSkippingNumIndexedCols": "0"}


class Commit(NamedTuple):
    """The tables after a commit, and the files that it rewrote."""

    tables: Tables
    rewritten: tuple[Rewritten, ...] = ()


class Tables:
    """The tables under an OUTPUT as they are now: each is opened once, when it is first asked for.

    A commit returns the tables as they are then; this value stays what it was. The caller holds
    the lock while it commits.
    """

    def __init__(
        self,
        output: Output,
        known: Mapping[str, Table] | None = None,
        noted: Mapping[str, int] | None = None,
    ) -> None:
        self.output = output
        self._known = dict(known or {})
        self._given_noted = noted
        self._checked: set[str] = set()
        self._left: dict[str, sweeping.Leftovers] = {}

    def __getitem__(self, name: str) -> Table:
        """One of SCHEMAS. Raises TableError, and DamagedError where its log is damaged."""
        if name not in self._known:
            noted = self._noted.get(name, -1)  # first, since a writer may commit meanwhile
            self._known[name] = Table.at(self.output, name, noted)
        return self._known[name]

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A table's rows, in the order of their paths; empty where there is no table."""
        return contents.read(self[name], columns)

    def rows_of(self, name: str, paths: pa.Array) -> Iterator[pa.Table]:
        """The rows of some paths, file by file."""
        return contents.rows_of(self[name], paths)

    def commit(
        self,
        run_id: str,
        name: str,
        staged: Iterable[TableFile],
        *,
        superseded: pa.Array | None = None,
        labels: pa.Table | None = None,
        overwrite: bool = False,
        facts: dict[str, str] | None = None,
        step: str = "",
        passed_over: list[str] | None = None,
        stay: bool = False,
    ) -> Commit:
        """Make staged files part of a table in one transaction.

        superseded: paths whose present rows leave the table in the same transaction. labels: LABELS
        rows, which other present rows get. overwrite: all present rows leave. facts: kept with the
        commit, as `Table.facts`, though no row may have changed. passed_over: gets a sentence for
        each file that cannot be read, which then stays as it is; without it, that is raised.
        stay: the staged files stay where they are too.
        The transaction carries the run's id (and `step`, where a run commits to a table twice):
        committing the same again changes nothing.
        Raises TableError where the commit fails; the table is then as before.
        """
        app_id = f"orchard/{run_id}/{step}" if step else f"orchard/{run_id}"
        with _committing(self.output, name):
            present = self[name]
            if present.opened is not None and present.opened.transaction_version(app_id):
                return Commit(self)
            _check_ours(present)
            if not overwrite:
                self._check(name)
            present = _widened(present)
            removes: list[RemoveAction] = []
            rewritten: list[Rewritten] = []
            added = list(staged)
            if not overwrite:
                leaving = pa.array([], pa.string()) if superseded is None else superseded
                labels = LABELS.empty_table() if labels is None else labels
                removes, staged_again, rewritten = rewrite_files(
                    present, run_id, f"{step}kept", leaving, labels, passed_over
                )
                added += staged_again
            if not added and (overwrite or len(removes) == len(present.files)):
                # Readers of plain Parquet need one file at least to see an empty table as such.
                rows = SCHEMAS[name].empty_table()
                added = [stage(self.output, run_id, name, "none", rows)]
            if not added and not removes and not facts:
                return Commit(self)
            present = _widened(present, (name for file in added for name in file.kept))
            facts = {RUN_KEY: run_id, **(facts or {})}
            done = Transaction(app_id, 1)
            after = self._write(
                present, added, removes, [done], facts, overwrite=overwrite, stay=stay
            )
            return Commit(after, tuple(rewritten))

    def rewrite(self, name: str, added: list[TableFile], removed: list[TableFile]) -> Tables:
        """Put staged files in the place of others that hold the same rows; the facts stay.

        Raises TableError.
        """
        with _committing(self.output, name):
            self._check(name)
            removes = [remove_action(file, data_change=False) for file in removed]
            return self._write(_widened(self[name]), added, removes, data_change=False)

    def check(self) -> None:
        """Raises TableError where the end of a table's log is missing: nothing may then be
        committed or swept, since what that end named looks like leftovers."""
        for name in SCHEMAS:
            self._check(name)

    def sweep(self) -> int:
        """Delete what killed writers left in the tables' folders: files of ours that no version
        names; how many. Where a log names none, or has lost its end, they stay."""
        return sum(
            sweeping.sweep(self[name], self._noted, self._leftovers(name)) for name in SCHEMAS
        )

    def vacuum(self) -> int:
        """Delete every file of ours that no table names, staged ones included; how many.

        Raises TableError, and deletes nothing, where the end of a table's log is missing.
        """
        self.check()
        return discard_staged(self.output) + self.sweep()

    @cached_property
    def _noted(self) -> Mapping[str, int]:
        return log.noted(self.output) if self._given_noted is None else self._given_noted

    def _check(self, name: str) -> None:
        if name not in self._checked:
            sweeping.check(self[name], self._noted, self._leftovers(name))
            self._checked.add(name)

    def _leftovers(self, name: str) -> sweeping.Leftovers:
        """Seen once: what is swept must be what was checked."""
        if name not in self._left:
            self._left[name] = sweeping.leftovers(self[name])
        return self._left[name]

    def _write(
        self,
        present: Table,
        staged: list[TableFile],
        removes: list[RemoveAction],
        transactions: Iterable[Transaction] = (),
        facts: dict[str, str] | None = None,
        *,
        overwrite: bool = False,
        data_change: bool = True,
        stay: bool = False,
    ) -> Tables:
        """One transaction, after which the folder holds what it names and nothing else of ours."""
        name, kept = present.name, [n for file in staged for n in file.kept]
        if not overwrite:
            kept = [*present.kept, *kept]
        schema = Schema.from_arrow(with_kept(SCHEMAS[name], kept))
        opened = present.opened or _create(self.output, name, schema)
        if opened.version() != max(present.version, 0):
            raise TableError(f"{self.output.uri(name)} has changed since it was opened")
        left = set() if overwrite else present.names - {action.path for action in removes}
        version = opened.version() + 1
        with moved_in(present, staged, stay=stay) as moved:
            adds = [add_action(file, data_change) for file in moved]
            state = snapshot.state(version, left | {action.path for action in adds})
            opened.create_write_transaction(
                [*adds, *removes],
                "overwrite" if overwrite else "append",
                schema,
                commit_properties=CommitProperties(
                    custom_metadata=facts,
                    app_transactions=[*transactions, state],
                ),
            )
        noted = {**self._noted, name: version}
        log.note(self.output, noted)
        after = present.after_commit(opened, version, facts)
        sweeping.sweep(after, noted, sweeping.leftovers(after), anew=overwrite)
        now = Tables(self.output, {**self._known, name: after}, noted)
        now._checked = {*self._checked, name}
        return now


@contextmanager
def _committing(output: Output, name: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as error:
        raise TableError(
            f"cannot commit to {output.uri(name)}: {first_line(error)}; the table is as it was: "
            "run the same command again"
        ) from error


def _create(output: Output, table: str, schema: Schema) -> DeltaTable:
    # create_table_with_add_actions (deltalake 1.6.6) would make it and commit in one, but looks for
    # the table at AWS whatever endpoint its storage_options name.
    return DeltaTable.create(
        output.url(table),
        schema,
        mode="error",
        configuration=_NO_STATISTICS,
        commit_properties=CommitProperties(app_transactions=[snapshot.state(0, set())]),
        storage_options=output.delta_options,
    )


def _check_ours(table: Table) -> None:
    if table.opened is not None and not table.is_orchards:
        raise TableError(
            f"{table.output.uri(table.name)} is a Delta table that Orchard did not make; give "
            "another OUTPUT, or move it away"
        )


def _widened(table: Table, kept: Iterable[str] = ()) -> Table:
    """A table with the columns of today: 0.1.0 kept of what is gone only path and run_id. kept:
    those that a manifest gives, besides."""
    if table.opened is None:
        return table
    known = {field.name for field in table.opened.schema().fields}
    today = Schema.from_arrow(with_kept(SCHEMAS[table.name], kept))
    new = [field for field in today.fields if field.name not in known]
    if not new:
        return table
    table.opened.alter.add_columns(new)
    return Table.at(table.output, table.name, table.least_version)
