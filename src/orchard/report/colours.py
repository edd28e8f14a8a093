"""Colours that tell many labels apart: a hue for each first word, lighter and darker within it."""

from __future__ import annotations

import re
from collections import defaultdict
from math import cos, pi, sin

_GOLDEN = 137.508  # degrees: consecutive hues fall far apart, however many there are
# OKLCH lightness and chroma on a light and on a dark ground
_LIGHT = ((0.60, 0.17), (0.50, 0.14), (0.70, 0.16))
_DARK = ((0.76, 0.15), (0.66, 0.16), (0.85, 0.11))
_GREY = ("#7b8480", "#98a19c")


def palette(labels: tuple[str, ...], unlabelled: frozenset[str]) -> list[tuple[str, str]]:
    """(on light, on dark) as "#rrggbb" for each label, in order; `unlabelled` ones are grey.

    Labels of one first word ("Apple Golden", "Apple Red") share a hue where that leaves at least
    three hues.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        if label not in unlabelled:
            families[re.split(r"[\s_\-]", label.strip().casefold(), maxsplit=1)[0]].append(label)
    if len(families) < 3:
        families = defaultdict(list, {label: [label] for label in labels})
    shades: dict[str, tuple[str, str]] = {}
    for number, members in enumerate(families.values()):
        for step, label in enumerate(members):
            hue = (25 + number * _GOLDEN + (step // 3) * 9 % 27) % 360
            light, dark = (kind[step % 3] for kind in (_LIGHT, _DARK))
            shades[label] = (_hex(*light, hue), _hex(*dark, hue))
    return [_GREY if label in unlabelled else shades[label] for label in labels]


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """OKLCH to sRGB (Ottosson 2020), chroma reduced until the colour exists."""
    while True:
        rgb = _linear(lightness, chroma, hue)
        if all(-1e-3 <= value <= 1.001 for value in rgb) or chroma < 0.01:
            return "#" + "".join(f"{round(255 * _gamma(min(max(v, 0), 1))):02x}" for v in rgb)
        chroma *= 0.95


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * cos(hue * pi / 180), chroma * sin(hue * pi / 180)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
