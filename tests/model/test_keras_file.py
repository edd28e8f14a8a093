"""Keras' HDF5 files: what is read, and what is refused before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from orchard.errors import WeightsError
from orchard.model import Embedder, load_model
from orchard.model.keras_file import read_keras


@pytest.mark.parametrize(("suffix", "depthwise"), [("", "kernel"), (":0", "depthwise_kernel")])
def test_both_spellings_of_keras_are_read(
    tmp_path: Path, weights: Any, write_keras: Any, suffix: str, depthwise: str
) -> None:
    path = write_keras(tmp_path / "w.h5", weights, suffix=suffix, depthwise=depthwise)
    read, sha256 = read_keras(path)
    assert list(read) == list(weights)
    assert all(np.array_equal(read[name], weights[name]) for name in weights)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_layers_of_other_names_are_told_by_their_place(
    tmp_path: Path, weights: Any, write_keras: Any
) -> None:
    """Older files of Keras: `mobl0_conv_0_expand` and the like."""
    layers = {name.split("/")[0] for name in weights}
    old = {layer: f"mobl_{index}" for index, layer in enumerate(sorted(layers))}
    renamed = {f"{old[n.split('/')[0]]}/{n.split('/')[1]}": v for n, v in weights.items()}
    read, _ = read_keras(write_keras(tmp_path / "w.h5", renamed))
    assert all(np.array_equal(read[name], weights[name]) for name in weights)


def test_a_whole_saved_model_is_read(tmp_path: Path, weights: Any, write_keras: Any) -> None:
    write_keras(tmp_path / "w.h5", weights)
    with h5py.File(tmp_path / "w.h5") as source, h5py.File(tmp_path / "model.h5", "w") as whole:
        source.copy(source, whole, "model_weights")
    read, _ = read_keras(tmp_path / "model.h5")
    assert list(read) == list(weights)


def test_a_path_is_a_model(tmp_path: Path, weights: Any, write_keras: Any) -> None:
    path = write_keras(tmp_path / "mine.h5", weights)
    model = load_model(str(path), 64)
    assert (model.name, model.size, model.dim, model.notice) == ("mine", 64, 1280, None)
    assert model.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert Embedder(model)(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 1280)


def layer_names(file: h5py.File) -> list[bytes]:
    return [str(name).encode() for name in file.attrs.get("layer_names").astype(str)]


def drop(file: h5py.File) -> None:
    file["block_3_expand"].attrs["weight_names"] = np.array([], "S1")


def classifier(file: h5py.File) -> None:
    file.attrs["layer_names"] = [*layer_names(file), b"predictions"]
    group = file.create_group("predictions")
    group.attrs["weight_names"] = [b"predictions/kernel"]
    group["predictions/kernel"] = np.zeros((1280, 1000), np.float32)


def swap(file: h5py.File) -> None:
    names = layer_names(file)
    first, second = names.index(b"block_4_expand"), names.index(b"block_5_expand")
    names[first], names[second] = names[second], names[first]
    file.attrs["layer_names"] = names


def replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


def external_data(file: h5py.File) -> None:
    name = "Conv1/Conv1/kernel"
    del file[name]
    file.create_dataset(name, (3, 3, 3, 32), "f4", external=[("/dev/zero", 0, 3456)])


def large_chunk(file: h5py.File) -> None:
    name = "Conv1/Conv1/kernel"
    del file[name]
    shape, unlimited = (3, 3, 3, 32), (None, None, None, None)
    file.create_dataset(name, shape, "f4", maxshape=unlimited, chunks=(64, 64, 64, 32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "259 weights"),
        (classifier, "predictions/kernel.*without its classifier"),
        (swap, "block_5_expand/kernel stands where MobileNetV2 has block_4_expand/kernel"),
        (replace("Conv1/Conv1/kernel", np.zeros((3, 3, 3, 16), "f4")), r"\(3, 3, 3, 32\)"),
        (replace("Conv1/Conv1/kernel", np.zeros((3, 3, 3, 32), "f8")), "expected float32"),
        (replace("Conv1/Conv1/kernel", np.full((3, 3, 3, 32), np.nan, "f4")), "NaN"),
        (replace("bn_Conv1/bn_Conv1/moving_variance", np.full(32, -1, "f4")), "negative"),
        (replace("Conv1/Conv1/kernel", h5py.SoftLink("/Conv_1/Conv_1/kernel")), "a link"),
        (replace("Conv1", h5py.ExternalLink("other.h5", "/Conv1")), "a link"),
        (external_data, "not stored as plain data"),
        (large_chunk, "not stored as plain data"),
        (lambda file: file.attrs.pop("layer_names"), "no attribute layer_names"),
        (lambda file: file.attrs.create("layer_names", np.zeros(1001, "S4")), "more than 1000"),
        (lambda file: file.attrs.create("layer_names", np.zeros((2, 999), "S4")), "more than 1000"),
        (lambda file: file.attrs.create("layer_names", 5), "Keras"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, weights: Any, write_keras: Any, change: Any, message: str
) -> None:
    path = write_keras(tmp_path / "w.h5", weights)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(WeightsError, match=message) as error:
        read_keras(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"<html>Sign in</html>", b"\x89HDF\r\n\x1a\n" + bytes(90)]
)
def test_what_is_not_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(WeightsError, match="not a file of Keras weights"):
        read_keras(tmp_path / "w.h5")


def test_a_cut_file_is_refused(tmp_path: Path, weights: Any, write_keras: Any) -> None:
    path = write_keras(tmp_path / "w.h5", weights)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match="not a file of Keras weights"):
        read_keras(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "w.h5").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(WeightsError, match="more than 67,108,864 bytes"):
        read_keras(tmp_path / "w.h5")
