"""What a run would take, from timing a few of its images in this process."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from orchard.config import RunConfig
from orchard.cores import available_cores
from orchard.extraction import extract
from orchard.images.source import fetch
from orchard.model import Embedder, Model

SAMPLE_IMAGES = 64
OVERHEAD_SECONDS = 12.0  # starting and stopping Spark, PCA, figures; measured on two cores
BYTES_PER_VALUE = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """images_per_second: of one slot, by timing `n_timed` images spread over the listing.

    slots: of a local master; None on a cluster, where seconds are those of one slot.
    """

    n_timed: int
    images_per_second: float
    slots: int | None
    seconds: float
    features_bytes: int

    @classmethod
    def measure(cls, images: pa.Table, model: Model, config: RunConfig) -> Estimate:
        n = images.num_rows
        slots = _local_slots(config.master)
        if n == 0:
            return cls(0, 0.0, slots, 0.0, 0)
        spread = np.unique(np.linspace(0, n - 1, min(n, SAMPLE_IMAGES)).astype(np.int64))
        embedder = Embedder(model)
        embedder(np.zeros((1, model.size, model.size, 3), np.uint8))
        started = time.perf_counter()
        read = partial(fetch, storage=config.storage)
        extract(
            images.take(spread),
            embedder,
            fingerprint="",
            run_id="",
            fetch=read,
            scaled=config.is_scaled,
        )
        rate = len(spread) / (time.perf_counter() - started)
        seconds = n / rate / (slots or 1) + OVERHEAD_SECONDS
        return cls(len(spread), rate, slots, seconds, n * model.dim * BYTES_PER_VALUE)


def _local_slots(master: str) -> int | None:
    if not master.startswith("local"):
        return None
    number = re.search(r"\d+", master)
    if number:
        return int(number[0])
    return available_cores() if "*" in master else 1
