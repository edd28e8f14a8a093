"""How each species is painted: colours from pole to pole, blush, spots, pores and ribs."""

from __future__ import annotations

import numpy as np

from orchard.samples.rendered.skin import Chart, Skin, smooth_step


def _basins(skin: Skin, russet: str) -> None:
    """Darken and russet the two hollows of an apple."""
    v = skin.chart.v
    ragged = 0.02 * skin.chart.noise(9.0)
    skin.tint(russet, 0.75 * (1 - smooth_step(0.02, 0.10, 1 - v + ragged)))
    skin.shade(1 - 0.45 * (1 - smooth_step(0.0, 0.10, 1 - v)))
    skin.tint("#3a2a18", 1 - smooth_step(0.01, 0.055, v + ragged))


def _lenticels(skin: Skin, code: str, amount: float) -> None:
    """The small pale dots of apples and pears."""
    skin.tint(code, amount * smooth_step(0.62, 0.78, skin.chart.noise(17.0)))


def apple_red(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#b08a3c"), (0.2, "#9c1820"), (0.8, "#8e0f1c"), (1, "#7e7a30"),
                      gloss=0.5)  # fmt: skip
    blush = 0.5 + 0.5 * chart.facing(chart.rng.uniform(0, 6.28)) + 0.35 * chart.noise(1.6)
    skin.tint("#c9772e", 0.75 * smooth_step(0.75, 1.25, blush))
    skin.tint("#d8a04a", 0.45 * smooth_step(0.0, 0.7, chart.noise(9.0, 9.0)) * (0.3 + blush / 2))
    skin.tint("#6e0814", 0.5 * smooth_step(0.1, 0.8, chart.noise(7.0, 7.0)))
    _lenticels(skin, "#d09070", 0.4)
    _basins(skin, "#8a7a3a")
    return skin


def apple_golden(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#c0b45a"), (0.3, "#ccc24c"), (0.75, "#c2c04a"), (1, "#8f9a34"),
                      gloss=0.35)  # fmt: skip
    skin.tint("#a8b83c", 0.5 + 0.6 * chart.noise(1.4))
    blush = chart.facing(chart.rng.uniform(0, 6.28)) + 0.4 * chart.noise(2.0)
    skin.tint("#d08a40", 0.55 * smooth_step(0.55, 1.2, blush))
    _lenticels(skin, "#7a6a30", 0.7)
    _basins(skin, "#8a6a3a")
    return skin


