"""Images on the web: one GET for each, within limits; HEAD says whether a known one has changed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, SSLError, TimeoutError
from urllib3.util import Timeout, Url, parse_url

from orchard._version import __version__
from orchard.errors import first_line
from orchard.images.fetched import Fetched
from orchard.images.robots import MOST_BYTES
from orchard.images.robots_once import remembered
from orchard.images.web_address import PrivateAddress, addresses_of
from orchard.images.web_turns import hold_back, turn
from orchard.records import Failure, Found, Reason
from orchard.storage.web_access import WebAccess

AGENT = f"Orchard/{__version__} (image features; the Python package orchard-images)"
HEADERS = {"User-Agent": AGENT, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
REFUSING = ("noai", "noimageai")  # of X-Robots-Tag: an owner who wants no features made
PASSING = (408, 425, 429, 500, 502, 503, 504)
CHUNK = 64 * 1024
FIRST_PAUSE = 0.5  # seconds, doubled at each attempt

T = TypeVar("T")


class _Passing(Exception):
    """What may succeed on another attempt. wait: seconds that the server asks for."""

    def __init__(self, failure: Failure, wait: float = 0.0) -> None:
        super().__init__(failure.detail)
        self.failure, self.wait = failure, wait


def get(url: str, access: WebAccess, max_bytes: int) -> Fetched | Failure:
    """An image's bytes, or why not; never raises."""
    most = min(max_bytes, access.max_bytes)
    until = time.monotonic() + access.seconds

    def body(response: urllib3.BaseHTTPResponse) -> Fetched | Failure:
        if response.status != 200:
            return _refused(response)
        return _body(response, most, until)

    return _asked("GET", url, access, until, body)


def head(url: str, access: WebAccess) -> Found | Failure | None:
    """What a server says of a known image without sending it; None where that does not tell."""
    until = time.monotonic() + access.seconds

    def seen(response: urllib3.BaseHTTPResponse) -> Found | Failure | None:
        length = response.headers.get("Content-Length", "")
        if response.status == 200 and length.isdigit():
            return _found(response, int(length))
        return _refused(response) if response.status in (404, 410) else None

    found = _asked("HEAD", url, access, until, seen)
    unsure = isinstance(found, Failure) and found.reason is not Reason.VANISHED
    return None if unsure else found


def _asked(
    method: str,
    url: str,
    access: WebAccess,
    until: float,
    take: Callable[[urllib3.BaseHTTPResponse], T],
    *,
    obeys: bool = True,
) -> T | Failure:
    """What `take` makes of the answer, after redirects and up to `attempts` tries.

    obeys: ask only for what the robots.txt of each server on the way allows."""
    failure = Failure(Reason.IO_ERROR, "not tried")
    for attempt in range(access.attempts):
        try:
            return _followed(method, url, access, until, take, obeys)
        except _Passing as passing:
            failure = passing.failure
            pause = max(passing.wait, FIRST_PAUSE * 2**attempt * random.uniform(0.75, 1.25))
        if attempt + 1 == access.attempts or time.monotonic() + pause > until:
            break
        time.sleep(pause)
    return failure


def _followed(
    method: str,
    url: str,
    access: WebAccess,
    until: float,
    take: Callable[[urllib3.BaseHTTPResponse], T],
    obeys: bool,
) -> T | Failure:
    """One try: the answer at the end of the redirects. Raises _Passing."""
    place = url
    for _ in range(access.max_redirects + 1):
        target = _target(place)
        if isinstance(target, Failure):
            return target
        if obeys and (refused := _disallowed(target, access, until)):
            return refused
        try:
            with turn(target.netloc or "", access):
                response = _sent(method, target, access, until)
                try:
                    if location := response.get_redirect_location():
                        place = urljoin(place, location)
                        continue
                    _check_passing(response, target)
                    return take(response)
                finally:
                    if method == "HEAD":  # without a body, the connection can be used again
                        response.drain_conn()
                    response.close()
        except PrivateAddress as private:
            detail = f"{target.host} is {private}, not on the public Internet; --web-private allows"
            return Failure(Reason.FORBIDDEN, detail)
        except TimeoutError as error:
            raise _Passing(Failure(Reason.IO_ERROR, f"timeout: {first_line(error)}")) from None
        except SSLError as error:
            return Failure(Reason.IO_ERROR, first_line(error))
        except (HTTPError, OSError) as error:
            raise _Passing(Failure(Reason.IO_ERROR, first_line(error))) from None
    return Failure(Reason.IO_ERROR, f"more than {access.max_redirects} redirects")


