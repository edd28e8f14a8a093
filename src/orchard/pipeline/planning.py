"""What is left to do: the listing less what OUTPUT already holds, cut into tasks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard.config import RunConfig
from orchard.images.source import Listing, Selection
from orchard.records import Failure, Reason

KEY = ["path", "size", "modified", "etag"]

# A task takes this share of a slot's part of all the work, of what is left towards the end: tasks
# are then the smaller the later they start, and no slot waits long for another to finish.
SHARE_OF_ALL, SHARE_OF_REST = 1 / 8, 1 / 4
MIN_IMAGES, MAX_IMAGES = 64, 8192  # of a task; 8192 rows are a file of some 30 MB
SECONDS_PER_IMAGE, SECONDS_PER_BYTE = 7e-3, 30e-9  # network, decoding; only their balance matters

_PASSING = pa.array([reason.value for reason in Reason if reason.can_pass])


def _no_paths() -> pa.Array:
    return pa.array([], pa.string())


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    images: LISTING rows to embed. n_new, n_changed, n_retried: what the images found to be done
    are; n_adopted of them an interrupted run has embedded, in the files `adopted`. n_present:
    images unchanged in the features table. n_known_errors: images that failed before and, being
    unchanged, would again. n_unlisted: features whose image is not in this listing; those that it
    should hold are gone: `gone` newly so, `returned` not any more, n_gone in all. unlistable: paths
    that are not in the errors table yet. superseded: paths whose older rows must go. recovered:
    paths of the errors table that could not be listed and can be now, or that a run embedded and
    was killed before it could take them out.
    """

    n_listed: int
    images: pa.Table
    n_new: int
    n_changed: int
    n_retried: int
    n_present: int
    n_known_errors: int
    n_unlisted: int
    unlistable: tuple[tuple[str, Failure], ...]
    superseded: pa.Array
    recovered: pa.Array
    adopted: tuple[str, ...] = ()
    n_adopted: int = 0
    gone: pa.Array = field(default_factory=_no_paths)
    returned: pa.Array = field(default_factory=_no_paths)
    n_gone: int = 0

    @property
    def changes_nothing(self) -> bool:
        return not (
            self.images.num_rows
            or self.unlistable
            or len(self.recovered)
            or self.adopted
            or len(self.gone)
            or len(self.returned)
        )

    def counts(self) -> dict[str, int]:
        return {
            "listed": self.n_listed,
            "new": self.n_new,
            "changed": self.n_changed,
            "retried": self.n_retried,
            "adopted": self.n_adopted,
            "already_there": self.n_present,
            "known_errors": self.n_known_errors,
            "gone": self.n_gone,
        }


def make_plan(
    listing: Listing, features: pa.Table, errors: pa.Table, *, retry_errors: bool = False
) -> Plan:
    """Compare a listing with the tables by path, and by etag or, without one, size and time.

    features, errors: those tables' KEY columns, errors with `reason`. retry_errors: try all again
    that failed, not only those whose reason can pass.
    """
    images = listing.images
    known, unchanged = _compare(images, features)
    failed, failed_unchanged = _compare(images, errors)
    reasons = errors["reason"].take(pc.index_in(images["path"], value_set=errors["path"]))
    passing = _array(pc.fill_null(pc.is_in(reasons, value_set=_PASSING), False))
    failing = pc.and_not(failed_unchanged, unchanged)
    retried = pc.and_(failing, pc.or_(passing, pa.scalar(retry_errors)))
    stuck = pc.and_not(failing, retried)
    todo = pc.invert(pc.or_(unchanged, stuck))
    changed = pc.and_not(pc.and_(todo, pc.or_(known, failed)), retried)
    recorded = set(zip(errors["path"].to_pylist(), errors["reason"].to_pylist(), strict=True))
    unlistable = tuple(
        (path, failure)
        for path, failure in listing.failures
        if (path, failure.reason.value) not in recorded
    )
    n_changed, n_retried = _count(changed), _count(retried)
    return Plan(
        n_listed=listing.n_listed,
        images=images.filter(todo),
        n_new=_count(todo) - n_changed - n_retried,
        n_changed=n_changed,
        n_retried=n_retried,
        n_present=_count(unchanged),
        n_known_errors=_count(stuck) + len(listing.failures) - len(unlistable),
        n_unlisted=_count(pc.invert(pc.is_in(features["path"], value_set=images["path"]))),
        unlistable=unlistable,
        superseded=_array(images["path"].filter(pc.or_(changed, retried))),
        recovered=pa.concat_arrays(
            [
                _recovered(listing, errors),
                _array(images["path"].filter(pc.and_(unchanged, failed))),
            ]
        ).unique(),
    )


