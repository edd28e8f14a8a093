"""Both ways to hand out tasks, side by side on one classic Spark: an RDD, and `mapInArrow`.

    python benchmarks/hands.py PHOTOS [ROUNDS]

Needs PySpark 4 and pandas. See docs/adr/0037-two-hands-one-interface.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orchard
from orchard.progress import Reporter
from orchard.spark import hands
from orchard.spark.classic import ClassicHands
from orchard.spark.connect import ConnectHands

TASKS = 128


class FrameHands(ConnectHands):
    """`mapInArrow` where there is a SparkContext: nothing has to be sent but the network."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, data: bytes) -> Any:
        return self._session.sparkContext.broadcast(data)


def main(photos: str, rounds: int) -> None:
    spark = orchard.start_spark("local[2]")
    for _ in range(rounds):
        for kind in (ClassicHands, FrameHands):
            started = time.perf_counter()
            embedded = whole_run(kind, photos)
            seconds = time.perf_counter() - started
            print(
                f"{kind.__name__}: {embedded} images in {seconds:.1f} s, "
                f"{empty_task(kind(spark)):.1f} ms per empty task"
            )
    spark.stop()


def whole_run(kind: Any, photos: str) -> int:
    hands.hands_of = kind
    with tempfile.TemporaryDirectory() as folder:
        config = orchard.RunConfig(
            sources=(photos,), output=str(Path(folder) / "out"), weights="fruit", report=False
        )
        return int(orchard.run(config, Reporter(quiet=True)).record["counts"]["embedded"])


def empty_task(hand: hands.Hands) -> float:
    started = time.perf_counter()
    hand.job(len, [b""] * TASKS).run()
    return (time.perf_counter() - started) / TASKS * 1000


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
