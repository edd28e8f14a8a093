"""Pages of an S3 listing, many folders at once, in a bounded number of pages' memory.

The client is boto3's, but its parser, which turns each field of each object into Python through a
description of the service, would take a minute for a million objects. `parse_objects` takes the
objects out of a page before that parser sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import unquote_plus
from xml.etree import ElementTree

THREADS = 16
EVENT = "before-parse.s3.ListObjectsV2"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Object:
    """A listed object; modified: microseconds since 1970, UTC."""

    key: str
    size: int
    modified: int
    etag: str | None


def list_bucket(client: Any, bucket: str, prefix: str) -> Iterator[Object]:
    """The object of that key and those below it as in a folder; neighbours may be among them.

    Pages of a thousand, the folders directly below the prefix in parallel. client: of boto3, whose
    errors are raised.
    """
    client.meta.events.register(EVENT, parse_objects, unique_id="orchard-objects")
    pages = client.get_paginator("list_objects_v2")
    if prefix:
        yield from _objects(client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1))
    top = f"{prefix}/" if prefix else ""
    folders: list[str] = []
    for page in pages.paginate(Bucket=bucket, Prefix=top, Delimiter="/"):
        yield from _objects(page)
        folders += [common["Prefix"] for common in page.get("CommonPrefixes", ())]
    below = (iter(pages.paginate(Bucket=bucket, Prefix=folder)) for folder in folders)
    for page in interleaved(below, THREADS):
        yield from _objects(page)


def interleaved(iterators: Iterable[Iterator[T]], n: int) -> Iterator[T]:
    """The items of all iterators, n of which are advanced at a time, by an item each."""
    waiting = iter(iterators)
    with ThreadPoolExecutor(n) as pool:
        running: dict[Future[T | None], Iterator[T]] = {
            pool.submit(next, iterator, None): iterator for iterator in islice(waiting, n)
        }
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                iterator: Iterator[T] | None = running.pop(future)
                item = future.result()
                if item is None:
                    iterator = next(waiting, None)
                else:
                    yield item
                if iterator is not None:
                    running[pool.submit(next, iterator, None)] = iterator


def parse_objects(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """A handler of botocore's event: move a page's objects from its XML to "Objects"."""
    if response_dict["status_code"] != 200:
        return
    try:
        root = ElementTree.fromstring(response_dict["body"])
    except ElementTree.ParseError:  # botocore says what it makes of it
        return
    name = {child.tag.rpartition("}")[2]: child for child in root}
    encoded = "EncodingType" in name and name["EncodingType"].text == "url"
    contents = [child for child in root if child.tag.endswith("Contents")]
    customized_response_dict["Objects"] = [_object(entry, encoded) for entry in contents]
    for entry in contents:
        root.remove(entry)
    response_dict["body"] = ElementTree.tostring(root)


def _objects(page: dict[str, Any]) -> list[Object]:
    return list(page.get("Objects", ()))


def _object(entry: ElementTree.Element, encoded: bool) -> Object:
    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in entry}
    key = unquote_plus(fields["Key"]) if encoded else fields["Key"]
    etag = fields.get("ETag", "").strip('"') or None
    return Object(key, int(fields["Size"]), _microseconds(fields["LastModified"]), etag)


def _microseconds(text: str) -> int:
    """S3 writes 2026-11-01T12:00:00.000Z; other servers other forms of ISO 8601."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        from botocore.utils import parse_timestamp

        moment = parse_timestamp(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1_000_000)
