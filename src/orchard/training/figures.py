"""Pictures of a classifier: its confusion matrix, its reliability, what a mistake costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from orchard.result.plots import as_png, in_picture

_INK, _ACCENT, _SOFT, _WARN = "#1f2d1f", "#2f7d32", "#a5c9a7", "#b3541e"
_NAMED = 60  # classes whose names are still legible on an axis


def confusion_matrix(
    y: NDArray[np.intp], predicted: NDArray[np.intp], classes: Sequence[str]
) -> bytes:
    """A PNG: rows are the actual classes that were held out, each row's shares sum to 1."""
    c = len(classes)
    counts = np.zeros((c, c))
    np.add.at(counts, (y, predicted), 1)
    actual = np.flatnonzero(counts.sum(axis=1))
    shares = counts[actual] / counts[actual].sum(axis=1, keepdims=True)
    side = float(np.clip(0.16 * c + 2, 5, 13))
    figure, axes = _figure(side, side * max(0.4, len(actual) / c) + 0.6)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    rows, columns = np.nonzero(shares)
    wrong = actual[rows] != columns
    size = 160 / max(c, 20)
    axes.scatter(columns[wrong], rows[wrong], s=size * shares[rows, columns][wrong] + 1, c=_WARN)
    axes.set(xlabel="answer", ylabel="what it was")
    fontsize = 7 if c <= _NAMED else 4
    names = [in_picture(name) for name in classes]
    axes.set_xticks(range(c), names, rotation=90, fontsize=fontsize)
    axes.set_yticks(range(len(actual)), [names[i] for i in actual.tolist()], fontsize=fontsize)
    return as_png(figure)


def reliability_curve(bins: Sequence[dict[str, Any]]) -> bytes:
    """A PNG: how often an answer of some probability was right."""
    figure, axes = _figure(5, 4.2)
    axes.plot([0, 1], [0, 1], color=_INK, lw=0.8, ls=":", label="as it should be")
    confidence = [b["confidence"] for b in bins]
    accuracy = [b["accuracy"] for b in bins]
    axes.plot(confidence, accuracy, color=_ACCENT, marker="o", ms=4, label="held-out images")
    n = np.array([b["n"] for b in bins])
    axes.bar(
        [b["lower"] + 1 / 30 for b in bins],
        n / max(n.sum(), 1),
        width=1 / 15,
        color=_SOFT,
        label="share of images",
    )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="probability that was said",
        ylabel="share that was right",
    )
    axes.legend(frameon=False, loc="upper left")
    return as_png(figure)


def cost_curve(curve: Sequence[dict[str, Any]], chosen: dict[str, Any]) -> bytes:
    """A PNG: the expected cost of an image, and what is answered, by threshold."""
    figure, axes = _figure(5, 4.2)
    threshold = [c["threshold"] for c in curve]
    axes.plot(threshold, [c["cost"] for c in curve], color=_WARN, lw=2, label="cost of an image")
    axes.plot(threshold, [c["answered"] for c in curve], color=_ACCENT, label="answered")
    axes.plot(threshold, [c["right"] for c in curve], color=_INK, label="right, of the answered")
    axes.plot(
        threshold,
        [c["unseen_answered"] for c in curve],
        color=_ACCENT,
        ls=":",
        label="answered, though of a species never seen",
    )
    axes.axvline(chosen["threshold"], color=_INK, lw=0.8, ls="--")
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="least probability that is an answer")
    axes.legend(frameon=False, fontsize=8)
    return as_png(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
