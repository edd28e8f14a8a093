"""Rendered fruit in shards, the layout of WebDataset: a sample of millions in a few hundred files.

    DIR/shard-000000.tar      Apple Golden/0_100.jpg, Apple Red/0_100.jpg, Avocado/0_100.jpg, ...

A shard holds one individual of each species, a whole turn about both axes, mixed, as those who
train from shards want them. Which pictures it holds follows from its number alone, so a larger
sample begins with the shards of a smaller one. `orchard pack` writes the same layout.
"""

from __future__ import annotations

import multiprocessing
import re
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from orchard.errors import ConfigError
from orchard.packing import shards
from orchard.packing.shards import Entry, Shard
from orchard.samples.turntable import (
    AXES,
    SPECIES,
    TURN,
    Frame,
    check_count,
    check_seed,
    check_size,
    leave_ctrl_c_to_the_parent,
)
from orchard.storage import DEFAULT

KINDS = len(SPECIES) * len(AXES)
PER_SHARD = KINDS * TURN  # 9,360 pictures; of 100 pixels they are some 45 MB
STEP = 157  # degrees between one frame of a fruit and the next in a shard; coprime to TURN


@dataclass(frozen=True, slots=True)
class _Part:
    """A shard to be: its number, and how many pictures it holds."""

    number: int
    n: int

    def frames(self) -> Iterator[Frame]:
        return islice(frames(self.number), self.n)


def frames(number: int) -> Iterator[Frame]:
    """The pictures of the shard of a number."""
    for place in range(PER_SHARD):
        turn, kind = divmod(place, KINDS)
        axis, species = divmod(kind, len(SPECIES))
        yield Frame(SPECIES[species], axis, number * TURN + turn * STEP % TURN)


def write_shards(
    directory: Path,
    count: int,
    *,
    seed: int = 0,
    size: int = 100,
    processes: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write `count` rendered pictures in shards; returns how many pictures were written.

    Shards that are as they should be are left alone, so an interrupted call is completed by the
    same call, and one for more pictures adds to the last shard and after it. processes and
    on_progress are as of `write_sample`. Raises ConfigError where a setting is out of range,
    SourceError where a file of a shard's name is none that Orchard wrote, TableError where DIR
    cannot be written.
    """
    check_count(count)
    check_seed(seed)
    check_size(size)
    if re.match(r"\w\w+:/", str(directory)):
        raise ConfigError(f"{directory}: expected a folder; `aws s3 cp` takes the shards further")
    root = str(Path(directory).expanduser().absolute())
    there = {shard.number: shard for shard in shards.present(root, DEFAULT)}
    parts = [_Part(k, min(PER_SHARD, count - k * PER_SHARD)) for k in range(-(-count // PER_SHARD))]
    todo = [part for part in parts if not _is_written(there.get(part.number), part, seed, size)]
    written = sum(part.n for part in todo)
    done = count - written
    for n in _written(partial(_write, root, seed, size), todo, min(processes, len(todo))):
        done += n
        if on_progress is not None:
            on_progress(done)
    return written


def _written(write: Callable[[_Part], int], parts: list[_Part], processes: int) -> Iterator[int]:
    if processes <= 1:
        yield from map(write, parts)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, leave_ctrl_c_to_the_parent) as pool:
        try:
            yield from pool.map(write, parts)
        finally:
            pool.shutdown(cancel_futures=True)


def _write(root: str, seed: int, size: int, part: _Part) -> int:
    entries = (Entry(_name(frame, size), frame.encoded(seed, size)) for frame in part.frames())
    shards.write(root, part.number, entries, DEFAULT)
    return part.n


def _is_written(shard: Shard | None, part: _Part, seed: int, size: int) -> bool:
    """By the names in it, which hold the size, and by one picture, which follows from the seed."""
    if shard is None or len(shard.members) != part.n:
        return False
    inside = list(part.frames())
    if shard.members.keys() != {_name(frame, size) for frame in inside}:
        return False
    data = inside[0].encoded(seed, size)
    return shard.members[_name(inside[0], size)][0].key == f"{zlib.crc32(data):08x}-{len(data)}"


def _name(frame: Frame, size: int) -> str:
    return f"{frame.species}/{frame.name(size)}"
