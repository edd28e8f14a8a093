"""What a result holds, read without Orchard: Delta tables, staged files, JSON."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from machine.model import Row, Tables
from machine.places import Disk

SUPPRESSED = "erasure/suppressed.json"


def rows_of(place: Disk, table: str) -> list[dict[str, Any]] | None:
    """A table's rows; None where there is no table."""
    output = place.output
    try:
        opened = DeltaTable(output.url(table), storage_options=output.delta_options)
    except TableNotFoundError:
        return None
    return opened.to_pyarrow_table().to_pylist()


def tables_of(place: Disk, vectors: dict[str, np.ndarray]) -> Tables:
    """All tables by path; no path twice, and of the same bytes the same features.

    vectors: the features seen so far, by the bytes' hash; grows.
    """
    features, components, errors, gone = (
        by_path(rows_of(place, name) or [], name)
        for name in ("features", "components", "errors", "gone")
    )
    for row in (*features.values(), *gone.values()):
        vector = np.array(row["features"], np.float32)
        known = vectors.setdefault(row["sha256"], vector)
        np.testing.assert_allclose(vector, known, atol=1e-4, err_msg=row["path"])
    return Tables(
        features={path: Row(row["label"], row["sha256"]) for path, row in features.items()},
        components={path: row["label"] for path, row in components.items()},
        errors={path: row["label"] for path, row in errors.items()},
        gone={path: Row(row["label"], row["sha256"]) for path, row in gone.items()},
    )


def by_path(rows: list[dict[str, Any]], table: str) -> dict[str, dict[str, Any]]:
    found = {row["path"]: row for row in rows}
    assert len(found) == len(rows), f"{table} holds a path twice"
    return found


def pictured(place: Disk) -> dict[str, str | None]:
    """The bytes' hash of each path's thumbnail."""
    rows = by_path(rows_of(place, "thumbnails") or [], "thumbnails")
    return {path: row["sha256"] for path, row in rows.items()}


def staged(place: Disk) -> set[str]:
    """The paths whose rows an interrupted run left staged."""
    files = [name for name in place.names("_staging") if name.endswith(".parquet")]
    tables = [pq.read_table(io.BytesIO(place.read(name)), columns=["path"]) for name in files]
    return {path for table in tables for path in table["path"].to_pylist()}


class Kept:
    """What erasures keep of paths: those left out of runs, and those not yet erased to the end."""

    def __init__(self, place: Disk) -> None:
        there = SUPPRESSED in place.names("erasure")
        content = json.loads(place.read(SUPPRESSED)) if there else {}
        self._salt = content.get("salt", "")
        self.hashes = set(content.get("hashes", ()))
        unfinished = content.get("unfinished", ())
        self._pending = {digest for entry in unfinished for digest in entry["hashes"]}

    def digests(self, paths: Iterable[str]) -> set[str]:
        return {self._digest(path) for path in paths}

    def is_pending(self, path: str) -> bool:
        return self._digest(path) in self._pending

    def _digest(self, path: str) -> str:
        return hashlib.sha256(f"{self._salt}\n{path}".encode()).hexdigest()
