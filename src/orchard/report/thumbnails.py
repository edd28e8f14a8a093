"""Small pictures of the images, read from the source again: sheets of tiles, and larger ones.

Each tile is checked to be of the bytes that were embedded, by their SHA-256. What is read is capped
in bytes, by the sizes in the table, so that the same tables give the same pictures.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from orchard.errors import SourceError
from orchard.images.confines import Confines
from orchard.images.decode import Pixels, decode
from orchard.images.glimpse import glimpse
from orchard.images.source import fetch
from orchard.records import LISTING, Failure
from orchard.storage import Storage

LARGE = 112  # pixels a side, of highlighted images
TILES = (64, 48, 40, 32, 24)  # pixels a side, the first whose sheets fit SHEET_BYTES
PER_SIDE = 24  # tiles of a sheet: 1,536 pixels at the largest
SHEET_BYTES = 7_500_000  # 10 MB as base64, of the page's 15
READ_BYTES = 1_500_000_000  # of images: half a minute of decoding on two cores
MAX_MISSES = 64  # images in a row that cannot be read: the source is not there
_PENDING = 32
_PROBE = 192


@dataclass(slots=True)
class Thumbnails:
    """tile: pixels a side of a tile; sheets: WebP, PER_SIDE² tiles each, in rows; place: (n,) the
    tile's number of each point, -1 without. large: WebP by row of `Images`. errors: WebP by path.
    missed: why tiles are missing, by reason."""

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
    rows: pa.Table,
    points: NDArray[np.int64],
    highlights: Iterable[int],
    storage: Storage,
    confines: Confines,
) -> Thumbnails:
    """Thumbnails of the points, as many as the caps admit, and larger ones of the highlights.

    rows: `Images.rows`. points: the rows on the map.
    """
    special = np.unique(np.fromiter(highlights, np.int64))
    wanted, n_left_out = _within_budget(rows, points, special)
    made = Thumbnails(np.full(len(points), -1, np.int32))
    if n_left_out:
        made.missed["budget"] += n_left_out
    inside = confines.mask(rows["path"].take(pa.array(wanted)).to_pylist())
    if not inside.all():
        made.missed["outside"] += int((~inside).sum())
        wanted = wanted[inside]
    if not len(wanted):
        return made
    place_of = {int(row): place for place, row in enumerate(points)}
    probe = wanted[:: max(1, len(wanted) // _PROBE)]
    why: Counter[str] = Counter()
    tiles = [pixels for _, pixels in _pixels(rows, probe, storage, why)]
    if not tiles:
        made.missed["changed" if set(why) == {"changed"} else "unreachable"] += len(wanted)
        return made
    made.tile = _tile_size(tiles, len(wanted))
    sheet = _Sheet(made.tile)
    large = set(special.tolist())
    for row, pixels in _pixels(rows, wanted, storage, made.missed):
        if row in large:
            made.large[row] = _webp(Image.fromarray(pixels), 72)
        if row in place_of:
            made.place[place_of[row]] = len(made.sheets) * PER_SIDE**2 + sheet.n
            if sheet.add(pixels):
                made.sheets.append(sheet.take())
    if sheet.n:
        made.sheets.append(sheet.take())
    return made


def of_errors(rows: pa.Table, storage: Storage, confines: Confines) -> dict[str, bytes]:
    """WebP by path, of failed images of which something can be shown. rows: of the errors table."""
    listed = rows.select(LISTING.names)
    known = listed.filter(listed["size"].is_valid())
    known = known.filter(pa.array(confines.mask(known["path"].to_pylist())))
    found: dict[str, bytes] = {}
    try:
        for path, data in zip(known["path"].to_pylist(), fetch(known, storage), strict=True):
            pixels = None if isinstance(data, Failure) else glimpse(data, LARGE)
            if pixels is not None:
                found[path] = _webp(Image.fromarray(pixels), 72)
    except SourceError:
        pass
    return found


def _within_budget(
    rows: pa.Table, points: NDArray[np.int64], special: NDArray[np.int64]
) -> tuple[NDArray[np.int64], int]:
    """Rows to read, in order, the special ones surely; and how many points are left out."""
    others = np.random.default_rng(0).permutation(np.setdiff1d(points, special))
    order = np.concatenate([special, others])
    sizes = rows["size"].take(pa.array(order)).to_numpy().astype(np.int64)
    n = max(int((np.cumsum(sizes) <= READ_BYTES).sum()), min(len(special), len(order)))
    return np.sort(order[:n]), len(order) - n


def _pixels(
    rows: pa.Table, wanted: NDArray[np.int64], storage: Storage, missed: Counter[str]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(row, LARGE x LARGE x 3) of the wanted rows that can still be read as they were."""
    chosen = rows.take(pa.array(wanted))
    listed = pa.table(
        [chosen[name] if name in chosen.column_names else pa.nulls(len(wanted), kind)
         for name, kind in zip(LISTING.names, LISTING.types, strict=True)],
        names=LISTING.names,
    )  # fmt: skip
    in_a_row = 0
    pending: deque[tuple[int, Future[NDArray[np.uint8] | str]]] = deque()
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        contents = _contents(listed, storage)
        digests = chosen["sha256"].to_pylist()
        seen = 0
        for row, digest, data in zip(wanted.tolist(), digests, contents, strict=False):
            seen += 1
            if isinstance(data, Failure):
                missed[data.reason.value] += 1
                in_a_row += 1
                if in_a_row == MAX_MISSES:
                    break
                continue
            in_a_row = 0
            pending.append((row, pool.submit(_shrunk, data, digest)))
            while len(pending) > _PENDING:
                yield from _done(pending, missed)
        while pending:
            yield from _done(pending, missed)
        if seen < len(wanted):
            missed["unreachable"] += len(wanted) - seen


