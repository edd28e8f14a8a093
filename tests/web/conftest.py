from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient
from web.servers import Start, starting

from orchard.training import Trained
from orchard.web.app import create_app
from orchard.web.services import Services
from orchard.web.settings import ServeConfig

Client = Callable[..., TestClient]
PATIENT = {"answer_seconds": 300.0, "upload_seconds": 300.0}  # a busy machine is no reason to fail


@pytest.fixture(scope="session")
def output(rendered_result: Path, trained: Trained) -> Path:
    """An OUTPUT with a classifier."""
    return rendered_result


@pytest.fixture
def client(output: Path) -> Iterator[Client]:
    """A client of the app, with the given limits; `address` is where it seems to come from."""
    opened: list[TestClient] = []

    def client(address: str = "127.0.0.1", **settings: Any) -> TestClient:
        services = Services(ServeConfig(**({"output": str(output)} | PATIENT | settings)))
        one = TestClient(
            create_app(services),
            base_url="http://127.0.0.1",
            client=(address, 50000),
            raise_server_exceptions=False,
        )
        opened.append(one)
        return one.__enter__()

    yield client
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture
def start(output: Path, tmp_path: Path) -> Iterator[Start]:
    with starting(output, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def photo(rendered: Path) -> bytes:
    """A JPEG of an apple, with a position and a camera in its EXIF."""
    path = next(path for path in sorted(rendered.rglob("*.*")) if "apple" in str(path).lower())
    exif = Image.Exif()
    exif[0x010F] = "Camera-of-Somebody"
    exif.get_ifd(0x8825)[1] = "N-secret-place"
    out = io.BytesIO()
    Image.open(path).convert("RGB").save(out, "JPEG", exif=exif, quality=95)
    return out.getvalue()
