"""`orchard report`."""

from __future__ import annotations

import click

from orchard.cli.command import Command, existing_tables, storage_options
from orchard.cli.printing import echo


@click.command("report", cls=Command, short_help="Make a result's report again.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--thumbnails/--no-thumbnails",
    default=True,
    show_default=True,
    help="Show the images, as thumbnails/ holds them.",
)
@storage_options
def report_command(
    output: str,
    thumbnails: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Make OUTPUT/report/index.html from the tables: a page to open in a browser.

    It shows the images on a map, what was read and what failed, duplicates, unusual images, the
    explained variance, each class, where the time went, and what it would cost on AWS. It is one
    file that needs no network, and no image is read for it. It contains thumbnails, so pass it on
    only to people who may see the images.

    \b
    Examples:
      orchard report result
      orchard report result --no-thumbnails
      orchard report s3://bucket/result --region eu-west-3
    """
    from orchard.findings import ensured
    from orchard.progress import Reporter
    from orchard.report.build import build

    tables = existing_tables(output, endpoint_url, region)
    place = tables.output
    with Reporter().steps() as say:
        say("findings: comparing the images")
        rows, seen = ensured(tables)
        known = seen.known(rows) if seen else None
        del seen  # vectors, which the report has no need of
        built = build(tables, with_thumbnails=thumbnails, say=say, known=known)
    echo(f"{built.n_points:,} points, {built.n_thumbnails:,} thumbnails")
    echo(f"Report: {place.uri(built.path)} ({built.n_bytes / 1e6:.1f} MB)")
