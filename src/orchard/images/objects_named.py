"""Objects that a manifest names: where it names many of a folder, the folder is listed, a request
for a thousand; else each is asked for by itself."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError

from orchard.errors import OrchardError, first_line
from orchard.images import objects
from orchard.records import Failure, Found, Reason
from orchard.storage import Storage, list_objects, split

REQUESTS_AT_ONCE = 32
MANY = 50  # of one folder: then it is listed
MOST_OTHERS = 100  # objects listed for each that is named; beyond it the rest is asked for singly


def find(urls: list[str], storage: Storage) -> dict[str, Found | Failure]:
    """Size, time and ETag of each, or why there are none."""
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for url in urls:
        folders[url.rpartition("/")[0]].add(url)
    found: dict[str, Found | Failure] = {}
    for folder, wanted in folders.items():
        if len(wanted) >= MANY:
            found |= _listed(folder, wanted, storage)
    rest = [url for url in urls if url not in found]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        found.update(zip(rest, pool.map(lambda url: _head(url, storage), rest), strict=True))
    return found


def _listed(folder: str, wanted: set[str], storage: Storage) -> dict[str, Found | Failure]:
    """Those of the objects that a folder's listing shows; what it does not is asked for singly."""
    found: dict[str, Found | Failure] = {}
    root, _ = split(folder)
    try:
        for number, one in enumerate(list_objects(folder, storage)):
            url = f"{root}/{one.key}"
            if url in wanted and objects.is_readable(one.key):
                found[url] = Found(one.size, one.modified, one.etag)
            if len(found) == len(wanted) or number > MOST_OTHERS * len(wanted):
                break
    except OrchardError:  # it may be read and not listed
        pass
    return found


def _head(url: str, storage: Storage) -> Found | Failure:
    root, key = split(url)
    if not objects.is_readable(key):
        return Failure(Reason.BAD_NAME, objects.BAD_KEY)
    try:
        meta = obstore.head(storage.store(root), key)
    except (NotFoundError, FileNotFoundError):
        return Failure(Reason.VANISHED, "the manifest names it, and there is no such object")
    except (PermissionDeniedError, PermissionError) as error:
        return Failure(Reason.FORBIDDEN, first_line(error))
    except (BaseError, OSError) as error:
        return Failure(Reason.IO_ERROR, first_line(error))
    modified = int(meta["last_modified"].timestamp() * 1_000_000)
    return Found(meta["size"], modified, (meta["e_tag"] or "").strip('"') or None)
