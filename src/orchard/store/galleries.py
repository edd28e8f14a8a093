"""The known images that classifiers keep, as files: the one part of a classifier that changes.

models/classifier/<id>/gallery.parquet   path, label, vector
models/classifier/<id>/gallery.json      sha256 and number of rows of the file beside it
"""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchard.errors import TableError
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output

CLASSIFIERS = "models/classifier"
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
    data = buffer.getvalue()
    output.put(f"{folder}/gallery.parquet", data)
    content = {"sha256": hashlib.sha256(data).hexdigest(), "rows": rows.num_rows}
    output.put_json(f"{folder}/gallery.json", content)


def get(output: Output, folder: str) -> pa.Table:
    """Raises TableError where it is missing, or not as it was stored."""
    data = bytes(output.get(f"{folder}/gallery.parquet"))
    if hashlib.sha256(data).hexdigest() != digest(output, folder):
        raise damaged(output.root, f"{folder}/gallery.parquet", "sha256 differs")
    with noticing(output.root, f"{folder}/gallery.parquet"):
        return pq.read_table(pa.BufferReader(data), columns=SCHEMA.names).cast(SCHEMA)


def digest(output: Output, folder: str) -> str:
    """The sha256 that a classifier's gallery was stored with. Raises TableError."""
    stored = output.get_json(f"{folder}/gallery.json")
    with noticing(output.root, f"{folder}/gallery.json"):
        return str(stored["sha256"])


def forget(output: Output, paths: pa.Array) -> int:
    """Take images out of every gallery; how many rows went.

    A damaged gallery, which nothing answers from, is deleted whole.
    """
    gone = 0
    for path in output.paths(CLASSIFIERS):
        if not path.endswith("/gallery.parquet"):
            continue
        folder = path.rpartition("/")[0]
        try:
            rows = get(output, folder)
        except TableError:
            output.delete([path])
            continue
        kept = rows.filter(pc.invert(pc.is_in(rows["path"], value_set=paths)))
        if kept.num_rows < rows.num_rows:
            put(output, folder, kept)
            gone += rows.num_rows - kept.num_rows
    return gone
