"""The report of a result: OUTPUT/report/index.html, one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchard.images.confines import Confines
from orchard.machine import release_memory
from orchard.report.findings import find
from orchard.report.page import render
from orchard.storage import Storage
from orchard.store import recorded_sources, runs
from orchard.store.tables import Tables

PAGE = "report/index.html"


@dataclass(frozen=True, slots=True)
class Built:
    """path: of the page, below OUTPUT. n_points, n_thumbnails: on the map. n_bytes: of the page."""

    path: str
    n_points: int
    n_thumbnails: int
    n_bytes: int


def build(
    tables: Tables,
    record: dict[str, Any] | None = None,
    *,
    with_thumbnails: bool = True,
    storage: Storage | None = None,
    confines: Confines | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """Write OUTPUT/report/index.html.

    record: of the run; the last one stored, if not given. storage: of the source, for thumbnails.
    confines: where they may be read; default below what the result's runs record as sources.
    Raises TableError where OUTPUT holds no components.
    """
    release_memory()  # what the steps of a run before it took
    output = tables.output
    allowed = confines or recorded_sources.confines(output)
    found = find(tables, record or runs.last(output), with_thumbnails, storage, allowed, say)
    page = render(found)
    output.put(PAGE, page)
    return Built(PAGE, len(found.placed.points), found.thumbnails.n_shown, len(page))
