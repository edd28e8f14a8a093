"""The report's map, drawn with matplotlib: its places, its colours, names on the groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

from orchard.errors import ConfigError, TableError
from orchard.report.colours import palette
from orchard.report.findings import place
from orchard.report.points import OTHER, Images
from orchard.result.plots import INK, in_picture, new_axes
from orchard.store.tables import Tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

LEGEND = 24  # labels that a legend still names
NAME_LENGTH = 28  # characters of a label on the map
SIZE = (9, 6.5)  # inches
_WORDS = {"": "no label", OTHER: "other labels"}


@dataclass(frozen=True, slots=True)
class Points:
    """xy: (n, 2). codes: (n,) the label of each. labels: by code, natural order."""

    xy: NDArray[np.floating]
    codes: NDArray[np.int32]
    labels: tuple[str, ...]

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.codes, minlength=len(self.labels))

    def middle(self, code: int) -> NDArray[np.floating]:
        """The point of a label that is nearest to the median of its points."""
        own = self.xy[self.codes == code]
        apart = ((own - np.median(own, axis=0)) ** 2).sum(axis=1)
        nearest: NDArray[np.floating] = own[apart.argmin()]
        return nearest


def points_of(tables: Tables, coordinates: ArrayLike | None) -> Points:
    """Where the report's map has the images, or where `coordinates` put them.

    Raises TableError where there are no components, ConfigError for coordinates of another shape.
    """
    images = Images.read(tables)
    if not len(images):
        raise TableError(f"{tables.output.root} has no components; expected the OUTPUT of a run")
    if coordinates is None:
        placed = place(tables, images, lambda _: None)
        return Points(placed.embedding.xy, images.codes[placed.points], images.labels)
    xy = np.asarray(coordinates)
    if xy.shape != (len(images), 2):
        raise ConfigError(
            f"coordinates of shape {xy.shape}: expected ({len(images)}, 2), a point for each "
            "row of the components table"
        )
    return Points(xy, images.codes, images.labels)


def plot_map(points: Points, ax: Axes | None) -> Axes:
    """See `Result.map`."""
    ax = ax or new_axes(SIZE)
    shades = [on_light for on_light, _ in palette(points.labels, frozenset(_WORDS))]
    # In one cloud and in the order of the paths, as on the page: no label lies over all others.
    ax.scatter(
        points.xy[:, 0], points.xy[:, 1], s=_area(len(points.xy)), c=np.array(shades)[points.codes],
        alpha=0.88, linewidths=0,
    )  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if len(points.labels) <= LEGEND:
        _legend(ax, points, shades)
    _place_names(ax, points)
    return ax


def _area(n: int) -> float:
    """Of a dot, in square points: the page's radius for as many, about."""
    return float(np.clip(160 / np.sqrt(n), 1.2, 4.5) ** 2)


def _legend(ax: Axes, points: Points, shades: list[str]) -> None:
    for code in np.flatnonzero(points.counts):
        name = in_picture(_shown(points.labels[code]))
        ax.scatter([], [], s=30, color=shades[code], label=name, linewidths=0)
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def _place_names(ax: Axes, points: Points) -> None:
    """A name on each label's points, the most frequent first; none where it would cover another."""
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # of a subfigure: its figure's
    taken: list[Bbox] = []
    counts = points.counts
    for code in np.argsort(-counts, kind="stable"):
        if not counts[code]:
            break
        name = _named(ax, points.middle(int(code)), _shown(points.labels[code]))
        box = name.get_window_extent().padded(1)
        if any(box.overlaps(other) for other in taken):
            name.remove()
        else:
            taken.append(box)


def _named(ax: Axes, at: NDArray[np.floating], text: str) -> Text:
    return ax.text(
        float(at[0]), float(at[1]), in_picture(text),
        ha="center", va="center", color=INK, fontsize=9, weight="bold",
        path_effects=[withStroke(linewidth=3, foreground="white", alpha=0.86)], clip_on=False,
    )  # fmt: skip


def _shown(label: str) -> str:
    name = _WORDS.get(label, label)
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
