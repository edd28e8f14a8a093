"""EfficientNet-Lite2 out of a wheel: what its pickle may name, and the graph that comes of it."""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import lite2
import numpy as np
import onnx
import pytest

from orchard.model import Embedder, load_model


class _Torch:
    """Pickles as a name of PyTorch's, called with some values."""

    def __init__(self, name: str, *values: Any) -> None:
        self.name, self.values = name, values


class _Writer(pickle._Pickler):  # the one in Python can be told how to write a name
    def persistent_id(self, value: Any) -> Any:
        return value[1:] if isinstance(value, tuple) and value[:1] == ("stored",) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Torch):
            module, _, name = value.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            if value.values:
                self.save(value.values)
                self.write(pickle.REDUCE)
            return
        super().save(value, save_persistent_id)


def dumped(value: Any) -> bytes:
    file = io.BytesIO()
    _Writer(file, 2).dump(value)
    return file.getvalue()


def file_of(weights: dict[str, np.ndarray]) -> bytes:
    """As PyTorch wrote it before 1.6: five pickles, then the values of each storage."""
    described, values = OrderedDict(), b""
    for name, array in weights.items():
        storage = ("stored", "storage", _Torch("torch.FloatStorage"), name, "cpu", array.size, None)
        strides = tuple(stride // 4 for stride in array.strides)
        described[name] = _Torch("torch._utils._rebuild_tensor_v2", storage, 0, array.shape,
                                 strides, False, OrderedDict())  # fmt: skip
        memory = np.lib.stride_tricks.as_strided(array, (array.size,), (4,))
        values += np.int64(array.size).tobytes() + memory.tobytes()
    heads = [dumped(one) for one in (1, 1001, {}, described, list(weights))]
    return b"".join(heads) + values


def random_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}

    def conv(name: str, norm: str, out: int, into: int, side: int) -> None:
        found[f"{name}.weight"] = rng.normal(size=(out, into, side, side)).astype("f4")
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = rng.uniform(0.1, 1, out).astype("f4")

    conv("_conv_stem", "_bn0", 32, 3, 3)
    number, before = 0, 32
    for row, (repeats, side, _, expansion, _, out) in enumerate(lite2.BLOCKS):
        fixed = row in (0, len(lite2.BLOCKS) - 1)
        for _ in range(repeats if fixed else math.ceil(lite2.DEPTH * repeats)):
            name, wide = f"_blocks.{number}", before * expansion
            if expansion != 1:
                conv(f"{name}._expand_conv", f"{name}._bn0", wide, before, 1)
            conv(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, side)
            conv(f"{name}._project_conv", f"{name}._bn2", lite2.channels(out), wide, 1)
            number, before = number + 1, lite2.channels(out)
    conv("_conv_head", "_bn1", lite2.DIM, before, 1)
    return found


def test_a_file_is_read_without_pytorch_whatever_the_order_of_its_axes() -> None:
    straight = np.arange(24, dtype="f4").reshape(2, 3, 4)
    weights = {"a.weight": straight, "b.weight": np.asfortranarray(straight)}
    for name, array in lite2.read(file_of(weights)).items():
        np.testing.assert_array_equal(array, straight, err_msg=name)


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.load", "numpy.load"])
def test_a_pickle_that_names_anything_else_is_refused(name: str) -> None:
    content = dumped(1) + dumped(1001) + dumped({}) + dumped(_Torch(name, "touch /tmp/evil"))
    with pytest.raises(SystemExit, match="which no file of weights needs"):
        lite2.read(content)
    assert not Path("/tmp/evil").exists()


def test_the_graph_is_a_network_that_orchard_takes(tmp_path: Path) -> None:
    onnx.save(lite2.build(random_weights(), 65), tmp_path / "lite2.onnx")
    model = load_model(str(tmp_path / "lite2.onnx"))
    assert (model.size, model.dim, model.input.dtype) == (65, 1280, "uint8")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 65, 65, 3), np.uint8)
    features = Embedder(model)(pixels)
    assert features.min() >= 0
    assert features.max() <= 6
    assert (features[0] != features[1]).any()
