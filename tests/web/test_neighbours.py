"""What a neighbour may try on a server in use: over sockets, against a process of its own."""

from __future__ import annotations

import io
import json
import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx2 as httpx
import pytest
from PIL import Image
from web.servers import DEADLINE, PATIENT, Server, Start, head

from orchard.store import contributions
from orchard.store.output import Output
from orchard.web.headers import HEADERS

JPEG = {"content-type": "image/jpeg"}
CROWD, VISITOR = "127.0.0.1", "127.0.0.2"  # two clients, both on this machine


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def answer_of(one: socket.socket) -> HTTPResponse:
    """What came over a connection, to its last byte; a reset is an OSError."""
    found = HTTPResponse(one)
    found.begin()
    found.body = found.read()  # type: ignore[attr-defined]
    assert one.recv(1) == b""
    return found


def carries_our_headers(found: HTTPResponse) -> bool:
    return all(found.headers[name] == value for name, value in HEADERS.items())


def statuses_of(server: Server, source: str, photo: bytes, n: int) -> list[int]:
    """What a visitor gets who asks again and again, each time over a new connection."""
    statuses = []
    for _ in range(n):
        http = HTTPConnection("127.0.0.1", server.port, DEADLINE, source_address=(source, 0))
        http.request("POST", "/api/identify", photo, JPEG)
        statuses.append(http.getresponse().status)
        http.close()
    return statuses


def test_two_thousand_idle_connections_of_one_address_take_no_answer_from_another(
    start: Start, photo: bytes
) -> None:
    server = start("--connections", "2000", *PATIENT)
    with ExitStack() as crowd:
        for _ in range(2000):
            crowd.enter_context(server.connect(CROWD))
        assert statuses_of(server, VISITOR, photo, 20) == [200] * 20
    assert "orchard_connections_refused_total 1750.0" in httpx.get(f"{server.url}/metrics").text


def test_who_finds_no_place_reads_a_503_and_is_not_reset(start: Start, photo: bytes) -> None:
    server = start("--connections-per-address", "1", *PATIENT)
    with ExitStack() as crowd:
        crowd.enter_context(server.connect(VISITOR))
        refused = [crowd.enter_context(server.connect(VISITOR)) for _ in range(100)]
        for one in refused:
            one.sendall(head(len(photo)) + photo)
        for one in refused:
            found = answer_of(one)
            assert (found.status, found.headers["retry-after"]) == (503, "1")
            assert json.loads(found.body)["code"] == "busy"  # type: ignore[attr-defined]
            assert carries_our_headers(found)


def test_an_answer_that_comes_before_the_end_of_a_body_is_not_reset(start: Start) -> None:
    server = start("--max-bytes", "1000", *PATIENT)
    body = bytes(1_000_000)
    for _ in range(20):
        with server.connect() as one:
            one.sendall(head(len(body), "close"))
            while not select.select([one], [], [], DEADLINE)[0]:
                pass  # it is answered before a byte of the body has come
            one.sendall(body)
            assert answer_of(one).status == 413


def test_slow_bodies_of_one_address_leave_places_for_the_bodies_of_others(
    start: Start, photo: bytes
) -> None:
    server = start("--connections-per-address", "300", *PATIENT)
    with ExitStack() as crowd:
        slow = [crowd.enter_context(server.connect(CROWD)) for _ in range(256)]
        for one in slow:
            one.sendall(head(len(photo)) + photo[:10])
        assert statuses_of(server, VISITOR, photo, 5) == [200] * 5
        refused = [one for one in slow if select.select([one], [], [], 0)[0]]
        assert len(refused) == 256 - 64
        assert {answer_of(one).status for one in refused} == {503}


def test_a_body_that_trickles_is_told_so_long_before_the_time_for_a_body_is_over(
    start: Start,
) -> None:
    server = start("--upload-seconds", "30")
    began = time.monotonic()
    with server.connect() as one:
        one.sendall(head(9999))
        while not select.select([one], [], [], 0.2)[0]:
            one.sendall(b"x")
        assert answer_of(one).status == 408
    assert time.monotonic() - began < 25


