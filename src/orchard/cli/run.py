"""`orchard run`."""

from __future__ import annotations

from typing import Any

import click

from orchard.cli.command import Command, storage_options
from orchard.cli.manifest_options import manifest_options, names_of
from orchard.cli.printing import echo, show
from orchard.config import PRECISIONS
from orchard.errors import ConfigError


@click.command("run", cls=Command, short_help="Embed and reduce the images of a folder.")
@click.argument("paths", metavar="SOURCE... OUTPUT", nargs=-1, required=True)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="NAME|PATH",
    help="A model that `orchard models` lists, a Keras .h5 file, or any .onnx with one image in "
    "and one vector out; or several with commas between them, whose features are joined.",
)
@click.option(
    "--size", type=int, metavar="PIXELS", help="Side of the input. Default: the model's own."
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Precision of the arithmetic. int8 is the fast choice on every CPU and changes the "
    "features a little. bfloat16, on CPUs that have it, and OpenVINO's int8 need OpenVINO, "
    "the extra named bfloat16.",
)
@click.option(
    "--decode",
    type=click.Choice(["full", "scaled"]),
    default="full",
    show_default=True,
    help="scaled: read large JPEGs at 1/2 to 1/8 of their size, about five times faster for photos "
    "of 12 megapixels; the features change a little.",
)
@click.option(
    "--colour",
    type=click.Choice(["srgb", "ignore"]),
    default="srgb",
    show_default=True,
    help="srgb: convert images with another colour profile, as browsers show them; ignore: take "
    "their samples as they are, as Keras does.",
)
@click.option(
    "--damaged",
    type=click.Choice(["refuse", "keep"]),
    default="refuse",
    show_default=True,
    help="A JPEG of which part is lost: a row of errors/, or features of what is left.",
)
@click.option(
    "--max-pixels",
    type=int,
    default=100_000_000,
    show_default=True,
    metavar="N",
    help="Largest image; it takes up to 16 bytes of memory a pixel.",
)
@click.option(
    "--components",
    default="0.95",
    show_default=True,
    metavar="N|FRACTION",
    help="How many components: a whole number, or the share of the variance they must explain.",
)
@click.option(
    "--view",
    multiple=True,
    default=("plain",),
    show_default=True,
    metavar="plain|mirror|zoom|near",
    help="What the network is shown of an image: all of it, its mirror image, its middle "
    "(zoom: 60 % of each side; near: 40 %); repeatable. The features are the mean; each view costs "
    "one pass. plain, zoom and near together recognise fruit on phone photos clearly better.",
)
@click.option(
    "--no-standardize",
    is_flag=True,
    help="Only centre the features before the PCA; by default each is divided by its standard "
    "deviation too.",
)
@click.option(
    "--pca",
    default="auto",
    show_default=True,
    metavar="auto|refit|keep",
    help="On a later run: fit the PCA again, or project new images on the existing one; auto "
    "refits once more than a tenth of the features are new or gone.",
)
@click.option(
    "--label",
    default="parent",
    show_default=True,
    metavar="parent|none|column:NAME|REGEX",
    help="The name of an image's folder (or what an archive or table says of it), nothing, a "
    "table's column, or the first group of a regular expression searched in its path.",
)
@manifest_options
@click.option("--include", multiple=True, metavar="GLOB", help="Read only these; repeatable.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave these out; repeatable. A glob with a / is matched against the path below SOURCE, "
    "others against the file name.",
)
@click.option("--limit", type=int, metavar="N", help="Only the first N images by path.")
@click.option(
    "--master",
    default="local[*]",
    show_default=True,
    metavar="URL",
    help="Where Spark runs: local[*], local[N], spark://HOST:PORT, yarn, or sc://HOST:PORT, the "
    "address of a Spark Connect server.",
)
@click.option(
    "--broadcast/--no-broadcast",
    default=True,
    show_default=True,
    help="Send the network to the workers once, or let each worker read --weights itself.",
)
@click.option(
    "--max-errors",
    default="100%",
    show_default=True,
    metavar="N|PERCENT",
    help="Stop when more images than this fail. A failed image is a row of errors/.",
)
@storage_options
@click.option("--retry-errors", is_flag=True, help="Try every image again that failed before.")
@click.option("--replace", is_flag=True, help="Recompute all of OUTPUT.")
@click.option("--dry-run", is_flag=True, help="List, plan and estimate; write nothing.")
@click.option(
    "--thumbnails/--no-thumbnails",
    default=True,
    show_default=True,
    help="Keep small pictures of the images in thumbnails/, for the report to show.",
)
@click.option(
    "--findings/--no-findings",
    default=True,
    show_default=True,
    help="Compare the images at the end, for duplicates and wrong labels; `orchard findings OUTPUT`"
    " does it later.",
)
@click.option(
    "--report/--no-report",
    default=True,
    show_default=True,
    help="Make report/index.html at the end; `orchard report OUTPUT` makes it later.",
)
@click.option("--event-log", metavar="DIR", help="Keep a log for Spark's history server here.")
@click.option("--spark-ui", is_flag=True, help="Serve Spark's own page on 127.0.0.1 meanwhile.")
@click.option("--quiet", is_flag=True, help="Show warnings only.")
def run_command(paths: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Embed the images in SOURCE and reduce the features into OUTPUT.

    SOURCE is a folder, a file or a glob; several may be given. With --manifest it may be left out.
    Run again, and only what is new or changed is embedded.

    \b
    OUTPUT holds
      features/    one row per image: path, label, the features   (Parquet, Delta Lake)
      components/  one row per image: path, label, k components
      errors/      one row per image that failed, and why
      gone/        the features of images that have disappeared from SOURCE, or are left out
      thumbnails/  a JPEG of 112 pixels for each of up to 50,000 images
      findings/    duplicates, labels that are probably wrong, poor pictures
      models/      the fitted standardisation and PCA
      report/      index.html, to be opened in a browser
      runs/        a record of each run;  explained_variance.csv

    An archive (.tar, .tar.gz, .zip) or a table with a column of images (.parquet, .arrow) is read
    like a folder, as SOURCE or inside one.

    \b
    Examples:
      orchard run photos result
      orchard run photos more/*.jpg result --components 50 --weights my_model.onnx
      orchard run photos result --weights imagenet,fruit --view plain --view zoom
      orchard run photos result --label '/([^/_]+)_[0-9]+[.]jpg$' --exclude '*.txt'
      orchard run photos result --dry-run
      orchard run --manifest photos.csv result --keep-columns sku,price
    """
    from orchard.cli.tables import tables_of
    from orchard.config import RunConfig, parse_components
    from orchard.pipeline import run
    from orchard.progress import Reporter

    if len(paths) < 2 and not options["manifest"]:
        raise ConfigError("give at least one SOURCE and, last, OUTPUT; see orchard run --help")
    options["standardize"] = not options.pop("no_standardize")
    options["components"] = parse_components(options["components"])
    options["keep_columns"] = names_of(options["keep_columns"])
    config = RunConfig(sources=paths[:-1], output=paths[-1], **options)
    result = run(config, Reporter(quiet=quiet))
    if not quiet:
        show(*tables_of(result))
    if not config.dry_run:
        echo(f"Result: {result.output}")
