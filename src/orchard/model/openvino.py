"""bfloat16 on the CPU, by OpenVINO: about twice as fast as float32 where the CPU has it.

Weights and activations keep float32's range and 8 bits of its 24; sums stay in float32. ONNX
Runtime has no such kernels for x86-64 (1.31). OpenVINO is an extra of the package.
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
Graph = Callable[[NDArray[Any]], NDArray[np.float32]]


def imported() -> Any:
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
            "--precision bfloat16 needs OpenVINO: pip install 'orchard-images[bfloat16]'"
        ) from None
    finally:
        if before is None:
            del sys.modules[_TELEMETRY]
        else:
            sys.modules[_TELEMETRY] = before
    return openvino


def open_bfloat16(onnx: bytes, shape: tuple[int, ...], threads: int) -> Graph:
    """The graph for inputs of `shape`, in `threads` threads; may be called by several at once.

    Raises ConfigError where OpenVINO is not installed or the CPU has no bfloat16 (AVX-512 BF16 or
    AMX, or Armv8.6), WeightsError where OpenVINO cannot run the graph.
    """
    openvino = imported()
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError(
            f"--precision bfloat16: {core.get_property('CPU', 'FULL_DEVICE_NAME')} has no "
            "bfloat16 instructions and would compute in float32; use --precision float32"
        )
    try:
        graph = core.read_model(onnx)
        graph.reshape(list(shape))
        compiled = core.compile_model(
            graph,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",
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

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        of_thread.request.infer([batch])
        return np.array(of_thread.request.get_output_tensor(0).data, np.float32)

    return run
