"""The command line: parse, call, render errors. No logic lives here.

Heavy modules are imported inside the commands, so that `--help` answers at once. The module is long
because the manual is: most of it is the text of the commands' help.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orchard import __version__
from orchard.errors import ConfigError, OrchardError, ResultsDiffer

if TYPE_CHECKING:
    from orchard.store.output import Output

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

EXIT_CODES = """\b
Exit codes:
  0  done                          5  OUTPUT cannot be read, written or mixed
  1  anything else                 6  no such PCA exists for these features
  2  a setting is wrong            7  too many images failed
  3  nothing to read               8  the counts do not close
  4  weights missing or wrong      9  compare: the results differ
                                 130  interrupted; what was embedded is kept
"""


class _Command(click.Command):
    """A command whose OrchardErrors end in one line and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OrchardError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted; the same command goes on from there", INTERRUPTED)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"orchard: {message}", err=True)
    sys.exit(code)


def _storage_options(command: Any) -> Any:
    """--endpoint-url and --region, of every command that may reach into a bucket."""
    for option in (
        click.option("--region", help="Of the bucket; default what AWS' environment says."),
        click.option(
            "--endpoint-url", metavar="URL", help="Of an S3-compatible server, for s3:// paths."
        ),
    ):
        command = option(command)
    return command


def _existing(output: str, endpoint_url: str | None, region: str | None) -> Output:
    """An OUTPUT that holds a result."""
    from orchard.errors import TableError
    from orchard.storage import Storage
    from orchard.store import tables
    from orchard.store.output import Output

    place = Output.at(output, Storage(endpoint_url, region))
    if tables.version(place, "features") < 0:
        raise TableError(f"{output} holds no features; expected the OUTPUT of a run")
    return place


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="orchard")
def main() -> None:
    """Turn a folder of images into reduced features, on Spark.

    \b
    Try it:
      orchard sample fruits               render 494 pictures of fruit
      orchard run fruits result           features, PCA, tables in result/
      orchard export result --format csv  the components as one CSV
    """