def test_a_page_of_another_origin_can_neither_store_nor_erase(
    start: Start, output: Path, photo: bytes
) -> None:
    server = start("--host", "0.0.0.0", *PATIENT)
    given = httpx.post(f"{server.url}/api/contributions", content=photo, headers=JPEG).json()
    address = f"192.168.1.5:{server.port}"  # browsers send it no Sec-Fetch-Site
    before = contributions.kept(Output.at(output))
    elsewhere = (
        {"host": address, "origin": "http://fruit.example"},
        {"host": address, "origin": "http://192.168.1.5:1"},
        {"host": address, "origin": f"https://{address}"},
        {"host": address, "origin": "null"},
        {"host": address, "origin": ""},
        {"host": address, "origin": f"http://{address}, http://fruit.example"},
        {"host": f"localhost:{server.port}", "origin": "http://localhost:3000"},
        {"host": f"localhost:{server.port}", "sec-fetch-site": "same-site"},
        {"host": f"localhost:{server.port}", "sec-fetch-site": "cross-site"},
        {"host": "fruit.example", "origin": "https://fruit.example", "x-forwarded-proto": "ftp"},
    )
    asked = (
        ("POST", "/api/contributions"),
        ("POST", "/api/identify"),
        ("DELETE", f"/api/contributions/{given['code']}"),
    )
    for headers in elsewhere:
        for method, path in asked:
            content = photo if method == "POST" else None
            found = httpx.request(
                method, server.url + path, content=content, headers=JPEG | headers
            )
            assert (found.status_code, found.json()["code"]) == (403, "cross_site"), headers
    assert contributions.kept(Output.at(output)) == before
    own = {"host": address, "origin": f"http://{address}"}
    erased = httpx.delete(f"{server.url}/api/contributions/{given['code']}", headers=own)
    assert erased.status_code == 204


@pytest.mark.long
@pytest.mark.parametrize(
    "passed_on",
    [
        {"host": "fruit.example"},
        {"host": "fruit.example:443"},
        {"host": "127.0.0.1:8000", "x-forwarded-host": "fruit.example"},
    ],
)
def test_the_own_page_behind_a_proxy_is_no_other_origin(
    start: Start, photo: bytes, passed_on: dict[str, str]
) -> None:
    server = start("--behind-proxy", *PATIENT)
    headers = JPEG | passed_on | {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    for origin, status in (("https://fruit.example", 200), ("http://fruit.example", 403)):
        found = httpx.post(
            f"{server.url}/api/identify",
            content=photo,
            headers=headers | {"origin": origin},
            timeout=DEADLINE,
        )
        assert found.status_code == status


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "headers"),
    [
        (("--behind-proxy",), {}),
        (("--behind-proxy",), {"x-forwarded-for": "127.0.0.1"}),
        (("--behind-proxy",), {"x-forwarded-for": "no address"}),
        (("--host", "0.0.0.0"), {}),
        ((), {"x-forwarded-for": "203.0.113.9"}),
    ],
)
def test_a_proxy_that_does_not_say_for_whom_it_asks_does_not_unlock_the_rate(
    start: Start, options: tuple[str, ...], headers: dict[str, str]
) -> None:
    server = start("--rate", "2", *options)
    statuses = [
        httpx.post(f"{server.url}/api/identify", content=b"", headers=JPEG | headers).status_code
        for _ in range(8)
    ]
    assert statuses[:2] == [400, 400]
    assert 429 in statuses


MALFORMED = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00" + bytes(300),
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: localhost\r\n",
    b"POST /api/identify HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
    b"POST /api/identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg\r\n"
    b"transfer-encoding: chunked\r\n\r\nno length\r\n",
)


def test_a_malformed_request_is_answered_with_the_security_headers(start: Start) -> None:
    server = start(*PATIENT)
    for request in MALFORMED:
        with server.connect() as one:
            one.sendall(request)
            found = answer_of(one)
            assert (found.status, found.headers["connection"]) == (400, "close"), request
            assert found.headers["content-type"] == "application/problem+json"
            assert carries_our_headers(found)


def test_every_line_of_the_log_is_json_whatever_comes(start: Start) -> None:
    server = start(*PATIENT)
    half = b"POST /api/identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/tiff\r\n"
    tiff = io.BytesIO()
    Image.new("RGB", (8, 8)).save(tiff, "TIFF")
    samples = b"\x15\x01\x03\0\x01\0\0\0"  # the tag of how many each pixel has
    strange_tiff = tiff.getvalue().replace(samples + b"\x03", samples + b"\x16")
    assert strange_tiff != tiff.getvalue()
    wanted = (
        *MALFORMED,
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n"
        b"upgrade: websocket\r\n\r\n",
        half + b"transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nabcd\r\n\r\n",
        half + f"connection: close\r\ncontent-length: {len(strange_tiff)}\r\n\r\n".encode()
        + strange_tiff,
        "GET /é\u2028 HTTP/1.1\r\nhost: localhost\r\n\r\n".encode(),
    )  # fmt: skip
    for request in wanted:
        with server.connect() as one:
            one.sendall(request)
            one.recv(100)
    lines = [json.loads(line) for line in server.stop().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, lines))
    assert sum(line["message"].startswith("Invalid HTTP") for line in lines) >= len(MALFORMED)
    assert not [line for line in lines if line["level"] == "error"]
