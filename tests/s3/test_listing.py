"""Listing a bucket: every key once, whatever it is called, and nothing that is no image."""

from __future__ import annotations

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from s3.proxy import Answer, Cut

from orchard.errors import SourceError
from orchard.records import Reason

KEYS = [
    "a b.png",
    "été.png",
    "e\u0301te\u0301.png",  # the same to the eye
    "100%20.png",
    "per%zz.png",
    "a+b.png",
    "a#b.png",
    "a&b=c.png",
    "q?x=1.png",
    "[x]*~.png",
    "back\\slash.png",
    "日本/🍎.png",
    "trailing /space.png",
]


def paths(listing):
    return listing.images["path"].to_pylist()


def test_any_key_is_listed_and_read_as_it_is_called(bucket):
    for key in KEYS:
        bucket.put(f"photos/{key}", key.encode())
    assert bucket.fetch("photos") == {f"photos/{key}": key.encode() for key in KEYS}


def test_keys_that_cannot_be_read_are_error_rows_and_hide_nothing(bucket):
    for key in ("photos/good.png", "photos/x//y.png", "photos/tab\t.png", "photos/z.png"):
        bucket.put(key)
    # moto's web server refuses a newline in an address, its storage does not
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.put_object(bucket.name, "photos/new\nline.png", b"x")
    listing = bucket.list("photos")
    assert paths(listing) == [bucket.url("photos/good.png"), bucket.url("photos/z.png")]
    bad = {path: failure.reason for path, failure in listing.failures}
    expected = ("photos/x//y.png", "photos/tab\t.png", "photos/new\nline.png")
    assert bad == {bucket.url(key): Reason.BAD_NAME for key in expected}
    assert all("rename the object" in failure.detail for _, failure in listing.failures)
    assert listing.n_listed == 5


def test_folder_markers_hidden_keys_and_neighbours_are_not_images(bucket):
    for key in ("photos/", "photos/apple/", "photos-old/x.png", "photos.zip"):
        bucket.put(key, b"")
    for key in (".hidden.png", ".git/x.png", "apple/.DS_Store", "apple/1.png", "apple/a.b/2.png"):
        bucket.put(f"photos/{key}")
    expected = [bucket.url(f"photos/apple/{name}") for name in ("1.png", "a.b/2.png")]
    assert paths(bucket.list("photos")) == expected == paths(bucket.list("photos/"))


def test_a_bucket_and_a_single_object_are_sources(bucket):
    for key in ("root.png", "apple/1.png", "apple/1.png.bak", "apple/10.png"):
        bucket.put(key)
    whole = bucket.list()
    keys = ["apple/1.png", "apple/1.png.bak", "apple/10.png", "root.png"]
    assert paths(whole) == [bucket.url(key) for key in keys]
    assert whole.images["label"].to_pylist() == ["apple", "apple", "apple", bucket.name]
    assert paths(bucket.list("apple/1.png")) == [bucket.url("apple/1.png")]


def test_globs_labels_and_limits_work_as_on_a_disk(bucket):
    for key in ("apple/1.png", "apple/notes.txt", "deep/plum/2.png", "plum/3.png"):
        bucket.put(f"photos/{key}")
    assert len(paths(bucket.list("photos", exclude=("*.txt",)))) == 3
    assert paths(bucket.list("photos", include=("deep/*",))) == [
        bucket.url("photos/deep/plum/2.png")
    ]
    assert paths(bucket.list("photos", limit=1)) == [bucket.url("photos/apple/1.png")]


def test_pages_and_prefixes_add_up(bucket, proxy):
    """moto's largest page is a thousand keys, like S3's."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    keys = [f"photos/flat-{n:04d}.png" for n in range(1203)]
    keys += [f"photos/{n % 3}/{n:04d}.png" for n in range(3 * 1101)]
    for key in keys:
        backend.put_object(bucket.name, key, b"x")
    assert paths(bucket.list("photos")) == sorted(bucket.url(key) for key in keys)
    assert all("list-type" in request.query for request in proxy.log)
    assert len([r for r in proxy.log if "continuation-token" in r.query]) == 1 + 3
    assert len(proxy.log) == 1 + 2 + 3 * 2


def test_what_cannot_be_listed_is_one_sentence(bucket):
    with pytest.raises(SourceError, match=r"^cannot list s3://no-such-bucket-here: .*NoSuchBucket"):
        bucket.__class__("no-such-bucket-here", bucket.client, bucket.storage).list()
    with pytest.raises(SourceError, match=f"^no image in {bucket.url('photos')}: expected"):
        bucket.list("photos")


def test_a_listing_that_is_refused_or_cut_short_is_no_short_listing(bucket, proxy):
    for number in range(3):
        bucket.put(f"photos/{number}/x.png")
    proxy.inject = lambda r: Answer(403, "AccessDenied") if "photos/1/" in str(r.query) else None
    with pytest.raises(SourceError, match=r"cannot list .*AccessDenied"):
        bucket.list("photos")


def test_a_page_that_fails_once_is_asked_for_again(bucket, proxy):
    for number in range(3):
        bucket.put(f"photos/{number}/x.png")
    expected = paths(bucket.list("photos"))
    for fault in (Answer(503, "SlowDown"), Cut()):
        proxy.forget()
        proxy.inject = lambda r, fault=fault: fault if r.number == 3 else None
        assert paths(bucket.list("photos")) == expected
        assert len(proxy.log) == 6
