"""Training, validation and test images, of which no two sides show the same thing.

Images are bound together where they are near or exact duplicates, or show one object by their
names (`splits.object_of`), and all that is bound lies on one side. Each class is shared out by the
fractions as far as its bundles allow: the largest bundle first, to the side where it adds least to
the squared distance from what each side is to have of each class, over that (as scikit-learn's
StratifiedGroupKFold, whose sides are of one size).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.errors import ConfigError
from orchard.findings import Seen, duplicates
from orchard.store.tables import Tables
from orchard.training.splits import objects_of

SIDES = {2: ("train", "test"), 3: ("train", "validation", "test")}


@dataclass(frozen=True, slots=True)
class Partition:
    """rows: path, label, split, in the order of the paths. sizes: images of each side. lacking:
    for each side but the first, how many labels have no image there. by_names: whether objects were
    told by names: not where that would leave most labels without a test."""

    rows: pa.Table
    sizes: dict[str, int]
    lacking: dict[str, int]
    by_names: bool


def fractions_of(text: str) -> tuple[float, ...]:
    """ "0.8,0.1,0.1" as numbers. Raises ConfigError."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if len(found) not in SIDES or min(found) <= 0 or abs(sum(found) - 1) > 1e-6:
        raise ConfigError(
            f"--fractions {text}: expected two or three numbers above 0 that add up to 1, for "
            "train, validation and test, such as 0.8,0.1,0.1"
        )
    return found


def partition(
    tables: Tables, fractions: tuple[float, ...], seed: int, pattern: re.Pattern[str] | None = None
) -> Partition:
    """pattern: as of `object_of`. Raises TableError where the tables hold no components."""
    seen = Seen.of(tables)
    same, _, pairs = seen.groups()
    every = np.arange(len(same.kept))
    alike = (pairs, (same.kept, every))
    objects = objects_of(seen.rows["path"].to_pylist(), pattern)
    first = np.unique(objects, return_index=True)[1][objects]
    bound = duplicates.connected(len(every), *alike, (first, every))
    found = _shared_out(seen.rows, bound, fractions, seed, by_names=True)
    n_labels = len(seen.rows["label"].unique())
    if pattern is None and 2 * found.lacking["test"] > n_labels:
        bound = duplicates.connected(len(every), *alike)
        found = _shared_out(seen.rows, bound, fractions, seed, by_names=False)
    return found


def _shared_out(
    images: pa.Table,
    bundles: NDArray[np.int64],
    fractions: tuple[float, ...],
    seed: int,
    *,
    by_names: bool,
) -> Partition:
    encoded = images["label"].combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(), np.int64)
    side = share_out(bundles, codes, fractions, seed)
    names = SIDES[len(fractions)]
    split = pa.array(names).take(pa.array(side))
    rows = images.select(["path", "label"]).append_column("split", split)
    sizes = {name: int((side == number).sum()) for number, name in enumerate(names)}
    lacking = {
        name: len(np.setdiff1d(codes, codes[side == number]))
        for number, name in enumerate(names)
        if number
    }
    return Partition(rows, sizes, lacking, by_names)


def share_out(
    bundles: NDArray[np.int64], codes: NDArray[np.int64], fractions: tuple[float, ...], seed: int
) -> NDArray[np.int64]:
    """(n,) the side of each image, 0 the first. bundles, codes: (n,), the numbers of its bundle and
    of its label."""
    n_bundles, n_codes = int(bundles.max(initial=-1)) + 1, int(codes.max(initial=-1)) + 1
    keys, n_images = np.unique(bundles * n_codes + codes, return_counts=True)
    of_bundle = np.searchsorted(keys, np.arange(n_bundles + 1) * n_codes)
    of_code = np.r_[np.bincount(codes, minlength=n_codes), len(codes)]  # the last: of all labels
    wanted = np.outer(fractions, of_code)
    lacks, size = wanted.copy(), np.bincount(bundles, minlength=n_bundles)
    shuffled = np.random.default_rng(seed).permutation(n_bundles)
    side_of = np.empty(n_bundles, np.int64)
    for bundle in shuffled[np.argsort(-size[shuffled], kind="stable")]:
        part = slice(of_bundle[bundle], of_bundle[bundle + 1])
        held = np.r_[keys[part] % n_codes, n_codes]
        n_held = np.r_[n_images[part], size[bundle]]
        cost = n_held * (n_held - 2 * lacks[:, held]) / wanted[:, held]
        side_of[bundle] = side = int(cost.sum(axis=1).argmin())
        lacks[side, held] -= n_held
    return side_of[bundles]
