"""Images in object stores: the objects below a URL, and the bytes of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from orchard.errors import first_line
from orchard.images.junk import PassedOver
from orchard.records import Failure, Found, Reason
from orchard.storage import Storage, list_objects, split

_UNREADABLE = re.compile(r"[\x00-\x1f\x7f]|//|^/|/$|(?:^|/)\.\.?(?:/|$)|^$")
BAD_KEY = "the key has an empty, . or .. segment, or a control character: rename the object"


def walk(
    url: str, storage: Storage, skip: str | None, passed_over: PassedOver | None = None
) -> Iterator[tuple[str, str, Found | Failure]]:
    """(URL, key below the source, what was found) for every object that is not hidden.

    Objects that stand for folders (their key ends in "/") are none, nor are those below the URL
    `skip`. passed_over: counts the junk. Raises SourceError where the bucket cannot be listed.
    """
    passed_over = passed_over or PassedOver()
    root, prefix = split(url.rstrip("/"))
    for found in list_objects(url, storage):
        path = f"{root}/{found.key}"
        relative = found.key[len(prefix) :].lstrip("/") or found.key.rpartition("/")[2]
        if found.key.endswith("/") or (skip and path.startswith(f"{skip}/")):
            continue
        if passed_over.takes_key(relative):
            continue
        if is_readable(found.key):
            yield path, relative, Found(found.size, found.modified, found.etag)
        else:
            yield path, relative, Failure(Reason.BAD_NAME, BAD_KEY)


def read(url: str, storage: Storage, *, max_bytes: int) -> bytes | Failure:
    """The bytes of an object by one GET, or why not; never raises."""
    root, key = split(url)
    try:
        found = obstore.get(storage.store(root), key)
        if found.meta["size"] > max_bytes:
            return Failure(
                Reason.TOO_MANY_BYTES, f"{found.meta['size']} bytes; at most {max_bytes} are read"
            )
        return bytes(found.bytes())
    except (BaseError, OSError) as error:
        return failure(error)


def failure(error: Exception) -> Failure:
    """Why an object cannot be read."""
    if isinstance(error, NotFoundError | FileNotFoundError):
        return Failure(Reason.VANISHED, "no such object")
    if isinstance(error, PreconditionError):
        return Failure(Reason.VANISHED, "the object has changed since it was listed")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError):
        return Failure(Reason.FORBIDDEN, first_line(error))
    return Failure(Reason.IO_ERROR, first_line(error))


def is_readable(key: str) -> bool:
    """What obstore can name: no empty, "." or ".." segment, no control character."""
    return not _UNREADABLE.search(key)
