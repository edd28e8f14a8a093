"""Archives in a bucket: a few large ranges instead of a request an image."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import silent
from images import packed
from s3.proxy import Answer, Lost

import orchard
from orchard.images import source
from orchard.images.containers import files, reading
from orchard.images.containers.places import in_reading_order
from orchard.records import Reason


def fetched(bucket, images):
    images = in_reading_order(images)
    paths = (path.split("!/")[-1] for path in images["path"].to_pylist())
    return dict(zip(paths, source.fetch(images, bucket.storage), strict=True))


def upload(bucket, path):
    bucket.put(f"shards/{path.name}", path.read_bytes())


@pytest.mark.parametrize("name", packed.EVERY_KIND)
def test_every_member_in_a_bucket_has_its_bytes(bucket, tmp_path, name):
    members = packed.pictures()
    upload(bucket, packed.write(tmp_path / name, members))
    listing = bucket.list("shards")
    assert not listing.failures
    assert fetched(bucket, listing.placed) == members
    assert fetched(bucket, listing.images.select(["path", "size"])) == members
    alone = bucket.list(f"shards/{name}").images
    assert alone["path"].to_pylist() == listing.images["path"].to_pylist()
    assert (
        source.read(bucket.url(f"shards/{name}!/plum/01.jpg"), bucket.storage)
        == (members["plum/01.jpg"])
    )


@pytest.mark.parametrize(("name", "at_most"), [("a.tar", 12), ("a.zip", 8), ("a.parquet", 14)])
def test_many_images_take_few_requests(bucket, proxy, tmp_path, name, at_most):
    """Two thousand of 5 kB, 11 MB: one by one they would be two thousand requests."""
    rng = np.random.default_rng(1)
    members = {f"{n % 7}/{n:04d}.jpg": rng.bytes(5000) for n in range(2000)}
    path = tmp_path / name
    if name.endswith("parquet"):
        packed.parquet(path, packed.table(members), group=1000)
    else:
        packed.write(path, members)
    upload(bucket, path)
    proxy.log.clear()
    listing = bucket.list("shards")
    assert fetched(bucket, listing.placed) == members
    assert len(proxy.log) <= at_most, [str(request) for request in proxy.log]


def test_a_shard_that_changes_in_between_gives_no_wrong_bytes(bucket, tmp_path):
    for name in ("a.tar", "a.zip", "a.tar.gz", "a.parquet"):
        upload(bucket, packed.write(tmp_path / name, packed.pictures()))
    images = bucket.list("shards").placed
    for name in ("a.tar", "a.zip", "a.tar.gz", "a.parquet"):
        upload(bucket, packed.write(tmp_path / name, {"other/1.jpg": packed.jpeg(77)}))
    found = list(source.fetch(in_reading_order(images), bucket.storage))
    assert {one.reason for one in found} == {Reason.VANISHED}


def test_a_lost_range_is_asked_for_again(bucket, proxy, tmp_path, quick):
    members = packed.pictures()
    upload(bucket, packed.write(tmp_path / "a.tar", members))
    images = bucket.list("shards").placed
    lost = []

    def once(request):
        if request.is_read and not lost:
            lost.append(request)
            return Lost()
        return None

    proxy.inject = once
    assert fetched(bucket, images) == members
    assert lost


def test_a_shard_that_may_not_be_read_is_told_once(bucket, proxy, tmp_path, quick):
    upload(bucket, packed.write(tmp_path / "a.zip", packed.pictures()))
    bucket.put("shards/fine.jpg", b"x")
    proxy.inject = lambda request: (
        Answer(403, "AccessDenied") if request.is_read and request.key.endswith(".zip") else None
    )
    listing = bucket.list("shards")
    assert [(path, f.reason) for path, f in listing.failures] == [
        (bucket.url("shards/a.zip"), Reason.FORBIDDEN)
    ]
    assert listing.images.num_rows == 1


def test_bytes_in_flight_are_bounded_for_ranges_too(bucket, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "BYTES_IN_FLIGHT", 300_000)
    monkeypatch.setattr(reading, "RANGE_BYTES", 100_000)
    monkeypatch.setattr(files, "TAIL", 0)
    members = {f"{n:03d}.jpg": bytes([n]) * 9_000 for n in range(200)}
    upload(bucket, packed.write(tmp_path / "a.tar", members))
    images = bucket.list("shards").placed
    proxy.log.clear()
    contents = source.fetch(in_reading_order(images), bucket.storage)
    first = next(contents)
    assert first == members["000.jpg"]
    assert len(proxy.count("GET", under="shards/")) <= 1
    assert sum(proxy.count("GET", under="shards/").values()) <= 5
    assert len(list(contents)) == 199


def test_packing_into_a_bucket_sends_what_is_new(bucket, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr("orchard.packing.writing.MEGABYTE", 20_000)
    members = packed.pictures(20)
    for name, data in members.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)

    def pack():
        proxy.log.clear()
        config = orchard.PackConfig(
            sources=(str(tmp_path / "in"),),
            output=bucket.url("shards"),
            shard_size=1,
            endpoint_url=proxy.endpoint,
            region="us-east-1",
        )
        return orchard.pack(config, silent())

    first = pack()
    assert first.n_images == 40
    assert sum(proxy.count("PUT").values()) == first.n_shards > 1
    listing = bucket.list("shards")
    assert {path.split("!/in/")[1] for path in listing.images["path"].to_pylist()} == set(members)
    assert list(source.fetch(listing.images, bucket.storage)) == list(members.values())
    again = pack()
    assert (again.written, sum(proxy.count("PUT").values())) == ((), 0)
    assert sum(proxy.count("GET", under="shards/").values()) == first.n_shards, "an index each"
    assert not proxy.count("HEAD")
    (tmp_path / "in" / "apple" / "new.jpg").write_bytes(packed.jpeg(70))
    assert pack().written == (first.n_shards,)

    proxy.log.clear()
    from_bucket = orchard.PackConfig(
        sources=(bucket.url("shards"),), output=str(tmp_path / "again"),
        endpoint_url=proxy.endpoint, region="us-east-1",
    )  # fmt: skip
    assert orchard.pack(from_bucket, silent()).n_images == 41
