"""Labels need no pixels: where this run's settings give others than the tables hold, the tables
are made right.

Of listed images the listing says the label; of others, which may be gone or beyond --limit, the
same rule is asked, if they are of this run's sources.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.images.containers import names
from orchard.images.source import Listing, Selection
from orchard.pipeline.planning import array, strings
from orchard.records import LABELS


def differing(listing: Listing, rows: pa.Table, config: RunConfig) -> pa.Table:
    """LABELS of the rows (path, label) whose label is to be another one, each path once."""
    place = array(pc.index_in(rows["path"], value_set=strings(listing.images["path"])))
    is_listed = pc.is_valid(place)
    listed = rows.filter(is_listed).select(LABELS.names)
    wanted = listing.images["label"].take(place.drop_null())
    changed = array(pc.invert(_equal(listed["label"], wanted)))
    found = pa.table([listed["path"], wanted], schema=LABELS).filter(changed)
    others = _of_unlisted(rows.filter(pc.invert(is_listed)), config)
    return pa.concat_tables([found, others]).group_by(LABELS.names).aggregate([]).cast(LABELS)


def _of_unlisted(rows: pa.Table, config: RunConfig) -> pa.Table:
    selection = Selection.of(config)
    expected = selection.expects(config.sources)
    says_labels = selection.rule().says_labels
    found = {}
    for path, label in zip(rows["path"].to_pylist(), rows["label"].to_pylist(), strict=True):
        if says_labels and names.is_member(path):
            continue  # its archive may say another one than the path does
        wanted = selection.label_of(path)
        if wanted != label and expected(path):
            found[path] = wanted
    return pa.table([list(found), list(found.values())], schema=LABELS)


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(both_null, pc.fill_null(pc.equal(left, right), False))
