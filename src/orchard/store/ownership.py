"""Whose a folder is: OUTPUT is a result of Orchard, or free to become one, or somebody else's.

A result carries a marker, `_orchard.json`: its format, a random id, and the version that made it. A
run writes it first, and takes it away again if nothing came of the run. A result of Orchard 0.1.0
is recognised by the log of its features, and gets a marker from its next run.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError

from orchard._version import __version__
from orchard.errors import TableError, first_line
from orchard.storage.results import FORMAT, LOG, MARKER, check_format, is_marker, is_result_folder
from orchard.storage.results import is_result as _is_result
from orchard.store import disk, log
from orchard.store.damage import from_json
from orchard.store.lock import LOCK, is_lock
from orchard.store.names import FOLDERS, TABLES, VARIANCE_CSV, is_taken, is_unmistakable
from orchard.store.output import Output

SHOWN = 3  # foreign entries that a refusal names


def is_result(output: Output) -> bool:
    """Whether OUTPUT holds a result, or what an interrupted first run left.

    Raises TableError where it cannot be read, or is of a newer format, unless a flipped bit says
    so.
    """
    marker = output.find(MARKER) or b""
    with suppress(ValueError):
        from_json(marker)
        check_format(marker)
    if output.is_local:
        return is_result_folder(output.root)
    return _is_result(
        output.find,
        lambda: [path.rpartition("/")[2] for path in output.paths(LOG)],
    )


def require(output: Output) -> None:
    """Raises TableError where OUTPUT is no result."""
    if not is_result(output):
        raise TableError(f"{output.root} is not a result of Orchard; expected the OUTPUT of a run")


def check(output: Output) -> None:
    """Raises TableError where OUTPUT is not free: where a result's files go lies a link, or, in a
    folder that is no result, anything else."""
    if is_result(output):
        for name in (*FOLDERS, VARIANCE_CSV):
            output.refuse_links(name)
        return
    try:
        found = foreign(output)
    except OSError as error:
        raise TableError(f"cannot read {output.root}: {error.strerror or error}") from error
    if found:
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        raise TableError(
            f"{output.root} holds {', '.join(found[:SHOWN])}{more}, which Orchard did not make, "
            "in the place of its own files; nothing is written: give another OUTPUT"
        )


def foreign(output: Output) -> list[str]:
    """What lies where a result's files go and is not known to be Orchard's, sorted."""
    entries = _entries_on_disk(output) if output.is_local else _entries_in_bucket(output)
    ours = {table for table in TABLES if log.is_orchards(output, table)}

    def is_ours(path: str, is_link: bool) -> bool:
        if is_link:
            return False
        if path in (LOCK, MARKER):
            content = output.find(path) or b""
            return is_lock(content) if path == LOCK else is_marker(content)
        table, _, rest = path.partition("/")
        return is_unmistakable(path) or (table in ours and rest.startswith("_delta_log/"))

    return sorted(path for path, is_link in entries if not is_ours(path, is_link))


@contextmanager
def claim(output: Output) -> Iterator[None]:
    """Hold OUTPUT for one writer and mark it as a result; unmark it if nothing was written to it.

    Raises TableError where another process holds it, or it is somebody else's.
    """
    check(output)
    missing = _missing_folders(output)
    try:
        with output.lock():
            check(output)
            marked = output.find(MARKER) is not None
            if not marked:
                output.create_json(MARKER, _new_marker())
            try:
                yield
            finally:
                if not marked and not any(output.paths(folder) for folder in FOLDERS):
                    output.delete([MARKER, LOCK] if output.is_local else [MARKER])
    finally:
        for folder in missing:
            disk.delete_empty_folder(str(folder.parent), folder.name)


def _new_marker() -> dict[str, str | int]:
    return {
        "format": FORMAT,
        "result": secrets.token_hex(8),
        "made_by": f"orchard {__version__}",
    }


def _missing_folders(output: Output) -> list[Path]:
    """The folders that making OUTPUT makes, innermost first."""
    if not output.is_local:
        return []
    root = Path(output.root)
    return [folder for folder in (root, *root.parents) if not folder.exists()]


def _entries_on_disk(output: Output) -> Iterator[tuple[str, bool]]:
    root = Path(output.root)
    for entry in root.iterdir() if root.is_dir() else ():
        if not is_taken(entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            for path, mode in disk.entries_below(output.root, entry.name):
                yield path, not stat.S_ISREG(mode)
        else:
            yield entry.name, entry.is_symlink()


def _entries_in_bucket(output: Output) -> Iterator[tuple[str, bool]]:
    try:
        top = obstore.list_with_delimiter(output.store())
    except (BaseError, OSError) as error:
        raise TableError(f"cannot read {output.root}: {first_line(error)}") from error
    names = [meta["path"] for meta in top["objects"]]
    yield from ((name, False) for name in names if is_taken(name))
    for prefix in top["common_prefixes"]:
        if is_taken(prefix.strip("/")):
            for path in output.everything(prefix.strip("/")):
                yield path, False
