"""Folders that hold the same images: a source that was renamed, or that is reached by a link too.

Two equal files in two folders mean little; but if a folder has, under the same names, what another
has, it is there twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import takewhile

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.source import Selection
from orchard.pipeline.state import Run
from orchard.store.tables import Tables

SHARE = 0.5  # of a folder's images that must be in the other one too
FEWEST = 2  # images
SHOWN = 5  # pairs, the largest first
COMPARED = 32  # of one content, such as a blank picture


@dataclass(frozen=True, slots=True)
class Doubles:
    """Two folders with n_images of the same names and bytes. spare: the one that could go, all of
    whose images are in the other one too; None where there is none such."""

    folders: tuple[str, str]
    n_images: int
    spare: str | None


def note(run: Run, tables: Tables) -> None:
    """Find the present features' doubles, for the run's record."""
    images = tables.read("features", ["path", "sha256"])
    expects = Selection.of(run.config).expects(run.config.sources)
    run.log.record["doubles"] = [asdict(pair) for pair in find(images, expects)]


def find(images: pa.Table, is_current: Callable[[str], bool]) -> list[Doubles]:
    """The pairs of folders that hold the same images, the largest first, at most SHOWN.

    images: path and sha256, by path. is_current: whether a path is of the present sources; a folder
    that is not is rather the one that could go.
    """
    between: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for one, other in _pairs(images):
        folders = _apart(one, other)
        if folders[0] != folders[1]:
            between[folders].append((one, other))
    paths = images["path"].combine_chunks()
    found = (_doubles(paths, pairs, is_current) for pairs in between.values())
    largest = sorted(filter(None, found), key=lambda pair: (-pair.n_images, pair.folders))
    return largest[:SHOWN]


def _doubles(
    paths: pa.Array,
    pairs: list[tuple[str, str]],
    is_current: Callable[[str], bool],
) -> Doubles | None:
    if len(pairs) < FEWEST:
        return None
    sides = [sorted(set(side)) for side in zip(*pairs, strict=True)]
    below = [_common_folder(side) for side in sides]
    n_in = [_count_below(paths, folder) for folder in below]
    if len(pairs) < SHARE * min(n_in):
        return None
    whole = [n for n in (1, 0) if len(sides[n]) == n_in[n]]
    spare = min(whole, key=lambda n: is_current(sides[n][0]), default=None)
    return Doubles((below[0], below[1]), len(pairs), None if spare is None else below[spare])


def _pairs(images: pa.Table) -> Iterator[tuple[str, str]]:
    """Each path whose bytes an earlier one has, after the one of those that it ends most like."""
    counts = images["sha256"].value_counts()
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    rows = images.filter(pc.is_in(images["sha256"], value_set=repeated))
    earlier: defaultdict[str, list[str]] = defaultdict(list)
    for path, digest in zip(rows["path"].to_pylist(), rows["sha256"].to_pylist(), strict=True):
        if known := earlier[digest]:
            yield max(known, key=lambda one: _n_same(one, path)), path
        if len(known) < COMPARED:
            known.append(path)


def _n_same(one: str, other: str) -> int:
    """How many names at the ends of two paths are the same."""
    left, right = one.split("/"), other.split("/")
    most = min(len(left), len(right)) - 1
    return next((n for n in range(most) if left[-1 - n] != right[-1 - n]), most)


def _apart(one: str, other: str) -> tuple[str, str]:
    """The folders below which two paths are the same."""
    n = max(1, _n_same(one, other))
    return one.rsplit("/", n)[0], other.rsplit("/", n)[0]


def _common_folder(paths: list[str]) -> str:
    """The lowest folder that all of some sorted paths are in."""
    first, last = (path.split("/")[:-1] for path in (paths[0], paths[-1]))
    both = takewhile(lambda names: names[0] == names[1], zip(first, last, strict=False))
    return "/".join(name for name, _ in both)


def _count_below(paths: pa.Array, folder: str) -> int:
    return int(pc.sum(pc.starts_with(paths, f"{folder}/")).as_py() or 0)
