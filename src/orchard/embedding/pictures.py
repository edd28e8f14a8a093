"""What a task keeps of its images' pixels: small pictures of some, and how good each image is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.images import thumbnail
from orchard.images.glimpse import glimpse
from orchard.images.quality import Quality, quality
from orchard.records import THUMBNAILS, Failure, Reason

OF_A_REASON = 6  # failed images of which a report shows something
_PLAIN = "plain"
_MAY_BE_SEEN = (Reason.TRUNCATED, Reason.CORRUPT, Reason.DAMAGED, Reason.UNSUPPORTED)


class Pictures:
    """The thumbnails of a task under construction.

    share: of all images, those of `images.thumbnail.gets_one`; None keeps no pixels at all, neither
    of them nor of what failed.
    """

    def __init__(self, share: float | None) -> None:
        self._share = share
        self._rows: list[tuple[str, str | None, bytes]] = []
        self._failed: Counter[Reason] = Counter()

    def add(self, path: str, sha256: str, rgb: NDArray[np.uint8]) -> Quality:
        """Keep the picture of an image that gets one. rgb: (size, size, 3), its plain view."""
        small = thumbnail.small(rgb)
        if self._share is not None and thumbnail.gets_one(path, self._share):
            self._rows.append((path, sha256, thumbnail.as_jpeg(small)))
        return quality(small)

    def add_failed(self, path: str, data: bytes | Failure, failure: Failure) -> None:
        """Keep what can be seen of an image that failed, of the first few of each reason."""
        if self._share is None or isinstance(data, Failure) or failure.reason not in _MAY_BE_SEEN:
            return
        self._failed[failure.reason] += 1
        if self._failed[failure.reason] <= OF_A_REASON:
            seen = glimpse(data, thumbnail.SIDE)
            if seen is not None:
                self._rows.append((path, None, thumbnail.as_jpeg(thumbnail.small(seen))))

    def rows(self, run_id: str) -> pa.Table:
        paths, digests, pictures = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        columns = {
            "path": pa.array(paths, pa.string()),
            "sha256": pa.array(digests, pa.string()),
            "jpeg": pa.array(pictures, pa.binary()),
            "run_id": pa.array([run_id] * len(paths), pa.string()),
        }
        return pa.table(columns, schema=THUMBNAILS)


def views_of(views: tuple[str, ...]) -> tuple[str, ...]:
    """What is decoded: the network's views, then the plain one where it is not among them."""
    return views if _PLAIN in views else (*views, _PLAIN)


def plain_of(shown: NDArray[np.uint8], views: tuple[str, ...]) -> NDArray[np.uint8]:
    """(size, size, 3), of (number of `views_of`, size, size, 3)."""
    plain: NDArray[np.uint8] = shown[views_of(views).index(_PLAIN)]
    return plain
