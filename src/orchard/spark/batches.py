"""What a worker does with a column: images to features, vectors to moments and projections.

The work is that of `orchard.embedding` and `orchard.reduction`; here it meets pandas and Arrow.
`orchard.spark.image_embedder` and `orchard.spark.standardized_pca` hand it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from orchard.embedding.extraction import extract
from orchard.errors import ReductionError, SourceError
from orchard.images.source import fetch
from orchard.model import Embedder
from orchard.records import LISTING, Failure, Reason, vectors_of
from orchard.reduction import PCA, Moments, update

PACKED = pa.schema([("n", pa.int64()), ("vectors", pa.binary())])


def embed(
    column: pd.Series[Any], embedder: Embedder, fingerprint: str, *, is_path: bool
) -> pd.DataFrame:
    """A column of images, as bytes or as paths, to columns features, reason, detail.

    Exactly one of features (float32, of the model's dim) and reason is there in each row. Raises
    SourceError where the storage fails for many objects in a row: it is gone.
    """
    values = [None if _is_null(value) else value for value in column]
    rows = _listing([_local(value) if is_path and value else "" for value in values])
    contents = _fetched(rows, values) if is_path else map(_content, values)
    found = extract(rows, embedder, fingerprint=fingerprint, run_id="", fetch=lambda _: contents)
    features, reasons, details = ([None] * len(values) for _ in range(3))
    vectors = vectors_of(found.features["features"])
    for number, vector in zip(found.features["etag"].to_pylist(), vectors, strict=True):
        features[int(number)] = vector
    for row in found.errors.select(["etag", "reason", "detail"]).to_pylist():
        reasons[int(row["etag"])], details[int(row["etag"])] = row["reason"], row["detail"]
    return pd.DataFrame({"features": features, "reason": reasons, "detail": details})


def refuse_failures(column: pd.Series[Any], found: pd.DataFrame) -> None:
    """Raise SourceError for the first image that has no features."""
    for number in np.flatnonzero(found["reason"].notna()):
        value = column.iloc[number]
        reason, detail = found["reason"].iloc[number], found["detail"].iloc[number]
        name = value if isinstance(value, str) else f"an image of {len(value or b'')} bytes"
        raise SourceError(
            f"{name}: {reason}: {detail}; handleInvalid='keep' gives it a null vector, 'skip' "
            "leaves its row out"
        )


def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of one list<double> column → one row each of PACKED, nulls left out."""
    for batch in batches:
        column = batch.column(0).drop_null()
        if not len(column):
            continue
        vectors = _uniform(column)
        packed = [pa.array([len(vectors)], pa.int64()), pa.array([vectors.tobytes()], pa.binary())]
        yield pa.record_batch(packed, schema=PACKED)


def moments_of(rows: Iterable[tuple[int, bytes]]) -> Iterator[Moments]:
    """The moments of packed vectors: one, or none where there are no rows."""
    total: Moments | None = None
    for n, data in rows:
        vectors = np.frombuffer(data).reshape(n, -1)
        total = Moments.of(vectors) if total is None else update(total, vectors)
    if total is not None:
        yield total


def project(column: pd.Series[Any], pca: PCA) -> pd.Series[Any]:
    """A column of vectors, null or (d,), to their projections, null or (k,) float64."""
    known = np.flatnonzero(column.notna())
    result: list[NDArray[np.float64] | None] = [None] * len(column)
    if known.size:
        projected = pca.transform(np.stack(column.iloc[known].to_list()))
        for position, row in zip(known, projected, strict=True):
            result[position] = row
    return pd.Series(result, dtype=object)


def _uniform(column: pa.Array) -> NDArray[np.float64]:
    widths = set(np.diff(column.offsets.to_numpy()))
    if len(widths) > 1:
        raise ReductionError(
            f"vectors have {' and '.join(map(str, sorted(widths)))} entries; expected all alike"
        )
    flat: NDArray[np.float64] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), -1)


def _listing(paths: list[str]) -> pa.Table:
    """LISTING rows that carry their position as etag."""
    n = len(paths)
    columns = {
        "path": pa.array(paths, pa.string()),
        "label": pa.nulls(n, pa.string()),
        "size": pa.array(np.zeros(n, np.int64)),
        "modified": pa.nulls(n, LISTING.field("modified").type),
        "etag": pa.array(map(str, range(n)), pa.string()),
    }
    return pa.table(columns, schema=LISTING)


def _fetched(rows: pa.Table, values: list[Any]) -> Iterator[bytes | Failure]:
    """Bytes by path; a null has none."""
    there = pa.array([value is not None for value in values], pa.bool_())
    contents = fetch(rows.filter(there))
    for value in values:
        yield Failure(Reason.VANISHED, "the path is null") if value is None else next(contents)


def _content(value: Any) -> bytes | Failure:
    return Failure(Reason.EMPTY, "the content is null") if value is None else bytes(value)


def _is_null(value: Any) -> bool:
    return value is None or isinstance(value, float)


def _local(path: str) -> str:
    """Hadoop's way to write a path, as Spark's `binaryFile` gives it, to ours."""
    return re.sub(r"^s3[an]://", "s3://", re.sub(r"^file:(//)?(?=/)", "", path))
