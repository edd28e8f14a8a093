"""Where images come from: list them once on the driver, fetch them in the workers.

Listing opens no file. What a file is is decided later, by its bytes: whatever is regular and not
hidden is listed; a stray text file ends as a row of the errors table unless `--exclude` names it.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from orchard import surroundings
from orchard.config import COLUMN, RunConfig
from orchard.errors import SourceError
from orchard.images import local, objects
from orchard.images.containers import listing as inside
from orchard.images.containers import names, reading
from orchard.images.containers.places import merged, placed
from orchard.images.containers.reading import Job, Place
from orchard.images.containers.remembered import Memory
from orchard.images.globs import matches
from orchard.images.junk import PassedOver
from orchard.images.listing_rows import ListingRows
from orchard.images.not_sources import check_source
from orchard.images.results import Results
from orchard.records import Failure, Found, Reason
from orchard.storage import DEFAULT, Storage, is_remote
from orchard.storage.web_access import is_web

DEFAULT_MAX_BYTES = 512 * 1024 * 1024  # of one file: far above a photo, bounds a worker's memory
IN_FLIGHT = 32  # requests of one task: hides 100 ms of latency behind 300 images/s
BYTES_IN_FLIGHT = 64 * 1024 * 1024
ASSUMED_BYTES = 2 * 1024 * 1024  # of an image whose size no listing says
LOCAL_THREADS = 2  # of one task, for files: hides a cold disk, costs 10 µs an image


@dataclass(frozen=True, slots=True)
class Listing:
    """images: LISTING rows in the order of their paths' bytes. failures: (path, Failure) of what
    could not be listed: a folder without permission, a name that is not UTF-8. left_out: results
    of Orchard that lie among the images. places: where members of archives lie (PLACES).
    passed_over: how many of what systems leave in folders, by name."""

    images: pa.Table
    failures: tuple[tuple[str, Failure], ...]
    left_out: tuple[str, ...] = ()
    places: pa.Table | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_listed(self) -> int:
        return self.images.num_rows + len(self.failures)

    @property
    def placed(self) -> pa.Table:
        """The images with the places of those in archives, for `fetch` to read them together."""
        return placed(self.images, self.places)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files below a source count, and how they are labelled (see RunConfig)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    label: re.Pattern[str] | str = "parent"
    limit: int | None = None
    skip: str | None = None

    @classmethod
    def of(cls, config: RunConfig) -> Selection:
        """What a run's settings select; OUTPUT inside a source is not read."""
        return cls(
            config.include,
            config.exclude,
            config.label_pattern or config.label,
            config.limit,
            config.output_root,
        )

    def admits(self, relative: str) -> bool:
        """Whether a file counts; a folder, recognised by its last "/", is only ever excluded."""
        is_file = not relative.endswith("/")
        if is_file and self.include and not any(matches(relative, g) for g in self.include):
            return False
        return not any(matches(relative, g) for g in self.exclude)

    def admits_member(self, container: str, member: str) -> bool:
        """Whether a member counts; its container, by its path below the source or "" where it is
        the source, is like a folder only ever excluded."""
        if container and any(matches(container, g) for g in self.exclude):
            return False
        return self.admits(f"{container}{names.SEPARATOR}{member}" if container else member)

    def expects(self, sources: tuple[str, ...]) -> Callable[[str], bool]:
        """Whether a path, were its image there, would be listed from these sources."""
        buckets = [source.rstrip("/") for source in sources if is_remote(source)]
        folders = [local.namer(source) for source in sources if not is_remote(source)]

        def below(path: str) -> Iterator[str]:
            if not is_remote(path):
                yield from (name for names_below in folders for name in names_below(path))
                return
            for root in buckets:
                if path == root or path.startswith(f"{root}/"):
                    yield path[len(root) + 1 :]

        def expected(path: str) -> bool:
            parts = names.split(path)
            if parts is None:
                return any(not name or self.admits(name) for name in below(path))
            container, member = parts
            named = {"" if container in whole else name for name in below(container)}
            return any(self.admits_member(name, member) for name in named)

        whole = {absolute(source).rstrip("/") for source in sources}
        return expected

    def rule(self) -> inside.Rule:
        """The same of members of containers."""
        is_column = isinstance(self.label, str) and self.label.startswith(COLUMN)
        column = str(self.label).removeprefix(COLUMN) if is_column else None
        says = column is not None or self.label == "parent"
        is_plain = self.label in ("parent", "none") and not (self.include or self.exclude)
        return inside.Rule(self.admits_member, self.label_of, column, says, is_plain)

    def label_of(self, path: str) -> str | None:
        if isinstance(self.label, re.Pattern):
            found = self.label.search(path)
            return found.group(1) if found else None
        if self.label != "parent":
            return None
        if parts := names.split(path):  # at the top of an archive: the folder it is in
            path = parts[1] if "/" in parts[1] else parts[0]
        folder = path.rpartition("/")[0].rpartition("/")[2]  # Path takes ten times as long
        return folder if folder not in ("", ".") else Path(path).parent.name


