"""`orchard search`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from orchard.cli.command import Command, ResultFolder, storage_options
from orchard.cli.path_list import read_paths
from orchard.cli.printing import echo, echo_json
from orchard.errors import ConfigError, SourceError, TooManyErrors

if TYPE_CHECKING:
    import pyarrow as pa


@click.command("search", cls=Command, short_help="Find the images most like a picture.")
@click.argument("output", metavar="OUTPUT", type=ResultFolder())
@click.argument("images", metavar="IMAGE...", nargs=-1)
@click.option(
    "--like",
    multiple=True,
    metavar="PATH",
    help="An image of OUTPUT: its path, or as much of the end of it as tells it from others.",
)
@click.option(
    "--from-file",
    type=click.File("rb"),
    metavar="FILE",
    help="A list of paths of images, one per line; - for standard input.",
)
@click.option("-k", default=12, show_default=True, help="How many images to find for each.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each picture.")
@storage_options
def search_command(
    output: str,
    images: tuple[str, ...],
    like: tuple[str, ...],
    from_file: Any,
    k: int,
    as_json: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Find the images of OUTPUT that are most like each IMAGE, nearest first.

    An IMAGE is a file or an s3:// address, of OUTPUT or not; one that OUTPUT does not hold is
    embedded by the network of its run. Similarity is the cosine between components, at most 1. The
    search is exact. The exit code is 7 if some pictures could not be read or found.

    \b
    Examples:
      orchard search result photo.jpg
      orchard search result --like apple/12.jpg -k 5
      orchard search result photos/*.jpg --json > near.jsonl
    """
    from orchard.result import Result

    others = [*images, *read_paths(from_file)]
    if not others and not like:
        raise ConfigError("nothing to look for: give an IMAGE, --like PATH, or --from-file")
    searcher = Result.open(output, endpoint_url=endpoint_url, region=region).searcher()
    wanted: list[tuple[str, Callable[[str, int], pa.Table]]]
    wanted = [(name, searcher.nearest) for name in others]
    wanted += [(name, searcher.like) for name in like]
    tell = _tell_json if as_json else _tell
    n_failed = 0
    for name, search in wanted:
        try:
            tell(name, search(name, k).to_pylist(), None)
        except SourceError as error:
            n_failed += 1
            tell(name, [], str(error))
    if n_failed:
        raise TooManyErrors(
            f"{n_failed} of {len(wanted)} pictures could not be read or found; see above"
        )


def _tell(name: str, found: list[dict[str, Any]], error: str | None) -> None:
    echo(name if error is None else error)
    for row in found:
        label = f"{row['label']}  " if row["label"] is not None else ""
        echo(f"  {row['similarity']:6.3f}  {label}{row['path']}")


def _tell_json(name: str, found: list[dict[str, Any]], error: str | None) -> None:
    row = {"path": name, "nearest": found} if error is None else {"path": name, "error": error}
    echo_json(json.dumps(row, ensure_ascii=False))
