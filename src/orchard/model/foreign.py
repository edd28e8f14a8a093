"""Any ONNX file with one image in and one vector out, as a Model.

It is read, checked and run for the first time in a process apart, which `LIMITS` bound. What that
process has run once opens here in the same time and memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper

from orchard.errors import ConfigError, WeightsError, one_line
from orchard.model import apart
from orchard.model.embedder import open_session, to_input
from orchard.model.onnx_model import MAX_BYTES, InputSpec, Layout, Model
from orchard.model.outputs import sha256_of_output, take_output
from orchard.model.preprocessing import Settings, normalisation, settings_for

DEFAULT_SIZE = 224
ASSUMED = (1 / 127.5,), (-1.0,), "x / 127.5 - 1"
MAX_PIXELS = 1 << 24  # of a call: 256 images of 256 × 256, or two of 2896 × 2896
MAX_DIM = 1 << 15  # the PCA's scatter matrix has its square, 8 GiB
# A network of a gigabyte takes 4 s and four times its size.
LIMITS = apart.Limits(seconds=300, cpu_seconds=120, memory=2 * apart.GIB)
MEMORY_PER_BYTE = 6


def load_onnx(path: Path, size: int | None = None) -> Model:
    """The network in `path`, tried once on black images. size: where its graph leaves it free.

    Raises WeightsError where the file is not valid ONNX, its input not one image of three colours
    in float32 or uint8, its output not one finite float32 vector for each image, or where trying it
    takes more than `LIMITS`; ConfigError where the graph fixes another size.
    """
    try:
        size_of_file = min(path.stat().st_size, MAX_BYTES)
        limits = replace(LIMITS, memory=LIMITS.memory + MEMORY_PER_BYTE * size_of_file)
        asked = json.dumps([str(path.absolute()), size])
        return Model.from_onnx(apart.ask(__name__, asked, b"", limits))
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from None
    except (WeightsError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from None


def answer(asked: str, _: bytes) -> bytes:
    """`describe` for the process apart: `asked` is JSON of the path and the size."""
    path, size = json.loads(asked)
    return describe(Path(path), size).onnx


def describe(path: Path, size: int | None) -> Model:
    """What `load_onnx` returns, done in this process. Raises as it does, without naming `path`."""
    graph, sha256 = _read(path)
    settings = settings_for(path, {e.key: e.value for e in graph.metadata_props})
    if output := settings.get("output"):
        take_output(graph, output)
        sha256 = sha256_of_output(sha256, output)
    spec, side = _input(graph, settings, size)
    return Model.describe(
        graph,
        name=settings.get("name", path.stem),
        weights_sha256=sha256,
        size=side,
        dim=_probe(graph, spec, side),
        input=spec,
        notice=_notice(settings, spec, path),
    )


def _read(path: Path) -> tuple[onnx.ModelProto, str]:
    """The graph with all its tensors inside, and the sha256 over its files."""
    try:
        content = _read_capped(path)
        sha = hashlib.sha256(content)
        graph = onnx.load_from_string(content)
        for file in _inline(graph, path.parent):
            sha.update(_read_capped(file))
        onnx.checker.check_model(graph)
    except (WeightsError, MemoryError):
        raise
    except OSError as error:
        raise WeightsError(
            f"cannot read {error.filename or 'its tensors'}: {error.strerror or error}"
        ) from None
    except Exception as error:  # protobuf's and the checker's errors have no common base
        raise WeightsError(f"not a valid ONNX file: {one_line(error)}") from None
    return graph, sha.hexdigest()


def _read_capped(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(min(file.stat().st_size, MAX_BYTES) + 1)
    if len(content) > MAX_BYTES:
        raise WeightsError(f"{file.name}: expected at most {MAX_BYTES:,} bytes")
    return content


def _inline(graph: onnx.ModelProto, folder: Path) -> list[Path]:
    """Load the tensors kept in other files; returns those files, sorted.

    A graph may name any path of the machine: only files in its own folder are read.
    """
    outside = [t for t in _tensors(graph) if t.data_location == TensorProto.EXTERNAL]
    files = sorted({_file_of(tensor, folder) for tensor in outside})
    n_bytes = sum(file.stat().st_size for file in files)
    if n_bytes > MAX_BYTES:
        raise WeightsError(f"{n_bytes:,} bytes of tensors, expected at most {MAX_BYTES:,}")
    apart.allow_more(MEMORY_PER_BYTE * n_bytes)
    for tensor in outside:
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    return files


def _file_of(tensor: onnx.TensorProto, folder: Path) -> Path:
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    file = (folder / location).resolve()
    if not location or Path(location).is_absolute() or folder.resolve() not in file.parents:
        raise WeightsError(
            f"tensor {tensor.name!r} is stored in {location!r}, expected a file in the "
            "folder of the network or below"
        )
    return file


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Every tensor of a graph: initializers, attributes, subgraphs, functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in [value] if hasattr(value, "ListFields") else value:
            if isinstance(child, TensorProto):
                yield child
            else:
                yield from _tensors(child)


def _input(graph: onnx.ModelProto, settings: Settings, size: int | None) -> tuple[InputSpec, int]:
    """What the graph takes, and its side in pixels."""
    initialised = {tensor.name for tensor in graph.graph.initializer}
    inputs = [i for i in graph.graph.input if i.name not in initialised]
    if len(inputs) != 1 or len(graph.graph.output) != 1:
        raise WeightsError(
            f"{len(inputs)} inputs and {len(graph.graph.output)} outputs, expected one image in "
            'and one vector out; state which of several outputs as "output" in the file\'s .json'
        )
    tensor = inputs[0].type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    layout = _layout(dims, settings)
    side = _side(dims[1:3] if layout == "NHWC" else dims[2:4], settings, size)
    stated = normalisation(settings)
    if tensor.elem_type == TensorProto.FLOAT:
        scale, offset, words = stated or ASSUMED
        return InputSpec(layout, "float32", words, scale, offset, dims[0]), side
    if tensor.elem_type != TensorProto.UINT8 or stated:
        raise WeightsError(
            f"input of {TensorProto.DataType.Name(tensor.elem_type)}"
            f"{' with a normalisation stated' if stated else ''}, expected float32, or uint8 with "
            "the normalisation in the graph"
        )
    return InputSpec(layout, "uint8", "in the graph", batch=dims[0]), side


def _layout(dims: list[int | None], settings: Settings) -> Layout:
    if len(dims) == 4:
        candidates: list[Layout] = []
        if dims[3] in (3, None):
            candidates.append("NHWC")
        if dims[1] in (3, None):
            candidates.append("NCHW")
        # A free dimension may be three; one that says 3 is the colours.
        sure = [c for c in candidates if dims[3 if c == "NHWC" else 1] == 3] or candidates
        sure = [c for c in candidates if c == settings["layout"]] if "layout" in settings else sure
        if len(sure) == 1:
            return sure[0]
        if candidates:
            raise WeightsError(
                f"input of {_shape(dims)} does not show which dimension holds the colours; state "
                'it as "layout" in the file\'s .json'
            )
    raise WeightsError(
        f"input of {_shape(dims)}, expected (N, size, size, 3) or (N, 3, size, size)"
    )


def _side(sides: list[int | None], settings: Settings, size: int | None) -> int:
    fixed = {side for side in sides if side is not None}
    if len(fixed) > 1:
        raise WeightsError(f"input of {sides[0]} × {sides[1]} pixels, expected a square")
    if not fixed:
        return size or int(settings.get("size", DEFAULT_SIZE))
    (side,) = fixed
    if size not in (None, side):
        raise ConfigError(f"--size {size}: this network takes only {side}; leave --size out")
    return side


def _probe(graph: onnx.ModelProto, spec: InputSpec, side: int) -> int:
    """The length of the vector that comes out, seen by running the network."""
    n = spec.batch or 2
    if n * side**2 > MAX_PIXELS:
        raise WeightsError(
            f"takes {n:,} × {side:,} × {side:,} pixels a call, expected at most {MAX_PIXELS:,}; "
            "export it with a free batch, or for smaller images"
        )
    pixels = to_input(np.zeros((n, side, side, 3), np.uint8), spec)
    try:
        session = open_session(graph.SerializeToString(), threads=1)
        (output,) = session.run(None, {session.get_inputs()[0].name: pixels})
    except WeightsError:
        raise
    except Exception as error:  # ONNX Runtime's own errors derive from Exception alone
        if any(words in str(error) for words in ("allocate memory", "bad_alloc")):
            raise MemoryError from None
        raise WeightsError(f"fails on {n} images of {side} × {side}: {one_line(error)}") from None
    return _dim(output, n)


def _dim(output: Any, n: int) -> int:
    """The length of each of its `n` vectors. Raises WeightsError where it is something else."""
    shape = tuple(getattr(output, "shape", ()))
    dim = max(shape[1:], default=0)
    if shape not in ((n, dim), (n, dim, 1, 1), (n, 1, 1, dim)) or output.dtype != np.float32:
        raise WeightsError(
            f"output of {getattr(output, 'dtype', type(output).__name__)} {shape} for {n} images, "
            f"expected one vector per image: float32 ({n}, d); cut the network after its global "
            'pooling, or name its output tensor as "output" in the file\'s .json'
        )
    if dim > MAX_DIM:
        raise WeightsError(
            f"{dim:,} features an image, expected at most {MAX_DIM:,}; cut the network after its "
            "global pooling"
        )
    if dim == 0 or not np.isfinite(output).all():
        raise WeightsError("its features of a black image are none, NaN or infinite")
    return dim


def _notice(settings: Settings, spec: InputSpec, path: Path) -> str | None:
    said = [settings["notice"]] if settings.get("notice") else []
    if spec.dtype == "float32" and normalisation(settings) is None:
        said.append(
            f"no normalisation is stated for {path.name}: {ASSUMED[2]} assumed; state it in "
            f"{path.name}.json"
        )
    return "; ".join(said) or None


def _shape(dims: list[int | None]) -> str:
    return f"({', '.join('?' if dim is None else str(dim) for dim in dims)})"
