"""Small files merged into larger ones: rows, and what was computed from them, stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from orchard.errors import DamagedError
from orchard.store import contents, models, staging
from orchard.store.models import StoredMoments
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.snapshot import SCHEMAS, TableFile
from orchard.store.tables import Tables

MOST_BYTES = 1024**3  # of a merged file: its rows are in memory while it is made


def compact(output: Output, target_bytes: int) -> dict[str, int]:
    """Merge each table's small files into files of about `target_bytes`; by how many.

    The moments and the projections of all features become those of the merged files, so that the
    next fit reads no row again. The caller holds the lock. Raises TableError.
    """
    tables, fewer = Tables(output), {}
    before = _feature_files(tables)
    for name in SCHEMAS:
        tables, fewer[name] = _compact(tables, name, target_bytes)
    after = _feature_files(tables)
    if after != before:
        _carry_over_moments(output, before, after)
        card = models.current_pca(tables)
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


def _compact(tables: Tables, name: str, target_bytes: int) -> tuple[Tables, int]:
    """Merge a table's small files; how many files fewer there are. Rows keep their order."""
    output = tables.output
    run_id, merged, went = new_run_id(), [], []
    for number, group in enumerate(_groups(tables[name].files, target_bytes)):
        parts = [contents.read_file(output, file.path) for file in group]
        rows = pa.concat_tables(parts, promote_options="default")  # manifests give other columns
        merged.append(staging.stage(output, run_id, name, f"merged{number:05d}", rows))
        went += group
    if merged:
        tables = tables.rewrite(name, merged, went)
    return tables, len(went) - len(merged)


def _groups(files: Sequence[TableFile], target_bytes: int) -> list[list[TableFile]]:
    """Consecutive files of which each but the last may become one of about `target_bytes`."""
    most = min(target_bytes, MOST_BYTES)
    groups: list[list[TableFile]] = [[]]
    for file in (file for file in files if file.n_bytes < most):
        if sum(other.n_bytes for other in groups[-1]) + file.n_bytes > most:
            groups.append([])
        groups[-1].append(file)
    return [group for group in groups if len(group) > 1]


def _feature_files(tables: Tables) -> frozenset[str]:
    return frozenset(file.path for file in tables["features"].files)
