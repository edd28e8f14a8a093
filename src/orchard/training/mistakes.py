"""What a classifier confuses: the commonest pairs, with a picture of each side."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.images.confines import Confines
from orchard.images.small import as_jpeg
from orchard.records import Failure
from orchard.storage import Storage

PAIRS = 12
SIDE = 112  # pixels of a picture on the page


@dataclass(frozen=True, slots=True)
class Pair:
    """n images of `actual` were answered `predicted`. share: of the held-out images of `actual`.

    mistaken: path of one of them. typical: path of a known image of `predicted`.
    """

    actual: str
    predicted: str
    n: int
    share: float
    mistaken: str
    typical: str


def worst_pairs(
    y: NDArray[np.intp],
    p: NDArray[np.floating],
    paths: NDArray[np.str_],
    classes: Sequence[str],
    typical: Sequence[str],
) -> list[Pair]:
    """The PAIRS commonest mistakes; the picture is the one that was surest. typical: by class."""
    predicted = p.argmax(axis=1)
    wrong = predicted != y
    codes, counts = np.unique(y[wrong] * len(classes) + predicted[wrong], return_counts=True)
    found = []
    for i in np.argsort(-counts, kind="stable")[:PAIRS]:
        actual, answer = divmod(int(codes[i]), len(classes))
        rows = np.flatnonzero((y == actual) & (predicted == answer))
        surest = rows[p[rows, answer].argmax()]
        share = counts[i] / np.count_nonzero(y == actual)
        found.append(
            Pair(
                classes[actual],
                classes[answer],
                int(counts[i]),
                float(share),
                str(paths[surest]),
                typical[answer],
            )
        )
    return found


def thumbnail(path: str, storage: Storage, confines: Confines) -> str | None:
    """A small JPEG as a data URL; None where the image can no longer, or may not, be read."""
    data = confines.read(path, storage)
    jpeg = data if isinstance(data, Failure) else as_jpeg(data, SIDE)
    return None if isinstance(jpeg, Failure) else data_url(jpeg, "image/jpeg")


def data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
