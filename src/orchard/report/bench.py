"""What the page's workbench works with, as plain values: what images can be filtered by, what was
found about them, and the groups that its galleries show."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.report.filters import Filter
from orchard.report.findings import Findings
from orchard.report.noted import EXACT, NEAR, WRONG, Noted, shown_large

GROUP_SHOWN = 200  # images of one group
SHOWN = 2000  # groups, and wrong labels
KEY_BYTES = 6


def bench(found: Findings, filters: list[Filter], n_named: int) -> dict[str, Any]:
    """An image is its number on the map, or its path where it is not on it or beyond the first
    `n_named`, whose paths the page holds. The levels of those that t-SNE did not place are columns,
    see `on_map`."""
    place_of, n = _places(found), len(found.placed.points)

    def told(path: str) -> int | str:
        place = place_of.get(path, n_named)
        return place if place < n_named else path

    by_kind: dict[str, list[Noted]] = defaultdict(list, {WRONG: []})  # what a person looks at first
    for one in found.noted:
        by_kind[one.kind].append(one)
    return {
        "key": _key(found.images.rows["path"]),
        "filters": [
            {"name": f.name, "low": f.low, "high": f.high, "levels": _packed(f.levels[:n], "u1")}
            for f in filters
        ],
        "found": {kind: _on_map(rows, place_of) for kind, rows in by_kind.items()},
        "groups": [
            [kind, *group] for kind in (EXACT, NEAR) for group in _groups(by_kind[kind], told)
        ],
        "wrong": [
            [told(one.path), one.label, one.suggested_label, round(one.score, 3)]
            for one in by_kind[WRONG][:SHOWN]
        ],
        "large": _large(found, told),
        "output": shlex.quote(str(found.record.get("config", {}).get("output", "OUTPUT"))),
    }


def _places(found: Findings) -> dict[str, int]:
    """The number on the map of each image that something was found about and that is on it."""
    on_map = found.images.rows["path"].take(pa.array(found.placed.rows)).combine_chunks()
    paths = pa.array(sorted({one.path for one in found.noted}), pa.string())
    at = pc.index_in(paths, value_set=on_map)
    there = at.is_valid()
    return dict(zip(paths.filter(there).to_pylist(), at.filter(there).to_pylist(), strict=True))


def _key(paths: pa.ChunkedArray) -> str:
    """Tells this set of images from others, so that a link's selection is of these."""
    digest = hashlib.sha256()
    for chunk in paths.chunks:
        digest.update("".join(f"{path}\n" for path in chunk.to_pylist()).encode())
    return digest.hexdigest()[: 2 * KEY_BYTES]


def _on_map(rows: list[Noted], place_of: dict[str, int]) -> dict[str, Any]:
    there = [one for one in rows if one.path in place_of]
    return {
        "n": len({one.path for one in rows}),
        "points": _packed(np.array([place_of[one.path] for one in there], np.int64), "<u4"),
        "scores": _packed(np.array([one.score for one in there], np.float64), "<f4"),
    }


def _groups(rows: list[Noted], told: Any) -> list[list[Any]]:
    """Of each group: score, how many, and the first GROUP_SHOWN, the one to keep before all."""
    groups: dict[int, list[Noted]] = defaultdict(list)
    for one in rows:
        if one.group is not None:
            groups[one.group].append(one)
    made = []
    for members in list(groups.values())[:SHOWN]:
        members.sort(key=lambda one: not one.keep)  # the one to keep first: it is always shown
        shown = [told(one.path) for one in members[:GROUP_SHOWN]]
        made.append([max(one.score for one in members), len(members), shown])
    return made


def _large(found: Findings, told: Any) -> dict[str, str]:
    """Addresses of pictures, by the number on the map or by path."""
    rows = shown_large(found.noted, found.images)
    paths = found.images.paths(np.array(rows, np.int64))
    pictures = found.thumbnails.large
    return {
        str(told(path)): f"data:image/jpeg;base64,{base64.b64encode(pictures[row]).decode()}"
        for row, path in zip(rows, paths, strict=True)
        if row in pictures
    }


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode("ascii")
