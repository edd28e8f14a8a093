"""The report's map against openTSNE's: as good on the same components, and how much faster?

    pip install openTSNE==1.0.4
    python benchmarks/report_map.py RESULT [--images 6000] [--rounds 3]

RESULT is a result with labels. Both place the same images, in turn: `openTSNE` as reports did
before (perplexity 30, 150 and 350 iterations, neighbours by scikit-learn), `ours` as they do now.
Labels: the share of the 10 nearest on the map that carry the point's label. Recall: the share of
the 10 nearest in component space that are among them. Trustworthiness: Venna and Kaski (2001) for
10 neighbours, over 2,000 of the points. Then `orchard report` as a whole, in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchard.report import embedding_2d, neighbours
from orchard.report.points import Images, components_of
from orchard.store.output import Output
from orchard.store.tables import Tables

K = 10
TRUSTED = 2000
# What wait4 tells of a child: the memory that its process had at most.
REPORT = ("-m", "orchard", "report")

Floats = NDArray[np.float32]


@dataclass
class Timed:
    """Seconds of each round: by the clock, and of all cores together."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    xy: Floats | None = None

    def round(self, place: Callable[[Floats], Floats], components: Floats) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.xy = place(components)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def ours(components: Floats) -> Floats:
    n = embedding_2d.n_neighbours(len(components))
    return embedding_2d.embed(components, neighbours.nearest(components, n)).xy


def opentsne(components: Floats) -> Floats:
    import openTSNE
    from sklearn.neighbors import NearestNeighbors

    n = len(components)
    k = min(90, n - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(components)
    distances, indices = search.kneighbors()
    graph = openTSNE.nearest_neighbors.PrecomputedNeighbors(indices, distances.astype(np.float64))
    affinities = openTSNE.affinity.PerplexityBasedNN(
        perplexity=min(30, (n - 1) / 3), knn_index=graph, n_jobs=-1, random_state=0
    )
    start = openTSNE.initialization.rescale(components[:, :2].astype(np.float64))
    start = openTSNE.initialization.jitter(start, random_state=0)
    placed = openTSNE.TSNE(early_exaggeration_iter=150, n_iter=350, n_jobs=-1, random_state=0).fit(
        affinities=affinities, initialization=start
    )
    return np.asarray(placed, np.float32)


def agreement(near: NDArray[np.int64], codes: NDArray[np.int32]) -> float:
    return float((codes[near] == codes[:, None]).mean())


def recall(near: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    return float((near[:, :, None] == truth[:, None, :]).any(axis=2).mean())


def trustworthiness(near: NDArray[np.int64], components: Floats) -> float:
    """1 less the ranks by which the map's neighbours miss being the nearest, over their most."""
    n = len(components)
    rows = np.random.default_rng(0).choice(n, min(TRUSTED, n), replace=False)
    missed = 0.0
    for row in rows:
        squared = ((components - components[row]) ** 2).sum(axis=1)
        squared[row] = -1
        rank = (squared[None, :] < squared[near[row]][:, None]).sum(axis=1)
        missed += float(np.maximum(0, rank - K).sum())
    return 1 - 2 / (len(rows) * K * (2 * n - 3 * K - 1)) * missed


def report_alone(result: str) -> tuple[float, float, float]:
    """Seconds by the clock and of all cores, and MiB at most, of `orchard report`."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, *REPORT, result], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, status
    seconds = time.perf_counter() - started
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result")
    parser.add_argument("--images", type=int, help="of the result, spread over it; default: all")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    tables = Tables(Output.at(args.result))
    images = Images.read(tables)
    chosen = np.unique(np.linspace(0, len(images) - 1, args.images or len(images)).astype(int))
    components = components_of(tables, images.paths(chosen), neighbours.DIMENSIONS)
    codes, truth = images.codes[chosen], neighbours.nearest(components, K).indices
    ways = {"openTSNE": (opentsne, Timed()), "ours": (ours, Timed())}
    for _ in range(args.rounds):
        for place, timed in ways.values():
            timed.round(place, components)
    print(f"{len(codes):,} images, {len(np.unique(codes))} labels\n")
    print("| | labels | recall | trustworthiness | s | CPU s |\n|---|---|---|---|---|---|")
    for name, (_, timed) in ways.items():
        assert timed.xy is not None
        near = neighbours.nearest(timed.xy, K).indices
        seconds, cpu = statistics.median(timed.wall), statistics.median(timed.cpu)
        print(
            f"| {name} | {agreement(near, codes):.4f} | {recall(near, truth):.4f} "
            f"| {trustworthiness(near, components):.4f} | {seconds:.1f} | {cpu:.1f} |"
        )
    alone = [report_alone(args.result) for _ in range(args.rounds)]
    seconds, cpu, memory = (statistics.median(values) for values in zip(*alone, strict=True))
    print(f"\n`orchard report`: {seconds:.1f} s, {cpu:.1f} CPU s, at most {memory:,.0f} MiB")


if __name__ == "__main__":
    main()
