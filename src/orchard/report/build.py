"""The report of a result: OUTPUT/report/index.html, one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchard.machine import release_memory
from orchard.report.findings import find
from orchard.report.known import Known
from orchard.report.page import render
from orchard.store import runs
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
    with_thumbnails: bool | None = None,
    say: Callable[[str], None] = lambda _: None,
    known: Known | None = None,
) -> Built:
    """Write OUTPUT/report/index.html.

    record: of the run; the last one stored, if not given. with_thumbnails: show what thumbnails/
    holds; default as the run was asked to. known: what the findings were made of, so that it is not
    computed twice. No image is read. Raises TableError where OUTPUT holds
    no components.
    """
    release_memory()  # what the steps of a run before it took
    output = tables.output
    record = record or runs.last(output)
    if with_thumbnails is None:
        with_thumbnails = bool(record.get("config", {}).get("thumbnails", True))
    found = find(tables, record, with_thumbnails, say, known)
    say("report: writing the page")
    page = render(found)
    output.put(PAGE, page)
    return Built(PAGE, len(found.placed.rows), found.thumbnails.n_shown, len(page))
