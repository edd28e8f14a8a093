"""The known images that classifiers keep, as files: the one part of a classifier that changes.

models/classifier/<id>/gallery.parquet   path, label, vector
models/classifier/<id>/gallery.json      sha256 and number of rows of the file beside it
report/classifier.html                   shows pictures
"""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from orchard.errors import TableError
from orchard.store.output import Output

CLASSIFIERS = "models/classifier"
PAGE = "report/classifier.html"
SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("vector", pa.list_(pa.field("element", pa.float16(), nullable=False))),
    ]
)


def put(output: Output, folder: str, rows: pa.Table) -> None:
    """Write a classifier's gallery, of SCHEMA, and its hash."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd", use_dictionary=["label"])
    file = f"{folder}/gallery.parquet"
    output.put(file, buffer.getvalue())
    put_hash(output, file, buffer.getvalue())


def put_hash(output: Output, file: str, data: bytes) -> None:
    """Note what a gallery's file holds now."""
    output.put_json(hash_file(file), {"sha256": hashlib.sha256(data).hexdigest()})


def hash_file(file: str) -> str:
    """Where the hash of a gallery stands."""
    return f"{file.removesuffix('.parquet')}.json"


def get(output: Output, folder: str) -> pa.Table:
    """Raises TableError where it is missing, or not as it was stored."""
    data = bytes(output.get(f"{folder}/gallery.parquet"))
    try:
        stored = output.get_json(f"{folder}/gallery.json")["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise TableError(f"{output.uri(folder)}/gallery.json cannot be read: {error}") from None
    if hashlib.sha256(data).hexdigest() != stored:
        raise TableError(
            f"{output.uri(folder)}/gallery.parquet is not as it was stored (sha256 differs); train "
            "again, or bring the file back"
        )
    return pq.read_table(pa.BufferReader(data), columns=SCHEMA.names)
