"""Small pictures of the images, as the runs have stored them: sheets of tiles, and larger ones.

A thumbnail is shown if it is of the bytes whose features the table holds, by their SHA-256.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from orchard.images.thumbnail import SIDE, opened
from orchard.machine import available_cores
from orchard.records import THUMBNAILS
from orchard.store import contents
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables

TILES = (64, 48, 40, 32, 24)  # pixels a side, the first whose sheets fit SHEET_BYTES
PER_SIDE = 24  # tiles of a sheet: 1,536 pixels at the largest
SHEET_BYTES = 7_200_000  # 9.6 MB as base64, of the page's 15
MANY, SHEET_BYTES_OF_MANY = 200_000, 5_500_000  # images whose points and paths need more of its 25
_PROBE = 192
_REQUESTS_AT_ONCE = 16
_NAMES = ["path", "sha256"]
Key = TypeVar("Key", int, str)


@dataclass(slots=True)
class Thumbnails:
    """tile: pixels a side of a tile; sheets: WebP, PER_SIDE² tiles each, in rows; place: (n,) the
    tile's number of each point, -1 without. large: JPEG by row of `Images`. errors: JPEG by path.
    missed: why tiles are missing, by reason: "none" are stored at all, "left_out", "damaged"."""

    place: NDArray[np.int32]
    tile: int = 0
    sheets: list[bytes] = field(default_factory=list)
    large: dict[int, bytes] = field(default_factory=dict)
    errors: dict[str, bytes] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def n_shown(self) -> int:
        return int((self.place >= 0).sum())


def make(
    tables: Tables, rows: pa.Table, points: NDArray[np.int64], highlights: Iterable[int]
) -> Thumbnails:
    """Thumbnails of the points, and larger ones of the highlights, as far as they are stored.

    rows: `Images.rows`. points: the rows on the map.
    """
    made = Thumbnails(np.full(len(points), -1, np.int32))
    special = np.unique(np.fromiter(highlights, np.int64))
    known, pictures = _stored(tables, rows, np.union1d(points, special))
    at = np.flatnonzero(np.isin(known, special))
    made.large = _whole(known[at].tolist(), _chosen(pictures, at))
    tiled = np.flatnonzero(np.isin(points, known))
    if len(tiled) < len(points):
        is_empty = not tables["thumbnails"].n_rows
        made.missed["none" if is_empty else "left_out"] += len(points) - len(tiled)
    if len(tiled):
        tiles = _chosen(pictures, np.searchsorted(known, points[tiled]))
        _draw(made, tiled, tiles, SHEET_BYTES_OF_MANY if rows.num_rows > MANY else SHEET_BYTES)
    return made


def _draw(made: Thumbnails, tiled: NDArray[np.int64], pictures: list[bytes], most: int) -> None:
    """Put the pictures of some of the points on sheets, of so many bytes at most."""
    made.tile = _tile_size(pictures, most)
    n = PER_SIDE**2
    parts = [pictures[start : start + n] for start in range(0, len(pictures), n)]
    with ThreadPoolExecutor(min(4, available_cores())) as pool:
        drawn = list(pool.map(partial(_sheet, side=made.tile), parts))
    made.sheets = [sheet for sheet, _ in drawn]
    is_whole = np.concatenate([whole for _, whole in drawn])
    made.place[tiled] = np.where(is_whole, np.arange(len(tiled)), -1)
    if not is_whole.all():
        made.missed["damaged"] += int((~is_whole).sum())


def of_errors(tables: Tables, rows: pa.Table) -> dict[str, bytes]:
    """JPEG by path, of failed images of which something is stored. rows: of the errors table."""
    if not rows.num_rows:
        return {}
    found, pictures = _rows_of(tables, rows["path"].combine_chunks())
    failed = np.flatnonzero(found["sha256"].is_null().to_numpy())
    paths = found["path"].take(pa.array(failed)).to_pylist()
    return _whole(paths, _chosen(pictures, failed))


def _whole(keys: list[Key], pictures: list[bytes]) -> dict[Key, bytes]:
    """Those that can be read."""
    pairs = zip(keys, pictures, strict=True)
    return {key: data for key, data in pairs if opened(data, SIDE) is not None}


def _stored(
    tables: Tables, rows: pa.Table, wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[bytes]]:
    """Which of the wanted rows have a thumbnail of the same bytes, in their order, and those."""
    asked = rows.select(["path", "sha256"]).take(pa.array(wanted)).combine_chunks()
    found, pictures = _rows_of(tables, asked["path"].combine_chunks())
    at = pc.index_in(asked["path"], value_set=found["path"].combine_chunks())
    same = pc.fill_null(pc.equal(asked["sha256"], found["sha256"].take(at)), False)
    kept = np.flatnonzero(same.to_numpy())
    return wanted[kept], _chosen(pictures, at.take(pa.array(kept)).to_numpy())


def _chosen(pictures: list[bytes], places: NDArray[np.integer[Any]]) -> list[bytes]:
    return [pictures[place] for place in places.tolist()]


def _rows_of(tables: Tables, paths: pa.Array) -> tuple[pa.Table, list[bytes]]:
    """Path and sha256 of the stored rows of some paths, and their pictures; each file is read once,
    and little of it kept."""
    output, table = tables.output, tables["thumbnails"]

    def chosen(file: TableFile) -> tuple[pa.Table, list[bytes]]:
        rows = contents.read_named(output, file, [*_NAMES, "jpeg"])
        rows = rows.filter(pc.is_in(rows["path"], value_set=paths))
        return rows.select(_NAMES), rows["jpeg"].to_pylist()

    with ThreadPoolExecutor(1 if output.is_local else _REQUESTS_AT_ONCE) as pool:
        found = list(pool.map(chosen, table.files))
    none = THUMBNAILS.empty_table().select(_NAMES)
    rows = pa.concat_tables([none, *(table for table, _ in found)])
    return rows, [jpeg for _, jpegs in found for jpeg in jpegs]


def _tile_size(pictures: list[bytes], most: int) -> int:
    """The largest of TILES whose sheets are expected to fit, from a part of the images."""
    probe = pictures[:: max(1, len(pictures) // _PROBE)][: PER_SIDE**2]
    for side in TILES:
        sheet, _ = _sheet(probe, side)
        if len(sheet) / len(probe) * len(pictures) <= most:
            return side
    return TILES[-1]


def _sheet(pictures: list[bytes], side: int) -> tuple[bytes, NDArray[np.bool_]]:
    """At most PER_SIDE² pictures as one, and which of them could be read: others stay white."""
    height = -(-len(pictures) // PER_SIDE) * side
    canvas = Image.new("RGB", (PER_SIDE * side, height), "white")
    is_whole = np.zeros(len(pictures), np.bool_)
    for number, data in enumerate(pictures):
        image = opened(data, side)
        if image is not None:
            row, column = divmod(number, PER_SIDE)
            tile = image.resize((side, side), Image.Resampling.BILINEAR)
            canvas.paste(tile, (column * side, row * side))
            is_whole[number] = True
    buffer = io.BytesIO()
    canvas.save(buffer, "WEBP", quality=55, method=2)
    return buffer.getvalue(), is_whole
