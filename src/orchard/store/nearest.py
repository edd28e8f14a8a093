"""The known path that a mistyped one most likely means."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import PurePosixPath
from unicodedata import normalize

from orchard.images.source import absolute

_BESIDE = 4  # known paths that are looked at on each side, in order, and of the same name
_HINTS = 1000  # each takes a millisecond; of a long list more are no help


class Nearest:
    """known: all paths of a result."""

    def __init__(self, known: list[str]) -> None:
        self._known = sorted(known)
        self._left = _HINTS

    def to(self, path: str) -> str | None:
        """The known path that is most like another; None where none is like it."""
        if not self._known or self._left == 0:
            return None
        self._left -= 1
        whole = absolute(path)
        at = bisect_left(self._known, whole)
        candidates = {
            *self._known[max(0, at - _BESIDE) : at + _BESIDE],
            *self._by_name.get(_name(path), ())[:_BESIDE],
        }
        best = max(sorted(candidates), key=lambda known: _likeness(known, whole, path))
        return best if _name(best) == _name(path) or _likeness(best, whole, path) > 0.7 else None

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path in self._known:
            found[_name(path)].append(path)
        return found


def _name(path: str) -> str:
    return normalize("NFC", PurePosixPath(path).name).casefold()


def _likeness(known: str, *spellings: str) -> float:
    """From 0 to 1; where a spelling ends the known path, as a relative one does, 1 at least."""
    if any(known.endswith(f"/{text}") or known == text for text in spellings):
        return 2.0
    return max(SequenceMatcher(None, known, text, autojunk=False).ratio() for text in spellings)
