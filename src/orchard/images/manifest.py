"""A SOURCE that is a table: what a manifest names is what is listed.

A path in it is absolute, a URL, or relative: to SOURCE where one is given, else to the folder that
the manifest lies in. Each image counts once, as the first row that names it says. What is named
and not there becomes a failure, so a row of the errors table.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pyarrow as pa

from orchard.config import COLUMN
from orchard.errors import ConfigError, SourceError
from orchard.images import local, objects_named
from orchard.images.table_file import TableFile
from orchard.records import LISTING, Failure, Found, Reason
from orchard.storage import Storage, is_remote, split
from orchard.storage.web_access import is_web

PATH_COLUMNS = ("path", "url", "file", "filename", "file_name", "image", "image_path", "image_url")
LABEL_COLUMNS = ("label", "class", "category", "species")
REQUESTS_AT_ONCE = 32
SHOWN = 3  # examples of what is doubled


@dataclass(frozen=True, slots=True)
class Entry:
    """path: as it begins the tables. row: in the manifest, counted from 0."""

    path: str
    row: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """root: what relative paths are relative to. entries: each path once, sorted by it. doubled: a
    sentence about those named again."""

    file: TableFile
    root: str
    entries: tuple[Entry, ...]
    failures: tuple[tuple[str, Failure], ...]
    doubled: str | None

    def relative(self, path: str) -> str:
        """What globs are held against: the path below the root; of another place the whole."""
        return path.removeprefix(f"{self.root}/")


def read_manifest(file: TableFile, base: str | None) -> Manifest:
    """What a manifest names. base: the SOURCE, if one is given. Raises ConfigError."""
    column = file.column(PATH_COLUMNS, "path or URL of each image")
    root = _root(file, base)
    first: dict[str, int] = {}
    again: list[tuple[str, int]] = []
    failures: list[tuple[str, Failure]] = []
    for row, text in enumerate(file.rows[column].to_pylist()):
        if text is None:
            place = f"{file.place}#{file.line(row)}"
            failures.append((place, Failure(Reason.BAD_NAME, f"its {column} is empty")))
            continue
        path = _resolved(text, root)
        if path in first:
            again.append((path, row))
        else:
            first[path] = row
    if not first and not failures:
        raise SourceError(f"no image in {file.place}: the manifest has no row")
    entries = tuple(Entry(path, first[path]) for path in sorted(first, key=os.fsencode))
    return Manifest(file, root, entries, tuple(failures), _doubled(file, first, again))


def find(
    paths: list[str], storage: Storage, web: Callable[[list[str]], list[Found | Failure | None]]
) -> list[Found | Failure | None]:
    """Size, time and ETag of each image, or why there are none. web: asks web servers, which may
    leave that to whoever fetches the image."""
    found: dict[str, Found | Failure | None] = {}
    remote = [path for path in paths if is_remote(path)]
    on_web = [path for path in remote if is_web(path)]
    found.update(zip(on_web, web(on_web), strict=True))
    found.update(objects_named.find([path for path in remote if path not in found], storage))
    return [found[path] if path in found else local.found_at(path) for path in paths]


def labels_of(
    manifest: Manifest, label: str, rule: Callable[[str], str | None]
) -> Callable[[Entry], str | None]:
    """The label of an entry: that of the manifest's own column, where it has one; else by the rule
    of `--label`, which says so too where it is not the default."""
    if label.startswith(COLUMN):
        name = label.removeprefix(COLUMN)
        if name not in manifest.file.rows.column_names:
            raise ConfigError(
                f"--label {label}: {manifest.file.place} has no column {name}; it has "
                f"{', '.join(manifest.file.rows.column_names)}"
            )
    else:
        known = {name.lower(): name for name in manifest.file.rows.column_names}
        name = next((known[one] for one in LABEL_COLUMNS if one in known), "")
    if not name or label not in ("parent", f"{COLUMN}{name}"):
        return lambda entry: rule(entry.path)
    values = manifest.file.rows[name].to_pylist()
    return lambda entry: values[entry.row]


def listing_rows(
    entries: list[tuple[Entry, Found | None]],
    label_of: Callable[[Entry], str | None],
) -> pa.Table:
    """LISTING rows, in the order given."""
    columns = list(zip(*_rows(entries, label_of), strict=True)) or [()] * len(LISTING)
    return pa.table([list(column) for column in columns], schema=LISTING)


def _rows(
    entries: list[tuple[Entry, Found | None]], label_of: Callable[[Entry], str | None]
) -> Iterator[tuple[object, ...]]:
    for entry, found in entries:
        key = (found.size, found.modified, found.etag) if found else (None, None, None)
        yield entry.path, label_of(entry), *key


def roots(paths: Iterable[str]) -> list[str]:
    """The lowest folders that the images are in: one for each bucket, server and top folder."""
    common: dict[str, list[str]] = {}
    for path in paths:
        *folders, _ = path.split("/")
        top = "/".join(folders[: 3 if is_remote(path) else 2])
        known = common.setdefault(top, folders)
        if known != folders[: len(known)]:
            pairs = zip(known, folders, strict=False)
            common[top] = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    return sorted("/".join(folders) or "/" for folders in common.values())


def _root(file: TableFile, base: str | None) -> str:
    if base is None:
        return file.folder
    root = base.rstrip("/") if is_remote(base) else local.absolute(base)
    if not is_remote(root) and not Path(root).is_dir():
        raise ConfigError(
            f"SOURCE {base}: with --manifest expected the one folder or URL that its paths are "
            "relative to"
        )
    return root


def _resolved(text: str, root: str) -> str:
    if is_remote(text):
        return text
    if is_remote(root) and not text.startswith(("/", "~", "file:")):
        place, key = split(root)
        return f"{place}{posixpath.normpath(f'/{key}/{text}')}"
    if text.startswith(("/", "~", "file:")):
        return _spelled(local.absolute(text))
    return _spelled(os.path.normpath(f"{root}/{text}"))


def _spelled(path: str) -> str:
    """A path as the disk has it, where the manifest spells it otherwise: with Windows' "\\", or an
    accent in Unicode's other form."""
    if (path.isascii() and "\\" not in path) or os.path.lexists(path):
        return path
    slashed = path.replace("\\", "/")
    forms = [slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))]
    return next(filter(os.path.lexists, forms), path)


def _doubled(file: TableFile, first: dict[str, int], again: list[tuple[str, int]]) -> str | None:
    if not again:
        return None
    shown = ", ".join(
        f"{path} in {file.line(first[path])} and {file.line(row)}" for path, row in again[:SHOWN]
    )
    rest = f", and {len(again) - SHOWN:,} more" if len(again) > SHOWN else ""
    return (
        f"{len(again):,} rows of {file.place} name an image again, which counts once, as its first "
        f"row says: {shown}{rest}"
    )
