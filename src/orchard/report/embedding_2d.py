"""The map: components in two dimensions, by t-SNE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.report.neighbours import Neighbours

PERPLEXITY = 30.0  # van der Maaten and Hinton 2008 recommend 5 to 50
LEAST = 60  # points: below, t-SNE has too few neighbours to place, and two components tell as much
SEED = 0
# Of openTSNE's 250 and 500: the neighbours in the plane agree as well, in half the time (ADR 14).
EXAGGERATED, ITERATIONS = 150, 350


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
    import openTSNE

    graph = openTSNE.nearest_neighbors.PrecomputedNeighbors(
        neighbours.indices, neighbours.distances.astype(np.float64)
    )
    affinities = openTSNE.affinity.PerplexityBasedNN(
        perplexity=min(PERPLEXITY, (n - 1) / 3), knn_index=graph, n_jobs=-1, random_state=SEED
    )
    start = openTSNE.initialization.rescale(
        components[:, :2].astype(np.float64)
        if components.shape[1] > 1
        else np.repeat(components.astype(np.float64), 2, axis=1)
    )
    start = openTSNE.initialization.jitter(start, random_state=SEED)
    placed = openTSNE.TSNE(
        early_exaggeration_iter=EXAGGERATED, n_iter=ITERATIONS, n_jobs=-1, random_state=SEED
    ).fit(affinities=affinities, initialization=start)
    return Embedding2D(np.asarray(placed, np.float32), "tsne")
