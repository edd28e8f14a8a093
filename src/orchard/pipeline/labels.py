"""Labels need no pixels: where this run's settings give others than the tables hold, the tables
are made right.

Of listed images the listing says the label; of others, which may be gone or beyond --limit, the
same rule is asked, if they are of this run's sources.
"""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.images import kept_columns
from orchard.images.source import Listing
from orchard.pipeline.listing import Rules
from orchard.pipeline.planning import array, strings
from orchard.records import LABELS, with_kept


def differing(
    listing: Listing, rows: pa.Table, config: RunConfig, rules: Rules | None = None
) -> pa.Table:
    """LABELS of the rows (path, label) whose label is to be another one, each path once.

    Columns that the listing has beyond LISTING are compared, and changed, with the label; `rows`
    have them too. rules: default those of the settings alone.
    """
    kept = kept_columns.carried(listing.images)
    schema, values = with_kept(LABELS, kept), ["label", *kept]
    place = array(pc.index_in(rows["path"], value_set=strings(listing.images["path"])))
    is_listed = pc.is_valid(place)
    wanted = listing.images.select(values).take(place)  # null where it is not listed
    same = reduce(pc.and_, (_equal(rows[name], wanted[name]) for name in values))
    differs = pc.and_not(is_listed, same)
    columns = [rows["path"].filter(differs), *wanted.filter(differs).columns]
    found = pa.table(columns, schema=schema)
    others = _of_unlisted(rows.filter(pc.invert(is_listed)), rules or Rules.of(config), schema)
    return pa.concat_tables([found, others]).group_by(schema.names).aggregate([]).cast(schema)


def _of_unlisted(rows: pa.Table, rules: Rules, schema: pa.Schema) -> pa.Table:
    """With what else they have as it is."""
    changed = []
    for row in rows.select(schema.names).to_pylist():
        wanted = rules.label_of(row["path"])
        if wanted != row["label"] and rules.labels(row["path"]):
            changed.append(row | {"label": wanted})
    return pa.Table.from_pylist(changed, schema=schema)


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(both_null, pc.fill_null(pc.equal(left, right), False))
