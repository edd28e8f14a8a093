"""The ranges of a network's activations, taken from images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from orchard.errors import ConfigError
from orchard.model.embedder import input_names, inputs, open_session, squares
from orchard.model.layers import observed
from orchard.model.onnx_model import Model
from orchard.model.ranges import Ranges

TAIL = 0.02
_DIGITS = 4  # a range is no more exact than this, and a shorter text


def calibrate(model: Model, images: Iterable[NDArray[np.uint8]], taken: str) -> Ranges:
    """Run the float32 network on images of (size, size, 3) and watch what it computes.

    A range covers the least and the largest values of all but TAIL of the images on either side:
    one odd image must not coarsen all others, and what lies outside is cut off. Raises ConfigError
    where there is no image, or the network has nothing to quantise.
    """
    graph = onnx.load_from_string(model.onnx)
    names, sources = observed(graph)
    given = {output.name for output in graph.graph.output}
    graph.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in given
    )
    session = open_session(graph.SerializeToString(), threads=1)
    ends: list[list[tuple[float, float]]] = []
    sums = {name: np.zeros(()) for name in sources}
    for image in images:
        batch = np.repeat(image[None], model.input.batch or 1, axis=0)
        taken_in = inputs(squares(batch, model), model)
        values = session.run(names, dict(zip(input_names(session, model), taken_in, strict=True)))
        found = dict(zip(names, values, strict=True))
        ends.append([(float(value.min()), float(value.max())) for value in values])
        for name in sources:
            sums[name] = sums[name] + _by_channel(found[name])
    if not ends:
        raise ConfigError(
            "--precision int8: no image could be read to take the ranges of the network from; "
            "look at SOURCE, or use --precision float32"
        )
    lows, highs = np.array(ends).transpose(2, 0, 1)
    low = np.minimum(0.0, np.quantile(lows, TAIL, axis=0))
    high = np.maximum(0.0, np.quantile(highs, 1 - TAIL, axis=0))
    tensors = {name: (_short(low[i]), _short(high[i])) for i, name in enumerate(names)}
    means = {name: _thousandths(sums[name] / len(ends), tensors[name]) for name in sources}
    return Ranges(tensors, means, taken)


def _by_channel(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(channels,) means of (n, channels, …)."""
    axes = tuple(axis for axis in range(values.ndim) if axis != 1)
    found: NDArray[np.float64] = values.mean(axis=axes, dtype=np.float64)
    return found


def _thousandths(means: NDArray[np.float64], ends: tuple[float, float]) -> tuple[int, ...]:
    width = (ends[1] - ends[0]) or 1.0
    return tuple(np.rint(1000 * means / width).astype(int).tolist())


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
