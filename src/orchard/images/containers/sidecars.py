"""Files beside an image in a WebDataset shard: a sample is what shares a name up to its first dot.

    00012.jpg  00012.cls  00012.json

`.cls` and a "label" or "class" in `.json` say the label; `--label column:NAME` takes the file of
the suffix NAME, or what `.json` has under NAME. A sample's other files are no images, and no rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from orchard.images.containers.members import Contents, Member

SIDECARS = frozenset(
    ("cls", "cls2", "class", "count", "id", "index", "inx", "json", "jsn", "text", "transcript",
     "txt", "caption", "npy", "npz", "pth", "pt", "pyd", "pickle", "ten", "tb", "mp", "msg")
)  # fmt: skip
IMAGES = frozenset(
    ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif",
     "avif", "jxl", "ppm", "pgm", "pbm", "dng", "nef", "cr2", "cr3", "raf", "orf", "rw2")
)  # fmt: skip
MOST_BYTES = 1024 * 1024
_LABELS = ("label", "class")


def parts_of(name: str) -> tuple[str, str]:
    """(sample, suffix in lower case) of a name: "a/1", "seg.png" of "a/1.seg.png"."""
    folder, slash, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def is_sidecar(name: str, size: int) -> bool:
    """Whether a member may say an image's label, if an image is beside it."""
    return size <= MOST_BYTES and parts_of(name)[1] in SIDECARS


def take_out(found: Contents, column: str | None) -> dict[str, str]:
    """Remove the sidecars of images from a container's members; labels by sample.

    column: of `--label column:NAME`.
    """
    samples = {
        sample
        for sample, suffix in (parts_of(member.name) for member in found.members)
        if suffix.rpartition(".")[2] in IMAGES
    }
    kept: list[Member] = []
    beside: dict[str, dict[str, bytes]] = {}
    for member in found.members:
        sample, suffix = parts_of(member.name)
        if sample in samples and suffix in SIDECARS:
            if member.data is not None:
                beside.setdefault(sample, {})[suffix] = member.data
        else:
            kept.append(member)
    found.members = kept
    said = ((sample, _label(files, column)) for sample, files in beside.items())
    return {sample: label for sample, label in said if label is not None}


def _label(files: dict[str, bytes], column: str | None) -> str | None:
    if column is None:
        text = files.get("cls")
        return _text(text) if text is not None else _of_json(files, _LABELS)
    text = files.get(column.lower())
    return _text(text) if text is not None else _of_json(files, (column,))


def _of_json(files: dict[str, bytes], keys: Iterable[str]) -> str | None:
    try:
        said: Any = json.loads(files.get("json", b"{}"))
    except (ValueError, RecursionError):
        return None
    values = (said.get(key) for key in keys) if isinstance(said, dict) else ()
    return next((str(value) for value in values if isinstance(value, str | int | float)), None)


def _text(data: bytes) -> str | None:
    return data.decode("utf-8", "replace").strip() or None
