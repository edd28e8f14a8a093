"""What trains and what is held out: by object, at random, and by species.

Pictures of one object (frames of a turntable, a burst of a phone) are near copies of each other. A
random split puts some on each side and measures memory; an honest one keeps each object on one
side. Symbols: n images, fold f ∈ {0 … n_folds − 1}, ALWAYS marks images that train in every fold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchard.store.accepted import giver_of

Folds = NDArray[np.intp]

ALWAYS = -1
_TURNTABLE = re.compile(r"(?:(r\d*)_)?\d+_\d+$")  # Fruits-360: axis of the turn, frame, pixels
_NUMBER = re.compile(r"[\W_]*\d+\W*$")


def object_of(
    path: str, pattern: re.Pattern[str] | None = None, *, whole_folder: bool = False
) -> str:
    """The object that an image shows, derived from its path.

    pattern: its first group, or its whole match; the path itself where it does not match. Without
    one: for names as Fruits-360 has them (`r2_12_100.jpg`) the folder and the axis of rotation
    (`r2`), elsewhere the folder and the name without the number that ends it (`IMG_0412.jpg`).
    whole_folder: a folder of such turntable frames is one object, whatever the axis. All photos
    that one person gave on the page are one object, whatever they show and whatever the pattern.
    """
    if giver := giver_of(path):
        return f"giver {giver}"
    if pattern is not None:
        found = pattern.search(path)
        return path if found is None else found.group(found.re.groups and 1) or ""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    if turn := _TURNTABLE.fullmatch(stem):
        return folder if whole_folder else f"{folder}/{turn[1] or ''}"
    return f"{folder}/{_NUMBER.sub('', stem)}"


def objects_of(
    paths: Sequence[str], pattern: re.Pattern[str] | None = None, *, whole_folder: bool = False
) -> NDArray[np.intp]:
    """A number for each image's object: (n,), equal where the object is the same."""
    names = [object_of(path, pattern, whole_folder=whole_folder) for path in paths]
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1]


def honest_folds(y: NDArray[np.intp], objects: NDArray[np.intp], n_folds: int, seed: int) -> Folds:
    """Folds that hold out whole objects, spread evenly over each class: (n,).

    A class's largest object always trains, so that no class is asked for that was never shown; a
    class of one object is therefore never measured. Where an object has images of several classes
    it still lies in one fold.
    """
    anchors = set()
    sizes: dict[int, NDArray[np.intp]] = {}
    for label in np.unique(y):
        members, counts = np.unique(objects[y == label], return_counts=True)
        anchors.add(int(members[counts.argmax()]))
        sizes[int(label)] = members
    rng = np.random.default_rng(seed)
    fold_of: dict[int, int] = {}
    load = np.zeros(n_folds, np.intp)
    n_images = np.bincount(objects)
    for members in sizes.values():
        free = [int(o) for o in rng.permutation(members) if int(o) not in anchors | fold_of.keys()]
        ranks: list[int] = []
        for member in free:
            ranks = ranks or [int(f) for f in np.lexsort((rng.random(n_folds), load))]
            fold = fold_of[member] = ranks.pop(0)
            load[fold] += n_images[member]
    return np.array([fold_of.get(int(o), ALWAYS) for o in objects], np.intp)


def random_folds(y: NDArray[np.intp], n_folds: int, seed: int) -> Folds:
    """Stratified folds that know nothing of objects: (n,). A class of one image always trains."""
    rng = np.random.default_rng(seed)
    folds = np.full(len(y), ALWAYS, np.intp)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        if len(rows) > 1:
            dealt = (np.arange(len(rows)) + rng.integers(n_folds)) % n_folds
            folds[rows] = rng.permutation(dealt)
    return folds


def unseen_folds(kinds: NDArray[np.intp], n_folds: int, seed: int) -> Folds:
    """Folds that hold out all images of some kinds (species, or classes): (n,)."""
    names = np.random.default_rng(seed).permutation(np.unique(kinds))
    fold_of = {int(kind): number % n_folds for number, kind in enumerate(names)}
    return np.array([fold_of[int(kind)] for kind in kinds], np.intp)
