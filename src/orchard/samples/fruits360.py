"""Fruits-360, the real photographs, fetched from their home with git.

git is the downloader because it is the one interface of that home that resumes and checks: the
commit names the hash of every file. One class is fetched at a time, and what a class needs is
asked for in one request. The repository, without any picture in it, stays in DIR/.fruits360.git;
what lies in DIR is compared with it by hash on every call, so an interrupted fetch continues where
it stopped and a damaged file is fetched again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchard.errors import ConfigError, SourceError
from orchard.samples.git import Repository, Tree

REMOTE = "https://github.com/fruits-360/fruits-360-100x100"
LICENCE = (
    "Fruits-360, copyright 2017- Mihai Oltean, https://github.com/fruits-360, licensed under "
    "CC BY-SA 4.0: https://creativecommons.org/licenses/by-sa/4.0/ (give credit, and share what "
    "you make of it under the same licence)"
)
SPLITS = ("Test", "Training")
_GIT_DIR = ".fruits360.git"


def fetch_fruits360(
    directory: Path,
    *,
    split: str = "Test",
    remote: str = REMOTE,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Put the photographs into DIR/<split>/<class>/<frame>_100.jpg; returns how many were fetched.

    split: "Test", "Training" or "all". remote: an https, git or file URL. The first call settles
    the edition, the newest commit; later calls complete and verify that one, and need no network
    when nothing is missing. Files in DIR that are not of the data set are not touched.
    on_progress is called after each class with the number of images verified so far, and in all.

    Raises ConfigError where a setting is wrong; SourceError where git or the remote is missing, the
    disk is full, DIR is another's, or what was fetched is not laid out as Fruits-360 is.
    """
    if split not in (*SPLITS, "all"):
        raise ConfigError(f"split {split!r}: expected Test, Training or all")
    directory = Path(directory).absolute()
    with _claimed(directory):
        repository = Repository(directory / _GIT_DIR, remote, way_out=_way_out(directory, remote))
        repository.pin()
        classes = [
            (directory / name / folder.name, folder)
            for name in (SPLITS if split == "all" else (split,))
            for folder in _classes(repository, name)
        ]
        total = sum(folder.n_files for _, folder in classes)
        fetched = verified = 0
        for path, folder in classes:
            fetched += repository.restore(folder, path)
            verified += folder.n_files
            if on_progress is not None:
                on_progress(verified, total)
    return fetched


def _classes(repository: Repository, split: str) -> list[Tree]:
    folders = repository.folders(split)
    if not folders:
        raise SourceError(
            f"{repository.remote}: expected a folder {split} with one folder for each class, as in "
            f"{REMOTE}; found none"
        )
    return folders


@contextmanager
def _claimed(directory: Path) -> Iterator[None]:
    """Hold the directory for this process, refusing one that holds something else."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ours = (directory / _GIT_DIR).is_dir()
        if not ours and any(directory.iterdir()):
            raise SourceError(
                f"{directory}: expected an empty directory, or one from an earlier download; "
                "choose another"
            )
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(
            f"{directory}: {error.strerror}: expected a directory that can be written; choose "
            "another"
        ) from None
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    """A lock on the directory itself ends with the process, however that ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise SourceError(
            f"{directory}: {error.strerror}: another download is running here; wait, or choose "
            "another directory"
        ) from None


def _way_out(directory: Path, remote: str) -> str:
    return (
        f"run again to resume; or fetch elsewhere with `git clone --depth 1 {remote}` and copy its "
        f"folders Test and Training here; or `orchard sample {directory}` for rendered fruit"
    )
