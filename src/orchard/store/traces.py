"""Where images are named outside the tables and the galleries of classifiers.

report/, export/, findings/          can be recreated from the tables, so deleted whole
listings/                            can be recreated from the archives, so deleted whole
runs/*.json, privacy/*.json          a source may be one image: its path is removed
models/classifier/<id>/*.json        so are paths in these

A classifier's other files (network, weights, README.md) name no image and are left alone, as is
every file that Orchard did not make. A string is removed if it is a path, never if it only contains
one: content is decoded, and each string is looked up once in a set, however many paths go.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from unicodedata import normalize

from orchard.errors import TableError, first_line
from orchard.storage import is_remote
from orchard.store.galleries import CLASSIFIERS
from orchard.store.output import Output

MADE_ANEW = ("report", "export", "findings", "listings")
ERASED = "(erased)"
_OURS = re.compile(
    rf"runs/[^/]+\.json|privacy/processing_record\.json|{CLASSIFIERS}/current\.json"
    rf"|{CLASSIFIERS}/[^/]+/(card|metrics)\.json"
)
# Lists whose items may be relative to the folder that the run was started in, or to a source.
_RELATIVE = ("sources", "include", "exclude")


def documents(output: Output, problems: list[str]) -> dict[str, Any]:
    """The JSON files that may name images, by path; a sentence for each that cannot be read.

    A file that cannot be read has the value None.
    """
    found = {}
    for folder in ("runs", "privacy", CLASSIFIERS):
        for path in filter(_OURS.fullmatch, output.paths(folder)):
            found[path] = _content(output, path, problems)
    return found


def _content(output: Output, path: str, problems: list[str]) -> Any:
    try:
        return json.loads(bytes(output.get(path)))
    except (TableError, ValueError, RecursionError) as error:
        problems.append(
            f"{output.uri(path)} cannot be read ({first_line(error)}) and may name the images"
        )
        return None


def strings(contents: Iterable[Any]) -> Iterator[str]:
    """All strings in JSON data."""
    pending = list(contents)
    while pending:
        content = pending.pop()
        if isinstance(content, str):
            yield content
        elif isinstance(content, dict):
            pending += [*content.keys(), *content.values()]
        elif isinstance(content, list):
            pending += content


def sources(contents: Iterable[Any]) -> set[str]:
    """The absolute paths and URLs that runs were given as sources."""
    found: set[str] = set()
    for content in contents:
        if isinstance(content, dict) and isinstance(content.get("sources"), list):
            given = filter(lambda item: isinstance(item, str), content["sources"])
            found.update(item for item in given if is_remote(item) or item.startswith("/"))
    return found


def delete_made_anew(output: Output) -> None:
    for folder in MADE_ANEW:
        output.delete_folder(folder)


def strike_out(
    output: Output, found: dict[str, Any], paths: Collection[str], problems: list[str]
) -> None:
    """Take paths out of documents; a sentence for each where that fails.

    found: as `documents` gives them.
    """
    erased = _Erased(paths)
    for file, content in found.items():
        _strike_out(output, file, content, erased, problems)


def _strike_out(
    output: Output, file: str, content: Any, erased: _Erased, problems: list[str]
) -> None:
    try:
        if (clean := erased.document(content)) != content:
            output.put_json(file, clean)
    except (TableError, RecursionError) as error:
        problems.append(f"{output.uri(file)} may still name the images: {first_line(error)}")


class _Erased:
    """Paths to be removed, in any Unicode form."""

    def __init__(self, paths: Collection[str]) -> None:
        self._whole = {_composed(path) for path in paths}
        self._ends: set[str] | None = None

    def document(self, content: Any) -> Any:
        clean = self._struck(content)
        if not isinstance(clean, dict):
            return clean
        if isinstance(config := clean.get("config"), dict):
            absolute = content.get("sources")
            clean["config"] = config | self._relative(config, absolute)
        return clean | self._relative(clean)

    def _struck(self, content: Any) -> Any:
        if isinstance(content, str):
            return ERASED if _composed(content) in self._whole else content
        if isinstance(content, list):
            return [self._struck(item) for item in content]
        if isinstance(content, dict):
            return {self._struck(key): self._struck(item) for key, item in content.items()}
        return content

    def _relative(self, content: dict[str, Any], absolute: Any = None) -> dict[str, Any]:
        """The lists whose items may be relative paths, without those that mean an erased one.

        absolute: what the sources are in full, where that was recorded.
        """
        lists = {k: v for k, v in content.items() if k in _RELATIVE and isinstance(v, list)}
        clean = {
            name: [ERASED if self._ends_one(item, name) else item for item in items]
            for name, items in lists.items()
        }
        given = lists.get("sources", [])
        if isinstance(absolute, list) and len(absolute) == len(given):
            clean["sources"] = [
                ERASED if self._struck(whole) == ERASED else item
                for whole, item in zip(absolute, given, strict=True)
            ]
        return clean

    def _ends_one(self, item: Any, name: str) -> bool:
        if not isinstance(item, str) or is_remote(item) or item.startswith("/"):
            return False
        if name != "sources" and "/" not in item:  # a pattern of names, of no image in particular
            return False
        return _composed(_without_start(item)) in self._path_ends()

    def _path_ends(self) -> set[str]:
        if self._ends is None:
            parted = (path.split("/") for path in self._whole)
            self._ends = {"/".join(parts[n:]) for parts in parted for n in range(1, len(parts))}
        return self._ends


def _without_start(path: str) -> str:
    """A relative path without what depends on where it was given: ~, . and .. at its start."""
    path = re.sub(r"^~[^/]*/", "", path)
    return re.sub(r"^(\.\./)+", "", posixpath.normpath(path))


def _composed(text: str) -> str:
    return text if text.isascii() else normalize("NFC", text)
