"""Which duplicates to leave out: all of each group but one, and what somebody decided instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchard.images.decisions import Decisions, NamedPaths

KINDS = ("exact_duplicate", "near_duplicate")
_NOTHING = Decisions((), (), {})


def to_drop(
    rows: pa.Table,
    keep: str = "best",
    kinds: Sequence[str] = KINDS,
    decisions: Decisions = _NOTHING,
) -> list[str]:
    """Paths to leave out, sorted. rows: of FINDINGS.

    keep: "best", the one that the findings suggest (the largest, then the sharpest), or "first",
    by path. Of a group of which somebody keeps images, these stay and no other; images that
    somebody drops go, from groups or not, and another of their group stays.
    """
    kept, dropped = (NamedPaths.of(paths, ()) for paths in (decisions.keeps, decisions.drops))
    leaving = set(decisions.drops)
    for group in _groups(rows, kinds, keep):
        paths = [row["path"] for row in group]
        staying = [path for path in paths if kept.name_of(path)]
        if not staying:
            staying = [path for path in paths if not dropped.name_of(path)][:1]
        leaving.update(path for path in paths if path not in staying)
    return sorted(path for path in leaving if not kept.name_of(path))


def _groups(rows: pa.Table, kinds: Sequence[str], keep: str) -> list[list[dict[str, Any]]]:
    """Each group's rows, in the order in which they are to be kept."""
    wanted = rows.filter(pc.is_in(rows["kind"], value_set=pa.array(kinds)))
    groups: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in wanted.select(["path", "group", "keep", "score"]).to_pylist():
        groups[row["group"]].append(row)

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        best = (not row["keep"], -row["score"]) if keep == "best" else ()
        return (*best, row["path"])

    return [sorted(group, key=rank) for group in groups.values()]
