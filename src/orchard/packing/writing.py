"""`orchard pack`: list, compare with the shards that are there, write what is missing.

A shard whose images are all as they were is left alone, so another run after an interruption goes
on where that one ended, and images that come later lie in shards of their own: a path in a shard
stays, and with it the features. A shard of which an image changed or went is written again.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from orchard.images.containers import sidecars
from orchard.images.source import Listing, fetch, list_images
from orchard.packing import naming, shards
from orchard.packing.settings import PackConfig
from orchard.packing.shards import Entry, Shard
from orchard.progress import Reporter
from orchard.records import Failure
from orchard.storage import is_remote

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Packed:
    """n_images: in the shards now. written, removed: numbers of shards; others are as they were.
    failures: (path, why) of what could not be packed."""

    root: str
    n_images: int
    n_shards: int
    written: tuple[int, ...]
    removed: tuple[int, ...]
    n_bytes: int
    failures: tuple[tuple[str, Failure], ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A row of the listing. label: where the name does not say it."""

    row: int
    path: str
    name: str
    size: int
    version: str | None
    label: str | None


@dataclass(slots=True)
class _Work:
    """What is to be in each shard that is written."""

    shards: dict[int, list[Image]] = field(default_factory=dict)
    n_kept: int = 0


def pack(config: PackConfig, reporter: Reporter | None = None) -> Packed:
    """Do what `orchard pack` does.

    Raises SourceError where there is nothing to pack or two images would have one name, TableError
    where DIR cannot be written. What was written before is whole, and another run completes it.
    """
    reporter = reporter or Reporter()
    listing = list_images(config.sources, config.selection, config.storage)
    images = list(_images(config, listing))
    there = shards.present(config.root, config.storage)
    known = {name: shard.number for shard in there for name in shard.members}
    changed = set(_changed(config, listing, images, there))
    work = _plan(config, images, there, known, changed)
    failures = dict(listing.failures)
    n_bytes, done, written = 0, [0], []
    total = sum(map(len, work.shards.values()))
    with reporter.track(total, lambda: (done[0], len(failures)), lambda _: None, "pack"):
        for number, inside in sorted(work.shards.items()):
            entries = _entries(config, listing, inside, failures, done)
            if size := shards.write(config.root, number, entries, config.storage):
                written.append(number)
                n_bytes += size
    removed = sorted({shard.number for shard in there} & set(work.shards) - set(written))
    for number in removed:
        shards.remove(config.root, number, config.storage)
    return Packed(
        root=config.root,
        n_images=work.n_kept + total - (len(failures) - len(listing.failures)),
        n_shards=len({shard.number for shard in there} | set(written)) - len(removed),
        written=tuple(written),
        removed=tuple(removed),
        n_bytes=n_bytes,
        failures=tuple(sorted(failures.items())),
    )


def _images(config: PackConfig, listing: Listing) -> Iterator[Image]:
    """By their names in the shards."""
    columns = (listing.images[name].to_pylist() for name in ("path", "size", "etag", "label"))
    paths, sizes, etags, labels = columns
    found = naming.named(config.sources, paths)
    for row in sorted(range(len(paths)), key=found.__getitem__):
        name, label = found[row], labels[row]
        says = name.rpartition("/")[0].rpartition("/")[2]
        version = etags[row] if is_remote(paths[row]) else None
        beside = label if label is not None and label != says else None
        yield Image(row, paths[row], name, sizes[row], version, beside)


def _plan(
    config: PackConfig,
    images: list[Image],
    there: list[Shard],
    known: dict[str, int],
    changed: set[str],
) -> _Work:
    """Which shards are written: those of which an image changed or went, and new ones."""
    wanted = {image.name for image in images}
    anew = {known[name] for name in changed if name in known}
    for shard in there:
        beside = {name for name in shard.members if name.endswith(".cls")}
        if not (shard.members.keys() - beside <= wanted):
            anew.add(shard.number)
    work = _Work({number: [] for number in anew})
    number, room = max((shard.number for shard in there), default=-1), 0
    for image in images:
        at = known.get(image.name)
        if at is not None:
            if at in anew:
                work.shards[at].append(image)
            else:
                work.n_kept += 1
            continue
        takes = shards.room(image.size)
        if not room or room < takes:
            number, room = number + 1, config.shard_size * MEGABYTE
            work.shards[number] = []
        room = max(0, room - takes)
        work.shards[number].append(image)
    return work


def _changed(
    config: PackConfig, listing: Listing, images: list[Image], there: list[Shard]
) -> Iterator[str]:
    """Names of images that are in a shard, and are not as they are there: by size, by what the
    storage says of their version, or, of a disk, by their bytes."""
    known = {name: found for shard in there for name, found in shard.members.items()}
    doubtful = []
    for image in images:
        if image.name not in known:
            continue
        version = known[image.name][1]
        label = known.get(_beside(image.name))
        wanted = _checksum((image.label or "").encode())
        if (image.label is not None) != (label is not None) or (
            label is not None and label[0].key != wanted
        ):
            yield image.name
        elif version is not None and image.version is not None:
            if version != image.version:
                yield image.name
        else:
            doubtful.append(image)
    for image, data in _fetched(config, listing, doubtful):
        if isinstance(data, bytes) and _checksum(data) != known[image.name][0].key:
            yield image.name


def _entries(
    config: PackConfig,
    listing: Listing,
    images: list[Image],
    failures: dict[str, Failure],
    done: list[int],
) -> Iterator[Entry]:
    for image, data in _fetched(config, listing, images):
        done[0] += 1
        if isinstance(data, Failure):
            failures[image.path] = data
            continue
        yield Entry(image.name, data, image.version)
        if image.label is not None:
            yield Entry(_beside(image.name), image.label.encode(), is_label=True)


def _fetched(
    config: PackConfig, listing: Listing, images: list[Image]
) -> Iterator[tuple[Image, bytes | Failure]]:
    rows = listing.placed.take(pa.array([image.row for image in images], pa.int64()))
    yield from zip(images, fetch(rows, config.storage), strict=True)


def _beside(name: str) -> str:
    return f"{sidecars.parts_of(name)[0]}.cls"


def _checksum(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}-{len(data)}"
