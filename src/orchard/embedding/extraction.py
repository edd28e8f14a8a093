"""One task's work, whatever engine runs it: listed images in, feature rows and error rows out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.embedding.pictures import Pictures, plain_of, views_of
from orchard.images import kept_columns
from orchard.images.apart import decoder_of_thread
from orchard.images.containers.places import as_read
from orchard.images.decode import Pixels
from orchard.images.fetched import Fetched, as_answered
from orchard.images.reading import Reading
from orchard.images.source import fetch
from orchard.model import Embedder, Model
from orchard.records import (
    ERRORS,
    FEATURES,
    LISTING,
    QUALITY,
    Failure,
    Found,
    list_column,
    with_kept,
)

BATCH_SIZE = 8  # small batches keep MobileNetV2's activations in a core's cache
BATCH_BYTES = 32 * 1024 * 1024  # of files: large photos are decoded one or a few at a time

Fetch = Callable[[pa.Table], Iterator["bytes | Failure"]]


@dataclass(frozen=True, slots=True)
class Extraction:
    """features, errors: rows of those tables, in the order of the images given; together as many.

    thumbnails: of some of them. seconds: wall time by what it was spent on: "read", "decode" (with
    resize), "network", "pictures" (thumbnails and figures of quality).
    """

    features: pa.Table
    errors: pa.Table
    thumbnails: pa.Table
    seconds: dict[str, float]


@dataclass(slots=True)
class _Columns:
    """Rows under construction: which of the images they are, and the columns beyond LISTING."""

    indices: list[int] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)


def extract(
    images: pa.Table,
    embedder: Embedder,
    *,
    fingerprint: str,
    run_id: str,
    fetch: Fetch = fetch,
    reading: Reading | None = None,
    pictured: float | None = None,
) -> Extraction:
    """Read, decode and embed the images of a LISTING table, each once.

    reading: how images are read. pictured: the share of images that get a thumbnail; None where no
    pixel is kept. Memory: the files of a batch, BATCH_SIZE resized pictures and the
    rows; a decoded photo is in the decoder's process. Whatever goes wrong with an image becomes its
    error row.
    """
    model, reading = embedder.model, reading or Reading()
    vectors = np.empty((images.num_rows, model.dim), np.float32)
    seconds = {"read": 0.0, "decode": 0.0, "network": 0.0, "pictures": 0.0}
    good, bad, pictures = _Columns(), _Columns(), Pictures(pictured)
    paths = images["path"].to_pylist()
    answers: dict[int, Found] = {}
    sizes: list[int | None] = []
    start = 0
    for batch in _batches(_measured(fetch(images), sizes), seconds):
        views: list[NDArray[np.uint8]] = []
        for index, (found, digest) in enumerate(_decoded(batch, model, reading, seconds), start):
            if isinstance(found, Failure):
                bad.indices.append(index)
                bad.values.append((found.reason.value, found.detail))
                with _timed(seconds, "pictures"):
                    pictures.add_failed(paths[index], batch[index - start], found)
                continue
            shown = found.views
            with _timed(seconds, "pictures"):
                quality = pictures.add(paths[index], digest, plain_of(shown, model.shown))
            good.indices.append(index)
            good.values.append((digest, found.width, found.height, *quality))
            views.append(shown[: len(model.shown)])
        answers |= {n: d.found for n, d in enumerate(batch, start) if isinstance(d, Fetched)}
        if views:
            with _timed(seconds, "network"):
                stop = len(good.indices)
                vectors[stop - len(views) : stop] = embedder.mean(np.stack(views))
        start += len(batch)
    images = as_answered(as_read(images, sizes), answers)
    features = _feature_rows(images, good, vectors[: len(good.indices)], fingerprint, run_id)
    errors = _error_rows(images, bad, run_id)
    return Extraction(features, errors, pictures.rows(run_id), seconds)


def listing_errors(failures: Iterable[tuple[str, Failure]], run_id: str) -> pa.Table:
    """Rows of the errors table for what could not even be listed."""
    rows = [
        {"path": path, "reason": failure.reason.value, "detail": failure.detail, "run_id": run_id}
        for path, failure in failures
    ]
    return pa.Table.from_pylist(rows, schema=ERRORS)


def _measured(
    contents: Iterator[bytes | Failure], sizes: list[int | None]
) -> Iterator[bytes | Failure]:
    for found in contents:
        sizes.append(len(found) if isinstance(found, bytes) else None)
        yield found


def _batches(
    contents: Iterator[bytes | Failure], seconds: dict[str, float]
) -> Iterator[list[bytes | Failure]]:
    """BATCH_SIZE images at most, fewer of large ones."""
    is_over = False
    while not is_over:
        batch: list[bytes | Failure] = []
        n_bytes = 0
        with _timed(seconds, "read"):
            while len(batch) < BATCH_SIZE and n_bytes < BATCH_BYTES:
                data = next(contents, None)
                if data is None:
                    is_over = True
                    break
                batch.append(data)
                n_bytes += len(data) if isinstance(data, bytes) else 0
        if batch:
            yield batch


def _decoded(
    batch: list[bytes | Failure], model: Model, reading: Reading, seconds: dict[str, float]
) -> Iterator[tuple[Pixels | Failure, str]]:
    """What each image has become, and its SHA-256."""
    read = [data for data in batch if not isinstance(data, Failure)]
    with _timed(seconds, "decode"):
        views = views_of(model.shown)
        found = iter(
            decoder_of_thread().decode(
                read,
                model.size,
                max_pixels=reading.max_pixels,
                scaled=reading.scaled,
                views=views,
                colour=reading.colour,
                damaged=reading.damaged,
            )
        )
        digests = iter([hashlib.sha256(data).hexdigest() for data in read])
    for data in batch:
        yield (data, "") if isinstance(data, Failure) else (next(found), next(digests))


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - started


def _feature_rows(
    images: pa.Table, rows: _Columns, vectors: NDArray[np.float32], fingerprint: str, run_id: str
) -> pa.Table:
    listed = images.take(pa.array(rows.indices, pa.int64()))
    n = len(rows.indices)
    sha256, width, height, *quality = zip(*rows.values, strict=True) if n else ((),) * 6
    columns = {name: listed[name] for name in LISTING.names} | {
        "sha256": pa.array(sha256, pa.string()),
        "width": pa.array(width, pa.int32()),
        "height": pa.array(height, pa.int32()),
        **{
            name: pa.array(values, pa.float32())
            for name, values in zip(QUALITY, quality, strict=True)
        },
        "features": list_column(vectors, FEATURES.field("features").type),
        "fingerprint": pa.array([fingerprint] * n, pa.string()),
        "run_id": pa.array([run_id] * n, pa.string()),
    }
    return _with_kept(columns, listed, FEATURES)


def _error_rows(images: pa.Table, rows: _Columns, run_id: str) -> pa.Table:
    listed = images.take(pa.array(rows.indices, pa.int64()))
    n = len(rows.indices)
    reason, detail = zip(*rows.values, strict=True) if n else ((), ())
    columns = {name: listed[name] for name in LISTING.names} | {
        "reason": pa.array(reason, pa.string()),
        "detail": pa.array(detail, pa.string()),
        "run_id": pa.array([run_id] * n, pa.string()),
    }
    return _with_kept(columns, listed, ERRORS)


def _with_kept(columns: dict[str, pa.Array], listed: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table of the columns, and of those that a manifest gave of the listed images."""
    kept = {name: listed[name] for name in kept_columns.carried(listed)}
    return pa.table(columns | kept, schema=with_kept(schema, kept))
