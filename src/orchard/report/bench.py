"""What the page's workbench works with, as plain values: what images can be filtered by, what was
found about them, and the groups that its galleries show."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.report.filters import Filter
from orchard.report.findings import Findings
from orchard.report.noted import EXACT, NEAR, WRONG, Notes, shown_large
from orchard.report.on_map import number_of

GROUP_SHOWN = 200  # images of one group
SHOWN = 2000  # groups, and wrong labels
KEY_BYTES = 6
MANY = 20_000  # images of a kind, from where on the page gets them as bits
LEVELS = 65535  # of a score, then


def bench(found: Findings, filters: list[Filter], n_named: int) -> dict[str, Any]:
    """An image is its number on the map, or its path where it is not on it or beyond the first
    `n_named`, whose paths the page holds. The levels of those that t-SNE did not place are columns,
    see `on_map`."""
    numbers, n = number_of(found), len(found.placed.points)

    def told(row: int) -> int | str:
        number = int(numbers[row])
        return number if 0 <= number < n_named else str(found.images.rows["path"][row].as_py())

    # What a person looks at first comes first.
    kinds = [WRONG, *(kind for kind in found.notes.kinds if kind != WRONG)]
    by_kind = {kind: found.notes.of_kind(kind) for kind in (*kinds, EXACT, NEAR)}
    return {
        "key": _key(found.images.rows["path"]),
        "filters": [
            {"name": f.name, "low": f.low, "high": f.high, "levels": _packed(f.levels[:n], "u1")}
            for f in filters
        ],
        "found": {kind: _on_map(by_kind[kind], numbers) for kind in kinds},
        "groups": [
            [kind, *group] for kind in (EXACT, NEAR) for group in _groups(by_kind[kind], told)
        ],
        "wrong": _wrong(by_kind[WRONG], told),
        "large": _large(found, told),
        "output": shlex.quote(str(found.record.get("config", {}).get("output", "OUTPUT"))),
    }


def _key(paths: pa.ChunkedArray) -> str:
    """Tells this set of images from others, so that a link's selection is of these."""
    digest = hashlib.sha256()
    for chunk in paths.chunks:
        for start in range(0, len(chunk), MANY):
            part = chunk.slice(start, MANY).to_pylist()
            digest.update("".join(f"{path}\n" for path in part).encode())
    return digest.hexdigest()[: 2 * KEY_BYTES]


def _on_map(notes: Notes, numbers: NDArray[np.int64]) -> dict[str, Any]:
    """n: images. The numbers of those on the map, ascending, and their scores: as they are, or,
    of MANY and more, a bit for each image on the map, and levels from the least to the most."""
    at = numbers[notes.at]
    order = np.argsort(at, kind="stable")
    order = order[at[order] >= 0]
    at, scores = at[order], notes.rows["score"].to_numpy()[order]
    n = len(np.unique(notes.at))
    if len(at) < MANY:
        return {"n": n, "points": _packed(at, "<u4"), "scores": _packed(scores, "<f4")}
    bits = np.zeros(int(numbers.max()) + 1, np.bool_)
    bits[at] = True
    at, first = np.unique(at, return_index=True)
    scores = scores[first]
    low, high = float(scores.min()), float(scores.max())
    levels = np.rint((scores - low) * (LEVELS / max(high - low, 1e-12)))
    packed = np.packbits(bits, bitorder="little")
    return {
        "n": n,
        "bits": _packed(packed, "u1"),
        "levels": _packed(levels, "<u2"),
        "low": low,
        "high": high,
    }


def _groups(notes: Notes, told: Callable[[int], int | str]) -> list[list[Any]]:
    """Of each group: score, how many, and the first GROUP_SHOWN, the one to keep before all."""
    rows = notes.rows.select(["group", "keep", "score"])
    grouped = rows["group"].is_valid().to_numpy()
    group, score = rows["group"].fill_null(-1).to_numpy(), rows["score"].to_numpy()
    is_other = ~rows["keep"].fill_null(False).to_numpy()
    _, first, place = np.unique(group[grouped], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)  # of each group, by where it comes first
    rank[np.argsort(first)] = np.arange(len(first))
    members = np.flatnonzero(grouped)
    members, ranks = members[rank[place] < SHOWN], rank[place][rank[place] < SHOWN]
    order = np.lexsort((is_other[members], ranks))
    ends = np.cumsum(np.bincount(ranks, minlength=min(len(first), SHOWN)))
    made = []
    for rows_of in np.split(members[order], ends[:-1]) if len(members) else ():
        shown = [told(int(row)) for row in notes.at[rows_of[:GROUP_SHOWN]]]
        made.append([float(score[rows_of].max()), len(rows_of), shown])
    return made


def _wrong(notes: Notes, told: Callable[[int], int | str]) -> list[list[Any]]:
    rows = notes.rows.slice(0, SHOWN).select(["label", "suggested_label", "score"]).to_pylist()
    return [
        [told(int(row)), one["label"], one["suggested_label"], round(one["score"], 3)]
        for row, one in zip(notes.at[:SHOWN], rows, strict=True)
    ]


def _large(found: Findings, told: Callable[[int], int | str]) -> dict[str, str]:
    """Addresses of pictures, by the number on the map or by path."""
    pictures = found.thumbnails.large
    return {
        str(told(row)): f"data:image/jpeg;base64,{base64.b64encode(pictures[row]).decode()}"
        for row in dict.fromkeys(shown_large(found.notes))
        if row in pictures
    }


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode("ascii")
