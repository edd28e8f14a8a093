"""The species: outline, paint and foliage of each, in units of half the image's width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchard.samples.rendered import paint
from orchard.samples.rendered.bent import Bent
from orchard.samples.rendered.cluster import Cluster
from orchard.samples.rendered.foliage import Ribbon, leaf, stem
from orchard.samples.rendered.revolution import Profile
from orchard.samples.rendered.skin import Chart, Skin

Shape = Profile | Bent | Cluster
Knots = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Species:
    """outline: knots of (rho, z) of a Profile, or of (z, radius, offset) of a Bent; empty for a
    Cluster, whose balls `arrange` places. paint: the skin of one individual. grow: its foliage.
    elevation: of the camera above the turntable, in degrees. pivot: z where the foliage sits."""

    name: str
    paint: Callable[[Chart], Skin]
    outline: Knots = ()
    arrange: Callable[[np.random.Generator], Cluster] | None = None
    grow: Callable[[np.random.Generator], tuple[Ribbon, ...]] = lambda rng: ()
    bent: bool = False
    elevation: float = 18.0
    pivot: float = 0.0


def _apple_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    bend, longitude = rng.uniform(0.04, 0.16), rng.uniform(0, 2 * np.pi)
    return (stem(0.52, 0.94, 0.026, bend=bend, longitude=longitude),)


def _avocado_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    return (stem(0.84, 0.95, 0.05, bend=0.0, colour="#5a4a28"),)


def _cherry_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    bend, longitude = rng.uniform(0.25, 0.45), rng.uniform(0, 2 * np.pi)
    return (stem(0.18, 0.84, 0.022, bend=bend, longitude=longitude,
                 colour="#74762f", knob=1.9),)  # fmt: skip


def _grape_bunch(rng: np.random.Generator) -> Cluster:
    """Rings of balls on an inverted cone, and a few in its heart."""
    centres = []
    for z, rho, n in ((0.52, 0.40, 8), (0.3, 0.46, 9), (0.08, 0.40, 8), (-0.14, 0.33, 6),
                      (-0.36, 0.24, 5), (-0.56, 0.13, 3), (-0.7, 0.0, 1), (0.64, 0.15, 3),
                      (0.2, 0.18, 3), (-0.2, 0.1, 2)):  # fmt: skip
        around = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(n) / n
        ring = np.stack([rho * np.sin(around), rho * np.cos(around), np.full(n, z)], axis=-1)
        centres.append(ring + rng.uniform(-0.035, 0.035, (n, 3)))
    placed = np.concatenate(centres) * np.array([1.12, 1.12, 1.0]) - np.array([0, 0, 0.02])
    return Cluster(placed, rng.uniform(0.155, 0.185, len(placed)))


def _grape_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    return (stem(0.35, 0.96, 0.03, bend=rng.uniform(0.02, 0.1), longitude=rng.uniform(0, 6.28),
                 colour="#7a7a3c"),)  # fmt: skip


def _pear_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    return (stem(0.66, 0.96, 0.028, bend=rng.uniform(0.08, 0.2), longitude=rng.uniform(0, 6.28)),)


def _crown(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    leaves = []
    rings = ((8, 0.42, 0.56), (8, 0.3, 0.78), (6, 0.17, 0.92), (4, 0.06, 0.96))
    for ring, (n, reach, top) in enumerate(rings):
        for k in range(n):
            around = 2 * np.pi * (k + 0.5 * (ring % 2)) / n + rng.uniform(-0.15, 0.15)
            r, h = reach * rng.uniform(0.85, 1.1), top * rng.uniform(0.94, 1.02)
            shade = "#557246" if k % 2 else "#668656"
            leaves.append(leaf(around, (0.06, 0.30), (r * 0.45, 0.5), (r, h), 0.062, shade))
    return tuple(leaves)


def _strawberry_calyx(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    n = 9
    sepals = [
        leaf(2 * np.pi * k / n + rng.uniform(-0.2, 0.2), (0.03, 0.62), (0.4, 0.86),
             (0.62 * rng.uniform(0.85, 1.1), 0.52 * rng.uniform(0.8, 1.2)), 0.115,
             "#558530")
        for k in range(n)
    ]  # fmt: skip
    stalk = stem(0.62, 0.94, 0.028, bend=rng.uniform(0.05, 0.15), longitude=rng.uniform(0, 6.28),
                 colour="#5a8a34")  # fmt: skip
    return (*sepals, stalk)


def _tomato_calyx(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    n = 5
    sepals = [
        leaf(2 * np.pi * k / n + rng.uniform(-0.2, 0.2), (0.02, 0.5), (0.3, 0.66),
             (0.6 * rng.uniform(0.85, 1.1), 0.60 * rng.uniform(0.9, 1.1)), 0.06,
             "#4a7428")
        for k in range(n)
    ]  # fmt: skip
    stalk = stem(0.5, 0.86, 0.035, bend=rng.uniform(0.05, 0.2), longitude=rng.uniform(0, 6.28),
                 colour="#3f6a24")  # fmt: skip
    return (*sepals, stalk)


def _watermelon_stem(rng: np.random.Generator) -> tuple[Ribbon, ...]:
    return (stem(0.82, 0.93, 0.035, bend=rng.uniform(0.1, 0.2), longitude=rng.uniform(0, 6.28),
                 colour="#6a7a34"),)  # fmt: skip


_APPLE = ((0, -0.66), (0.1, -0.71), (0.34, -0.82), (0.62, -0.66), (0.82, -0.2), (0.88, 0.2),
          (0.74, 0.6), (0.45, 0.76), (0.2, 0.68), (0.07, 0.5), (0, 0.44))  # fmt: skip
_GOLDEN = ((0, -0.74), (0.1, -0.78), (0.3, -0.85), (0.52, -0.7), (0.72, -0.25), (0.8, 0.15),
           (0.72, 0.55), (0.45, 0.77), (0.2, 0.7), (0.07, 0.52), (0, 0.46))  # fmt: skip


def _ellipse(rho: float, z: float) -> Knots:
    return tuple((rho * np.sin(a), -z * np.cos(a)) for a in np.linspace(0, np.pi, 9))


TABLE: tuple[Species, ...] = (
    Species("Apple Golden", paint.apple_golden, _GOLDEN, grow=_apple_stem, elevation=20, pivot=0.5),
    Species("Apple Red", paint.apple_red, _APPLE, grow=_apple_stem, elevation=20, pivot=0.5),
    Species("Avocado", paint.avocado, ((0, -0.9), (0.3, -0.85), (0.58, -0.5), (0.6, -0.1),
            (0.42, 0.35), (0.27, 0.65), (0.16, 0.83), (0, 0.89)), grow=_avocado_stem,
            elevation=8, pivot=0.85),
    Species("Banana", paint.banana, ((-0.94, 0.04, 0.4), (-0.88, 0.075, 0.34), (-0.75, 0.17, 0.2),
            (-0.5, 0.25, 0.0), (0.0, 0.28, -0.17), (0.4, 0.25, -0.05), (0.6, 0.17, 0.1),
            (0.72, 0.085, 0.21), (0.85, 0.065, 0.33), (0.94, 0.075, 0.42)), bent=True, elevation=0),
    Species("Cherry", paint.cherry,
            ((0, -0.86), (0.25, -0.83), (0.5, -0.6), (0.62, -0.25), (0.52, 0.12),
            (0.3, 0.22), (0.1, 0.15), (0, 0.1)), grow=_cherry_stem, elevation=14, pivot=0.15),
    Species("Grape Blue", paint.grape, arrange=_grape_bunch, grow=_grape_stem,
            elevation=8, pivot=0.5),
    Species("Lemon", paint.lemon,
            ((0, -0.93), (0.09, -0.9), (0.17, -0.78), (0.42, -0.56), (0.62, -0.1),
            (0.58, 0.25), (0.36, 0.6), (0.17, 0.78), (0.11, 0.87), (0, 0.9)), elevation=6),
    Species("Orange", paint.orange,
            ((0, -0.78), (0.25, -0.77), (0.62, -0.56), (0.84, -0.1), (0.8, 0.3),
            (0.52, 0.66), (0.2, 0.75), (0.05, 0.73), (0, 0.72)), elevation=26),
    Species("Pear", paint.pear, ((0, -0.8), (0.1, -0.84), (0.3, -0.87), (0.6, -0.62), (0.66, -0.3),
            (0.5, 0.1), (0.34, 0.4), (0.25, 0.62), (0.12, 0.74), (0, 0.74)), grow=_pear_stem,
            elevation=8, pivot=0.72),
    Species("Pineapple", paint.pineapple, ((0, -0.93), (0.22, -0.92), (0.42, -0.75), (0.48, -0.35),
            (0.46, 0.05), (0.34, 0.33), (0.14, 0.4), (0, 0.4)), grow=_crown, elevation=6,
            pivot=0.3),
    Species("Strawberry", paint.strawberry, ((0, -0.9), (0.16, -0.85), (0.4, -0.45), (0.62, 0.1),
            (0.64, 0.4), (0.45, 0.62), (0.2, 0.64), (0, 0.6)), grow=_strawberry_calyx,
            elevation=14, pivot=0.5),
    Species("Tomato", paint.tomato,
            ((0, -0.68), (0.2, -0.7), (0.6, -0.6), (0.88, -0.1), (0.84, 0.25),
            (0.6, 0.54), (0.3, 0.58), (0.1, 0.5), (0, 0.46)), grow=_tomato_calyx, elevation=26,
            pivot=0.45),
    Species("Watermelon", paint.watermelon, _ellipse(0.86, 0.85), grow=_watermelon_stem,
            elevation=16, pivot=0.82),
)  # fmt: skip


def shape_of(species: Species, rng: np.random.Generator) -> tuple[Shape, float]:
    """One individual's body: the outline, a little smaller and slimmer or not; and its scale."""
    scale, slim = rng.uniform(0.93, 1.0), rng.uniform(0.95, 1.02)
    if species.arrange is not None:
        return species.arrange(rng), 1.0
    knots = np.array(species.outline) * scale
    if species.bent:
        return Bent.through(knots), scale
    return Profile.through(knots * np.array([slim, 1.0])), scale


def chart_of(shape: Shape, rng: np.random.Generator, height: int) -> Chart:
    """The grid on which that body's skin is painted."""
    place = np.linspace(0.0, 1.0, height)
    if isinstance(shape, Cluster):
        return Chart.of(np.full(height, 0.5), np.linspace(-8.0, 8.0, height), rng)
    if isinstance(shape, Bent):
        radius = np.interp(place, np.linspace(0, 1, len(shape.radius)), shape.radius)
        return Chart.of(radius, np.linspace(-shape.reach, shape.reach, height), rng)
    along = np.linspace(0, 1, len(shape.rho))
    rho, z = np.interp(place, along, shape.rho), np.interp(place, along, shape.z)
    return Chart.of(rho, z, rng)
