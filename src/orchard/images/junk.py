"""What systems and programs leave in people's folders: passed over, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

FOLDERS = ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", "#recycle", ".thumbnails")
FILES = ("Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store", "._*")
_NAMES = {name.lower(): name for name in (*FOLDERS, *FILES)}


def kind_of(name: str) -> str | None:
    """As which of FOLDERS and FILES a name counts, whatever its case; None for others."""
    return "._*" if name.startswith("._") else _NAMES.get(name.lower())


class PassedOver:
    """Which names a listing leaves out: those that are hidden, and junk, which is counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def leaves(self, names: Iterable[str]) -> list[str]:
        """Of a folder's names those that count."""
        return [name for name in names if not self.takes(name)]

    def takes(self, name: str) -> bool:
        """Whether one is passed over."""
        kind = kind_of(name)
        if kind is not None:
            self.counts[kind] += 1
        return kind is not None or name.startswith(".")

    def takes_key(self, relative: str) -> bool:
        """The same of an object, by the first of its folders' names or its own that is so."""
        return any(map(self.takes, relative.split("/")))


def sentence(counts: Mapping[str, int]) -> str | None:
    """What was passed over; None where nothing was."""
    if not counts:
        return None
    shown = ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items()))
    return f"passed over: {shown}"
