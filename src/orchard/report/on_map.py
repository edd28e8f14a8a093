"""Findings → the columns of the images on the map, as `encoding` describes them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.report import encoding
from orchard.report.encoding import Column
from orchard.report.filters import Filter
from orchard.report.findings import Findings

PAGE_BYTES = 25_000_000  # of a page with images that t-SNE did not place; base64 takes a quarter
THE_REST = 3_500_000  # scripts, text, and the data of those it placed
FINDING_BYTES = 2.2  # of many


def columns_of(found: Findings, start: str, filters: list[Filter]) -> dict[str, Column]:
    """Of the images that t-SNE did not place; none where it placed all. start: of their paths."""
    images, others = found.images, found.placed.others
    if not len(others.rows):
        return {}
    xy = quantised(others.xy, found.placed.embedding.xy)
    columns = {
        "xy": encoding.column(xy, "u2"),
        "label": encoding.column(images.codes[others.rows], "u2"),
    }
    n = len(found.placed.points)
    columns |= {f"filter_{f.name}": encoding.column(f.levels[n:], "u1") for f in filters}
    paths = images.rows["path"].take(pa.array(others.rows))
    return columns | encoding.paths_of(paths, start, _room(found, columns))


def _room(found: Findings, columns: dict[str, Column]) -> int:
    """Bytes that are left for paths."""
    pictures = found.thumbnails
    taken = sum(len(column.data) for column in columns.values()) + sum(map(len, pictures.sheets))
    taken += sum(map(len, (*pictures.large.values(), *pictures.errors.values())))
    taken += FINDING_BYTES * found.notes.rows.num_rows
    return max(0, int(PAGE_BYTES * 3 / 4 - taken - THE_REST))


def number_of(found: Findings) -> NDArray[np.int64]:
    """The number on the map of each row, -1 for one that is not on it."""
    rows = found.placed.rows
    numbers = np.full(len(found.images), -1, np.int64)
    numbers[rows] = np.arange(len(rows))
    return numbers


def quantised(positions: NDArray[np.float32], within: NDArray[np.float32]) -> NDArray[np.float64]:
    """To 0 … 65535 about the middle, one scale for all axes: a sixtieth of a screen's pixel.
    within: positions that decide about middle and scale."""
    low, high = within.min(axis=0), within.max(axis=0)
    scale = 65535 / max(float((high - low).max()), 1e-12)
    return np.round((positions - (low + high) / 2) * scale + 32767.5).clip(0, 65535)
