"""A SOURCE that is a table: what a run is to make of it is another option's business."""

from __future__ import annotations

from pathlib import Path

from orchard.errors import SourceError
from orchard.images import local
from orchard.storage import is_remote

TABLES = (".csv", ".tsv")


def check_source(source: str) -> None:
    """Raises SourceError where a SOURCE is itself a table, which holds no picture."""
    if not source.lower().endswith(TABLES):
        return
    if is_remote(source) or Path(local.absolute(source)).is_file():
        raise SourceError(
            f"{source} is a table, not a folder of images: to read the images that it names, give "
            f"it as --manifest {source}"
        )
