from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import orchard
from orchard.progress import Reporter


def run(source: Path, output: Path, **settings: Any) -> orchard.Result:
    config = orchard.RunConfig(
        sources=(str(source),), output=str(output), weights="fruit", size=32, **settings
    )
    return orchard.run(config, Reporter(Console(file=io.StringIO()), quiet=True))


@pytest.fixture(scope="session")
def odd_photos(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos, two of them broken, in folders whose names CSV must quote."""
    folder = shutil.copytree(photos, tmp_path_factory.mktemp("odd") / "in")
    (folder / "apple").rename(folder / 'apple, "red"')
    (folder / "plum").rename(folder / "plum\nripe")
    (folder / "lemon/0.png").write_bytes(b"")
    (folder / "lemon/1.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def result(spark: Any, odd_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of 38 features and 2 errors, for reading only."""
    output = tmp_path_factory.mktemp("result") / "out"
    run(odd_photos, output, components=5)
    return output


@pytest.fixture(scope="session")
def grown(
    spark: Any, odd_photos: Path, result: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same result after a second run that met new, changed, broken and mended images."""
    folder = tmp_path_factory.mktemp("grown")
    source = shutil.copytree(odd_photos, folder / "in")
    run(source, folder / "out", components=5)
    shutil.copy(source / "lemon/2.png", source / "lemon/new.png")
    shutil.copy(source / "lemon/3.png", source / "lemon/4.png")
    shutil.copy(source / "lemon/3.png", source / "lemon/0.png")
    (source / "lemon/5.png").write_bytes(b"broken now")
    for name in ("4", "0", "5"):
        os.utime(source / f"lemon/{name}.png", (1, 1))
    run(source, folder / "out", components=5)
    return folder / "out"
