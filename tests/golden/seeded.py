"""Weights from a seed and pictures from the renderer: what Keras and Orchard are both given."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchard.samples.turntable import SPECIES, render

SEED = 20180113
GOLDEN = Path(__file__).parent / "keras_seeded.npz"
SIZES = (96, 75)  # Keras pads an even and an odd side differently
N_PICTURES = 5


def values(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A layer's weight by Keras' name of it, such as `bn_Conv1/gamma`; equal on every machine.

    Kernels as He et al. 2015; those of 1×1 are centred over their input channels, whose means would
    otherwise grow from layer to layer. Each statistic of a batch normalisation differs by channel.
    """
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    role = name.rpartition("/")[2]
    if role == "gamma":
        drawn = rng.uniform(0.5, 1.5, shape)
    elif role == "beta":
        drawn = rng.normal(0.2, 0.3, shape)
    elif role == "moving_mean":
        drawn = rng.normal(0, 0.3, shape)
    elif role == "moving_variance":
        drawn = rng.uniform(0.3, 2, shape)
    else:
        drawn = rng.normal(0, np.sqrt(2 / _fan_in(name, shape)), shape)
        if shape[0] == 1:
            drawn -= drawn.mean(axis=2, keepdims=True)
    return drawn.astype(np.float32)


def pictures(size: int) -> NDArray[np.uint8]:
    """(N_PICTURES, size, size, 3) of RGB: five species, each turned another way."""
    species = SPECIES[:: len(SPECIES) // N_PICTURES][:N_PICTURES]
    return np.stack([render(name, 50.0 * i, size=size) for i, name in enumerate(species)])


def _fan_in(name: str, shape: tuple[int, ...]) -> int:
    return 9 if "depthwise" in name else int(np.prod(shape[:3]))
