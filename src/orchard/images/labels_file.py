"""Labels from a table: `--labels FILE` gives them by path, name or stem.

A row's key is the path of one image (absolute, a URL, or relative to a SOURCE or to the file's
folder), or the name that one image has, or its name without the ending. A path goes before a name,
a name before a stem. Names are compared in Unicode's NFC: two systems write "é" in two ways.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from orchard.config import COLUMN
from orchard.errors import ConfigError
from orchard.images import local
from orchard.images.manifest import LABEL_COLUMNS, PATH_COLUMNS
from orchard.images.table_file import TableFile
from orchard.storage import is_remote

KEY_COLUMNS = (*PATH_COLUMNS, "name", "stem", "id")
SHOWN = 3


@dataclass(frozen=True, slots=True)
class LabelsFile:
    """rows: which row of the file a key names. roots: what relative paths are relative to."""

    file: TableFile
    label: str
    rows: dict[str, int]
    roots: tuple[str, ...]
    _values: list[str | None] = field(repr=False)

    @classmethod
    def of(cls, file: TableFile, sources: Iterable[str], label: str = "parent") -> LabelsFile:
        """label: "column:NAME" names the column of labels.

        Raises ConfigError where a key has two labels, or there is no column of keys or labels.
        """
        key = file.column(KEY_COLUMNS, "path, name or stem of each image")
        named = (label.removeprefix(COLUMN),) if label.startswith(COLUMN) else LABEL_COLUMNS
        label = file.column(tuple(map(str.lower, named)), "label")
        values = file.rows[label].to_pylist()
        rows: dict[str, int] = {}
        for row, text in enumerate(file.rows[key].to_pylist()):
            if text is None:
                continue
            first = rows.setdefault(_form(text), row)
            if values[first] != values[row]:
                raise ConfigError(
                    f"--labels {file.place}: {file.line(first)} and {file.line(row)} give {text} "
                    f"two labels, {values[first]} and {values[row]}; keep one of them"
                )
        roots = (*(_root(source) for source in sources), file.folder)
        return cls(file, label, rows, roots, values)

    def label_of(self, path: str) -> str | None:
        """The label of an image; None where the file gives none."""
        row = self.row_of(path)
        return None if row is None else self._values[row]

    def row_of(self, path: str) -> int | None:
        return next((self.rows[key] for key in self._keys(path) if key in self.rows), None)

    def check(self, paths: Iterable[str]) -> str | None:
        """A sentence about images that the file leaves out and rows that name no image; None where
        there are none. Raises ConfigError where a name or a stem is that of two images."""
        meant: defaultdict[str, list[str]] = defaultdict(list)
        n_without = 0
        for path in paths:
            key = next((key for key in self._keys(path) if key in self.rows), None)
            if key is None:
                n_without += 1
            elif len(meant[key]) < SHOWN + 1:
                meant[key].append(path)
        for key, several in meant.items():
            if len(several) > 1:
                raise ConfigError(
                    f"--labels {self.file.place}: {key} in {self.file.line(self.rows[key])} is the "
                    f"name of {' and of '.join(several[:SHOWN])}; write the path instead"
                )
        unused = [key for key in self.rows if key not in meant]
        return _told(self.file, n_without, unused)

    def _keys(self, path: str) -> Iterator[str]:
        """What a row may call an image, the most exact first."""
        whole = _form(path)
        yield whole
        for root in self.roots:
            if whole.startswith(f"{root}/"):
                yield whole[len(root) + 1 :]
        name = whole.rpartition("/")[2]
        yield name
        stem = PurePosixPath(name).stem
        if stem != name:
            yield stem


def _form(text: str) -> str:
    text = unicodedata.normalize("NFC", text).removeprefix("./")
    return local.absolute(text) if text.startswith(("~", "file:///")) else text


def _root(source: str) -> str:
    return _form(source.rstrip("/") if is_remote(source) else local.absolute(source))


def _told(file: TableFile, n_without: int, unused: list[str]) -> str | None:
    parts = []
    if n_without:
        parts.append(f"{n_without:,} images have no label in it")
    if unused:
        shown = ", ".join(unused[:SHOWN]) + (", …" if len(unused) > SHOWN else "")
        parts.append(f"{len(unused):,} of its keys name no listed image: {shown}")
    return f"--labels {file.place}: {'; '.join(parts)}" if parts else None
