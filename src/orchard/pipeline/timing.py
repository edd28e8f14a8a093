"""What a run would take, from timing a few of its images in this process."""

from __future__ import annotations

import re
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier

import numpy as np
import pyarrow as pa

from orchard.config import RunConfig
from orchard.embedding.extraction import extract
from orchard.images.reading import Reading
from orchard.images.source import fetch
from orchard.images.thumbnail import share
from orchard.machine import available_cores
from orchard.model import Embedder, Model

SAMPLE_IMAGES = 160  # a slot
WARMING_IMAGES = 8
BYTES_PER_VALUE = 4
# From the records of runs on two cores; benchmarks/curve.py holds the sum of them against runs.
OVERHEAD_SECONDS = 9.5  # starting Spark and its workers, PCA, commits, stopping
FITTING_SECONDS = 0.00005  # an image, to merge moments and project
FINDINGS_SECONDS, FINDINGS_SECONDS_AN_IMAGE = 1.5, 0.000115
REPORT_SECONDS, REPORT_SECONDS_AN_IMAGE = 1.0, 0.00002
POINT_SECONDS = 0.00045  # an image that t-SNE places, with its thumbnail
POINTS = 25_000  # that it places at most
# What those seconds took: a megabyte packed on each of these cores, while nothing else ran.
PACKING_SECONDS = 0.0265
PACKED_BYTES, PACKED_TIMES = 1_000_000, 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """images_per_second: of one slot beside the others, by timing `n_timed` images.

    slots: of a local master; None on a cluster, where seconds are those of one slot.
    """

    n_timed: int
    images_per_second: float
    slots: int | None
    seconds: float
    features_bytes: int

    @classmethod
    def measure(cls, images: pa.Table, model: Model, config: RunConfig, n_all: int) -> Estimate:
        """Embed some of `images`, on as many cores at once as the run would use.

        images: those still to be embedded, of `n_all` that will be fitted and drawn.
        """
        n = images.num_rows
        slots = _local_slots(config.master)
        if n == 0:
            return cls(0, 0.0, slots, 0.0, 0)
        at_once = min(slots or 1, available_cores())
        n_timed = min(n, SAMPLE_IMAGES * at_once)
        spread = np.unique(np.linspace(0, n - 1, n_timed).astype(np.int64))
        parts = [images.take(spread[part::at_once]) for part in range(at_once)]
        together = Barrier(at_once)
        embedders = [_warmed(model) for _ in parts]

        def rate_of(part: pa.Table, embedder: Embedder) -> float:
            """Images a second, once the thread's decoder runs and all the others begin as well."""
            embed = partial(
                extract,
                embedder=embedder,
                fingerprint="",
                run_id="",
                fetch=partial(fetch, storage=config.storage),
                reading=Reading.of(config),
                pictured=share(n_all) if config.thumbnails else None,
            )
            try:
                embed(part.slice(0, WARMING_IMAGES))
            finally:  # or the others would wait for ever
                together.wait()
            started = time.perf_counter()
            embed(part)
            return part.num_rows / (time.perf_counter() - started)

        with ThreadPoolExecutor(at_once) as pool:
            slower = _slowness(pool, at_once)
            rate = sum(pool.map(rate_of, parts, embedders)) / at_once
            slower = (slower + _slowness(pool, at_once)) / 2  # before and after
        # More slots than cores share them.
        embedding = n / rate / (min(slots, at_once) if slots else 1)
        seconds = embedding + slower * _rest(n_all, config.findings, config.report)
        return cls(len(spread), rate, slots, seconds, n * model.dim * BYTES_PER_VALUE)


def _warmed(model: Model) -> Embedder:
    embedder = Embedder(model)
    embedder(np.zeros((1, model.size, model.size, 3), np.uint8))
    return embedder


def _slowness(pool: ThreadPoolExecutor, at_once: int) -> float:
    """How many times as long as where the constants were taken work takes here and now: a slower
    machine, or one that does other things meanwhile."""
    data = np.random.default_rng(0).integers(0, 64, PACKED_BYTES, np.uint8).tobytes()
    started = time.perf_counter()
    list(pool.map(zlib.compress, [data] * at_once * PACKED_TIMES))
    return (time.perf_counter() - started) / PACKED_TIMES / PACKING_SECONDS


def _rest(n_images: int, has_findings: bool, has_report: bool) -> float:
    """Seconds of a run of so many images besides embedding them, at the constants' pace."""
    findings = FINDINGS_SECONDS + FINDINGS_SECONDS_AN_IMAGE * n_images
    report = REPORT_SECONDS + REPORT_SECONDS_AN_IMAGE * n_images
    report += POINT_SECONDS * min(n_images, POINTS)
    fitting = OVERHEAD_SECONDS + FITTING_SECONDS * n_images
    return fitting + (findings if has_findings else 0.0) + (report if has_report else 0.0)


def _local_slots(master: str) -> int | None:
    if not master.startswith("local"):
        return None
    number = re.search(r"\d+", master)
    if number:
        return int(number[0])
    return available_cores() if "*" in master else 1
