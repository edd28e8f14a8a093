"""Where the machine's images, its OUTPUT and everybody else's files lie: on a disk or in a bucket.

Names are relative to `base`, with "/". A foreign file is told by its bytes, a link by its target.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchard.storage import DEFAULT, Storage
from orchard.store.output import Output


@dataclass
class Disk:
    """A folder; `out` may lie among the images, as after `orchard run . result`."""

    base: str
    scratch: str
    out: str = "out"
    options: tuple[str, ...] = ()
    storage: Storage = DEFAULT
    foreign: set[str] = field(default_factory=set)
    is_local = True
    _clock: int = 1_600_000_000

    @property
    def output(self) -> Output:
        return Output.at(self.path(self.out), self.storage)

    def path(self, name: str) -> str:
        return f"{self.base}/{name}"

    def put(self, name: str, data: bytes) -> None:
        file = Path(self.path(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self._clock += 1  # two files of one size are never of one time
        os.utime(file, (self._clock, self._clock))

    def move(self, name: str, target: str) -> None:
        Path(self.path(target)).parent.mkdir(parents=True, exist_ok=True)
        Path(self.path(name)).replace(self.path(target))

    def delete(self, name: str) -> None:
        Path(self.path(name)).unlink()

    def link(self, name: str, target: str) -> None:
        """A symbolic link; both are somebody else's."""
        place = Path(self.path(name))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self.path(target), place.parent))
        self.foreign.add(name)

    def put_foreign(self, name: str, data: bytes) -> None:
        self.put(name, data)
        self.foreign.add(name)

    def delete_foreign(self, name: str) -> None:
        self.delete(name)
        self.foreign.discard(name)

    def state_of_foreign(self) -> dict[str, str]:
        """Link target or hash of each; "missing" for one that is not there."""
        return {name: self._state(Path(self.path(name))) for name in sorted(self.foreign)}

    def _state(self, place: Path) -> str:
        if place.is_symlink():
            return f"link to {place.readlink()}"
        if not place.is_file():
            return "missing"
        stamp = place.stat().st_mtime_ns
        return f"{hashlib.sha256(place.read_bytes()).hexdigest()} of {stamp}"

    def everything(self) -> list[str]:
        """All files and links, whoever made them."""
        tops = os.walk(self.base)
        found = [Path(top, name) for top, below, names in tops for name in (*names, *below)]
        files = [path for path in found if path.is_symlink() or not path.is_dir()]
        return sorted(path.relative_to(self.base).as_posix() for path in files)

    def names(self, folder: str = "") -> list[str]:
        """The files below a folder of OUTPUT that are nobody else's, relative to OUTPUT."""
        below = f"{self.out}/{folder}".rstrip("/") + "/"
        ours = [name for name in self.everything() if name not in self.foreign]
        return [name.removeprefix(f"{self.out}/") for name in ours if name.startswith(below)]

    def read(self, name: str) -> bytes:
        """A file of OUTPUT."""
        return self.read_any(f"{self.out}/{name}")

    def read_any(self, name: str) -> bytes:
        return Path(self.path(name)).read_bytes()

    def local_output(self) -> Path:
        """OUTPUT as a folder to search, without what is somebody else's."""
        copy = Path(self.scratch, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        for name in self.names():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(name))
        return copy


@dataclass
class Bucket(Disk):
    """A bucket, seen by Orchard at an endpoint and by the machine through `client`."""

    client: Any = None
    is_local = False

    @property
    def bucket(self) -> str:
        return self.base.removeprefix("s3://")

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=data)

    def move(self, name: str, target: str) -> None:
        self.put(target, self.read_any(name))
        self.delete(name)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=name)

    def link(self, name: str, target: str) -> None:
        """A bucket has none."""

    def state_of_foreign(self) -> dict[str, str]:
        there = set(self.everything())
        return {
            name: hashlib.sha256(self.read_any(name)).hexdigest() if name in there else "missing"
            for name in sorted(self.foreign)
        }

    def everything(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def read_any(self, name: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
