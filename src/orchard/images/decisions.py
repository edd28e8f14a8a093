"""What somebody decided about a result's images: a CSV with the header path,decision,label.

decision: keep, drop or relabel; label: the new one, of a relabel. The report's page writes it, and
`--labels`, `--exclude-from`, `erase --from-file` and `dedupe --decisions` read what concerns them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from orchard.errors import ConfigError
from orchard.images import local
from orchard.images.path_list import decoded, lines_of
from orchard.images.table_file import TableFile, read_bytes, table_of
from orchard.storage import Storage, is_remote

KEEP, DROP, RELABEL = "keep", "drop", "relabel"
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Decisions:
    """keeps, drops: paths, in the order of the file. relabels: label by path."""

    keeps: tuple[str, ...]
    drops: tuple[str, ...]
    relabels: dict[str, str]

    @classmethod
    def of(cls, file: TableFile) -> Decisions:
        """Raises ConfigError where a decision is none of the three, a relabel has no label, or a
        path has two decisions."""
        columns = [file.column((name,), name) for name in ("path", "decision")]
        has_labels = any(name.lower() == "label" for name in file.rows.column_names)
        names = [*columns, *([file.column(("label",), "label")] if has_labels else [])]
        first: dict[str, tuple[int, str, str | None]] = {}
        for row, values in enumerate(zip(*(file.rows[n].to_pylist() for n in names), strict=True)):
            path, decision, label = (*values, None)[:3]
            if path is None and decision is None:
                continue
            _check(file, row, path, decision, label)
            known = first.setdefault(path, (row, decision, label if decision == RELABEL else None))
            if known[1:] != (decision, label if decision == RELABEL else None):
                raise ConfigError(
                    f"{file.option} {file.place}: {file.line(known[0])} and {file.line(row)} "
                    f"decide about {path} in two ways; keep one of them"
                )
        of = {kind: [p for p, one in first.items() if one[1] == kind] for kind in (KEEP, DROP)}
        relabels = {p: one[2] for p, one in first.items() if one[1] == RELABEL and one[2]}
        return cls(tuple(of[KEEP]), tuple(of[DROP]), relabels)

    @classmethod
    def read(cls, place: str, option: str, storage: Storage) -> Decisions:
        """Raises ConfigError."""
        data = bytes(read_bytes(place, option, storage))
        return cls.of(table_of(data, place, option))


@dataclass(frozen=True, slots=True)
class NamedPaths:
    """Paths as somebody wrote them: whole, or relative to a SOURCE; in any Unicode form."""

    given: frozenset[str]
    roots: tuple[str, ...]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, paths: Iterable[str], sources: Iterable[str]) -> NamedPaths:
        return cls(frozenset(map(_form, paths)), tuple(map(_root, sources)))

    def name_of(self, path: str) -> str | None:
        """How the list names an image's path; None where it does not."""
        whole = _form(path)
        below = (whole[len(root) + 1 :] for root in self.roots if whole.startswith(f"{root}/"))
        found = next((name for name in (whole, *below) if name in self.given), None)
        if found is not None:
            self._used.add(found)
        return found

    def unused(self) -> list[str]:
        """Names of no path that was asked for so far."""
        return sorted(self.given - self._used)


def is_decisions(names: Iterable[str]) -> bool:
    """Whether a table with these columns holds decisions."""
    return {"path", "decision"} <= {name.strip().lower() for name in names}


def paths_to_drop(text: str, name: str, option: str) -> list[str]:
    """The paths of a list, one per line, or those that a decisions file drops.

    Raises ConfigError, also of another table: which of its rows are meant is not known.
    """
    lines = lines_of(text)
    header = lines[0].strip().lower() if lines else ""
    separator = max(",;\t", key=header.count)
    columns = [part.strip().strip('"') for part in header.split(separator)]
    if is_decisions(columns):
        return list(Decisions.of(table_of(text.encode(), name, option)).drops)
    if len(columns) > 1 and "path" in columns:
        raise ConfigError(
            f"{option} {name}: it has the columns {', '.join(columns)}; expected one path per "
            "line, or the columns path and decision"
        )
    return lines


def read_paths_to_drop(place: str, option: str, storage: Storage) -> list[str]:
    """The same of a file here or in a bucket. Raises ConfigError."""
    data = bytes(read_bytes(place, option, storage))
    if place.lower().endswith(".parquet"):
        return list(Decisions.of(table_of(data, place, option)).drops)
    return paths_to_drop(decoded(data, option, place), place, option)


def relabelled(
    relabels: dict[str, str], sources: Iterable[str], usual: Callable[[str], str | None]
) -> tuple[NamedPaths, Callable[[str], str | None]]:
    """The paths with a new label, and the label of any: the usual one of others."""
    named = NamedPaths.of(relabels, sources)
    of = {_form(path): label for path, label in relabels.items()}

    def label_of(path: str) -> str | None:
        name = named.name_of(path)
        return usual(path) if name is None else of[name]

    return named, label_of


def told(option: str, place: str, named: NamedPaths) -> str | None:
    """A sentence about names of no listed image; None where there are none."""
    unused = named.unused()
    if not unused:
        return None
    shown = ", ".join(unused[:SHOWN]) + (", …" if len(unused) > SHOWN else "")
    return f"{option} {place}: {len(unused):,} of its paths name no listed image: {shown}"


def _check(
    file: TableFile, row: int, path: str | None, decision: str | None, label: str | None
) -> None:
    where = f"{file.option} {file.place}: {file.line(row)}"
    if not path:
        raise ConfigError(f"{where} has no path; expected the path of an image")
    if decision not in (KEEP, DROP, RELABEL):
        raise ConfigError(
            f"{where} decides {decision or 'nothing'}; expected keep, drop or relabel"
        )
    if decision == RELABEL and not label:
        raise ConfigError(f"{where} relabels {path} and gives no label; expected one")


def _form(text: str) -> str:
    text = unicodedata.normalize("NFC", text).removeprefix("./")
    return local.absolute(text) if text.startswith(("~", "file:///")) else text


def _root(source: str) -> str:
    return _form(source.rstrip("/") if is_remote(source) else local.absolute(source))
