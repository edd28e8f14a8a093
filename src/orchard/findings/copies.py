"""Copies of one picture, told by the small pictures that the workers keep.

A photo that was made smaller or compressed harder has features that differ by as much as those of
two photos of one heap of fruit; its small picture hardly differs at all. So neighbours are near
duplicates too if their small pictures are: by the correlation of their luma at 28 × 28 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from orchard.findings.vectors import room
from orchard.images.thumbnail import luma_of
from orchard.report.neighbours import ClosePairs, cosines_of, directions
from orchard.report.points import places_of
from orchard.store import contents
from orchard.store.tables import Tables

LEAST_COSINE = 0.85  # of the features, for the small pictures to be compared at all
CORRELATION = 0.99  # ADR 47 shows what lies on either side
SIDE = 28
AT_ONCE = 4096  # pictures


@dataclass(frozen=True, slots=True)
class Smalls:
    """pictures: (m, 784) directions of the centred luma of small pictures, whose products are
    correlations; the first is of none. at: (n,) the one of each image, 0 of those without."""

    pictures: NDArray[np.int16]
    at: NDArray[np.int64]

    def correlations(
        self, left: NDArray[np.int64], right: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(m,) of pairs of images; 0 where one has no small picture."""
        return cosines_of(self.pictures, self.at[left], self.at[right])


@dataclass(frozen=True, slots=True)
class Stored:
    """The small pictures that are stored. lumas: (m, 784), 0 of one that cannot be read. at: (n,)
    the place there of each image's, -1 of those that have none of the same bytes."""

    lumas: NDArray[np.uint8]
    at: NDArray[np.int64]

    @classmethod
    def read(cls, tables: Tables, rows: pa.Table) -> Stored:
        """rows: path and sha256 of each image, by path."""
        at, n = np.full(len(rows), -1, np.int64), 0
        lumas: list[NDArray[np.uint8]] = []
        paths, digests = (rows[name].combine_chunks() for name in ("path", "sha256"))
        for part in contents.batches_of(tables["thumbnails"], ["path", "sha256", "jpeg"]):
            place = places_of(part["path"].combine_chunks(), paths)
            same = pc.fill_null(
                pc.equal(digests.take(place), part["sha256"].combine_chunks()), False
            )
            jpegs = part["jpeg"].filter(same).to_pylist()
            lumas += map(luma, jpegs)
            at[place.filter(same).to_numpy()] = np.arange(n, n + len(jpegs))
            n += len(jpegs)
        return cls(np.stack(lumas) if n else np.zeros((0, SIDE**2), np.uint8), at)

    def smalls(self, wanted: NDArray[np.int64]) -> Smalls:
        """Of these images, each once; of the others none."""
        wanted = wanted[self.at[wanted] >= 0]
        pictures: NDArray[np.int16] = room((len(wanted) + 1, SIDE**2), np.int16)
        at = np.zeros(len(self.at), np.int64)
        at[wanted] = np.arange(1, len(wanted) + 1)
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            pictures[at[part]] = directions(centred(self.lumas[self.at[part]]))
        return Smalls(pictures, at)


def are_copies(pairs: ClosePairs, small: Smalls) -> NDArray[np.bool_]:
    """(m,) whether the small pictures of a pair are alike."""
    return small.correlations(pairs.left, pairs.right) >= CORRELATION


def luma(jpeg: bytes) -> NDArray[np.uint8]:
    """(784,); zeros of a picture that cannot be read."""
    found = luma_of(jpeg, SIDE)
    if found is None:
        return np.zeros(SIDE**2, np.uint8)
    if found.shape != (SIDE, SIDE):
        found = np.asarray(Image.fromarray(found).resize((SIDE, SIDE)))
    return found.ravel()


def centred(lumas: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(m, 784), each less its mean: zeros of a picture of one colour."""
    values = lumas.astype(np.float32)
    return values - values.mean(axis=1, keepdims=True)
