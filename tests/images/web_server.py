"""A web server on loopback that answers as told, and notes what it is asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from orchard.images.robots_once import forget

Answer = Callable[["Handler"], None]


@dataclass
class WebServer:
    """answers: by path. asked: (method, path) in order. agents: every User-Agent seen."""

    url: str
    answers: dict[str, Answer]
    asked: list[tuple[str, str]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    robots: str | None = None  # what /robots.txt holds, which is noted apart
    asked_robots: int = 0

    def n(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: WebServer

    def do_GET(self) -> None:
        if self.path == "/robots.txt" and self.path not in self.web.answers:
            with self.web.lock:
                self.web.asked_robots += 1
            text = self.web.robots
            return self.reply(404) if text is None else self.reply(200, text.encode())
        with self.web.lock:
            self.web.asked.append((self.command, self.path))
            self.web.times.append(time.monotonic())
            self.web.agents.add(self.headers.get("User-Agent", ""))
            self.web.at_once += 1
            self.web.most_at_once = max(self.web.most_at_once, self.web.at_once)
        try:
            self.web.answers.get(self.path, status(404))(self)
        finally:
            with self.web.lock:
                self.web.at_once -= 1

    do_HEAD = do_GET

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.reply(code, **headers)


def content(body: bytes, **headers: str) -> Answer:
    return lambda handler: handler.reply(200, body, **headers)


@contextmanager
def serving(certificate: Path | None = None, key: Path | None = None) -> Iterator[WebServer]:
    """On a port of its own; with a certificate, by TLS."""
    web = WebServer("", {})
    handler = type("Told", (Handler,), {"web": web})
    server = QuietServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate:
        scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.url = f"{scheme}://127.0.0.1:{server.server_port}"
    forget(f"{web.url}/robots.txt")  # of an earlier server with this port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
