"""Images of a result as a grid of pictures: stored thumbnails, or small ones of the images."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from html import escape
from os import PathLike, fspath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from orchard.errors import ConfigError
from orchard.images import thumbnail
from orchard.images.apart import decode_apart
from orchard.images.source import absolute, read
from orchard.printable import printable
from orchard.records import Failure
from orchard.storage import Storage
from orchard.store import contents
from orchard.store.tables import Tables

MOST = 48  # pictures, unless more are asked for
_AT_ONCE = 8
UNASKED = 24  # of the whole result, where no paths are given
_COLUMNS = ["path", "label", "sha256", "width", "height"]


@dataclass(frozen=True, slots=True)
class Picture:
    """jpeg: None where there is none to show; note: why, or the similarity to what was sought.
    ratio: width by height of the image."""

    path: str
    label: str | None = None
    jpeg: bytes | None = None
    ratio: float = 1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What `Result.show` returns: notebooks draw it as a grid, elsewhere it prints its paths."""

    pictures: tuple[Picture, ...]
    n_more: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    def __repr__(self) -> str:
        lines = [f"{printable(p.path)}  {p.label or ''}  {p.note}".rstrip() for p in self.pictures]
        return "\n".join([*lines, *self._more()])

    def html(self) -> str:
        """The grid, without a script: for a page of your own."""
        more = "".join(f"<p>{text}</p>" for text in self._more())
        cells = "".join(map(_cell, self.pictures))
        return f'<div style="display:flex;flex-wrap:wrap;gap:12px 8px">{cells}</div>{more}'

    _repr_html_ = html

    def _more(self) -> list[str]:
        return [f"… and {self.n_more:,} more"] if self.n_more else []


def show(
    images: Any,
    n: int = MOST,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
) -> Pictures:
    """Images as a grid of pictures, in a notebook, before there is a result: read where they are.

    images: a path or URL or several, or a table with a column `path`; a column `label` stands with
    them. n: at most so many. An image that cannot be read shows the reason.
    """
    asked = _asked(images)
    pictures = {path: Picture(absolute(path), asked.labels.get(path)) for path in asked.some(n)}
    return asked.of(_of_sources(pictures, Storage(endpoint_url, region)), n)


