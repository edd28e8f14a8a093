"""Object stores: how one is opened, listed and read. The only module that knows boto3.

Reading and writing go through obstore: one request an object, no HEAD before a GET, retries with
backoff. Listing S3 goes through boto3, because obstore's listing gives up at the first key that it
cannot hold (one with "//" in it, or a newline), and one stray key must not hide a bucket.

Credentials come from AWS's standard chain (environment, shared files, web identity, container and
instance roles) in each process that needs them; none is stored or sent to a worker.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError
from obstore.store import ObjectStore, from_url

from orchard.errors import ConfigError, OrchardError, SourceError, needs
from orchard.storage import s3_listing
from orchard.storage.s3_listing import Object, list_bucket

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CREDENTIAL_LIFE = timedelta(minutes=15)
RETRIES: RetryConfig = {
    "max_retries": 8,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {"init_backoff": timedelta(milliseconds=300), "max_backoff": timedelta(seconds=10)},
}
# A server that is not there ends a run in half a minute: 9 attempts of 3 s. A slow one need only
# send something every 20 s.
TIMEOUTS: ClientConfig = {"connect_timeout": "3s", "read_timeout": "20s", "timeout": "5m"}
VERSIONS_AT_ONCE = 1000  # that S3 lists, and deletes, by one request
ATTEMPTS, PAUSE_SECONDS = 5, 0.2  # of what obstore does not repeat by itself


@dataclass(frozen=True, slots=True)
class Storage:
    """How S3 is reached where it is not AWS's own address; a plain value that travels to workers.

    endpoint_url: of an S3-compatible server; default AWS_ENDPOINT_URL, as boto3 has it. region:
    default that of the credential chain.
    """

    endpoint_url: str | None = None
    region: str | None = None

    def store(self, url: str) -> ObjectStore:
        """The store of a bucket or of a folder in one: "s3://bucket/folder"."""
        return _open(url, self)

    def delta_options(self, url: str) -> dict[str, str]:
        """The same settings as delta-rs takes them, for use at once: they hold the present keys.

        Left to itself, delta-rs does not know AWS's shared files or every source of keys.
        """
        if not url.startswith("s3://"):
            return {}
        options = {"AWS_REGION": self.region_name()}
        if endpoint := self.endpoint:
            options["AWS_ENDPOINT_URL"] = endpoint
            options["AWS_ALLOW_HTTP"] = str(endpoint.startswith("http:")).lower()
        keys = _keys(_found_credentials())
        return options | (keys or {"AWS_SKIP_SIGNATURE": "true"})

    @property
    def endpoint(self) -> str | None:
        """Where S3 is; None for AWS's own address."""
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        return self.endpoint_url or next(filter(None, map(os.environ.get, names)), None)

    def region_name(self) -> str:
        return self.region or _session().region_name or "us-east-1"


DEFAULT = Storage()


def is_remote(path: str) -> bool:
    """Whether a SOURCE or OUTPUT is a URL of an object store."""
    return re.match(r"(s3|gs|az|abfss?|https?)://", path) is not None


def split(url: str) -> tuple[str, str]:
    """("s3://bucket", "folder/key") of "s3://bucket/folder/key"; keys are not decoded."""
    scheme, rest = url.split("://", 1)
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key


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
        raise SourceError(f"cannot list {url}: {one_line(error)}") from error


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
        if attempts == 1 or "retries" in one_line(error):  # obstore has repeated it itself
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
        if attempts == 1 or "retries" in one_line(error):  # obstore has repeated it itself
            raise
    time.sleep(PAUSE_SECONDS)
    return read_object(store, path, attempts - 1)


def delete_old_versions(url: str, storage: Storage) -> int:
    """Delete what a versioned S3 bucket keeps of replaced and deleted objects below a URL.

    How many versions and delete markers went; 0 where the bucket keeps none. Raises OrchardError.
    """
    root, prefix = split(url)
    bucket, client = urlsplit(root).netloc, _s3_client(storage)
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
        if "NotImplemented" in one_line(error):  # a server that has no versions
            return 0
        raise OrchardError(
            f"old versions in {url} may be left: {one_line(error)}; they hold what was erased "
            "until the bucket's lifecycle removes them"
        ) from error
    return len(gone)


