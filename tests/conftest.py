from __future__ import annotations

import io
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # a thread of BLAS for each core would only wait
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, settings
from onnx import helper, numpy_helper
from PIL import Image
from rich.console import Console

import orchard
from orchard.model import load_model
from orchard.progress import Reporter
from orchard.samples.turntable import write_sample
from orchard.spark.session import QUICK
from orchard.training import TrainConfig, Trained, train

# A busy machine is no reason to fail, nor is luck: the same examples each time, new ones where
# ORCHARD_RANDOM is set.
settings.register_profile(
    "orchard",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="ORCHARD_RANDOM" not in os.environ,
)
settings.load_profile("orchard")

os.environ.setdefault("SPARK_SUBMIT_OPTS", QUICK)  # many start here, none runs for long

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a script put aside
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photos, weights and golden features kept beside the checkout; absent for most users."""
    path = Path(os.environ.get("ORCHARD_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip("real photos are not on this machine (set ORCHARD_SHARED)")
    return path


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One local Spark for the whole suite; `orchard.run` uses the session it finds."""
    from orchard.config import RunConfig
    from orchard.spark.session import spark_session

    with spark_session(RunConfig(sources=("-",), output="-", master="local[2]")) as session:
        yield session


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty small pictures in four folders, no two alike."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(7)
    for label in ("apple", "lemon", "plum", "sweet pepper"):
        (folder / label).mkdir()
        for number in range(10):
            coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
            image = Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)
            image.save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 150 rendered fruit of 19 species, two series of turns each."""
    folder = tmp_path_factory.mktemp("rendered")
    write_sample(folder, 152, size=48)
    return folder


@pytest.fixture(scope="session")
def rendered_result(spark: Any, rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the rendered fruit, seen whole and from near; for reading only."""
    output = tmp_path_factory.mktemp("trained") / "out"
    config = orchard.RunConfig(
        sources=(str(rendered),), output=str(output), weights="fruit", size=48, components=30,
        view=("plain", "zoom"), report=False,
    )  # fmt: skip
    orchard.run(config, silent())
    return output


@pytest.fixture(scope="session")
def trained(rendered_result: Path) -> Trained:
    """A classifier in `rendered_result`."""
    return train(TrainConfig(output=str(rendered_result), kind="logistic", folds=2), silent())


@pytest.fixture(scope="session")
def two_networks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`--weights` of two small networks that differ in size, normalisation, layout and opset."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "small.onnx").write_bytes(load_model("fruit", 48).onnx)
    kernel = np.random.default_rng(5).normal(size=(6, 3, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["mixed"]),
            helper.make_node("Relu", ["mixed"], ["lit"]),
            helper.make_node("GlobalAveragePool", ["lit"], ["pooled"]),
        ],
        "colours",
        [helper.make_tensor_value_info("image", 1, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("pooled", 1, ["n", 6, 1, 1])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "colours.onnx")
    stated = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    (folder / "colours.onnx.json").write_text(json.dumps(stated))
    return f"{folder / 'small.onnx'},{folder / 'colours.onnx'}"


@pytest.fixture(scope="session")
def side_by_side(
    spark: Any, rendered: Path, two_networks: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A result of the rendered fruit by `two_networks`, with a classifier; for reading only."""
    output = tmp_path_factory.mktemp("side_by_side") / "out"
    config = orchard.RunConfig(
        sources=(str(rendered),), output=str(output), weights=two_networks, components=30,
        view=("plain", "zoom"), report=False,
    )  # fmt: skip
    orchard.run(config, silent())
    train(TrainConfig(output=str(output), kind="logistic", folds=2), silent())
    return output


@pytest.fixture
def trained_copy(rendered_result: Path, trained: Trained, tmp_path: Path) -> Path:
    """A result with a classifier, to be changed."""
    return shutil.copytree(rendered_result, tmp_path / "copy")


@pytest.fixture(scope="session")
def run(spark: Any) -> Callable[..., orchard.Result]:
    """`orchard.run` with the embedded network at its smallest size."""

    def run(
        source: Path | tuple[Path, ...],
        output: Path,
        *,
        reporter: Reporter | None = None,
        **settings: Any,
    ) -> orchard.Result:
        sources = source if isinstance(source, tuple) else (source,)
        defaults = {"weights": "fruit", "size": 32, "components": 5, "report": False}
        config = orchard.RunConfig(
            sources=tuple(map(str, sources)), output=str(output), **(defaults | settings)
        )
        return orchard.run(config, reporter or silent())

    return run


@pytest.fixture(scope="session")
def photo_result(
    run: Callable[..., orchard.Result], photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> orchard.Result:
    """A first run of the photos, for reading only."""
    return run(photos, tmp_path_factory.mktemp("photo_result") / "out")


def silent() -> Reporter:
    return Reporter(Console(file=io.StringIO()), quiet=True)
