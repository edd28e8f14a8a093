"""A result as files for tools that read no folder of Parquet: one table a file, rows by path."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from orchard.errors import ConfigError, TableError
from orchard.records import vectors_of, with_kept
from orchard.reduction import PCA
from orchard.result.cells import quoted
from orchard.store import models
from orchard.store.names import EXPORTED
from orchard.store.output import Output
from orchard.store.rows import RowIndex
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

AsCells = Callable[[pa.Table], pa.Table]

_KEYS = ("path", "label")
OWN = "export"  # below OUTPUT: whatever has an export's name there is one
MADE = ".orchard-export.json"  # elsewhere: the names of the files that exports made


def export(
    output: Output,
    folder: Path,
    file_format: str,
    *,
    features: bool = False,
    force: bool = False,
    raw: bool = False,
) -> list[Path]:
    """Write components (and, if asked, features), the variances and the errors; the files written.

    csv: `components.csv` has path, label, what a manifest gave, and a column a component, pc_1 to
    pc_k; features likewise f_1 on. npy: `components.npy` is (n, k) float32, its rows those
    of `paths.csv`. parquet: one file with a list column. Each file appears whole or not at all. In
    CSV files, texts that a spreadsheet would take for a formula have an apostrophe before them,
    unless `raw`.

    A file that is there is replaced if an export made it, so if it lies in OUTPUT/export or is one
    that MADE beside it lists; `force` replaces any. Raises TableError where there is no result,
    another's file is in the way, or `folder` cannot be written.
    """
    as_cells = _as_they_are if raw else quoted
    writers: dict[str, Callable[[RowIndex, str, str, Path], None]]
    writers = {"csv": partial(_csv, as_cells), "npy": partial(_npy, as_cells), "parquet": _parquet}
    if file_format not in writers:
        raise ConfigError(f"--format {file_format}: expected csv, npy or parquet")
    tables = Tables(output)
    if not tables["components"].files:
        raise TableError(f"{output.root} holds no components; expected the OUTPUT of a run")
    try:
        if _is_own(output, folder):
            output.refuse_links(OWN)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
            for table, prefix in (("components", "pc_"), ("features", "f_"))[: 1 + features]:
                writers[file_format](RowIndex(tables, table), table, prefix, Path(scratch))
            errors = as_cells(tables.read("errors"))
            pa.csv.write_csv(errors, Path(scratch) / "errors.csv")
            variances = Path(scratch) / models.VARIANCE_CSV
            variances.write_bytes(models.variance_csv(_pca(tables)))
            files = sorted(Path(scratch).iterdir())
            known = _made(output, folder)
            if not force:
                _refuse_others(folder, [file.name for file in files], known)
            if not _is_own(output, folder):
                names = sorted(known | {file.name for file in files})
                (folder / MADE).write_text(json.dumps(names) + "\n", encoding="utf-8")
            return [Path(shutil.move(file, folder / file.name)) for file in files]
    except OSError as error:
        reason = error.strerror or error
        raise TableError(f"cannot write {folder}: {reason}; choose another folder") from error


def _pca(tables: Tables) -> PCA:
    card = models.current_pca(tables)
    if card is None:
        root = tables.output.root
        raise TableError(f"{root} holds no components; expected the OUTPUT of a run")
    return models.load_pca(tables.output, card.pca_id)[0]


def _is_own(output: Output, folder: Path) -> bool:
    return output.is_local and folder.absolute() == Path(output.root, OWN)


def _made(output: Output, folder: Path) -> set[str]:
    """The names in a folder that are those of earlier exports."""
    if _is_own(output, folder):
        return {file.name for file in folder.iterdir() if re.fullmatch(EXPORTED, file.name)}
    try:
        found = json.loads((folder / MADE).read_text(encoding="utf-8"))
        return {name for name in found if isinstance(name, str)}
    except (OSError, ValueError, TypeError):
        return set()


def _refuse_others(folder: Path, names: list[str], known: set[str]) -> None:
    for name in names:
        if name not in known and os.path.lexists(folder / name):
            raise TableError(
                f"{folder / name} is there, and no export made it: give another folder, or --force "
                "to replace it"
            )


def _as_they_are(table: pa.Table) -> pa.Table:
    return table


def _csv(as_cells: AsCells, rows: RowIndex, column: str, prefix: str, folder: Path) -> None:
    writer: pa.csv.CSVWriter | None = None
    keys = (*_KEYS, *rows.kept)
    for batch in rows.batches((*keys, column)):
        vectors = vectors_of(batch[column])
        arrays = [batch[name].combine_chunks() for name in keys]
        arrays += [pa.array(np.ascontiguousarray(values)) for values in vectors.T]
        names = [*keys, *(f"{prefix}{number}" for number in range(1, vectors.shape[1] + 1))]
        table = as_cells(pa.table(arrays, names=names))
        writer = writer or pa.csv.CSVWriter(folder / f"{column}.csv", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _npy(as_cells: AsCells, rows: RowIndex, column: str, prefix: str, folder: Path) -> None:
    target: np.memmap | None = None
    start = 0
    for batch in rows.batches((*_KEYS, column)):
        vectors = vectors_of(batch[column])
        if target is None:
            shape = (len(rows), vectors.shape[1])
            target = np.lib.format.open_memmap(
                folder / f"{column}.npy", mode="w+", dtype=np.float32, shape=shape
            )
        target[start : start + len(vectors)] = vectors
        start += len(vectors)
    if target is not None:
        target.flush()
    paths = as_cells(rows.take(np.arange(len(rows)), (*_KEYS, *rows.kept)))
    pa.csv.write_csv(paths, folder / "paths.csv")


def _parquet(rows: RowIndex, column: str, prefix: str, folder: Path) -> None:
    names = (*_KEYS, *rows.kept, column)
    whole = with_kept(SCHEMAS[column], names)
    schema = pa.schema([whole.field(name) for name in names])
    with pq.ParquetWriter(folder / f"{column}.parquet", schema, compression="zstd") as writer:
        for batch in rows.batches(names):
            writer.write_table(batch)
