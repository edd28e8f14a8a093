"""`orchard predict`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from orchard.cli.command import Command, storage_options
from orchard.cli.path_list import read_paths
from orchard.cli.printing import echo_json
from orchard.errors import ConfigError, TooManyErrors


@click.command("predict", cls=Command, short_help="Say what is in pictures, as JSON lines.")
@click.argument("output", metavar="OUTPUT")
@click.argument("sources", metavar="FILE|FOLDER|-...", nargs=-1)
@click.option(
    "--from-file",
    type=click.File("rb"),
    metavar="FILE",
    help="A list of paths of images, one per line; - for standard input.",
)
@click.option(
    "--together",
    is_flag=True,
    help="The images of a folder show one fruit: give one answer for each folder.",
)
@click.option(
    "--top", default=5, show_default=True, help="How many guesses and nearest images to give."
)
@click.option("--classifier", metavar="ID", help="Default: the one trained last.")
@click.option("--threads", default=1, show_default=True, help="Threads of the network.")
@click.option(
    "--max-pixels", default=100_000_000, show_default=True, metavar="N", help="Largest image."
)
@storage_options
def predict_command(
    output: str,
    sources: tuple[str, ...],
    from_file: Any,
    together: bool,
    top: int,
    classifier: str | None,
    threads: int,
    max_pixels: int,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Say what is in pictures, using the classifier in OUTPUT: one line of JSON each.

    Sources are files, folders, globs or s3:// addresses; - is one image on standard input. A line
    holds path, answer (sure, unlike, either, not_sure, not_a_fruit), species, varieties, nearest
    and seconds; for an image that cannot be read, or a source that is not there, path and error
    with its reason. unlike: the answer is sure, though the image is unlike those that it was
    trained on. either: it is one of the first two species.
    With --together, path is a folder, photos its images, unread the lines of those not read.
    Lines come in the order of the paths, missing sources first. The exit code is 0 if every image
    was read, 7 if some were not, 3 if there was nothing to read.

    \b
    Examples:
      orchard predict result photo.jpg
      orchard predict result photos/ > answers.jsonl
      orchard predict result --together tree-12/
      orchard predict result - < photo.jpg
      find . -name '*.jpg' | orchard predict result --from-file -
    """
    from orchard.classify.answers import answer, answer_together
    from orchard.classify.predictor import Predictor
    from orchard.storage import Storage

    wanted = [*sources, *read_paths(from_file)]
    if not wanted:
        raise ConfigError("nothing to look at: give a file, a folder, -, or --from-file")
    for option, value in (("--top", top), ("--threads", threads), ("--max-pixels", max_pixels)):
        if value < 1:
            raise ConfigError(f"{option} {value}: expected a whole number of at least 1")
    storage = Storage(endpoint_url, region)
    predictor = Predictor.load(output, classifier, storage=storage, threads=threads)
    n = n_failed = 0
    ask = answer_together if together else answer
    rows = ask(predictor, wanted, top, storage, sys.stdin.buffer, max_pixels=max_pixels)
    for row in rows:
        echo_json(json.dumps(row, ensure_ascii=False))
        unread = ("error" in row) + len(row.get("unread", ()))
        n, n_failed = (
            n + len(row.get("photos", "1")) + len(row.get("unread", ())),
            n_failed + unread,
        )
    if n_failed:
        raise TooManyErrors(f"{n_failed} of {n} images could not be read; their lines say why")
