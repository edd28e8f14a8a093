"""JPEGs of 12 megapixels: `--decode scaled` against the full decode, time and drift.

    python benchmarks/decoding.py PHOTOS --weights WEIGHTS

There are no freely usable 12-megapixel phone photos in this project: PHOTOS are enlarged to 4000 x
3000, given the grain of a sensor (Gaussian, sigma 6 of 255) and saved at quality 90. Full: Pillow's
decode and bicubic resize. Drift: cosine distance between the features of the two.
"""

from __future__ import annotations

import argparse
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, load_model


def enlarged(path: Path, rng: np.random.Generator) -> bytes:
    with Image.open(path) as image:
        big = np.asarray(image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC))
    noisy = big + rng.normal(0, 6, big.shape[:2]).astype(np.float32)[..., None]
    file = BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def timed(data: bytes, size: int, scaled: bool) -> tuple[float, NDArray[np.uint8]]:
    started = time.perf_counter()
    pixels = decode(data, size, scaled=scaled)
    seconds = time.perf_counter() - started
    assert isinstance(pixels, Pixels), pixels
    return seconds, pixels.array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--weights", default="fruit")
    parser.add_argument("--count", type=int, default=50)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    paths = sorted(args.photos.rglob("*.jpg"))
    embedder = Embedder(load_model(args.weights))
    seconds, drift = [], []
    for path in paths[:: max(1, len(paths) // args.count)][: args.count]:
        data = enlarged(path, rng)
        runs = [timed(data, embedder.model.size, scaled) for scaled in (False, True)]
        seconds.append([run[0] for run in runs])
        full, scaled = embedder(np.stack([run[1] for run in runs])).astype(np.float64)
        drift.append(1 - full @ scaled / np.linalg.norm(full) / np.linalg.norm(scaled))
    full_ms, scaled_ms = np.median(seconds, axis=0) * 1e3
    ratio = np.median([full / scaled for full, scaled in seconds])
    print(
        f"{len(drift)} photos: full {full_ms:.0f} ms, scaled {scaled_ms:.0f} ms, ratio {ratio:.2f}"
    )
    middle, high = np.quantile(drift, [0.5, 0.99])
    print(f"drift (cosine distance): median {middle:.5f}, p99 {high:.5f}")


if __name__ == "__main__":
    main()
