from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from starlette.testclient import TestClient

import orchard
from orchard.images.sample import write_sample
from orchard.progress import Reporter
from orchard.training import TrainConfig, train
from orchard.web.app import create_app
from orchard.web.services import Services
from orchard.web.settings import ServeConfig

Client = Callable[..., TestClient]


def silent() -> Reporter:
    return Reporter(Console(file=io.StringIO()), quiet=True)


@pytest.fixture(scope="session")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 150 rendered pictures of fruit, the same that the classifier was trained on."""
    folder = tmp_path_factory.mktemp("served")
    write_sample(folder, 152, size=48)
    return folder


@pytest.fixture(scope="session")
def output(spark: Any, fruit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUTPUT with a classifier."""
    output = tmp_path_factory.mktemp("served") / "out"
    config = orchard.RunConfig(
        sources=(str(fruit),),
        output=str(output),
        weights="untrained",
        size=48,
        components=30,
        report=False,
    )
    orchard.run(config, silent())
    train(TrainConfig(output=str(output), kind="logistic", folds=2), silent())
    return output


@pytest.fixture
def client(output: Path) -> Iterator[Client]:
    """A client of the app, with the given limits; `address` is where it seems to come from."""
    opened: list[TestClient] = []

    def client(address: str = "127.0.0.1", **settings: Any) -> TestClient:
        services = Services(ServeConfig(output=str(output), **settings))
        one = TestClient(
            create_app(services), client=(address, 50000), raise_server_exceptions=False
        )
        opened.append(one)
        return one.__enter__()

    yield client
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture(scope="session")
def photo(fruit: Path) -> bytes:
    """A JPEG of an apple, with a position and a camera in its EXIF."""
    path = next(path for path in sorted(fruit.rglob("*.*")) if "apple" in str(path).lower())
    exif = Image.Exif()
    exif[0x010F] = "Camera-of-Somebody"
    exif.get_ifd(0x8825)[1] = "N-secret-place"
    out = io.BytesIO()
    Image.open(path).convert("RGB").save(out, "JPEG", exif=exif, quality=95)
    return out.getvalue()
