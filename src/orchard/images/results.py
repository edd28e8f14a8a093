"""Results of Orchard among the images: their pictures are no photos, and are left out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from orchard.errors import ConfigError
from orchard.images import local, objects
from orchard.storage import Storage, is_remote
from orchard.storage.results import LOG, MARKER, is_result, is_result_folder

MOST_BYTES = 64 * 1024 * 1024  # of a marker or a log entry


@dataclass
class Results:
    """Those met by one listing: folders while they are walked, in buckets from all the keys.

    found: their paths or URLs.
    """

    storage: Storage
    found: set[str] = field(default_factory=set)
    _signs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def is_at(self, folder: str) -> bool:
        """Whether a folder on a disk, which holds a sign of one, is a result."""
        if not is_result_folder(folder):
            return False
        self.found.add(folder)
        return True

    def see(self, url: str) -> None:
        """Note an object that tells of a result."""
        for sign in (f"/{MARKER}", f"/{LOG}/"):
            root, at, name = url.rpartition(sign)
            if at and "/" not in name:
                self._signs[root].append(name)

    def without(self, images: pa.Table) -> pa.Table:
        """A listing's rows less those that lie in a result."""
        self.found.update(root for root in self._signs if self._is_result(root))
        for root in self._in_buckets:
            inside = pc.starts_with(images["path"], root)
            images = images.filter(pc.invert(inside))
        return images

    def refuse(self, sources: tuple[str, ...]) -> None:
        """Raises ConfigError where a source, by its name and not by a pattern, is a result."""
        for source in sources:
            place = source.rstrip("/") if is_remote(source) else local.absolute(source)
            if place in self.found:
                raise ConfigError(
                    f"SOURCE {source} is a result of Orchard, whose pictures are no photos: "
                    "expected images; the order is SOURCE... OUTPUT"
                )

    def holds(self, path: str) -> bool:
        """Whether a path lies in a result in a bucket, once `without` has looked for them."""
        return path.startswith(self._in_buckets)

    @cached_property
    def _in_buckets(self) -> tuple[str, ...]:
        return tuple(f"{root}/" for root in self.found if root in self._signs)

    def _is_result(self, root: str) -> bool:
        def read(path: str) -> bytes | None:
            found = objects.read(f"{root}/{path}", self.storage, max_bytes=MOST_BYTES)
            return found if isinstance(found, bytes) else None

        return is_result(read, lambda: self._signs[root])