def avocado(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#2c3a1a"), (0.6, "#33431f"), (1, "#4c5a26"), gloss=0.3)
    pebbles = chart.noise(13.0) + 0.6 * chart.noise(24.0)
    skin.raise_by(0.018 * pebbles)
    skin.tint("#66752f", 0.55 * smooth_step(0.3, 1.1, pebbles))
    skin.tint("#1b2012", 0.6 * smooth_step(0.1, 0.9, chart.noise(2.2)))
    return skin


def banana(chart: Chart) -> Skin:
    skin = Skin.plain(
        chart, (0, "#2c2414"), (0.035, "#3a2f18"), (0.07, "#a8a02c"), (0.14, "#e2bc2c"),
        (0.8, "#e8c430"), (0.88, "#b4b43a"), (0.94, "#8c9a3c"), (0.985, "#6e6a34"), (1, "#3c301c"),
        gloss=0.2,
    )  # fmt: skip
    ridge = np.abs(np.cos(2.5 * chart.u + 0.2 * chart.noise(1.0)))
    skin.raise_by(0.035 * (1 - ridge) ** 2)
    skin.tint("#a8862a", 0.55 * smooth_step(0.86, 1.0, 1 - ridge))
    skin.tint("#c8a02a", 0.5 * smooth_step(0.0, 0.8, chart.noise(5.0, 5.0)))
    middle = smooth_step(0.1, 0.2, chart.v) * (1 - smooth_step(0.82, 0.9, chart.v))
    skin.tint("#4a3014", 0.85 * middle * smooth_step(0.66, 0.78, chart.noise(12.0, 2.0)))
    return skin


def cherry(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#5e0a16"), (0.5, "#7c0c1c"), (1, "#4a0812"), gloss=1.0)
    skin.tint("#a81a26", 0.8 * smooth_step(-0.2, 0.9, chart.noise(1.3)))
    skin.tint("#4a0812", 0.4 * smooth_step(0.985, 1.0, chart.facing(chart.rng.uniform(0, 6.28))))
    skin.shade(1 - 0.4 * (1 - smooth_step(0.0, 0.12, 1 - chart.v)))
    return skin


def grape(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#2e2450"), (1, "#2e2450"), gloss=0.45)
    per_ball = chart.rng.uniform(0, 1, (chart.v.shape[0], 1))
    skin.tint("#552048", 0.8 * per_ball + 0 * chart.u)
    skin.tint("#8f8cb4", 0.28 + 0.25 * chart.noise(4.0))
    return skin


def _peel(skin: Skin, depth: float) -> None:
    """The pores of a citrus fruit."""
    pores = skin.chart.noise(19.0) + 0.7 * skin.chart.noise(31.0)
    skin.raise_by(depth * pores)
    skin.shade(1 + 0.10 * pores)


def lemon(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#b8a83a"), (0.1, "#e6c62c"), (0.9, "#e8c82e"), (1, "#9aa23a"),
                      gloss=0.4)  # fmt: skip
    skin.tint("#d8a818", 0.5 * smooth_step(-0.1, 0.9, chart.noise(2.0)))
    _peel(skin, 0.005)
    skin.tint("#6a5a2a", 1 - smooth_step(0.0, 0.03, chart.v))
    skin.tint("#5a6a2a", 1 - smooth_step(0.0, 0.035, 1 - chart.v))
    return skin


def orange(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#e0841a"), (0.5, "#ea7c10"), (1, "#d8801c"), gloss=0.4)
    skin.tint("#f09a24", 0.6 * smooth_step(-0.2, 0.9, chart.noise(1.8)))
    _peel(skin, 0.006)
    star = 0.016 + 0.008 * np.cos(5 * chart.u)
    skin.shade(1 - 0.25 * (1 - smooth_step(0.0, 0.08, 1 - chart.v)))
    skin.tint("#4f6a2c", 1 - smooth_step(0.75, 1.25, (1 - chart.v) / (star + 0.018)))
    skin.tint("#8a5a20", 1 - smooth_step(0.0, 0.02, chart.v))
    return skin


def pear(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#a8983c"), (0.3, "#b4ae42"), (0.8, "#a6ac40"), (1, "#7e7a30"),
                      gloss=0.25)  # fmt: skip
    skin.tint("#c88a3c", 0.6 * smooth_step(0.3, 1.2, chart.facing(chart.rng.uniform(0, 6.28))
                                           + 0.4 * chart.noise(2.0)))  # fmt: skip
    skin.tint("#8a7030", 0.5 * smooth_step(0.25, 0.8, chart.noise(5.0)))
    _lenticels(skin, "#6a5a24", 0.8)
    skin.tint("#7a5a2c", 0.8 * (1 - smooth_step(0.0, 0.1, 1 - chart.v + 0.03 * chart.noise(6.0))))
    skin.tint("#33261a", 1 - smooth_step(0.01, 0.05, chart.v))
    return skin


def pineapple(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#a8742a"), (0.5, "#b8802c"), (1, "#8a7432"), gloss=0.2)
    du, dv = chart.lattice(0.175)
    eye = np.maximum(np.abs(du) + np.abs(dv) * 0.7, np.hypot(du, dv) * 0.9)
    skin.raise_by(0.05 * (1 - smooth_step(0.1, 0.55, eye)))
    skin.tint("#4a3a18", smooth_step(0.36, 0.5, eye))
    skin.tint("#6a6a2c", 0.6 * smooth_step(0.2, 0.9, chart.noise(2.5)))
    skin.tint("#d8a84a", 0.6 * (1 - smooth_step(0.08, 0.3, eye)))
    skin.tint("#5a3414", 0.9 * (1 - smooth_step(0.03, 0.13, np.hypot(du, dv + 0.12))))
    return skin


def strawberry(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#a80c12"), (0.5, "#c01418"), (0.85, "#c8242a"), (1, "#dc8a70"),
                      gloss=0.75)  # fmt: skip
    skin.tint("#8e0810", 0.6 * smooth_step(0.0, 0.9, chart.noise(2.0)))
    du, dv = chart.lattice(0.165)
    pit = np.hypot(du, dv)
    skin.raise_by(-0.03 * (1 - smooth_step(0.12, 0.42, pit)))
    skin.shade(0.72 + 0.28 * smooth_step(0.12, 0.34, pit))
    skin.tint("#e6b850", 1 - smooth_step(0.10, 0.17, np.hypot(du * 1.5, dv)))
    return skin


def tomato(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#c42014"), (0.6, "#cc1e10"), (0.9, "#c83416"), (1, "#a86a24"),
                      gloss=0.9)  # fmt: skip
    skin.tint("#d8481c", 0.5 * smooth_step(-0.1, 0.9, chart.noise(1.5)))
    skin.raise_by(0.03 * np.cos(6 * chart.u + chart.noise(1.0)) * smooth_step(0.5, 0.95, chart.v))
    return skin


def watermelon(chart: Chart) -> Skin:
    skin = Skin.plain(chart, (0, "#9aa860"), (0.1, "#7c9a52"), (0.9, "#7c9a52"), (1, "#8a9a54"),
                      gloss=0.4)  # fmt: skip
    wobble = 0.9 * chart.noise(3.2) + 0.5 * chart.noise(8.0)
    stripe = np.cos(9 * chart.u + wobble)
    skin.tint("#16351c", 0.95 * smooth_step(-0.25, 0.3, stripe + 0.5 * chart.noise(11.0)))
    skin.tint("#3c6434", 0.5 * smooth_step(0.2, 0.8, chart.noise(13.0, 0.7)))
    skin.tint("#b8a870", 1 - smooth_step(0.0, 0.03, chart.v))
    skin.tint("#6a6a34", 1 - smooth_step(0.0, 0.03, 1 - chart.v))
    return skin
