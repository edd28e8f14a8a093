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

from orchard.errors import TableError, first_line
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


def paths(output: Output, problems: list[str]) -> list[pa.ChunkedArray]:
    """The images of every gallery; a sentence for each that is damaged."""
    found = []
    for folder in _folders(output):
        rows, problem = _readable(output, folder)
        problems += filter(None, [problem])
        if rows is not None:
            found.append(rows["path"])
    return found


def forget(output: Output, leaving: pa.Array, problems: list[str]) -> int:
    """Take images out of every gallery; how many rows went.

    A damaged gallery, which nothing answers from, is deleted whole where it holds one of them or
    cannot be read; a sentence for each.
    """
    gone = 0
    for folder in _folders(output):
        gone += _forget(output, folder, leaving, problems)
    return gone


def _forget(output: Output, folder: str, leaving: pa.Array, problems: list[str]) -> int:
    rows, problem = _readable(output, folder)
    problems += filter(None, [problem])
    kept = None if rows is None else rows.filter(pc.invert(pc.is_in(rows["path"], leaving)))
    gone = 0 if rows is None or kept is None else rows.num_rows - kept.num_rows
    try:
        if problem and (kept is None or gone):
            output.delete([f"{folder}/gallery.parquet"])
        elif kept is not None and gone:
            put(output, folder, kept)
    except TableError as error:
        problems.append(f"{output.uri(folder)} may still hold the images: {first_line(error)}")
        return 0
    return gone


def _folders(output: Output) -> list[str]:
    files = output.paths(CLASSIFIERS)
    return [path.rpartition("/")[0] for path in files if path.endswith("/gallery.parquet")]


def _readable(output: Output, folder: str) -> tuple[pa.Table | None, str | None]:
    """A gallery's rows, those of a damaged one as far as they can be read, and what is wrong."""
    try:
        return get(output, folder), None
    except (TableError, OSError, ValueError, KeyError, pa.ArrowException) as error:
        problem = first_line(error)
    try:
        data = pa.BufferReader(output.get(f"{folder}/gallery.parquet"))
        return pq.read_table(data, columns=SCHEMA.names).cast(SCHEMA), problem
    except (TableError, OSError, ValueError, KeyError, pa.ArrowException):
        return None, problem
