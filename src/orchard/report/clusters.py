"""Groups of images without labels: where the map is dense, named by words of their paths.

HDBSCAN (Campello et al. 2013) finds them among the points that t-SNE placed; the others belong to
the group of their nearest point. A name is the words that stand in many of a group's paths and in
few of the others'.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orchard.report.placing import Others
from orchard.report.points import Images

LEAST_IMAGES = 60  # below, one sees the groups at a glance
LEAST_SHARE = 500  # a group has one in so many of the points at least, and SMALLEST
SMALLEST = 10
NEIGHBOURS = 10  # that density is measured by
WORDS = 2  # of a name
COMMON = 0.3  # of a group's paths, that hold a word of its name
TELLING = 1.5  # as often as in all paths
# What cameras and programs call every picture, and endings.
_SAY_NOTHING = re.compile(
    r"bmp|copy|dcim|dscn?|file|gif|hei[cf]|images?|img|jpe?g|photos?|pic|pictures?|png|pxl|"
    r"screenshot|tiff?|webp"
)
_WORD = re.compile(r"[^\W\d_]{3,}")


def named(
    images: Images, points: NDArray[np.int64], xy: NDArray[np.float32], others: Others
) -> Images:
    """The same images with groups in the place of labels; as they are if they carry labels."""
    if len(images.labels) > 1 or len(points) < LEAST_IMAGES:
        return images
    found = groups(xy)
    if not (found >= 0).any():
        return images
    start = len(images.start)
    names = names_of([path[start:] for path in images.paths(points)], found)
    codes = np.zeros(len(images), np.int32)  # 0: of no group
    codes[points] = found + 1
    codes[others.rows] = found[others.nearest] + 1
    return replace(images, labels=("", *names), codes=codes, are_clusters=True)


def groups(xy: NDArray[np.float32]) -> NDArray[np.int32]:
    """(n,) the group of each point, from 0, the largest first; -1: of none."""
    from sklearn.cluster import HDBSCAN

    least = max(SMALLEST, len(xy) // LEAST_SHARE)
    found = HDBSCAN(min_cluster_size=least, min_samples=NEIGHBOURS, copy=True).fit_predict(xy)
    if not (found >= 0).any():
        return np.full(len(xy), -1, np.int32)
    order = np.argsort(-np.bincount(found[found >= 0]), kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return np.where(found >= 0, rank[found], -1).astype(np.int32)


def names_of(paths: list[str], group: NDArray[np.int32]) -> list[str]:
    """A name for each group, no two the same: its words, or its number where no word tells."""
    words = [_words(path) for path in paths]
    in_all = Counter(word for own in words for word in set(own))
    names: list[str] = []
    repeated: Counter[str] = Counter()
    for number in range(int(group.max()) + 1):
        members = [words[i] for i in np.flatnonzero(group == number)]
        name = " ".join(_telling(members, in_all, len(paths)))
        name = name or str(number + 1)
        repeated[name] += 1
        names.append(name if repeated[name] == 1 else f"{name} {repeated[name]}")
    return names


def _telling(members: list[list[str]], in_all: Counter[str], n_all: int) -> list[str]:
    """The WORDS that tell most of a group, in the order of its paths. members: the words of each.

    How much a word tells is its share there, times the logarithm of that over its share everywhere.
    """
    count = Counter(word for own in members for word in set(own))
    shares = {word: k / len(members) for word, k in count.items() if k / len(members) >= COMMON}
    often = {word: share / (in_all[word] / n_all) for word, share in shares.items()}
    telling = [word for word in shares if often[word] >= TELLING]
    telling.sort(key=lambda word: (-shares[word] * np.log(often[word]), word))
    chosen = telling[:WORDS]
    with_all = [own for own in members if set(chosen) <= set(own)]
    return sorted(chosen, key=with_all[0].index) if with_all else chosen[:1]


def _words(path: str) -> list[str]:
    return [word for word in _WORD.findall(path.casefold()) if not _SAY_NOTHING.fullmatch(word)]
