"""What a commit changes: the files that come and go, and those whose rows are written again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction, RemoveAction

from orchard.errors import TableError
from orchard.records import widened, with_kept, with_labels
from orchard.store.contents import read_file
from orchard.store.snapshot import SCHEMAS, Table, TableFile
from orchard.store.staging import stage


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file whose rows a commit has put into another one. n_lost: rows that left on the way."""

    old: str
    new: str
    n_lost: int


def add_action(file: TableFile, data_change: bool = True) -> AddAction:
    """That a file comes into the table."""
    return AddAction(
        path=file.path.rpartition("/")[2],
        size=file.n_bytes,
        partition_values={},
        modification_time=_now_ms(),
        data_change=data_change,
        stats=json.dumps({"numRecords": file.n_rows}),
    )


def remove_action(file: TableFile, *, data_change: bool = True) -> RemoveAction:
    """That a file leaves it."""
    name = file.path.rpartition("/")[2]
    return RemoveAction(name, data_change, _now_ms(), file.n_bytes, {})


def rewrite_files(
    table: Table,
    run_id: str,
    task: str,
    leaving: pa.Array,
    labels: pa.Table,
    passed_over: list[str] | None = None,
) -> tuple[list[RemoveAction], list[TableFile], list[Rewritten]]:
    """The files that hold a row that leaves or gets a label, to be removed, and what stays of
    their rows, staged again.

    passed_over: as of `Tables.commit`.
    """
    removes: list[RemoveAction] = []
    staged: list[TableFile] = []
    rewritten: list[Rewritten] = []
    if not len(leaving) and not labels.num_rows:
        return removes, staged, rewritten
    for number, file in enumerate(table.files):
        try:
            changed = _changed(table, file, leaving, labels)
        except TableError as error:
            if passed_over is None:
                raise
            passed_over.append(str(error))
            continue
        if changed is None:
            continue
        removes.append(remove_action(file))
        if changed.num_rows:
            staged.append(stage(table.output, run_id, table.name, f"{task}{number:05d}", changed))
            new = f"{table.name}/{staged[-1].path.rpartition('/')[2]}"
            rewritten.append(Rewritten(file.path, new, file.n_rows - changed.num_rows))
    return removes, staged, rewritten


def _changed(table: Table, file: TableFile, leaving: pa.Array, labels: pa.Table) -> pa.Table | None:
    """The rows that a file is to hold instead of its present ones; None where they are the same."""
    keys = read_file(table.output, file.path, ["path"])["path"]
    goes = pc.is_in(keys, value_set=leaving)
    if not pc.any(pc.or_(goes, pc.is_in(keys, value_set=labels["path"]))).as_py():
        return None
    rows = read_file(table.output, file.path).filter(pc.invert(goes))
    kept = widened(rows, with_kept(SCHEMAS[table.name], rows.column_names))
    return with_labels(kept, labels) if kept.num_rows and labels.num_rows else kept


def _now_ms() -> int:
    return int(time.time() * 1000)
