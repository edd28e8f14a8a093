"""Where an image is still found below a result's folder: its path in any spelling, its numbers.

    traces_of(output, ["/photos/me.jpg"], relative=["photos/me.jpg"], vectors=[row])  →  sentences

Every file is searched: as bytes, and unpacked where it is compressed or binary (Parquet as rows,
statistics and raw numbers, gzip, the arrays of .npz). A path counts where it is not a part of a
longer name.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NUMBERS = 4  # of a vector, where fewest are 0: those of a small picture mostly are, and three zeros
# behind a number in 16 bits are in every other file
# What a path may lie between and still be the same path: not the rest of a longer name.
_BEFORE, _AFTER = rb"(?<![\w.%-])", rb"(?![\w%-]|\.\w)"


def traces_of(
    output: Path | str,
    paths: Iterable[str] = (),
    relative: Iterable[str] = (),
    vectors: Iterable[Any] = (),
) -> list[str]:
    """A sentence for each find; none where nothing of the images is left.

    paths, relative: as they are in the tables, and as they were given. vectors: features or
    components, of floats.
    """
    wanted = [*dict.fromkeys([*paths, *relative])]
    patterns = {path: _pattern(path) for path in wanted}
    rows = [_telling(np.asarray(vector)) for vector in vectors]
    found = []
    for file in sorted(Path(output).rglob("*")):
        if not file.is_file():
            continue
        contents = list(_contents(file.read_bytes()))
        found += [
            f"{file}: the path {path}"
            for path, pattern in patterns.items()
            if any(pattern.search(content) for content in contents)
        ]
        found += [
            f"{file}: the numbers of vector {number}"
            for number, spellings in enumerate(rows)
            if any(spelling in content for spelling in spellings for content in contents)
        ]
    return found


def spellings(path: str) -> set[bytes]:
    """All ways in which JSON, HTML, URLs and file systems write a path."""
    found: set[bytes] = set()
    for form in {path, *(normalize(kind, path) for kind in ("NFC", "NFD"))}:
        escaped = json.dumps(form)[1:-1]
        found |= {
            form.encode("utf-8", "surrogateescape"),
            escaped.encode(),
            escaped.replace("/", "\\/").encode(),
            json.dumps(form, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape"),
            quote(form, errors="surrogateescape").encode(),
            quote(form, safe="", errors="surrogateescape").encode(),
            quote(form, safe="", errors="surrogateescape").lower().encode(),
            form.replace("&", "&amp;").replace("'", "&#39;").encode("utf-8", "surrogateescape"),
        }
    return found


def _pattern(path: str) -> re.Pattern[bytes]:
    either = b"|".join(re.escape(s) for s in sorted(spellings(path), key=len, reverse=True))
    # "photos/me.jpg" is found in "/home/me/photos/me.jpg" too: its end is the whole relative path.
    return re.compile(_BEFORE + rb"(?:" + either + rb")" + _AFTER)


def _telling(vector: np.ndarray) -> set[bytes]:
    """Some neighbouring numbers of a vector as they lie in files, in each precision."""
    width = min(NUMBERS, len(vector))
    n_telling = np.convolve(vector != 0, np.ones(width), "valid")
    start = int(n_telling.argmax())
    part = vector[start : start + width]
    halved = part.astype(np.float16)
    found = {part.astype(kind).tobytes() for kind in (np.float16, np.float32, np.float64)}
    found.add(halved.astype(np.float32).tobytes())
    text = {",".join(map(str, part.astype(kind).tolist())) for kind in (np.float32, np.float64)}
    return found | {t.encode() for t in text} | {t.replace(",", ", ").encode() for t in text}


def _contents(data: bytes) -> Iterator[bytes]:
    yield data
    if data[:4] == b"PAR1":
        yield from _parquet(data)
    elif data[:2] == b"\x1f\x8b":
        yield from _contents(gzip.decompress(data))
    elif data[:6] == b"\x93NUMPY":
        array = np.load(io.BytesIO(data), allow_pickle=False)
        if array.dtype.kind in "US":
            yield "\n".join(map(str, array.reshape(-1).tolist())).encode()
    elif data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield name.encode()
                yield from _contents(packed.read(name))


def _parquet(data: bytes) -> Iterator[bytes]:
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        rows = file.read()
    except (pa.ArrowException, OSError):  # damaged: what it holds as bytes was searched
        return
    yield repr(file.metadata.metadata).encode()
    yield "\n".join(_statistics(file.metadata)).encode("utf-8", "surrogateescape")
    for column in rows.columns:
        if pa.types.is_list(column.type):
            numbers = pc.list_flatten(column).to_numpy()
            yield np.ascontiguousarray(numbers, np.float32).tobytes()
        else:
            yield "\n".join(map(str, column.to_pylist())).encode("utf-8", "surrogateescape")


def _statistics(metadata: Any) -> Iterator[str]:
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            statistics = metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                yield from map(str, (statistics.min, statistics.max))