def _disallowed(target: Url, access: WebAccess, until: float) -> Failure | None:
    """Why a server's robots.txt keeps us from a URL. It is asked for once, for all processes of
    this machine; one that cannot be had forbids everything until it can (RFC 9309, 2.3.1)."""
    place = f"{target.scheme}://{target.netloc}/robots.txt"

    def rules(response: urllib3.BaseHTTPResponse) -> str:
        if response.status != 200:  # there is none, so all is allowed
            return ""
        return response.read(MOST_BYTES, decode_content=True).decode("utf-8", "replace")

    def ask() -> str | Failure:
        return _asked("GET", place, access, until, rules, obeys=False)

    said = remembered(place, ask)
    if isinstance(said, Failure):
        is_status = said.detail.startswith("the server answered")
        return replace(said, detail=f"robots.txt: {said.detail}") if is_status else said
    if said.allows(target.request_uri):
        return None
    return Failure(Reason.FORBIDDEN, f"{place} disallows it; ask the server's owner for the images")


def _target(url: str) -> Url | Failure:
    try:
        target = parse_url(url)
    except LocationParseError as error:
        return Failure(Reason.BAD_NAME, first_line(error))
    if target.scheme not in ("http", "https") or not target.host:
        return Failure(Reason.BAD_NAME, f"leads to {url}; expected http:// or https://")
    if target.auth:
        return Failure(Reason.BAD_NAME, "a URL with a password, which every table would show")
    return target


def _sent(method: str, target: Url, access: WebAccess, until: float) -> urllib3.BaseHTTPResponse:
    left = max(0.1, until - time.monotonic())
    port = target.port or (443 if target.scheme == "https" else 80)
    assert target.host is not None
    pool = _pool(os.getpid(), target.scheme or "", target.host, port, access)
    return pool.urlopen(
        method,
        target.request_uri,
        headers=HEADERS | {"Host": target.netloc or target.host},
        redirect=False,
        retries=False,
        preload_content=False,
        timeout=Timeout(connect=min(5.0, left), read=min(20.0, left)),
    )


@lru_cache(maxsize=256)
def _pool(
    process: int, scheme: str, host: str, port: int, access: WebAccess
) -> urllib3.HTTPConnectionPool:
    """Connections to an address that was looked at. Raises PrivateAddress, OSError."""
    plain = host.strip("[]")
    address = addresses_of(plain, port, private=access.private)[0]
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, maxsize=access.per_host)
    return urllib3.HTTPSConnectionPool(
        address, port, maxsize=access.per_host, server_hostname=plain, assert_hostname=plain
    )


def _check_passing(response: urllib3.BaseHTTPResponse, target: Url) -> None:
    """Raises _Passing for a status that says to come again."""
    if response.status not in PASSING:
        return
    after = response.headers.get("Retry-After", "")
    wait = float(after) if after.isdigit() else 0.0
    if wait:
        hold_back(target.netloc or "", wait)
    raise _Passing(Failure(Reason.IO_ERROR, _status(response)), wait)


def _refused(response: urllib3.BaseHTTPResponse) -> Failure:
    reasons = {401: Reason.FORBIDDEN, 403: Reason.FORBIDDEN, 451: Reason.FORBIDDEN}
    reasons |= {404: Reason.VANISHED, 410: Reason.VANISHED}
    return Failure(reasons.get(response.status, Reason.IO_ERROR), _status(response))


def _status(response: urllib3.BaseHTTPResponse) -> str:
    return f"the server answered {response.status} {response.reason or ''}".rstrip()


def _body(response: urllib3.BaseHTTPResponse, max_bytes: int, until: float) -> Fetched | Failure:
    """Raises _Passing where the answer ends too early or takes too long."""
    refused = [word for word in REFUSING if word in response.headers.get("X-Robots-Tag", "")]
    if refused:
        return Failure(Reason.FORBIDDEN, f"the server refuses it: X-Robots-Tag: {refused[0]}")
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > max_bytes:
        return Failure(Reason.TOO_MANY_BYTES, f"{length} bytes; at most {max_bytes} are read")
    data = bytearray()
    for chunk in response.stream(CHUNK, decode_content=True):
        data += chunk
        if len(data) > max_bytes:
            return Failure(Reason.TOO_MANY_BYTES, f"more than the {max_bytes} bytes that are read")
        if time.monotonic() > until:
            return Failure(Reason.IO_ERROR, "timeout: the server sends too slowly")
    if _is_page(bytes(data[:512]), response.headers.get("Content-Type", "")):
        return Failure(Reason.NOT_AN_IMAGE, "the server sent a web page (HTML) instead")
    return Fetched.of(bytes(data), _found(response, len(data)))


def _is_page(begin: bytes, content_type: str) -> bool:
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_markup = text.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))
    return is_markup or (content_type.startswith("text/html") and text.startswith(b"<"))


def _found(response: urllib3.BaseHTTPResponse, size: int) -> Found:
    """With the year 1970 for the time that no answer gives: an image is then known by its length,
    if it has no ETag."""
    etag = response.headers.get("ETag", "").strip() or None
    try:
        moment = parsedate_to_datetime(response.headers.get("Last-Modified", ""))
        modified = int(moment.timestamp() * 1_000_000)
    except (TypeError, ValueError, OverflowError):
        modified = 0
    return Found(size, modified, etag.replace('"', "") if etag else None)
