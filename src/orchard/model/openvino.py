"""OpenVINO on the CPU: bfloat16, and int8 graphs. It is an extra of the package.

bfloat16: weights and activations keep float32's range and 8 bits of its 24; sums stay in float32.
ONNX Runtime has no such kernels for x86-64 (1.31).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.errors import ConfigError, WeightsError

_TELEMETRY = "openvino_telemetry"
Graph = Callable[[list[NDArray[Any]]], NDArray[np.float32]]  # an array for each input


def imported(precision: str = "bfloat16") -> Any:
    """OpenVINO, without its telemetry: else its import asks a host of Google's and writes an
    identifier below HOME. Where the caller has imported it before, that is theirs.

    Raises ConfigError where it is not installed.
    """
    absent: Any = None  # what Python takes for a module that is not installed
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = absent
    try:
        import openvino
    except ImportError:
        raise ConfigError(
            f"--precision {precision} needs OpenVINO: pip install 'orchard-images[bfloat16]'"
        ) from None
    finally:
        if before is None:
            del sys.modules[_TELEMETRY]
        else:
            sys.modules[_TELEMETRY] = before
    return openvino


def open_graph(onnx: bytes, shapes: list[tuple[int, ...]], threads: int, precision: str) -> Graph:
    """The graph for inputs of `shapes`, in `threads` threads; may be called by several at once.

    precision: "bfloat16", or "int8-openvino" for a graph that is int8. Raises ConfigError where
    OpenVINO is not installed or the CPU has no bfloat16 (AVX-512 BF16 or AMX, or Armv8.6) and is
    to compute in it, WeightsError where OpenVINO cannot run the graph.
    """
    openvino = imported(precision)
    core = openvino.Core()
    is_bfloat16 = precision == "bfloat16"
    if is_bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError(
            f"--precision bfloat16: {core.get_property('CPU', 'FULL_DEVICE_NAME')} has no "
            "bfloat16 instructions and would compute in float32; use --precision float32"
        )
    try:
        graph = core.read_model(onnx)
        graph.reshape({number: list(shape) for number, shape in enumerate(shapes)})
        compiled = core.compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if is_bfloat16 else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # every worker process would take the first core
            },
        )
    except RuntimeError as error:
        raise WeightsError(
            f"OpenVINO {openvino.__version__} cannot run this network: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None
    of_thread = threading.local()

    def run(batches: list[NDArray[Any]]) -> NDArray[np.float32]:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        of_thread.request.infer(batches)
        return np.array(of_thread.request.get_output_tensor(0).data, np.float32)

    return run
