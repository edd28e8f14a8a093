"""Findings about single images, as the page's workbench takes them: what, how sure, what to do.

The fields are the columns of the table `findings/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.report.points import Images

EXACT, NEAR, WRONG = "exact_duplicate", "near_duplicate", "wrong_label"
LARGE = 24  # images of a kind that the page holds at the size they are stored in


@dataclass(frozen=True, slots=True)
class Noted:
    """path: of the image. kind: of the finding. score: within a kind, the larger the more so.
    group: of duplicates, those that belong together; keep: the one of them to keep.
    suggested_label: in place of `label`, where the kind is WRONG."""

    path: str
    kind: str
    score: float
    group: int | None = None
    keep: bool | None = None
    label: str | None = None
    suggested_label: str | None = None


def shown_large(found: Iterable[Noted], images: Images) -> list[int]:
    """Rows of the images that the galleries begin with: LARGE of each kind that has one."""
    left = dict.fromkeys((EXACT, NEAR, WRONG), LARGE)
    paths = []
    for one in found:
        if left.get(one.kind, 0):
            left[one.kind] -= 1
            paths.append(one.path)
    return positions(images, paths).tolist()


def positions(images: Images, paths: list[str]) -> NDArray[np.int64]:
    """(n,) the row of each path, which must be one of the images'."""
    found = pc.index_in(
        pa.array(paths, pa.string()), value_set=images.rows["path"].combine_chunks()
    )
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def of_table(rows: pa.Table, images: Images) -> tuple[Noted, ...]:
    """rows: of the table of findings. Those of classes, which have no path, are left out, and those
    of images that are not there."""
    known = images.rows["path"].combine_chunks()
    there = rows.filter(pc.is_in(rows["path"], value_set=known))
    return tuple(Noted(**row) for row in there.select(list(Noted.__slots__)).to_pylist())
