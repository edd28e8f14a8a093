"""Batches of pixels → features, on the CPU: by ONNX Runtime or, where asked for, OpenVINO."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.errors import WeightsError, one_line
from orchard.model.onnx_model import Branch, InputSpec, Model
from orchard.model.openvino import Graph, open_graph
from orchard.model.runtime import onnxruntime

# Two images of 224 × 224 a call: on a CPU more are no faster, and take 12 MiB an image.
PIXELS_PER_CALL = 2 * 224 * 224


class Embedder:
    """The network of `model` at its precision, in a session of `threads` threads.

    An image's features do not depend on the batch it travels in, and a session may be called from
    several threads at once. Raises WeightsError where the graph cannot be run, ConfigError where
    this machine does not have the precision.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        self.model = model
        pixels = sum(branch.size**2 for branch in model.branches)
        self._per_call = model.input.batch or max(1, PIXELS_PER_CALL // pixels)
        if model.precision in ("float32", "int8"):
            self._graph = _onnx_runtime(model, threads)
            self._batch = model.input.batch
        else:
            self._graph = open_graph(model.onnx, self._input_shapes, threads, model.precision)
            self._batch = self._per_call

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) RGB uint8 → (n, dim) float32. n may be 0.

        A network of a smaller size than another beside it is shown the pictures resized, which is
        not quite what `mean` shows it of a photo. Raises ValueError where shape or dtype are
        others.
        """
        size = self.model.size
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (size, size, 3):
            raise ValueError(
                f"batch of {batch.dtype} {batch.shape}: expected uint8 (n, {size}, {size}, 3); "
                "decode and resize the images first"
            )
        return self._features(squares(batch, self.model))

    def mean(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, views, size, size, 3) → (n, dim): of each image the mean over its views.

        views: those of `Model.shown`, as `orchard.images.decode` gives them. Raises ValueError
        where they are more or fewer.
        """
        model, n = self.model, len(views)
        if views.shape[1] != len(model.shown):
            raise ValueError(f"{views.shape[1]} views: expected {', '.join(model.shown)}")
        seen = []
        for branch in model.branches:
            at = [model.shown.index(name) for name in model.shown_to(branch)]
            own = views[:, at, : branch.size, : branch.size]
            seen.append(np.ascontiguousarray(own).reshape(-1, branch.size, branch.size, 3))
        found: NDArray[np.float32] = self._features(seen).reshape(n, len(model.views), -1)
        return found.mean(axis=1)

    def _features(self, seen: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """seen: of each network its (n, side, side, 3)."""
        features = np.empty((len(seen[0]), self.model.dim), np.float32)
        for start in range(0, len(features), self._per_call):
            batch = [own[start : start + self._per_call] for own in seen]
            features[start : start + len(batch[0])] = self._run(batch)
        return features

    def _run(self, seen: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        n = len(seen[0])
        missing = (self._batch or n) - n
        if missing:
            seen = [np.concatenate([own, np.zeros((missing, *own.shape[1:]), np.uint8)])
                    for own in seen]  # fmt: skip
        return self._graph(inputs(seen, self.model)).reshape(n + missing, -1)[:n]

    @property
    def _input_shapes(self) -> list[tuple[int, ...]]:
        def shape(branch: Branch) -> tuple[int, ...]:
            sides = (branch.size, branch.size)
            return (*sides, 3) if branch.input.layout == "NHWC" else (3, *sides)

        return [(self._per_call, *shape(branch)) for branch in self.model.branches]


def _onnx_runtime(model: Model, threads: int) -> Graph:
    session = open_session(model.onnx, threads)
    names = input_names(session, model)

    def run(batches: list[NDArray[Any]]) -> NDArray[np.float32]:
        output: NDArray[np.float32]
        (output,) = session.run(None, dict(zip(names, batches, strict=True)))
        return output

    return run


def input_names(session: onnxruntime.InferenceSession, model: Model) -> list[str]:
    """The graph's inputs, in the order of the networks in it."""
    return [branch.tensor or session.get_inputs()[0].name for branch in model.branches]


def squares(batch: NDArray[np.uint8], model: Model) -> list[NDArray[np.uint8]]:
    """Pictures of the model's size, (n, size, size, 3), at that of each of its networks."""
    return [_resized(batch, branch.size) for branch in model.branches]


def inputs(seen: list[NDArray[np.uint8]], model: Model) -> list[NDArray[Any]]:
    """What the graph takes of each network's pixels."""
    return [to_input(own, branch.input) for own, branch in zip(seen, model.branches, strict=True)]


def _resized(batch: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if batch.shape[1] == side:
        return batch
    from PIL import Image

    found = np.empty((len(batch), side, side, 3), np.uint8)
    for to, picture in zip(found, batch, strict=True):
        resized = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        to[:] = np.asarray(resized)
    return found


def embedder_for(
    key: str, load: Callable[[], Model], *, threads: int = 1
) -> tuple[Embedder, float]:
    """This process' one embedder under `key`, and the seconds spent on loading it now.

    The first call loads and opens; later ones return what is there, and 0.0. Where `load` raises,
    nothing is kept.
    """
    with _lock:
        found = _embedders.get((key, threads))
        if found is not None:
            return found, 0.0
        started = time.perf_counter()
        embedder = _embedders[key, threads] = Embedder(load(), threads=threads)
        return embedder, time.perf_counter() - started


def open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A quiet session on the CPU; settings of ONNX Runtime for the whole process stay as they are.

    Raises WeightsError.
    """
    if threads < 1:
        raise ValueError(f"threads={threads}: expected at least 1")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERROR
    # Without the arena every call returns its pages to the kernel and faults them in again: a
    # third slower, for 25 MiB less.
    options.enable_cpu_mem_arena = True
    # Idle threads would spin on cores that other task slots need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
        raise WeightsError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run this network: {one_line(error)}"
        ) from None


def to_input(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[Any]:
    """(n, height, width, 3) uint8 → what the graph takes: its dtype, normalisation and layout."""
    values: NDArray[Any] = pixels
    if spec.dtype == "float32":
        values = pixels * np.array(spec.scale, np.float32) + np.array(spec.offset, np.float32)
    if spec.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values)


_ERROR = 3
_lock = threading.Lock()
_embedders: dict[tuple[str, int], Embedder] = {}
