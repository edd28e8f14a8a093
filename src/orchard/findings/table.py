"""What is wrong with images, as rows of FINDINGS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.findings import duplicates, labels, pictures
from orchard.findings.duplicates import Groups
from orchard.findings.labels import Judged, Overlap
from orchard.findings.look import Seen
from orchard.findings.pictures import Found
from orchard.records import FINDINGS


@dataclass(slots=True)
class _Rows:
    """FINDINGS under construction, from rows of the images."""

    seen: Seen
    parts: list[pa.Table] = field(default_factory=list)
    n_groups: int = 0

    def add(
        self, kind: str, rows: NDArray[np.int64], scores: NDArray[np.floating], **more: pa.Array
    ) -> None:
        images = self.seen.rows.select(["path", "label"]).take(pa.array(rows))
        columns = {
            "path": images["path"],
            "kind": pa.array([kind] * len(rows), pa.string()),
            "score": pa.array(np.asarray(scores, np.float64)),
            "label": images["label"],
            **more,
        }
        self.parts.append(_table(columns, len(rows)))

    def add_groups(self, kind: str, groups: Groups, scores: NDArray[np.floating]) -> None:
        """scores: (n,) of each row to the kept one. Largest groups first."""
        members = sorted(groups.members, key=lambda rows: (-len(rows), rows[0]))
        rows = np.concatenate([np.zeros(0, np.int64), *members])
        number = np.repeat(np.arange(len(members)), [len(one) for one in members]) + self.n_groups
        self.n_groups += len(members)
        keep = groups.kept[rows] == rows
        self.add(kind, rows, scores[rows], group=pa.array(number, pa.int64()), keep=pa.array(keep))


def found(seen: Seen) -> pa.Table:
    """All findings, kind by kind, the worst of each kind first, duplicates group by group.

    Scores are the higher the more: exact and near duplicates, the likeness to the image that is to
    be kept; wrong labels, how much likelier the suggested one is (p − p); overlap, the share of
    both classes' images taken for the other; unusual, the distance to neighbours over its median;
    others as `pictures.poor` says.
    """
    names, codes, judged = _judged(seen)
    same, near, _ = seen.groups(judged.is_suspect)
    cosine = np.ones(len(near.kept), np.float32)
    going = np.flatnonzero(near.kept != np.arange(len(near.kept)))
    cosine[going] = seen.likeness(going, near.kept[going])
    rows = _Rows(seen)
    rows.add_groups("exact_duplicate", same, np.ones(len(cosine)))
    rows.add_groups("near_duplicate", near, cosine)
    suspects = Found.of(judged.is_suspect, judged.sure - judged.own)
    suggested = names.take(pa.array(judged.likeliest[suspects.rows]))
    rows.add("wrong_label", suspects.rows, suspects.scores, suggested_label=suggested)
    rows.parts.append(_overlaps(names, labels.overlaps(codes, judged.likeliest)))
    for kind, poor in _pictures(seen):
        rows.add(kind, poor.rows, poor.scores)
    return pa.concat_tables(rows.parts).combine_chunks()


def _judged(seen: Seen) -> tuple[pa.Array, NDArray[np.int64], Judged]:
    """The classes that something is said of, each image's code, and what is said."""
    same = duplicates.exact(seen.digests)
    names, codes = _judgeable(seen.rows["label"], same)
    fold = labels.folds(codes, same.kept)
    return names, codes, labels.judge(seen.components, codes, fold, seen.near_by, same.kept)


def _overlaps(names: pa.Array, pairs: list[Overlap]) -> pa.Table:
    columns = {
        "kind": pa.array(["overlap"] * len(pairs), pa.string()),
        "score": pa.array([pair.share for pair in pairs], pa.float64()),
        "label": names.take(pa.array([pair.code for pair in pairs], pa.int64())),
        "suggested_label": names.take(pa.array([pair.other for pair in pairs], pa.int64())),
    }
    return _table(columns, len(pairs))


def _judgeable(column: pa.ChunkedArray, same: Groups) -> tuple[pa.Array, NDArray[np.int64]]:
    """The classes with enough different images, and each image's code, -1 of the others."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(), np.int64)
    different = (same.kept == np.arange(len(codes))) & (codes >= 0)
    enough = np.bincount(codes[different], minlength=len(encoded.dictionary)) >= labels.LEAST
    new = np.r_[np.where(enough, np.cumsum(enough) - 1, -1), -1]  # the last: of -1
    return encoded.dictionary.filter(pa.array(enough)), new[codes]


def _pictures(seen: Seen) -> Iterator[tuple[str, Found]]:
    if seen.near_by.indices.shape[1]:
        yield "unusual", pictures.unusual(seen.near_by.isolation)
    names = ("width", "height", "sharpness", "brightness", "clipped")
    yield from pictures.poor(*(seen.numbers(name) for name in names)).items()


def _table(columns: dict[str, pa.Array], n: int) -> pa.Table:
    whole = {f.name: columns.get(f.name, pa.nulls(n, f.type)) for f in FINDINGS}
    return pa.table(whole).cast(FINDINGS)


def counts(rows: pa.Table) -> dict[str, int]:
    """How many findings of each kind there are."""
    found = pc.value_counts(rows["kind"]).to_pylist()
    return {one["values"]: one["counts"] for one in found}
