"""What of a run's sources goes to the bucket first, and how much work that makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchard.aws import packed, sync
from orchard.aws.account import Account
from orchard.aws.named_images import Named
from orchard.cloud.estimate import RANGE_BYTES, Workload
from orchard.cloud.prices import Prices
from orchard.cloud.settings import ClusterConfig
from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.images.containers import names
from orchard.images.containers.places import files_of, n_requests
from orchard.images.source import Selection, list_images
from orchard.progress import Reporter
from orchard.storage import Storage, is_remote

IMAGES = "images/"


@dataclass(frozen=True, slots=True)
class Uploads:
    """bucket: the stack's own, where images lie below IMAGES."""

    account: Account
    config: ClusterConfig
    bucket: str
    reporter: Reporter

    def plan(self, run: RunConfig) -> list[tuple[sync.Upload, str]]:
        """For each local SOURCE what is to be sent, and where it will lie."""
        plans = []
        for source in run.sources:
            if is_remote(source):
                continue
            if Path(source).is_file() and names.kind_of(source):
                plans.append(self._archive_upload(Path(source), run))
                continue
            if not Path(source).is_dir():
                raise ConfigError(
                    f"SOURCE {source}: on a cluster expected a folder, an archive or s3://…"
                )
            prefix = f"{IMAGES}{Path(source).resolve().name}/"
            paths, n_images = self._paths_below(source, run)
            found = sync.local_files(source, paths, prefix)
            upload = sync.plan(self.account, self.bucket, found, prefix, Path(source))
            if upload.n_others:
                self.reporter.warn(
                    f"s3://{self.bucket}/{prefix} holds {upload.n_others:,} files that {source} "
                    "does not: they will be part of the run; delete them there, or rename the "
                    "folder"
                )
            upload = replace(upload, n_images=n_images)
            client, prices = self.account.client("s3"), Prices.of(self.config.region)
            plans.append(packed.chosen(client, run, (upload, prefix), prices))
        if len({prefix for _, prefix in plans}) < len(plans):
            raise ConfigError("two SOURCE folders have the same name; rename one of them")
        return plans

    def _archive_upload(self, path: Path, run: RunConfig) -> tuple[sync.Upload, str]:
        key = f"{IMAGES}{path.resolve().name}"
        n_images = list_images((str(path),), Selection.of(run)).n_listed
        file = sync.File(path, key, path.stat().st_size)
        upload = sync.plan(self.account, self.bucket, [file], key, path.parent)
        return replace(upload, n_images=n_images), key

    def _paths_below(self, source: str, run: RunConfig) -> tuple[list[str], int]:
        """The files of a local SOURCE, those alone that a manifest names, if there is one, and how
        many images are in them."""
        if run.manifest:
            paths = self.named(run).present_here()
            return paths, len(paths)
        listing = list_images((source,), Selection.of(run))
        for path, failure in listing.failures:
            self.reporter.warn(f"{path}: not uploaded: {failure.detail}")
        return files_of(listing.placed), listing.images.num_rows

    def named(self, run: RunConfig) -> Named:
        storage = Storage(region=self.account.region)
        return Named.of(run, storage, has_internet=not self.config.is_serverless)

    def workload(
        self, run: RunConfig, uploads: list[tuple[sync.Upload, str]], rate: float | None
    ) -> Workload:
        """How much there is to embed. rate: images/s of one slot, where it was measured."""
        n = sum(upload.n_listed for upload, _ in uploads)
        size = sum(upload.n_bytes for upload, _ in uploads)
        gets = n
        remote = tuple(url for url in run.sources if is_remote(url))
        if run.manifest:
            more = self.named(run).measured(Storage(region=self.account.region))
            n, size = n + more[0], size + more[1]
        elif remote:
            images = list_images(remote, Selection.of(run), Storage(region=self.account.region))
            n, size = n + images.n_listed, size + sum(images.images["size"].to_pylist())
            gets += n_requests(images.placed, RANGE_BYTES)
        missing = sum(len(upload.missing) for upload, _ in uploads)
        work = Workload(n, size, uploads=missing, gets=gets)
        if rate is not None:
            work = replace(work, images_per_second=rate, is_measured=True)
        work = work.by(run.weights)
        return work.packed() if any(upload.packs for upload, _ in uploads) else work
