"""Int8 against float32: speed on one core, drift, accuracy on phone photos.

    python benchmarks/precision.py TURNTABLE PHONE --weights imagenet
    python benchmarks/precision.py TURNTABLE PHONE --weights fruit --count 2000

Speed: images a second of one thread, the precisions in turn, medians of rounds; no JPEG is decoded.
Seconds are of this thread's CPU time, so that another process beside it matters less. Drift: cosine
distance to the features in float32, of photos that the ranges in the package are not from.
Accuracy: of a logistic regression on all phone photos in each precision, and trained on float32 and
asked in int8; by scene, and on held-out photos (`val-`), as in `accuracy.py`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from accuracy import by_scene, linear, reduced, scenes
from ranges import COUNT, by_hash, pictures

from orchard.errors import ConfigError
from orchard.model import Embedder, load_model
from orchard.model.onnx_model import INT8, Model
from orchard.model.ranges import known_ranges
from orchard.pipeline.networks import Drift
from orchard.reduction import Moments, fit

PRECISIONS = ("float32", "int8", "int8-openvino", "bfloat16")


def opened(model: Model, name: str) -> dict[str, Embedder]:
    """Of each precision that this machine has."""
    found: dict[str, Embedder] = {}
    for precision in PRECISIONS:
        try:
            made = model.in_int8(known_ranges(name), precision) if precision in INT8 else model
            found[precision] = Embedder(made.at(precision))
        except ConfigError as error:
            print(f"{precision} is left out: {error}")
    return found


def speed(embedders: dict[str, Embedder], images: np.ndarray, rounds: int) -> None:
    rates: dict[str, list[float]] = {precision: [] for precision in embedders}
    for _ in range(rounds):
        for precision, embedder in embedders.items():
            embedder(images[:2])
            started = time.process_time()
            embedder(images)
            rates[precision].append(len(images) / (time.process_time() - started))
    print("\n| precision | images/s | of float32 |\n|---|---|---|")
    for precision, found in rates.items():
        ratios = [a / b for a, b in zip(found, rates["float32"], strict=True)]
        print(
            f"| {precision} | {statistics.median(found):.0f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


def drift(embedders: dict[str, Embedder], photos: dict[str, np.ndarray]) -> None:
    print("\n| photos | precision | n | median | p99 |\n|---|---|---|---|---|")
    for kind, images in photos.items():
        exact = embedders["float32"](images)
        for precision, embedder in embedders.items():
            if precision != "float32":
                found = Drift.between(exact, embedder(images))
                print(
                    f"| {kind} | {precision} | {found.n_images} | {found.median:.4f} | "
                    f"{found.p99:.4f} |"
                )


def accuracy(embedders: dict[str, Embedder], folder: Path) -> None:
    paths = sorted(folder.rglob("*.jpg"))
    size = embedders["float32"].model.size
    images = np.stack(list(pictures(paths, size)))
    _, y = np.unique([path.parent.name for path in paths], return_inverse=True)
    held = np.array([path.name.startswith("val-") for path in paths])
    x = {precision: embedders[precision](images) for precision in ("float32", "int8")}
    folds = scenes(x["float32"][~held], y[~held])
    learn = linear("logistic", 0.1)
    print("\n| trained on | asked in | by scene | held out |\n|---|---|---|---|")
    for trained, asked in (("float32", "float32"), ("int8", "int8"), ("float32", "int8")):
        both = np.concatenate([x[trained], x[asked]])
        train = np.r_[~held, np.zeros(len(held), bool)]
        u = reduced(both, train, 0.95)
        u_trained, u_asked = u[: len(held)], u[len(held) :]
        by_fold = "–"
        if trained == asked:
            found = by_scene(learn, u_trained[~held], y[~held], folds)
            by_fold = f"{(found.argmax(axis=1) == y[~held]).mean():.3f}"
        logits = learn(u_trained[~held], y[~held], u_asked[held])
        right = (logits.argmax(axis=1) == y[held]).mean()
        print(f"| {trained} | {asked} | {by_fold} | {right:.3f} |", flush=True)


def variance(embedders: dict[str, Embedder], images: np.ndarray) -> None:
    """Components at 90 and 95 % of the variance, and its cumulative share by number of them."""
    shown = (1, 13, 25, 37, 49, 61, 73, 85)
    print(f"\n{len(images):,} turntable photos, standardised")
    print(f"| precision | k at 90 % | at 95 % | {' | '.join(map(str, shown))} |")
    print("|---|" + "---|" * (len(shown) + 2))
    for precision in ("float32", "int8"):
        pca = fit(Moments.of(embedders[precision](images)), 0.95, standardize=True)
        cumulative = np.cumsum(pca.explained_variance_ratio)
        ks = [int(np.searchsorted(cumulative, share) + 1) for share in (0.9, 0.95)]
        shares = " | ".join(f"{cumulative[k - 1]:.4f}" for k in shown)
        print(f"| {precision} | {ks[0]} | {ks[1]} | {shares} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("turntable", type=Path)
    parser.add_argument("phone", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--ranges", choices=("imagenet", "fruit"), help="of a network by path")
    parser.add_argument("--count", type=int, default=300, help="photos of each kind for drift")
    parser.add_argument("--variance", type=int, metavar="N", help="photos for the variance")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-accuracy", action="store_true")
    arguments = parser.parse_args()
    name = arguments.ranges or arguments.weights
    model = load_model(arguments.weights, 96 if name == "fruit" else None)
    embedders = opened(model, name)
    photos = {
        kind: np.stack(list(pictures(by_hash(folder)[COUNT:][: arguments.count], model.size)))
        for kind, folder in (("turntable", arguments.turntable), ("phone", arguments.phone))
    }
    speed(embedders, photos["phone"][:100], arguments.rounds)
    drift(embedders, photos)
    if arguments.variance:
        paths = by_hash(arguments.turntable)[COUNT:][: arguments.variance]
        variance(embedders, np.stack(list(pictures(paths, model.size))))
    if not arguments.no_accuracy:
        accuracy(embedders, arguments.phone)


if __name__ == "__main__":
    main()
