"""Whole runs from and into buckets: the rows and numbers of a run on a disk."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from s3.proxy import Together
from s3.runs.conftest import REQUESTS

from orchard.cli import main
from orchard.images.source import IN_FLIGHT
from orchard.records import vectors_of


def by_key(result, source):
    """Rows by their path below the source, without what must differ."""
    varying = {"path", "modified", "etag", "run_id", "features"}
    return {
        row["path"].removeprefix(str(source)).lstrip("/"): {
            name: value for name, value in row.items() if name not in varying
        }
        for row in result.features().to_pylist()
    }


def assert_same(result, source, expected, expected_source):
    assert by_key(result, source) == by_key(expected, expected_source)
    for name, tolerance in (("features", 1e-5), ("components", 1e-3)):
        found, wanted = (vectors_of(getattr(r, name)()[name]) for r in (result, expected))
        np.testing.assert_allclose(found, wanted, atol=tolerance)


def image_reads(proxy):
    return proxy.count("GET", under="photos/")


def test_from_a_bucket_into_a_bucket_and_again(run, s3_run, bucket, proxy, photos, tmp_path):
    bucket.upload(photos)
    source, output = bucket.url("photos"), bucket.url("out")
    result = s3_run(source, output)
    assert_same(result, source, run(photos, tmp_path / "out"), photos)
    assert result.features()["etag"].null_count == 0
    assert set(image_reads(proxy).values()) == {1}
    assert len(image_reads(proxy)) == 40
    assert not proxy.count("HEAD", under="photos/")
    before = bucket.contents()
    proxy.forget()
    again = s3_run(source, output)
    assert again.record["counts"]["already_there"] == 40
    assert bucket.contents() == before
    assert not image_reads(proxy)


@pytest.mark.s3
@pytest.mark.parametrize("remote", ["source", "output"])
def test_either_side_may_be_a_bucket(run, s3_run, bucket, photos, tmp_path, remote):
    bucket.upload(photos)
    source = bucket.url("photos") if remote == "source" else photos
    output = bucket.url("out") if remote == "output" else tmp_path / "out"
    result = s3_run(source, output)
    assert_same(result, source, run(photos, tmp_path / "local"), photos)


@pytest.mark.s3
def test_a_bucket_as_a_whole_is_a_source_and_its_result_in_it_is_not_read(
    run, s3_run, bucket, photos, tmp_path
):
    bucket.upload(photos, under="photos/2026")
    result = s3_run(bucket.url(), bucket.url("photos/out"))
    assert_same(result, bucket.url("photos/2026"), run(photos, tmp_path / "out"), photos)
    assert s3_run(bucket.url(), bucket.url("photos/out")).record["counts"]["listed"] == 40


@pytest.mark.s3
def test_only_changed_objects_are_embedded_again(s3_run, bucket, proxy, photos):
    bucket.upload(photos)
    s3_run(bucket.url("photos"), bucket.url("out"))
    bucket.put("photos/plum/0.png", (photos / "plum/1.png").read_bytes())
    bucket.put("photos/plum/2.png", (photos / "plum/2.png").read_bytes())  # same etag, new time
    bucket.put("photos/plum/new.png", (photos / "plum/3.png").read_bytes())
    bucket.put("photos/lemon/0.png", b"no picture any more")
    bucket.client.delete_object(Bucket=bucket.name, Key="photos/lemon/1.png")
    proxy.forget()
    counts = s3_run(bucket.url("photos"), bucket.url("out")).record["counts"]
    expected = {"new": 1, "changed": 2, "already_there": 37, "embedded": 2, "errors": 1, "gone": 1}
    assert {name: counts[name] for name in expected} == expected
    names = {"plum/0.png", "plum/new.png", "lemon/0.png"}
    assert image_reads(proxy) == Counter(f"photos/{name}" for name in names)


@pytest.mark.s3
def test_keys_of_every_kind_come_through_a_whole_run(s3_run, bucket, photos):
    keys = ["a b/é.png", "100%20.png", "a+b#c&d=e.png", "[x]*~.png", "q?x=1.png", "日本/🍎.png"]
    pictures = sorted(photos.rglob("*.png"))
    for key, picture in zip(keys, pictures, strict=False):
        bucket.put(f"photos/{key}", picture.read_bytes())
    bucket.put("photos/x//y.png", pictures[0].read_bytes())
    bucket.put("photos/folder/", b"")
    bucket.put("photos/.hidden.png", b"")
    result = s3_run(bucket.url("photos"), bucket.url("a b/out+é"), components=2)
    assert result.features()["path"].to_pylist() == sorted(bucket.url(f"photos/{k}") for k in keys)
    assert set(by_key(result, bucket.url("photos"))) == set(keys)
    (error,) = result.errors().to_pylist()
    assert (error["path"], error["reason"]) == (bucket.url("photos/x//y.png"), "bad_name")
    again = s3_run(bucket.url("photos"), bucket.url("a b/out+é"), components=2)
    assert again.record["counts"]["already_there"] == len(keys)


@pytest.mark.s3
def test_requests_of_a_run(s3_run, bucket, proxy, photos, record_property):
    """One GET an image. The rest grows with tasks and files, not with images."""
    for copy in range(20):
        bucket.upload(photos, under=f"photos/{copy}")
    s3_run(bucket.url("photos"), bucket.url("out"))
    reads = image_reads(proxy)
    assert (len(reads), set(reads.values())) == (800, {1})
    assert not proxy.count("HEAD", under="photos/")
    others = Counter(r.method for r in proxy.log if r.key not in reads and r.key != "out/_lock")
    record_property(
        REQUESTS,
        f"{len(reads)} images: {sum(reads.values()) / len(reads):.2f} GET and 0 HEAD an image; the "
        f"run besides: {', '.join(f'{n} {method}' for method, n in others.most_common())}",
    )
    assert others.total() < len(reads) / 2
    parts = [r for r in proxy.log if r.method == "PUT" and r.key.startswith("out/_staging/")]
    assert parts
    assert all(r.headers.get("if-none-match") == "*" for r in parts)
    assert not any("uploads" in r.query for r in proxy.log), "no multipart upload of small files"


@pytest.mark.s3
def test_requests_of_a_rerun(s3_run, bucket, proxy, photos, record_property):
    """What is there is asked for once: a run with nothing new is a few requests a table."""
    bucket.upload(photos)
    totals = {}
    for case in ("a first run", "nothing new", "one new image"):
        if case == "one new image":
            bucket.put("photos/plum/new.png", (photos / "plum/3.png").read_bytes() + b" ")
        proxy.forget()
        s3_run(bucket.url("photos"), bucket.url("out"), report=True)
        of_tables = [r for r in proxy.log if r.key != "out/_lock" and "photos/" not in r.key]
        methods = Counter(r.method for r in of_tables)
        totals[case] = methods.total()
        shown = ", ".join(f"{n} {method}" for method, n in methods.most_common())
        record_property(REQUESTS, f"{case} with report, besides the images: {shown}")
    assert totals["nothing new"] < totals["one new image"]


@pytest.mark.s3
def test_latency_is_hidden_by_many_requests_in_flight(s3_run, bucket, proxy, photos):
    for copy in range(5):
        bucket.upload(photos, under=f"photos/{copy}")

    proxy.inject = Together(IN_FLIGHT, "photos/")
    result = s3_run(bucket.url("photos"), bucket.url("out"))
    assert result.features().num_rows == 200
    assert proxy.peak >= IN_FLIGHT


@pytest.mark.s3
def test_a_second_servers_bucket_gives_the_same(run, rclone, photos, tmp_path):
    """rclone's server shares no code with moto's."""
    shutil.copytree(photos, tmp_path / "buckets/fruits/photos 2026")
    expected = run(photos, tmp_path / "local")
    with rclone(tmp_path / "buckets") as endpoint:
        source = "s3://fruits/photos 2026"
        result = run(source, tmp_path / "out", endpoint_url=endpoint)
        assert_same(result, source, expected, photos)
        again = run(source, tmp_path / "out", endpoint_url=endpoint)
        assert again.record["counts"]["already_there"] == 40


@pytest.mark.s3
def test_the_commands_on_a_result_work_in_a_bucket(s3_run, bucket, proxy, photos, tmp_path):
    bucket.upload(photos)
    for name in ("a", "b"):
        s3_run(bucket.url("photos"), bucket.url(name))
    erased = bucket.url("photos/apple/0.png")

    def orchard(*arguments):
        done = CliRunner().invoke(main, [*arguments, "--endpoint-url", proxy.endpoint])
        return done.exit_code, done.output

    a, b, folder = bucket.url("a"), bucket.url("b"), str(tmp_path / "export")
    assert orchard("compare", a, b)[0] == 0
    assert orchard("optimize", a)[0] == 0
    assert orchard("export", a, "--format", "npy", "--to", folder)[0] == 0
    assert np.load(tmp_path / "export/components.npy").shape == (40, 5)
    assert orchard("erase", a, "--path", erased)[0] == 0
    assert erased.encode() not in b"".join(bucket.read(key) for key in bucket.contents("a/"))
    assert orchard("vacuum", a) == (0, "0 files deleted\n")
    code, said = orchard("compare", a, b)
    assert (code, "39" in said) == (9, True)
    assert s3_run(bucket.url("photos"), a).record["counts"]["suppressed"] == 1


def test_a_run_with_its_report_gets_each_image_once(s3_run, bucket, proxy, photos):
    bucket.upload(photos)
    result = s3_run(bucket.url("photos"), bucket.url("out"), report=True)
    assert result.record["report"]["n_thumbnails"] == 40
    assert b"data:image/jpeg" in bucket.read("out/report/index.html")
    assert set(image_reads(proxy).values()) == {1}
    assert len(image_reads(proxy)) == 40
    proxy.forget()
    done = CliRunner().invoke(main, ["report", bucket.url("out"), "--endpoint-url", proxy.endpoint])
    assert (done.exit_code, "40 thumbnails" in done.output) == (0, True)
    assert not image_reads(proxy)
