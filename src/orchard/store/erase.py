"""Erasure: an image's rows leave every table, and the image stays away.

What is deleted: its rows in features, components, errors and gone (the files that held them are
rewritten and the old ones deleted), staged files, the stored moments, and what names it elsewhere
(see `traces`). What stays: the PCA models and the classifiers' weights, in which one image is a
share of a mean; the present PCA is marked, and the next run fits a new one. Kept besides: a salted
hash of the path, so that later runs leave the image out, and a line of the audit log that says how
many rows went, not whose.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.compute as pc

from orchard.store import models, tables, traces
from orchard.store.damage import noticing
from orchard.store.output import Output
from orchard.store.runs import new_run_id

SUPPRESSED = "erasure/suppressed.json"
AUDIT = "erasure/audit.jsonl"


@dataclass(frozen=True, slots=True)
class Erasure:
    """rows: how many left each table. classifier_rows: how many left the files of classifiers.
    suppressed: paths that later runs leave out, in all."""

    when: str
    rows: dict[str, int]
    classifier_rows: int
    suppressed: int


@dataclass(frozen=True, slots=True)
class Suppression:
    """Paths that no run may read again, as salted SHA-256 hashes."""

    salt: str
    hashes: frozenset[str]

    @classmethod
    def load(cls, output: Output) -> Suppression:
        if SUPPRESSED not in output.paths("erasure"):
            return cls(secrets.token_hex(16), frozenset())
        stored = output.get_json(SUPPRESSED)
        with noticing(output.root, SUPPRESSED):
            return cls(stored["salt"], frozenset(stored["hashes"]))

    def save(self, output: Output) -> None:
        output.put_json(SUPPRESSED, {"salt": self.salt, "hashes": sorted(self.hashes)})

    def digest(self, path: str) -> str:
        return hashlib.sha256(f"{self.salt}\n{path}".encode()).hexdigest()

    def adding(self, paths: Iterable[str]) -> Suppression:
        return Suppression(self.salt, self.hashes | {self.digest(path) for path in paths})

    def allowed(self, paths: list[str]) -> pa.Array:
        """A mask of the paths that may be read."""
        if not self.hashes:
            return pa.repeat(True, len(paths))
        return pa.array([self.digest(path) not in self.hashes for path in paths], pa.bool_())


def erase(output: Output, paths: Iterable[str], prefixes: Iterable[str] = ()) -> Erasure:
    """Erase the images of the given paths, and of all known paths that begin with a prefix.

    Suppressed before anything is deleted, so that an erasure that is cut short leaves no image to
    come back; run it again to finish it. Raises TableError.
    """
    with output.lock():
        wanted = _known_paths(output, tuple(prefixes)) | set(paths)
        suppression = Suppression.load(output).adding(wanted)
        suppression.save(output)
        models.forget_moments(output)
        tables.discard_staged(output)
        leaving = pa.array(sorted(wanted), pa.string())
        run_id = new_run_id()
        rows = {}
        for table in tables.SCHEMAS:
            before = tables.count(output, table)
            tables.commit(output, run_id, table, [], superseded=leaving)
            rows[table] = before - tables.count(output, table)
        tables.sweep(output)
        classifier_rows = traces.erase_traces(output, wanted)
        if rows["features"]:
            models.mark_erased(output, rows["features"])
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        done = Erasure(when, rows, classifier_rows, len(suppression.hashes))
        _audit(output, done)
    return done


def _known_paths(output: Output, prefixes: tuple[str, ...]) -> set[str]:
    if not prefixes:
        return set()
    found: set[str] = set()
    for table in tables.SCHEMAS:
        column = tables.read(output, table, ["path"])["path"]
        for prefix in prefixes:
            found.update(column.filter(pc.starts_with(column, prefix)).to_pylist())
    for prefix in prefixes:
        found |= traces.classifier_paths(output, prefix)
    return found


def _audit(output: Output, done: Erasure) -> None:
    earlier = bytes(output.get(AUDIT)) if AUDIT in output.paths("erasure") else b""
    output.put(AUDIT, earlier + json.dumps(asdict(done)).encode() + b"\n")
