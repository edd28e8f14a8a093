"""An HTTP proxy on loopback that stands between Orchard and an S3 server, and misbehaves on demand.

It logs what was asked, counts what is in flight, and does to a request what `inject` says.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """key: below the bucket, decoded; "" of a request to the bucket. number: from 1, as it came."""

    number: int
    method: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @property
    def is_read(self) -> bool:
        return self.method == "GET" and self.key != ""


@dataclass(frozen=True, slots=True)
class Answer:
    """This error, without asking the server."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Half of the body, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Half of the body, then nothing until the client gives up."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset; the server never hears of the request."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The server does what was asked; its answer is lost."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole object, whatever range was asked for."""


Fault = Answer | Cut | Stall | Reset | Lost | Whole
Found = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body

PATIENCE = 300.0  # seconds that a machine under load may take; never waited out


class Together:
    """To inject: the first n reads below a folder are answered when all of them have come."""

    def __init__(self, n: int, under: str) -> None:
        self.n, self.under = n, under
        self.numbers = itertools.count()
        self.here = threading.Barrier(n, timeout=PATIENCE)

    def __reduce__(self) -> tuple[type[Together], tuple[int, str]]:
        return Together, (self.n, self.under)  # to a server in another process

    def __call__(self, request: Request) -> None:
        is_meant = request.is_read and request.key.startswith(self.under)
        if is_meant and next(self.numbers) < self.n:
            self.here.wait()


@dataclass(slots=True)
class Proxy:
    """`inject` runs in the request's own thread, so it may also wait; None leaves it alone."""

    upstream: str
    endpoint: str = ""
    inject: Callable[[Request], Fault | None] = lambda request: None
    log: list[Request] = field(default_factory=list)
    peak: int = 0
    in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    conditional: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def request(self, handler: BaseHTTPRequestHandler) -> Iterator[Request]:
        """A request as long as it is in flight: until its answer is known and yet to be sent.

        Who has read an answer may ask again before the thread that sent it has gone on.
        """
        url = urlsplit(handler.path)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.lock:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            query = parse_qs(url.query, keep_blank_values=True)
            request = Request(len(self.log) + 1, handler.command, key, query, headers)
            self.log.append(request)
        try:
            yield request
        finally:
            with self.lock:
                self.in_flight -= 1

    def forward(
        self, handler: BaseHTTPRequestHandler, body: bytes, *, whole: bool = False
    ) -> Found:
        upstream = HTTPConnection(urlsplit(self.upstream).netloc, timeout=PATIENCE)
        upstream.putrequest(
            handler.command, handler.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in handler.headers.items():
            if name.lower() not in ("connection", *(["range"] if whole else [])):
                upstream.putheader(name, value)
        is_conditional = any(name in handler.headers for name in ("if-match", "if-none-match"))
        try:
            # S3 decides these one after the other; moto looks first, and another may write then.
            with self.conditional if is_conditional else nullcontext():
                upstream.endheaders(body)
                response = upstream.getresponse()
                return response.status, response.getheaders(), response.read()
        finally:
            upstream.close()

    def forget(self) -> None:
        """Begin the log anew and leave all requests alone."""
        self.log, self.peak, self.inject = [], 0, lambda request: None

    def count(self, method: str, *, under: str = "") -> Counter[str]:
        """How often each key below a folder was asked for by a method."""
        asked = (request for request in self.log if request.method == method)
        return Counter(request.key for request in asked if request.key.startswith(under))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.proxy.request(self) as request:
            fault = self.proxy.inject(request)
            found = self.ask(fault, body)
        if found is None:
            self.drop()
        elif isinstance(fault, (Cut, Stall)):
            self.reply(*found, sent=len(found[-1]) // 2)
            if isinstance(fault, Stall):
                self.connection.recv(1)  # returns when the client hangs up
            self.close_connection = True  # no reset, which would take back what is not yet read
        else:
            self.reply(*found)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def ask(self, fault: Fault | None, body: bytes) -> Found | None:
        """The server's answer or what stands for it; None: none is sent."""
        if isinstance(fault, Answer):
            xml = f"<Error><Code>{fault.code}</Code><Message>injected</Message></Error>".encode()
            return fault.status, [("Content-Type", "application/xml")], xml
        if isinstance(fault, Reset):
            return None
        found = self.proxy.forward(self, body, whole=isinstance(fault, Whole))
        return None if isinstance(fault, Lost) else found

    def reply(
        self, status: int, headers: list[tuple[str, str]], data: bytes, sent: int | None = None
    ) -> None:
        self.send_response_only(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # of a HEAD, whose body is empty
            elif name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(data[:sent])

    def drop(self) -> None:
        linger = struct.pack("ii", 1, 0)  # close() then sends a reset
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None: ...  # clients that hang up


@contextmanager
def proxy_to(upstream: str) -> Iterator[Proxy]:
    """A running proxy before the server at `upstream`."""
    proxy = Proxy(upstream)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
