"""`orchard models`."""

from __future__ import annotations

import dataclasses
import json

import click

from orchard.cli.command import Command, show


@click.command("models", cls=Command, short_help="List the networks known by name.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def models_command(as_json: bool) -> None:
    """List the networks that --weights knows by name."""
    from orchard.model.registry import CARDS
    from orchard.report.summary import models_table

    if as_json:
        cards = [
            dataclasses.asdict(card) | {"sizes": [min(card.sizes), max(card.sizes)]}
            for card in CARDS.values()
        ]
        click.echo(json.dumps(cards, indent=2))
    else:
        show(models_table(CARDS.values()))
