"""Copies of one picture, told by the small pictures that the workers keep.

A photo that was made smaller or compressed harder has features that differ by as much as those of
two photos of one heap of fruit; its small picture hardly differs at all. So neighbours are near
duplicates too if their small pictures are: by the correlation of their luma at 28 × 28 pixels.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.findings.vectors import room
from orchard.images.thumbnail import opened
from orchard.machine import available_cores
from orchard.report.neighbours import ClosePairs, cosines_of, directions
from orchard.store import contents
from orchard.store.tables import Tables

LEAST_COSINE = 0.85  # of the features, for the small pictures to be compared at all
CORRELATION = 0.99  # ADR 47 shows what lies on either side
SIDE = 28


def smalls(tables: Tables, rows: pa.Table, wanted: NDArray[np.int64]) -> NDArray[np.int16]:
    """(n, 784) directions of the centred luma of some rows' small pictures, whose products are
    correlations; zeros of others, and where no small picture of the same bytes is stored.

    rows: path and sha256 of each image.
    """
    found: NDArray[np.int16] = room((len(rows), SIDE**2), np.int16)
    is_wanted = np.zeros(len(rows), np.bool_)
    is_wanted[wanted] = True
    paths, digests = (rows[name].combine_chunks() for name in ("path", "sha256"))
    with ThreadPoolExecutor(available_cores()) as pool:
        for part in contents.batches_of(tables["thumbnails"], ["path", "sha256", "jpeg"]):
            place = pc.index_in(part["path"].combine_chunks(), value_set=paths)
            same = pc.fill_null(
                pc.equal(digests.take(place), part["sha256"].combine_chunks()), False
            )
            at = place.fill_null(0).to_numpy()
            chosen = same.to_numpy(zero_copy_only=False) & is_wanted[at]
            pictures = part["jpeg"].combine_chunks().filter(pa.array(chosen)).to_pylist()
            if pictures:
                found[at[chosen]] = directions(np.stack(list(pool.map(luma, pictures))))
    return found


def are_copies(pairs: ClosePairs, small: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(m,) whether the small pictures of a pair are alike."""
    return cosines_of(small, pairs.left, pairs.right) >= CORRELATION


def luma(jpeg: bytes) -> NDArray[np.float32]:
    """(784,), centred; zeros of a picture that cannot be read, or of one colour."""
    image = opened(jpeg, SIDE)
    if image is None:
        return np.zeros(SIDE**2, np.float32)
    values = np.asarray(image.convert("L").resize((SIDE, SIDE)), np.float32).ravel()
    return values - values.mean()