@main.command("run", cls=_Command, short_help="Embed and reduce the images of a folder.")
@click.argument("paths", metavar="SOURCE... OUTPUT", nargs=-1, required=True)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="NAME|PATH",
    help="A model that `orchard models` lists, a Keras .h5 file, or any .onnx with one image in "
    "and one vector out.",
)
@click.option("--size", type=int, metavar="PIXELS", help="Input side; default the model's own.")
@click.option(
    "--components",
    default="0.95",
    show_default=True,
    metavar="N|FRACTION",
    help="How many components: a whole number, or the share of the variance they must explain.",
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
    help="On a later run: fit the PCA anew, or project new images on the one that is there; auto "
    "refits once more than a tenth of the features are new.",
)
@click.option(
    "--label",
    default="parent",
    show_default=True,
    metavar="parent|none|REGEX",
    help="The name of an image's folder, nothing, or the first group of a regular expression "
    "searched in its path.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="Read only these; repeatable.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave these out; repeatable. A glob with a / is held against the path below SOURCE, "
    "others against the file's name.",
)
@click.option("--limit", type=int, metavar="N", help="Only the first N images by path.")
@click.option(
    "--master",
    default="local[*]",
    show_default=True,
    metavar="URL",
    help="Where Spark runs: local[*], local[N], spark://HOST:PORT or yarn.",
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
@_storage_options
@click.option("--retry-errors", is_flag=True, help="Try all again that failed before.")
@click.option("--replace", is_flag=True, help="Compute OUTPUT anew.")
@click.option("--dry-run", is_flag=True, help="List, plan and estimate; write nothing.")
@click.option("--event-log", metavar="DIR", help="Keep a log for Spark's history server here.")
@click.option("--quiet", is_flag=True, help="Show warnings only.")
def run_command(paths: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Embed the images in SOURCE and reduce the features into OUTPUT.

    SOURCE is a folder, a file or a glob; several may be given. Run again, and only what is new or
    changed is embedded.

    \b
    OUTPUT holds
      features/    a row an image: path, label, 1280 features   (Parquet, Delta Lake)
      components/  a row an image: path, label, k components
      errors/      a row for each image that failed, and why
      models/      the fitted standardisation and PCA
      report/      pictures;  runs/  a record of each run;  explained_variance.csv

    \b
    Examples:
      orchard run photos result
      orchard run photos more/*.jpg result --components 50 --weights my_model.onnx
      orchard run photos result --label '/([^/_]+)_[0-9]+[.]jpg$' --exclude '*.txt'
      orchard run photos result --dry-run
    """
    from orchard.config import RunConfig, parse_components
    from orchard.pipeline import run
    from orchard.progress import Reporter
    from orchard.report.summary import tables_of

    if len(paths) < 2:
        raise ConfigError("give at least one SOURCE and, last, OUTPUT; see orchard run --help")
    options["standardize"] = not options.pop("no_standardize")
    options["components"] = parse_components(options["components"])
    config = RunConfig(sources=paths[:-1], output=paths[-1], **options)
    result = run(config, Reporter(quiet=quiet))
    if not quiet:
        _print(*tables_of(result))
    if not config.dry_run:
        click.echo(f"Result: {result.output}")


@main.command("compare", cls=_Command, short_help="Prove two results equal.")
@click.argument("a", metavar="A", type=click.Path(exists=True, file_okay=False))
@click.argument("b", metavar="B", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--tolerance", default=1e-4, show_default=True, help="Largest absolute feature difference."
)
@click.option(
    "--component-tolerance",
    default=1e-3,
    show_default=True,
    help="Largest difference of a component, in its standard deviations.",
)
def compare_command(a: str, b: str, tolerance: float, component_tolerance: float) -> None:
    """Prove the results A and B equal: same images, features, components up to sign."""
    from orchard.report.summary import comparison_table
    from orchard.store.compare import compare
    from orchard.store.output import Output

    found = compare(
        Output.at(a), Output.at(b), tolerance=tolerance, component_tolerance=component_tolerance
    )
    _print(comparison_table(found))
    if not found.is_equal:
        raise ResultsDiffer(f"{a} and {b} differ")
    click.echo("equal")


@main.command("export", cls=_Command, short_help="Write a result as CSV, NumPy or Parquet.")
@click.argument("output", metavar="OUTPUT", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv", "npy"]),
    default="parquet",
    show_default=True,
    help="npy: an array, and its rows' paths as CSV.",
)
@click.option("--to", metavar="DIR", help="Where to; default OUTPUT/export.")
@click.option("--features", is_flag=True, help="The 1280 features as well as the components.")
def export_command(output: str, file_format: str, to: str | None, features: bool) -> None:
    """Write a result as single files: components with path and label, variances, errors."""
    from orchard.store.export import export
    from orchard.store.output import Output

    folder = Path(to) if to else Path(output) / "export"
    for path in export(Output.at(output), folder, file_format, features=features):
        click.echo(path)


@main.command("erase", cls=_Command, short_help="Erase images from a result for good.")
@click.argument("output", metavar="OUTPUT")
@click.option("--path", "paths", multiple=True, help="An image's path, as in the tables.")
@click.option("--prefix", "prefixes", multiple=True, help="All images whose path begins so.")
@click.option("--from-file", type=click.File("r", encoding="utf-8"), help="Paths, one a line.")
@_storage_options
def erase_command(
    output: str,
    paths: tuple[str, ...],
    prefixes: tuple[str, ...],
    from_file: Any,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Erase images from every table of OUTPUT, and keep them out of later runs.

    The files that held their rows are rewritten and deleted; exports are deleted. The PCA that was
    fitted on them stays until the next run fits another. A salted hash of each path is kept, and a
    line in erasure/audit.jsonl that says how many rows went.
    """
    from orchard.store.erase import erase

    lines = [line.rstrip("\r\n") for line in from_file or ()]
    wanted = [*paths, *filter(None, lines)]
    if not wanted and not prefixes:
        raise ConfigError("nothing to erase: give --path, --prefix or --from-file")
    done = erase(_existing(output, endpoint_url, region), wanted, prefixes)
    rows = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    click.echo(f"rows erased: {rows}; {done.suppressed} paths are kept out of later runs")
    click.echo("run `orchard run` again to fit a PCA without them")


@main.command("vacuum", cls=_Command, short_help="Delete what killed runs left behind.")
@click.argument("output", metavar="OUTPUT")
@_storage_options
def vacuum_command(output: str, endpoint_url: str | None, region: str | None) -> None:
    """Delete files of OUTPUT that no table names, staged ones too.

    What an interrupted run has embedded is among them: to keep it, run the same command again
    instead.
    """
    from orchard.store import tables

    place = _existing(output, endpoint_url, region)
    with place.lock():
        click.echo(f"{tables.vacuum(place)} files deleted")


@main.command("optimize", cls=_Command, short_help="Merge small files of a result.")
@click.argument("output", metavar="OUTPUT")
@click.option("--target-mb", default=32, show_default=True, help="Size of a merged file.")
@_storage_options
def optimize_command(
    output: str, target_mb: int, endpoint_url: str | None, region: str | None
) -> None:
    """Merge the small files that many runs leave into larger ones; rows stay as they are."""
    from orchard.store import tables

    place = _existing(output, endpoint_url, region)
    with place.lock():
        for table in tables.SCHEMAS:
            n_fewer = tables.compact(place, table, target_mb * 1024 * 1024)
            click.echo(f"{table}: {n_fewer} files fewer")


@main.command("models", cls=_Command, short_help="List the networks known by name.")
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
        _print(models_table(CARDS.values()))


@main.command("sample", cls=_Command, short_help="Render pictures of fruit, or fetch real ones.")
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
    GitHub; run it again after an interruption and it goes on.
    """
    if len(words) == 2 and words[0] == "fruits-360":
        from orchard.images.fruits360 import LICENCE, fetch_fruits360

        n_files = fetch_fruits360(Path(words[1]), split=split)
        click.echo(f"{n_files:,} photos in {words[1]}\n{LICENCE}")
    elif len(words) == 1:
        from orchard.images.sample import write_sample

        n_files = write_sample(Path(words[0]), count, seed=seed, size=size)
        click.echo(f"{n_files:,} of {count:,} pictures written to {words[0]}")
    else:
        raise ConfigError(f"{' '.join(words)}: expected DIR, or fruits-360 DIR")


def _print(*parts: Any) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100, soft_wrap=True)
    for part in parts:
        console.print(part, highlight=False)
