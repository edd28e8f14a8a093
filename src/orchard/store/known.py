"""What a result holds of the images that somebody wants erased.

A path must match exactly or, if the result does not know it as given, in another Unicode form of
the same letters (a name from macOS is decomposed, what people type is composed).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import pyarrow as pa
import pyarrow.compute as pc

from orchard.errors import TableError, first_line
from orchard.images.containers import names
from orchard.store import contents, galleries, staging, traces
from orchard.store.nearest import Nearest
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS
from orchard.store.suppression import Suppression
from orchard.store.tables import Tables

# What damaged or foreign content raises, whoever reads it.
UNREADABLE = (
    TableError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError,
    RecursionError, pa.ArrowException,
)  # fmt: skip
CLASSIFIERS = "galleries of classifiers"
STAGED = "staged by an interrupted run"


@dataclass(frozen=True, slots=True)
class Unknown:
    """What matched nothing, as it was given, and the known path that is most like it."""

    given: str
    nearest: str | None
    is_prefix: bool = False

    def __str__(self) -> str:
        kind = "no path begins with this" if self.is_prefix else "no such path"
        return f"{self.given!r}: {kind}" + (f"; nearest: {self.nearest}" if self.nearest else "")


@dataclass(frozen=True, slots=True)
class Found:
    """The images that an erasure is about.

    paths: as they are stored. resumed: paths and prefixes, as given, of an erasure that
    was not completed. erased_before: as given. rows: how many each table, and what else holds rows,
    has of `paths`. documents: JSON files that may name them. problems: a sentence for each thing
    that could not be read.
    """

    paths: frozenset[str]
    resumed: tuple[str, ...]
    erased_before: tuple[str, ...]
    unknown: tuple[Unknown, ...]
    rows: dict[str, int]
    documents: dict[str, Any]
    problems: tuple[str, ...]

    @property
    def leaves(self) -> bool:
        """Whether anything is to be erased."""
        return bool(self.paths or self.resumed)


def look_up(
    output: Output, paths: Iterable[str], prefixes: Iterable[str], suppression: Suppression
) -> Found:
    """Find the given paths, and all that begin with a prefix, in everything that holds paths."""
    problems: list[str] = []
    holdings = {
        name: pa.chunked_array(columns, pa.string()).combine_chunks()
        for name, columns in _holdings(output, problems)
    }
    documents = traces.documents(output, problems)
    known = pc.unique(pa.chunked_array(list(holdings.values()), pa.string()))
    given = list(dict.fromkeys(map(_as_stored, paths)))
    search = _Search(known, given, suppression, traces.sources(documents.values()))
    for path in given:
        search.path(path)
    for prefix in dict.fromkeys(map(_as_stored, prefixes)):
        search.prefix(prefix)
    found = set(search.found)
    if suppression.unfinished and (found or search.resumed):
        pending = suppression.pending()
        strings = {*known.to_pylist(), *traces.strings(documents.values())}
        found |= {text for text in strings if suppression.digest(text) in pending}
    leaving = pa.array(sorted(found), pa.string())
    rows = {name: _n_in(column, leaving) for name, column in holdings.items()}
    return Found(
        paths=frozenset(found),
        resumed=tuple(search.resumed),
        erased_before=tuple(search.erased_before),
        unknown=tuple(search.unknown()),
        rows=rows,
        documents=documents,
        problems=tuple(problems),
    )


def paths_named(output: Output, names: Collection[str]) -> set[str]:
    """The known paths of files of these names, in whatever folder. Raises TableError."""
    problems: list[str] = []
    found: set[str] = set()
    values = pa.array(list(names), pa.string())
    for _, columns in _holdings(output, problems):
        for paths in columns:
            last = pc.replace_substring_regex(paths, "^.*/", "")
            found.update(paths.filter(pc.is_in(last, value_set=values)).to_pylist())
    if problems:
        raise TableError("; ".join(problems))
    return found


def forms(path: str) -> set[str]:
    """A path as it is, composed and decomposed."""
    return {path, normalize("NFC", path), normalize("NFD", path)}


class _Search:
    """known: the paths in tables and galleries. sources: of runs, some of them single images."""

    def __init__(
        self, known: pa.Array, given: list[str], suppression: Suppression, sources: set[str]
    ) -> None:
        self._known = known
        self._exact = _those_in(known, known, given)
        self._sources = sources
        self._suppression = suppression
        self._pending = suppression.pending()
        self._alike = self._other_forms([path for path in given if path not in self._exact])
        self.found: set[str] = set()
        self.resumed: list[str] = []
        self.erased_before: list[str] = []
        self._unknown: list[tuple[str, bool]] = []

    def path(self, given: str) -> None:
        if inside := self._inside(given):
            self.found |= {given, *inside}
        elif given in self._exact or self._is_single_source(given):
            self.found.add(given)
        elif alike := self._alike.get(normalize("NFC", given)):
            self.found |= alike
        elif begun := [form for form in forms(given) if self._digest(form) in self._pending]:
            self.resumed.append(given)
            self.found.update(begun)
        elif any(map(self._suppression.keeps_out, forms(given))):
            self.erased_before.append(given)
        else:
            self._unknown.append((given, False))

    def prefix(self, given: str) -> None:
        if below := self._below(given) or self._below_composed(given):
            self.found |= below
        elif self._digest(given) in self._pending:
            self.resumed.append(given)
        else:
            self._unknown.append((given, True))

    def unknown(self) -> Iterator[Unknown]:
        nearest = Nearest(self._known.to_pylist() if self._unknown else [])
        for given, is_prefix in self._unknown:
            yield Unknown(given, nearest.to(given), is_prefix)

    def _digest(self, text: str) -> str:
        return self._suppression.digest(text)

    def _other_forms(self, given: list[str]) -> dict[str, set[str]]:
        """The known paths that are other Unicode forms of the given ones, by composed form."""
        composed = [normalize("NFC", path) for path in given if not path.isascii()]
        found: dict[str, set[str]] = defaultdict(set)
        if composed:
            normal = pc.utf8_normalize(self._known, form="NFC")
            for path in _those_in(normal, self._known, composed):
                found[normalize("NFC", path)].add(path)
        return found

    def _below(self, prefix: str) -> set[str]:
        return set(self._known.filter(pc.starts_with(self._known, prefix)).to_pylist())

    def _below_composed(self, prefix: str) -> set[str]:
        if prefix.isascii():
            return set()
        normal = pc.utf8_normalize(self._known, form="NFC")
        below = pc.starts_with(normal, normalize("NFC", prefix))
        return set(self._known.filter(below).to_pylist())

    def _inside(self, given: str) -> set[str]:
        """The members of an archive, which go with it."""
        if names.kind_of(given) is None:
            return set()
        below = f"{given}{names.SEPARATOR}"
        return self._below(below) or self._below_composed(below)

    def _is_single_source(self, given: str) -> bool:
        return given in self._sources and not self._below(f"{given.rstrip('/')}/")


def _those_in(names: pa.Array, known: pa.Array, wanted: list[str]) -> set[str]:
    """The known paths whose names are among the wanted ones."""
    values = pa.array(wanted, pa.string())
    return set(known.filter(pc.is_in(names, value_set=values)).to_pylist())


def _holdings(output: Output, problems: list[str]) -> Iterator[tuple[str, list[pa.Array]]]:
    tables = Tables(output)
    for table in SCHEMAS:
        yield table, _chunks(_paths_of(tables, table, problems))
    yield CLASSIFIERS, _chunks(galleries.paths(output, problems))
    yield STAGED, _chunks(_staged_paths(output))


def _paths_of(tables: Tables, table: str, problems: list[str]) -> list[pa.ChunkedArray]:
    try:
        return [tables.read(table, ["path"])["path"]]
    except UNREADABLE:
        return list(_readable_paths(tables, table, problems))


def _readable_paths(tables: Tables, table: str, problems: list[str]) -> Iterator[pa.ChunkedArray]:
    """File by file, past the damaged ones."""
    try:
        files = tables[table].files
    except UNREADABLE as error:
        problems.append(f"{tables.output.uri(table)}: {first_line(error)}")
        return
    yield from (_file_paths(tables.output, file.path, problems) for file in files)


def _staged_paths(output: Output) -> Iterator[pa.ChunkedArray]:
    """Those that can be read; whatever is staged goes with an erasure."""
    yield from (_file_paths(output, path, []) for path in output.paths(staging.STAGING))


def _file_paths(output: Output, file: str, problems: list[str]) -> pa.ChunkedArray:
    try:
        return contents.read_file(output, file, ["path"])["path"]
    except UNREADABLE as error:
        problems.append(f"{output.uri(file)} cannot be read: {first_line(error)}")
        return pa.chunked_array([], pa.string())


def _chunks(columns: Iterable[pa.ChunkedArray]) -> list[pa.Array]:
    return [chunk for column in columns for chunk in column.chunks]


def _n_in(column: pa.Array, leaving: pa.Array) -> int:
    return int(pc.sum(pc.is_in(column, value_set=leaving)).as_py() or 0)


def _as_stored(path: str) -> str:
    """A name that is not UTF-8, as the errors table spells it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
