"""Small files merged into larger ones: rows, and what was computed from them, stay."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from orchard.errors import DamagedError
from orchard.store import models, tables
from orchard.store.models import StoredMoments
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import TableFile

MOST_BYTES = 1024**3  # of a merged file: its rows are in memory while it is made


def compact(output: Output, target_bytes: int) -> dict[str, int]:
    """Merge each table's small files into files of about `target_bytes`; by how many.

    The moments and the projections of all features become those of the merged files, so that the
    next fit reads no row again. The caller holds the lock. Raises TableError.
    """
    before = _feature_files(output)
    fewer = {table: _compact(output, table, target_bytes) for table in tables.SCHEMAS}
    after = _feature_files(output)
    if after != before:
        _carry_over_moments(output, before, after)
        card = models.current_pca(output)
        if card is not None and models.load_projected(output, card.pca_id) == before:
            models.save_projected(output, card.pca_id, after)
    return fewer


def _carry_over_moments(output: Output, before: frozenset[str], after: frozenset[str]) -> None:
    """Damaged ones are dropped: the next fit reads the features."""
    try:
        stored = models.load_moments(output)
    except DamagedError:
        models.forget_moments(output)
        return
    if stored is not None and stored.files == before:
        models.save_moments(output, StoredMoments(stored.moments, after))
    elif stored is not None and before <= stored.files | stored.survivors:
        models.save_moments(output, replace(stored, survivors=after))


def _compact(output: Output, table: str, target_bytes: int) -> int:
    """Merge a table's small files; how many files fewer there are. Rows keep their order."""
    run_id, merged, went = new_run_id(), [], []
    for number, group in enumerate(_groups(tables.files(output, table), target_bytes)):
        rows = pa.concat_tables([tables.read_file(output, file.path) for file in group])
        merged.append(tables.stage(output, run_id, table, f"merged{number:05d}", rows))
        went += group
    if merged:
        tables.rewrite(output, table, merged, went)
    return len(went) - len(merged)


def _groups(files: list[TableFile], target_bytes: int) -> list[list[TableFile]]:
    """Consecutive files of which each but the last may become one of about `target_bytes`."""
    most = min(target_bytes, MOST_BYTES)
    groups: list[list[TableFile]] = [[]]
    for file in (file for file in files if file.n_bytes < most):
        if sum(other.n_bytes for other in groups[-1]) + file.n_bytes > most:
            groups.append([])
        groups[-1].append(file)
    return [group for group in groups if len(group) > 1]


def _feature_files(output: Output) -> frozenset[str]:
    return frozenset(file.path for file in tables.files(output, "features"))
