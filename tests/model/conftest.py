from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from orchard.model.untrained import untrained_weights

Weights = Mapping[str, NDArray[np.float32]]
WriteKeras = Callable[..., Path]


@pytest.fixture(scope="session")
def weights() -> Weights:
    """Seeded, with batch normalisation that does something: each statistic differs by channel."""
    rng = np.random.default_rng(20180113)
    draws = {
        "gamma": lambda n: rng.uniform(0.5, 1.5, n),
        "beta": lambda n: rng.normal(0.2, 0.3, n),
        "moving_mean": lambda n: rng.normal(0, 0.3, n),
        "moving_variance": lambda n: rng.uniform(0.3, 2, n),
    }
    return {
        name: value
        if name.endswith("kernel")
        else draws[name.rsplit("/", 1)[1]](len(value)).astype(np.float32)
        for name, value in untrained_weights().items()
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
