"""How the images of the map travel in the page, and what its scripts make of them.

Images on the map are numbered 0 … n - 1: first the `nPlaced` that t-SNE placed, in the order of
their paths, then the others (`Others`), in the order of theirs. A page of up to MAX_POINTS images
has no others, and its script runs through without waiting for anything.

| in the page | holds |
|---|---|
| `data` (JSON) | of those placed n, paths, and in base64 label, xy, xyz, ratio, near, place |
| `data.start`, `data.labels` | the folder of all paths; classes |
| `data.areClusters` | the classes are no labels but clusters that were found |
| `data.columns` | by name [kind, values an image, images] of each element below |
| `<script class="column" data-name=…>` | base64 of raw deflate of a column of the others |

A column's numbers are unsigned, of 1, 2 or 4 bytes ("u1", "u2", "u4"), the lowest bytes of all of
them first, then the next: the higher ones hardly vary, and deflate makes little of them. With
several values an image, all first values come first. Columns are `xy` (2 × u2), `label` (u2),
`filter_NAME` (u1, see `filters`), `lengths` (u4) and `paths` (u1), which are the ends of the paths
behind `data.start` in UTF-8; where a page has no room for all, the last of them are missing.

| in a script, after data.js | of image i |
|---|---|
| `points.n`, `points.nPlaced` | how many are on the map; how many of them t-SNE placed |
| `points.label[i]`, `labelName(code)`, `colourOf(code)` | code of its class |
| `points.map[3 * i]`, `[3 * i + 1]` | where it is on the map, -WORLD / 2 … WORLD / 2 |
| `points.ratio[i]`, `points.place[i]` | width by height; the number of its tile, -1 without |
| `pathOf(i)`, `shortPath(i)` | path, and its end behind `data.start`; "" where it is left out |
| `points.space`, `points.near` | in 3-D, and its `data.nearCount` nearest: i < nPlaced alone |
| `nearby.inBox(…)`, `nearby.at(…)` | images shown in a part of the map, without a look at all |
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

PATHS_AT_ONCE = 16_384
LEVEL = 9  # a million paths take 2 s, and a tenth less than at level 6


@dataclass(frozen=True, slots=True)
class Column:
    """Numbers of one kind. kind: "u1", "u2" or "u4". width: of each image. n: images. data: raw
    deflate of their bytes, the lowest of all numbers first."""

    kind: str
    width: int
    n: int
    data: bytes

    @property
    def text(self) -> str:
        return base64.b64encode(self.data).decode("ascii")


def column(values: NDArray[np.generic], kind: str) -> Column:
    """values: (n,) or (n, width), whole numbers that the kind holds."""
    flat = np.ascontiguousarray(values.T, f"<{kind}").reshape(-1)
    planes = flat.view(np.uint8).reshape(len(flat), -1).T.tobytes()
    width = 1 if values.ndim == 1 else values.shape[1]
    return Column(kind, width, len(values), _deflated(planes))


def paths_of(paths: pa.ChunkedArray, start: str, room: int) -> dict[str, Column]:
    """`lengths` and `paths` of as many as so many bytes hold, compressed. start: what each path
    begins with, left out."""
    packer = zlib.compressobj(LEVEL, wbits=-15)
    done, n_bytes, lengths = [b""], 0, [np.zeros(0, np.int32)]
    for first in range(0, len(paths), PATHS_AT_ONCE):
        part = paths.slice(first, PATHS_AT_ONCE).combine_chunks()
        ends = pc.utf8_slice_codeunits(part, len(start)).cast(pa.binary())
        data = packer.compress(b"".join(ends.to_pylist()))
        data += packer.flush(zlib.Z_SYNC_FLUSH)  # so that the part can be the last
        if n_bytes + len(data) > room:
            break
        done.append(data)
        n_bytes += len(data)
        lengths.append(pc.binary_length(ends).to_numpy())
    known = np.concatenate(lengths)
    end = zlib.compressobj(LEVEL, wbits=-15).flush()
    whole = b"".join(done) + end
    return {"lengths": column(known, "u4"), "paths": Column("u1", 1, int(known.sum()), whole)}


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, wbits=-15)
    return packer.compress(data) + packer.flush()
