"""What images are called in shards: below the name of their source, so that labels stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchard.errors import SourceError
from orchard.images import local
from orchard.images.containers import names
from orchard.storage import is_remote


def named(sources: tuple[str, ...], paths: list[str]) -> list[str]:
    """A name of each path. Raises SourceError where two would be the same."""
    roots = sorted({root for source in sources for root in _roots(source)}, key=len, reverse=True)
    found = [_name(path, roots) for path in paths]
    if len(set(found)) == len(found):
        return found
    first: dict[str, str] = {}
    for name, path in zip(found, paths, strict=True):
        if name in first:
            raise SourceError(
                f"{first[name]} and {path} would both be {name} in a shard: rename a folder, or "
                "pack them into a DIR each"
            )
        first[name] = path
    raise AssertionError("unequal counts name a double")


def _roots(source: str) -> Iterator[str]:
    """Folders whose own names stay: that of a file's folder, so of its label, too."""
    if is_remote(source):
        root = source.rstrip("/")
        yield root
        yield root.rpartition("/")[0] if root.count("/") > 2 else root
        return
    for path in local.expand(source):
        yield path if Path(path).is_dir() else str(Path(path).parent)


def _name(path: str, roots: list[str]) -> str:
    plain = names.as_folder(path)
    for root in roots:
        if plain.startswith(f"{root.rstrip('/')}/"):
            top = root.rstrip("/").rpartition("/")[2]
            below = plain[len(root.rstrip("/")) + 1 :]
            return f"{top}/{below}" if top else below
    return plain.rpartition("/")[2]
