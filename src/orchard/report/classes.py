"""Each class in component space: its centre, its spread, its neighbour, its examples.

The components are gone through twice, batch by batch. Those of up to KEPT_BYTES are read once and
kept meanwhile; beyond, they are read twice, and memory is a few numbers a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.report.points import Images, vectors_by_row
from orchard.store.tables import Tables

KEPT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Classes:
    """By label code. count: images. spread: root mean square distance to the centre. nearest: the
    code of the class with the nearest centre (-1: none), at which distance. typical, atypical:
    rows nearest to and farthest from the own centre."""

    count: NDArray[np.int64]
    spread: NDArray[np.float64]
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]
    typical: tuple[NDArray[np.int64], ...]
    atypical: tuple[NDArray[np.int64], ...]


def describe(tables: Tables, images: Images, n_examples: int) -> Classes:
    """Statistics over all images, not only those on the map."""
    n_classes = len(images.labels)
    count = np.bincount(images.codes, minlength=n_classes)
    sums: NDArray[np.float64] | None = None
    parts = _Parts(tables, images)
    for rows, vectors in parts:
        if sums is None:
            sums = np.zeros((n_classes, vectors.shape[1]))
        for code in np.unique(images.codes[rows]):
            sums[code] += vectors[images.codes[rows] == code].sum(axis=0, dtype=np.float64)
    assert sums is not None, "a result has images"
    centre = sums / np.maximum(count, 1)[:, None]
    squared = np.zeros(len(images))
    for rows, vectors in parts:
        apart = vectors - centre[images.codes[rows]]
        squared[rows] = np.einsum("ij,ij->i", apart, apart)
    total = np.bincount(images.codes, weights=squared, minlength=n_classes)
    nearest, distance = _nearest(centre)
    examples = [_ends(images, squared, code, n_examples) for code in range(n_classes)]
    return Classes(
        count,
        np.sqrt(total / np.maximum(count, 1)),
        nearest,
        distance,
        tuple(typical for typical, _ in examples),
        tuple(atypical for _, atypical in examples),
    )


class _Parts:
    """Rows of `Images` and their components."""

    def __init__(self, tables: Tables, images: Images) -> None:
        self._tables, self._images = tables, images
        self._kept: list[tuple[NDArray[np.int64], NDArray[np.float32]]] | None = None

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        if self._kept is not None:
            yield from self._kept
            return
        kept, n_bytes = [], 0
        for part in vectors_by_row(self._tables, self._images):
            n_bytes += part[1].nbytes
            if n_bytes <= KEPT_BYTES:
                kept.append(part)
            else:
                kept.clear()
            yield part
        if n_bytes <= KEPT_BYTES:
            self._kept = kept


def _nearest(centre: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    n = len(centre)
    if n < 2:
        return np.full(n, -1), np.full(n, np.nan)
    square = np.einsum("ij,ij->i", centre, centre)
    between = np.maximum(square[:, None] + square - 2 * centre @ centre.T, 0)
    np.fill_diagonal(between, np.inf)
    nearest = between.argmin(axis=1)
    return nearest, np.sqrt(between[np.arange(n), nearest])


def _ends(
    images: Images, squared: NDArray[np.float64], code: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = np.flatnonzero(images.codes == code)
    order = rows[np.argsort(squared[rows], kind="stable")]
    typical = order[:n]
    return typical, order[::-1][: min(n, len(order) - len(typical))]
