"""`orchard report`."""

from __future__ import annotations

import click

from orchard.cli.command import Command, existing_tables, source_option, storage_options
from orchard.cli.printing import echo


@click.command("report", cls=Command, short_help="Make a result's report again.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--thumbnails/--no-thumbnails",
    default=True,
    show_default=True,
    help="Show the images, read again from their source if it can be reached.",
)
@source_option
@storage_options
def report_command(
    output: str,
    thumbnails: bool,
    sources: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Make OUTPUT/report/index.html from the tables: a page to open in a browser.

    It shows the images on a map, what was read and what failed, duplicates, unusual images, the
    explained variance, each class, where the time went, and what it would cost on AWS. It is one
    file that needs no network. It contains thumbnails, so pass it on only to people who may see
    the images.

    \b
    Examples:
      orchard report result
      orchard report result --no-thumbnails
      orchard report s3://bucket/result --region eu-west-3
    """
    from orchard.progress import Reporter
    from orchard.report.build import build
    from orchard.store.recorded_sources import confines

    tables = existing_tables(output, endpoint_url, region)
    place = tables.output
    allowed = confines(place, sources)
    built = build(tables, with_thumbnails=thumbnails, confines=allowed, say=Reporter().say)
    echo(f"{built.n_points:,} points, {built.n_thumbnails:,} thumbnails")
    echo(f"Report: {place.uri(built.path)} ({built.n_bytes / 1e6:.1f} MB)")
