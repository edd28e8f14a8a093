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

from orchard.report.findings import Findings
from orchard.report.noted import EXACT, NEAR, WRONG, Noted, shown_large

STEPS = 254  # of a filter, from the lowest value to the highest; 255 is "not known"
UNKNOWN = 255
GROUP_SHOWN = 200  # images of one group
SHOWN = 2000  # groups, and wrong labels
KEY_BYTES = 6


def bench(found: Findings) -> dict[str, Any]:
    """An image is its number on the map, or its path where it is not on it."""
    images, points = found.images, found.placed.points
    place_of = _places(found)

    def told(path: str) -> int | str:
        return place_of.get(path, path)

    by_kind: dict[str, list[Noted]] = defaultdict(list)
    for one in found.noted:
        by_kind[one.kind].append(one)
    return {
        "key": _key(images.rows["path"]),
        "filters": _filters(images.rows.take(pa.array(points))),
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
    on_map = found.images.rows["path"].take(pa.array(found.placed.points)).combine_chunks()
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


def _filters(rows: pa.Table) -> list[dict[str, Any]]:
    """Those of which the table holds more than one value. low, high: as 0 and STEPS stand for;
    of sizes, log2 of the bytes; of dates, seconds since 1970."""
    columns = {
        "brightness": rows["brightness"].cast(pa.float64()),
        "size": pc.log2(pc.add(rows["size"].cast(pa.float64()), 1)),
        "modified": pc.divide(rows["modified"].cast(pa.int64()).cast(pa.float64()), 1e6),
    }
    made = []
    for name, column in columns.items():
        values = column.to_numpy()
        known = np.isfinite(values)
        if not known.any() or (high := values[known].max()) <= (low := values[known].min()):
            continue
        level = np.full(len(values), UNKNOWN)
        level[known] = np.round((values[known] - low) / (high - low) * STEPS)
        made.append(
            {"name": name, "low": float(low), "high": float(high), "levels": _packed(level, "u1")}
        )
    return made


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
