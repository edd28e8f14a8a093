"""An S3 server that lists objects nobody stored: pages of a thousand keys, made when asked for.

    with serve(1_000_000) as endpoint: ...      # the bucket is s3://fruits

It answers ListObjectsV2 alone, with and without a delimiter, from a process of its own.
"""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
PREFIX = "photos/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'


def _etag(folder: int, number: int) -> str:
    return md5(b"%d %d" % (folder, number), usedforsecurity=False).hexdigest()


def _page(folder: int, n_keys: int, start: int) -> str:
    stop = min(start + PAGE, n_keys)
    rows = [
        f"<Contents><Key>{PREFIX}Species {folder:04d}/{number:06d}_100.jpg</Key>"
        "<LastModified>2026-11-01T12:00:00.000Z</LastModified>"
        f"<ETag>&quot;{_etag(folder, number)}&quot;</ETag><Size>{3000 + number % 997}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(start, stop)
    ]
    more = stop < n_keys
    token = f"<NextContinuationToken>{stop}</NextContinuationToken>" if more else ""
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
    return f"{_HEAD}{truncated}{''.join(rows)}</ListBucketResult>"


def _folders(n: int) -> str:
    found = "".join(
        f"<CommonPrefixes><Prefix>{PREFIX}Species {k:04d}/</Prefix></CommonPrefixes>"
        for k in range(n)
    )
    return f"{_HEAD}<IsTruncated>false</IsTruncated>{found}</ListBucketResult>"


def _serve(pipe: Connection, n_folders: int, n_keys: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None: ...

        def do_GET(self) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            prefix = query.get("prefix", "")
            if "max-keys" in query and query["max-keys"] == "1":
                body = f"{_HEAD}<IsTruncated>false</IsTruncated></ListBucketResult>"
            elif "delimiter" in query:
                body = _folders(n_folders)
            else:
                folder = int(prefix.rstrip("/").rpartition(" ")[2])
                body = _page(folder, n_keys, int(query.get("continuation-token", "0")))
            data = body.encode()
            self.send_response_only(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pipe.send(f"http://127.0.0.1:{server.server_port}")
        server.serve_forever()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(n_objects: int, n_folders: int = 200) -> Iterator[str]:
    """The endpoint of a bucket of that many objects, evenly in its folders."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, n_folders, n_objects // n_folders))
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()
