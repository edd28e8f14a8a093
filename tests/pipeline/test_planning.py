"""What is left to do: nothing that a table holds, everything else, once, in order."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard.config import RunConfig
from orchard.images.source import Listing
from orchard.pipeline import planning
from orchard.pipeline.gone import find_gone
from orchard.pipeline.labels import differing
from orchard.pipeline.planning import KEY, Plan, adopt, cut, make_plan, set_labels
from orchard.records import ERRORS, FEATURES, GONE, LABELS, LISTING, Failure, Reason

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def row(path: str, **changes: Any) -> dict[str, Any]:
    return {"path": path, "label": "x", "size": 10, "modified": NOON, "etag": None} | changes


def listing(*rows: dict[str, Any], failures: tuple[tuple[str, Failure], ...] = ()) -> Listing:
    return Listing(pa.Table.from_pylist(list(rows), schema=LISTING), failures)


def features(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=FEATURES).select(KEY)


def errors(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ERRORS).select([*KEY, "reason"])


def failed(path: str, reason: Reason, **changes: Any) -> dict[str, Any]:
    return row(path, **changes) | {"reason": reason.value}


def unlisted(path: str, reason: Reason) -> dict[str, Any]:
    """An error row of a listing's failure, which knows no more than the path."""
    return {"path": path, "reason": reason.value}


def nonzero(plan: Plan) -> dict[str, int]:
    return {name: count for name, count in plan.counts().items() if count}


LATER = {"modified": NOON + timedelta(microseconds=1)}
TRUTH = {
    "new": ([row("a")], [], {"new": 1}, ["a"], []),
    "present": ([row("a")], [row("a")], {"already_there": 1}, [], []),
    "another label is no change": (
        [row("a", label="y")],
        [row("a")],
        {"already_there": 1},
        [],
        [],
    ),
    "changed by size": ([row("a", size=11)], [row("a")], {"changed": 1}, ["a"], ["a"]),
    "changed by time": ([row("a", **LATER)], [row("a")], {"changed": 1}, ["a"], ["a"]),
    "an older time is a change": ([row("a")], [row("a", **LATER)], {"changed": 1}, ["a"], ["a"]),
    "changed by etag": (
        [row("a", etag="2")],
        [row("a", etag="1")],
        {"changed": 1},
        ["a"],
        ["a"],
    ),
    "the same etag outweighs another time": (
        [row("a", etag="1", **LATER)],
        [row("a", etag="1")],
        {"already_there": 1},
        [],
        [],
    ),
    "an etag on one side only is not compared": (
        [row("a", etag="1")],
        [row("a")],
        {"already_there": 1},
        [],
        [],
    ),
    "no size on one side is a change": (
        [row("a")],
        [row("a", size=None)],
        {"changed": 1},
        ["a"],
        ["a"],
    ),
    "not listed": ([row("a")], [row("a"), row("b")], {"already_there": 1}, [], []),
}


@pytest.mark.parametrize("case", TRUTH)
def test_a_listing_is_compared_with_the_features(case: str) -> None:
    listed, stored, counts, images, superseded = TRUTH[case]
    plan = make_plan(listing(*listed), features(*stored), errors())
    assert nonzero(plan) == {"listed": 1} | counts
    assert plan.images["path"].to_pylist() == images
    assert plan.images.schema == LISTING
    assert plan.superseded.to_pylist() == superseded
    assert plan.changes_nothing == (not images)


def test_an_image_that_would_fail_again_is_left_out() -> None:
    stored = errors(*(failed(r.value, r) for r in Reason if not r.can_pass))
    listed = listing(*(row(r.value) for r in Reason if not r.can_pass))
    plan = make_plan(listed, features(), stored)
    assert nonzero(plan) == {"listed": stored.num_rows, "known_errors": stored.num_rows}
    assert plan.changes_nothing


@pytest.mark.parametrize("reason", [r for r in Reason if r.can_pass])
def test_a_reason_that_can_pass_is_tried_again(reason: Reason) -> None:
    plan = make_plan(listing(row("a")), features(), errors(failed("a", reason)))
    assert nonzero(plan) == {"listed": 1, "retried": 1}
    assert plan.images["path"].to_pylist() == plan.superseded.to_pylist() == ["a"]


