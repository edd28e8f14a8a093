"""Which files are containers, by their names, and what their members are called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchard.images import junk
from orchard.records import Failure, Reason

SEPARATOR = "!/"
TAR, STREAM, ZIP, TABLE = "tar", "stream", "zip", "table"  # how members are reached
_SUFFIXES = {
    ".tar": TAR,
    ".tar.gz": STREAM,
    ".tgz": STREAM,
    ".tar.bz2": STREAM,
    ".tbz2": STREAM,
    ".tar.xz": STREAM,
    ".txz": STREAM,
    ".zip": ZIP,
    ".parquet": TABLE,
    ".arrow": TABLE,
    ".feather": TABLE,
}
# Beside these, what no archive is looked into for: one inside another is refused by its name.
_NESTED = (*_SUFFIXES, ".tar.zst", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_ANY = tuple(_SUFFIXES)
_ENDS = "|".join(re.escape(suffix) for suffix in sorted(_SUFFIXES, key=len, reverse=True))
_NAME = re.compile(rf"(?:^|/)[^/]+({_ENDS})$", re.IGNORECASE)
_MEMBER = re.compile(rf"[^/](?:{_ENDS})!/", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]|//|^/|/$|(?:^|/)\.\.?(?:/|$)|^$|^[A-Za-z]:")
UNSAFE = "the name of this member is absolute, or has an empty, . or .. part: pack it anew"


def kind_of(path: str) -> str | None:
    """How the members of a file are reached; None where its name is not a container's."""
    if not path[-8:].lower().endswith(_ANY):  # of a million files, nearly all end here
        return None
    found = _NAME.search(path)
    return _SUFFIXES[found[1].lower()] if found else None


def is_member(path: str) -> bool:
    return SEPARATOR in path and _MEMBER.search(path) is not None


def split(path: str) -> tuple[str, str] | None:
    """(container, member) of a member's path; None for another path."""
    found = _MEMBER.search(path) if SEPARATOR in path else None
    return (path[: found.end() - 2], path[found.end() :]) if found else None


def as_folder(path: str) -> str:
    """A member's path as if its container were a folder; other paths as they are."""
    parts = split(path)
    return f"{parts[0]}/{parts[1]}" if parts else path


def cleaned(name: str) -> str | Failure:
    """A member's name without "./" before it, or why it is none."""
    while name.startswith("./"):
        name = name[2:]
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return Failure(Reason.BAD_NAME, "the name of this member is not UTF-8: pack it anew")
    return Failure(Reason.BAD_NAME, UNSAFE) if _UNSAFE.search(name) else name


def is_hidden(name: str) -> bool:
    """As files of a folder are, and what macOS and others put into archives beside the files."""
    parts = (part for part in name.split("/") if part not in (".", ".."))
    return any(part.startswith(".") or junk.kind_of(part) is not None for part in parts)


def is_nested(name: str) -> bool:
    return name.lower().endswith(_NESTED)


def shown(name: str) -> str:
    """A name that may be no UTF-8, for a table."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def distinct(names: Iterable[str]) -> list[str]:
    """Each name, every one but the last of equal ones with a number: of those the last counts, as
    when an archive is unpacked."""
    names = list(names)
    if len(set(names)) == len(names):
        return names
    taken, last = set(names), {name: at for at, name in enumerate(names)}
    result = []
    for at, name in enumerate(names):
        number = 1
        while at != last[name] and (other := f"{name} (copy {number})") in taken:
            number += 1
        if at != last[name]:
            name = other
            taken.add(name)
        result.append(name)
    return result
