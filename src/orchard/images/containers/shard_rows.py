"""The members of Orchard's own shards as rows of a listing, whole columns at a time.

Of a million members `listing` makes a million objects, at 20 µs each: a rerun that finds nothing
new would spend most of its time so. Here nothing is done member by member; a shard with a name or a
label that needs a closer look is left to `listing`, which gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.containers import shard_index
from orchard.images.containers.files import Container
from orchard.images.containers.names import SEPARATOR
from orchard.images.containers.places import PLACED
from orchard.records import Found

# Folders and a name of plain letters, nothing hidden, unsafe, nested or beside an image in it.
_PART = r"[0-9A-Za-z][ \"-.0-9;-\[\]-~]*"  # neither / : \ nor ! where an archive's name could end
_PLAIN = rf"^(?:{_PART}/)*[0-9A-Za-z][ \"-\-0-9;-\[\]-~]*\.(?i:jpe?g|png|webp)$"
_LAST = r"/?[^/]*$"


def rows(
    found: dict[str, Any] | None, container: Container, label_of: Callable[[str], str | None]
) -> pa.Table | None:
    """PLACED rows; None where the shard needs a closer look.

    found: what its index says. label_of: a path's label, which may depend on its folders alone.
    """
    if not found or found.get("labels"):
        return None
    try:
        names = pa.array(found["names"], pa.string())
        sizes, offsets = (pa.array(found[key], pa.int64()) for key in ("sizes", "offsets"))
        checksums = pa.array(found["checksums"], pa.string())
    except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException):
        return None
    n = len(names)
    if not _is_plain(names, sizes, offsets, checksums, container.size):
        return None
    before = f"{container.path}{SEPARATOR}"
    folders = pc.replace_substring_regex(names, _LAST, "").dictionary_encode()
    labels = pa.array(
        [label_of(f"{before}{folder}/x" if folder else f"{before}x")
         for folder in folders.dictionary.to_pylist()], pa.string()
    )  # fmt: skip
    keys = pc.binary_join_element_wise(checksums, sizes.cast(pa.string()), "-")
    spans = pc.add(sizes, shard_index.BLOCK)
    columns = [
        pc.binary_join_element_wise(before, names, ""),
        labels.take(folders.indices),
        sizes,
        Found(0, container.modified).modified,
        keys,
        container.path,
        container.kind,
        container.size,
        container.modified,
        container.etag,
        offsets,
        spans,
        0,
    ]
    whole = [
        column if isinstance(column, pa.Array) else pa.repeat(pa.scalar(column, field.type), n)
        for column, field in zip(columns, PLACED, strict=True)
    ]
    return pa.table(whole, PLACED)


def _is_plain(
    names: pa.Array, sizes: pa.Array, offsets: pa.Array, checksums: pa.Array, size: int
) -> bool:
    n, columns = len(names), (names, sizes, offsets, checksums)
    if not n or any(len(column) != n or column.null_count for column in columns):
        return False
    ends = pc.add(offsets, sizes)
    return bool(
        pc.count_distinct(names).as_py() == n
        and pc.all(pc.match_substring_regex(names, _PLAIN)).as_py()
        and pc.min(sizes).as_py() >= 0
        and pc.min(offsets).as_py() >= 0
        and pc.max(ends).as_py() + shard_index.BLOCK <= size
    )
