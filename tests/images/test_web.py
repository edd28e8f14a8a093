"""Images on the web: read within limits, and each failure says what the server did."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from orchard.images import web
from orchard.images.fetched import Fetched
from orchard.images.web_address import PrivateAddress, addresses_of, is_public
from orchard.records import Failure, Found, Reason
from orchard.storage.web_access import WebAccess
from tests.images.web_server import Handler, WebServer, content, serving, status

ACCESS = WebAccess(rate=1000, private=True, attempts=3, seconds=20)


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as started:
        yield started


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "FIRST_PAUSE", 0.01)


def failure(found: object) -> Failure:
    assert isinstance(found, Failure)
    return found


def got(server: WebServer, path: str, access: WebAccess = ACCESS, most: int = 10**6) -> object:
    return web.get(f"{server.url}{path}", access, most)


def test_an_image_comes_with_what_tells_it_again(server: WebServer) -> None:
    server.answers["/a.png"] = content(
        picture(), ETag='"abc"', Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT"
    )
    found = got(server, "/a.png")
    assert isinstance(found, Fetched)
    assert found == picture()
    assert found.found == Found(len(picture()), 1_445_412_480_000_000, "abc")
    assert server.asked == [("GET", "/a.png")]
    assert all("Orchard/" in agent for agent in server.agents)


def test_head_says_the_same_as_get_and_sends_no_image(server: WebServer) -> None:
    server.answers["/a.png"] = content(picture(), ETag='W/"1"')
    server.answers["/plain.png"] = content(picture())
    for path in ("/a.png", "/plain.png"):
        fetched = got(server, path)
        assert isinstance(fetched, Fetched)
        assert web.head(f"{server.url}{path}", ACCESS) == fetched.found
    server.answers["/no-head.png"] = status(405)
    assert web.head(f"{server.url}/no-head.png", ACCESS) is None
    gone = failure(web.head(f"{server.url}/gone.png", ACCESS))
    assert gone.reason is Reason.VANISHED


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (status(404), Reason.VANISHED, "404 Not Found"),
        (status(410), Reason.VANISHED, "410 Gone"),
        (status(403), Reason.FORBIDDEN, "403 Forbidden"),
        (status(503), Reason.IO_ERROR, "503 Service Unavailable"),
        (status(418), Reason.IO_ERROR, "418"),
        (content(b" <!DOCTYPE html><p>no"), Reason.NOT_AN_IMAGE, "web page"),
        (content(b"<p>no", Content_Type="text/html"), Reason.NOT_AN_IMAGE, "web page"),
        (content(b"x" * 5000), Reason.TOO_MANY_BYTES, "5000 bytes; at most 4096"),
        (content(picture(), X_Robots_Tag="noai"), Reason.FORBIDDEN, "X-Robots-Tag: noai"),
    ],
)
def test_a_server_that_gives_no_image_is_a_reason(server, answer, reason, words) -> None:
    server.answers["/x"] = answer
    found = failure(got(server, "/x", most=4096))
    assert found.reason is reason
    assert words in found.detail


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_cap(server: WebServer) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            for _ in range(10_000):
                handler.wfile.write(b"x" * 10_000)
        except OSError:
            pass

    server.answers["/x"] = endless
    assert failure(got(server, "/x", most=50_000)).reason is Reason.TOO_MANY_BYTES


def test_a_body_that_ends_early_is_tried_again_and_then_said(server: WebServer) -> None:
    def short(handler: Handler) -> None:
        handler.reply(200, b"half", Content_Length="100")
        handler.close_connection = True

    server.answers["/x"] = short
    assert failure(got(server, "/x")).reason is Reason.IO_ERROR
    assert server.n("GET") == ACCESS.attempts


def test_what_can_pass_is_tried_again(server: WebServer) -> None:
    answers = [status(503), status(429), content(picture())]
    server.answers["/x"] = lambda handler: answers.pop(0)(handler)
    assert got(server, "/x") == picture()
    assert server.n("GET") == 3


def test_a_server_that_asks_to_wait_is_not_asked_meanwhile(server: WebServer) -> None:
    answers = [status(429, Retry_After="1"), content(picture()), content(picture())]
    server.answers["/x"] = server.answers["/y"] = lambda handler: answers.pop(0)(handler)
    assert got(server, "/x") == picture()
    assert server.times[1] - server.times[0] >= 0.99


def test_a_server_that_is_slow_ends_in_a_timeout(server: WebServer) -> None:
    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            pass

    server.answers["/x"] = slow
    found = failure(got(server, "/x", replace(ACCESS, seconds=0.3)))
    assert found.reason is Reason.IO_ERROR
    assert "timeout" in found.detail


def test_nobody_there_is_an_io_error() -> None:
    with serving() as server:
        url = server.url
    assert failure(web.get(f"{url}/x", ACCESS, 100)).reason is Reason.IO_ERROR


def test_redirects_are_followed_up_to_five(server: WebServer) -> None:
    for n in range(7):
        server.answers[f"/{n}"] = status(302, Location=f"/{n + 1}")
    server.answers["/5"] = content(picture())
    assert got(server, "/0") == picture()
    server.answers["/5"] = status(301, Location="/6")
    assert "more than 5 redirects" in failure(got(server, "/0")).detail
    for target in ("file:///etc/passwd", "ftp://example.org/x"):
        server.answers["/out"] = status(302, Location=target)
        assert failure(got(server, "/out")).reason is Reason.BAD_NAME


def test_this_machine_and_its_network_are_not_asked_unless_allowed(server: WebServer) -> None:
    server.answers["/x"] = content(picture())
    found = failure(got(server, "/x", replace(ACCESS, private=False)))
    assert found.reason is Reason.FORBIDDEN
    assert "127.0.0.1" in found.detail
    assert "--web-private" in found.detail
    assert server.asked == []
    with pytest.raises(PrivateAddress):
        addresses_of("localhost", 80, private=False)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),  # where clouds keep a machine's credentials
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_of_the_public_internet_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_password_in_a_url_is_refused(server: WebServer) -> None:
    url = server.url.replace("http://", "http://me:secret@")
    assert failure(web.get(f"{url}/x", ACCESS, 100)).reason is Reason.BAD_NAME
    assert server.asked == []


def test_names_with_spaces_and_accents_are_asked_as_servers_know_them(server: WebServer) -> None:
    server.answers["/a%20caf%C3%A9.png"] = content(picture())
    assert got(server, "/a café.png") == picture()


def test_a_host_gets_so_many_requests_a_second_and_at_once(server: WebServer) -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.05)
        handler.reply(200, picture())

    server.answers["/x"] = slow
    access = replace(ACCESS, rate=50, per_host=2)
    with ThreadPoolExecutor(12) as pool:
        assert all(x == picture() for x in pool.map(lambda _: got(server, "/x", access), range(12)))
    assert server.most_at_once <= 2
    times = sorted(server.times)
    assert times[-1] - times[0] >= 11 / 50 * 0.9


def test_processes_share_the_turns_of_a_host(server: WebServer) -> None:
    code = (
        "from orchard.images import web\nfrom orchard.storage.web_access import WebAccess\n"
        f"for _ in range(5): web.get('{server.url}/x', WebAccess(rate=20, private=True), 1000)"
    )
    server.answers["/x"] = content(picture())
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    times = sorted(server.times)
    assert len(times) == 10
    assert times[-1] - times[0] >= 9 / 20 * 0.9


def test_a_certificate_is_held_against_the_name_though_the_address_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certificate_of("localhost", tmp_path)
    with serving() as plain, serving(certificate, key) as server:
        server.answers["/x"] = content(picture())
        plain.answers["/x"] = status(302, Location=f"{server.url}/x")
        by_name = server.url.replace("127.0.0.1", "localhost")
        assert "certificate" in failure(web.get(f"{by_name}/x", ACCESS, 10**6)).detail.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        web._pool.cache_clear()
        assert web.get(f"{by_name}/x", ACCESS, 10**6) == picture()
        assert isinstance(web.get(f"{server.url}/x", ACCESS, 10**6), Failure), "another name"
        assert isinstance(web.get(f"{plain.url}/x", ACCESS, 10**6), Failure)


def certificate_of(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *kind))
    return certificate, secret
