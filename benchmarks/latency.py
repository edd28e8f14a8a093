"""Embedding from a bucket that answers late, against the same images on the disk.

    python benchmarks/latency.py PHOTOS --weights imagenet [--milliseconds 30] [--rounds 3]

The bucket is a server on loopback that holds the images in memory and answers each request after
the delay, from a process that shares the cores: its own CPU time is printed, for it is time that
the network does not get. Whole runs with their reports are compared in turn, and their embed
stages.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import orchard
from orchard.images.source import Selection, list_images
from orchard.progress import Reporter

KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
PAGE = 1000
MODIFIED = ("2026-11-01T12:00:00.000Z", "Sun, 01 Nov 2026 12:00:00 GMT")


class Bucket(asyncio.Protocol):
    """Answers ListObjectsV2 and GetObject; a connection carries one request at a time."""

    transport: asyncio.Transport

    def __init__(self, objects: dict[str, bytes], delay: float) -> None:
        self.objects, self.delay, self.received = objects, delay, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(b"\r\n\r\n"):
            target = self.received.split(b" ", 2)[1].decode()
            self.received = b""
            asyncio.get_running_loop().call_later(self.delay, self.answer, target)

    def answer(self, target: str) -> None:
        url = urlsplit(target)
        key = unquote(url.path).lstrip("/").partition("/")[2]
        body = self.objects[key] if key else self.page(parse_qs(url.query))
        head = f'HTTP/1.1 200 OK\r\nETag: "{len(body)}"\r\nLast-Modified: {MODIFIED[1]}\r\n'
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def page(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        keys = [key for key in self.objects if key.startswith(prefix)]
        start = int(query.get("continuation-token", ["0"])[0])
        stop = start + int(query.get("max-keys", [str(PAGE)])[0])
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{MODIFIED[0]}</LastModified><ETag>&quot;"
            f"{len(self.objects[key])}&quot;</ETag><Size>{len(self.objects[key])}</Size></Contents>"
            for key in keys[start:stop]
        )
        more = stop < len(keys)
        token = f"<NextContinuationToken>{stop}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return f"<ListBucketResult>{truncated}{rows}</ListBucketResult>".encode()


def _serve(pipe: Connection, paths: list[str], delay: float) -> None:
    objects = {
        f"photos/{number:06d}{Path(path).suffix}": Path(path).read_bytes()
        for number, path in enumerate(paths)
    }

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Bucket(objects, delay), "127.0.0.1", 0)
        pipe.send("http://{}:{}".format(*server.sockets[0].getsockname()))
        loop.add_reader(pipe.fileno(), answer)
        await server.serve_forever()

    def answer() -> None:
        pipe.recv()
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(used.ru_utime + used.ru_stime)

    asyncio.run(main())


@contextmanager
def bucket_of(paths: list[str], delay: float) -> Iterator[tuple[str, Connection]]:
    """Its endpoint, and a pipe that tells the server's CPU seconds so far when asked."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, paths, delay), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        process.terminate()
        process.join()


def rates(config: orchard.RunConfig) -> tuple[float, float]:
    """Images a second of the embed stage, and of the whole run, report included."""
    with tempfile.TemporaryDirectory() as output:
        started = time.perf_counter()
        record = orchard.run(replace(config, output=output), Reporter(quiet=True)).record
        seconds = time.perf_counter() - started
    embedding = record["embedding"]
    return float(embedding["images_per_second"]), embedding["images"] / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--weights", default="fruit")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--limit", type=int, default=6000, help="images (default 6000)")
    parser.add_argument("--milliseconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ |= KEYS
    listed = list_images((args.photos,), Selection(limit=args.limit)).images
    embedding, whole = [], []
    network = {"weights": args.weights, "precision": args.precision}
    near = orchard.RunConfig(sources=(args.photos,), output="-", limit=args.limit, **network)
    with bucket_of(listed["path"].to_pylist(), args.milliseconds / 1000) as (endpoint, pipe):
        far = replace(near, sources=("s3://fruits/photos",), endpoint_url=endpoint)

        def cpu_seconds() -> float:
            pipe.send(None)
            return float(pipe.recv())

        print(f"{listed.num_rows:,} images, {args.milliseconds:g} ms a request")
        for number in range(1, args.rounds + 1):
            disk, disk_whole = rates(near)
            before = cpu_seconds()
            late, late_whole = rates(far)
            used = cpu_seconds() - before
            embedding.append(late / disk)
            whole.append(late_whole / disk_whole)
            print(
                f"round {number}: disk {disk:.1f} images/s, bucket {late:.1f} images/s "
                f"(its server took {used:.1f} s of CPU), ratio {embedding[-1]:.3f}; "
                f"whole runs {disk_whole:.1f} and {late_whole:.1f}, ratio {whole[-1]:.3f}"
            )
    for title, ratios in (("embedding", embedding), ("whole run with its report", whole)):
        print(
            f"bucket against disk, {title}: median {statistics.median(ratios):.3f} "
            f"(from {min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
