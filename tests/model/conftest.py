from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from orchard.model.mobilenet_v2 import ConvBN, architecture

Weights = Mapping[str, NDArray[np.float32]]
WriteKeras = Callable[..., Path]


@pytest.fixture(scope="session")
def weights() -> Weights:
    """Seeded, with batch normalisation that does something: each statistic differs by channel.

    Kernels of He et al. 2015; those of 1×1 are centred over their input channels, whose means would
    otherwise grow from layer to layer.
    """
    rng = np.random.default_rng(20180113)
    draws = {
        "gamma": lambda n: rng.uniform(0.5, 1.5, n),
        "beta": lambda n: rng.normal(0.2, 0.3, n),
        "moving_mean": lambda n: rng.normal(0, 0.3, n),
        "moving_variance": lambda n: rng.uniform(0.3, 2, n),
    }

    def drawn(conv: ConvBN, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        if not name.endswith("kernel"):
            return draws[name.rsplit("/", 1)[1]](shape)
        fan_in = 9 if conv.depthwise else np.prod(shape[:3])
        kernel = rng.normal(0, np.sqrt((1 if conv.linear else 2) / fan_in), shape)
        return kernel - kernel.mean(axis=2, keepdims=True) if shape[0] == 1 else kernel

    return {
        name: drawn(conv, name, shape).astype(np.float32)
        for block in architecture()
        for conv in block.convs
        for name, shape in conv.shapes.items()
    }


@pytest.fixture(scope="session")
def write_keras() -> WriteKeras:
    """Write weights as Keras does; its official files have the suffix ":0"."""

    def write(path: Path, weights: Weights, *, suffix: str = "", depthwise: str = "kernel") -> Path:
        layers: dict[str, list[str]] = {"input_1": []}
        for name in weights:
            layers.setdefault(name.split("/")[0], []).append(name)
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [layer.encode() for layer in layers]
            for layer, names in layers.items():
                group = file.create_group(layer)
                stored = [
                    name.replace("kernel", depthwise if "depthwise" in layer else "kernel") + suffix
                    for name in names
                ]
                group.attrs["weight_names"] = [name.encode() for name in stored]
                for name, place in zip(names, stored, strict=True):
                    group.create_dataset(place, data=weights[name])
        return path

    return write
