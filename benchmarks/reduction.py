"""Streamed moments and PCA against NumPy's own product and `eigh` on one array in memory.

    python benchmarks/reduction.py
    python benchmarks/reduction.py --threads 1      as in a Spark worker

Both start from the same float32 features and end at eigenvalues and eigenvectors, in turn, several
rounds. Orchard takes blocks as the Spark stage does, in float64, merges the moments of the
partitions, standardises and fits. NumPy converts and centres the whole array, which takes n d 8
bytes, multiplies it once and knows nothing of standardising. The ratio is what streaming costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from orchard.reduction import Moments, fit, merge, update
from orchard.spark.passes import ROWS_AT_ONCE

Features = NDArray[np.float32]
Times = tuple[float, float]


def in_memory(features: Features) -> Times:
    """Seconds for (the scatter, its decomposition)."""
    started = time.perf_counter()
    samples = features.astype(np.float64)
    samples -= samples.mean(axis=0)
    scatter = samples.T @ samples
    multiplied = time.perf_counter()
    np.linalg.eigh(scatter / (len(samples) - 1))
    return multiplied - started, time.perf_counter() - multiplied


def streamed(features: Features, block: int, partitions: int) -> Times:
    """Seconds for (the moments, the PCA)."""
    started = time.perf_counter()
    parts = [stream(part, block) for part in np.array_split(features, partitions)]
    moments = reduce(merge, parts)
    summed = time.perf_counter()
    fit(moments, 0.95)
    return summed - started, time.perf_counter() - summed


def stream(features: Features, block: int) -> Moments:
    blocks = (features[start : start + block] for start in range(0, len(features), block))
    return reduce(update, blocks, Moments.empty(features.shape[1]))


def alternate(rounds: int, *runs: Callable[[], Times]) -> NDArray[np.float64]:
    """Times of each run in each round, (rounds, runs, 2), after a round that is not counted."""
    times = [[run() for run in runs] for _ in range(rounds + 1)]
    return np.array(times[1:])


def summary(values: NDArray[np.float64]) -> str:
    median = statistics.median(values.tolist())
    return f"{median:6.3f} (from {values.min():.3f} to {values.max():.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=20_000, help="n (default 20000)")
    parser.add_argument("--features", type=int, default=1280, help="d (default 1280)")
    parser.add_argument(
        "--block", type=int, default=ROWS_AT_ONCE, help="rows at once (default: as in Spark)"
    )
    parser.add_argument("--partitions", type=int, default=2, help="merged at the end (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default 5)")
    parser.add_argument("--threads", type=int, help="of the BLAS (default: its own choice)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    features = rng.standard_normal((args.samples, args.features), np.float32).clip(0, 6)
    print(f"{args.samples} x {args.features}, {args.partitions} partitions, blocks of {args.block}")
    with threadpool_limits(args.threads) if args.threads else nullcontext():
        times = alternate(
            args.rounds,
            lambda: in_memory(features),
            lambda: streamed(features, args.block, args.partitions),
        )
    for name, rows in zip(("NumPy", "Orchard"), np.moveaxis(times, 1, 0), strict=True):
        print(f"{name:8} moments {summary(rows[:, 0])} s, eigenvectors {summary(rows[:, 1])} s")
    total = times.sum(axis=2)
    print(f"Orchard / NumPy, each round by itself: {summary(total[:, 1] / total[:, 0])}")


if __name__ == "__main__":
    main()
