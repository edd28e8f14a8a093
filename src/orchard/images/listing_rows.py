"""A listing under construction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard.errors import SourceError
from orchard.records import LISTING, Found

MAX_PATH_BYTES = 2**31 - 1  # what offsets of Arrow's strings can tell apart


@dataclass(slots=True)
class ListingRows:
    """LISTING rows under construction; full chunks go to Arrow, where a row costs its bytes."""

    CHUNK = 65536

    chunks: list[pa.Table] = field(default_factory=list)
    rows: list[tuple[str, str | None, int, int, str | None]] = field(default_factory=list)

    def add(self, path: str, label: str | None, found: Found) -> None:
        self.rows.append((path, label, found.size, found.modified, found.etag))
        if len(self.rows) == self.CHUNK:
            self._flush()

    def table(self) -> pa.Table:
        """All rows in the order of their paths, each path once."""
        self._flush()
        if sum(chunk["path"].nbytes for chunk in self.chunks) > MAX_PATH_BYTES:
            raise SourceError(
                f"the source has {sum(chunk.num_rows for chunk in self.chunks):,} files, whose "
                "paths are more than a listing holds (2 GiB, some 30 million); run it folder by "
                "folder, each with an OUTPUT of its own"
            )
        rows = pa.concat_tables(self.chunks)
        self.chunks.clear()  # each step lets go of what the one before it made
        rows = rows.sort_by("path")
        rows = rows.combine_chunks()
        if rows.num_rows < 2:
            return rows
        paths = rows["path"].combine_chunks()
        repeated = pc.equal(paths.slice(1), paths.slice(0, len(paths) - 1))
        if not pc.any(repeated).as_py():
            return rows
        first = np.concatenate([[True], ~repeated.to_numpy(zero_copy_only=False)])
        return rows.filter(pa.array(first))

    def _flush(self) -> None:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(LISTING)
        self.chunks.append(pa.table([list(column) for column in columns], schema=LISTING))
        self.rows.clear()
