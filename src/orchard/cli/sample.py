"""`orchard sample`."""

from __future__ import annotations

from pathlib import Path

import click

from orchard.cli.command import Command
from orchard.cli.printing import echo, echo_text
from orchard.errors import ConfigError


@click.command("sample", cls=Command, short_help="Render pictures of fruit, or fetch real ones.")
@click.argument("words", metavar="[fruits-360] DIR", nargs=-1, required=True)
@click.option("--count", default=494, show_default=True, help="How many pictures to render.")
@click.option("--seed", default=0, show_default=True, help="The same seed, the same pictures.")
@click.option("--size", default=100, show_default=True, help="Pixels per side.")
@click.option(
    "--split",
    type=click.Choice(["Test", "Training", "all"]),
    default="Test",
    show_default=True,
    help="fruits-360: which part to fetch.",
)
def sample_command(words: tuple[str, ...], count: int, seed: int, size: int, split: str) -> None:
    """Render pictures of fruit into DIR, or fetch the real data set Fruits-360.

    The rendered ones are Orchard's own: about a dozen species on a turntable, white ground, the
    same for the same seed. `orchard sample fruits-360 DIR` fetches photos from their home on
    GitHub; run it again after an interruption, and it continues.
    """
    if len(words) == 2 and words[0] == "fruits-360":
        from orchard.samples.fruits360 import LICENCE, fetch_fruits360

        n_files = fetch_fruits360(Path(words[1]), split=split)
        echo(f"{n_files:,} photos in {words[1]}")
        echo_text(LICENCE)
    elif len(words) == 1:
        from orchard.machine import available_cores
        from orchard.samples.turntable import write_sample

        cores = available_cores()
        n_files = write_sample(Path(words[0]), count, seed=seed, size=size, processes=cores)
        echo(f"{n_files:,} of {count:,} pictures written to {words[0]}")
    else:
        raise ConfigError(f"{' '.join(words)}: expected DIR, or fruits-360 DIR")
