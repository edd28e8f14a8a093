"""Images as files, in a bucket and packed: requests and seconds to list and to read them.

    python benchmarks/containers.py                        20,000 images of 5 kB
    python benchmarks/containers.py --images 100000
    python benchmarks/containers.py --million              a million in shards: the server's log

Nothing is decoded: it is the reading that differs. Files are read once before, so that the disk is
out of it. The bucket is a server on this machine, without the latency of a real one: its seconds
are those of this code and of that server's Python, its requests those that S3 would charge for.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from folder_bucket import BUCKET, serve

import orchard
from orchard.images.containers.places import in_reading_order
from orchard.images.source import fetch, list_images
from orchard.pipeline.planning import cut
from orchard.progress import Reporter
from orchard.storage import Storage

BYTES = 5000
SLOTS = 8  # as of two workers of four vCPUs


def write(folder: Path, n: int) -> None:
    noise = np.random.default_rng(0).bytes(BYTES + n)
    for number in range(n):
        if number % 1000 == 0:
            below = folder / f"species {number // 1000:03d}"
            below.mkdir(parents=True)
        (below / f"{number:07d}.jpg").write_bytes(noise[number : number + BYTES])


def measured(source: str, storage: Storage) -> tuple[int, int, float, float]:
    """Images, bytes read, seconds to list and to read them in the tasks of SLOTS slots."""
    started = time.perf_counter()
    images = list_images((source,), storage=storage).placed
    listed = time.perf_counter()
    tasks = cut(in_reading_order(images), SLOTS)

    def read(task: pa.Table) -> int:
        return sum(len(data) for data in fetch(task, storage) if isinstance(data, bytes))

    with ThreadPoolExecutor(2) as pool:
        n_bytes = sum(pool.map(read, tasks))
    return images.num_rows, n_bytes, listed - started, time.perf_counter() - listed


def row(name: str, found: tuple[int, int, float, float], requests: dict[str, int] | None) -> None:
    n, n_bytes, listing, reading = found
    asked = ", ".join(f"{count:,} {kind}" for kind, count in sorted((requests or {}).items()))
    print(
        f"| {name} | {n:,} | {n_bytes / 1e6:,.0f} MB | {listing:.1f} | {reading:.1f} "
        f"| {asked or '–'} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--million", action="store_true", help="a million in shards")
    options = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_REGION="us-east-1")
    print("| images | n | read | list, s | read, s | requests |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        files, shards = Path(scratch) / "files", Path(scratch) / "shards"
        n = 17_300 if options.million else options.images  # a shard's worth
        write(files, n)
        started = time.perf_counter()
        config = orchard.PackConfig(sources=(str(files),), output=str(shards))
        done = orchard.pack(config, Reporter(quiet=True))
        packing = time.perf_counter() - started
        if options.million:
            with serve(shards, repeat=58) as (endpoint, requests):
                storage = Storage(endpoint, "us-east-1")
                found = measured(f"s3://{BUCKET}", storage)
                row("58 shards in a bucket", found, requests())
            return
        row("files", measured(str(files), Storage()), None)
        row("shards", measured(str(shards), Storage()), None)
        for name, folder in (("files in a bucket", files), ("shards in a bucket", shards)):
            with serve(folder) as (endpoint, requests):
                row(name, measured(f"s3://{BUCKET}", Storage(endpoint, "us-east-1")), requests())
        print(f"\npacked into {done.n_shards} shards in {packing:.1f} s")


if __name__ == "__main__":
    main()
