"""`orchard review`."""

from __future__ import annotations

import click

from orchard.cli.command import Command, existing_result, storage_options
from orchard.cli.printing import echo
from orchard.errors import TableError, needs


@click.command("review", cls=Command, short_help="Look at the photos that people gave.")
@click.argument("output", metavar="OUTPUT")
@click.option("--port", default=8001, show_default=True, help="0 for any free port.")
@storage_options
def review_command(output: str, port: int, endpoint_url: str | None, region: str | None) -> None:
    """Look at the photos that people gave on the page of `orchard serve`: accept, relabel, drop.

    Open the address that is printed, on this machine; nothing else can reach it, and the key in it
    keeps other users of this machine out. Accepted photos go to OUTPUT/accepted, in a folder for
    each label, which the next run reads as a SOURCE. Dropped ones are deleted the next day. Photos
    of one person are never on both sides of a split.

    \b
    Examples:
      orchard review result
      orchard run photos result/accepted result
      orchard train result
    """
    with needs("serve", "orchard review"):
        from orchard.web.review import create_review, new_key
        from orchard.web.server import address, listen, serve_here
    from orchard.store import contributions
    from orchard.web.settings import ServeConfig

    place = existing_result(output, endpoint_url, region)
    contributions.tidy(place)
    try:
        contributions.expire(place)
    except TableError as error:  # a run is writing: the next time
        echo(f"photos whose time is over are still there: {error}", err=True)
    config = ServeConfig(output=output, port=port, endpoint_url=endpoint_url, region=region)
    key = new_key()
    with listen(config) as listening:
        echo(f"Reviewing on {address(config, listening)}{key}/ (Ctrl-C stops it)")
        serve_here(create_review(place, key), listening)
