"""Known images to hold an answer against: the nearest are its reason.

Each is a direction in the space that the head works in, a unit vector in float16; near is a small
angle. Brute force: 5,000 images of 500 components are one product of 2.5 million numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.store.galleries import SCHEMA


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A known image. distance: 1 − cosine of the angle to it, 0 to 2."""

    path: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True)
class Gallery:
    """paths, labels: of m images. vectors: (m, k) float32, of length 1."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: NDArray[np.float32]

    @classmethod
    def of(
        cls, paths: NDArray[np.str_], labels: NDArray[np.str_], inputs: NDArray[np.floating]
    ) -> Gallery:
        """Of m images. inputs: (m, k), of any length."""
        vectors = unit(inputs).astype(np.float16).astype(np.float32)
        return cls(tuple(paths.tolist()), tuple(labels.tolist()), vectors)

    def similarities(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, k) → (n, m) cosines."""
        return unit(inputs) @ self.vectors.T

    def nearest(self, inputs: NDArray[np.floating], top: int) -> list[tuple[Neighbour, ...]]:
        """The `top` nearest images of each of n rows, nearest first."""
        cosines = self.similarities(inputs)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :top]
        return [
            tuple(
                Neighbour(self.paths[i], self.labels[i], max(0.0, 1.0 - float(row[i])))
                for i in chosen
            )
            for row, chosen in zip(cosines, order, strict=True)
        ]

    def to_table(self) -> pa.Table:
        """Rows as `store.galleries` keeps them."""
        n, k = self.vectors.shape
        offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
        values = pa.array(self.vectors.astype(np.float16).reshape(-1))
        vectors = pa.ListArray.from_arrays(offsets, values, type=SCHEMA.field("vector").type)
        return pa.table([list(self.paths), list(self.labels), vectors], schema=SCHEMA)

    @classmethod
    def from_table(cls, rows: pa.Table, width: int) -> Gallery:
        values = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        vectors = values.astype(np.float32).reshape(rows.num_rows, width)
        return cls(tuple(rows["path"].to_pylist()), tuple(rows["label"].to_pylist()), vectors)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, k) rows at length 1; those of length 0 stay so."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
