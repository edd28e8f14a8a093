"""The rows that travel through Orchard, the Arrow schemas of the tables they end in, and vectors as
Arrow columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class Reason(str, Enum):
    """Why an image has no feature row."""

    EMPTY = "empty"  # zero bytes
    NOT_AN_IMAGE = "not_an_image"  # the bytes are of no image format Orchard reads
    TRUNCATED = "truncated"  # the file ends before the image does
    CORRUPT = "corrupt"  # the decoder rejects the bytes
    DAMAGED = "damaged"  # the decoder reads it, and warns that part of the picture is lost
    TOO_MANY_PIXELS = "too_many_pixels"  # header announces more than the cap; nothing was decoded
    TOO_COSTLY = "too_costly"  # decoding takes more time or memory than an image may
    TOO_MANY_BYTES = "too_many_bytes"  # larger than the file size cap; nothing was read
    UNSUPPORTED = "unsupported"  # an image, in a colour space or depth with no defined RGB
    FORBIDDEN = "forbidden"  # no permission to read
    VANISHED = "vanished"  # listed, and gone when it was to be read
    IO_ERROR = "io_error"  # the storage failed
    BAD_NAME = "bad_name"  # the file's name is not valid UTF-8, or leads out of its archive
    DUPLICATE = "duplicate"  # another member of the archive has the same name
    ENCRYPTED = "encrypted"  # a member of an archive that needs a password

    @property
    def can_pass(self) -> bool:
        """Whether the same file may succeed on a later try, its bytes unchanged."""
        return self in (Reason.FORBIDDEN, Reason.VANISHED, Reason.IO_ERROR)


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not become a feature row."""

    reason: Reason
    detail: str = ""


# What every reader takes: Spark reads no earlier time unless its calendar is set,
# Python's own knows no later one.
EARLIEST = int(datetime(1900, 1, 1, tzinfo=timezone.utc).timestamp()) * 1_000_000
LATEST = int(datetime(9999, 12, 31, tzinfo=timezone.utc).timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a listing says of an image. modified: microseconds since 1970, UTC, brought into the
    years 1900 to 9999: a file's time may be any number."""

    size: int
    modified: int
    etag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "modified", min(max(self.modified, EARLIEST), LATEST))


LISTING = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("modified", pa.timestamp("us", tz="UTC")),
        pa.field("etag", pa.string()),
    ]
)

QUALITY = ("sharpness", "brightness", "clipped")  # as `orchard.images.quality` takes them

FEATURES = pa.schema(
    [
        *LISTING,
        pa.field("sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        *(pa.field(name, pa.float32()) for name in QUALITY),
        pa.field("features", pa.list_(pa.field("element", pa.float32(), nullable=False))),
        pa.field("fingerprint", pa.string()),
        pa.field("run_id", pa.string()),
    ]
)

ERRORS = pa.schema(
    [
        *LISTING,
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("run_id", pa.string()),
    ]
)

GONE = FEATURES  # of images that are not at the source any more, as they were

THUMBNAILS = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),  # of the image's bytes; null where the image failed
        pa.field("jpeg", pa.binary(), nullable=False),
        pa.field("run_id", pa.string()),
    ]
)

LABELS = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)

FINDINGS = pa.schema(
    [
        pa.field("path", pa.string()),  # null where a finding is of classes, not of an image
        pa.field("kind", pa.string(), nullable=False),
        pa.field("score", pa.float64()),  # the higher, the more of it
        pa.field("group", pa.int64()),  # of duplicates
        pa.field("keep", pa.bool_()),  # the suggested one of a group
        pa.field("label", pa.string()),
        pa.field("suggested_label", pa.string()),
    ]
)

COMPONENTS = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("components", pa.list_(pa.field("element", pa.float32(), nullable=False))),
        pa.field("pca_id", pa.string()),
    ]
)


def with_labels(rows: pa.Table, labels: pa.Table) -> pa.Table:
    """Rows of any table, those whose path is in `labels` (LABELS, and perhaps kept columns) with
    the label and the other values given there."""
    at = pc.index_in(rows["path"], value_set=labels["path"])
    for name in labels.column_names[1:]:
        rows = rows if name in rows.column_names else rows.append_column(*_nulls(name, len(rows)))
        value = pc.if_else(pc.is_valid(at), labels[name].take(at), rows[name])
        place = rows.column_names.index(name)
        rows = rows.set_column(place, pa.field(name, pa.string()), value)
    return rows


def with_kept(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """A table's schema and, behind it, the texts that a manifest gave: those of the names that it
    does not hold."""
    others = [name for name in dict.fromkeys(names) if name not in schema.names]
    return pa.schema([*schema, *(pa.field(name, pa.string()) for name in others)])


def widened(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with null in the columns that an older version did not write."""
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _nulls(name: str, n: int) -> tuple[pa.Field, pa.Array]:
    return pa.field(name, pa.string()), pa.nulls(n, pa.string())


def vectors_of(column: pa.ChunkedArray | pa.Array) -> NDArray[np.float32]:
    """A list<float> column as an (n, d) array; no copy where it is one chunk."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values: NDArray[np.float32] = array.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(array), -1) if len(array) else values.reshape(0, 0)


def list_column(vectors: NDArray[np.float32], type_: pa.DataType) -> pa.Array:
    """An (n, d) array as a list<float> column, its values not copied."""
    n, d = vectors.shape
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * d)
    values = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    return pa.ListArray.from_arrays(offsets, values, type=type_)
