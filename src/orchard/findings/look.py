"""What findings are made of, computed once: the report takes neighbours and close pairs from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.errors import TableError
from orchard.findings import copies, duplicates, labels, vectors
from orchard.findings.cells import nearest_of_many
from orchard.findings.copies import Smalls
from orchard.findings.duplicates import Groups, Pairs
from orchard.machine import release_memory
from orchard.report import embedding_2d
from orchard.report.known import Known, Vectors
from orchard.report.neighbours import (
    DIMENSIONS,
    NEAR_COSINE,
    NEAR_K,
    ClosePairs,
    Neighbours,
    close_pairs,
    cosines_of,
)
from orchard.report.points import MAX_POINTS, Images
from orchard.store.tables import Tables


@dataclass(frozen=True, slots=True)
class Seen:
    """Of all images with features and components, in the order of their paths.

    images: their rows and labels. components: (n, k) leading ones. directions: (n, d) of the
    features. near_by: as many neighbours as the map takes where all images are on it. close: pairs
    of near duplicates among the nearest, by the features; copies: others, by their small pictures,
    which are in `small` where they were compared. digests: (n,) equal where the bytes are.
    """

    images: Images
    components: NDArray[np.float32]
    directions: NDArray[np.int16]
    near_by: Neighbours
    close: ClosePairs
    copies: ClosePairs
    small: Smalls
    digests: NDArray[np.int64]

    @classmethod
    def of(cls, tables: Tables) -> Seen:
        """Raises TableError where the tables hold no components."""
        images, components, directions = vectors.read(tables, labels.DIMENSIONS)
        rows = images.rows
        if not len(images):
            raise TableError(
                f"{tables.output.root} has no components; expected the OUTPUT of a run"
            )
        n = len(images)
        k = embedding_2d.n_neighbours(n) if n <= MAX_POINTS else NEAR_K
        near_by = nearest_of_many(np.ascontiguousarray(components[:, :DIMENSIONS]), k)
        digests = _codes(rows["sha256"], rows["path"])
        stored = copies.Stored.read(tables, rows)
        release_memory()
        loosely = copies.LEAST_COSINE, stored.at >= 0
        pairs = close_pairs(directions, near_by, digests, loosely=loosely)
        is_close = pairs.cosines >= NEAR_COSINE
        others = pairs.take(~is_close)
        small = stored.smalls(np.union1d(others.left, others.right))
        del stored
        release_memory()
        alike = others.take(copies.are_copies(others, small))
        close = pairs.take(is_close)
        return cls(images, components, directions, near_by, close, alike, small, digests)

    @property
    def rows(self) -> pa.Table:
        return self.images.rows

    def known(self, findings: pa.Table) -> Known:
        """What the report needs of it. findings: the table made of it."""
        vectors = None
        if len(self.images) > MAX_POINTS:
            vectors = Vectors(self.components, self.directions)
        return Known(self.images, self.near_by, self.close, findings, vectors)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """(n,) a column, NaN where it is null."""
        column = self.rows[name].cast(pa.float64()).combine_chunks()
        return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)

    def groups(self, is_suspect: NDArray[np.bool_] | None = None) -> tuple[Groups, Groups, Pairs]:
        """Exact duplicates, near ones among images of different bytes, and all pairs of these.

        is_suspect: (n,) whose labels are probably wrong, which are kept last."""
        if is_suspect is None:
            is_suspect = np.zeros(len(self.digests), np.bool_)
        names = ("width", "height", "sharpness")
        width, height, sharpness = (np.nan_to_num(self.numbers(name)) for name in names)
        best = duplicates.best_first(width, height, sharpness, is_suspect)
        same = duplicates.exact(self.digests, best)
        leading = self.components[:, :DIMENSIONS]
        found = [(pairs.left, pairs.right) for pairs in (self.close, self.copies)]
        near, pairs = duplicates.near(found, same, best, leading, self.directions)
        return same, near, pairs

    def likeness(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) of pairs: the cosine of features, or of the small pictures where that is more."""
        by_features = cosines_of(self.directions, left, right)
        return np.maximum(by_features, self.small.correlations(left, right))


def _codes(digests: pa.ChunkedArray, paths: pa.ChunkedArray) -> NDArray[np.int64]:
    """Of a row without a digest, which only old results have, its own."""
    known = pc.coalesce(digests, paths).combine_chunks()
    return np.asarray(known.dictionary_encode().indices.to_numpy(), np.int64)
