"""What is left to do: the listing less what OUTPUT already holds, cut into tasks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.containers import names
from orchard.images.containers.places import in_reading_order, placed
from orchard.images.source import Listing
from orchard.records import GONE, LABELS, Failure, Reason

KEY = ["path", "size", "modified", "etag"]

# A task takes this share of a slot's part of all the work, of what is left towards the end: tasks
# are then the smaller the later they start, and no slot waits long for another to finish.
SHARE_OF_ALL, SHARE_OF_REST = 1 / 8, 1 / 4
MIN_IMAGES, MAX_IMAGES = 64, 8192  # of a task; 8192 rows are a file of some 30 MB
SECONDS_PER_IMAGE, SECONDS_PER_BYTE = 7e-3, 30e-9  # network, decoding; only their balance matters

_PASSING = pa.array([reason.value for reason in Reason if reason.can_pass])


def _no_paths() -> pa.Array:
    return pa.array([], pa.string())


def _no_labels() -> pa.Table:
    return LABELS.empty_table()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    images: LISTING rows to embed. n_new, n_changed, n_retried: what the images found to be done
    are; n_adopted of them an interrupted run has embedded, in the files `adopted`. n_present:
    images whose features are there and unchanged; those of `returned` are in the gone table, and
    move back. n_known_errors: images that failed before and, being unchanged, would again.
    n_unlisted: features whose image is not in this listing, and which stay. unlistable: paths that
    are not in the errors table yet. superseded: paths whose older rows must go. recovered: paths of
    the errors table that could not be listed and can be now, that went from the source, or that a
    run embedded and was killed before it could take them out.

    gone: features that move to the gone table, which then holds n_gone. twice: paths whose row in
    the gone table is stale, their features being in the features table. back: other paths that
    leave the gone table. labels: LABELS of rows whose label is another one now; n_relabelled of
    them stay as they are otherwise. places: where images in archives lie (PLACES).
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
    twice: pa.Array = field(default_factory=_no_paths)
    back: pa.Array = field(default_factory=_no_paths)
    n_gone: int = 0
    labels: pa.Table = field(default_factory=_no_labels)
    n_relabelled: int = 0
    places: pa.Table | None = None

    @property
    def changes_nothing(self) -> bool:
        return self.changes_labels_only and not self.n_relabelled

    @property
    def changes_labels_only(self) -> bool:
        """Whether every row stays where it is, and none comes."""
        moved = (self.recovered, self.gone, self.returned, self.twice, self.back)
        return not (self.images.num_rows or self.unlistable or self.adopted or any(map(len, moved)))

    @property
    def in_reading_order(self) -> pa.Table:
        """The images to embed, with their places, neighbours in an archive one after the other."""
        return in_reading_order(placed(self.images, self.places))

    def counts(self) -> dict[str, int]:
        return {
            "listed": self.n_listed,
            "new": self.n_new,
            "changed": self.n_changed,
            "retried": self.n_retried,
            "adopted": self.n_adopted,
            "already_there": self.n_present,
            "known_errors": self.n_known_errors,
            "returned": len(self.returned),
            "relabelled": self.n_relabelled,
            "went": len(self.gone),
            "gone": self.n_gone,
        }


def make_plan(
    listing: Listing,
    features: pa.Table,
    errors: pa.Table,
    gone: pa.Table | None = None,
    *,
    retry_errors: bool = False,
    admitted: tuple[Reason, ...] = (),
) -> Plan:
    """Compare a listing with the tables by path, and by etag or, without one, size and time.

    features, errors, gone: those tables' KEY columns, errors with `reason`. What is in both
    features and gone is taken from features. retry_errors: try all again that failed, not only
    those whose reason can pass. admitted: reasons that are none any more, by the settings.
    """
    images = listing.images
    in_features, same_features = _compare(images, features)
    went, same_as_went = _compare(images, GONE.empty_table() if gone is None else gone)
    returned = pc.and_not(same_as_went, in_features)
    known, unchanged = pc.or_(in_features, went), pc.or_(same_features, returned)
    failed, failed_unchanged = _compare(images, errors)
    reasons = errors["reason"].take(pc.index_in(images["path"], value_set=errors["path"]))
    may_pass = pa.concat_arrays([_PASSING, pa.array([r.value for r in admitted], pa.string())])
    passing = array(pc.fill_null(pc.is_in(reasons, value_set=may_pass), False))
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
        n_unlisted=features.num_rows - _count(in_features),
        unlistable=unlistable,
        superseded=array(images["path"].filter(pc.or_(changed, retried))),
        recovered=pa.concat_arrays(
            [
                _recovered(listing, errors),
                array(images["path"].filter(pc.and_(unchanged, failed))),
            ]
        ).unique(),
        returned=array(images["path"].filter(returned)),
        places=listing.places,
    )


def set_labels(plan: Plan, labels: pa.Table) -> Plan:
    """The same plan, with the labels that are to be changed."""
    again = pc.is_in(labels["path"], value_set=strings(plan.images["path"]))
    return replace(plan, labels=labels, n_relabelled=labels.num_rows - _count(again))


def adopt(plan: Plan, staged: Iterable[tuple[str, pa.Table]]) -> Plan:
    """Take over what an interrupted run embedded and did not commit.

    staged: names of files of feature rows, with the rows' KEY columns. A file is taken whole or not
    at all: only if every row of it is still to be done, its image unchanged.
    """
    files = [(name, rows.select(KEY)) for name, rows in staged if rows.num_rows]
    if not files:
        return plan
    # All at once: for each file, the images would be hashed anew.
    rows = pa.concat_tables([rows for _, rows in files])
    place = array(pc.index_in(rows["path"], value_set=plan.images["path"]))
    at = pc.fill_null(place, -1).to_numpy()
    unchanged = _compare(rows, plan.images)[1].to_numpy(zero_copy_only=False)
    is_todo = np.ones(plan.images.num_rows, bool)
    taken, start = [], 0
    for name, part in files:
        of_file = slice(start, start := start + part.num_rows)
        if unchanged[of_file].all() and is_todo[at[of_file]].all():
            is_todo[at[of_file]] = False
            taken.append(name)
    images = plan.images.filter(pa.array(is_todo))
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

    def is_listed(path: str) -> bool:
        below = (f"{path}{end}" for end in ("/", names.SEPARATOR))  # of a folder, of an archive
        return next_listed(path) == path or any(next_listed(b).startswith(b) for b in below)

    found = [path for path in earlier if is_listed(path)]
    return pa.array(found, pa.string())


def _compare(images: pa.Table, table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Of each image, whether its path is in the table, and whether with the same key."""
    position = pc.index_in(images["path"], value_set=table["path"])
    stored = table.select(KEY[1:]).take(position)
    same_etag = pc.equal(images["etag"], stored["etag"])
    same_file = pc.and_(
        pc.equal(images["size"], stored["size"]), pc.equal(images["modified"], stored["modified"])
    )
    same = pc.fill_null(pc.coalesce(same_etag, same_file), False)
    known = pc.is_valid(position)
    return array(known), array(pc.and_(known, same))


def array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def strings(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column of strings in one piece, of the type that Arrow looks others up in."""
    return array(column).cast(pa.string())


def _count(mask: pa.Array | pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
