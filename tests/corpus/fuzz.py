"""Decode damaged files by the thousand, in a process of its own, so that a crash is seen.

    python tests/corpus/fuzz.py COUNT [SEED] [MAX_PIXELS]

File number i of a seed is always the same, and `damaged_file(seed, i)` rebuilds it. Its number
stands in the file FUZZ_AT while it is decoded; a file that takes a minute ends the process with a
traceback. Prints, as JSON, how many files came to what.
"""

from __future__ import annotations

import collections
import faulthandler
import json
import os
import random
import sys
from functools import cache
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpus.bad import whole_files
from corpus.good import good_files
from corpus.mutate import mutated, png_checksums_repaired, random_mutation
from orchard.images.decode import DEFAULT_MAX_PIXELS, Pixels, decode

SIZE = 16


@cache
def seeds() -> list[bytes]:
    """Return the whole files that are damaged: every format, mode and compression, all small."""
    small = [data for data, _ in good_files().values() if len(data) < 10_000]
    return [*whole_files().values(), *small]


def damaged_file(seed: int, number: int) -> bytes:
    rng = random.Random(f"{seed}/{number}")
    data = rng.choice(seeds())
    same_format = [other for other in seeds() if other[:4] == data[:4]]
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = mutated(data, random_mutation(rng, max(1, len(data))), rng.choice(same_format))
    return png_checksums_repaired(data) if data[1:4] == b"PNG" and rng.random() < 0.7 else data


def outcome(data: bytes, max_pixels: int) -> str:
    result = decode(data, SIZE, max_pixels=max_pixels)
    if not isinstance(result, Pixels):
        return result.reason.value
    if result.array.shape != (SIZE, SIZE, 3) or result.array.dtype != "uint8":
        return f"wrong array: {result.array.shape} {result.array.dtype}"
    return "pixels"


def main(count: int, seed: int = 0, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    outcomes: collections.Counter[str] = collections.Counter()
    at = os.open(os.environ.get("FUZZ_AT", os.devnull), os.O_WRONLY | os.O_CREAT)
    faulthandler.enable()
    for number in range(count):
        data = damaged_file(seed, number)
        os.pwrite(at, b"%d\n" % number, 0)
        faulthandler.dump_traceback_later(60, exit=True)
        outcomes[outcome(data, max_pixels)] += 1
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
