"""Members of an archive that was rewritten: those whose bytes are the same keep their features.

A row of a table, and a member of a tar, are identified by their archive's version or by a time,
which change with the archive even where the image did not. So the images of such an archive are
read once more, and compared with the SHA-256 that the features table has of each; the network,
which costs ten times as much, sees those that changed. The listing and `listings/` then give the
others their old version: the next run reads nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.containers import listing as inside
from orchard.images.containers import names
from orchard.images.containers.files import Container, Unreadable
from orchard.images.containers.places import has_places, in_reading_order
from orchard.images.containers.remembered import Memory
from orchard.images.source import Listing, Selection, fetch
from orchard.pipeline.state import Run
from orchard.store import listings
from orchard.store.tables import Tables

MOST_BYTES = 16 * 1024**3  # read by the driver alone; beyond, the workers embed all of it sooner
_CHECKSUM = "^[0-9a-f]{8}-[0-9]+$"  # tells content by itself, of zips, shards, compressed tars


def recognised(
    run: Run, tables: Tables, listing: Listing, features: pa.Table, memory: Memory | None
) -> Listing:
    """The listing, in which images whose bytes are those of their features have the features' etag.

    features: path and etag at least. Raises SourceError where the images are out of reach.
    """
    doubtful = _doubtful(listing, features)
    if not doubtful.num_rows or (pc.sum(doubtful["place/span"]).as_py() or 0) > MOST_BYTES:
        return listing
    run.reporter.say(
        f"{doubtful.num_rows:,} images lie in archives that were rewritten; they are read to "
        "see which of them changed"
    )
    same = pa.array(_same(run, tables, doubtful), pa.string())
    if not len(same):
        return listing
    etags = features["etag"].take(pc.index_in(same, value_set=features["path"]))
    images, old = listing.images, pc.index_in(listing.images["path"], value_set=same)
    place = images.column_names.index("etag")
    known = pc.coalesce(etags.take(old), images["etag"])
    images = images.set_column(place, images.schema.field("etag"), known)
    if memory is not None and not run.config.dry_run:
        _remember(
            run, doubtful, dict(zip(same.to_pylist(), etags.to_pylist(), strict=True)), memory
        )
    return replace(listing, images=images)


def _doubtful(listing: Listing, features: pa.Table) -> pa.Table:
    """Members, placed and as they lie, that may be what they were under another version."""
    if not has_places(listing.placed) or not features.num_rows:
        return listing.images.slice(0, 0)
    held = features["etag"].take(pc.index_in(listing.images["path"], value_set=features["path"]))
    etags = listing.images["etag"]
    by_content = pc.match_substring_regex(etags, _CHECKSUM)
    differs = pc.and_(pc.not_equal(held, etags), pc.invert(by_content))  # null of what is new
    placed = replace(listing, images=listing.images.filter(pc.fill_null(differs, False))).placed
    return in_reading_order(placed.filter(pc.is_valid(placed["place/archive"])))


def _same(run: Run, tables: Tables, doubtful: pa.Table) -> Iterator[str]:
    digests = tables.read("features", ["path", "sha256"])
    of = digests["sha256"].take(pc.index_in(doubtful["path"], value_set=digests["path"]))
    found = fetch(doubtful, run.config.storage)
    for path, digest, data in zip(doubtful["path"].to_pylist(), of.to_pylist(), found, strict=True):
        if isinstance(data, bytes) and hashlib.sha256(data).hexdigest() == digest:
            yield path


def _remember(run: Run, doubtful: pa.Table, etags: dict[str, str], memory: Memory) -> None:
    """In `listings/`, at once: a run that finds nothing else to do writes nothing more."""
    column = Selection.of(run.config).rule().column
    columns = [f"place/{name}" for name in ("archive", "kind", "archive_size")]
    columns += ["place/archive_modified", "place/archive_etag"]
    for row in doubtful.select(columns).group_by(columns).aggregate([]).to_pylist():
        container = Container(*(row[name] for name in columns))
        try:
            known = memory.found(container, column) or inside.read(
                container, run.config.storage, column
            )
        except Unreadable:  # it is gone again; the next run looks for itself
            continue
        rows = [
            (name, label, replace(member, key=etags.get(_path(container, name), member.key)))
            for name, label, member in known.rows
        ]
        memory.note(container, column, replace(known, rows=rows, is_cheap=False))
    listings.keep(run.output, memory)


def _path(container: Container, name: str) -> str:
    return f"{container.path}{names.SEPARATOR}{name}"
