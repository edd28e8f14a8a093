"""How much there is to embed, for an estimate: counted, not read."""

from __future__ import annotations

from orchard.images.source import list_images
from orchard.storage import Storage, is_remote


def measure_folders(sources: tuple[str, ...], region: str) -> tuple[int, int]:
    """How many files and bytes lie in folders and buckets. Raises SourceError, ConfigError."""
    if any(is_remote(source) for source in sources):
        from orchard.aws.account import Account
        from orchard.aws.regions import check_bucket

        s3 = Account(region).client("s3")
        for source in filter(is_remote, sources):
            check_bucket(s3, source)
    images = list_images(sources, storage=Storage(region=region)).images
    return images.num_rows, sum(images["size"].to_pylist())
