"""What the teacher sees in a fixed number of pictures, computed once and kept on disk.

    Composer ─224 pixels─▶ teacher (the package's own session) ─▶ features.npy   (n, 1280) float16
                        └─▶ shrunk to STORED pixels            ─▶ pixels.npy     (n, STORED², 3)

Only the teacher's outputs are used, never its weights. Picture i is drawn from (seed, i) alone, so
a bank that was cut off goes on where it stopped, and a larger one begins with the smaller.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from backbone.compose import KINDS, Composer, Photos
from orchard.model import Embedder, Model, load_model
from orchard.model.mobilenet_v2 import DIM

STORED = 112
CHUNK = 256
VERSION = 2  # of how the pictures are drawn, too; part of the key
SHARES = (0.15, 0.35, 0.5)  # of KINDS: the teacher knows scenes best, and of those we have fewest


@dataclass(frozen=True, slots=True)
class Bank:
    """pixels: (n, STORED, STORED, 3). kinds: index into KINDS. photos: index into the album."""

    pixels: NDArray[np.uint8]
    features: NDArray[np.float16]
    kinds: NDArray[np.int32]
    photos: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.kinds)


def open_bank(
    composer: Composer,
    weights: str,
    n: int,
    cache: Path,
    seed: int,
    threads: int,
    say: Callable[[str], None] = print,
) -> Bank:
    """The bank of `n` pictures, computed as far as it is not there yet.

    A process of its own computes: whoever trains forks later, and ONNX Runtime does not survive
    that. Raises RuntimeError where it failed; what it had done is kept.
    """
    model = load_model(weights)
    home = cache / f"bank-{_key(composer.photos, model.weights_sha256, seed)}-{n}"
    if _done(home) < n:
        work = multiprocessing.get_context("fork").Process(
            target=_compute, args=(composer, model, n, home, seed, threads, say)
        )
        work.start()
        work.join()
        if _done(home) < n:
            raise RuntimeError(f"{home}: {_done(home)} of {n} pictures; the same command goes on")
    pixels, features, origin = (_array(home, name, n) for name in _ARRAYS)
    return Bank(pixels, features, origin[:, 0].copy(), origin[:, 1].copy())


def _compute(
    composer: Composer,
    model: Model,
    n: int,
    home: Path,
    seed: int,
    threads: int,
    say: Callable[[str], None],
) -> None:
    teacher = Embedder(model, threads=threads)
    home.mkdir(parents=True, exist_ok=True)
    pixels, features, origin = (_array(home, name, n, write=True) for name in _ARRAYS)
    for start in range(_done(home), n, CHUNK):
        stop = min(n, start + CHUNK)
        large, origin[start:stop] = _draw(composer, seed, range(start, stop), model.size)
        features[start:stop] = teacher(large)
        for i, picture in enumerate(large, start):
            pixels[i] = cv2.resize(picture, (STORED, STORED), interpolation=cv2.INTER_AREA)
        for array in (pixels, features, origin):
            array.flush()
        (home / "done.json").write_text(json.dumps(stop))
        if stop == n or start // CHUNK % 20 == 0:
            say(f"teacher: {stop:,} of {n:,} pictures in {home}")


def _draw(
    composer: Composer, seed: int, rows: range, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    pictures = np.empty((len(rows), side, side, 3), np.uint8)
    origin = np.empty((len(rows), 2), np.int32)
    for i, row in enumerate(rows):
        rng = random.Random(f"bank {seed} {row}")
        kind = rng.choices(range(len(KINDS)), SHARES)[0]
        pictures[i], origin[i, 1] = composer.picture(rng, KINDS[kind], side)
        origin[i, 0] = kind
    return pictures, origin


def targets(features: NDArray[np.float16], k: int) -> NDArray[np.float16]:
    """(n, k): the teacher's features standardised, on their first k principal axes.

    Scaled so that all axes together have the variance 1: of a regression onto them the summed
    squared error is the share of the teacher's variance left unexplained, 1 − R². This is the space
    in which a user of Orchard sees the teacher.
    """
    x = np.asarray(features, np.float32)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-3)
    _, axes = np.linalg.eigh(x.T @ x / len(x))
    y = x @ axes[:, ::-1][:, :k]
    return (y / np.sqrt((y**2).sum(axis=1).mean())).astype(np.float16)


def _key(photos: Photos, teacher: str, seed: int) -> str:
    seen = [photos.fruit.paths[i] for i in photos.fruit_seen]
    seen += [photos.scenes.paths[i] for i in photos.scenes_seen]
    text = json.dumps([VERSION, STORED, SHARES, seed, teacher, seen])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _done(home: Path) -> int:
    file = home / "done.json"
    return int(json.loads(file.read_text())) if file.exists() else 0


_ARRAYS: dict[str, tuple[type, tuple[int, ...]]] = {
    "pixels": (np.uint8, (STORED, STORED, 3)),
    "features": (np.float16, (DIM,)),
    "origin": (np.int32, (2,)),
}


def _array(home: Path, name: str, n: int, *, write: bool = False) -> np.memmap:
    file, (dtype, shape) = home / f"{name}.npy", _ARRAYS[name]
    if not write:
        return np.load(file, mmap_mode="r")
    if file.exists():
        return np.lib.format.open_memmap(file, "r+")
    return np.lib.format.open_memmap(file, "w+", dtype, (n, *shape))
