"""Files to the bucket and back: only what differs, each with a checksum that S3 verifies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from orchard.aws.account import Account
from orchard.errors import ConfigError, SourceError
from orchard.progress import Reporter

THREADS = 16


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """The files that are not in the bucket as they are here, and how many there are in all.

    n_others: objects below the same prefix that are no files here. folder: that the files lie in.
    packs: whether they are to be packed into shards. n_images: in them, which may be archives.
    """

    bucket: str
    missing: tuple[File, ...]
    n_files: int
    n_bytes: int
    n_others: int = 0
    folder: Path | None = None
    packs: bool = False
    n_images: int | None = None

    @property
    def n_listed(self) -> int:
        return self.n_files if self.n_images is None else self.n_images


def plan(account: Account, bucket: str, files: list[File], prefix: str, folder: Path) -> Upload:
    """Compare a folder's files with what lies below a prefix.

    Raises SourceError for two files of one key.

    An object whose size and MD5 (the ETag of an object put at once under SSE-S3) are the file's is
    not sent again. A bucket that is not there yet holds nothing.
    """
    if len({file.key for file in files}) < len(files):
        raise SourceError(f"two files would be s3://{bucket}/{prefix}…: rename one of the folders")
    there = _listed(account.client("s3"), bucket, prefix)
    missing = [file for file in files if not _is_there(file, there)]
    known = {file.key for file in files}
    others = [
        key
        for key in there
        if key not in known and not (folder / key.removeprefix(prefix)).is_file()
    ]
    size = sum(file.size for file in files)
    return Upload(bucket, tuple(missing), len(files), size, len(others), folder)


def send(account: Account, upload: Upload, reporter: Reporter) -> None:
    """Put the missing files, sixteen at a time. After an interruption the rest is sent."""
    s3, lock, done = account.client("s3"), Lock(), [0]

    def put(file: File) -> None:
        with file.path.open("rb") as body:
            s3.put_object(Bucket=upload.bucket, Key=file.key, Body=body, ChecksumAlgorithm="SHA256")
        with lock:
            done[0] += 1

    with (
        reporter.track(len(upload.missing), lambda: (done[0], 0), lambda _: None, "upload"),
        ThreadPoolExecutor(THREADS) as pool,
    ):
        try:
            for _ in pool.map(put, upload.missing):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def put_file(account: Account, bucket: str, key: str, path: Path) -> str:
    """Upload one file unless its like is there; its URL."""
    file = File(path, key, path.stat().st_size)
    if not _is_there(file, _listed(account.client("s3"), bucket, key)):
        # In parts, so that an archive of 100 MB survives a line that drops.
        account.client("s3").upload_file(
            str(path), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"}
        )
    return f"s3://{bucket}/{key}"


def fetch(account: Account, bucket: str, prefix: str, folder: Path) -> list[Path]:
    """Copy all objects below a prefix into a folder; what was written, sorted."""
    s3, written = account.client("s3"), []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            target = (folder / item["Key"][len(prefix) :]).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise ConfigError(f"s3://{bucket}/{item['Key']}: this key points outside {folder}")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(target))
            written.append(target)
    return sorted(written)


def local_files(folder: str, paths: Iterable[str], prefix: str) -> list[File]:
    """The listed files of a folder, as they will be named in the bucket."""
    root = Path(folder).absolute()
    found = []
    for text in paths:
        path = Path(text).absolute()
        key = f"{prefix}{path.relative_to(root).as_posix()}"
        found.append(File(path, key, path.stat().st_size))
    return found


def _listed(s3: Any, bucket: str, prefix: str) -> dict[str, tuple[int, str]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        return {
            item["Key"]: (item["Size"], item["ETag"].strip('"'))
            for page in pages
            for item in page.get("Contents", ())
        }
    except s3.exceptions.NoSuchBucket:
        return {}


def _is_there(file: File, there: dict[str, tuple[int, str]]) -> bool:
    found = there.get(file.key)
    if found is None or found[0] != file.size:
        return False
    if "-" in found[1]:  # put in parts; keys of archives hold the hash of their content
        return True
    digest = hashlib.md5(usedforsecurity=False)
    with file.path.open("rb") as body:
        while chunk := body.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == found[1]


def fetch_one(account: Account, bucket: str, key: str, path: Path) -> None:
    """Copy one object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    account.client("s3").download_file(bucket, key, str(path))
