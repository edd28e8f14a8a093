"""What the report shows, computed from the tables alone.

tables ─▶ points ─▶ neighbours ─▶ map        classes, duplicates, errors, variance, times
             │                                                     │
             └──▶ thumbnails, as stored ──▶ page ◀─────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.errors import DamagedError, TableError
from orchard.images.thumbnail import numbers_of
from orchard.machine import release_memory
from orchard.records import FINDINGS
from orchard.report import (
    classes,
    clusters,
    embedding_2d,
    neighbours,
    summarise,
    thumbnails,
)
from orchard.report.classes import Classes
from orchard.report.cost import Costs, costs
from orchard.report.embedding_2d import Embedding2D
from orchard.report.known import Known, Vectors
from orchard.report.neighbours import NearDuplicates, Neighbours
from orchard.report.noted import Notes, of_table, shown_large
from orchard.report.placing import Others, Placing
from orchard.report.placing import place as place_others
from orchard.report.points import (
    MAX_ON_MAP,
    MAX_POINTS,
    ROWS_AT_ONCE,
    Images,
    components_of,
    directions_of,
    stratified,
    vectors_by_row,
)
from orchard.report.thumbnails import Thumbnails
from orchard.store import findings, models
from orchard.store.tables import Tables

MAX_EXAMPLES = 1200  # typical and atypical images in all
UNUSUAL = 24
GROUPS_SHOWN = 12  # of duplicates, as pictures in the page itself; the others on request


@dataclass(frozen=True, slots=True)
class Placed:
    """The images on the map. points: (n,) the rows in `Images` of those that t-SNE placed; n is the
    length of each array. components: (n, k), the leading ones. unusual: places in `points`. others:
    those placed by their neighbours among the points."""

    points: NDArray[np.int64]
    components: NDArray[np.float32]
    embedding: Embedding2D
    neighbours: Neighbours
    near: NearDuplicates
    unusual: tuple[int, ...]
    others: Others

    @property
    def rows(self) -> NDArray[np.int64]:
        """(m,) rows of all on the map, by their numbers there."""
        return np.concatenate([self.points, self.others.rows])


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page is made of."""

    record: dict[str, Any]
    images: Images
    placed: Placed
    duplicates: summarise.Duplicates
    notes: Notes
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
    known: Known | None = None,
) -> Findings:
    """Compute what the report shows. known: what a run has computed already."""
    say("report: reading the tables")
    images = known.images if known is not None else Images.read(tables)
    card = models.current_pca(tables)
    if card is None or not len(images):
        raise TableError(f"{tables.output.root} has no components; expected the OUTPUT of a run")
    pca, _ = models.load_pca(tables.output, card.pca_id)
    placed = place(tables, images, say, known)
    images = clusters.named(images, placed.points, placed.embedding.xy, placed.others)
    release_memory()
    say("report: describing the classes")
    duplicates = summarise.exact_duplicates(images)
    notes = of_table(known.findings if known is not None else _found(tables), images)
    described = classes.describe(tables, images, _n_examples(len(images.labels)))
    release_memory()
    reasons, examples = summarise.errors(tables)
    pictures = Thumbnails(np.full(len(placed.points), -1, np.int32))
    if with_thumbnails:
        say("report: drawing the thumbnails")
        shown = _highlights(placed, duplicates, described)
        shown += shown_large(notes)
        pictures = thumbnails.make(tables, images.rows, placed.points, shown)
        pictures.errors = thumbnails.of_errors(tables, examples)
        release_memory()
    return Findings(
        record=record,
        images=images,
        placed=placed,
        duplicates=duplicates,
        notes=notes,
        classes=described,
        errors=reasons,
        variance=summarise.variance(pca),
        provenance=summarise.provenance(record, card),
        costs=costs(record, images),
        thumbnails=pictures,
        thumbnails_wanted=with_thumbnails,
    )


def place(
    tables: Tables, images: Images, say: Callable[[str], None], known: Known | None = None
) -> Placed:
    """The points of the map, where they are, and what is near each."""
    points = shown = np.arange(len(images), dtype=np.int64)
    if len(images) > MAX_POINTS:  # the images that get a thumbnail first
        numbers = numbers_of(path.as_py() for path in images.rows["path"])
        points = stratified(images.codes, MAX_POINTS, numbers)
        shown = stratified(images.codes, MAX_ON_MAP, numbers)
    vectors = known.vectors if known is not None else None
    paths = images.paths(points)
    components = (
        components_of(tables, paths, neighbours.DIMENSIONS)
        if vectors is None
        else vectors.components[points, : neighbours.DIMENSIONS]
    )
    if known is not None and len(known.near_by.indices) == len(points):
        near_by, near = known.near_by, neighbours.grouped(known.close, len(points))
    else:
        say(f"report: finding the neighbours of {len(points):,} images")
        near_by = neighbours.nearest(components, embedding_2d.n_neighbours(len(points)))
        release_memory()
        digests = images.rows["sha256"].take(pa.array(points)).to_pylist()
        say("report: comparing neighbours for duplicates")
        way = directions_of(tables, paths) if vectors is None else vectors.directions[points]
        near = neighbours.near_duplicates(way, near_by, digests)
    release_memory()
    say(f"report: placing {len(points):,} points on the map")
    embedding = embedding_2d.embed(components, near_by)
    others = Others.none()
    if len(images) > len(points):
        parts = (
            vectors_by_row(tables, images, ROWS_AT_ONCE) if vectors is None else _by_row(vectors)
        )
        others = _others(parts, len(images), points, shown, Placing(components, embedding.xy))
    return Placed(points, components, embedding, near_by, near, _unusual(near_by), others)


def _others(
    parts: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]],
    n: int,
    points: NDArray[np.int64],
    shown: NDArray[np.int64],
    placing: Placing,
) -> Others:
    """Those of `shown` that are not among the points. parts: rows and components of all n."""
    wanted = np.zeros(n, np.bool_)
    wanted[shown] = True
    wanted[points] = False
    return place_others(parts, placing, wanted) if wanted.any() else Others.none()


def _by_row(vectors: Vectors) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    for start in range(0, len(vectors.components), ROWS_AT_ONCE):
        part = vectors.components[start : start + ROWS_AT_ONCE]
        yield np.arange(start, start + len(part)), np.asarray(part)


def _found(tables: Tables) -> pa.Table:
    """The table of findings; none where it is not of these components, or cannot be read."""
    with suppress(DamagedError):
        if (rows := findings.read_current(tables)) is not None:
            return rows
    return FINDINGS.empty_table()


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
