"""Images that say only when they are fetched what tells them again: those on the web."""

from __future__ import annotations

import pyarrow as pa

from orchard.records import LISTING, Found


class Fetched(bytes):
    """An image's bytes, and what the answer said of it, to know it again by."""

    found: Found

    @classmethod
    def of(cls, data: bytes, found: Found) -> Fetched:
        made = cls(data)
        made.found = found
        return made


def as_answered(images: pa.Table, answers: dict[int, Found]) -> pa.Table:
    """LISTING rows with size, time and ETag as the answers to GET said, by row."""
    if not answers:
        return images
    for name in ("size", "modified", "etag"):
        values = images[name].cast(pa.int64() if name == "modified" else images[name].type)
        said = [
            getattr(answers[n], name) if n in answers else value
            for n, value in enumerate(values.to_pylist())
        ]
        place, field = images.column_names.index(name), LISTING.field(name)
        images = images.set_column(place, field, pa.array(said, values.type).cast(field.type))
    return images
