"""Files that are written and not yet part of a table: below `_staging/<run_id>/`, where no reader
looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa

from orchard.records import with_kept
from orchard.store import parquet
from orchard.store.damage import noticing
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS, Table, TableFile

STAGING = "_staging"
_REQUESTS_AT_ONCE = 16
_REPEATING_COLUMNS = ["label", "fingerprint", "run_id", "reason", "pca_id"]


def stage(output: Output, run_id: str, table: str, task: str, rows: pa.Table) -> TableFile:
    """Write one task's rows where only `commit` finds them; called by workers."""
    if lacking := set(SCHEMAS[table].names) - set(rows.column_names):
        raise ValueError(f"rows of another schema: they lack {', '.join(sorted(lacking))}")
    schema = with_kept(SCHEMAS[table], rows.column_names)
    kept = tuple(schema.names[len(SCHEMAS[table]) :])
    repeating = [name for name in _REPEATING_COLUMNS if name in rows.column_names]
    data = parquet.to_bytes(rows.select(schema.names).cast(schema), [*repeating, *kept])
    name = f"part-{run_id}-{task}-{parquet.checksums(data)}.parquet"
    path = f"{STAGING}/{run_id}/{table}/{name}"
    output.create(path, data)
    return TableFile(path, rows.num_rows, len(data), kept)


def staged(output: Output, table: str) -> list[str]:
    """Paths of the files of a table that were staged and never committed, oldest run first."""
    return [path for path in output.paths(STAGING) if path.split("/")[2] == table]


def describe(output: Output, path: str) -> TableFile:
    """A staged file as `commit` takes it, checked as a whole."""
    data, own = output.get(path), SCHEMAS[path.split("/")[-2]].names
    with noticing(output.root, path):
        file = parquet.open_whole(data, path)
        kept = tuple(name for name in file.schema_arrow.names if name not in own)
        return TableFile(path, file.metadata.num_rows, len(data), kept)


def discard_staged(output: Output) -> int:
    """Delete what was staged and not committed; how many files."""
    return output.delete_folder(STAGING)


@contextmanager
def moved_in(
    table: Table, staged: Iterable[TableFile], *, stay: bool = False
) -> Iterator[list[TableFile]]:
    """Staged files moved into the table's folder, to be committed in the block.

    Where the block fails they go back, for the next run to take over. stay: they are copied, so
    that the next run finds them after a kill too.
    """
    moved: dict[str, TableFile] = {}
    put = table.output.copy if stay else table.output.move

    def one(file: TableFile) -> None:
        target = f"{table.name}/{file.path.rpartition('/')[2]}"
        put(file.path, target)
        moved[target] = file

    try:
        files = list(staged)
        # In a bucket each is a copy: one after the other, of 12,000 files half an hour.
        with ThreadPoolExecutor(1 if table.output.is_local else _REQUESTS_AT_ONCE) as pool:
            try:
                for done in [pool.submit(one, file) for file in files]:
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        yield files
    except BaseException:
        committed = {file.path for file in Table.at(table.output, table.name).files_left}
        for target in moved.keys() - committed:
            table.output.move(target, moved[target].path)
        raise


def task_of(path: str) -> str:
    """A run and one of its tasks, of any file that it staged."""
    return path.rpartition("/")[2].rpartition("-")[0]
