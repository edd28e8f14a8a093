from __future__ import annotations

import numpy as np
import pytest

from orchard.training.samples import Samples
from orchard.training.splits import objects_of


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
    samples = Samples.of(
        np.array(paths), np.array(labels), lambda label: label.split()[0], objects_of(paths)
    )
    return samples, np.array(rows, np.float32)
