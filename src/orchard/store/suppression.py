"""Paths that no run may read again: their salted SHA-256 hashes, in erasure/suppressed.json.

What an erasure set out to do is recorded beside them until it is complete. The next attempt
therefore continues one that was cut short, or that met a damaged file, even though the tables no
longer know its paths.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from orchard.errors import TableError
from orchard.images.containers import names
from orchard.store.damage import from_json
from orchard.store.output import Output

SUPPRESSED = "erasure/suppressed.json"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An erasure that was not completed.

    hashes: of its paths and prefixes. rows: how many it set out to erase from each table.
    """

    hashes: frozenset[str]
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Suppression:
    """What is kept out, and the erasures that are not complete."""

    salt: str
    hashes: frozenset[str]
    unfinished: tuple[Unfinished, ...] = ()

    @classmethod
    def load(cls, output: Output) -> Suppression:
        """Raises TableError if the file is damaged: nothing may be lost from it."""
        if SUPPRESSED not in output.paths("erasure"):
            return cls(secrets.token_hex(16), frozenset())
        try:
            stored = from_json(bytes(output.get(SUPPRESSED)))
            return cls(
                _text(stored["salt"]),
                frozenset(map(_text, stored["hashes"])),
                tuple(
                    Unfinished(frozenset(map(_text, entry["hashes"])), dict(entry["rows"]))
                    for entry in stored.get("unfinished", ())
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TableError(
                f"{output.uri(SUPPRESSED)} cannot be read ({error}), and it says which images must "
                "stay out; restore it from a copy, or delete it and erase those images again"
            ) from None

    def save(self, output: Output) -> None:
        content: dict[str, Any] = {"salt": self.salt, "hashes": sorted(self.hashes)}
        if self.unfinished:
            entries = map(asdict, self.unfinished)
            content["unfinished"] = [e | {"hashes": sorted(e["hashes"])} for e in entries]
        output.put_json(SUPPRESSED, content)

    def digest(self, path: str) -> str:
        return hashlib.sha256(f"{self.salt}\n{path}".encode()).hexdigest()

    def holds(self, path: str) -> bool:
        """Whether a path is kept out."""
        return self.digest(path) in self.hashes

    def keeps_out(self, path: str) -> bool:
        """Whether it, or the archive that it is in, is."""
        parts = names.split(path)
        return self.holds(path) or (parts is not None and self.holds(parts[0]))

    def adding(self, paths: Iterable[str]) -> Suppression:
        return replace(self, hashes=self.hashes | {self.digest(path) for path in paths})

    def without(self, paths: Iterable[str]) -> Suppression:
        """The same, with the paths readable again."""
        leaving = frozenset(self.digest(path) for path in paths)
        left = (Unfinished(entry.hashes - leaving, entry.rows) for entry in self.unfinished)
        unfinished = tuple(entry for entry in left if entry.hashes)
        return replace(self, hashes=self.hashes - leaving, unfinished=unfinished)

    def beginning(self, texts: Iterable[str], rows: dict[str, int]) -> Suppression:
        """With a record of an erasure of these paths and prefixes."""
        entry = Unfinished(frozenset(map(self.digest, texts)), rows)
        return replace(self, unfinished=(*self.unfinished, entry))

    def finishing(self, texts: Iterable[str]) -> Suppression:
        """Without the records of erasures of any of these paths and prefixes."""
        finished = self._of(texts)
        left = tuple(entry for entry in self.unfinished if entry not in finished)
        return replace(self, unfinished=left)

    def begun(self, texts: Iterable[str]) -> dict[str, int]:
        """The rows that unfinished erasures of these paths and prefixes had set out to erase."""
        total: Counter[str] = Counter()
        for entry in self._of(texts):
            total.update(entry.rows)
        return dict(total)

    def _of(self, texts: Iterable[str]) -> list[Unfinished]:
        hashes = frozenset(map(self.digest, texts))
        return [entry for entry in self.unfinished if entry.hashes & hashes]

    def pending(self) -> frozenset[str]:
        """The hashes of all that is not finished."""
        return frozenset().union(*(entry.hashes for entry in self.unfinished))

    def allowed(self, paths: list[str]) -> pa.Array:
        """A mask of the paths that may be read."""
        if not self.hashes:
            return pa.repeat(True, len(paths))
        keeps_out = lru_cache(1)(self.holds)  # members of one archive follow each other
        inside = (names.split(path) for path in paths)
        pairs = zip(paths, inside, strict=True)
        return pa.array(
            [not (self.holds(p) or (parts and keeps_out(parts[0]))) for p, parts in pairs],
            pa.bool_(),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value
