"""Findings about single images, as the page's workbench takes them: what, how sure, what to do.

The fields are the columns of the table `findings/`, so that its rows can take the place of those
that are computed here from what the report has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.report.neighbours import NearDuplicates, Neighbours
from orchard.report.points import Images
from orchard.report.summarise import Duplicates
from orchard.report.wrong_labels import wrong_labels

EXACT, NEAR, UNUSUAL, WRONG = "exact_duplicate", "near_duplicate", "unusual", "wrong_label"
LARGE = 60  # images of a kind that the page holds at the size they are stored in


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


def noted(
    images: Images,
    points: NDArray[np.int64],
    near_by: Neighbours,
    near: NearDuplicates,
    duplicates: Duplicates,
    unusual: Iterable[int],
) -> tuple[Noted, ...]:
    """What the report finds, kind by kind. points: rows of `images` on the map, which `near_by`,
    `near` and `unusual` count in."""
    found = [*_groups(images, EXACT, (np.array(group) for group in duplicates.groups))]
    found += _groups(images, NEAR, (points[pair] for pair in near.pairs), near.cosines)
    isolation, rows = near_by.isolation if len(points) > 1 else np.zeros(1), images.rows
    for place in unusual:
        path = rows["path"][int(points[place])].as_py()
        found.append(Noted(path, UNUSUAL, round(float(isolation[place]), 3)))
    for wrong in wrong_labels(images, points, near_by):
        label, suggested = wrong.label, wrong.suggested_label
        found.append(Noted(wrong.path, WRONG, wrong.score, label=label, suggested_label=suggested))
    return tuple(found)


def _groups(
    images: Images,
    kind: str,
    groups: Iterable[NDArray[np.int64]],
    scores: Iterable[float] | None = None,
) -> Iterator[Noted]:
    scores = iter(scores) if scores is not None else None
    for number, group in enumerate(groups):
        score = 1.0 if scores is None else round(float(next(scores)), 4)
        rows = images.rows.take(pa.array(np.sort(group))).to_pylist()
        best = max(rows, key=_worth)["path"]
        for row in rows:
            yield Noted(row["path"], kind, score, number, row["path"] == best)


def _worth(row: dict[str, Any]) -> tuple[int, int, int]:
    """More pixels, then more bytes, then the shorter path: copies have longer names."""
    return (row["width"] or 0) * (row["height"] or 0), row["size"] or 0, -len(row["path"])


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
    """The same from rows with the columns of `Noted`, of images that are there; findings of
    classes, which have no path, are left out."""
    known = images.rows["path"].combine_chunks()
    there = rows.filter(pc.is_in(rows["path"], value_set=known))
    return tuple(Noted(**row) for row in there.select(list(Noted.__slots__)).to_pylist())
