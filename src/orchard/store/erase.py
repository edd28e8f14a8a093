"""Erasure: an image's rows leave every table, and the image is kept out.

What is deleted: its rows in every table (the files that held them are rewritten and the old ones
deleted), staged files, the stored moments, and what names it elsewhere (see `traces`,
`galleries`). What stays: the PCA models and the classifiers' weights, to which an image only
contributed; the present PCA is marked, and the next run fits a new one. Also kept: a salted hash
of the path, so that later runs leave the image out, and a line of the audit log that says how many
rows went, not whose. If no path matches, nothing is deleted at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial

import pyarrow as pa

from orchard.errors import first_line
from orchard.images.containers import names
from orchard.store import galleries, listings, models, staging, traces
from orchard.store.known import UNREADABLE, Found, Unknown, forms, look_up
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.snapshot import SCHEMAS
from orchard.store.suppression import Suppression
from orchard.store.tables import Tables

AUDIT = "erasure/audit.jsonl"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did.

    n_images: how many images it was about. rows: how many left each table. classifier_rows: how
    many left the galleries of classifiers. begun_before: rows that earlier attempts, which were
    not completed, had set out to erase. remaining: a sentence for each thing that could not be
    read or cleaned: run it again once that is repaired. kept_out: unknown paths that are kept out
    now. suppressed: paths that later runs leave out, in all.
    """

    when: str
    n_images: int
    rows: dict[str, int]
    classifier_rows: int
    begun_before: dict[str, int]
    remaining: tuple[str, ...]
    suppressed: int
    unknown: tuple[Unknown, ...] = ()
    erased_before: tuple[str, ...] = ()
    kept_out: int = 0

    def audited(self) -> dict[str, object]:
        """What the log may say: nothing that names an image."""
        return {
            "when": self.when,
            "images": self.n_images,
            "rows": self.rows,
            "classifier_rows": self.classifier_rows,
            **({"begun_before": self.begun_before} if self.begun_before else {}),
            "remaining": list(self.remaining),
            "suppressed": self.suppressed,
        }


def preview(output: Output, paths: Iterable[str], prefixes: Iterable[str] = ()) -> Found:
    """What `erase` would be about; writes nothing. Raises TableError."""
    return look_up(output, paths, prefixes, Suppression.load(output))


def erase(
    output: Output, paths: Iterable[str], prefixes: Iterable[str] = (), *, keep_out: bool = False
) -> Erasure:
    """Erase the images of the given paths, and of all known paths that begin with a prefix.

    keep_out: paths that the result does not know are kept out of later runs too. Suppressed before
    anything is deleted, so that an erasure that is cut short leaves no image to come back; run it
    again to finish it. What is damaged is skipped and named in `remaining`. Raises TableError
    if nothing can be erased safely; nothing is deleted then.
    """
    prefixes = tuple(prefixes)
    with output.lock():
        before = Suppression.load(output)
        found = look_up(output, paths, prefixes, before)
        strangers = tuple(u for u in found.unknown if not u.is_prefix) if keep_out else ()
        kept = before.adding(form for u in strangers for form in forms(u.given))
        unknown = tuple(u for u in found.unknown if u not in strangers)
        if found.leaves:
            done = _Deletion(Tables(output), found, prefixes).run(kept)
        else:
            if strangers:
                kept.save(output)
            rows = dict.fromkeys(SCHEMAS, 0)
            done = Erasure(_now(), 0, rows, 0, {}, found.problems, len(kept.hashes))
    return replace(
        done, unknown=unknown, erased_before=found.erased_before, kept_out=len(strangers)
    )


def readmit(output: Output, paths: Iterable[str]) -> tuple[str, ...]:
    """Let later runs read images again that were kept out; returns the paths that were not.

    Raises TableError.
    """
    with output.lock():
        suppression = Suppression.load(output)
        kept_out, others = [], []
        for path in dict.fromkeys(paths):
            known = [form for form in forms(path) if suppression.holds(form)]
            kept_out += [path] if path in known else known
            others += [] if known else [path]
        if kept_out:
            suppression.without(kept_out).save(output)
            output.delete_folder(listings.FOLDER)  # which leave them out
    return tuple(others)


@dataclass(slots=True)
class _Deletion:
    """An erasure under way."""

    tables: Tables
    found: Found
    prefixes: tuple[str, ...]
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SCHEMAS, 0))
    classifier_rows: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def output(self) -> Output:
        return self.tables.output

    def run(self, before: Suppression) -> Erasure:
        """Delete all that can be, whatever cannot be read; the audit line comes in any case."""
        texts = {*self.found.paths, *self.found.resumed, *self.prefixes}
        begun_before = before.begun(texts)
        aim = {table: self.found.rows[table] for table in SCHEMAS}
        suppression = before.adding(_outermost(self.found.paths))
        suppression.beginning(texts, aim).save(self.output)
        self.problems += self.found.problems
        n_suppressed, is_cut_short = len(suppression.hashes), True
        try:
            self._delete()
            is_cut_short = False
        finally:
            if is_cut_short:
                self.problems.append("cut short")
            remaining = tuple(dict.fromkeys(self.problems))
            done = Erasure(
                _now(),
                len(self.found.paths),
                self.rows,
                self.classifier_rows,
                begun_before,
                remaining,
                n_suppressed,
            )
            _audit(self.output, done)
        if not remaining:
            suppression.finishing(texts).save(self.output)
        return done

    def _delete(self) -> None:
        leaving = pa.array(sorted(self.found.paths), pa.string())
        self._carry_on("the stored moments", partial(models.forget_moments, self.output))
        self._carry_on("staged files", partial(staging.discard_staged, self.output))
        run_id = new_run_id()
        for table in SCHEMAS:
            self._carry_on(f"{table}/", partial(self._empty, table, run_id, leaving))
        self._carry_on("old files of the tables", self._sweep)
        self._carry_on("reports and exports", partial(traces.delete_made_anew, self.output))
        self._carry_on("galleries", partial(self._forget, leaving))
        traces.strike_out(self.output, self.found.documents, self.found.paths, self.problems)
        if n := self.rows.get("features", 0):
            self._carry_on("the mark of the PCA", partial(models.mark_erased, self.output, n))

    def _empty(self, table: str, run_id: str, leaving: pa.Array) -> None:
        if not self.found.rows[table]:
            return
        before = self.tables[table].n_rows
        self.tables, _ = self.tables.commit(
            run_id, table, [], superseded=leaving, passed_over=self.problems
        )
        self.rows[table] = before - self.tables[table].n_rows

    def _sweep(self) -> None:
        self.tables.sweep()

    def _forget(self, leaving: pa.Array) -> None:
        self.classifier_rows = galleries.forget(self.output, leaving, self.problems)

    def _carry_on(self, what: str, step: Callable[[], object]) -> None:
        try:
            step()
        except UNREADABLE as error:
            place = f"{what} of {self.output.root}"
            self.problems.append(f"{place} may still hold the images: {first_line(error)}")


def _outermost(paths: frozenset[str]) -> Iterable[str]:
    """Paths without the members of archives that are among them: those are kept out with these."""
    for path in paths:
        parts = names.split(path)
        if parts is None or parts[0] not in paths:
            yield path


def _audit(output: Output, done: Erasure) -> None:
    earlier = bytes(output.get(AUDIT)) if AUDIT in output.paths("erasure") else b""
    if earlier and not earlier.endswith(b"\n"):  # its last line was cut off
        earlier += b"\n"
    output.put(AUDIT, earlier + json.dumps(done.audited()).encode() + b"\n")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
