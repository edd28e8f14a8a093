"""The network of a run. In int8 it is made from ranges: those that OUTPUT was begun with, those of
the package, or ranges taken once from some of the source's images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.embedding.fingerprint import ranges_of
from orchard.images.apart import decoder_of_thread
from orchard.images.reading import Reading
from orchard.images.source import Listing, fetch
from orchard.model import Embedder, Model, Ranges, load_model
from orchard.model.calibration import calibrate
from orchard.model.onnx_model import INT8
from orchard.model.several import ranges_of as ranges_in_package
from orchard.pipeline.state import Run
from orchard.records import Failure
from orchard.store import models

N_IMAGES = 200  # that ranges are taken from; their choice depends on their paths alone
SPARE = 100  # asked for those of them that cannot be read
MUCH = 0.02  # cosine distance: what comes out may still serve, but is no longer the same features


@dataclass(frozen=True, slots=True)
class Drift:
    """Cosine distances of int8 features to float32 ones, over `n_images`."""

    n_images: int
    median: float
    p99: float

    @classmethod
    def between(cls, a: NDArray[np.float32], b: NDArray[np.float32]) -> Drift:
        x, y = (one.astype(np.float64) for one in (a, b))
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        found = 1 - np.divide((x * y).sum(axis=1), norms, out=np.zeros(len(x)), where=norms > 0)
        return cls(len(x), float(np.median(found)), float(np.quantile(found, 0.99)))


def load(run: Run, listing: Listing) -> Model:
    """Raises as `load_model`; ConfigError where int8 finds no image to take ranges from."""
    config = run.config
    if config.precision not in INT8:
        return load_model(config.weights, config.size, config.precision, config.view)
    model = load_model(config.weights, config.size, views=config.view)
    ranges = _stored(run, model)
    if ranges is None:
        ranges = ranges_in_package(config.weights)
    if ranges is not None:
        return model.in_int8(ranges, config.precision)
    images = list(_chosen(run, listing, model))
    ranges = calibrate(model, images, f"{len(images)} views of images of the source")
    made = model.in_int8(ranges, config.precision)
    _tell(run, model, made, np.stack(images))
    return made


def _stored(run: Run, model: Model) -> Ranges | None:
    """The ranges under which OUTPUT holds features of this network."""
    if run.config.replace:
        return None
    wanted = {
        "weights_sha256": model.weights_sha256,
        "size": model.sizes,
        "precision": run.config.precision,
        "views": ", ".join(model.views),
    }
    for path in run.output.paths("models/embedding"):
        card = models.load_embedding(run.output, path.rpartition("/")[2].removesuffix(".json"))
        fields = {"views": "plain"} | card["fields"]
        if wanted.items() <= fields.items():
            return ranges_of(card)
    return None


def _chosen(run: Run, listing: Listing, model: Model) -> Iterator[NDArray[np.uint8]]:
    """(size, size, 3) views of N_IMAGES images, by the hash of their paths."""
    paths = listing.images["path"].to_pylist()
    by_hash = sorted(range(len(paths)), key=lambda i: hashlib.sha256(paths[i].encode()).digest())
    reading = Reading.of(run.config)
    asked = listing.images.take(pa.array(by_hash[: N_IMAGES + SPARE], pa.int64()))
    n = 0
    for content in fetch(asked, run.output.storage):
        if n == N_IMAGES or isinstance(content, Failure):
            continue
        (found,) = decoder_of_thread().decode(
            [content], model.size, max_pixels=reading.max_pixels, scaled=reading.scaled,
            views=model.views, colour=reading.colour, damaged=reading.damaged,
        )  # fmt: skip
        if not isinstance(found, Failure):
            n += 1
            yield from found.views.copy()  # the next call overwrites them


def _tell(run: Run, model: Model, made: Model, images: NDArray[np.uint8]) -> None:
    """How far the features move, on the images that the ranges are from."""
    drift = Drift.between(Embedder(model)(images), Embedder(made)(images))
    run.log.record["int8"] = {"images": drift.n_images, "median": drift.median, "p99": drift.p99}
    said = (
        f"int8: ranges taken from {drift.n_images} images; cosine distance of their features to "
        f"float32: median {drift.median:.4f}, 99th percentile {drift.p99:.4f}"
    )
    if drift.median > MUCH:
        run.reporter.warn(f"{said}; that is much: compare results before you rely on it")
    else:
        run.reporter.say(said)
