"""A result drawn with matplotlib, for notebooks and scripts; a run keeps one of the pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from orchard.printable import printable
from orchard.reduction import PCA, SHARES, components_for, n_shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, SOFT = "#1f2d1f", "#2f7d32", "#a5c9a7"
SIZE = (8, 4.5)  # inches


def plot_variance(pca: PCA, ax: Axes | None = None) -> Axes:
    """See `Result.plot_variance`."""
    ax = ax or new_axes()
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


def new_axes(size: tuple[float, float] | None = None) -> Axes:
    """Axes of a new figure of pyplot's, which notebooks show. size: inches."""
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size or SIZE, layout="constrained")[1]
