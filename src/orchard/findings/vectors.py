"""Vectors of many images in the order of their paths; beyond a size, on the disk in place of
memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import DTypeLike, NDArray

from orchard.machine import release_memory
from orchard.records import vectors_of
from orchard.report.neighbours import directions
from orchard.store import contents
from orchard.store.tables import Tables

IN_MEMORY = 256 * 1024 * 1024  # bytes
ROWS = 8192  # at once: paths are looked up among all, for which each time a table is made

V = TypeVar("V", np.int16, np.float32)


def leading_components(tables: Tables, paths: pa.Array, n_leading: int) -> NDArray[np.float32]:
    """(n, k) the leading components of the given paths, in their order."""
    return _gathered(tables, "components", paths, lambda vectors: vectors[:, :n_leading])


def feature_directions(tables: Tables, paths: pa.Array) -> NDArray[np.int16]:
    """(n, d) the directions of the given paths' features, in their order."""
    return _gathered(tables, "features", paths, directions)


def _gathered(
    tables: Tables,
    table: str,
    paths: pa.Array,
    part_of: Callable[[NDArray[np.float32]], NDArray[V]],
) -> NDArray[V]:
    found = part_of(np.zeros((0, 0), np.float32))
    for rows in contents.batches_of(tables[table], ["path", table], ROWS):
        places = pc.index_in(rows["path"].combine_chunks(), value_set=paths)
        wanted = places.is_valid().to_numpy(zero_copy_only=False)
        if not wanted.any():
            continue
        values = part_of(vectors_of(rows[table])[wanted])
        if not len(found):
            found = room((len(paths), values.shape[1]), values.dtype)
        found[places.drop_null().to_numpy()] = values
    release_memory()
    return found


def room(shape: tuple[int, int], dtype: DTypeLike) -> NDArray[V]:
    """An array of zeros; beyond IN_MEMORY in a temporary file, which goes with the array."""
    if shape[0] * shape[1] * np.dtype(dtype).itemsize <= IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)
