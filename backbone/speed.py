"""Images a second of one core, of a network at its native size and of the baseline at 224.

Measured in turns on the package's own session, so that what else the machine does falls on both;
the medians are taken. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from orchard.model import Embedder, Model, load_model

IMAGES = 60  # a turn: a second or less of either network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a .onnx file")
    parser.add_argument("--against", default="imagenet", help="imagenet, or a .h5 file")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = compare(load_model(arguments.model), load_model(arguments.against), arguments.turns)
    print(json.dumps(found))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


def compare(ours: Model, theirs: Model, turns: int) -> dict[str, object]:
    """sha256 of the network measured, images/s of each, and their ratio."""
    networks = [(Embedder(model, threads=1), _pixels(model)) for model in (ours, theirs)]
    seconds: list[list[float]] = [[], []]
    for turn in range(turns + 1):
        for i, (embedder, pixels) in enumerate(networks):
            began = time.perf_counter()
            embedder(pixels)
            if turn:  # the first warms up
                seconds[i].append(time.perf_counter() - began)
    rates = [round(IMAGES / statistics.median(each), 1) for each in seconds]
    return {
        "sha256": ours.weights_sha256,
        "images_per_second": rates[0],
        "size": ours.size,
        "baseline_images_per_second": rates[1],
        "baseline_size": theirs.size,
        "ratio": round(rates[0] / rates[1], 2),
        "turns": turns,
    }


def _pixels(model: Model) -> np.ndarray:
    shape = (IMAGES, model.size, model.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


if __name__ == "__main__":
    main()
