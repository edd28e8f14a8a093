"""One task's work, whatever engine runs it: listed images in, feature rows and error rows out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.images.decode import Pixels, decode
from orchard.images.source import fetch
from orchard.model import Embedder, Model
from orchard.records import ERRORS, FEATURES, LISTING, Failure, list_column

BATCH_SIZE = 8  # small batches keep MobileNetV2's activations in a core's cache

Fetch = Callable[[pa.Table], Iterator["bytes | Failure"]]


@dataclass(frozen=True, slots=True)
class Extraction:
    """features, errors: rows of those tables, in the order of the images given; together as many.

    seconds: wall time by what it was spent on: "read", "decode" (with resize), "network".
    """

    features: pa.Table
    errors: pa.Table
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
    scaled: bool = False,
) -> Extraction:
    """Read, decode and embed the images of a LISTING table, each once.

    scaled: as `decode` has it. Memory: one decoded photo, BATCH_SIZE resized ones and the rows;
    whatever goes wrong with an image becomes its error row.
    """
    model = embedder.model
    vectors = np.empty((images.num_rows, model.dim), np.float32)
    pending = np.empty((BATCH_SIZE, len(model.views), model.size, model.size, 3), np.uint8)
    seconds = {"read": 0.0, "decode": 0.0, "network": 0.0}
    good, bad = _Columns(), _Columns()

    def flush(n_pending: int) -> None:
        started = time.perf_counter()
        stop = len(good.indices)
        vectors[stop - n_pending : stop] = embedder.mean(pending[:n_pending])
        seconds["network"] += time.perf_counter() - started

    n_pending = 0
    contents = fetch(images)
    for index in range(images.num_rows):
        pixels, digest = _load(contents, model, scaled, seconds)
        if isinstance(pixels, Failure):
            bad.indices.append(index)
            bad.values.append((pixels.reason.value, pixels.detail))
            continue
        good.indices.append(index)
        good.values.append((digest, pixels.width, pixels.height))
        pending[n_pending] = pixels.views
        n_pending += 1
        if n_pending == BATCH_SIZE:
            flush(n_pending)
            n_pending = 0
    if n_pending:
        flush(n_pending)
    features = _feature_rows(images, good, vectors[: len(good.indices)], fingerprint, run_id)
    return Extraction(features, _error_rows(images, bad, run_id), seconds)


def listing_errors(failures: Iterable[tuple[str, Failure]], run_id: str) -> pa.Table:
    """Rows of the errors table for what could not even be listed."""
    rows = [
        {"path": path, "reason": failure.reason.value, "detail": failure.detail, "run_id": run_id}
        for path, failure in failures
    ]
    return pa.Table.from_pylist(rows, schema=ERRORS)


def _load(
    contents: Iterator[bytes | Failure], model: Model, scaled: bool, seconds: dict[str, float]
) -> tuple[Pixels | Failure, str]:
    started = time.perf_counter()
    data = next(contents)
    fetched = time.perf_counter()
    seconds["read"] += fetched - started
    if isinstance(data, Failure):
        return data, ""
    pixels = decode(data, model.size, scaled=scaled, views=model.views)
    digest = hashlib.sha256(data).hexdigest()
    seconds["decode"] += time.perf_counter() - fetched
    return pixels, digest


def _feature_rows(
    images: pa.Table, rows: _Columns, vectors: NDArray[np.float32], fingerprint: str, run_id: str
) -> pa.Table:
    listed = images.take(pa.array(rows.indices, pa.int64()))
    n = len(rows.indices)
    sha256, width, height = zip(*rows.values, strict=True) if n else ((), (), ())
    columns = {name: listed[name] for name in LISTING.names} | {
        "sha256": pa.array(sha256, pa.string()),
        "width": pa.array(width, pa.int32()),
        "height": pa.array(height, pa.int32()),
        "features": list_column(vectors, FEATURES.field("features").type),
        "fingerprint": pa.array([fingerprint] * n, pa.string()),
        "run_id": pa.array([run_id] * n, pa.string()),
    }
    return pa.table(columns, schema=FEATURES)


def _error_rows(images: pa.Table, rows: _Columns, run_id: str) -> pa.Table:
    listed = images.take(pa.array(rows.indices, pa.int64()))
    n = len(rows.indices)
    reason, detail = zip(*rows.values, strict=True) if n else ((), ())
    columns = {name: listed[name] for name in LISTING.names} | {
        "reason": pa.array(reason, pa.string()),
        "detail": pa.array(detail, pa.string()),
        "run_id": pa.array([run_id] * n, pa.string()),
    }
    return pa.table(columns, schema=ERRORS)
