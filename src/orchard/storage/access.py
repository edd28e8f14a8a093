"""How an object store is opened: its address, its retries, its timeouts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from obstore.store import ObjectStore, from_url

from orchard.errors import ConfigError, needs
from orchard.storage import credentials, s3_listing
from orchard.storage.web_access import WebAccess

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

RETRIES: RetryConfig = {
    "max_retries": 8,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {"init_backoff": timedelta(milliseconds=300), "max_backoff": timedelta(seconds=10)},
}
# A server that is not there ends a run in half a minute: 9 attempts of 3 s. A slow one need only
# send something every 20 s.
TIMEOUTS: ClientConfig = {"connect_timeout": "3s", "read_timeout": "20s", "timeout": "5m"}
ATTEMPTS = 5  # of what obstore does not repeat by itself
_TRIED = re.compile(r"(s3|https?)://")
_HADOOP = re.compile(r"(hdfs|viewfs|webhdfs|swebhdfs)://")


@dataclass(frozen=True, slots=True)
class Storage:
    """How S3 is reached where it is not AWS's own address; a plain value that travels to workers.

    endpoint_url: of an S3-compatible server; default AWS_ENDPOINT_URL, as boto3 has it. region:
    default that of the credential chain. web: how single images on the web are read; without it,
    http:// is a store as others are.
    """

    endpoint_url: str | None = None
    region: str | None = None
    web: WebAccess | None = None

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
        keys = credentials.keys(credentials.found())
        return options | (keys or {"AWS_SKIP_SIGNATURE": "true"})

    @property
    def endpoint(self) -> str | None:
        """Where S3 is; None for AWS's own address."""
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        return self.endpoint_url or next(filter(None, map(os.environ.get, names)), None)

    def region_name(self) -> str:
        return self.region or credentials.region() or "us-east-1"


DEFAULT = Storage()


def is_remote(path: str) -> bool:
    """Whether a SOURCE or OUTPUT is a URL, be it of a store that is refused. file:/// is none."""
    return re.match(r"(?!file:///)[A-Za-z][A-Za-z0-9+.-]+://", path) is not None


def local_path(path: str) -> str:
    """A path on this machine, be it given as its file:/// URL; a leading ~ is somebody's home."""
    if path.startswith("file:///"):
        return unquote(path.removeprefix("file://"), errors="surrogateescape")
    return os.path.expanduser(path)  # noqa: PTH111 (a name such as "~x" may be nobody's home)


def split(url: str) -> tuple[str, str]:
    """("s3://bucket", "folder/key") of "s3://bucket/folder/key"; keys are not decoded."""
    scheme, rest = url.split("://", 1)
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key


@lru_cache(maxsize=32)
def _open(url: str, storage: Storage) -> ObjectStore:
    _refuse_others(url)
    if not url.startswith("s3://"):
        options: ClientConfig = {**TIMEOUTS, "allow_http": url.startswith("http:")}
        return from_url(url, retry_config=RETRIES, client_options=options)
    settings: dict[str, Any] = {"region": storage.region_name()}
    client: ClientConfig = {**TIMEOUTS}
    if endpoint := storage.endpoint:
        settings["endpoint"] = endpoint
        client["allow_http"] = endpoint.startswith("http:")
    provider = credentials.provider()
    if provider is None:
        settings["skip_signature"] = True
    else:
        settings["credential_provider"] = provider
    return from_url(url, retry_config=RETRIES, client_options=client, **settings)


def _refuse_others(url: str) -> None:
    """Raises ConfigError where a URL is not of a store that has been tried."""
    if _HADOOP.match(url):
        raise ConfigError(
            f"{url}: HDFS is refused, since obstore, which reads and writes all files here, does "
            "not know it; expected a folder that every node sees, s3:// or, to read from, http:// "
            "or https://: copy the images by `hdfs dfs -get` or `hadoop distcp`"
        )
    if not _TRIED.match(url):
        raise ConfigError(
            f"{url}: this store has not been tried and is refused; expected a folder, s3:// or, to "
            "read from, http:// or https://: copy the images to one of these, or mount the bucket"
        )


def s3_client(storage: Storage) -> Any:
    with needs("s3", "an s3:// address"):
        from botocore import UNSIGNED
        from botocore.config import Config

    options = {
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        "connect_timeout": 3,
        "read_timeout": 20,
        "max_pool_connections": s3_listing.THREADS,
    }
    if credentials.found() is None:
        options["signature_version"] = UNSIGNED
    return credentials.session().client(
        "s3",
        region_name=storage.region_name(),
        endpoint_url=storage.endpoint_url,
        config=Config(**options),
    )
