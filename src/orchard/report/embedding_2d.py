"""The map: components in two dimensions, by t-SNE."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.machine import available_cores
from orchard.report.neighbours import Neighbours

PERPLEXITY = 15.0  # van der Maaten and Hinton 2008 recommend 5 to 50; ADR 40 compares
LEAST = 60  # points: below, t-SNE has too few neighbours to place, and two components tell as much
SEED = 0
WORTH_THREADS = 5000  # points: below, waiting for each other costs more than it gains
EXAGGERATED, ITERATIONS = 100, 300
EXAGGERATION = 12.0  # of the attraction at first: groups find together (Belkina et al. 2019)
MOMENTUM = 0.8
FARTHEST_STEP = 5.0

_Axes = tuple[NDArray[np.float32], NDArray[np.float32]]
Forces = tuple[_Axes, tuple[NDArray[np.float32], NDArray[np.float32], float]]


@dataclass(frozen=True, slots=True)
class Embedding2D:
    """xy: (n, 2) float32. method: "tsne" or "pca"."""

    xy: NDArray[np.float32]
    method: str


def n_neighbours(n: int) -> int:
    """Neighbours that t-SNE looks at for its perplexity: three times as many."""
    return max(1, min(int(3 * PERPLEXITY), n - 1))


def embed(components: NDArray[np.float32], neighbours: Neighbours) -> Embedding2D:
    """The same points in the plane, the same for the same input.

    components: (n, d), of which the first two start the descent, as Kobak and Berens (2019)
    advise: what is far apart in the data then stays so.
    """
    n = len(components)
    if n < LEAST:
        flat = np.zeros((n, 2), np.float32)
        flat[:, : min(2, components.shape[1])] = components[:, :2]
        return Embedding2D(flat, "pca")
    if n < WORTH_THREADS or (cores := available_cores()) == 1:
        return Embedding2D(_descend(components, neighbours, None, 1), "tsne")
    with ThreadPoolExecutor(1) as beside:
        return Embedding2D(_descend(components, neighbours, beside, cores - 1), "tsne")


def _descend(
    components: NDArray[np.float32],
    neighbours: Neighbours,
    beside: ThreadPoolExecutor | None,
    threads: int,
) -> NDArray[np.float32]:
    from orchard.report.attraction import Attraction, similarities
    from orchard.report.repulsion import Repulsion

    attraction = Attraction(similarities(neighbours, PERPLEXITY))
    repulsion = Repulsion(threads)

    def forces(at: NDArray[np.float32]) -> Forces:
        if beside is None:
            return attraction(*at), repulsion(*at)
        pull = beside.submit(attraction, *at)
        push = repulsion(*at)
        return pull.result(), push

    at = _start(components)
    for n_steps, exaggeration in ((EXAGGERATED, EXAGGERATION), (ITERATIONS, 1.0)):
        at = _steps(at, forces, n_steps, exaggeration)
    return np.ascontiguousarray(at.T)


def _start(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, n): the first two components, tiny, and no two points at one place."""
    first = components[:, [0, min(1, components.shape[1] - 1)]].T.astype(np.float64)
    first *= 1e-4 / max(float(first[0].std()), 1e-12)
    jitter = np.random.default_rng(SEED).normal(scale=1e-6, size=first.shape)
    return (first + jitter).astype(np.float32)


def _steps(
    at: NDArray[np.float32],
    forces: Callable[[NDArray[np.float32]], Forces],
    n_steps: int,
    exaggeration: float,
) -> NDArray[np.float32]:
    """Gradient descent with momentum and a gain for each coordinate (Jacobs 1988), at the rate of
    Belkina et al. (2019): points over exaggeration."""
    rate = np.float32(at.shape[1] / exaggeration)
    velocity, gains = np.zeros_like(at), np.ones_like(at)
    for _ in range(n_steps):
        pull, (*push, total) = forces(at)
        gradient = np.float32(exaggeration) * np.stack(pull) - np.stack(push) / np.float32(total)
        turned = (velocity > 0) != (gradient > 0)
        gains = np.where(
            turned, gains + np.float32(0.2), gains * np.float32(0.8) + np.float32(0.01)
        )
        velocity = np.float32(MOMENTUM) * velocity - rate * gains * gradient
        length = np.sqrt((velocity * velocity).sum(axis=0))
        velocity *= np.minimum(1, FARTHEST_STEP / np.maximum(length, np.float32(1e-12)))
        at = at + velocity
        at -= at.mean(axis=1, keepdims=True)
    return at
