"""Pictures of a result's source: only of images that the result holds and may be read for it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.confines import Confines
from orchard.images.small import as_jpeg
from orchard.records import Failure
from orchard.storage import Storage

SIDE = 2048  # pixels, of the longer side: more than a screen shows, and 12 MB while it is made


class Pictures:
    """paths: of the result's images. confines: where images may be read from `storage`."""

    def __init__(
        self, paths: pa.ChunkedArray, confines: Confines, storage: Storage, max_pixels: int
    ) -> None:
        self._paths = paths.combine_chunks()
        self._confines = confines
        self._storage = storage
        self._max_pixels = max_pixels

    @property
    def n_outside(self) -> int:
        """How many images may not be read."""
        return len(self._paths) - int(self._confines.mask(self._paths.to_pylist()).sum())

    def jpeg(self, path: str) -> bytes | None:
        """An image decoded and encoded again, without EXIF and at most SIDE pixels a side; None
        where the result does not hold it, or it cannot be read."""
        try:
            asked = pa.scalar(path, pa.string())
        except UnicodeEncodeError:  # no path that a table can hold
            return None
        if pc.index(self._paths, asked).as_py() < 0:
            return None
        data = self._confines.read(path, self._storage)
        jpeg = data if isinstance(data, Failure) else as_jpeg(data, SIDE, self._max_pixels)
        return None if isinstance(jpeg, Failure) else jpeg
