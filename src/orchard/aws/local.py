"""How much there is to embed, for an estimate, and how fast one slot of this machine is at it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from orchard.aws.named_images import WEB_BYTES, Named, with_source
from orchard.config import RunConfig
from orchard.images.containers.places import files_of
from orchard.images.source import Selection, list_images
from orchard.model import load_model
from orchard.pipeline.listing import listed
from orchard.pipeline.state import Run
from orchard.pipeline.timing import Estimate
from orchard.progress import Reporter
from orchard.storage import Storage, is_remote


def measure_folders(run: RunConfig, region: str) -> tuple[int, int, int]:
    """How many files and bytes lie in folders and buckets, and how many files in folders.

    Raises SourceError, ConfigError.
    """
    if any(is_remote(source) for source in run.sources):
        from orchard.aws.account import Account
        from orchard.cloud.regions import check_bucket

        s3 = Account(region).client("s3")
        for source in filter(is_remote, run.sources):
            check_bucket(s3, source)
    listing = list_images(run.sources, Selection.of(run), storage=Storage(region=region))
    images = listing.images
    n_local = sum(not is_remote(path) for path in files_of(listing.placed))  # archives are whole
    return images.num_rows, sum(images["size"].to_pylist()), n_local


def measure_named(run: RunConfig, region: str, *, has_internet: bool) -> tuple[int, int, int]:
    """The same of what a manifest names; nobody is asked how large images on the web are.

    Raises ConfigError also for what jobs could not read.
    """
    run = with_source(run)
    Named.of(run, Storage(region=region), has_internet=has_internet)
    images = _images(run)
    sizes = pc.fill_null(images["size"], WEB_BYTES)
    n_local = sum(not is_remote(path) for path in images["path"].to_pylist())
    return images.num_rows, pc.sum(sizes).as_py() or 0, n_local


def measure_rate(run: RunConfig) -> float:
    """Images/s of one slot, by timing some of them here, as `orchard run --dry-run` does."""
    images, model = _images(run), load_model(run.weights)
    return Estimate.measure(images, model, run, images.num_rows).images_per_second


def _images(run: RunConfig) -> pa.Table:
    """What a run would list, as if OUTPUT were empty."""
    return listed(Run.of(run, Reporter(quiet=True))).listing.images
