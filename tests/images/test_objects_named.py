"""A manifest in a bucket: a folder of many of its objects is listed, a few are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchard.images import objects_named
from orchard.images.manifest import read_manifest
from orchard.images.table_file import read_table
from orchard.records import Failure, Found, Reason
from orchard.storage import Storage, access, credentials


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access._open.cache_clear()
    credentials._session_of.cache_clear()
    yield Storage(f"http://{host}:{port}", "eu-west-3")
    server.stop()
    access._open.cache_clear()
    credentials._session_of.cache_clear()


def test_a_folder_of_many_is_listed_and_a_few_are_asked_for(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = boto3.client("s3", endpoint_url=storage.endpoint_url, region_name=storage.region)
    s3.create_bucket(
        Bucket="fruits", CreateBucketConfiguration={"LocationConstraint": storage.region}
    )
    keys = [*(f"many/{n}.jpg" for n in range(60)), "few/1.jpg"]
    for key in keys:
        s3.put_object(Bucket="fruits", Key=key, Body=b"picture")
    named = [*keys, "many/none.jpg", "few/none.jpg"]
    lines = "path\n" + "".join(f"../{key}\n" for key in named)
    s3.put_object(Bucket="fruits", Key="lists/a.csv", Body=lines.encode())
    manifest = read_table("s3://fruits/lists/a.csv", "--manifest", storage)
    urls = [entry.path for entry in read_manifest(manifest, None).entries]
    assert sorted(urls) == sorted(f"s3://fruits/{key}" for key in named)
    asked: list[str] = []
    head = objects_named._head
    monkeypatch.setattr(objects_named, "_head", lambda u, s: asked.append(u) or head(u, s))
    found = objects_named.find(urls, storage)
    assert sum(isinstance(one, Found) and one.size == 7 for one in found.values()) == 61
    for key in ("many/none.jpg", "few/none.jpg"):
        missing = found[f"s3://fruits/{key}"]
        assert isinstance(missing, Failure)
        assert missing.reason is Reason.VANISHED
    singly = {url.removeprefix("s3://fruits/") for url in asked}
    assert singly == {"few/1.jpg", "few/none.jpg", "many/none.jpg"}
    listed, single = found["s3://fruits/many/1.jpg"], head("s3://fruits/many/1.jpg", storage)
    assert isinstance(listed, Found)
    assert isinstance(single, Found)
    assert listed.etag == single.etag
