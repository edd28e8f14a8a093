"""The settings of `orchard pack`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.images.source import Selection, absolute
from orchard.settings import Expected, settle
from orchard.storage import Storage, is_remote

SHARD_MB = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PackConfig:
    """What `orchard pack` does; every field is an option of the command line of the same name.

    - sources: folders, files, archives, glob patterns or URLs of buckets. output: the folder or URL
      that the shards are written into.
    - shard_size: megabytes of a shard, about.
    - label, include, exclude: as of `orchard.RunConfig`. A label that an image's folder does not
      say lies beside it, as `.cls`.
    - endpoint_url, region: of S3, where they are not what the environment says.

    Raises ConfigError where a value is not what it should be, or OUTPUT is a SOURCE.
    """

    sources: Annotated[
        tuple[str, ...], Expected("a folder, a file, a glob or a URL, or several", "SOURCE")
    ]
    output: Annotated[str, Expected("a folder or a URL", "DIR")]
    shard_size: Annotated[int, Ge(1), Le(4000)] = SHARD_MB
    label: str = "parent"
    include: Annotated[tuple[str, ...], Expected("a glob, or several")] = ()
    exclude: Annotated[tuple[str, ...], Expected("a glob, or several")] = ()
    endpoint_url: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        settle(self)
        if not self.sources or not all((*self.sources, self.output)):
            raise ConfigError("an empty SOURCE or DIR: expected folders or URLs")
        for source in self.sources:
            if absolute(source).rstrip("/") == self.root:
                raise ConfigError(
                    f"DIR {self.output} is the SOURCE {source}: expected a folder of its own, such "
                    "as shards"
                )

    @property
    def root(self) -> str:
        """The folder of shards as an absolute path, or as the URL it is."""
        return self.output.rstrip("/") if is_remote(self.output) else str(_absolute(self.output))

    @property
    def storage(self) -> Storage:
        return Storage(self.endpoint_url, self.region)

    @property
    def selection(self) -> Selection:
        return Selection.of(
            RunConfig(
                sources=self.sources,
                output=self.output,
                label=self.label,
                include=self.include,
                exclude=self.exclude,
            )
        )


def _absolute(folder: str) -> Path:
    return Path(folder).expanduser().absolute()
