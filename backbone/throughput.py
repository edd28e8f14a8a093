"""Images a second of training steps on this machine, drawing included: by size, precision, workers.

    python backbone/throughput.py --fruit DIR --scenes DIR

No teacher: its head costs nothing beside the network. Nothing is kept.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch
from backbone.batches import Batches, Classes, loader
from backbone.compose import Composer
from backbone.network import Student
from backbone.options import add_data, photos_of
from backbone.schedule import Clock
from backbone.trainer import Settings, Trainer

WARM = 2  # steps before the clock starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 80, 96])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    photos = photos_of(arguments)
    classes = Classes.of(photos)
    batches = Batches(Composer(photos), classes, None, arguments.batch, 0.0, arguments.seed)
    for precision, workers, side in itertools.product(
        arguments.precisions, arguments.workers, arguments.sides
    ):
        rate = measure(batches, classes, side, Settings(precision=precision), workers, arguments)
        print(f"{precision}, {workers} workers, {side} pixels: {rate:.0f} images/s", flush=True)


def measure(
    batches: Batches,
    classes: Classes,
    side: int,
    settings: Settings,
    workers: int,
    arguments: argparse.Namespace,
) -> float:
    heads = {name: len(names) for name, names in asdict(classes).items()}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(Student(heads), None, settings, Path(folder))
        clock = Clock(steps=1_000_000, hours=None)
        source = loader(batches, 0, lambda _: side, workers)
        for step in range(WARM + arguments.steps):
            if step == WARM:
                began = time.perf_counter()
            trainer.step(next(source), clock, arguments.seed)
        return arguments.batch * arguments.steps / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
