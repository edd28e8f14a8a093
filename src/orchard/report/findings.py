"""What the report shows, computed from the tables alone.

tables ─▶ points ─▶ neighbours ─▶ map        classes, duplicates, errors, variance, times
             │                                                     │
             └──▶ thumbnails, as stored ──▶ page ◀─────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.errors import TableError
from orchard.images.thumbnail import numbers_of
from orchard.machine import release_memory
from orchard.report import classes, embedding_2d, neighbours, summarise, thumbnails
from orchard.report.classes import Classes
from orchard.report.cost import Costs, costs
from orchard.report.embedding_2d import Embedding2D
from orchard.report.neighbours import NearDuplicates, Neighbours
from orchard.report.noted import Noted, noted, shown_large
from orchard.report.points import MAX_POINTS, Images, components_of, directions_of, stratified
from orchard.report.thumbnails import Thumbnails
from orchard.store import models
from orchard.store.tables import Tables

MAX_EXAMPLES = 1200  # typical and atypical images in all
UNUSUAL = 24
GROUPS_SHOWN = 12  # of duplicates, as pictures in the page itself; the others on request


@dataclass(frozen=True, slots=True)
class Placed:
    """The images on the map. points: (n,) their rows in `Images`; n is the length of each array.

    components: (n, k), the leading ones. unusual: places in `points`."""

    points: NDArray[np.int64]
    components: NDArray[np.float32]
    embedding: Embedding2D
    neighbours: Neighbours
    near: NearDuplicates
    unusual: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page is made of."""

    record: dict[str, Any]
    images: Images
    placed: Placed
    duplicates: summarise.Duplicates
    noted: tuple[Noted, ...]
    classes: Classes
    errors: list[dict[str, Any]]
    variance: dict[str, Any]
    provenance: dict[str, Any]
    costs: Costs | None
    thumbnails: Thumbnails
    thumbnails_wanted: bool


def find(
    tables: Tables,
    record: dict[str, Any],
    with_thumbnails: bool,
    say: Callable[[str], None],
) -> Findings:
    """Compute what the report shows."""
    images = Images.read(tables)
    card = models.current_pca(tables)
    if card is None or not len(images):
        raise TableError(f"{tables.output.root} has no components; expected the OUTPUT of a run")
    pca, _ = models.load_pca(tables.output, card.pca_id)
    placed = _place(tables, images, say)
    release_memory()
    duplicates = summarise.exact_duplicates(images)
    notes = _noted(images, placed, duplicates)
    described = classes.describe(tables, images, _n_examples(len(images.labels)))
    release_memory()
    reasons, examples = summarise.errors(tables)
    pictures = Thumbnails(np.full(len(placed.points), -1, np.int32))
    if with_thumbnails:
        say("report: drawing the thumbnails")
        shown = _highlights(placed, duplicates, described)
        shown += shown_large(notes, images)
        pictures = thumbnails.make(tables, images.rows, placed.points, shown)
        pictures.errors = thumbnails.of_errors(tables, examples)
    return Findings(
        record=record,
        images=images,
        placed=placed,
        duplicates=duplicates,
        noted=notes,
        classes=described,
        errors=reasons,
        variance=summarise.variance(pca),
        provenance=summarise.provenance(record, card),
        costs=costs(record, images),
        thumbnails=pictures,
        thumbnails_wanted=with_thumbnails,
    )


def _place(tables: Tables, images: Images, say: Callable[[str], None]) -> Placed:
    points = np.arange(len(images), dtype=np.int64)
    if len(images) > MAX_POINTS:  # the images that get a thumbnail first
        numbers = numbers_of(images.rows["path"].to_pylist())
        points = stratified(images.codes, MAX_POINTS, numbers)
    paths = images.paths(points)
    components = components_of(tables, paths, neighbours.DIMENSIONS)
    near_by = neighbours.nearest(components, embedding_2d.n_neighbours(len(points)))
    release_memory()
    digests = images.rows["sha256"].take(pa.array(points)).to_pylist()
    near = neighbours.near_duplicates(directions_of(tables, paths), near_by, digests)
    release_memory()
    say(f"report: placing {len(points):,} points on the map")
    embedding = embedding_2d.embed(components, near_by)
    return Placed(points, components, embedding, near_by, near, _unusual(near_by))


def _noted(images: Images, placed: Placed, duplicates: summarise.Duplicates) -> tuple[Noted, ...]:
    near_by, near = placed.neighbours, placed.near
    return noted(images, placed.points, near_by, near, duplicates, placed.unusual)


def _n_examples(n_classes: int) -> int:
    return max(1, min(4, MAX_EXAMPLES // (2 * n_classes)))


def _unusual(near_by: Neighbours) -> tuple[int, ...]:
    """Points farthest from their neighbours, the farthest first."""
    if near_by.indices.shape[1] < 1:
        return ()
    order = np.argsort(-near_by.isolation, kind="stable")
    return tuple(order[:UNUSUAL].tolist())


def _highlights(placed: Placed, duplicates: summarise.Duplicates, described: Classes) -> list[int]:
    """Rows that are shown large."""
    special = (*placed.near.pairs[:GROUPS_SHOWN].ravel(), *placed.unusual)
    rows = [int(placed.points[number]) for number in special]
    rows += [row for group in duplicates.groups[:GROUPS_SHOWN] for row in group[:2]]
    for examples in (*described.typical, *described.atypical):
        rows += examples.tolist()
    return rows