def show_of(tables: Tables, images: Any, n: int) -> Pictures:
    """See `Result.show`."""
    rows = tables.read("features", _COLUMNS)
    if images is None:
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(max(n, 1), UNASKED)).astype(int))
        images = rows["path"].take(pa.array(chosen)).to_pylist()
    asked = _asked(images)
    pictures = _known(rows, {path: absolute(path) for path in asked.some(n)})
    pictures = _stored(tables, rows, pictures)
    return asked.of(_of_sources(pictures, tables.output.storage), n)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Paths, and what a table says of each."""

    paths: list[str]
    labels: dict[str, str | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def some(self, n: int) -> list[str]:
        if n < 1:
            raise ConfigError(f"n={n}: expected a whole number of at least 1")
        return self.paths[:n]

    def of(self, pictures: dict[str, Picture], n: int) -> Pictures:
        some = [
            replace(pictures[path], note=self.notes.get(path) or pictures[path].note)
            for path in self.some(n)
        ]
        return Pictures(tuple(some), len(self.paths) - len(some))


def _asked(images: Any) -> _Asked:
    if isinstance(images, str | PathLike):
        return _Asked([fspath(images)])
    if not hasattr(images, "column_names") and not hasattr(images, "columns"):
        return _Asked([fspath(path) for path in images])
    names = list(getattr(images, "column_names", None) or images.columns)
    if "path" not in names:
        raise ConfigError(f"a table with {', '.join(names)}: expected a column `path`")
    paths = [str(path) for path in _values(images["path"])]
    labels, likeness = (
        dict(zip(paths, _values(images[name]), strict=True)) if name in names else {}
        for name in ("label", "similarity")
    )
    return _Asked(paths, labels, {path: f"{value:.2f}" for path, value in likeness.items()})


def _values(column: Any) -> list[Any]:
    """Of Arrow, pandas or Polars."""
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)


def _known(rows: pa.Table, asked: dict[str, str]) -> dict[str, Picture]:
    """By the path as it was asked for: label and shape of those that the result holds."""
    wanted = pa.array(dict.fromkeys([*asked, *asked.values()]), pa.string())
    held = rows.filter(pc.is_in(rows["path"], value_set=wanted)).drop_columns("sha256").to_pylist()
    of_path = {
        row["path"]: Picture(row["path"], row["label"], ratio=row["width"] / row["height"])
        for row in held
    }
    return {path: of_path.get(path) or of_path.get(at) or Picture(at) for path, at in asked.items()}


def _stored(tables: Tables, rows: pa.Table, pictures: dict[str, Picture]) -> dict[str, Picture]:
    """With the thumbnails of the bytes whose features the result holds; of an image that failed,
    with what could be seen of it."""
    wanted = pa.array({picture.path for picture in pictures.values()}, pa.string())
    held = rows.filter(pc.is_in(rows["path"], value_set=wanted)).select(["path", "sha256"])
    digests = dict(zip(*(held[name].to_pylist() for name in held.column_names), strict=True))
    jpeg_of: dict[str, bytes] = {}
    for part in contents.rows_of(tables["thumbnails"], wanted):
        for row in part.select(["path", "sha256", "jpeg"]).to_pylist():
            is_sound = thumbnail.opened(row["jpeg"], thumbnail.SIDE) is not None
            if is_sound and row["sha256"] == digests.get(row["path"]):
                jpeg_of[row["path"]] = row["jpeg"]
    return {
        asked: replace(picture, jpeg=jpeg_of.get(picture.path))
        for asked, picture in pictures.items()
    }


def _of_sources(pictures: dict[str, Picture], storage: Storage) -> dict[str, Picture]:
    """Those without a picture read from where the images are."""
    missing = [asked for asked, picture in pictures.items() if picture.jpeg is None]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        contents_of = pool.map(lambda asked: read(pictures[asked].path, storage), missing)
        found = zip(missing, contents_of, strict=True)
        return pictures | {asked: _small(pictures[asked], data) for asked, data in found}


def _small(picture: Picture, data: bytes | Failure) -> Picture:
    found = data if isinstance(data, Failure) else decode_apart(data, 2 * thumbnail.SIDE)
    if isinstance(found, Failure):
        return replace(picture, note=f"{found.reason.value}: {found.detail}")
    small = Image.fromarray(found.array).reduce(2)
    ratio = found.width / found.height
    return replace(picture, jpeg=thumbnail.as_jpeg(small), ratio=ratio)


def _cell(picture: Picture) -> str:
    width = round(thumbnail.SIDE * min(1.0, picture.ratio))
    height = round(thumbnail.SIDE / max(1.0, picture.ratio))
    path = escape(printable(picture.path))
    label = escape(printable(picture.label or ""))
    note = escape(printable(picture.note))
    box = f"width:{thumbnail.SIDE}px;height:{thumbnail.SIDE}px;display:grid;place-items:center"
    if picture.jpeg is None:
        seen = f'<span style="font-size:11px;overflow:hidden">{note}</span>'
        note = ""
    else:
        data = base64.b64encode(picture.jpeg).decode("ascii")
        seen = (
            f'<img alt="{label or path}" width="{width}" height="{height}" style="margin:0;'
            f'border-radius:6px" src="data:image/jpeg;base64,{data}">'
        )
    return (
        f'<figure title="{path}" style="margin:0;width:{thumbnail.SIDE}px">'
        f'<div style="{box}">{seen}</div><figcaption style="font-size:12px;line-height:1.3;'
        f'overflow-wrap:anywhere"><b>{label}</b> {note}</figcaption></figure>'
    )
