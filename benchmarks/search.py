"""Milliseconds of one exact search, by rows: `python benchmarks/search.py [ROWS...]`

Random vectors of 100 components; a search gives the 12 nearest of 100,000 unless told otherwise.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import pyarrow as pa

from orchard.records import list_column
from orchard.result.neighbours import Searcher
from orchard.store.output import Output

N_COMPONENTS, K, ROUNDS = 100, 12, 20


def main(sizes: list[int]) -> None:
    print("| rows | search, ms | least to most |\n|---|---|---|")
    for n in sizes:
        vectors = np.random.default_rng(0).standard_normal((n, N_COMPONENTS), np.float32)
        columns = {
            "path": [f"/{row}.jpg" for row in range(n)],
            "label": pa.nulls(n, pa.string()),
            "components": list_column(vectors, pa.list_(pa.float32())),
        }
        searcher = Searcher(Output.at("result"), {}, None, pa.table(columns))  # type: ignore[arg-type]
        times = []
        for row in range(ROUNDS):
            started = time.perf_counter()
            searcher.like(f"/{row}.jpg", K)
            times.append((time.perf_counter() - started) * 1000)
        print(f"| {n:,} | {statistics.median(times):.1f} | {min(times):.1f} to {max(times):.1f} |")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [100_000])
