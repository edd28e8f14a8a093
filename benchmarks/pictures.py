"""What thumbnails and figures of quality cost a worker, and what they save the report.

    python benchmarks/pictures.py FOLDER [N [WEIGHTS]]

Milliseconds of one core per image, by CPU time, the best of three rounds over N images of FOLDER.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from orchard.images.decode import Pixels, decode
from orchard.images.quality import quality
from orchard.images.source import fetch, list_images
from orchard.images.thumbnail import SIDE, as_jpeg, opened, small
from orchard.model import Embedder, load_model
from orchard.report.thumbnails import _sheet

ROUNDS = 3
BATCH = 8


def main(folder: str, n: str = "500", weights: str = "imagenet") -> None:
    listed = list_images((folder,)).images
    chosen = np.unique(np.linspace(0, len(listed) - 1, int(n)).astype(np.int64))
    rows = listed.take(pa.array(chosen))
    files = [data for data in fetch(rows) if isinstance(data, bytes)]
    decoded = [decode(data, 224) for data in files]
    views = [pixels.array for pixels in decoded if isinstance(pixels, Pixels)]
    pictures = [small(view) for view in views]
    stored = [as_jpeg(picture) for picture in pictures]
    embedder = Embedder(load_model(weights, 224))
    batches = [np.stack(views[at : at + BATCH])[:, None] for at in range(0, len(views), BATCH)]
    figures = {
        "a worker: decode": partial(_each, partial(decode, size=224), files),
        "a worker: network, float32": partial(_each, embedder.mean, batches[:20]),
        "a worker: the small picture": partial(_each, small, views),
        "a worker: figures of quality": partial(_each, quality, pictures),
        "a worker: JPEG": partial(_each, as_jpeg, pictures),
        "the report, before: read, check, decode again": partial(_read_again, rows),
        "the report: decode for a tile of 48": partial(_each, partial(opened, side=48), stored),
        "the report: sheets of tiles of 48": lambda: _sheet(pa.array(stored), 48),
    }
    for name, work in figures.items():
        n_images = min(len(views), 20 * BATCH) if "network" in name else len(views)
        print(f"{name:46} {_best(work) / n_images * 1e3:7.3f} ms")
    print(f"bytes of a thumbnail: {np.mean([len(data) for data in stored]):.0f}")


def _each(work: Callable[[Any], object], items: list[Any]) -> None:
    for item in items:
        work(item)


def _read_again(rows: pa.Table) -> None:
    for data in fetch(rows):
        if isinstance(data, bytes):
            hashlib.sha256(data).hexdigest()
            decode(data, SIDE, scaled=True)


def _best(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


if __name__ == "__main__":
    main(*sys.argv[1:])
