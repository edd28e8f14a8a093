"""How much there is to embed, for an estimate, and how fast one slot of this machine is at it."""

from __future__ import annotations

from orchard.config import RunConfig
from orchard.images.containers.places import files_of
from orchard.images.source import list_images
from orchard.model import load_model
from orchard.pipeline.timing import Estimate
from orchard.storage import Storage, is_remote


def measure_folders(sources: tuple[str, ...], region: str) -> tuple[int, int, int]:
    """How many files and bytes lie in folders and buckets, and how many files in folders.

    Raises SourceError, ConfigError.
    """
    if any(is_remote(source) for source in sources):
        from orchard.aws.account import Account
        from orchard.cloud.regions import check_bucket

        s3 = Account(region).client("s3")
        for source in filter(is_remote, sources):
            check_bucket(s3, source)
    listing = list_images(sources, storage=Storage(region=region))
    images = listing.images
    n_local = sum(not is_remote(path) for path in files_of(listing.placed))  # archives are whole
    return images.num_rows, sum(images["size"].to_pylist()), n_local


def measure_rate(sources: tuple[str, ...], weights: str) -> float:
    """Images/s of one slot, by timing some of them here, as `orchard run --dry-run` does."""
    config = RunConfig(sources=sources, output="unused", weights=weights)
    images = list_images(sources, storage=config.storage).images
    model = load_model(weights)
    return Estimate.measure(images, model, config, images.num_rows).images_per_second
