"""Where a member lies: columns beside those of a listing, which travel to the workers with it.

Their names have a slash, which `--keep-columns` takes in no column's name.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.containers.names import TABLE
from orchard.records import LISTING

PLACE = pa.schema(
    [
        pa.field("place/archive", pa.string()),  # null of a plain file
        pa.field("place/kind", pa.string()),
        pa.field("place/archive_size", pa.int64()),
        pa.field("place/archive_modified", pa.int64()),
        pa.field("place/archive_etag", pa.string()),
        pa.field("place/offset", pa.int64()),
        pa.field("place/span", pa.int64()),
        pa.field("place/detail", pa.int64()),
    ]
)
PLACED = pa.schema([*LISTING, *PLACE])


def has_places(images: pa.Table) -> bool:
    return PLACE.names[0] in images.column_names


def merged(images: pa.Table, members: list[pa.Table]) -> pa.Table:
    """A listing with the members of containers (PLACED), by path; as it is where there are none."""
    if not members:
        return images
    plain = [pa.nulls(images.num_rows, field.type) for field in PLACE]
    files = pa.table([*images.columns, *plain], schema=PLACED)
    return pa.concat_tables([files, *members]).sort_by("path").combine_chunks()


def files_of(images: pa.Table) -> list[str]:
    """The files that a listing's rows lie in: archives once, and plain files."""
    paths = images["path"]
    if has_places(images):
        paths = pc.coalesce(images["place/archive"], paths)
    return sorted(set(paths.to_pylist()))


def in_reading_order(images: pa.Table) -> pa.Table:
    """Members as they lie in their containers, so that neighbours are read together."""
    if not has_places(images) or not pc.any(pc.is_valid(images["place/archive"])).as_py():
        return images
    order = pc.sort_indices(
        images,
        sort_keys=[(name, "ascending") for name in ("place/archive", "place/offset", "path")],
    )
    return images.take(order)


def with_sizes(images: pa.Table, read: list[int | None]) -> pa.Table:
    """Rows of tables with the sizes that were read, where a listing can only guess."""
    if not has_places(images):
        return images
    is_guessed = pc.fill_null(pc.equal(images["place/kind"], TABLE), False)
    size = pc.if_else(
        is_guessed, pc.coalesce(pa.array(read, pa.int64()), images["size"]), images["size"]
    )
    return images.set_column(images.column_names.index("size"), LISTING.field("size"), size)