def list_images(
    sources: tuple[str, ...],
    selection: Selection | None = None,
    storage: Storage | None = None,
    memory: Memory | None = None,
) -> Listing:
    """List the images in folders, files, glob patterns and buckets, each path once.

    The result depends on the names, never on the storage's order or the order of the sources. Links
    are followed, a link back to a folder it lies in is not. memory: what archives held when they
    were last listed, and still do. Raises SourceError where a source does not exist or cannot be
    listed, or nothing is left to read, ConfigError where names are not read as UTF-8.
    """
    surroundings.check_names()
    selection = selection or Selection()
    rows = ListingRows()
    failures: dict[str, Failure] = {}
    containers: dict[str, tuple[str, str, Found]] = {}
    results, junk = Results(storage or DEFAULT), PassedOver()
    for source in sources:
        check_source(source)
        for path, relative, found in _walk(source, selection, storage or DEFAULT, results, junk):
            if isinstance(found, Found) and names.kind_of(path):
                whole = path == absolute(source).rstrip("/")
                containers[path] = (path, "" if whole else relative, found)
                continue
            if not selection.admits(relative):
                continue
            if isinstance(found, Failure):
                failures[os.fsencode(path).decode("utf-8", "backslashreplace")] = found
            else:
                rows.add(path, selection.label_of(path), found)
    images = results.without(rows.table())
    results.refuse(sources)
    outside = (c for path, c in sorted(containers.items()) if not results.holds(path))
    members = []
    for held in inside.hold(outside, selection.rule(), storage or DEFAULT, memory):
        members.append(held.images)
        failures |= held.failures
    images, places = merged(images, members)
    failures = {path: found for path, found in failures.items() if not results.holds(path)}
    if not images.num_rows and not failures:
        raise SourceError(f"no image in {', '.join(sources)}{_why_none(selection)}")
    if not images.num_rows and len(failures) == 1:
        ((path, failure),) = failures.items()
        if path in containers and failure.reason is Reason.NOT_AN_IMAGE:  # a table
            raise SourceError(f"no image in {', '.join(sources)}: {failure.detail}")
    kept = tuple(sorted(failures.items()))
    if selection.limit is not None:
        images = images.slice(0, selection.limit)
        kept = kept[: selection.limit - images.num_rows]
    return Listing(images, kept, tuple(sorted(results.found)), places, junk.counts)


def absolute(source: str) -> str:
    """A source as it begins the paths in the tables, wherever it was given."""
    return source if is_remote(source) else local.absolute(source)


def read(
    path: str, storage: Storage | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> bytes | Failure:
    """The bytes of a listed image, or why not; never raises."""
    if names.is_member(path):
        place = reading.place_of(path, 0, storage or DEFAULT)
        if place.container is not None or place.failure is not None:
            return reading.read_one(place, storage or DEFAULT, max_bytes)
    if is_remote(path):
        if storage and storage.web and is_web(path):
            from orchard.images import web

            return web.get(path, storage.web, max_bytes)
        return objects.read(path, storage or DEFAULT, max_bytes=max_bytes)
    return local.read(path, max_bytes=max_bytes)


def fetch(images: pa.Table, storage: Storage | None = None) -> Iterator[bytes | Failure]:
    """`read` of each image, in order, read ahead up to BYTES_IN_FLIGHT: disks and buckets have
    their latency while the network computes.

    Raises SourceError where the storage fails for IN_FLIGHT objects in a row: it is gone.
    """
    paths = images["path"].to_pylist()
    n_failed = 0
    for path, content in zip(paths, _read_ahead(images, storage), strict=True):
        failed = isinstance(content, Failure) and content.reason is Reason.IO_ERROR
        is_one_place = is_remote(path) and not (storage and storage.web and is_web(path))
        n_failed = n_failed + 1 if failed and is_one_place else 0
        if isinstance(content, Failure) and n_failed == IN_FLIGHT:
            raise SourceError(
                f"{n_failed} objects in a row cannot be read; {path}: {content.detail}"
            )
        yield content


def _read_ahead(images: pa.Table, storage: Storage | None) -> Iterator[bytes | Failure]:
    rows = reading.places(images, storage or DEFAULT)
    for is_streamed, group in groupby(rows, lambda place: place.is_streamed):
        if is_streamed:
            yield from reading.stream(list(group), storage or DEFAULT, DEFAULT_MAX_BYTES)
        else:
            yield from _in_flight(list(group), storage)


def _in_flight(rows: list[Place], storage: Storage | None) -> Iterator[bytes | Failure]:
    pending: deque[tuple[Future[list[bytes | Failure]], int]] = deque()
    n_bytes = 0
    is_far = any(is_remote(place.path) for place in rows)
    pool = ThreadPoolExecutor(IN_FLIGHT if is_far else LOCAL_THREADS)
    try:
        for job in _jobs(rows, storage):
            most = BYTES_IN_FLIGHT - job.n_bytes
            while pending and (len(pending) >= IN_FLIGHT or n_bytes > most):
                first, first_size = pending.popleft()
                yield from first.result()
                n_bytes -= first_size
            pending.append((pool.submit(job.do), job.n_bytes))
            n_bytes += job.n_bytes
        for future, _ in pending:
            yield from future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _jobs(rows: list[Place], storage: Storage | None) -> Iterator[Job]:
    for is_plain, group in groupby(rows, lambda place: not (place.container or place.failure)):
        if is_plain:
            for place in group:
                yield Job(partial(_alone, place.path, storage), place.size or ASSUMED_BYTES)
        else:
            yield from reading.jobs(list(group), storage or DEFAULT, DEFAULT_MAX_BYTES)


def _alone(path: str, storage: Storage | None) -> list[bytes | Failure]:
    return [read(path, storage)]


def _walk(
    source: str, selection: Selection, storage: Storage, results: Results, junk: PassedOver
) -> Iterator[tuple[str, str, Found | Failure]]:
    if is_remote(source):
        for path, relative, found in objects.walk(source, storage, selection.skip, junk):
            results.see(path)
            yield path, relative, found
        return
    for base in local.expand(source):
        yield from local.walk(base, selection.skip, results.is_at, junk)


def _why_none(selection: Selection) -> str:
    if selection.include or selection.exclude:
        return ": the --include and --exclude globs leave none"
    return ": expected at least one file that is not hidden"