def _version(found: dict[str, Any]) -> dict[str, str]:
    return {"Key": found["Key"], "VersionId": found["VersionId"]}


def one_line(error: BaseException) -> str:
    """The telling line of a client's error, which may be nested over many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else repr(error)


def _list_s3(root: str, prefix: str, storage: Storage) -> Iterator[Object]:
    yield from list_bucket(_s3_client(storage), urlsplit(root).netloc, prefix)


def _list_any(root: str, prefix: str, storage: Storage) -> Iterator[Object]:
    for batch in obstore.list(storage.store(root), prefix or None, chunk_size=1000):
        for meta in batch:
            modified = int(meta["last_modified"].timestamp() * 1_000_000)
            etag = (meta["e_tag"] or "").strip('"') or None
            yield Object(meta["path"], meta["size"], modified, etag)


@lru_cache(maxsize=32)
def _open(url: str, storage: Storage) -> ObjectStore:
    if not url.startswith("s3://"):
        options: ClientConfig = {**TIMEOUTS, "allow_http": url.startswith("http:")}
        return from_url(url, retry_config=RETRIES, client_options=options)
    settings: dict[str, Any] = {"region": storage.region_name()}
    client: ClientConfig = {**TIMEOUTS}
    if endpoint := storage.endpoint:
        settings["endpoint"] = endpoint
        client["allow_http"] = endpoint.startswith("http:")
    provider = _credentials()
    if provider is None:
        settings["skip_signature"] = True
    else:
        settings["credential_provider"] = provider
    return from_url(url, retry_config=RETRIES, client_options=client, **settings)


def _credentials() -> Callable[[], dict[str, Any]] | None:
    """AWS's standard chain as obstore takes it; None where it finds nothing: a public bucket."""
    found = _found_credentials()
    if found is None:
        return None

    def provide() -> dict[str, Any]:
        keys = _keys(found)
        return {
            "access_key_id": keys["AWS_ACCESS_KEY_ID"],
            "secret_access_key": keys["AWS_SECRET_ACCESS_KEY"],
            "token": keys.get("AWS_SESSION_TOKEN"),
            "expires_at": datetime.now(timezone.utc) + CREDENTIAL_LIFE,
        }

    return provide


def _keys(credentials: Any) -> dict[str, str]:
    """The present keys, refreshed where they must be; none without credentials."""
    if credentials is None:
        return {}
    with _readable_settings():
        frozen = credentials.get_frozen_credentials()
    named = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {name: value for name, value in named.items() if value}


def _found_credentials() -> Any:
    with _readable_settings():
        return _session().get_credentials()


@contextmanager
def _readable_settings() -> Iterator[None]:
    with needs("s3", "an s3:// address"):
        from botocore.exceptions import BotoCoreError

    try:
        yield
    except BotoCoreError as error:  # no such AWS_PROFILE, a broken file, a failed token
        raise ConfigError(
            f"cannot use the AWS settings of this machine: {one_line(error)}"
        ) from error


def _s3_client(storage: Storage) -> Any:
    with needs("s3", "an s3:// address"):
        from botocore import UNSIGNED
        from botocore.config import Config

    options = {
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        "connect_timeout": 3,
        "read_timeout": 20,
        "max_pool_connections": s3_listing.THREADS,
    }
    if _found_credentials() is None:
        options["signature_version"] = UNSIGNED
    return _session().client(
        "s3",
        region_name=storage.region_name(),
        endpoint_url=storage.endpoint_url,
        config=Config(**options),
    )


@lru_cache(maxsize=1)
def _session_of(process: int) -> Any:
    with needs("s3", "an s3:// address"):
        import boto3

    with _readable_settings():
        return boto3.Session()


def _session() -> Any:
    return _session_of(os.getpid())


__all__ = [
    "DEFAULT",
    "Object",
    "Storage",
    "create_object",
    "delete_old_versions",
    "is_remote",
    "list_objects",
    "one_line",
    "read_object",
    "split",
]
