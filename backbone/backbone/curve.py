"""The log of a training as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def draw(log: Path, file: Path) -> None:
    """Losses above, shares of right answers below, over the images seen."""
    mpl.use("Agg")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for axes, names, title in (
        (above, ("variety", "scene", "species", "teacher"), "loss (teacher: 1 − R²)"),
        (below, ("variety_right", "scene_right", "species_right"), "right, on what it learns from"),
    ):
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=name.removesuffix("_right"))
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
        axes.legend()
    below.set_xlabel("step")
    figure.savefig(file, dpi=110)
