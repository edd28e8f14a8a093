"""Embedding by `orchard run` against the limit: bare loops, one process per core, same session.

    python benchmarks/embedding.py photos --weights imagenet

All take the same files, in turn, several rounds. The loop is what a person would write who wants
nothing but features, with the same decode and resize in front of the network: it starts when every
process has built its session, and writes no table. The network alone computes on one batch in
memory, over and over. Orchard's rate is that of its embed stage, which starts the worker processes,
builds the sessions and writes Parquet. The ratio to the loop is the share of the machine's speed
that reaches the user.
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
from typing import Literal, NamedTuple

import numpy as np

import orchard
from orchard.embedding.extraction import BATCH_SIZE
from orchard.images.decode import Pixels, decode
from orchard.images.source import Selection, list_images
from orchard.model import Embedder, load_model
from orchard.progress import Reporter
from orchard.samples.turntable import write_sample


class Network(NamedTuple):
    weights: str
    size: int
    precision: Literal["float32", "int8"]


def bare_loop(
    paths: list[str], network: Network, ready: Barrier, half: Barrier, over: Barrier
) -> None:
    size = network.size
    embedder = Embedder(load_model(*network))
    batch = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, size, size, 3), np.uint8)
    embedder(batch)
    ready.wait()
    for _ in range(n_calls(len(paths))):
        embedder(batch)
    half.wait()
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


def n_calls(n_images: int) -> int:
    """Of the network alone: a quarter of the images that the loop takes."""
    return max(1, n_images // (4 * BATCH_SIZE))


def bare_rates(paths: list[str], network: Network, slots: int) -> tuple[float, float]:
    """Images a second of the network alone, and of the loop, all slots together."""
    context = multiprocessing.get_context("spawn")
    barriers = [context.Barrier(slots + 1) for _ in range(3)]
    parts = [paths[k::slots] for k in range(slots)]
    processes = [
        context.Process(target=bare_loop, args=(part, network, *barriers)) for part in parts
    ]
    for process in processes:
        process.start()
    times = []
    for barrier in barriers:
        barrier.wait()
        times.append(time.perf_counter())
    for process in processes:
        process.join()
    ready, half, over = times
    n_alone = BATCH_SIZE * sum(n_calls(len(part)) for part in parts)
    return n_alone / (half - ready), len(paths) / (over - half)


def orchard_rate(sources: tuple[str, ...], network: Network, slots: int, limit: int) -> float:
    with tempfile.TemporaryDirectory() as output:
        config = orchard.RunConfig(
            sources=sources,
            output=output,
            weights=network.weights,
            size=network.size,
            precision=network.precision,
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
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
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
        ratios, of_network = [], []
        network = Network(args.weights, args.size, args.precision)
        print(f"{len(paths)} images, {args.slots} slots, {Path(args.weights).name} at {args.size}")
        for number in range(1, args.rounds + 1):
            alone, loop = bare_rates(paths, network, args.slots)
            ours = orchard_rate(sources, network, args.slots, args.limit)
            ratios.append(ours / loop)
            of_network.append(ours / alone)
            print(
                f"round {number}: network alone {alone:.1f} images/s, bare loop {loop:.1f}, "
                f"orchard {ours:.1f}, ratio to the loop {ratios[-1]:.3f}"
            )
    for title, found in (("the bare loop", ratios), ("the network alone", of_network)):
        print(
            f"embedding against {title}: median {statistics.median(found):.3f} "
            f"(from {min(found):.3f} to {max(found):.3f})"
        )


if __name__ == "__main__":
    main()
