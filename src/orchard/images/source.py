"""Where images come from: list them once on the driver, fetch them in the workers.

Listing opens no file. What a file is is decided later, by its bytes: whatever is regular and not
hidden is listed, and a stray text file ends as a row of the errors table, unless `--exclude` names
it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard import surroundings
from orchard.config import RunConfig
from orchard.errors import SourceError
from orchard.images import local, objects
from orchard.images.junk import PassedOver
from orchard.images.not_sources import check_source
from orchard.images.results import Results
from orchard.records import LISTING, Failure, Found, Reason
from orchard.storage import DEFAULT, Storage, is_remote
from orchard.storage.web_access import is_web

DEFAULT_MAX_BYTES = 512 * 1024 * 1024  # of one file: far above a photo, bounds a worker's memory
IN_FLIGHT = 32  # requests of one task: hides 100 ms of latency behind 300 images/s
BYTES_IN_FLIGHT = 64 * 1024 * 1024
ASSUMED_BYTES = 2 * 1024 * 1024  # of an image whose size no listing says
LOCAL_THREADS = 2  # of one task, for files: hides a cold disk, costs 10 µs an image
MAX_PATH_BYTES = 2**31 - 1  # what offsets of Arrow's strings can tell apart


@dataclass(frozen=True, slots=True)
class Listing:
    """images: LISTING rows in the order of their paths' bytes. failures: (path, Failure) of what
    could not be listed: a folder without permission, a name that is not UTF-8. left_out: results
    of Orchard that lie among the images. passed_over: how many of what systems leave in folders, by
    name."""

    images: pa.Table
    failures: tuple[tuple[str, Failure], ...]
    left_out: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_listed(self) -> int:
        return self.images.num_rows + len(self.failures)


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
        if is_file and self.include and not any(_matches(relative, g) for g in self.include):
            return False
        return not any(_matches(relative, g) for g in self.exclude)

    def expects(self, sources: tuple[str, ...]) -> Callable[[str], bool]:
        """Whether a path, were its image there, would be listed from these sources."""
        buckets = [source.rstrip("/") for source in sources if is_remote(source)]
        folders = [local.namer(source) for source in sources if not is_remote(source)]

        def expected(path: str) -> bool:
            if is_remote(path):
                return any(
                    path == root
                    or (path.startswith(f"{root}/") and self.admits(path[len(root) + 1 :]))
                    for root in buckets
                )
            return any(self.admits(name) for below in folders for name in below(path))

        return expected

    def label_of(self, path: str) -> str | None:
        if isinstance(self.label, re.Pattern):
            found = self.label.search(path)
            return found.group(1) if found else None
        if self.label != "parent":
            return None
        folder = path.rpartition("/")[0].rpartition("/")[2]  # Path takes ten times as long
        return folder if folder not in ("", ".") else Path(path).parent.name


def list_images(
    sources: tuple[str, ...],
    selection: Selection | None = None,
    storage: Storage | None = None,
) -> Listing:
    """List the images in folders, files, glob patterns and buckets, each path once.

    The result depends on the names, never on the storage's order or the order of the sources. Links
    are followed, a link back to a folder it lies in is not. Raises SourceError where a source does
    not exist or cannot be listed, or nothing is left to read, ConfigError where names are not read
    as UTF-8.
    """
    surroundings.check_names()
    selection = selection or Selection()
    rows = _Rows()
    failures: dict[str, Failure] = {}
    results, junk = Results(storage or DEFAULT), PassedOver()
    for source in sources:
        check_source(source)
        for path, relative, found in _walk(source, selection, storage or DEFAULT, results, junk):
            if not selection.admits(relative):
                continue
            if isinstance(found, Failure):
                failures[os.fsencode(path).decode("utf-8", "backslashreplace")] = found
            else:
                rows.add(path, selection.label_of(path), found)
    images = results.without(rows.table())
    results.refuse(sources)
    failures = {path: found for path, found in failures.items() if not results.holds(path)}
    if not images.num_rows and not failures:
        raise SourceError(f"no image in {', '.join(sources)}{_why_none(selection)}")
    kept = tuple(sorted(failures.items()))
    if selection.limit is not None:
        images = images.slice(0, selection.limit)
        kept = kept[: selection.limit - images.num_rows]
    return Listing(images, kept, tuple(sorted(results.found)), junk.counts)


def absolute(source: str) -> str:
    """A source as it begins the paths in the tables, wherever it was given."""
    return source if is_remote(source) else local.absolute(source)


def read(
    path: str, storage: Storage | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> bytes | Failure:
    """The bytes of a listed image, or why not; never raises."""
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
    paths = images["path"].to_pylist()
    sizes = pc.fill_null(images["size"], ASSUMED_BYTES).to_pylist()
    pending: deque[tuple[Future[bytes | Failure], int]] = deque()
    n_bytes = 0
    pool = ThreadPoolExecutor(IN_FLIGHT if any(map(is_remote, paths)) else LOCAL_THREADS)
    try:
        for path, size in zip(paths, sizes, strict=True):
            while pending and (len(pending) >= IN_FLIGHT or n_bytes + size > BYTES_IN_FLIGHT):
                first, first_size = pending.popleft()
                yield first.result()
                n_bytes -= first_size
            pending.append((pool.submit(read, path, storage), size))
            n_bytes += size
        yield from (future.result() for future, _ in pending)
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(slots=True)
class _Rows:
    """LISTING rows under construction; full chunks go to Arrow, where a row costs its bytes."""

    CHUNK = 65536

    chunks: list[pa.Table] = field(default_factory=list)
    rows: list[tuple[str, str | None, int, int, str | None]] = field(default_factory=list)

    def add(self, path: str, label: str | None, found: Found) -> None:
        self.rows.append((path, label, found.size, found.modified, found.etag))
        if len(self.rows) == self.CHUNK:
            self._flush()

    def table(self) -> pa.Table:
        """All rows in the order of their paths, each path once."""
        self._flush()
        if sum(chunk["path"].nbytes for chunk in self.chunks) > MAX_PATH_BYTES:
            raise SourceError(
                f"the source has {sum(chunk.num_rows for chunk in self.chunks):,} files, whose "
                "paths are more than a listing holds (2 GiB, some 30 million); run it folder by "
                "folder, each with an OUTPUT of its own"
            )
        rows = pa.concat_tables(self.chunks)
        self.chunks.clear()  # each step lets go of what the one before it made
        rows = rows.sort_by("path")
        rows = rows.combine_chunks()
        if rows.num_rows < 2:
            return rows
        paths = rows["path"].combine_chunks()
        repeated = pc.equal(paths.slice(1), paths.slice(0, len(paths) - 1))
        if not pc.any(repeated).as_py():
            return rows
        first = np.concatenate([[True], ~repeated.to_numpy(zero_copy_only=False)])
        return rows.filter(pa.array(first))

    def _flush(self) -> None:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(LISTING)
        self.chunks.append(pa.table([list(column) for column in columns], schema=LISTING))
        self.rows.clear()


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


def _matches(relative: str, pattern: str) -> bool:
    """Whether a glob is of a path below the source.

    Without a "/" it is of names; with one at the front, of the path from the source on; with one
    elsewhere, of the path from any folder on. Behind a last "/" is all that a folder holds.
    """
    if "/" not in pattern:
        return fnmatch.fnmatchcase(relative.rpartition("/")[2], pattern)
    whole = f"{pattern}*" if pattern.endswith("/") else pattern
    if whole.startswith("/"):
        return fnmatch.fnmatchcase(relative, whole[1:])
    parts = relative.split("/")
    ends = ("/".join(parts[n:]) for n in range(len(parts)))
    return any(fnmatch.fnmatchcase(end, whole.removeprefix("**/")) for end in ends)


def _why_none(selection: Selection) -> str:
    if selection.include or selection.exclude:
        return ": the --include and --exclude globs leave none"
    return ": expected at least one file that is not hidden"
