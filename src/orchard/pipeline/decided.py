"""What somebody decided about listed images: other labels, and which to leave out."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from orchard.errors import SourceError
from orchard.images import decisions
from orchard.images.decisions import NamedPaths
from orchard.images.source import Listing, absolute
from orchard.pipeline.state import Run
from orchard.storage import is_remote


def relabelled(
    run: Run, listing: Listing, relabels: dict[str, str], roots: tuple[str, ...]
) -> Listing:
    """The listing with the labels that somebody decided on; the others keep theirs.

    roots: what their paths may be relative to.
    """
    paths = listing.images["path"].to_pylist()
    usual = dict(zip(paths, listing.images["label"].to_pylist(), strict=True))
    named, label_of = decisions.relabelled(relabels, roots, usual.get)
    column = pa.array(map(label_of, paths), pa.string())
    if run.config.labels and (told := decisions.told("--labels", run.config.labels, named)):
        run.reporter.warn(told)
    place = listing.images.column_names.index("label")
    images = listing.images.set_column(place, listing.images.schema.field("label"), column)
    return replace(listing, images=images)


def without_left_out(
    run: Run, listing: Listing, roots: tuple[str, ...]
) -> tuple[Listing, NamedPaths | None, int]:
    """The listing without the images that --exclude-from names; those, and how many they are.

    Raises SourceError where none is left.
    """
    place = run.config.exclude_from
    if place is None:
        return listing, None, 0
    given = decisions.read_paths_to_drop(place, "--exclude-from", run.config.storage)
    named = NamedPaths.of(given, roots)
    whole = place if is_remote(place) else absolute(place)  # may lie among the images itself

    def stays(path: str) -> bool:
        return named.name_of(path) is None and path != whole

    left = replace(
        listing,
        images=listing.images.filter(
            pa.array(map(stays, listing.images["path"].to_pylist()), pa.bool_())
        ),
        failures=tuple(failure for failure in listing.failures if stays(failure[0])),
    )
    if listing.n_listed and not left.n_listed:
        raise SourceError(f"--exclude-from {place}: it names every image; expected some to be left")
    if told := decisions.told("--exclude-from", place, named):
        run.reporter.warn(told)
    return left, named, listing.n_listed - left.n_listed
