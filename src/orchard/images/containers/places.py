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
PLACES = pa.schema([LISTING.field("path"), *PLACE])


def has_places(images: pa.Table) -> bool:
    return PLACE.names[0] in images.column_names


def merged(images: pa.Table, members: list[pa.Table]) -> tuple[pa.Table, pa.Table | None]:
    """A listing with the members of archives (PLACED), by path, and their places (PLACES).

    members are let go of: of a million they are as large as what is made of them.
    """
    if not members:
        return images, None
    found = pa.concat_tables(members)
    members.clear()
    places = found.select(PLACES.names).combine_chunks()
    rows = pa.concat_tables([images, found.select(LISTING.names)])
    del found
    return rows.sort_by("path").combine_chunks(), places


def placed(images: pa.Table, places: pa.Table | None) -> pa.Table:
    """Rows of a listing with the places of those that are members, null in others."""
    if places is None or not places.num_rows:
        return images
    at = pc.index_in(images["path"], value_set=places["path"])
    for field in PLACE:
        images = images.append_column(field, places[field.name].take(at))
    return images


def without_places(images: pa.Table) -> pa.Table:
    return images.drop_columns(PLACE.names) if has_places(images) else images


def files_of(images: pa.Table) -> list[str]:
    """The files that placed rows lie in: archives once, and plain files."""
    paths = images["path"]
    if has_places(images):
        paths = pc.coalesce(images["place/archive"], paths)
    return sorted(set(paths.to_pylist()))


def n_requests(images: pa.Table, range_bytes: int) -> int:
    """How many requests read a listing's images: one a plain file, one a range of members."""
    if not has_places(images):
        return images.num_rows
    inside = images.filter(pc.is_valid(images["place/archive"]))
    sums = inside.group_by("place/archive").aggregate([("place/span", "sum")])
    spans = sums["place/span_sum"].to_pylist()
    return images.num_rows - inside.num_rows + sum(-(-span // range_bytes) for span in spans)


def in_reading_order(images: pa.Table) -> pa.Table:
    """Members as they lie in their containers, so that neighbours are read together."""
    if not has_places(images) or not pc.any(pc.is_valid(images["place/archive"])).as_py():
        return images
    order = pc.sort_indices(
        images,
        sort_keys=[(name, "ascending") for name in ("place/archive", "place/offset", "path")],
    )
    return images.take(order)


def as_read(images: pa.Table, read: list[int | None]) -> pa.Table:
    """Placed rows as they come into tables: without their places, and, of tables of images, with
    the sizes that were read, which a listing can only guess."""
    if not has_places(images):
        return images
    is_guessed = pc.fill_null(pc.equal(images["place/kind"], TABLE), False)
    known = pc.coalesce(pa.array(read, pa.int64()), images["size"])
    size = pc.if_else(is_guessed, known, images["size"])
    at = images.column_names.index("size")
    return without_places(images).set_column(at, LISTING.field("size"), size)
