"""Which of the paths that a result holds may be read: those that a run would have listed.

A table, a gallery or a run's record may come from somebody else, and name any file of this machine
or any address of its network. So whoever shows images of a result reads only

* below the sources: given by the user now, or, less far, as the result's runs record them;
* what a run lists there: no hidden file, no ".." and no "//";
* below OUTPUT only what no link leads out of it.

A recorded source is not asked of its record alone: "/", a pattern from there, and addresses of the
web (http, https), which may be of this machine's own network, count only where the user gives them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from orchard.images import local, source
from orchard.images.containers import names
from orchard.records import Failure, Reason
from orchard.storage import Storage, is_remote

OUTSIDE = "outside the sources of this result; --source says where images may be read"


def trusted(recorded: Iterable[str]) -> tuple[str, ...]:
    """Of the sources that a record names, those that are read without being given."""
    return tuple(one for one in recorded if _is_narrow(one))


@dataclass(frozen=True, slots=True)
class Confines:
    """sources: as `absolute` has them. output: the result's folder or URL."""

    sources: tuple[str, ...]
    output: str

    def admits(self, path: str) -> bool:
        """Whether an image of this path may be read."""
        if parts := names.split(path):
            return not _is_hidden(parts[1]) and self._admits(names.as_folder(path), parts[0])
        return self._admits(path, path)

    def _admits(self, path: str, file: str) -> bool:
        """path: an image's, as if its archive were a folder. file: that lies on the disk."""
        if is_remote(path):
            return any(_is_below(path, one) for one in self.sources if is_remote(one))
        if not path.startswith("/") or "\0" in path or os.path.normpath(path) != path:
            return False
        here = (one for one in self.sources if not is_remote(one))
        listed = any(not _is_hidden(name) for one in here for name in local.namer(one)(path))
        return listed and self._stays(file)

    def mask(self, paths: Iterable[str]) -> NDArray[np.bool_]:
        """`admits` of each."""
        return np.fromiter(map(self.admits, paths), np.bool_)

    def read(self, path: str, storage: Storage) -> bytes | Failure:
        """The bytes of an image that may be read, or why not; never raises."""
        if not self.admits(path):
            return Failure(Reason.FORBIDDEN, OUTSIDE)
        return source.read(path, storage)

    def _stays(self, path: str) -> bool:
        """Whether a path below OUTPUT stays there, whatever links it passes."""
        if is_remote(self.output) or not path.startswith(f"{self.output}/"):
            return True
        return os.path.realpath(path).startswith(f"{os.path.realpath(self.output)}/")


def _is_below(url: str, root: str) -> bool:
    root = root.rstrip("/")
    if not urlsplit(root).netloc or not (url == root or url.startswith(f"{root}/")):
        return False
    segments = url.split("://", 1)[1].split("/")[1:]
    return not ({"", ".", ".."} & set(segments)) and not _is_hidden(url[len(root) + 1 :])


def _is_hidden(relative: str) -> bool:
    return relative.startswith(".") or "/." in relative


def _is_narrow(one: str) -> bool:
    if is_remote(one):
        return urlsplit(one).scheme not in ("http", "https")
    first = one.split("/")[1] if one.startswith("/") else ""
    return bool(first) and not glob.has_magic(first) and os.path.normpath(one) == one
