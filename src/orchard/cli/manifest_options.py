"""The options of `orchard run` that name tables beside the images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

NAMES = ("manifest", "labels", "exclude_from", "keep_columns", "web_rate", "web_private")


def manifest_options(command: Any) -> Any:
    """--manifest, --labels, --exclude-from, --keep-columns, --web-rate and --web-private."""
    for option in reversed(
        (
            click.option(
                "--manifest",
                metavar="FILE",
                help="Read the images that a .csv or .parquet file names, by paths or URLs, here "
                "or in a bucket; its paths are relative to SOURCE, without one to its own folder.",
            ),
            click.option(
                "--labels",
                metavar="FILE",
                help="Take the labels from a .csv or .parquet file with a column for the path, "
                "name or stem of each image, and one for its label; or the relabels of a decisions "
                "file.",
            ),
            click.option(
                "--exclude-from",
                metavar="FILE",
                help="Leave out the images that a list names, one path per line, or that a "
                "decisions file drops. Those that OUTPUT holds move to gone/, until a run without "
                "it.",
            ),
            click.option(
                "--keep-columns",
                multiple=True,
                metavar="A,B",
                help="Columns of --manifest or --labels to carry along into the tables, as text.",
            ),
            click.option(
                "--web-rate",
                type=float,
                default=20.0,
                show_default=True,
                metavar="N",
                help="Requests per second to one web server that a manifest names, 8 at once.",
            ),
            click.option(
                "--web-private",
                is_flag=True,
                help="Ask servers too that are not on the public Internet, as this machine and its "
                "network.",
            ),
        )
    ):
        command = option(command)
    return command


def names_of(given: Iterable[str]) -> tuple[str, ...]:
    """The columns of one or several lists."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())
