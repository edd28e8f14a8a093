"""The commands of `orchard cluster` that start nothing: the prices, and who may do what."""

from __future__ import annotations

from typing import Any

import click

from orchard.cli.cluster_options import CloudCommand, account_of, cluster_options, config_of
from orchard.cli.printing import echo, echo_text, show


@click.command("prices", cls=CloudCommand, short_help="The price table, its date and sources.")
@click.option("--refresh", is_flag=True, help="Ask AWS first, and keep the answers (credentials).")
@cluster_options
def prices_command(refresh: bool, **options: Any) -> None:
    """Show the prices that estimates use in a region, without tax, each with its source.

    With --refresh AWS's price list and Spot market are asked for all of them but the addresses, the
    keys and the exchange rate; what AWS answers is kept and used from then on.
    """
    from orchard.aws import price_list
    from orchard.aws.words import price_tables
    from orchard.cloud.prices import Prices, kept_in, stale

    region = config_of(options).region
    prices = price_list.refresh(account_of(options), region) if refresh else Prices.of(region)
    show(*price_tables(prices))
    where = f"kept in {kept_in()}" if prices.is_refreshed else "the table that Orchard brings along"
    echo(f"{where}; `estimate`, `run` and the report use them")
    if warning := stale(prices.date):
        echo(f"Warning: {warning}")


@click.command("permissions", cls=CloudCommand, short_help="The IAM policy that a caller needs.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["run", "deploy"]),
    default="run",
    show_default=True,
    help="run: submit, follow and fetch, on a stack that is there. deploy: what else is needed to "
    "make and remove it.",
)
@click.option("--account", metavar="DIGITS", help="Of AWS; default the credentials' own.")
@click.option("--source-bucket", multiple=True, help="Another bucket, of images or results.")
@cluster_options
def permissions_command(
    purpose: Any, account: str | None, source_bucket: tuple[str, ...], **options: Any
) -> None:
    """Print the IAM policy of whoever calls `orchard cluster`, as JSON for a managed policy.

    `orchard cluster up`, `down` and `run` need both policies.
    """
    import json

    from orchard.aws.caller import policy

    config = config_of(options)
    number = account or account_of(options).number
    made = policy(purpose, number, config.region, config.name, source_bucket)
    echo_text(json.dumps(made, indent=1))
