"""`orchard sample`."""

from __future__ import annotations

from functools import partial
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
@click.option(
    "--shards", is_flag=True, help="Write shards of 9,360 pictures, as orchard pack does."
)
def sample_command(
    words: tuple[str, ...], count: int, seed: int, size: int, split: str, shards: bool
) -> None:
    """Render pictures of fruit into DIR, or fetch the real data set Fruits-360.

    The rendered ones are Orchard's own: about a dozen species on a turntable, white ground, the
    same for the same seed. With --shards there may be millions: each shard holds another fruit of
    each species, and is a SOURCE of `orchard run` as a folder is.

    `orchard sample fruits-360 DIR` fetches photos from their home on GitHub. Run either again after
    an interruption, and it continues.
    """
    if len(words) == 2 and words[0] == "fruits-360" and not shards:
        from orchard.samples.fruits360 import LICENCE, fetch_fruits360

        n_files = fetch_fruits360(Path(words[1]), split=split)
        echo(f"{n_files:,} photos in {words[1]}")
        echo_text(LICENCE)
    elif len(words) == 2 and words[0] == "fruits-360":
        raise ConfigError(
            "--shards: expected only for rendered pictures; orchard pack packs photos"
        )
    elif len(words) == 1:
        n_written = _rendered(Path(words[0]), count, seed, size, shards)
        echo(f"{n_written:,} of {count:,} pictures written to {words[0]}")
    else:
        raise ConfigError(f"{' '.join(words)}: expected DIR, or fruits-360 DIR")


def _rendered(folder: Path, count: int, seed: int, size: int, shards: bool) -> int:
    from orchard.machine import available_cores
    from orchard.progress import Reporter
    from orchard.samples.rendered_shards import write_shards
    from orchard.samples.turntable import write_sample

    write = write_shards if shards else write_sample
    done = [0]
    with Reporter().track(count, lambda: (done[0], 0), lambda _: None, "rendering"):
        return write(
            folder, count, seed=seed, size=size, processes=available_cores(),
            on_progress=partial(done.__setitem__, 0),
        )  # fmt: skip
