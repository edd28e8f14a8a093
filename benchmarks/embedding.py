"""Embedding by `orchard run` against a bare loop: one process per core, same decode, same session.

    python benchmarks/embedding.py photos --weights imagenet

Both read the same files, in turn, several rounds. The loop is what a person would write who wants
nothing but features: it starts when every process has built its session, and writes no table.
Orchard's rate is that of its embed stage, which starts the worker processes, builds the sessions
and writes Parquet. The ratio is the share of the machine's speed that reaches the user.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

import orchard
from orchard.extraction import BATCH_SIZE
from orchard.images.decode import Pixels, decode
from orchard.images.sample import write_sample
from orchard.images.source import Selection, list_images
from orchard.model import Embedder, load_model
from orchard.progress import Reporter


def bare_loop(paths: list[str], weights: str, size: int, ready: Barrier, over: Barrier) -> None:
    embedder = Embedder(load_model(weights, size))
    batch = np.empty((BATCH_SIZE, size, size, 3), np.uint8)
    embedder(batch)
    ready.wait()
    filled = 0
    for path in paths:
        pixels = decode(Path(path).read_bytes(), size)
        if isinstance(pixels, Pixels):
            batch[filled] = pixels.array
            filled += 1
        if filled == BATCH_SIZE:
            embedder(batch)
            filled = 0
    if filled:
        embedder(batch[:filled])
    over.wait()


def loop_rate(paths: list[str], weights: str, size: int, slots: int) -> float:
    context = multiprocessing.get_context("spawn")
    ready, over = context.Barrier(slots + 1), context.Barrier(slots + 1)
    processes = [
        context.Process(target=bare_loop, args=(paths[k::slots], weights, size, ready, over))
        for k in range(slots)
    ]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    over.wait()
    rate = len(paths) / (time.perf_counter() - started)
    for process in processes:
        process.join()
    return rate


def orchard_rate(
    sources: tuple[str, ...], weights: str, size: int, slots: int, limit: int
) -> float:
    with tempfile.TemporaryDirectory() as output:
        config = orchard.RunConfig(
            sources=sources,
            output=output,
            weights=weights,
            size=size,
            limit=limit,
            master=f"local[{slots}]",
            report=False,
        )
        record = orchard.run(config, Reporter(quiet=True)).record
    return float(record["embedding"]["images_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="*", help="folders of images; default: rendered fruit")
    parser.add_argument("--weights", default="fruit")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--limit", type=int, default=12000, help="images (default 12000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as rendered:
        if not args.source:
            write_sample(Path(rendered), args.limit)
        sources = tuple(args.source or [rendered])
        listing = list_images(sources, Selection(limit=args.limit))
        paths = listing.images["path"].to_pylist()
        ratios = []
        print(f"{len(paths)} images, {args.slots} slots, {Path(args.weights).name} at {args.size}")
        for number in range(1, args.rounds + 1):
            loop = loop_rate(paths, args.weights, args.size, args.slots)
            ours = orchard_rate(sources, args.weights, args.size, args.slots, args.limit)
            ratios.append(ours / loop)
            print(
                f"round {number}: bare loop {loop:.1f} images/s, orchard {ours:.1f} images/s, "
                f"ratio {ratios[-1]:.3f}"
            )
    print(
        f"embedding against the bare loop: median {statistics.median(ratios):.3f} "
        f"(from {min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