def find_gone(
    plan: Plan, listing: Listing, features: pa.Table, marked: pa.Table, config: RunConfig
) -> Plan:
    """Compare the features with what this run's settings would list.

    marked: the gone table. A feature below another source, or left out by a glob, is not gone; nor
    is any where --limit cuts the listing short, or below a folder that cannot be listed.
    """
    listed = pa.chunked_array([*listing.images["path"].chunks], pa.string())
    unlisted = features["path"].filter(pc.invert(pc.is_in(features["path"], value_set=listed)))
    unseen = tuple(path for path, _ in listing.failures)
    expected = Selection.of(config).expects(config.sources)
    missing = {
        path
        for path in (unlisted.to_pylist() if config.limit is None else ())
        if expected(path) and not any(path == u or path.startswith(f"{u}/") for u in unseen)
    }
    known = set(marked["path"].to_pylist())
    returned = known & set(listed.filter(pc.is_in(listed, value_set=marked["path"])).to_pylist())
    return replace(
        plan,
        gone=pa.array(sorted(missing - known), pa.string()),
        returned=pa.array(sorted(returned), pa.string()),
        n_gone=len(missing),
    )


def adopt(plan: Plan, staged: Iterable[tuple[str, pa.Table]]) -> Plan:
    """Take over what an interrupted run embedded and did not commit.

    staged: names of files of feature rows, with the rows' KEY columns. A file is taken whole or not
    at all: only if every row of it is still to be done, its image unchanged.
    """
    images, taken = plan.images, []
    for name, rows in staged:
        _, unchanged = _compare(rows, images)
        if rows.num_rows and pc.all(unchanged).as_py():
            images = images.filter(pc.invert(pc.is_in(images["path"], value_set=rows["path"])))
            taken.append(name)
    n_adopted = plan.images.num_rows - images.num_rows
    return replace(plan, images=images, adopted=tuple(taken), n_adopted=n_adopted)


def cut(images: pa.Table, slots: int) -> list[pa.Table]:
    """Consecutive tasks by expected time, long ones first (guided self-scheduling: Polychronopoulos
    and Kuck, IEEE Trans. Computers C-36, 1987), at most MAX_IMAGES each."""
    sizes = pc.fill_null(images["size"], 0).to_numpy()
    cost = np.cumsum(np.r_[0.0, SECONDS_PER_IMAGE + sizes * SECONDS_PER_BYTE])
    most, least = cost[-1] / slots * SHARE_OF_ALL, MIN_IMAGES * SECONDS_PER_IMAGE
    tasks, start = [], 0
    while start < images.num_rows:
        rest = (cost[-1] - cost[start]) / slots * SHARE_OF_REST
        wanted = cost[start] + max(least, min(most, rest))
        stop = int(np.searchsorted(cost, wanted * (1 + 1e-12), side="right")) - 1
        stop = min(max(stop, start + 1), start + MAX_IMAGES)
        tasks.append(images.take(np.arange(start, stop)))  # a slice pickles the table behind it
        start = stop
    return tasks


def _recovered(listing: Listing, errors: pa.Table) -> pa.Array:
    """Error rows without a size, so of a listing, where an image is listed now at or below them."""
    failing = {path for path, _ in listing.failures}
    unsized = errors["path"].filter(pc.is_null(errors["size"])).to_pylist()
    earlier = [path for path in unsized if path not in failing]
    paths = listing.images["path"].to_pylist() if earlier else []

    def next_listed(path: str) -> str:
        at = bisect_left(paths, path)
        return paths[at] if at < len(paths) else ""

    found = [p for p in earlier if next_listed(p) == p or next_listed(f"{p}/").startswith(f"{p}/")]
    return pa.array(found, pa.string())


def _compare(images: pa.Table, table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Of each image, whether its path is in the table, and whether with the same key."""
    position = pc.index_in(images["path"], value_set=table["path"])
    stored = table.select(KEY).take(position)
    same_etag = pc.equal(images["etag"], stored["etag"])
    same_file = pc.and_(
        pc.equal(images["size"], stored["size"]), pc.equal(images["modified"], stored["modified"])
    )
    same = pc.fill_null(pc.coalesce(same_etag, same_file), False)
    known = pc.is_valid(position)
    return _array(known), _array(pc.and_(known, same))


def _array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _count(mask: pa.Array | pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
