"""A page of a listing, as S3 and its like write it, becomes objects; many are read at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from orchard.storage.s3_listing import Object, interleaved, parse_objects

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>fruits</Name>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<Contents><Key>a%20b/%C3%A9+x.png</Key><LastModified>2026-11-01T12:00:00.000Z</LastModified>
<ETag>&quot;0123&quot;</ETag><Size>7</Size></Contents>
<Contents><Key>no-etag</Key><LastModified>{modified}</LastModified><Size>0</Size></Contents>
<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"""
NOON = 1793534400_000000  # 2026-11-01T12:00:00Z


def parsed(body: str, status: int = 200) -> tuple[list[Object], bytes]:
    response = {"status_code": status, "body": body.encode()}
    found: dict[str, list[Object]] = {}
    parse_objects(response, found)
    return found.get("Objects", []), response["body"]


@pytest.mark.parametrize(
    "modified",
    ["2026-11-01T12:00:00Z", "2026-11-01T12:00:00", "2026-11-01T12:00:00.0000000Z",
     "Sun, 01 Nov 2026 12:00:00 GMT"],
)  # fmt: skip
def test_objects_are_taken_out_of_a_page_and_the_rest_is_left(modified):
    objects, rest = parsed(PAGE.format(modified=modified))
    assert objects == [
        Object("a b/é x.png", 7, NOON, "0123"),
        Object("no-etag", 0, NOON, None),
    ]
    assert b"NextContinuationToken" in rest
    assert b"Contents" not in rest


@pytest.mark.parametrize(("body", "status"), [("<Error>", 200), (PAGE, 403)])
def test_what_is_no_page_is_left_to_boto3(body, status):
    assert parsed(body, status) == ([], body.encode())


def test_iterators_take_turns_and_no_more_than_asked_for_are_open():
    lock, opened, peak = threading.Lock(), 0, 0
    three = threading.Barrier(3, timeout=300)

    def numbers(start: int) -> Iterator[int]:
        nonlocal opened, peak
        with lock:
            opened += 1
            peak = max(peak, opened)
        if start < 15:
            three.wait()  # the first do not end before there are as many as there may be
        yield from range(start, start + 5)
        with lock:
            opened -= 1

    found = list(interleaved((numbers(start) for start in range(0, 100, 5)), 3))
    assert sorted(found) == list(range(100))
    assert peak == 3
    assert list(interleaved(iter(()), 3)) == []


def test_an_error_of_one_ends_all():
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(interleaved([failing(), iter([2, 3])], 2))
