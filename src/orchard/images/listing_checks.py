"""What a listing is worth a word about, though it stops nothing: labels that differ only in how
they are written.

"café" as one character é (NFC) and as e with an accent (NFD) look the same and are two labels; so
are "apple" and " apple", "Apple" and "apple".
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

SHOWN = 5


def alike(labels: Iterable[str | None]) -> list[tuple[str, ...]]:
    """Groups of labels that differ in Unicode form, in spaces or in case alone, sorted."""
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for label in labels:
        if label is not None:
            form = unicodedata.normalize("NFKC", label).casefold()
            groups[" ".join(form.split())].add(label)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def warning_of(groups: list[tuple[str, ...]]) -> str | None:
    """A sentence that shows each spelling so that the eye can tell it; None where all differ."""
    if not groups:
        return None
    shown = "; ".join(" and ".join(one) for one in spelled(groups))
    more = f"; and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    return f"labels that differ only in how they are written count as different: {shown}{more}"


def spelled(groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The first of them, with escapes for what only looks the same."""
    return [tuple(map(ascii, group)) for group in groups[:SHOWN]]
