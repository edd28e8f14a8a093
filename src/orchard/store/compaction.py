"""Small files merged into larger ones: rows, and what was computed from them, stay."""

from __future__ import annotations

from dataclasses import replace

from orchard.errors import DamagedError
from orchard.store import models, tables
from orchard.store.models import StoredMoments
from orchard.store.output import Output


def compact(output: Output, target_bytes: int) -> dict[str, int]:
    """Merge each table's small files into files of about `target_bytes`; how many fewer there are.

    The moments and the projections of all features become those of the merged files, so that the
    next fit reads no row again. The caller holds the lock. Raises TableError.
    """
    before = _feature_files(output)
    fewer = {table: tables.compact(output, table, target_bytes) for table in tables.SCHEMAS}
    after = _feature_files(output)
    if after != before:
        _carry_over_moments(output, before, after)
        card = models.current_pca(output)
        if card is not None and models.load_projected(output, card.pca_id) == before:
            models.save_projected(output, card.pca_id, after)
    return fewer


def _carry_over_moments(output: Output, before: frozenset[str], after: frozenset[str]) -> None:
    """Damaged ones are let go: the next fit reads the features."""
    try:
        stored = models.load_moments(output)
    except DamagedError:
        models.forget_moments(output)
        return
    if stored is not None and stored.files == before:
        models.save_moments(output, StoredMoments(stored.moments, after))
    elif stored is not None and before <= stored.files | stored.survivors:
        models.save_moments(output, replace(stored, survivors=after))


def _feature_files(output: Output) -> frozenset[str]:
    return frozenset(file.path for file in tables.files(output, "features"))
