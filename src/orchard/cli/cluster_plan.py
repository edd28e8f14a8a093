"""The commands of `orchard cluster` that start nothing: the prices, and who may do what."""

from __future__ import annotations

from typing import Any

import click

from orchard.cli.cluster_options import CloudCommand, account_of, cluster_options, config_of
from orchard.cli.printing import echo, show


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