def _done(
    pending: deque[tuple[int, Future[NDArray[np.uint8] | str]]], missed: Counter[str]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    row, future = pending.popleft()
    found = future.result()
    if isinstance(found, str):
        missed[found] += 1
    else:
        yield row, found


def _contents(listed: pa.Table, storage: Storage) -> Iterator[bytes | Failure]:
    try:
        yield from fetch(listed, storage)
    except SourceError:
        return


def _shrunk(data: bytes, digest: str) -> NDArray[np.uint8] | str:
    if hashlib.sha256(data).hexdigest() != digest:
        return "changed"
    pixels = decode(data, LARGE, scaled=True)
    return pixels.array if isinstance(pixels, Pixels) else pixels.reason.value


def _tile_size(tiles: list[NDArray[np.uint8]], n: int) -> int:
    """The largest of TILES whose sheets are expected to fit, from a part of the images."""
    for size in TILES:
        sheet = _Sheet(size)
        n_bytes = 0
        for pixels in tiles:
            if sheet.add(pixels):
                n_bytes += len(sheet.take())
        if sheet.n:
            n_bytes += len(sheet.take())
        if n_bytes / len(tiles) * n <= SHEET_BYTES:
            return size
    return TILES[-1]


class _Sheet:
    """Tiles under construction."""

    def __init__(self, tile: int) -> None:
        self.tile, self.n = tile, 0
        self._canvas = self._blank()

    def add(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether the sheet is now full."""
        image = Image.fromarray(pixels).resize((self.tile, self.tile), Image.Resampling.LANCZOS)
        row, column = divmod(self.n, PER_SIDE)
        self._canvas.paste(image, (column * self.tile, row * self.tile))
        self.n += 1
        return self.n == PER_SIDE**2

    def take(self) -> bytes:
        height = -(-self.n // PER_SIDE) * self.tile
        data = _webp(self._canvas.crop((0, 0, self._canvas.width, height)), 60, method=2)
        self._canvas, self.n = self._blank(), 0
        return data

    def _blank(self) -> Image.Image:
        return Image.new("RGB", (PER_SIDE * self.tile, PER_SIDE * self.tile), "white")


def _webp(image: Image.Image, quality: int, method: int = 4) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=method)
    return buffer.getvalue()