def test_retry_errors_tries_every_one_again() -> None:
    stored = errors(*(failed(reason.value, reason) for reason in Reason))
    listed = listing(*(row(reason.value) for reason in Reason))
    plan = make_plan(listed, features(), stored, retry_errors=True)
    assert nonzero(plan) == {"listed": len(Reason), "retried": len(Reason)}


def test_what_the_settings_admit_by_now_is_tried_again() -> None:
    stored = errors(failed("a", Reason.DAMAGED), failed("b", Reason.CORRUPT))
    plan = make_plan(listing(row("a"), row("b")), features(), stored, admitted=(Reason.DAMAGED,))
    assert plan.images["path"].to_pylist() == ["a"]


def test_a_failed_image_that_changed_is_changed_not_retried() -> None:
    stored = errors(failed("a", Reason.TRUNCATED), failed("b", Reason.IO_ERROR))
    plan = make_plan(listing(row("a", size=11), row("b", size=11)), features(), stored)
    assert nonzero(plan) == {"listed": 2, "changed": 2}
    assert plan.superseded.to_pylist() == ["a", "b"]


def test_failures_of_the_listing_are_recorded_once_for_each_reason() -> None:
    failures = (("a", Failure(Reason.VANISHED)), ("b", Failure(Reason.BAD_NAME)))
    stored = errors(unlisted("a", Reason.VANISHED), unlisted("b", Reason.FORBIDDEN))
    plan = make_plan(listing(row("c"), failures=failures), features(row("c")), stored)
    assert plan.unlistable == (failures[1],)
    assert nonzero(plan) == {"listed": 3, "already_there": 1, "known_errors": 1}
    assert not plan.changes_nothing


def test_what_can_be_listed_again_leaves_the_errors() -> None:
    forbidden = [unlisted(path, Reason.FORBIDDEN) for path in ("a", "dir", "di", "dir/sub", "z")]
    now = listing(row("a"), row("dir-x"), row("dir/1"))
    plan = make_plan(now, features(row("a"), row("dir-x"), row("dir/1")), errors(*forbidden))
    assert plan.recovered.to_pylist() == ["a", "dir"]
    assert not plan.changes_nothing
    still = listing(row("dir/1"), failures=(("dir", Failure(Reason.FORBIDDEN)),))
    plan = make_plan(still, features(row("dir/1")), errors(forbidden[1]))
    assert plan.recovered.to_pylist() == []
    assert plan.changes_nothing


def found_gone(
    *stored: str,
    listed: tuple[str, ...] = ("/in/a",),
    went: tuple[str | dict[str, Any], ...] = (),
    marked: tuple[str, ...] = (),
    failed_before: tuple[dict[str, Any], ...] = (),
    failures: tuple[str, ...] = (),
    left_out: tuple[str, ...] = (),
    **settings: Any,
) -> Plan:
    """went: rows of the gone table. marked: what 0.1.0 kept there, whose rows are in features."""
    settings = {"sources": ("/in",), "output": "/out"} | settings
    unlisted = tuple((path, Failure(Reason.FORBIDDEN)) for path in failures)
    now = listing(*map(row, listed), failures=unlisted)
    table, failed_rows = features(*map(row, stored)), errors(*failed_before)
    rows = [(row(r) if isinstance(r, str) else r) | {"fingerprint": "f"} for r in went]
    rows += [{"path": path, "run_id": "r"} for path in marked]
    gone = pa.Table.from_pylist(rows, schema=GONE)
    plan = make_plan(now, table, failed_rows, gone)
    config, out = RunConfig(**settings), left_out.__contains__
    return find_gone(plan, now, table, failed_rows, gone, config, left_out=out)


def leaving(plan: Plan) -> list[str]:
    """Paths whose rows leave the gone table."""
    return sorted([*plan.twice.to_pylist(), *plan.back.to_pylist()])


