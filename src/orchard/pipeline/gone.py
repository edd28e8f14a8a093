"""Images that disappear from their source or come back: which they are, and how their rows move.

features/ ─went─▶ gone/ ─came back unchanged─▶ features/

A row is added to the one table before it leaves the other, so a kill in between leaves it in both,
never lost; the next run takes it out of `gone/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.errors import CountsError
from orchard.images.containers import names
from orchard.images.source import Listing, Selection
from orchard.pipeline.planning import Plan, array, strings
from orchard.pipeline.state import Run
from orchard.records import Reason, with_labels
from orchard.store import staging
from orchard.store.snapshot import TableFile
from orchard.store.tables import Tables


def find_gone(
    plan: Plan,
    listing: Listing,
    features: pa.Table,
    errors: pa.Table,
    gone: pa.Table,
    config: RunConfig,
    expects: Callable[[str], bool] | None = None,
    *,
    left_out: Callable[[str], bool] = lambda path: False,
) -> Plan:
    """Compare features and errors with what this run's settings would list.

    gone: path and fingerprint of the gone table; without a fingerprint they are marks of 0.1.0,
    whose rows are still in the features. expects: which images would be listed, where a table says
    it. An image below another source, or left out by a glob, is not gone; nor is any where --limit
    cuts the listing short, or below a folder that cannot be listed. left_out: paths that are to
    leave the tables, wherever they are. An error has nothing to keep: the row of an image that went
    is dropped.
    """
    listed = strings(listing.images["path"])
    expected = expects or Selection.of(config).expects(config.sources)
    missing = _missing(listing, config, expected)
    marked = gone["path"].filter(pc.is_null(gone["fingerprint"]))
    others = features["path"] if plan.n_unlisted else features["path"].slice(0, 0)
    unlisted = strings(others.filter(_not_in(others, listed)))
    known_to_be = unlisted.filter(pc.is_in(unlisted, value_set=strings(marked)))
    excluded = list(filter(left_out, unlisted.to_pylist()))
    going = pa.array(sorted({*missing(unlisted), *known_to_be.to_pylist(), *excluded}), pa.string())
    failed = strings(errors["path"].filter(_not_in(errors["path"], listed)))
    failing = {path for path, _ in listing.failures}
    away = {*missing(failed), *filter(left_out, failed.to_pylist())}
    left = sorted(path for path in away if path not in failing)
    back = _in(gone["path"], listed)
    kept = _in(gone["path"], features["path"])
    stale = pc.or_(kept, array(pc.is_null(gone["fingerprint"])))
    staying = pc.and_not(pc.invert(back), stale)
    return replace(
        plan,
        gone=going,
        n_unlisted=plan.n_unlisted - len(going),
        n_gone=len(going) + (pc.sum(staying).as_py() or 0),
        twice=strings(gone["path"].filter(stale)),
        back=strings(gone["path"].filter(pc.and_not(back, stale))),
        recovered=pa.concat_arrays([plan.recovered, pa.array(left, pa.string())]),
    )


def stage_gone(run: Run, tables: Tables, plan: Plan) -> list[TableFile]:
    """The rows of images that went, a file for each that they are in now."""
    return list(_staged(run, tables, plan, "features", "gone", plan.gone))


def stage_returned(run: Run, tables: Tables, plan: Plan) -> list[TableFile]:
    """The rows of images that came back unchanged."""
    return list(_staged(run, tables, plan, "gone", "features", plan.returned))


def check(tables: Tables, plan: Plan) -> None:
    """Raises CountsError where the gone table holds other rows than planned."""
    if (n_rows := tables["gone"].n_rows) != plan.n_gone:
        raise CountsError(f"gone/ holds {n_rows} rows; expected {plan.n_gone}")


def _staged(
    run: Run, tables: Tables, plan: Plan, table: str, target: str, paths: pa.Array
) -> Iterator[TableFile]:
    for number, rows in enumerate(tables.rows_of(table, paths)):
        rows = with_labels(rows, plan.labels)
        yield staging.stage(run.output, run.log.run_id, target, f"moved{number:05d}", rows)


def _missing(
    listing: Listing, config: RunConfig, expected: Callable[[str], bool]
) -> Callable[[pa.Array], list[str]]:
    gone = Reason.VANISHED if config.manifest else None  # of a folder's file: that its link is dead
    unseen = {path for path, failure in listing.failures if failure.reason is not gone}
    below_unseen = tuple(f"{path}{end}" for path in unseen for end in ("/", names.SEPARATOR))

    def missing(unlisted: pa.Array) -> list[str]:
        """Which of the paths should have been listed."""
        if config.limit is not None:
            return []
        return [
            path
            for path in unlisted.to_pylist()
            if path not in unseen and not path.startswith(below_unseen) and expected(path)
        ]

    return missing


def _not_in(paths: pa.ChunkedArray, listed: pa.Array) -> pa.Array:
    return pc.invert(_in(paths, listed))


def _in(paths: pa.ChunkedArray, others: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not len(paths):  # for whom a million others would be hashed all the same
        return pa.array([], pa.bool_())
    return array(pc.is_in(paths, value_set=others))
