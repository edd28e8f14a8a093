"""Batches of pixels → features, on the CPU: by ONNX Runtime or, where asked for, OpenVINO."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.errors import WeightsError, one_line
from orchard.model.onnx_model import InputSpec, Model
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
        self._per_call = model.input.batch or max(1, PIXELS_PER_CALL // model.size**2)
        if model.precision in ("float32", "int8"):
            self._graph = _onnx_runtime(model, threads)
            self._batch = model.input.batch
        else:
            self._graph = open_graph(model.onnx, self._input_shape, threads, model.precision)
            self._batch = self._per_call

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) RGB uint8 → (n, dim) float32. n may be 0.

        Raises ValueError where shape or dtype are others.
        """
        size = self.model.size
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (size, size, 3):
            raise ValueError(
                f"batch of {batch.dtype} {batch.shape}: expected uint8 (n, {size}, {size}, 3); "
                "decode and resize the images first"
            )
        features = np.empty((len(batch), self.model.dim), np.float32)
        for start in range(0, len(batch), self._per_call):
            part = batch[start : start + self._per_call]
            features[start : start + len(part)] = self._run(part)
        return features

    def mean(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, views, size, size, 3) → (n, dim): of each image the mean over its views."""
        n, n_views = views.shape[:2]
        features = self(np.ascontiguousarray(views).reshape(n * n_views, *views.shape[2:]))
        found: NDArray[np.float32] = features.reshape(n, n_views, -1).mean(axis=1)
        return found

    def _run(self, part: NDArray[np.uint8]) -> NDArray[np.float32]:
        missing = (self._batch or len(part)) - len(part)
        if missing:
            part = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)])
        output = self._graph(to_input(part, self.model.input))
        return output.reshape(len(part), -1)[: len(part) - missing]

    @property
    def _input_shape(self) -> tuple[int, ...]:
        size = self.model.size
        image = (size, size, 3) if self.model.input.layout == "NHWC" else (3, size, size)
        return (self._per_call, *image)


def _onnx_runtime(model: Model, threads: int) -> Graph:
    session = open_session(model.onnx, threads)
    name = session.get_inputs()[0].name

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        output: NDArray[np.float32]
        (output,) = session.run(None, {name: batch})
        return output

    return run


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