def test_what_is_not_listed_any_more_is_gone() -> None:
    plan = found_gone("/in/a", "/in/b", "/in/c/d")
    assert plan.gone.to_pylist() == ["/in/b", "/in/c/d"]
    assert (plan.n_gone, plan.n_unlisted) == (2, 0)
    assert (plan.counts()["went"], plan.counts()["gone"]) == (2, 2)
    assert not plan.changes_nothing


@pytest.mark.parametrize("settings", [{}, {"limit": 1}, {"sources": ("/other",)}])
def test_what_a_list_leaves_out_is_gone_whatever_else_this_run_lists(
    settings: dict[str, Any],
) -> None:
    failed = row("/in/e") | {"reason": Reason.CORRUPT.value}
    out = ("/in/b", "/in/e", "/in/z")
    plan = found_gone("/in/a", "/in/b", failed_before=(failed,), left_out=out, **settings)
    assert plan.gone.to_pylist() == ["/in/b"]
    assert plan.recovered.to_pylist() == ["/in/e"], "of an error there is nothing to keep"


def test_what_is_known_to_be_gone_is_no_change() -> None:
    plan = found_gone("/in/a", went=("/in/b",))
    assert (plan.gone.to_pylist(), leaving(plan), plan.n_gone) == ([], [], 1)
    assert plan.changes_nothing


def test_what_is_listed_again_returns_without_being_embedded() -> None:
    plan = found_gone(went=("/in/a", "/in/b"))
    assert (plan.returned.to_pylist(), plan.back.to_pylist()) == (["/in/a"], ["/in/a"])
    assert (plan.images.num_rows, plan.n_present, plan.n_gone) == (0, 1, 1)
    assert not plan.changes_nothing


def test_what_is_listed_again_and_changed_is_embedded() -> None:
    plan = found_gone(went=(row("/in/a", size=9),))
    assert (plan.returned.to_pylist(), plan.back.to_pylist()) == ([], ["/in/a"])
    assert (plan.images["path"].to_pylist(), plan.n_changed, plan.n_gone) == (["/in/a"], 1, 0)


def test_a_row_in_both_tables_is_kept_where_the_features_are() -> None:
    plan = found_gone("/in/a", "/in/b", "/x/c", went=("/in/a", "/in/b", "/x/c"))
    assert plan.twice.to_pylist() == ["/in/a", "/in/b", "/x/c"]
    assert (plan.returned.to_pylist(), plan.back.to_pylist()) == ([], [])
    assert (plan.gone.to_pylist(), plan.n_gone, plan.n_unlisted) == (["/in/b"], 1, 1)


def test_a_mark_of_0_1_0_becomes_a_row_whatever_this_run_looks_at() -> None:
    plan = found_gone("/in/a", "/x/b", "/x/c", marked=("/in/a", "/x/b", "/erased"))
    assert (plan.gone.to_pylist(), plan.n_gone) == (["/x/b"], 1)
    assert leaving(plan) == ["/erased", "/in/a", "/x/b"]
    assert plan.n_unlisted == 1, "of another source"


def test_the_error_of_an_image_that_went_goes() -> None:
    rows = (
        failed("/in/b", Reason.EMPTY),
        failed("/x/b", Reason.EMPTY),
        failed("/in/a", Reason.EMPTY),
    )
    assert found_gone(failed_before=rows).recovered.to_pylist() == ["/in/b"]
    assert found_gone(failed_before=rows, limit=1).recovered.to_pylist() == []


