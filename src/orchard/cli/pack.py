"""`orchard pack`."""

from __future__ import annotations

from typing import Any

import click

from orchard.cli.command import Command, storage_options
from orchard.cli.printing import counted, echo
from orchard.errors import ConfigError

SHOWN = 20  # of what could not be packed


@click.command("pack", cls=Command, short_help="Pack images into shards for a bucket.")
@click.argument("paths", metavar="SOURCE... DIR", nargs=-1, required=True)
@click.option(
    "--shard-size",
    default=100,
    show_default=True,
    metavar="MB",
    help="Megabytes of a shard, about.",
)
@click.option(
    "--label",
    default="parent",
    show_default=True,
    metavar="parent|none|column:NAME|REGEX",
    help="As of `orchard run`. A label that an image's folder does not say is written beside it.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="Only these files; repeatable.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Not these files; repeatable.")
@click.option("--quiet", is_flag=True, help="Show nothing but errors.")
@storage_options
def pack_command(paths: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Write the images of SOURCE into DIR as tars of about 100 MB, in the layout of WebDataset.

    A bucket charges for each request, not for bytes: an image of 5 kB costs as much to upload and
    to read as a shard of thousands. DIR, a folder or s3://, is then a SOURCE of `orchard run`, with
    the same labels. The same images give the same bytes; nothing is changed in SOURCE.

    Run it again after an interruption, or when there are more images: shards that are right stay
    as they are, and what is new comes into shards of its own.

    \b
      orchard pack photos s3://bucket/shards
      orchard run s3://bucket/shards s3://bucket/result
    """
    from orchard.packing import PackConfig, pack
    from orchard.progress import Reporter

    if len(paths) < 2:
        raise ConfigError("give at least one SOURCE and, last, DIR; see orchard pack --help")
    config = PackConfig(sources=paths[:-1], output=paths[-1], **options)
    done = pack(config, Reporter(quiet=quiet))
    for path, failure in done.failures[:SHOWN]:
        echo(f"not packed: {path}: {failure.reason.value}: {failure.detail}", err=True)
    if len(done.failures) > SHOWN:
        echo(f"not packed: {len(done.failures) - SHOWN:,} others", err=True)
    if not quiet:
        images, shards = counted(done.n_images, "image"), counted(done.n_shards, "shard")
        echo(
            f"{images} in {shards} in {done.root}; "
            f"{len(done.written):,} written now ({done.n_bytes / 1e6:,.1f} MB), "
            f"{len(done.removed):,} removed"
        )
