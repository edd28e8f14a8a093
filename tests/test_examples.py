"""The scripts of examples/ run, and say what they say they do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import orchard
from tests.conftest import ROOT


def example(name: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_pipeline_is_trained_saved_and_loaded(photos: Path, tmp_path: Path) -> None:
    said = example("train_pipeline.py", str(photos), str(tmp_path / "pipeline"), "fruit")
    assert re.search(r"^40 images, \d+ components$", said, re.MULTILINE)
    assert re.search(r"^accuracy on the images kept out: [01]\.\d{3}$", said, re.MULTILINE)
    assert (tmp_path / "pipeline" / "stages").is_dir()


def test_a_result_is_read_by_others(
    run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    run(photos, tmp_path / "result")
    said = example("read_result.py", str(tmp_path / "result"))
    assert "pandas: (40, 5) of 4 labels" in said
    assert re.search(r"Polars: the largest file is \('.*\.png', 40, 40\)", said)
    assert len(re.findall(r"^  .*: 10 images, -?\d+\.\d\d$", said, re.MULTILINE)) == 4
