"""Real S3 servers on loopback: moto's for every test, rclone's as a second opinion."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3.proxy import Proxy, proxy_to

import orchard
from orchard.images import source
from orchard.records import Failure
from orchard.storage import Storage, access, credentials, objects
from orchard.store.output import Output

ACCESS_KEY, SECRET_KEY = "AKIAORCHARDTESTS", "hush-orchard-secret-key"
_bucket_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The endpoint of moto's S3."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


AWS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The environment of a machine with keys and without settings of its own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    _forget()
    yield
    _forget()


def _forget() -> None:
    access._open.cache_clear()
    credentials._session_of.cache_clear()


@pytest.fixture
def aws_in_workers(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same keys for workers of the suite's Spark, which began before the test did."""
    for name, value in AWS.items():
        monkeypatch.setitem(spark.sparkContext.environment, name, value)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as ever, with pauses of milliseconds."""
    pauses = {"init_backoff": timedelta(milliseconds=2), "max_backoff": timedelta(milliseconds=8)}
    monkeypatch.setitem(access.RETRIES, "backoff", pauses)
    monkeypatch.setattr(objects, "PAUSE_SECONDS", 0.002)


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with proxy_to(server) as proxy:
        yield proxy


@dataclass
class Bucket:
    """A bucket seen two ways: `client` sets it up and inspects it, Orchard goes to `storage`."""

    name: str
    client: Any
    storage: Storage

    def url(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}" if key else f"s3://{self.name}"

    def put(self, key: str, data: bytes = b"x") -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def upload(self, folder: Path, under: str = "photos") -> None:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            self.put(f"{under}/{path.relative_to(folder)}", path.read_bytes())

    def contents(self, under: str = "") -> dict[str, tuple[str, Any]]:
        """(etag, time of writing) of each key below a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        items = (item for page in pages for item in page.get("Contents", ()))
        return {
            item["Key"]: (item["ETag"], item["LastModified"])
            for item in items
            if item["Key"].startswith(under)
        }

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def list(self, key: str = "", **selection: Any) -> source.Listing:
        return source.list_images((self.url(key),), source.Selection(**selection), self.storage)

    def fetch(self, key: str = "") -> dict[str, bytes | Failure]:
        """What `fetch` gives for everything below a folder, by key."""
        images = self.list(key).images
        keys = [path.split("/", 3)[3] for path in images["path"].to_pylist()]
        return dict(zip(keys, source.fetch(images, self.storage), strict=True))

    def output(self, key: str = "out") -> Output:
        return Output.at(self.url(key), self.storage)


def client_of(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


@pytest.fixture
def bucket(server: str, proxy: Proxy) -> Bucket:
    """An empty bucket; Orchard reaches it through `proxy`."""
    name = f"orchard-{next(_bucket_numbers)}"
    client = client_of(server)
    client.create_bucket(Bucket=name)
    return Bucket(name, client, Storage(proxy.endpoint, "us-east-1"))


@pytest.fixture
def s3_run(
    run: Callable[..., orchard.Result], proxy: Proxy, aws_in_workers: None
) -> Callable[..., orchard.Result]:
    """`run` with the proxy as its S3."""

    def s3_run(source: Any, output: Any, **settings: Any) -> orchard.Result:
        return run(source, output, endpoint_url=proxy.endpoint, region="us-east-1", **settings)

    return s3_run


@pytest.fixture
def rclone() -> Callable[..., Any]:
    return serve_folder


@contextmanager
def serve_folder(folder: Path, *options: str, server: str = "s3") -> Iterator[str]:
    """The endpoint of `rclone serve`; as s3, each folder in `folder` is a bucket."""
    program = Path(sys.executable).with_name("rclone")
    if not program.exists():
        pytest.skip(f"{shutil.which('rclone') or program}: rclone is not installed")
    command = [str(program), "serve", server, str(folder), "--addr", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        rest = threading.Thread(target=process.stderr.read)  # a full pipe would block it
        try:
            endpoint = _announced(process.stderr)
            rest.start()
            yield endpoint
        finally:
            process.terminate()
            if rest.is_alive():
                rest.join()


def _announced(log: IO[str]) -> str:
    """The address that rclone says it serves at."""
    said = []
    for line in log:
        if found := re.search(r"erver (?:started )?on \[(http://[^/\]]+)", line):
            return found[1]
        said.append(line)
    pytest.fail(f"rclone serves nothing: {''.join(said)}")
