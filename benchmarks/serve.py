"""Load on `orchard serve`: python benchmarks/serve.py OUTPUT [--photos FOLDER] [--seconds 60]

Prints Markdown: 20 users at once for a minute, one photo of 12 megapixels alone on one core, and
the memory over all requests (--requests 10000 looks longer). The users are threads of a process of
their own, on the same machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from PIL import Image

MAIN = "from orchard.cli import main; main()"
HEADERS = {"Content-Type": "image/jpeg"}


@contextmanager
def serving(output: str, *options: str, cores: set[int] | None = None) -> Iterator[tuple[int, int]]:
    """Port and process id of a server."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)  # a child inherits it
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "serve", output, "--port", "0", "--quiet", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    os.sched_setaffinity(0, before)
    try:
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/ready")
        assert connection.getresponse().status == 200
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def ask(connection: HTTPConnection, photo: bytes) -> int:
    connection.request("POST", "/api/identify", photo, HEADERS)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def load(port: int, photos: list[bytes], users: int, seconds: float, requests: int) -> dict:
    """Users that ask without a pause, until the time or the number of requests is over."""
    took: list[float] = []
    lost: list[str] = []
    end, lock = time.perf_counter() + seconds, threading.Lock()
    left = [requests]

    def user(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        at = number
        while time.perf_counter() < end:
            with lock:
                if left[0] <= 0:
                    return
                left[0] -= 1
            began = time.perf_counter()
            try:
                status = ask(connection, photos[at % len(photos)])
                if status != 200:
                    lost.append(str(status))
            except OSError as error:
                lost.append(type(error).__name__)
                connection.close()
            took.append(time.perf_counter() - began)
            at += users

    began = time.perf_counter()
    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p95, p99 = (1000 * np.percentile(took, (50, 95, 99))).round(1).tolist()
    return {
        "n": len(took),
        "lost": len(lost),
        "per_second": round(len(took) / (time.perf_counter() - began), 1),
        "p50": p50,
        "p95": p95,
        "p99": p99,
    }


def in_a_process(**settings: object) -> dict:
    """`load`, in a Python of its own, so that users and server share no interpreter."""
    done = subprocess.run(
        [sys.executable, __file__, "--load", json.dumps(settings)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def resident(pid: int) -> float:
    """MiB, from Linux' /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def twelve_megapixels(photo: bytes) -> bytes:
    out = io.BytesIO()
    large = Image.open(io.BytesIO(photo)).convert("RGB").resize((4000, 3000), Image.BICUBIC)
    large.save(out, "JPEG", quality=90)
    return out.getvalue()


def read(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.jp*g"))[:400]]


def ready_seconds(output: str) -> float:
    began = time.perf_counter()
    with serving(output):
        return time.perf_counter() - began


def main(output: str, photos: Path, seconds: float, requests: int) -> None:
    images = read(photos)
    if not images:
        sys.exit(f"{photos} holds no JPEG; give --photos")
    print(f"{len(images)} photos, {len(os.sched_getaffinity(0))} cores shared with the users.\n")
    print(f"Ready after {ready_seconds(output):.1f} s.\n")
    print("| what | requests | lost | a second | p50 ms | p95 ms | p99 ms |\n" + "|---" * 7 + "|")
    with serving(output) as (port, pid):
        settings = {"port": port, "photos": str(photos)}
        warm = in_a_process(**settings, users=4, seconds=5, requests=200)
        started = resident(pid)
        row("20 users at once", in_a_process(**settings, users=20, seconds=seconds, requests=10**9))
        middle = resident(pid)
        rest = max(0, requests - warm["n"])
        row("8 users, for memory", in_a_process(**settings, users=8, seconds=240, requests=rest))
        ended = resident(pid)
    one = {min(os.sched_getaffinity(0))}
    with serving(output, "--workers", "1", cores=one) as (port, _):
        large = twelve_megapixels(images[0])
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        took = []
        for _ in range(25):
            began = time.perf_counter()
            assert ask(connection, large) == 200
            took.append(1000 * (time.perf_counter() - began))
        took = took[5:]
        p50, p95 = np.percentile(took, (50, 95)).round(1)
        print(f"| 12 megapixels alone, one core | {len(took)} | 0 | | {p50} | {p95} | |")
    print(f"\nMemory: {started} MiB warm, {middle} MiB after the minute, {ended} MiB at the end.")


def row(what: str, found: dict) -> None:
    cells = [found[name] for name in ("n", "lost", "per_second", "p50", "p95", "p99")]
    print(f"| {what} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--load":
        given = json.loads(sys.argv[2])
        print(json.dumps(load(**(given | {"photos": read(Path(given["photos"]))}))))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/grocery"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, default=5000, help="For memory.")
    chosen = parser.parse_args()
    main(chosen.output, chosen.photos, chosen.seconds, chosen.requests)
