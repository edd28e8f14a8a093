"""The graph against a plain NumPy MobileNetV2, from the paper's table and Keras's layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from orchard.model import Embedder, InputSpec, Model
from orchard.model.mobilenet_v2 import DIM, build, weight_shapes

Array = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]

BLOCKS = [  # channels out, stride, expands
    (16, 1, False),
    *[(24, 2, True), (24, 1, True)],
    *[(32, 2, True), (32, 1, True), (32, 1, True)],
    *[(64, 2, True), (64, 1, True), (64, 1, True), (64, 1, True)],
    *[(96, 1, True), (96, 1, True), (96, 1, True)],
    *[(160, 2, True), (160, 1, True), (160, 1, True)],
    (320, 1, True),
]


def tensorflow_same(x: Array, stride: int) -> Array:
    """tf.nn.conv2d, "SAME", kernel 3: max((⌈n/s⌉ − 1) s + 3 − n, 0) in all, the less first."""
    total = [max((-(-n // stride) - 1) * stride + 3 - n, 0) for n in x.shape[:2]]
    return np.pad(x, [(t // 2, t - t // 2) for t in total] + [(0, 0)])


def keras_correct_pad(x: Array) -> Array:
    """keras.applications.imagenet_utils.correct_pad, kernel 3, then ZeroPadding2D."""
    adjust = [1 - n % 2 for n in x.shape[:2]]
    return np.pad(x, [(1 - a, 1) for a in adjust] + [(0, 0)])


def windows(x: Array, stride: int) -> Array:
    """All 3×3 windows of x (height, width, c): (height out, width out, c, 3, 3)."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))[::stride, ::stride]


def normalise(x: Array, w: Weights, name: str) -> Array:
    gamma, beta, mean, variance = (
        w[f"{name}/{s}"].astype(float) for s in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + 0.001) + beta


def relu6(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 6)


def inverted_residual(x: Array, w: Weights, name: str, stride: int, expands: bool) -> Array:
    y = x
    if expands:
        y = relu6(normalise(y @ w[f"{name}expand/kernel"][0, 0], w, f"{name}expand_BN"))
    y = windows(keras_correct_pad(y) if stride == 2 else tensorflow_same(y, 1), stride)
    y = np.einsum("hwcij,ijc->hwc", y, w[f"{name}depthwise/kernel"][..., 0], optimize=True)
    y = relu6(normalise(y, w, f"{name}depthwise_BN"))
    y = normalise(y @ w[f"{name}project/kernel"][0, 0], w, f"{name}project_BN")
    return x + y if stride == 1 and x.shape == y.shape else y


def reference(pixels: NDArray[np.uint8], w: Weights) -> Array:
    """(size, size, 3) → (1280,), every step in float64, nothing folded."""
    x = windows(tensorflow_same(pixels / 127.5 - 1, 2), 2)
    x = np.einsum("hwcij,ijco->hwo", x, w["Conv1/kernel"], optimize=True)
    x = relu6(normalise(x, w, "bn_Conv1"))
    for index, (channels, stride, expands) in enumerate(BLOCKS):
        name = f"block_{index}_" if index else "expanded_conv_"
        x = inverted_residual(x, w, name, stride, expands)
        assert x.shape[-1] == channels
    x = relu6(normalise(x @ w["Conv_1/kernel"][0, 0], w, "Conv_1_bn"))
    return x.mean(axis=(0, 1))


def embedder(weights: Weights, size: int) -> Embedder:
    spec = InputSpec("NHWC", "uint8", "in the graph")
    graph = build(weights, size)
    model = Model.describe(graph, name="test", weights_sha256="", size=size, dim=DIM, input=spec)
    return Embedder(model)


@pytest.mark.parametrize("size", [32, 33, 63, 96, 97, 100, 128, 224])
def test_the_graph_equals_the_reference_at_even_and_odd_sizes(weights: Weights, size: int) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    expected = np.stack([reference(image, weights) for image in pixels])
    # float32 over 52 layers against float64: at most 4e-5 seen, on values up to 6. Padding on the
    # wrong side moves features by more than 1e-2.
    np.testing.assert_allclose(embedder(weights, size)(pixels), expected, atol=1e-4, rtol=0)


def test_the_reference_features_are_alive(weights: Weights) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    features = reference(pixels, weights)
    assert features.std() > 0.1
    assert np.mean((features > 0) & (features < 6)) > 0.9


def test_padding_on_the_other_side_would_be_seen(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    expected = embedder(weights, 64)(pixels)
    monkeypatch.setattr("orchard.model.mobilenet_v2.padding", _pytorch_padding)
    assert np.abs(embedder(weights, 64)(pixels) - expected).max() > 1e-2


def _pytorch_padding(conv: object, side: int) -> tuple[int, int]:
    return (0, 0) if getattr(conv, "kernel")[0] == 1 else (1, 1)  # noqa: B009


def test_weights_are_those_of_the_paper() -> None:
    sizes = [int(np.prod(shape)) for shape in weight_shapes().values()]
    assert len(sizes) == 52 * 5
    assert sum(sizes) == 2_257_984  # Keras's count_params() of include_top=False


def test_the_graph_is_valid_and_of_an_old_opset(weights: Weights) -> None:
    graph = build(weights, 96)
    onnx.checker.check_model(graph, full_check=True)
    assert {(entry.domain, entry.version) for entry in graph.opset_import} == {("", 13)}
    assert graph.ir_version == 7
