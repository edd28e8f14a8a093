"""Globs of names and of paths below a source."""

from __future__ import annotations

import fnmatch


def matches(relative: str, pattern: str) -> bool:
    """Whether a glob is of a path below the source.

    Without a "/" it is of names; with one at the front, of the path from the source on; with one
    elsewhere, of the path from any folder on. Behind a last "/" is all that a folder holds.
    """
    if "/" not in pattern:
        return fnmatch.fnmatchcase(relative.rpartition("/")[2], pattern)
    whole = f"{pattern}*" if pattern.endswith("/") else pattern
    if whole.startswith("/"):
        return fnmatch.fnmatchcase(relative, whole[1:])
    parts = relative.split("/")
    ends = ("/".join(parts[n:]) for n in range(len(parts)))
    return any(fnmatch.fnmatchcase(end, whole.removeprefix("**/")) for end in ends)
