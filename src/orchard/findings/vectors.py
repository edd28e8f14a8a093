"""Vectors of many images in the order of their paths; beyond a size, on the disk in place of
memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import DTypeLike, NDArray

from orchard.records import vectors_of
from orchard.report.neighbours import directions
from orchard.report.points import META, Images, gathered
from orchard.store import contents
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

IN_MEMORY = 64 * 1024 * 1024  # bytes
ROWS = 8192  # at once: paths are looked up among all, for which each time a table is made

V = TypeVar("V", np.int16, np.float32)


def read(tables: Tables, n_leading: int) -> tuple[Images, NDArray[np.float32], NDArray[np.int16]]:
    """The images with features and components, (n, k) their leading components, and (n, d) the
    directions of their features: each file is read once, since a bucket hands it out whole."""
    projected, stored = _components(tables, n_leading)
    paths = projected.combine_chunks().sort()
    parts = [SCHEMAS["features"].empty_table().select(META)]

    def kept() -> Iterator[pa.Table]:
        for rows in _ahead(contents.batches_of(tables["features"], [*META, "features"], ROWS)):
            parts.append(rows.select(META))
            yield rows

    found: NDArray[np.int16] = gathered(
        kept(), "features", paths, directions, room=room, are_ascending=True
    )
    images = Images.of(pa.concat_tables(parts).sort_by("path"), projected)
    own = images.rows["path"].combine_chunks()
    components = _ordered(stored, pc.index_in(own, value_set=projected.combine_chunks()))
    if len(images) == len(paths):
        return images, components, found
    return images, components, _ordered(found, pc.index_in(own, value_set=paths))


def _components(tables: Tables, n_leading: int) -> tuple[pa.ChunkedArray, NDArray[np.float32]]:
    """Paths and leading components of the table, as it is stored."""
    chunks, found, start = [pa.array([], pa.string())], np.zeros((0, 0), np.float32), 0
    for rows in contents.batches_of(tables["components"], ["path", "components"], ROWS):
        values = vectors_of(rows["components"])[:, :n_leading]
        if not start:
            found = room((tables["components"].n_rows, values.shape[1]), values.dtype)
        found[start : start + len(values)] = values
        start += len(values)
        chunks += rows["path"].chunks
    return pa.chunked_array(chunks), found


def _ahead(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same, the next part decoded while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part


def _ordered(vectors: NDArray[V], places: pa.Array) -> NDArray[V]:
    order = places.to_numpy()
    found: NDArray[V] = room((len(order), vectors.shape[1]), vectors.dtype)
    for start in range(0, len(order), ROWS):
        found[start : start + ROWS] = vectors[order[start : start + ROWS]]
    return found


def room(shape: tuple[int, int], dtype: DTypeLike) -> NDArray[V]:
    """An array of zeros; beyond IN_MEMORY in a temporary file, which goes with the array."""
    if shape[0] * shape[1] * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)
