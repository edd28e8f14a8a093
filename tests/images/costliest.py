"""Search for small files that take `decode` much time or memory: a fuzzer that keeps the costliest.

    python tests/images/costliest.py FOLDER --minutes 60

It starts from the test corpus and what FOLDER holds, changes bytes, numbers and lengths, and keeps
of each format the files that cost most processor time and most memory. They stay in FOLDER, named
after format, what they cost, and their hash; the next search goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import os
import random
import resource
import signal
import struct
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpus import bad_files, good_files

from orchard.images.decode import decode, sniff

SIZE = 224
LIMIT_SECONDS, LIMIT_BYTES = 60, 4 << 30
KEPT = 12  # of each format and cost
MOST_BYTES = 1 << 20  # of a file: what is costly there is costlier in twenty times as much
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 1000, 4096, 32767, 65535, 10**6, 2**31 - 1, 2**32 - 1)
KNOWN = Path(__file__).with_name("costly")  # the costliest that searches have found so far
COSTS = ("seconds", "mebibytes")


@dataclass(frozen=True, slots=True)
class Tried:
    """A file and what decoding it cost: seconds of a core, MiB at the peak."""

    data: bytes
    seconds: float
    mebibytes: float


def try_out(data: bytes) -> Tried:
    """In a process of its own: its clock and its peak are the file's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
        signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
        Path("/proc/self/clear_refs").write_text("5")
        before, began = peak(), time.process_time()
        decode(data, SIZE)
        os.write(writing, struct.pack("dd", time.process_time() - began, peak() - before))
        os._exit(0)
    os.close(writing)
    told = os.read(reading, 16)
    os.close(reading)
    os.waitpid(child, 0)
    if len(told) < 16:  # ended at a limit
        return Tried(data, LIMIT_SECONDS, LIMIT_BYTES / 2**20)
    return Tried(data, *struct.unpack("dd", told))


def peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def changed(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few changes at random, most of them near the beginning, where headers are."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = int(len(found) * rng.random() ** rng.choice((1, 3))) if found else 0
        kind = rng.randrange(6)
        if kind == 0:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            layout = rng.choice(("<H", ">H", "<I", ">I"))
            number = rng.choice(NUMBERS) & (0xFFFF if layout[1] == "H" else 0xFFFFFFFF)
            found[at : at + struct.calcsize(layout)] = struct.pack(layout, number)
        elif kind == 2:
            del found[at : at + rng.choice((1, 2, 4, 16, 256))]
        elif kind == 3:
            part = found[at : at + rng.choice((2, 8, 64, 1024))]
            found[at:at] = part * rng.choice((1, 2, 16, 256))
        elif kind == 4:
            start = rng.randrange(max(1, len(other)))
            found[at:at] = other[start : start + rng.choice((8, 64, 1024))]
        else:
            found += bytes(rng.choice((16, 1024, 65536)))
    return bytes(found[:MOST_BYTES])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(given.seed)
    seeds = [data for data, _ in (good_files() | bad_files()).values() if len(data) <= MOST_BYTES]
    seeds += [path.read_bytes() for path in given.folder.iterdir()]
    seeds += [lzma.decompress(path.read_bytes()) for path in KNOWN.iterdir()]
    kept: defaultdict[tuple[str, str], list[Tried]] = defaultdict(list)
    n_tried, end = 0, time.monotonic() + 60 * given.minutes
    while time.monotonic() < end:
        if seeds:
            data = seeds.pop()
        else:
            pool = rng.choice(list(kept.values()))
            data = changed(rng.choice(pool).data, rng.choice(pool).data, rng)
        kind = sniff(data)
        if kind is None:
            continue
        tried = try_out(data)
        n_tried += 1
        for cost in COSTS:
            pool = kept[kind, cost]
            pool.append(tried)
            pool.sort(key=lambda one, cost=cost: (-getattr(one, cost), len(one.data)))
            del pool[KEPT:]
    for path in given.folder.iterdir():
        path.unlink()
    for (kind, cost), pool in sorted(kept.items()):
        for one in pool[:3]:
            digest = hashlib.sha256(one.data).hexdigest()[:8]
            name = f"{one.seconds:.2f}s-{one.mebibytes:.0f}MiB-{digest}.{kind}"
            (given.folder / name).write_bytes(one.data)
        worst = pool[0]
        sys.stdout.write(f"{kind:5} {cost:9} {worst.seconds:7.2f} s {worst.mebibytes:7.0f} MiB "
                         f"{len(worst.data):8} bytes\n")  # fmt: skip
    sys.stdout.write(f"{n_tried:,} files tried\n")


if __name__ == "__main__":
    main()
