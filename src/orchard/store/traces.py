"""Where images are named outside the tables: reports, exports, run records, trained classifiers.

report/, export/                  made anew from the tables, so deleted whole
runs/*.json, privacy/*.json       a source may be one image: its path is struck out
models/classifier/<id>/           the gallery loses the rows of those paths, JSON files the paths;
                                  any other file that names one goes
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchard.store import galleries
from orchard.store.galleries import CLASSIFIERS
from orchard.store.output import Output

MADE_ANEW = ("report", "export")
ERASED = "(erased)"


def classifier_paths(output: Output, prefix: str) -> set[str]:
    """The images below a prefix that a classifier's files hold."""
    found: set[str] = set()
    for _, rows in _galleries(output):
        column = rows["path"]
        found.update(column.filter(pc.starts_with(column, prefix)).to_pylist())
    return found


def erase_traces(output: Output, paths: Collection[str]) -> int:
    """Take images out of everything but the tables; how many rows of classifiers went."""
    for folder in MADE_ANEW:
        output.delete_folder(folder)
    n_rows = galleries.forget(output, pa.array(sorted(paths), pa.string()))
    for file in [*output.paths("runs"), *output.paths("privacy"), *output.paths(CLASSIFIERS)]:
        if file.endswith(".json"):
            _strike_out(output, file, paths)
        elif not file.endswith(".parquet") and _names_any(bytes(output.get(file)), paths):
            output.delete([file])
    return n_rows


def _galleries(output: Output) -> list[tuple[str, pa.Table]]:
    files = [path for path in output.paths(CLASSIFIERS) if path.endswith(".parquet")]
    tables = [(path, pq.read_table(pa.BufferReader(output.get(path)))) for path in files]
    return [(path, table) for path, table in tables if "path" in table.column_names]


def _strike_out(output: Output, file: str, paths: Collection[str]) -> None:
    def struck(value: Any) -> Any:
        if isinstance(value, dict):
            return {struck(key): struck(item) for key, item in value.items()}
        if isinstance(value, list):
            return [struck(item) for item in value]
        return ERASED if isinstance(value, str) and value in paths else value

    content = output.get_json(file)
    if (clean := struck(content)) != content:
        output.put_json(file, clean)


def _names_any(content: bytes, paths: Collection[str]) -> bool:
    return any(path.encode("utf-8", "surrogateescape") in content for path in paths)
