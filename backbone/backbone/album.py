"""A folder of photos, decoded once into an array on disk that is mapped into memory.

    DIR/<class>/<photo>  ─decode, mask─▶  CACHE/<key>/pixels.npy  (n, side, side, 3 or 4) uint8

The fourth channel, of photos on white, is the fruit's mask. Whoever trains sees no file again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbone.masks import fruit_mask
from orchard.images.decode import Pixels, decode

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
VERSION = 2  # of what is computed here; part of the key


@dataclass(frozen=True, slots=True)
class Album:
    """paths: "class/name". pixels: as above, read-only, RGB (and mask)."""

    paths: tuple[str, ...]
    pixels: NDArray[np.uint8]

    @property
    def labels(self) -> list[str]:
        return [path.rsplit("/", 2)[-2] for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)


def open_album(
    folder: Path, cache: Path, side: int, *, on_white: bool, say: Callable[[str], None] = print
) -> Album:
    """The photos below `folder`, from the cache where it has them.

    Raises ValueError where there are none, or one cannot be decoded.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{folder}: expected photos in folders, one a class; found none")
    paths = tuple(file.relative_to(folder).as_posix() for file in files)
    home = cache / _key(files, paths, side, on_white)
    if not (home / "index.json").exists():
        say(f"decoding {len(files):,} photos of {folder.name} into {home}")
        _build(files, paths, home, side, on_white)
    pixels = np.load(home / "pixels.npy", mmap_mode="r")
    return Album(tuple(json.loads((home / "index.json").read_text())), pixels)


def _key(files: list[Path], paths: tuple[str, ...], side: int, on_white: bool) -> str:
    sha = hashlib.sha256(f"{VERSION} {side} {on_white}".encode())
    for file, path in zip(files, paths, strict=True):
        sha.update(f"{path} {file.stat().st_size}\n".encode())
    return sha.hexdigest()[:16]


def _build(
    files: list[Path], paths: tuple[str, ...], home: Path, side: int, on_white: bool
) -> None:
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shape = (len(files), side, side, 4 if on_white else 3)
    pixels = np.lib.format.open_memmap(part / "pixels.npy", "w+", np.uint8, shape)
    for i, file in enumerate(files):
        photo = decode(file.read_bytes(), side)
        if not isinstance(photo, Pixels):
            raise ValueError(f"{file}: {photo.reason}: {photo.detail}; remove it, or mend it")
        pixels[i, :, :, :3] = photo.array
        if on_white:
            pixels[i, :, :, 3] = fruit_mask(photo.array)
    pixels.flush()
    (part / "index.json").write_text(json.dumps(paths))  # last: it says that all is there
    part.rename(home)
