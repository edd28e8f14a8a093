"""Duplicates in groups of which one image stays, held against plain NumPy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from orchard.findings import cells, duplicates
from orchard.findings.choose import to_drop
from orchard.findings.vectors import room
from orchard.images.decisions import Decisions
from orchard.records import FINDINGS
from orchard.report.neighbours import NEAR_COSINE, close_pairs, directions, nearest


def grouped(vectors: np.ndarray, best: np.ndarray) -> duplicates.Groups:
    way = directions(vectors)
    pairs = close_pairs(way, nearest(vectors, 15))
    none = duplicates.exact(np.arange(len(vectors)))
    return duplicates.near([(pairs.left, pairs.right)], none, best, vectors, way)[0]


def ring(n: int) -> np.ndarray:
    """Frames of a turntable: each is near its neighbours, the first and the middle one are not."""
    angle = np.arange(n) * 2 * np.pi / n
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], axis=1).astype(np.float32)


def test_equal_bytes_are_one_group_and_the_first_is_kept() -> None:
    groups = duplicates.exact(np.array([4, 1, 4, 2, 1, 4]))
    assert [rows.tolist() for rows in groups.members] == [[0, 2, 5], [1, 4]]


def test_every_image_that_goes_is_near_the_one_that_stays() -> None:
    vectors = ring(72)
    groups = grouped(vectors, np.arange(72))
    cosine = np.einsum("ij,ij->i", vectors, vectors[groups.kept])
    assert (cosine >= NEAR_COSINE - 1e-3).all()
    kept = np.unique(groups.kept)
    between = vectors[kept] @ vectors[kept].T - 2 * np.eye(len(kept))
    assert 1 < len(kept) < 36, "near is not transitive: a ring is no one group"
    assert (between < NEAR_COSINE).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_pairs_join_whatever_is_grouped(seed: int) -> None:
    """Clouds of some hundred images, wider than near: stars within stars."""
    rng = np.random.default_rng(seed)
    clouds = rng.normal(size=(5, 6))[rng.integers(5, size=800)]
    vectors = (clouds + 0.12 * rng.normal(size=(800, 6))).astype(np.float32)
    way = directions(vectors)
    found = close_pairs(way, nearest(vectors, 15))
    none = duplicates.exact(np.arange(800))
    best = rng.permutation(800)
    groups, pairs = duplicates.near([(found.left, found.right)], none, best, vectors, way)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (np.einsum("ij,ij->i", unit, unit[groups.kept]) >= NEAR_COSINE - 1e-3).all()
    assert (groups.kept[groups.kept] == groups.kept).all()
    kept = np.unique(groups.kept)
    between = unit[kept] @ unit[kept].T - 2 * np.eye(len(kept))
    assert (between >= NEAR_COSINE + 1e-3).mean() < 0.002, "hardly any two that stay are near"
    joined = duplicates.connected(800, pairs)
    assert (joined == joined[groups.kept]).all()
    assert len(kept) < 400


def test_of_more_images_alike_than_neighbours_are_compared_one_stays() -> None:
    rng = np.random.default_rng(1)
    alike = np.float32(5) + 0.01 * rng.normal(size=(90, 8)).astype(np.float32)
    other = rng.normal(size=(10, 8)).astype(np.float32)
    groups = grouped(np.concatenate([alike, other]), np.arange(100))
    assert len(np.unique(groups.kept[:90])) == 1


def test_the_larger_image_is_kept_then_the_sharper_one() -> None:
    width = np.array([100.0, 400, 410, 400, 900])
    sharpness = np.array([9.0, 5, 6, 7, 9])
    suspect = np.arange(5) == 4
    best = duplicates.best_first(width, width, sharpness, suspect)
    assert best.tolist() == [3, 2, 1, 0, 4], "the largest has a label that is probably wrong"
    assert set(grouped(np.ones((5, 3), np.float32), best).kept) == {3}
    assert duplicates.exact(np.array([1, 1, 2]), np.array([1, 0, 2])).kept.tolist() == [1, 1, 2]


def test_neighbours_of_very_many_are_found_in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 12)) * 4
    vectors = centres[rng.integers(60, size=6000)] + rng.normal(size=(6000, 12))
    vectors = vectors.astype(np.float32)
    exact = nearest(vectors, 10)
    monkeypatch.setattr(cells, "EXACT", 1000)
    found = cells.nearest_of_many(vectors, 10)
    shared = [len(np.intersect1d(*pair)) for pair in zip(found.indices, exact.indices, strict=True)]
    assert np.mean(shared) > 9.5
    assert not (found.indices == np.arange(6000)[:, None]).any()
    assert (found.distances[:, 0] < exact.distances[:, 0] + 1).mean() > 0.999
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_vectors_beyond_a_size_lie_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(room((3, 2), np.int16), np.memmap)
    monkeypatch.setattr("orchard.findings.vectors.IN_MEMORY", 11)
    large = room((3, 2), np.int16)
    assert isinstance(large, np.memmap)
    assert not large.any()


def findings(*rows: tuple[str, str, int, bool, float]) -> pa.Table:
    names = ("path", "kind", "group", "keep", "score")
    nothing = {"label": None, "suggested_label": None}
    made = [dict(zip(names, row, strict=True)) | nothing for row in rows]
    return pa.Table.from_pylist(made, schema=FINDINGS)


DOUBLES = findings(
    ("/b", "exact_duplicate", 0, True, 1.0),
    ("/c", "exact_duplicate", 0, False, 1.0),
    ("/x", "near_duplicate", 1, True, 1.0),
    ("/a", "near_duplicate", 1, False, 0.98),
    ("/b", "near_duplicate", 1, False, 0.99),
)


@pytest.mark.parametrize(
    ("options", "dropped"),
    [
        ({}, ["/a", "/b", "/c"]),
        ({"keep": "first"}, ["/b", "/c", "/x"]),
        ({"kinds": ["exact_duplicate"]}, ["/c"]),
        ({"decisions": Decisions(("/a",), (), {})}, ["/b", "/c", "/x"]),
        ({"decisions": Decisions((), ("/x",), {})}, ["/a", "/c", "/x"]),
        ({"decisions": Decisions((), ("/elsewhere",), {})}, ["/a", "/b", "/c", "/elsewhere"]),
        ({"decisions": Decisions(("/a", "/b", "/c", "/x"), (), {})}, []),
    ],
)
def test_of_each_group_one_stays_unless_somebody_decided_otherwise(
    options: dict[str, object], dropped: list[str]
) -> None:
    assert to_drop(DOUBLES, **options) == dropped  # type: ignore[arg-type]
