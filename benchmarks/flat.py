"""Planning a million objects, embedding a hundred thousand images, and large photos: is it flat?

    python benchmarks/flat.py [planning] [embedding] [photos]

Prints Markdown, for docs/results.md. Every measured step runs in a process of its own, so that its
peak memory is its own. Needs some 3 GB of temporary disk, and rclone for photos from a bucket.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import synthetic_bucket
from PIL import Image

from orchard import RunConfig
from orchard.images.source import Selection, list_images
from orchard.machine import peak_memory
from orchard.pipeline.planning import KEY, cut, find_gone, make_plan
from orchard.records import ERRORS, FEATURES, GONE
from orchard.samples.turntable import write_sample
from orchard.store.output import Output
from orchard.store.tables import Tables

LISTED = (100_000, 1_000_000)
EMBEDDED = (10_000, 100_000)
SIDE = 32  # pixels of the small images and of the network
PHOTOS = {12: (4000, 3000), 24: (6000, 4000), 50: (8160, 6120)}  # megapixels
PHOTOS_EACH = 12
MIB = 2**20
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}

R = TypeVar("R")


def in_a_process(work: Callable[..., R], *arguments: Any) -> R:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def plan(endpoint: str, n_slots: int) -> dict[str, Any]:
    """List and plan a bucket that OUTPUT knows nothing of, then one it holds all of."""
    os.environ.update(KEYS)
    seconds: dict[str, float] = {}
    config = RunConfig(
        sources=("s3://fruits/photos",), output="/nowhere", endpoint_url=endpoint, region="any"
    )
    nothing = ERRORS.empty_table().select([*KEY, "reason"])
    with timed(seconds, "list"):
        listing = list_images(config.sources, Selection.of(config), config.storage)
    with timed(seconds, "plan, all new"):
        made = make_plan(listing, FEATURES.empty_table().select(KEY), nothing)
        tasks = cut(made.images, n_slots)
    n_bytes, jvm = hand_out(tasks, seconds)
    features = listing.images.select(KEY)
    with timed(seconds, "plan, all known"):
        again = make_plan(listing, features, nothing)
        again = find_gone(again, listing, features, GONE.empty_table(), config)
    assert made.images.num_rows == again.n_present == listing.n_listed
    return {
        "n": listing.n_listed,
        "tasks": len(tasks),
        "task_bytes": n_bytes,
        "seconds": seconds,
        "peak": peak_memory(os.getpid()),
        "jvm_peak": jvm,
    }


def hand_out(tasks: list[Any], seconds: dict[str, float]) -> tuple[int, int | None]:
    """Send every task to a Spark worker that only counts its images.

    The bytes that travelled, and the JVM's peak memory.
    """
    from orchard.spark.hands import hands_of
    from orchard.spark.passes import pack, unpack
    from orchard.spark.session import jvm_pid, start_spark

    spark = start_spark("local[2]")
    try:
        with timed(seconds, "hand out to Spark"):
            packed = [pack(images) for images in tasks]
            n_images = hands_of(spark).job(lambda task: len(unpack(task)), packed).run()
        assert sum(n_images) == sum(map(len, tasks))
        return sum(map(len, packed)), peak_memory(jvm_pid(spark))
    finally:
        spark.stop()


def planning() -> str:
    rows = []
    for n in LISTED:
        with synthetic_bucket.serve(n) as endpoint:
            found = in_a_process(plan, endpoint, 64)
        seconds = " | ".join(f"{value:.1f}" for value in found["seconds"].values())
        rows.append(
            f"| {found['n']:,} | {seconds} | {found['tasks']} | {found['task_bytes'] / 1e6:.0f} MB "
            f"| {found['peak'] / MIB:,.0f} MiB | {found['jvm_peak'] / MIB:,.0f} MiB |"
        )
    names = " | ".join(f"{name}, s" for name in found["seconds"])
    return "\n".join(
        [
            "### Planning",
            "",
            "Objects of a synthetic bucket in 200 folders, listed over HTTP from a server on the "
            "same machine, which shares its cores. All new: none is in OUTPUT; all known: every "
            "one is. Handing out sends each task to a worker, which unpacks it and counts.",
            "",
            f"| objects | {names} | tasks | their size | peak, Python | peak, JVM |",
            "|" + "---|" * (len(found["seconds"]) + 5),
            *rows,
        ]
    )


def orchard_run(source: str, output: Path, *options: str) -> dict[str, Any]:
    """`orchard run` as a user starts it; its record."""
    program = Path(sysconfig.get_path("scripts")) / "orchard"
    command = [str(program), "run", source, str(output), "--weights", "fruit", *options]
    done = subprocess.run(command, env={**os.environ, **KEYS}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    (record,) = (output / "runs").glob("*.json")
    return dict(json.loads(record.read_text(encoding="utf-8")))


def file_sizes(output: Path, table: str) -> str:
    sizes = [file.n_bytes for file in Tables(Output.at(output))[table].files if file.n_rows]
    return f"{len(sizes)} of {min(sizes) / 1e6:.1f} to {max(sizes) / 1e6:.1f} MB"


def embedding(scratch: Path) -> str:
    lines = [
        "### Embedding",
        "",
        f"Rendered fruit of {SIDE} × {SIDE} pixels, the embedded network at its smallest input; "
        f"{len(os.sched_getaffinity(0))} slots. The time of an image is that of a slot: reading, "
        "decoding, network and writing, without the start of Spark.",
        "",
        "| images | embed, s | ms an image | peak, worker | peak, driver's Python | peak, JVM | "
        "files of features | files of components |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n in EMBEDDED:
        source, output = scratch / f"images{n}", scratch / f"out{n}"
        write_sample(source, n, size=SIDE, processes=os.cpu_count() or 1)
        record = orchard_run(str(source), output, "--size", str(SIDE), "--components", "50")
        embed, driver = record["embedding"], record["driver"]
        each = sum(embed["worker_seconds"].values()) / n * 1000
        lines.append(
            f"| {n:,} | {record['seconds']['embed']:.0f} | {each:.2f} "
            f"| {embed['worker_peak_memory'] / MIB:,.0f} MiB "
            f"| {driver['peak_memory'] / MIB:,.0f} MiB | {driver['jvm_peak_memory'] / MIB:,.0f} MiB"
            f" | {file_sizes(output, 'features')} | {file_sizes(output, 'components')} |"
        )
    return "\n".join(lines)


def photos(scratch: Path) -> str:
    lines = [
        "### Large photos",
        "",
        f"{PHOTOS_EACH} JPEGs of each size, quality 92, 224 × 224 for the network.",
        "",
        "| megapixels | MB a file, median | peak of a slot, from a disk | from a bucket |",
        "|---|---|---|---|",
    ]
    for megapixels, size in PHOTOS.items():
        bucket = scratch / f"buckets{megapixels}" / "fruits"
        bucket.mkdir(parents=True)
        in_a_process(write_photos, bucket, size)
        n_bytes = median(path.stat().st_size for path in bucket.iterdir())
        options = ("--size", "224", "--components", "3")
        peaks = [orchard_run(str(bucket), scratch / f"disk{megapixels}", *options)]
        with serve_s3(bucket.parent) as endpoint:
            remote = ("--endpoint-url", endpoint)
            output = scratch / f"bucket{megapixels}"
            peaks.append(orchard_run("s3://fruits", output, *options, *remote))
        shown = " | ".join(f"{r['embedding']['worker_peak_memory'] / MIB:,.0f} MiB" for r in peaks)
        lines.append(f"| {megapixels} | {n_bytes / 1e6:.0f} | {shown} |")
    return "\n".join(lines)


def write_photos(folder: Path, size: tuple[int, int]) -> None:
    """Blurred colours under grain, which compresses about as a photo does."""
    rng = np.random.default_rng(5)
    for number in range(PHOTOS_EACH):
        colours = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        grain = Image.fromarray(rng.integers(96, 160, (3000, 4000, 3), np.uint8)).resize(size)
        Image.blend(colours.resize(size), grain, 0.3).save(folder / f"{number}.jpg", quality=92)


@contextmanager
def serve_s3(folder: Path) -> Iterator[str]:
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    address = f"127.0.0.1:{synthetic_bucket.free_port()}"
    command = [str(program), "serve", "s3", str(folder), "--addr", address]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        next(line for line in process.stderr if "Starting s3 server" in line)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    parts: dict[str, Callable[[Path], str]] = {
        "planning": lambda scratch: planning(),
        "embedding": embedding,
        "photos": photos,
    }
    chosen = sys.argv[1:] or list(parts)
    if set(chosen) - set(parts):
        sys.exit(__doc__)
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            print(parts[name](Path(scratch)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
