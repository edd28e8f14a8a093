"""`orchard privacy`."""

from __future__ import annotations

from typing import Any

import click

from orchard.cli.cluster_options import CloudCommand
from orchard.cli.command import existing_result, storage_options
from orchard.cli.printing import echo_text


@click.command("privacy", cls=CloudCommand, short_help="Write a result's processing record.")
@click.argument("output", metavar="OUTPUT")
@click.option("--controller", help="Who decides about the processing.")
@click.option("--contact", help="How to contact the controller.")
@click.option("--purpose", help="What for. Default: features of images.")
@click.option("--legal-basis", help="Such as consent, or Article 6(1)(f).")
@click.option("--retention", help="How long the result is kept, and who then deletes it.")
@storage_options
def privacy_command(
    output: str, endpoint_url: str | None, region: str | None, **stated: str | None
) -> None:
    """Write the GDPR's record of processing for OUTPUT: what, why, where, how long, who can erase.

    It is shown, and stored as OUTPUT/privacy/processing_record.json. For a bucket, S3 is asked for
    its region, encryption and retention; one outside the EU is refused. Servers other than AWS's
    are not queried.
    """
    from orchard.result.processing_record import Statement, lines, record

    result = existing_result(output, endpoint_url, region)
    place = _place(result.root, endpoint_url, region)
    statement = Statement(**{name: value for name, value in stated.items() if value})
    for line in lines(record(result, statement, place)):
        echo_text(line)


def _place(root: str, endpoint_url: str | None, region: str | None) -> dict[str, Any]:
    """Where a result lies and what guards it."""
    from orchard.storage import is_remote

    if not is_remote(root):
        return {"folder": root, "guards": "those of this machine's disk"}
    if endpoint_url or not root.startswith("s3://"):
        # AWS would answer for a bucket of the same name that is somebody else's.
        server = endpoint_url or root.split("://")[0]
        return {"url": root, "server": server, "guards": "those of the server, which was not asked"}
    from orchard.aws.account import Account
    from orchard.aws.places import guards

    return guards(Account(region), root)
