"""What is wrong with images, as a table: OUTPUT/findings/findings.parquet, replaced whole.

It is computed from the other tables and holds nothing that they do not, so it is no Delta table: an
erasure deletes it, and the next run writes it again. It says of which components it is.
"""

from __future__ import annotations

import pyarrow as pa

from orchard.errors import TableError
from orchard.records import FINDINGS
from orchard.store import parquet
from orchard.store.damage import damaged, noticing
from orchard.store.output import Output
from orchard.store.tables import Tables

FOLDER = "findings"
PATH = f"{FOLDER}/findings.parquet"
_OF_RUN = b"orchard.components_of_run"


def write(tables: Tables, rows: pa.Table) -> None:
    """rows: of FINDINGS. Raises TableError where they cannot be written."""
    marked = rows.replace_schema_metadata({_OF_RUN: _run_of(tables)})
    tables.output.put(PATH, parquet.to_bytes(marked, ["kind", "label", "suggested_label"]))


def read(output: Output) -> pa.Table:
    """The findings as they are stored. Raises TableError where there are none, and DamagedError."""
    if output.find(PATH) is None:
        raise TableError(
            f"{output.root} holds no findings; `orchard findings {output.root}` makes them"
        )
    return _stored(output)


def read_current(tables: Tables) -> pa.Table | None:
    """The findings; None where there are none of the present components."""
    if PATH not in tables.output.paths(FOLDER):
        return None
    rows = _stored(tables.output)
    is_current = (rows.schema.metadata or {}).get(_OF_RUN) == _run_of(tables)
    return rows if is_current else None


def delete(output: Output) -> None:
    output.delete_folder(FOLDER)


def _stored(output: Output) -> pa.Table:
    data = output.get(PATH)
    with noticing(output.root, PATH):
        rows = parquet.open_whole(data, PATH).read()
    if not rows.schema.equals(FINDINGS):
        raise damaged(output.root, PATH, "its columns are others")
    return rows


def _run_of(tables: Tables) -> bytes:
    return tables["components"].facts.get("orchard.run_id", "").encode()
