"""The images of a result as the report sees them: all of them, and those on the map."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.machine import release_memory
from orchard.records import QUALITY, vectors_of
from orchard.report.neighbours import directions
from orchard.store import contents
from orchard.store.tables import Tables

MAX_POINTS = 25_000  # that t-SNE places; as many have thumbnails in 15 MB
MAX_ON_MAP = 1_000_000  # the others are placed by their neighbours among those
ROWS_AT_ONCE = 16_384  # of vectors
MAX_LABELS = 500  # distinguished by colour and listed; the rest are one class, "other"
OTHER = "\u0000other"  # never a folder's name
META = ["path", "label", "size", "width", "height", "sha256", "modified", *QUALITY]


@dataclass(frozen=True, slots=True)
class Images:
    """rows: META of every image with components, in the order of their paths. labels: names by
    code, the missing one as "". codes: (n,) int32, the label of each row. places: of each row of
    the components table, as it is stored, the row here; -1 without. are_clusters: the labels were
    found (`report.clusters`), not given."""

    rows: pa.Table
    labels: tuple[str, ...]
    codes: NDArray[np.int32]
    places: NDArray[np.int32]
    are_clusters: bool = False

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @classmethod
    def read(cls, tables: Tables) -> Images:
        """Images that have both features and components."""
        stored = contents.batches_of(tables["components"], ["path"], ROWS_AT_ONCE)
        none = pa.array([], pa.string())
        projected = pa.chunked_array([none, *(c for part in stored for c in part["path"].chunks)])
        return cls.of(tables.read("features", META), projected)

    @classmethod
    def of(cls, rows: pa.Table, projected: pa.ChunkedArray) -> Images:
        """rows: META of the features, in the order of their paths. projected: paths of
        the components, as they are stored."""
        rows = rows.filter(pc.is_in(rows["path"], value_set=projected.combine_chunks()))
        places = pc.index_in(projected, value_set=rows["path"].combine_chunks())
        at = pc.fill_null(places, -1).to_numpy().astype(np.int32)
        return cls(rows, *_coded(rows["label"]), at)

    @property
    def start(self) -> str:
        """The folder that all paths lie in, with its "/"."""
        first, last = self.paths(np.array([0, len(self) - 1]))
        same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
        return first[: first.rfind("/", 0, same) + 1]

    def paths(self, positions: NDArray[np.int64]) -> list[str]:
        return list(self.rows["path"].take(pa.array(positions)).to_pylist())


def _coded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The labels in natural order, the most frequent MAX_LABELS of them, and each row's code."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    counts = np.bincount(codes, minlength=len(names))
    kept = sorted(range(len(names)), key=lambda c: (-counts[c], names[c]))[:MAX_LABELS]
    kept.sort(key=lambda c: _natural(names[c]))
    new = np.full(len(names), len(kept), np.int32)
    new[kept] = np.arange(len(kept))
    labels = [names[c] for c in kept] + ([OTHER] if len(names) > len(kept) else [])
    return tuple(labels), new[codes].astype(np.int32)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Apple 2 before Apple 10."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def stratified(
    codes: NDArray[np.int32], n_max: int, numbers: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Positions of at most n_max rows, each label with its share and at least one where it fits.

    numbers: of each row; of a label the rows with the smallest are taken.
    """
    n = len(codes)
    if n <= n_max:
        return np.arange(n, dtype=np.int64)
    counts = np.bincount(codes)
    share = counts * (n_max / n)
    take = np.maximum(np.floor(share).astype(np.int64), counts > 0)
    short = n_max - int(take.sum())
    if short > 0:
        take[np.argsort(np.floor(share) - share, kind="stable")[:short]] += 1
    take = np.minimum(take, counts)
    chosen = []
    for code in np.flatnonzero(take):
        rows = np.flatnonzero(codes == code)
        chosen.append(rows[np.argsort(numbers[rows], kind="stable")[: take[code]]])
    return np.sort(np.concatenate(chosen))[:n_max]


def vectors_by_row(
    tables: Tables, images: Images, size: int = 2048
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Rows of `images` and their components, as they are stored, `size` at a time."""
    start = 0
    for table in contents.batches_of(tables["components"], ["components"], size):
        rows = images.places[start : start + table.num_rows].astype(np.int64)
        start += table.num_rows
        known = rows >= 0
        if known.any():
            vectors = vectors_of(table["components"])
            yield (rows, vectors) if known.all() else (rows[known], vectors[known])


def components_of(tables: Tables, paths: list[str], n_leading: int) -> NDArray[np.float32]:
    """(n, k) the leading components of the given paths, in their order."""
    rows = contents.batches_of(tables["components"], ["path", "components"])
    asked = pa.array(paths, pa.string())
    return gathered(rows, "components", asked, lambda vectors: vectors[:, :n_leading])


def directions_of(tables: Tables, paths: list[str]) -> NDArray[np.int16]:
    """(n, d) the directions of the given paths' features, in their order."""
    rows = contents.batches_of(tables["features"], ["path", "features"])
    return gathered(rows, "features", pa.array(paths, pa.string()), directions)


V = TypeVar("V", np.int16, np.float32)


def gathered(
    batches: Iterable[pa.Table],
    column: str,
    paths: pa.Array,
    part_of: Callable[[NDArray[np.float32]], NDArray[V]],
    *,
    room: Callable[..., NDArray[V]] = np.zeros,
    are_ascending: bool = False,
) -> NDArray[V]:
    """(n, k) what `part_of` takes of the vectors of the given paths, in their order.

    batches: of rows with `path` and the column, so that memory holds little beside the values asked
    for. room: makes the array, of a shape and a dtype. are_ascending: the paths, which makes many
    of them quick to find.
    """
    found = part_of(np.zeros((0, 0), np.float32))
    for rows in batches:
        own = rows["path"].combine_chunks()
        places = places_of(own, paths) if are_ascending else pc.index_in(own, value_set=paths)
        wanted = places.is_valid().to_numpy(zero_copy_only=False)
        if not wanted.any():
            continue
        vectors = vectors_of(rows[column])
        values = part_of(vectors if wanted.all() else vectors[wanted])
        if not len(found):
            found = room((len(paths), values.shape[1]), values.dtype)
        found[places.drop_null().to_numpy()] = values
    release_memory()
    return found


def places_of(some: pa.Array, paths: pa.Array) -> pa.Array:
    """(m,) where each of some paths is among others, which are ascending; null where it is not.

    Only those between the first and the last of them are looked at: a file holds neighbours.
    """
    ends = pc.min_max(some).as_py()
    if ends["min"] is None:
        return pc.index_in(some, value_set=paths)
    start = bisect_left(paths, ends["min"], key=pa.StringScalar.as_py)
    stop = bisect_right(paths, ends["max"], key=pa.StringScalar.as_py)
    return pc.add(pc.index_in(some, value_set=paths.slice(start, stop - start)), start)
