from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import orchard
from orchard.classify.samples import Samples
from orchard.images.sample import write_sample
from orchard.progress import Reporter
from orchard.training import TrainConfig, Trained, train


def silent() -> Reporter:
    return Reporter(Console(file=io.StringIO()), quiet=True)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 150 rendered fruit of 19 species, two series of turns each."""
    folder = tmp_path_factory.mktemp("rendered")
    write_sample(folder, 152, size=48)
    return folder


@pytest.fixture(scope="session")
def result(spark: Any, rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the rendered fruit, seen whole and from near; for reading only."""
    output = tmp_path_factory.mktemp("trained") / "out"
    config = orchard.RunConfig(
        sources=(str(rendered),), output=str(output), weights="untrained", size=48, components=30,
        view=("plain", "zoom"), report=False,
    )  # fmt: skip
    orchard.run(config, silent())
    return output


@pytest.fixture(scope="session")
def trained(result: Path) -> Trained:
    """A classifier in `result`."""
    return train(TrainConfig(output=str(result), kind="logistic", folds=2), silent())


@pytest.fixture
def copy(result: Path, trained: Trained, tmp_path: Path) -> Path:
    """A result with a classifier, to be changed."""
    return shutil.copytree(result, tmp_path / "copy")


@pytest.fixture
def clouds() -> tuple[Samples, np.ndarray]:
    """Six classes of three species; each has three objects, whose images lie close together."""
    rng = np.random.default_rng(3)
    names = [f"{species} {variety}" for species in ("apple", "plum", "pear") for variety in (1, 2)]
    paths, labels, rows = [], [], []
    for name in names:
        centre = rng.normal(size=8) * 2
        for thing in range(3):
            spot = centre + rng.normal(size=8) * 1.5
            for frame in range(8):
                paths.append(f"/in/{name}/{thing}/{frame}_100.jpg")
                labels.append(name)
                rows.append(spot + rng.normal(size=8) * 0.1)
    from orchard.classify.splits import objects_of

    samples = Samples.of(
        np.array(paths), np.array(labels), lambda label: label.split()[0], objects_of(paths)
    )
    return samples, np.array(rows, np.float32)
