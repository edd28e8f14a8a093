"""What is wrong with the images of a result, as a table: duplicates, wrong labels, poor pictures.

tables ─▶ look ─▶ duplicates, labels, pictures ─▶ table ─▶ OUTPUT/findings/
           └────▶ neighbours and close pairs, for the report
"""

from __future__ import annotations

from contextlib import suppress

import pyarrow as pa

from orchard.errors import DamagedError, TableError
from orchard.findings.look import Seen
from orchard.findings.table import counts, found
from orchard.store import findings
from orchard.store.tables import Tables

__all__ = ["Seen", "counts", "ensured", "present", "renew"]


def renew(tables: Tables) -> tuple[pa.Table, Seen]:
    """Compute the findings and store them; and what they were made of. The caller holds the lock.

    Raises TableError where the tables hold no components.
    """
    seen = Seen.of(tables)
    rows = found(seen)
    findings.write(tables, rows)
    return rows, seen


def present(tables: Tables) -> pa.Table:
    """The findings of the present components, as `ensured`."""
    return ensured(tables)[0]


def ensured(tables: Tables) -> tuple[pa.Table, Seen | None]:
    """The findings of the present components; where they are missing, older or damaged they are
    computed, and stored if that is allowed and nobody else is writing; what they were made of then.

    Raises TableError where the tables hold no components.
    """
    with suppress(DamagedError):
        if (rows := findings.read_current(tables)) is not None:
            return rows, None
    seen = Seen.of(tables)
    rows = found(seen)
    with suppress(TableError), tables.output.lock():
        findings.write(tables, rows)
    return rows, seen
