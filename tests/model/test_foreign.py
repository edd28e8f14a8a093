"""Networks that others made: what is accepted, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from model.files import save
from onnx import TensorProto, helper, numpy_helper

from orchard.errors import ConfigError, WeightsError
from orchard.model import Embedder, Model, load_model

DIM = 5
FORMULA = np.random.default_rng(5).normal(size=(DIM, 3)).astype(np.float32)


def network(
    shape: list[int | str],
    *,
    element: int = TensorProto.FLOAT,
    end: str = "flat",
    colours_last: bool = False,
) -> onnx.ModelProto:
    """Mean colour times `FORMULA`: features that a test can compute by hand."""
    kernel = numpy_helper.from_array(FORMULA[:, :, None, None], "kernel")
    nodes = [helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT)]
    planes = "real"
    if colours_last:
        nodes.append(helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]))
        planes = "planes"
    nodes.append(helper.make_node("Conv", [planes, "kernel"], ["mixed"]))
    nodes.append(helper.make_node("GlobalAveragePool", ["mixed"], ["pooled"]))
    ends = {
        "flat": helper.make_node("Flatten", ["pooled"], ["out"]),
        "planes": helper.make_node("Identity", ["pooled"], ["out"]),
        "last": helper.make_node("Transpose", ["pooled"], ["out"], perm=[0, 2, 3, 1]),
        "unpooled": helper.make_node("Identity", ["mixed"], ["out"]),
        "double": helper.make_node("Cast", ["pooled"], ["out"], to=TensorProto.DOUBLE),
        "nan": helper.make_node("Div", ["zero", "zero"], ["out"]),
    }
    if end == "nan":
        nodes.append(helper.make_node("Sub", ["pooled", "pooled"], ["zero"]))
    nodes.append(ends[end])
    out = TensorProto.DOUBLE if end == "double" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "mean colour",
        [helper.make_tensor_value_info("image", element, shape)],
        [helper.make_tensor_value_info("out", out, list("nd" if end == "flat" else "nabc"))],
        [kernel],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def expected(pixels: np.ndarray, scale: Any = 1 / 127.5, offset: Any = -1.0) -> np.ndarray:
    return (pixels.mean(axis=(1, 2)) * np.array(scale) + np.array(offset)) @ FORMULA.T


PIXELS = np.random.default_rng(6).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", ["N", 1, 2])
@pytest.mark.parametrize("colours_last", [False, True])
@pytest.mark.parametrize("end", ["flat", "planes", "last"])
def test_layouts_and_batches(tmp_path: Path, batch: Any, colours_last: bool, end: str) -> None:
    shape = [batch, 8, 8, 3] if colours_last else [batch, 3, 8, 8]
    path = save(tmp_path, network(shape, colours_last=colours_last, end=end))
    model = load_model(path)
    assert (model.name, model.size, model.dim) == ("net", 8, DIM)
    assert model.input.layout == ("NHWC" if colours_last else "NCHW")
    np.testing.assert_allclose(Embedder(model)(PIXELS), expected(PIXELS), atol=1e-5)


def test_an_assumed_normalisation_is_said(tmp_path: Path) -> None:
    model = load_model(save(tmp_path, network(["N", 3, 8, 8])))
    assert model.normalisation == "x / 127.5 - 1"
    assert model.notice == (
        "no normalisation is stated for net.onnx: x / 127.5 - 1 assumed; state it in net.onnx.json"
    )


@pytest.mark.parametrize(
    ("card", "scale", "offset", "words"),
    [
        ({"scale": 0.5}, 0.5, 0, "x * 0.5 + 0"),
        ({"scale": [1, 2, 3], "offset": -4}, [1, 2, 3], -4, "x * [1, 2, 3] + -4"),
        (
            {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
            1 / (255 * np.array([0.229, 0.224, 0.225])),
            -np.array([0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225]),
            "(x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]",
        ),
        (
            {"mean": 0.5, "std": [1, 2, 4]},
            [1 / 255, 1 / 510, 1 / 1020],
            [-0.5, -0.25, -0.125],
            None,
        ),
    ],
)
@pytest.mark.parametrize("place", ["sidecar", "metadata"])
def test_a_stated_normalisation_is_used(
    tmp_path: Path, card: dict[str, Any], scale: Any, offset: Any, words: str | None, place: str
) -> None:
    graph = network(["N", 3, 8, 8])
    if place == "metadata":
        helper.set_model_props(graph, {f"orchard.{k}": json.dumps(v) for k, v in card.items()})
    model = load_model(save(tmp_path, graph, card if place == "sidecar" else None))
    assert model.notice is None
    assert words is None or model.normalisation == words
    np.testing.assert_allclose(
        Embedder(model)(PIXELS), expected(PIXELS, scale, offset), rtol=1e-4, atol=1e-4
    )


def test_pixels_as_they_are(tmp_path: Path) -> None:
    graph = network(["N", 8, 8, 3], element=TensorProto.UINT8, colours_last=True)
    model = load_model(save(tmp_path, graph))
    assert (model.input.dtype, model.normalisation, model.notice) == ("uint8", "in the graph", None)
    np.testing.assert_allclose(Embedder(model)(PIXELS), expected(PIXELS, 1, 0), rtol=1e-4)


def test_where_the_size_comes_from(tmp_path: Path) -> None:
    free = save(tmp_path, network(["N", 3, "H", "W"]))
    assert load_model(free).size == 224
    assert load_model(free, 64).size == 64
    free = save(tmp_path, network(["N", 3, "H", "W"]), {"size": 96})
    assert load_model(free).size == 96
    fixed = save(tmp_path, network(["N", 3, 8, 8]))
    assert load_model(fixed, 8).size == 8
    with pytest.raises(ConfigError, match="--size 64: this network takes only 8"):
        load_model(fixed, 64)


def test_a_layout_that_the_graph_leaves_open(tmp_path: Path) -> None:
    graph = network(["N", "a", "b", "c"])
    with pytest.raises(WeightsError, match="does not show which dimension holds the colours"):
        load_model(save(tmp_path, graph), 8)
    model = load_model(save(tmp_path, graph, {"layout": "NCHW"}), 8)
    np.testing.assert_allclose(Embedder(model)(PIXELS), expected(PIXELS), atol=1e-5)


def test_the_name_and_notice_of_a_sidecar(tmp_path: Path) -> None:
    card = {"name": "fruit", "notice": "trained on 12 apples", "scale": 1}
    model = load_model(save(tmp_path, network(["N", 3, 8, 8]), card))
    assert (model.name, model.notice) == ("fruit", "trained on 12 apples")


def test_a_file_that_orchard_wrote_keeps_its_notice(tmp_path: Path) -> None:
    fruit = load_model("fruit", 32)
    (tmp_path / "saved.onnx").write_bytes(fruit.onnx)
    model = load_model(str(tmp_path / "saved.onnx"))
    assert (model.name, model.notice) == ("fruit", fruit.notice)
    pixels = PIXELS.repeat(4, axis=1).repeat(4, axis=2)
    assert np.array_equal(Embedder(model)(pixels), Embedder(fruit)(pixels))


def test_a_foreign_model_travels_as_its_bytes(tmp_path: Path) -> None:
    path = save(tmp_path, network([1, 3, 8, 8]), {"mean": 0.5, "std": [1, 2, 4]})
    model = load_model(path)
    again = Model.from_onnx(model.onnx)
    assert again == model
    assert np.array_equal(Embedder(again)(PIXELS), Embedder(model)(PIXELS))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (network(["N", 4, 8, 8]), r"input of \(\?, 4, 8, 8\), expected \(N, size, size, 3\)"),
        (network(["N", 3, 8]), r"input of \(\?, 3, 8\)"),
        (network(["N", 3, 8, 9]), "8 × 9 pixels, expected a square"),
        (network(["N", 3, 8, 8], element=TensorProto.INT64), "input of INT64"),
        (network(["N", 3, 8, 8], end="unpooled"), "cut the network after its global pooling"),
        (network(["N", 3, 8, 8], end="double"), "output of float64"),
        (network(["N", 3, 8, 8], end="nan"), "NaN or infinite"),
        (network(["N", 3, "H", "W"], colours_last=True), "fails on 2 images of 224 × 224"),
    ],
)
def test_networks_of_another_kind_are_refused(
    tmp_path: Path, graph: onnx.ModelProto, message: str
) -> None:
    path = save(tmp_path, graph)
    with pytest.raises(WeightsError, match=message) as error:
        load_model(path)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8])
    graph.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    with pytest.raises(WeightsError, match="2 inputs and 1 outputs"):
        load_model(save(tmp_path, graph))


def test_one_of_several_outputs_is_taken_by_name(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])
    graph.graph.node.append(helper.make_node("ReduceSum", ["out", "axes"], ["score"]))
    graph.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axes"))
    graph.graph.output.append(score)
    with pytest.raises(WeightsError, match="1 inputs and 2 outputs"):
        load_model(save(tmp_path, graph))
    vector = load_model(save(tmp_path, graph, {"output": "out"}))
    number = load_model(save(tmp_path, graph, {"output": "score"}))
    assert (vector.dim, number.dim) == (DIM, 1)
    assert vector.weights_sha256 != number.weights_sha256, "their features must not be mixed"
    np.testing.assert_allclose(Embedder(vector)(PIXELS), expected(PIXELS), atol=1e-5)
    assert Model.from_onnx(vector.onnx) == vector


def test_a_tensor_inside_the_graph_is_taken_by_name(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8], end="unpooled")
    with pytest.raises(WeightsError, match="cut the network after its global pooling"):
        load_model(save(tmp_path, graph))
    model = load_model(save(tmp_path, graph, {"output": "pooled"}))
    np.testing.assert_allclose(Embedder(model)(PIXELS), expected(PIXELS), atol=1e-5)


def test_an_output_that_the_graph_has_not_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, network(["N", 3, 8, 8]), {"output": "kernel"})
    with pytest.raises(WeightsError, match=r"output = 'kernel': expected .*such as out"):
        load_model(path)


def test_an_initializer_listed_as_input_is_none(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8])
    graph.graph.input.append(
        helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [DIM, 3, 1, 1])
    )
    assert load_model(save(tmp_path, graph)).dim == DIM


@pytest.mark.parametrize("content", [b"", b"not a graph", b"<html></html>"])
def test_what_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match="not a valid ONNX file") as error:
        load_model(str(tmp_path / "net.onnx"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ([1], "expected an object"),
        ({"sise": 3}, "expected an object with keys among layout, mean, name"),
        ({"size": 0}, "size = 0"),
        ({"size": True}, "size = True"),
        ({"size": "224"}, "size = '224'"),
        ({"layout": "HWC"}, "expected NHWC or NCHW"),
        ({"name": 3}, "name = .3.: expected a text"),
        ({"output": 0}, "output = .0.: expected a text"),
        ({"mean": 0}, "mean and std"),
        ({"offset": 0}, "expected scale and offset"),
        ({"scale": 1, "mean": 0, "std": 1}, "expected scale and offset, or mean and std"),
        ({"scale": 0}, "none of them 0"),
        ({"mean": 0, "std": [1, 0, 1]}, "none of them 0"),
        ({"scale": [1, 2]}, "a list of three"),
        ({"scale": "1"}, "a list of three"),
        ({"scale": float("nan")}, "a list of three"),
        ({"scale": []}, "a list of three"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, card: object, message: str) -> None:
    path = save(tmp_path, network(["N", 3, 8, 8]), card)
    with pytest.raises(WeightsError, match=message) as error:
        load_model(path)
    assert "net.onnx.json" in str(error.value)


def test_settings_that_are_not_json_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, network(["N", 3, 8, 8]))
    Path(f"{path}.json").write_text("scale: 1")
    with pytest.raises(WeightsError, match=r"net\.onnx\.json: not JSON"):
        load_model(path)


def test_a_normalisation_for_uint8_is_refused(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8], element=TensorProto.UINT8)
    with pytest.raises(WeightsError, match="UINT8 with a normalisation stated"):
        load_model(save(tmp_path, graph, {"scale": 1}))


def external(graph: onnx.ModelProto, location: str) -> onnx.ModelProto:
    tensor = graph.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    return graph


def test_tensors_in_a_file_beside_are_read_and_count(tmp_path: Path) -> None:
    graph = network(["N", 3, 8, 8])
    data = graph.graph.initializer[0].raw_data
    path = save(tmp_path, external(graph, "weights.bin"))
    (tmp_path / "weights.bin").write_bytes(data)
    model = load_model(path)
    (tmp_path / "weights.bin").write_bytes(bytes(reversed(data)))
    other = load_model(path)
    (tmp_path / "weights.bin").unlink()  # all of it is inside now
    np.testing.assert_allclose(Embedder(model)(PIXELS), expected(PIXELS), atol=1e-5)
    assert model.weights_sha256 != other.weights_sha256


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin", "."]
)
def test_tensors_elsewhere_are_not_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(60))
    path = save(tmp_path / "net", external(network(["N", 3, 8, 8]), location))
    with pytest.raises(WeightsError, match="expected a file in the folder of the network"):
        load_model(path)


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(60))
    (tmp_path / "net" / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = save(tmp_path / "net", external(network(["N", 3, 8, 8]), "link.bin"))
    with pytest.raises(WeightsError, match="expected a file in the folder of the network"):
        load_model(path)


def test_tensors_in_a_missing_file_are_an_error(tmp_path: Path) -> None:
    path = save(tmp_path, external(network(["N", 3, 8, 8]), "weights.bin"))
    with pytest.raises(WeightsError, match=r"net\.onnx: "):
        load_model(path)
