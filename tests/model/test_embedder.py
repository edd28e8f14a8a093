from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openvino
import pytest

from orchard.errors import ConfigError, WeightsError
from orchard.model import Embedder, Model, embedder_for, load_model


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("fruit", 64)


@pytest.fixture(scope="module")
def embedder(model: Model) -> Embedder:
    return Embedder(model)


def pixels(n: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_no_images_give_no_features(embedder: Embedder) -> None:
    assert embedder(pixels(0)).shape == (0, 1280)


@pytest.mark.parametrize("n", [1, 3, 24, 25])  # 24 images of 64 × 64 go into one call
def test_features_do_not_depend_on_the_batch(embedder: Embedder, n: int) -> None:
    images = pixels(25)
    alone = np.concatenate([embedder(images[i : i + 1]) for i in range(n)])
    # Bit for bit on the x86-64 we measured; another CPU's kernels may block over the batch.
    np.testing.assert_allclose(embedder(images[:n]), alone, atol=1e-5, rtol=0)
    assert embedder(images[:n]).dtype == np.float32


def test_threads_give_the_same_features(model: Model, embedder: Embedder) -> None:
    images = pixels(4)
    two = Embedder(model, threads=2)(images)
    np.testing.assert_allclose(two, embedder(images), atol=1e-5, rtol=0)


def test_a_view_with_strides_is_read_right(embedder: Embedder) -> None:
    mirrored = pixels(2)[:, :, ::-1]
    assert np.array_equal(embedder(mirrored), embedder(np.ascontiguousarray(mirrored)))


@pytest.mark.parametrize(
    "batch",
    [
        pixels(1).astype(np.float32),
        pixels(1)[0],
        pixels(1, size=96),
        np.zeros((1, 3, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 4), np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(embedder: Embedder, batch: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(n, 64, 64, 3\)"):
        embedder(batch)


def test_less_than_one_thread_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="threads=0"):
        Embedder(model, threads=0)


def test_one_session_a_process_and_key(model: Model) -> None:
    loads: list[int] = []
    found: list[tuple[Embedder, float]] = []
    start = threading.Barrier(8)

    def load() -> Model:
        loads.append(1)
        return model

    def ask() -> None:
        start.wait()
        found.append(embedder_for("test-one-session", load))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len({id(embedder) for embedder, _ in found}) == 1
    assert sum(seconds > 0 for _, seconds in found) == 1


def test_a_load_that_fails_is_tried_again(model: Model) -> None:
    def fail() -> Model:
        raise WeightsError("not there yet")

    with pytest.raises(WeightsError, match="not there yet"):
        embedder_for("test-fails-first", fail)
    embedder, seconds = embedder_for("test-fails-first", lambda: model)
    assert seconds > 0
    assert embedder.model is model


def test_a_model_is_its_onnx_bytes(model: Model) -> None:
    assert Model.from_onnx(model.onnx) == model


@pytest.mark.parametrize("data", [b"", b"not a graph", b"\x08\x07"])
def test_other_bytes_are_no_model(data: bytes) -> None:
    with pytest.raises(WeightsError, match="not an Orchard model"):
        Model.from_onnx(data)


def test_an_operator_that_onnx_runtime_lacks_is_an_error_of_one_line(model: Model) -> None:
    broken = Model.from_onnx(model.onnx.replace(b"GlobalAveragePool", b"GlobalAveragePoof"))
    with pytest.raises(WeightsError, match="cannot run this network") as error:
        Embedder(broken)
    assert "\n" not in str(error.value)


def test_a_worker_is_silent_and_loads_no_more_than_it_needs(model: Model) -> None:
    """What a worker does with broadcast bytes, in a fresh interpreter."""
    code = (
        "import sys, numpy as np\n"
        "import orchard.model\n"
        "assert 'onnxruntime' not in sys.modules and 'onnx' not in sys.modules\n"
        "from orchard.model import Embedder, Model\n"
        "model = Model.from_onnx(sys.stdin.buffer.read())\n"
        "features = Embedder(model)(np.zeros((1, 64, 64, 3), np.uint8))\n"
        "assert features.shape == (1, 1280)\n"
        "assert not {'h5py', 'pyspark', 'boto3', 'PIL'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=model.onnx, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def has_bfloat16() -> bool:
    core = openvino.Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
def test_bfloat16_is_near_float32_whatever_the_batch(model: Model, embedder: Embedder) -> None:
    reduced = Embedder(model.at("bfloat16"))
    images = pixels(25)
    features, exact = reduced(images), embedder(images)
    assert not np.array_equal(features, exact)
    cosine = (features * exact).sum(1) / np.linalg.norm(features, axis=1)
    cosine /= np.linalg.norm(exact, axis=1)
    assert cosine.min() > 0.98, "8 bits of mantissa through 53 layers"
    np.testing.assert_array_equal(reduced(images[7:9]), features[7:9])
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(reduced, [images] * 8):
            np.testing.assert_array_equal(again, features)


def test_a_cpu_without_bfloat16_is_told(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    found = openvino.Core.get_property

    def without(core: openvino.Core, device: str, name: str) -> Any:
        value = found(core, device, name)
        return [v for v in value if v != "BF16"] if name == "OPTIMIZATION_CAPABILITIES" else value

    monkeypatch.setattr(openvino.Core, "get_property", without)
    with pytest.raises(ConfigError, match=r"has no bfloat16 instructions .* --precision float32"):
        Embedder(model.at("bfloat16"))


def test_a_model_keeps_its_precision_in_its_bytes(model: Model) -> None:
    reduced = model.at("bfloat16")
    assert Model.from_onnx(reduced.onnx) == reduced
    assert reduced.at("float32") == model