def relabelled(*stored: dict[str, Any], **settings: Any) -> dict[str, str]:
    config = RunConfig(**({"sources": ("/in",), "output": "/out"} | settings))
    table = pa.Table.from_pylist(list(stored), schema=LABELS)
    now = listing(row("/in/k/a", label="k"), row("/in/k/b", label=None))
    found = differing(now, table, config)
    assert found.schema == LABELS
    return dict(zip(found["path"].to_pylist(), found["label"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("stored", "settings", "expected"),
    [
        ({"path": "/in/k/a", "label": "k"}, {}, {}),
        ({"path": "/in/k/a", "label": "old"}, {}, {"/in/k/a": "k"}),
        ({"path": "/in/k/a", "label": None}, {}, {"/in/k/a": "k"}),
        ({"path": "/in/k/b", "label": "old"}, {}, {"/in/k/b": None}),
        ({"path": "/in/k/b", "label": None}, {}, {}),
        ({"path": "/in/k/not listed", "label": "old"}, {}, {"/in/k/not listed": "k"}),
        ({"path": "/in/k/not listed", "label": "k"}, {}, {}),
        ({"path": "/in/k/not listed", "label": "old"}, {"limit": 2}, {"/in/k/not listed": "k"}),
        ({"path": "/elsewhere/k/a", "label": "old"}, {}, {}),
        ({"path": "/in/k/c.txt", "label": "old"}, {"exclude": ("*.txt",)}, {}),
        ({"path": "/in/x/c", "label": "x"}, {"label": "none"}, {"/in/x/c": None}),
        ({"path": "/in/x/c", "label": "x"}, {"label": "/in/(.)/"}, {}),
    ],
)
def test_labels_are_held_against_what_the_settings_give(
    stored: dict[str, Any], settings: dict[str, Any], expected: dict[str, str]
) -> None:
    assert relabelled(stored, **settings) == expected
    assert relabelled(stored, stored, **settings) == expected, "once, in however many tables"


def test_what_is_embedded_again_is_not_counted_as_relabelled() -> None:
    plan = make_plan(listing(row("a", size=11), row("b")), features(row("a"), row("b")), errors())
    labels = pa.table([["a", "b"], ["y", "y"]], schema=LABELS)
    assert set_labels(plan, labels).n_relabelled == 1
    assert set_labels(plan, LABELS.empty_table()).counts()["relabelled"] == 0


@pytest.mark.parametrize(
    ("stored", "settings"),
    [
        ("/b", {"sources": ("/",)}),
        ("/in/b.jpg", {"include": ("*.jpg",)}),
        ("/in/b.jpg", {"sources": ("/in/*.jpg",)}),
        ("/in/c/d/b.jpg", {"sources": ("/in/**/*.jpg",)}),
        ("/in/b.jpg", {"sources": ("/in/**/*.jpg",)}),
        ("/in/c/d/b", {"sources": ("/in/[c]",)}),
        ("/in/b", {"sources": ("/in/a", "/in/b")}),
    ],
)
def test_a_pattern_misses_what_it_would_have_listed(stored: str, settings: dict[str, Any]) -> None:
    assert found_gone("/in/a", stored, **settings).gone.to_pylist() == [stored]


@pytest.mark.parametrize(
    ("stored", "settings"),
    [
        ("/elsewhere/b", {}),
        ("/input/b", {}),
        ("/in/b.txt", {"exclude": ("*.txt",)}),
        ("/in/b.txt", {"include": ("*.jpg", "a")}),
        ("/in/b", {"limit": 1}),
        ("/in/locked/b", {"failures": ("/in/locked",)}),
        ("/in/link", {"failures": ("/in/link",)}),
        ("/in/b.png", {"sources": ("/in/*.jpg", "/in/a")}),
        ("/in/c/b.jpg", {"sources": ("/in/*.jpg", "/in/a")}),
        ("/in/c/b.png", {"sources": ("/in/**/*.jpg", "/in/a")}),
        ("/in/c/x/b", {"sources": ("/in/*",), "exclude": ("x/*",)}),
    ],
)
def test_what_this_run_would_not_list_is_not_gone(stored: str, settings: dict[str, Any]) -> None:
    plan = found_gone("/in/a", stored, **settings)
    assert (plan.gone.to_pylist(), plan.n_gone, plan.n_unlisted) == ([], 0, 1)


def test_every_listed_image_is_counted_once() -> None:
    listed = listing(*(row(path) for path in "abcdef"), failures=(("g", Failure(Reason.BAD_NAME)),))
    stored = errors(failed("c", Reason.EMPTY), failed("d", Reason.IO_ERROR))
    plan = make_plan(listed, features(row("a"), row("b", size=1)), stored)
    assert plan.images["path"].to_pylist() == ["b", "d", "e", "f"]
    done = plan.n_present + plan.n_known_errors
    to_do = plan.n_new + plan.n_changed + plan.n_retried + len(plan.unlistable)
    assert done + to_do == plan.n_listed == 7


def staged(*paths: str) -> pa.Table:
    return features(*map(row, paths))


def test_staged_files_are_taken_over_whole_or_not_at_all() -> None:
    plan = make_plan(listing(*map(row, "abcdef")), features(), errors())
    taken = adopt(
        plan,
        [
            ("whole", staged("a", "b")),
            ("again", staged("b", "c")),  # b is taken already
            ("changed", features(row("d"), row("e", size=11))),
            ("unlisted", staged("f", "z")),
            ("empty", staged()),
            ("another", staged("c")),
        ],
    )
    assert taken.adopted == ("whole", "another")
    assert taken.images["path"].to_pylist() == ["d", "e", "f"]
    assert (taken.n_adopted, taken.n_new, taken.n_listed) == (3, 6, 6)
    assert not taken.changes_nothing


def test_what_the_table_holds_is_not_taken_over_again() -> None:
    plan = make_plan(listing(row("a")), features(row("a")), errors())
    assert adopt(plan, [("file", staged("a"))]) == plan


def images(sizes: list[int]) -> pa.Table:
    rows = [row(f"{number:06d}", size=size) for number, size in enumerate(sizes)]
    return pa.Table.from_pylist(rows, schema=LISTING)


@given(
    sizes=st.lists(st.sampled_from([0, 10_000, 3_000_000, 400_000_000]), max_size=600),
    slots=st.integers(1, 40),
)
def test_tasks_hold_every_image_once_in_order(sizes: list[int], slots: int) -> None:
    tasks = cut(images(sizes), slots)
    together = [path for task in tasks for path in task["path"].to_pylist()]
    assert together == images(sizes)["path"].to_pylist()
    assert all(task.num_rows for task in tasks)
    assert len(tasks) <= min(32 * slots, len(sizes))


def test_no_images_are_no_tasks() -> None:
    assert cut(images([]), 8) == []


def test_images_without_a_size_are_cut() -> None:
    table = pa.Table.from_pylist([row("a", size=None), row("b")], schema=LISTING)
    assert [task.num_rows for task in cut(table, 1)] == [2]


def test_the_work_is_shared_evenly_and_ends_with_short_tasks() -> None:
    even = [task.num_rows for task in cut(images([10_000] * 6400), slots=2)]
    assert even[0] == 6400 / 2 * planning.SHARE_OF_ALL
    assert even == sorted(even, reverse=True)
    assert planning.MIN_IMAGES / 2 <= even[-2] <= planning.MIN_IMAGES
    assert even[:8] == even[:1] * 8, "the first half of the work"


def test_a_task_stays_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [task.num_rows for task in cut(images([0] * 130), slots=8)]
    assert few == [64, 64, 2], "no task of fewer than MIN_IMAGES for the sake of parallelism"
    monkeypatch.setattr(planning, "MAX_IMAGES", 100)
    many = [task.num_rows for task in cut(images([0] * 5000), slots=1)]
    assert sum(many) == 5000
    assert max(many) == 100


def test_heavy_files_are_spread_by_their_bytes() -> None:
    sizes = [20_000_000] * 300 + [10_000] * 700
    heavy = planning.SECONDS_PER_IMAGE + 20_000_000 * planning.SECONDS_PER_BYTE
    tasks = cut(images(sizes), slots=1)
    assert max(task.num_rows for task in tasks[:4]) < 300 / 7
    assert [task["size"][0].as_py() for task in tasks[:5]] == [20_000_000] * 5
    assert cut(images([20_000_000] * 5), slots=9)[0].num_rows == max(
        1, int(64 * planning.SECONDS_PER_IMAGE / heavy)
    )


def test_a_task_carries_its_own_rows_only() -> None:
    table = images([10_000] * 6400)
    pieces = [len(pickle.dumps(task)) for task in cut(table, slots=2)]
    assert max(pieces) < len(pickle.dumps(table)) * planning.SHARE_OF_ALL / 1.5
