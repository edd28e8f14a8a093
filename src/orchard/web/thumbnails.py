"""Known images, small, under names that say nothing: made at first use and kept in memory.

Only images of the classifier's gallery can be asked for, by a keyed hash of their path; no path
ever comes from a client, and none goes to one.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable

from orchard.images.confines import Confines
from orchard.images.small import as_jpeg
from orchard.records import Failure
from orchard.storage import Storage

SIDE = 240  # pixels: three stand side by side on a phone, two device pixels each
KEPT = 2000  # of about 10 kB


class Thumbnails:
    """paths: that may be shown where `confines` admit them. storage: where they are read from. key:
    a secret of the process."""

    def __init__(
        self,
        paths: Iterable[str],
        confines: Confines,
        storage: Storage,
        max_pixels: int,
        key: bytes,
    ) -> None:
        self._key = key
        self._confines = confines
        self._paths = {self.name(path): path for path in paths if confines.admits(path)}
        self._storage = storage
        self._max_pixels = max_pixels
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def name(self, path: str) -> str:
        """16 hexadecimal digits, others in each process."""
        return hashlib.blake2b(path.encode(), key=self._key, digest_size=8).hexdigest()

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def made(self, name: str) -> bytes | None:
        """A JPEG that was made before."""
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
            return self._made.get(name)

    def make(self, name: str) -> bytes | None:
        """The JPEG, or None where the image is gone or cannot be read any more."""
        data = self._confines.read(self._paths[name], self._storage)
        jpeg = data if isinstance(data, Failure) else as_jpeg(data, SIDE, self._max_pixels)
        if isinstance(jpeg, Failure):
            return None
        with self._lock:
            self._made[name] = jpeg
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return jpeg
