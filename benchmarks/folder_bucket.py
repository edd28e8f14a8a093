"""An S3 server of a folder that counts what it is asked: for figures of requests and seconds.

    with serve(folder, repeat=58) as (endpoint, requests): ...      # the bucket is s3://fruits

It answers ListObjectsV2 and GET with ranges, from a process of its own. repeat: every file is there
so many times, under as many names, so that a terabyte needs no disk. delay: seconds before each
answer, as of a bucket that is far away.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

BUCKET, PAGE = "fruits", 1000


def _rows(objects: dict[str, Path], keys: list[str]) -> str:
    return "".join(
        f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-01T12:00:00.000Z</LastModified>"
        f"<ETag>&quot;{_etag(key)}&quot;</ETag><Size>{objects[key].stat().st_size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )


def _etag(key: str) -> str:
    return md5(key.encode(), usedforsecurity=False).hexdigest()


def _serve(pipe: Connection, folder: Path, repeat: int, delay: float) -> None:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}
    objects = {
        (key if repeat == 1 else f"{number:04d}-{key}"): path
        for key, path in found.items()
        for number in range(repeat)
    }
    keys = sorted(objects)
    counted: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None: ...

        def do_HEAD(self) -> None:
            counted["HEAD"] += 1
            self.send_error(405)

        def do_GET(self) -> None:
            time.sleep(delay)
            url = urlsplit(self.path)
            key = unquote(url.path).lstrip("/").partition("/")[2]
            if key:
                counted["GET"] += 1
                self._object(key)
                return
            counted["LIST"] += 1
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._list(query.get("prefix", ""), int(query.get("continuation-token", "0")))

        def _list(self, prefix: str, start: int) -> None:
            below = [key for key in keys if key.startswith(prefix)] if prefix else keys
            page = below[start : start + PAGE]
            stop = start + len(page)
            more = stop < len(below)
            token = f"<NextContinuationToken>{stop}</NextContinuationToken>" if more else ""
            body = (
                '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
                "<EncodingType>url</EncodingType>"
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{_rows(objects, page)}"
                "</ListBucketResult>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _object(self, key: str) -> None:
            path = objects[key]
            size = path.stat().st_size
            asked = self.headers.get("Range")
            start, stop = 0, size
            if asked:
                first, last = asked.removeprefix("bytes=").split("-")
                start, stop = int(first), min(size, int(last) + 1)
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(stop - start))
            self.send_header("ETag", f'"{_etag(key)}"')
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 12:00:00 GMT")
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.end_headers()
            with path.open("rb") as file:
                self.connection.sendfile(file, start, stop - start)

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    while pipe.recv() == "count":
        pipe.send(dict(counted))
        counted.clear()


@contextmanager
def serve(
    folder: Path, repeat: int = 1, delay: float = 0.0
) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """The endpoint, and what tells the requests since it was last asked."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(there, folder, repeat, delay), daemon=True
    )
    process.start()

    def requests() -> dict[str, int]:
        here.send("count")
        return here.recv()

    try:
        yield f"http://127.0.0.1:{here.recv()}", requests
    finally:
        here.send("end")
        process.join(5)
        process.terminate()
