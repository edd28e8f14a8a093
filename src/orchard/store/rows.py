"""A table's rows by path, read file by file: a result too large for memory is walked in order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard.records import with_kept
from orchard.store import contents
from orchard.store.snapshot import SCHEMAS
from orchard.store.tables import Tables

FILES_IN_MEMORY = 4


class RowIndex:
    """Where each path's row lies. paths: sorted. kept: columns that a manifest gave. Memory: the
    paths and 12 bytes a row."""

    def __init__(self, tables: Tables, table: str) -> None:
        self._output, self._table = tables.output, table
        self.kept = tables[table].kept
        named = tables[table].files
        self._files = [file.path for file in named]
        columns = [contents.read_named(tables.output, file, ["path"])["path"] for file in named]
        lengths = [len(column) for column in columns]
        paths = pa.chunked_array(columns, pa.string()).combine_chunks()
        order = pc.sort_indices(paths).to_numpy().astype(np.int64)
        self.paths = paths.take(order)
        self._file = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[order]
        first = np.cumsum([0, *lengths[:-1]]) if lengths else np.zeros(0, np.int64)
        self._row = order - first[self._file] if lengths else first
        self._read = lru_cache(FILES_IN_MEMORY)(self._read_file)

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, positions: NDArray[np.int64], columns: tuple[str, ...]) -> pa.Table:
        """Rows by their position in `paths`, in the order asked for."""
        whole = with_kept(SCHEMAS[self._table], columns)
        schema = pa.schema([whole.field(name) for name in columns])
        parts, places = [schema.empty_table()], []
        for number in np.unique(self._file[positions]):
            chosen = np.flatnonzero(self._file[positions] == number)
            parts.append(self._read(int(number), columns).take(self._row[positions[chosen]]))
            places.append(chosen)
        back = np.argsort(np.concatenate(places)) if places else np.zeros(0, np.int64)
        return pa.concat_tables(parts).take(back)

    def batches(self, columns: tuple[str, ...], size: int = 8192) -> Iterator[pa.Table]:
        """All rows in the order of their paths."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))), columns)

    def _read_file(self, number: int, columns: tuple[str, ...]) -> pa.Table:
        return contents.read_file(self._output, self._files[number], list(columns)).combine_chunks()
