"""A run with a manifest or a file of labels, on a cluster: what such tables name, and where jobs
read it.

Tables that lie on this machine are sent along. What they name must lie below a SOURCE, which is
uploaded, in a bucket, or on the web.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.images import local, manifest
from orchard.images.table_file import read_table
from orchard.records import Found
from orchard.storage import Storage, is_remote
from orchard.storage.web_access import is_web

TABLES = "tables/"  # below the jobs' prefix
WEB_BYTES = 300_000  # assumed of an image on the web, whose size nobody is asked


@dataclass(frozen=True, slots=True)
class Named:
    """What a manifest names, by where it is: below the local SOURCE, in buckets, on the web."""

    here: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    web: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: RunConfig, storage: Storage, *, has_internet: bool) -> Named:
        """Raises ConfigError where jobs could not read an image."""
        if run.manifest is None:
            return cls()
        file = read_table(run.manifest, "--manifest", storage)
        found = manifest.read_manifest(file, run.sources[0] if run.sources else None)
        paths = [entry.path for entry in found.entries]
        named = cls(
            tuple(path for path in paths if not is_remote(path)),
            tuple(path for path in paths if is_remote(path) and not is_web(path)),
            tuple(path for path in paths if is_web(path)),
        )
        if named.web and not has_internet:
            raise ConfigError(
                f"--manifest {run.manifest} names {named.web[0]}: EMR Serverless reaches no web "
                "server; use --backend ec2, or copy the images to a bucket"
            )
        outside = next((p for p in named.here if not p.startswith(f"{found.root}/")), None)
        if outside is not None:
            raise ConfigError(
                f"--manifest {run.manifest} names {outside}, which jobs cannot read: expected "
                "paths below SOURCE, s3:// or https://"
            )
        return named

    def measured(self, storage: Storage) -> tuple[int, int]:
        """How many images are not uploaded, and their bytes."""
        found = manifest.find(list(self.buckets), storage, lambda urls: [None] * len(urls))
        known = sum(one.size for one in found if isinstance(one, Found))
        return len(self.buckets) + len(self.web), known + WEB_BYTES * len(self.web)

    def present_here(self) -> list[str]:
        """Those on this machine that are there."""
        return [path for path in self.here if isinstance(local.found_at(path), Found)]


def with_source(run: RunConfig) -> RunConfig:
    """The run with the folder of its local manifest as SOURCE where it has none: in the bucket the
    manifest lies elsewhere than its images."""
    if run.manifest is None or run.sources or is_remote(run.manifest):
        return run
    return replace(run, sources=(str(Path(local.absolute(run.manifest)).parent),))


def tables_of(run: RunConfig) -> list[str]:
    """The run's tables that lie on this machine."""
    return [
        one
        for one in (run.manifest, run.labels, run.exclude_from)
        if one is not None and not is_remote(one)
    ]


def placed(run: RunConfig, prefix: str) -> RunConfig:
    """The run as jobs find its tables, below a prefix in the bucket."""

    def place(table: str | None) -> str | None:
        is_here = table is not None and not is_remote(table)
        return f"{prefix}{TABLES}{Path(table).name}" if is_here and table else table

    return replace(
        run,
        manifest=place(run.manifest),
        labels=place(run.labels),
        exclude_from=place(run.exclude_from),
    )


def remote_places(run: RunConfig, named: Named) -> tuple[str, ...]:
    """The URLs in buckets that jobs read besides those of SOURCE."""
    tables = [
        one
        for one in (run.manifest, run.labels, run.exclude_from)
        if one is not None and is_remote(one)
    ]
    return (*tables, *manifest.roots(named.buckets))
