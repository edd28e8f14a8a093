"""What OUTPUT holds of images, as a plan needs it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.pipeline.planning import KEY
from orchard.pipeline.state import Run
from orchard.records import ERRORS, FEATURES, GONE, LABELS, with_kept
from orchard.store import contents, models
from orchard.store.tables import Tables


@dataclass(frozen=True, slots=True)
class Known:
    """What OUTPUT holds: KEY, label and the `kept` columns of each table, errors with `reason`,
    what is gone with `fingerprint`."""

    features: pa.Table
    errors: pa.Table
    gone: pa.Table
    kept: tuple[str, ...] = ()

    @property
    def labelled(self) -> pa.Table:
        """path, label and kept columns of every row that has one to be held against the
        listing's."""
        sized = self.errors.filter(pc.is_valid(self.errors["size"]))  # the rest was never listed
        full = self.gone.filter(pc.is_valid(self.gone["fingerprint"]))
        names = [*LABELS.names, *self.kept]
        return pa.concat_tables([t.select(names) for t in (self.features, sized, full)])


def known_rows(run: Run, tables: Tables, identity: EmbeddingIdentity) -> Known:
    """What OUTPUT holds; nothing where it is to be replaced."""
    kept = run.config.keep_columns
    if run.config.replace:
        none = [with_kept(schema, kept).empty_table() for schema in (FEATURES, ERRORS, GONE)]
        return Known(none[0], none[1], none[2], kept)
    columns = [*KEY, "label", *kept]
    features = tables.read("features", columns)
    went = tables.read("gone", [*columns, "fingerprint"])
    if (fingerprint := _fingerprint(tables, went)) is not None:
        stored = models.load_embedding(run.output, fingerprint)
        identity.check(stored, run.output.root)
    return Known(features, tables.read("errors", [*columns, "reason"]), went, kept)


def _fingerprint(tables: Tables, went: pa.Table) -> str | None:
    """Of the features; all rows have the same, of which one is read."""
    for file in tables["features"].files:
        if file.n_rows:
            rows = contents.read_named(tables.output, file, ["fingerprint"])
            return str(rows["fingerprint"][0].as_py())
    known = went["fingerprint"].drop_null()
    return str(known[0].as_py()) if len(known) else None
