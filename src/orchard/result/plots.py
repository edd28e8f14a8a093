"""A result drawn with matplotlib, for notebooks and scripts; a run keeps one of the pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from orchard.errors import ConfigError
from orchard.printable import printable
from orchard.records import vectors_of
from orchard.reduction import PCA, SHARES, components_for, n_shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, SOFT = "#1f2d1f", "#2f7d32", "#a5c9a7"
SIZE = (8, 4.5)  # inches
LEGEND = 20  # labels that a legend still names


def plot_variance(pca: PCA, ax: Axes | None = None) -> Axes:
    """See `Result.plot_variance`."""
    ax = ax or _axes()
    ratio, shown = pca.explained_variance_ratio, n_shown(pca)
    number = np.arange(1, shown + 1)
    ax.bar(number, ratio[:shown], width=1.0, color=SOFT, label="by component")
    ax.step(number, np.cumsum(ratio)[:shown], where="mid", color=ACCENT, lw=2, label="cumulative")
    for share in SHARES:
        k = components_for(pca.explained_variance, share)
        ax.axhline(share, color=INK, lw=0.6, ls=":")
        ax.annotate(
            f"{share:.0%}: k = {k}",
            (1, share),
            (-4, -2),
            ax.get_yaxis_transform(),
            "offset points",
            ha="right",
            va="top",
            fontsize=9,
        )
    ax.axvline(pca.n_components, color=INK, lw=1, ls="--", label=f"k = {pca.n_components} kept")
    ax.set(xlim=(0.5, shown + 0.5), ylim=(0, 1.02))
    ax.set(xlabel="principal component", ylabel="share of the variance")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="center right", edgecolor="none")
    return ax


def variance_picture(pca: PCA, title: str) -> bytes:
    """`plot_variance` as a PNG."""
    figure = Figure(figsize=SIZE, dpi=130, layout="constrained")
    plot_variance(pca, figure.subplots()).set_title(in_picture(title))
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def in_picture(text: str) -> str:
    """A title or label: as it is, where matplotlib would read a formula between dollar signs."""
    return printable(text).replace("$", r"\$")


def plot_map(components: pa.Table, coordinates: ArrayLike | None, ax: Axes | None) -> Axes:
    """See `Result.map`."""
    vectors = vectors_of(components["components"])
    first = np.pad(vectors[:, :2], ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
    points = first if coordinates is None else np.asarray(coordinates)
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
                chosen[:, 0],
                chosen[:, 1],
                s=8,
                color=shade,
                label=in_picture(name or "no label"),
                linewidths=0,
            )
    axis = "principal component" if coordinates is None else "coordinate"
    ax.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2")
    if len(names) <= LEGEND:
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def _axes() -> Axes:
    from matplotlib import pyplot

    return pyplot.subplots(figsize=SIZE, layout="constrained")[1]
