"""The objects of a store: listed, read, written where there is none, and their old versions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError
from obstore.store import ObjectStore

from orchard.errors import OrchardError, SourceError, first_line
from orchard.storage.access import ATTEMPTS, Storage, s3_client, split
from orchard.storage.s3_listing import Object, list_bucket

VERSIONS_AT_ONCE = 1000  # that S3 lists, and deletes, by one request
PAUSE_SECONDS = 0.2


def list_objects(url: str, storage: Storage) -> Iterator[Object]:
    """All objects whose key is the URL's, or lies below it as in a folder.

    Raises SourceError where the bucket cannot be listed.
    """
    root, prefix = split(url)
    prefix = prefix.rstrip("/")
    try:
        listing = _list_s3 if root.startswith("s3://") else _list_any
        for found in listing(root, prefix, storage):
            if not prefix or found.key == prefix or found.key.startswith(f"{prefix}/"):
                yield found
    except OrchardError:
        raise
    except Exception as error:  # botocore, obstore and the network each have their own
        raise SourceError(f"cannot list {url}: {first_line(error)}") from error


def create_object(store: ObjectStore, path: str, data: bytes, attempts: int = ATTEMPTS) -> str:
    """Write an object only where there is none; its etag.

    object_store does not repeat a conditional put whose answer was lost, because it would meet its
    own work. Here one that is met and holds the same bytes counts as written. Raises
    AlreadyExistsError where it holds others, and obstore's other errors.
    """
    try:
        return obstore.put(store, path, data, mode="create", use_multipart=False)["e_tag"] or ""
    except AlreadyExistsError:
        # S3 answers 409 also for an object that another client was deleting.
        with suppress(NotFoundError, FileNotFoundError):
            found = obstore.get(store, path)
            if bytes(found.bytes()) != data:
                raise
            return found.meta["e_tag"] or ""
        if attempts == 1:
            raise
    except GenericError as error:
        if attempts == 1 or "retries" in first_line(error):  # obstore has repeated it itself
            raise
    time.sleep(PAUSE_SECONDS * (ATTEMPTS - attempts + 1))
    return create_object(store, path, data, attempts - 1)


def read_object(store: ObjectStore, path: str, attempts: int = ATTEMPTS) -> memoryview:
    """An object's bytes, again where the body of a small one was cut, which obstore may not repeat.

    Raises obstore's errors.
    """
    try:
        return memoryview(obstore.get(store, path).bytes())
    except GenericError as error:
        if attempts == 1 or "retries" in first_line(error):  # obstore has repeated it itself
            raise
    time.sleep(PAUSE_SECONDS)
    return read_object(store, path, attempts - 1)


def delete_old_versions(url: str, storage: Storage) -> int:
    """Delete what a versioned S3 bucket keeps of replaced and deleted objects below a URL.

    How many versions and delete markers went; 0 where the bucket keeps none. Raises OrchardError.
    """
    root, prefix = split(url)
    bucket, client = urlsplit(root).netloc, s3_client(storage)
    below = f"{prefix.rstrip('/')}/" if prefix else ""
    try:
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=below, PaginationConfig={"PageSize": VERSIONS_AT_ONCE}
        )
        old, markers = [], []
        for page in pages:
            old += [_version(v) for v in page.get("Versions", ()) if not v["IsLatest"]]
            markers += [_version(v) for v in page.get("DeleteMarkers", ())]
        gone = old + markers  # without its marker an older version would be the present one again
        for start in range(0, len(gone), VERSIONS_AT_ONCE):
            wanted = {"Objects": gone[start : start + VERSIONS_AT_ONCE], "Quiet": True}
            for refused in client.delete_objects(Bucket=bucket, Delete=wanted).get("Errors", ()):
                raise OrchardError(f"{refused['Key']}: {refused['Code']}")
    except Exception as error:  # botocore's and the network's
        if "NotImplemented" in first_line(error):  # a server that has no versions
            return 0
        raise OrchardError(
            f"old versions in {url} may be left: {first_line(error)}; they hold what was erased "
            "until the bucket's lifecycle removes them"
        ) from error
    return len(gone)


def _version(found: dict[str, Any]) -> dict[str, str]:
    return {"Key": found["Key"], "VersionId": found["VersionId"]}


def _list_s3(root: str, prefix: str, storage: Storage) -> Iterator[Object]:
    yield from list_bucket(s3_client(storage), urlsplit(root).netloc, prefix)


def _list_any(root: str, prefix: str, storage: Storage) -> Iterator[Object]:
    for batch in obstore.list(storage.store(root), prefix or None, chunk_size=1000):
        for meta in batch:
            modified = int(meta["last_modified"].timestamp() * 1_000_000)
            etag = (meta["e_tag"] or "").strip('"') or None
            yield Object(meta["path"], meta["size"], modified, etag)
