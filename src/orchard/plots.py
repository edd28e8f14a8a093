"""A result drawn with matplotlib, for notebooks and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from matplotlib import colormaps
from numpy.typing import ArrayLike

from orchard.errors import ConfigError
from orchard.extraction import vectors_of
from orchard.reduction import PCA, components_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = (0.80, 0.90, 0.95)
LEGEND = 20  # labels that a legend still names


def plot_variance(pca: PCA, ax: Axes | None = None) -> Axes:
    """See `Result.plot_variance`."""
    ax = ax or _axes()
    ratio = pca.explained_variance_ratio
    shown = min(ratio.size, max(pca.n_components, components_for(pca.explained_variance, 0.96)))
    number = np.arange(1, shown + 1)
    ax.bar(number, ratio[:shown], width=1.0, alpha=0.5, label="by component")
    ax.step(number, np.cumsum(ratio)[:shown], where="mid", label="cumulative")
    for share in SHARES:
        k = components_for(pca.explained_variance, share)
        ax.plot(k, share, "o", color="black", ms=4)
        ax.annotate(
            f"{share:.0%}: k = {k}", (k, share), (8, -12), textcoords="offset points", fontsize=9
        )
    ax.axvline(pca.n_components, color="grey", ls="--", label=f"k = {pca.n_components} kept")
    ax.set(xlabel="principal component", ylabel="share of the variance", ylim=(0, 1.02))
    ax.margins(x=0.15)
    ax.legend(frameon=False, loc="center")
    return ax


def plot_map(components: pa.Table, coordinates: ArrayLike | None, ax: Axes | None) -> Axes:
    """See `Result.map`."""
    vectors = vectors_of(components["components"])
    points = vectors[:, :2] if coordinates is None else np.asarray(coordinates)
    if points.shape != (len(vectors), 2):
        raise ConfigError(
            f"coordinates of shape {points.shape}: expected ({len(vectors)}, 2), a point for each "
            "row of the components table"
        )
    ax = ax or _axes()
    label_of = np.array(components["label"].to_pylist(), object)
    names = sorted({label for label in label_of if label is not None})
    palette = colormaps["tab20" if len(names) <= LEGEND else "gist_rainbow"]
    for number, name in enumerate([*names, None]):
        chosen = points[label_of == name]
        if len(chosen):
            shade = palette(number / max(len(names) - 1, 1)) if name is not None else "grey"
            ax.scatter(
                chosen[:, 0], chosen[:, 1], s=8, color=shade, label=name or "no label", linewidths=0
            )
    axis = "principal component" if coordinates is None else "coordinate"
    ax.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2")
    if len(names) <= LEGEND:
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def _axes() -> Axes:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(8, 4.5), layout="constrained")[1]
