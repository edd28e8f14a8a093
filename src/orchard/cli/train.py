"""`orchard train`."""

from __future__ import annotations

import shlex
from typing import Any

import click

from orchard.cli.command import Command, existing_result, source_option, storage_options
from orchard.cli.printing import echo, show


@click.command("train", cls=Command, short_help="Train a classifier on the components.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--kind",
    default="auto",
    show_default=True,
    metavar="auto|logistic|svm|forest",
    help="Multinomial logistic regression, a linear SVM for each class against the rest, or a "
    "random forest; auto tries all three on held-out images and keeps the best.",
)
@click.option(
    "--label",
    default="fine",
    show_default=True,
    metavar="fine|species",
    help="Learn the labels as they are, or the species they belong to; a classifier of fine labels "
    "also knows the species, as sums.",
)
@click.option(
    "--group",
    metavar="REGEX",
    help="Which object an image shows: the first group of a regular expression searched in its "
    "path. Images of one object are never on both sides of an honest split. Default: the turntable "
    "series of Fruits-360; otherwise the file name without the number at its end.",
)
@click.option("--folds", default=5, show_default=True, help="Parts that are held out in turn.")
@click.option("--seed", default=0, show_default=True, help="Random seed for folds and forests.")
@click.option(
    "--mistake-cost",
    default=5.0,
    show_default=True,
    help="What a wrong answer costs if “not sure” costs 1; the higher it is, the more often the "
    "answer is “not sure”.",
)
@click.option(
    "--gallery",
    default=5000,
    show_default=True,
    help="How many known images to keep; an answer shows the nearest of them.",
)
@click.option(
    "--weights",
    metavar="NAME|PATH",
    help="The network that computed the features. Default: the one that the run used.",
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    metavar="auto|local|spark",
    help="Train in this process, or with Spark MLlib; auto uses Spark if there are more components "
    "than a driver should hold.",
)
@click.option(
    "--master",
    default="local[*]",
    show_default=True,
    metavar="URL",
    help="Where Spark runs, if it is used.",
)
@source_option
@storage_options
@click.option("--quiet", is_flag=True, help="Show warnings only.")
def train_command(output: str, quiet: bool, **options: Any) -> None:
    """Train a classifier on the components in OUTPUT.

    Each setting is tried on images held out by object (frames of one fruit are never on both
    sides) and also on images held out at random. Probabilities are calibrated on the
    former, and the threshold of “not sure” is chosen on them and on species left out.

    \b
    OUTPUT then holds
      models/classifier/ID/     weights, card, network, gallery, metrics, confusion matrix
      report/classifier.html    what it confuses, how sure it can be, what a mistake costs

    \b
    Examples:
      orchard train result
      orchard train result --kind logistic --label species
      orchard train result --group '/([^/]+)_[0-9]+[.]jpg$'
    """
    from orchard.cli.tables import trained_table
    from orchard.progress import Reporter
    from orchard.training import train
    from orchard.training.publish import PAGE
    from orchard.training.settings import TrainConfig

    existing_result(output, options["endpoint_url"], options["region"])
    trained = train(TrainConfig(output=output, **options), Reporter(quiet=quiet))
    if not quiet:
        show(trained_table(trained.metrics))
    echo(f"Classifier: {trained.classifier_id}")
    if not quiet:
        echo(f"Page: {output}/{PAGE}")
        echo(f"Try it on a phone: orchard serve {shlex.quote(output)}")
