from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orchard.result import Result


@pytest.fixture(scope="module")
def first_run(run: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("first")
    return run(shutil.copytree(photos, folder / "photos"), folder / "out")


@pytest.fixture
def source(first_run: Result, photos: Path) -> Path:
    """The photos, to be changed: under the same paths, and as old, as the first run met them."""
    folder = Path(first_run.output).with_name("photos")
    shutil.rmtree(folder)
    return shutil.copytree(photos, folder)
