"""Folders that are uploaded as shards, where S3's price for single files would be more.

The shards are written straight into the bucket. What is there already is compared by its indexes, a
request a shard, so that a second run sends only what is new.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchard.aws.sync import Upload
from orchard.cloud.estimate import Workload, cheaper
from orchard.cloud.prices import Prices
from orchard.config import COLUMN, RunConfig
from orchard.packing import PackConfig, pack
from orchard.progress import Reporter
from orchard.storage import is_remote

SUFFIX = ".shards/"  # of the folder beside the one of single files


def chosen(
    client: Any, run: RunConfig, plan: tuple[Upload, str], prices: Prices
) -> tuple[Upload, str]:
    """The upload as it is, or to be packed: where that is cheaper and none of the files is in the
    bucket by itself, or where the folder lies there in shards already.

    Not with --limit or a label from a column, which the shards would not have.
    """
    upload, prefix = plan
    if run.limit is not None or run.label.startswith(COLUMN) or not prefix.endswith("/"):
        return plan
    beside = prefix.removesuffix("/") + SUFFIX
    if _holds_shards(client, upload.bucket, beside):
        return replace(upload, packs=True), beside
    work = Workload(upload.n_files, upload.n_bytes, uploads=len(upload.missing))
    is_new = len(upload.missing) == upload.n_files and not upload.n_others
    if is_new and cheaper(work, prices).packs:
        return replace(upload, packs=True), beside
    return plan


def send(upload: Upload, prefix: str, run: RunConfig, region: str, reporter: Reporter) -> None:
    """Pack a folder into the bucket. Raises OrchardError."""
    assert upload.folder is not None
    target = f"s3://{upload.bucket}/{prefix.rstrip('/')}"
    reporter.say(
        f"images: {upload.n_files:,} packed into shards of about 100 MB in {target}, which is "
        "cheaper than single files"
    )
    config = PackConfig(
        sources=(str(upload.folder),),
        output=target,
        label=run.label,
        include=run.include,
        exclude=run.exclude,
        region=region,
    )
    done = pack(config, reporter)
    reporter.say(
        f"images: {done.n_images:,} in {done.n_shards:,} shards, {len(done.written):,} sent now"
    )
    for path, failure in done.failures:
        reporter.warn(f"{path}: not uploaded: {failure.detail}")


def placed(run: RunConfig, uploads: list[tuple[Upload, str]]) -> RunConfig:
    """The run with the shards as sources, in place of the folders that are packed."""
    packed = {
        str(upload.folder): f"s3://{upload.bucket}/{prefix.rstrip('/')}"
        for upload, prefix in uploads
        if upload.packs
    }

    def place(source: str) -> str:
        return source if is_remote(source) else packed.get(str(Path(source)), source)

    return replace(run, sources=tuple(map(place, run.sources)))


def _holds_shards(client: Any, bucket: str, prefix: str) -> bool:
    try:
        found = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}shard-", MaxKeys=1)
    except client.exceptions.NoSuchBucket:
        return False
    return bool(found.get("KeyCount"))
