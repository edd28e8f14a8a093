"""The parts of the map's descent, each held against the sum that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from orchard.report import embedding_2d, neighbours
from orchard.report.attraction import Attraction, similarities
from orchard.report.neighbours import Neighbours
from orchard.report.repulsion import POINTS_A_PART, Repulsion


def groups(n: int, n_groups: int = 12, d: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    group = np.arange(n) % n_groups
    points = (rng.normal(size=(n_groups, d)) * 4)[group] + rng.normal(size=(n, d))
    return points.astype(np.float32), group


def near(points: np.ndarray) -> Neighbours:
    return neighbours.nearest(points, embedding_2d.n_neighbours(len(points)))


@pytest.mark.parametrize("width", [1.0, 4.0, 15.0, 40.0])
@pytest.mark.parametrize(("n", "most"), [(300, 1e-5), (1500, 0.08)])
def test_the_repulsion_is_the_sum_over_all_pairs(width: float, n: int, most: float) -> None:
    at = (np.random.default_rng(1).normal(size=(2, n)) * width).astype(np.float32)
    along_x, along_y, total = Repulsion(1)(*at)
    apart = at[:, :, None].astype(np.float64) - at[:, None, :]
    near_by = 1 / (1 + (apart**2).sum(axis=0))
    exact = (apart * near_by**2).sum(axis=2)
    assert total == pytest.approx(near_by.sum() - n, rel=1e-3)
    error = np.linalg.norm(np.stack([along_x, along_y]) - exact) / np.linalg.norm(exact)
    # Of many points, where openTSNE misses by 0.04, at a width of 15, this misses by 0.05.
    assert error < most


def test_the_attraction_is_the_sum_over_the_edges() -> None:
    points, _ = groups(300)
    similar = similarities(near(points), 15)
    at = np.random.default_rng(2).normal(size=(2, 300)).astype(np.float32)
    apart = at[:, :, None] - at[:, None, :]
    weights = similar.toarray() / (1 + (apart**2).sum(axis=0))
    exact = (apart * weights).sum(axis=2)
    np.testing.assert_allclose(np.stack(Attraction(similar)(*at)), exact, atol=1e-6)


def test_similarities_are_as_wide_as_the_perplexity_and_add_up_to_one() -> None:
    found = near(groups(400)[0])
    similar = similarities(found, 15).toarray()
    assert similar.sum() == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(similar, similar.T)
    # Each point's own Gaussian, before it is added to its neighbours': of equal entropy.
    squared = found.distances.astype(np.float64) ** 2
    from_one = similar[np.arange(400)[:, None], found.indices]
    assert (from_one[:, 0] >= from_one[:, -1]).mean() > 0.95
    assert (np.diff(squared, axis=1) >= 0).all()


def test_a_small_map_keeps_near_duplicates_apart() -> None:
    """Eight groups of eleven, one of them a hundredth as wide: it is small, and no single dot."""
    points, group = groups(88, 8, 12)
    middle = points[group == 0].mean(axis=0)
    points[group == 0] = middle + (points[group == 0] - middle) * np.float32(0.01)
    at = embedding_2d.embed(points, near(points)).xy
    assert np.ptp(at[group == 0], axis=0).max() > 0.01 * np.ptp(at, axis=0).max()


def test_equal_images_lie_together() -> None:
    points = np.repeat(groups(20)[0], 10, axis=0)
    found = embedding_2d.embed(points, near(points)).xy
    assert np.isfinite(found).all()
    nearest = neighbours.nearest(found, 9).indices
    assert (nearest // 10 == np.arange(200)[:, None] // 10).all()


def test_the_map_is_the_same_whatever_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, group = groups(2 * POINTS_A_PART)
    monkeypatch.setattr(embedding_2d, "EXAGGERATED", 30)
    monkeypatch.setattr(embedding_2d, "ITERATIONS", 20)
    maps = []
    for threads in (1, 3):
        monkeypatch.setattr(embedding_2d, "available_cores", lambda n=threads: n)
        maps.append(embedding_2d.embed(points, near(points)).xy)
    np.testing.assert_array_equal(*maps)
    assert (group[neighbours.nearest(maps[0], 5).indices] == group[:, None]).mean() > 0.99


def test_neighbours_among_many_columns_are_exact() -> None:
    """Enough rows that minima of groups of columns are looked at first."""
    points = groups(4000, d=8)[0]
    points[100:140] = points[0]  # more equal ones than are asked for
    found = neighbours.nearest(points, 12)
    apart = ((points[:, None, :].astype(np.float64) - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    expected = np.sqrt(np.sort(np.partition(apart, 12, axis=1)[:, :12], axis=1))
    np.testing.assert_allclose(found.distances, expected, rtol=1e-4, atol=1e-6)
    assert not (found.indices == np.arange(4000)[:, None]).any()
