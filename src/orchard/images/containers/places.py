"""Where a member lies: columns beside those of a listing, which travel to the workers with it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.records import LISTING

PLACE = pa.schema(
    [
        pa.field("archive", pa.string()),  # null of a plain file
        pa.field("kind", pa.string()),
        pa.field("archive_size", pa.int64()),
        pa.field("archive_modified", pa.int64()),
        pa.field("archive_etag", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("span", pa.int64()),
        pa.field("detail", pa.int64()),
    ]
)
PLACED = pa.schema([*LISTING, *PLACE])


def has_places(images: pa.Table) -> bool:
    return "archive" in images.column_names


def merged(images: pa.Table, members: list[pa.Table]) -> pa.Table:
    """A listing with the members of containers (PLACED), by path; as it is where there are none."""
    if not members:
        return images
    plain = [pa.nulls(images.num_rows, field.type) for field in PLACE]
    files = pa.table([*images.columns, *plain], schema=PLACED)
    return pa.concat_tables([files, *members]).sort_by("path").combine_chunks()


def in_reading_order(images: pa.Table) -> pa.Table:
    """Members as they lie in their containers, so that neighbours are read together."""
    if not has_places(images) or not pc.any(pc.is_valid(images["archive"])).as_py():
        return images
    order = pc.sort_indices(
        images,
        sort_keys=[("archive", "ascending"), ("offset", "ascending"), ("path", "ascending")],
    )
    return images.take(order)
