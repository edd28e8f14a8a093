"""Pictures of a result."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchard.reduction import PCA, components_for

SHARES = (0.80, 0.90, 0.95)
_INK, _ACCENT, _SOFT = "#1f2d1f", "#2f7d32", "#a5c9a7"


def explained_variance(pca: PCA, title: str) -> bytes:
    """A PNG: variance by component and cumulative, with 80, 90 and 95 % and the k chosen."""
    ratio = pca.explained_variance_ratio
    cumulative = np.cumsum(ratio)
    shown = min(len(ratio), max(10, round(1.35 * components_for(pca.explained_variance, 0.95))))
    number = np.arange(1, shown + 1)
    figure = Figure(figsize=(8, 4.5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.bar(number, ratio[:shown], width=1.0, color=_SOFT, label="by component")
    axes.step(number, cumulative[:shown], where="mid", color=_ACCENT, lw=2, label="cumulative")
    for share in SHARES:
        k = components_for(pca.explained_variance, share)
        axes.axhline(share, color=_INK, lw=0.6, ls=":")
        axes.annotate(
            f"{share:.0%}: k = {k}",
            (shown, share),
            (-4, -2),
            textcoords="offset points",
            ha="right",
            va="top",
        )
    axes.axvline(pca.n_components, color=_INK, lw=1, ls="--")
    axes.annotate(
        f"k = {pca.n_components} kept",
        (pca.n_components, 0.04),
        (5 if pca.n_components < shown / 2 else -5, 0),
        textcoords="offset points",
        ha="left" if pca.n_components < shown / 2 else "right",
        bbox={"boxstyle": "round", "fc": "white", "ec": "none", "alpha": 0.8},
    )
    axes.set(
        xlim=(0.5, shown + 0.5),
        ylim=(0, 1.02),
        xlabel="principal component",
        ylabel="share of the variance",
        title=title,
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center right")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
