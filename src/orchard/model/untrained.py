"""Weights of the right shapes from a fixed seed: the whole chain without a download.

Integers until one last division, so that every machine and every NumPy gives the same bits:
NumPy promises the raw stream of PCG64 for good, while `Generator.standard_normal` may change from
one version to the next (NEP 19).

Kernels follow He et al. 2015 (variance 2 / fan-in before a ReLU, 1 / fan-in where linear), with
batch normalisation the identity. Those of 1×1 are centred to a zero sum over their input channels:
after a ReLU every channel has a positive mean, and what all images have in common would grow with
each of 52 layers. (Plain He initialisation: features vary half as much from image to image.)
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from orchard.model import mobilenet_v2
from orchard.model.mobilenet_v2 import BN_EPSILON, ConvBN, Weights

SEED = 20180113  # the day MobileNetV2 was published


def untrained_weights() -> Weights:
    """All weights that `mobilenet_v2.weight_shapes` names, float32."""
    bits = np.random.PCG64(SEED)
    weights: dict[str, NDArray[np.float32]] = {}
    for block in mobilenet_v2.architecture():
        for conv in block.convs:
            weights[f"{conv.name}/kernel"] = _kernel(bits, conv)
            weights |= _identity(conv)
    return weights


def digest(weights: Weights) -> str:
    """sha256 over names and little-endian values, in the order of `weights`."""
    sha = hashlib.sha256()
    for name, value in weights.items():
        sha.update(name.encode())
        sha.update(value.astype("<f4").tobytes())
    return sha.hexdigest()


def _kernel(bits: np.random.PCG64, conv: ConvBN) -> NDArray[np.float32]:
    """Sums of four 16-bit integers: near enough to normal (Irwin–Hall), and exact."""
    raw = bits.random_raw(int(np.prod(conv.kernel))).astype("<u8").view("<u2")
    whole = raw.reshape(*conv.kernel, 4).astype(np.int64).sum(axis=-1) - 2 * 65535
    deviation = 65536 / np.sqrt(3)  # of a sum of four, each of variance 65536² / 12
    fan_in = 9 if conv.depthwise else int(np.prod(conv.kernel[:3]))
    if conv.kernel[0] == 1:
        whole = whole * fan_in - whole.sum(axis=2, keepdims=True)
        deviation = deviation * fan_in
    gain = 1 if conv.linear else 2
    kernel: NDArray[np.float32] = (whole * (np.sqrt(gain / fan_in) / deviation)).astype(np.float32)
    return kernel


def _identity(conv: ConvBN) -> dict[str, NDArray[np.float32]]:
    values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1 - BN_EPSILON}
    return {
        f"{conv.norm}/{name}": np.full(conv.channels, value, np.float32)
        for name, value in values.items()
    }
