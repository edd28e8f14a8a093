"""`orchard models`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from orchard.cli.command import Command
from orchard.cli.printing import echo_json, show, show_markdown
from orchard.errors import ConfigError

if TYPE_CHECKING:
    from orchard.model import Card


@click.command("models", cls=Command, short_help="List the networks known by name.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def models_command(name: str | None, as_json: bool) -> None:
    """List the networks that --weights knows by name, or show the card of one of them.

    \b
    orchard models
    orchard models fruit      what it was trained on, its figures, its limits
    """
    from orchard.cli.tables import models_table
    from orchard.model import builtin
    from orchard.model.registry import CARDS

    if name is not None and name not in CARDS:
        raise ConfigError(f"{name}: expected {', '.join(CARDS)}")
    cards = [CARDS[name]] if name else list(CARDS.values())
    if as_json:
        echo_json(json.dumps([_plain(card) for card in cards], indent=2))
    elif name == builtin.NAME:
        show_markdown(builtin.card_text())
    else:
        show(models_table(cards))


def _plain(card: Card) -> dict[str, Any]:
    from orchard.model import builtin

    sizes = {"sizes": [min(card.sizes), max(card.sizes)]}
    measured = {"card": builtin.card()} if card.name == builtin.NAME else {}
    return dataclasses.asdict(card) | sizes | measured
