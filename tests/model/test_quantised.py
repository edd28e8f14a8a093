"""Int8 graphs: whole numbers that are the same everywhere, and features near those of float32."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from orchard.errors import ConfigError, WeightsError
from orchard.model import Embedder, InputSpec, Model, load_model
from orchard.model.calibration import calibrate
from orchard.model.layers import observed
from orchard.model.quantised import DENSE, DEPTHWISE, quantise, weights_of
from orchard.model.ranges import KNOWN, Ranges, known_ranges
from orchard.model.runtime import onnxruntime
from orchard.samples.rendered.view import Array

RNG = np.random.default_rng(3)
SIZE = 8


def pictures(n: int, size: int) -> np.ndarray:
    """Smooth coloured pictures: enlarged noise."""
    coarse = np.random.default_rng(5).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, size // 4, axis=1), size // 4, axis=2)


def network(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Array],
    *,
    opset: int = 13,
    batch: Any = "N",
) -> onnx.ModelProto:
    """From `image` (batch, 3, SIZE, SIZE) to `out`, which ends in a mean over the picture."""
    graph = helper.make_graph(
        [*nodes, helper.make_node("GlobalAveragePool", ["last"], ["out"])],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, "c", 1, 1])],
        [
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def described(graph: onnx.ModelProto, dim: int, batch: int | None = None) -> Model:
    spec = InputSpec("NCHW", "float32", "x / 127.5 - 1", (1 / 127.5,), (-1.0,), batch)
    return Model.describe(graph, name="n", weights_sha256="0", size=SIZE, dim=dim, input=spec)


def kernel(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def cosines(a: Array, b: Array) -> Array:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


NODES = {
    "a convolution alone": [helper.make_node("Conv", ["image", "w3"], ["last"])],
    "ReLU and bias": [
        helper.make_node("Conv", ["image", "w3", "b"], ["y"]),
        helper.make_node("Relu", ["y"], ["last"]),
    ],
    "a clip at 0 and 2": [
        helper.make_node("Conv", ["image", "w3"], ["y"]),
        helper.make_node("Clip", ["y", "zero", "two"], ["last"]),
    ],
    "a clip that is no ReLU": [
        helper.make_node("Conv", ["image", "w3"], ["y"]),
        helper.make_node("Clip", ["y", "below", "two"], ["last"]),
    ],
    "a tensor that two read": [
        helper.make_node("Conv", ["image", "w3"], ["y"]),
        helper.make_node("Relu", ["y"], ["r"]),
        helper.make_node("Add", ["r", "y"], ["last"]),
    ],
    "groups": [helper.make_node("Conv", ["image", "w1"], ["last"], group=3)],
    "a residual sum with ReLU": [
        helper.make_node("Conv", ["image", "w3"], ["y"]),
        helper.make_node("Conv", ["y", "w6"], ["z"]),
        helper.make_node("Add", ["y", "z"], ["s"]),
        helper.make_node("Relu", ["s"], ["last"]),
    ],
    "float operators between": [
        helper.make_node("Conv", ["image", "w3"], ["y"]),
        helper.make_node("Sigmoid", ["y"], ["g"]),
        helper.make_node("Mul", ["y", "g"], ["m"]),
        helper.make_node("MaxPool", ["m"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Conv", ["p", "w6"], ["last"]),
    ],
}
CONSTANTS = {
    "w3": kernel(6, 3, 3, 3), "w1": kernel(6, 1, 3, 3), "w6": kernel(6, 6, 1, 1), "b": kernel(6),
    "zero": np.zeros(()), "two": np.full((), 2.0), "below": np.full((), -1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("batch", ["N", 3])
def test_features_stay_within_a_few_parts_in_a_hundred(name: str, batch: Any) -> None:
    model = described(
        network(NODES[name], CONSTANTS, batch=batch), 6, batch if batch == 3 else None
    )
    images = pictures(40, SIZE)
    made = model.in_int8(calibrate(model, images, "test"))
    onnx.checker.check_model(onnx.load_from_string(made.onnx))
    exact, found = Embedder(model)(images), Embedder(made)(images)
    assert not np.array_equal(exact, found)
    scale = np.abs(exact).max()
    np.testing.assert_allclose(found, exact, atol=0.05 * scale, rtol=0)


@pytest.mark.parametrize("name", ["a residual sum with ReLU", "ReLU and bias"])
def test_what_is_integer_runs_as_integers(name: str, tmp_path: Any) -> None:
    """ONNX Runtime turns the float operators between QuantizeLinear into integer ones."""
    model = described(network(NODES[name], CONSTANTS), 6)
    made = model.in_int8(calibrate(model, pictures(8, SIZE), "test"))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(made.onnx, options, providers=["CPUExecutionProvider"])
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "QLinearConv" in kinds
    assert not kinds & {"Conv", "Relu", "Add"}


def test_the_largest_sums_do_not_saturate() -> None:
    """All inputs at 255 and all weights at the largest: where 16 bits would not hold a pair."""
    w = np.ones((4, 3, 3, 3), np.float32)
    w[2:] = -1
    model = described(network([helper.make_node("Conv", ["image", "w"], ["last"])], {"w": w}), 4)
    ranges = Ranges({"image": (0.0, 1.0), "last": (-27.0, 27.0)}, {"image": (0, 0, 0)}, "by hand")
    made = model.in_int8(ranges)
    white = np.full((1, SIZE, SIZE, 3), 255, np.uint8)
    np.testing.assert_allclose(Embedder(made)(white)[0], [27, 27, -27, -27], atol=54 / 255)


def test_weights_take_seven_bits_in_dense_convolutions_and_eight_in_depthwise_ones() -> None:
    graph = onnx.load_from_string(load_model("fruit", 32, "int8").onnx).graph
    largest = {"dense": 0, "depthwise": 0}
    n = 0
    for tensor in graph.initializer:
        if tensor.name.endswith(".weight.int"):
            values = numpy_helper.to_array(tensor)
            kind = "depthwise" if values.shape[1] == 1 else "dense"
            largest[kind] = max(largest[kind], int(np.abs(values.astype(int)).max()))
            n += 1
    assert n == 52
    assert largest == {"dense": DENSE, "depthwise": DEPTHWISE}
    assert 2 * 255 * DENSE < 2**15 < 2 * 255 * DEPTHWISE


def test_a_channels_scale_has_the_least_error() -> None:
    values = RNG.normal(size=(100, 4))
    values[0] = 12.0  # one odd weight would coarsen all others
    integers, scales = weights_of(values, DENSE)
    error = np.square(integers * scales.astype(float) - values).sum(axis=0)
    plain = np.abs(values).max(axis=0) / DENSE
    assert (error <= np.square(np.rint(values / plain) * plain - values).sum(axis=0) * 1.001).all()
    zero, scale = weights_of(np.zeros((9, 1)), DENSE)
    assert not zero.any()
    assert np.isfinite(scale).all()


def test_a_bias_makes_up_for_what_rounding_takes_from_the_mean() -> None:
    w = RNG.normal(size=(6, 3, 1, 1)).astype(np.float32)
    graph = network([helper.make_node("Conv", ["image", "w"], ["last"])], {"w": w})
    model = described(graph, 6)
    images = pictures(40, SIZE) // 2 + 128  # bright: what is lost does not cancel
    ranges = calibrate(model, images, "test")
    exact = Embedder(model)(images).mean(axis=0)

    def lost(ranges: Ranges) -> float:
        return float(np.abs(Embedder(model.in_int8(ranges))(images).mean(axis=0) - exact).max())

    uncorrected = replace(ranges, means=dict.fromkeys(ranges.means, (0,) * 3))
    assert lost(ranges) < 0.75 * lost(uncorrected)


SHA256 = """
import hashlib
from orchard.model import load_model
print(hashlib.sha256(load_model("fruit", 32, "int8").onnx).hexdigest())
"""


def test_two_processes_make_the_same_bytes() -> None:
    def made() -> str:
        done = subprocess.run(
            [sys.executable, "-c", SHA256], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    here = hashlib.sha256(load_model("fruit", 32, "int8").onnx).hexdigest()
    assert made() == made() == here


def test_the_whole_numbers_of_fruit_are_these() -> None:
    """On every machine: whatever changes them must change `ranges.SCHEME` too."""
    graph = onnx.load_from_string(load_model("fruit", 32, "int8").onnx).graph
    digest = hashlib.sha256()
    for tensor in graph.initializer:
        digest.update(tensor.name.encode() + numpy_helper.to_array(tensor).tobytes())
    assert digest.hexdigest()[:16] == FRUIT


FRUIT = "9e1e0f8989bfb565"


@pytest.mark.parametrize("name", KNOWN)
def test_known_ranges_are_those_of_their_network(name: str) -> None:
    ranges = known_ranges(name)
    graph = onnx.load_from_string(load_model("fruit", 32).onnx)  # the same architecture
    names, sources = observed(graph)
    assert set(names) == set(ranges.tensors)
    assert set(sources) == set(ranges.means)
    assert all(low <= 0 <= high and low < high for low, high in ranges.tensors.values())
    assert "photos" in ranges.taken


def test_fruit_in_int8_is_near_fruit() -> None:
    images = pictures(24, 96)
    cosine = cosines(
        Embedder(load_model("fruit"))(images), Embedder(load_model("fruit", None, "int8"))(images)
    )
    assert np.median(cosine) > 0.99
    assert cosine.min() > 0.95


@pytest.fixture(scope="module")
def fruit() -> Model:
    return load_model("fruit", 32, "int8")


def test_features_do_not_depend_on_the_batch(fruit: Model) -> None:
    images, embedder = pictures(60, 32), Embedder(fruit)
    alone = np.concatenate([embedder(images[i : i + 1]) for i in range(60)])
    np.testing.assert_allclose(embedder(images), alone, atol=1e-5, rtol=0)


def test_the_bytes_carry_precision_and_ranges(fruit: Model) -> None:
    again = Model.from_onnx(fruit.onnx)
    assert again == fruit
    assert (again.precision, Ranges.parse(again.ranges)) == ("int8", known_ranges("fruit"))
    assert len(fruit.onnx) < 0.3 * len(load_model("fruit", 32).onnx)


def test_openvino_runs_the_same_graph(fruit: Model) -> None:
    images = pictures(24, 32)
    other = load_model("fruit", 32, "int8-openvino")
    same = [onnx.load_from_string(model.onnx).graph for model in (fruit, other)]
    assert same[0] == same[1]
    assert cosines(Embedder(fruit)(images), Embedder(other)(images)).min() > 0.99


def test_a_network_by_path_has_no_known_ranges(tmp_path: Any) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(network(NODES["ReLU and bias"], CONSTANTS).SerializeToString())
    with pytest.raises(ConfigError, match=r"ranges of .* are not known, only those of imagenet"):
        load_model(str(path), None, "int8")


@pytest.mark.parametrize(
    ("nodes", "opset"),
    [
        ([helper.make_node("Relu", ["image"], ["last"])], 13),
        ([helper.make_node("Conv", ["image", "image"], ["last"])], 13),
        ([helper.make_node("Conv", ["image", "w3"], ["last"])], 11),
    ],
)
def test_a_network_without_anything_to_quantise_is_refused(nodes: Any, opset: int) -> None:
    graph = network(nodes, CONSTANTS, opset=opset)
    with pytest.raises(ConfigError, match="expected at least one, and opset 13 or later"):
        quantise(graph, Ranges({}, {}, ""))


def test_no_image_gives_no_ranges(fruit: Model) -> None:
    with pytest.raises(ConfigError, match="no image could be read to take the ranges"):
        calibrate(load_model("fruit", 32), [], "nothing")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"tensors": {"a": 1}}', '{"tensors": {}, "means": []}']
)
def test_what_are_no_ranges_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="not the ranges of a network"):
        Ranges.parse(text)
