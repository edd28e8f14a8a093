"""The commands on a result: compare, export, erase, vacuum, optimize."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchard.cli.command import (
    Command,
    ResultFolder,
    existing_result,
    show,
    storage_options,
)
from orchard.errors import ConfigError, ResultsDiffer, TableError

if TYPE_CHECKING:
    from orchard.store.output import Output


_LARGEST_MB = 1024**2  # a terabyte


@click.command("compare", cls=Command, short_help="Prove two results equal.")
@click.argument("a", metavar="A", type=ResultFolder())
@click.argument("b", metavar="B", type=ResultFolder())
@click.option(
    "--tolerance", default=1e-4, show_default=True, help="Largest absolute feature difference."
)
@click.option(
    "--component-tolerance",
    default=1e-3,
    show_default=True,
    help="Largest difference of a component, in its standard deviations.",
)
@storage_options
def compare_command(
    a: str,
    b: str,
    tolerance: float,
    component_tolerance: float,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Prove the results A and B equal: same images, features, components up to sign."""
    from orchard.cli.tables import comparison_table
    from orchard.result.compare import compare
    from orchard.storage import Storage
    from orchard.store.output import Output

    left, right = (Output.at(place, Storage(endpoint_url, region)) for place in (a, b))
    found = compare(left, right, tolerance=tolerance, component_tolerance=component_tolerance)
    show(comparison_table(found))
    if not found.is_equal:
        raise ResultsDiffer(f"{a} and {b} differ")
    click.echo("equal")


@click.command("export", cls=Command, short_help="Write a result as CSV, NumPy or Parquet.")
@click.argument("output", metavar="OUTPUT", type=ResultFolder())
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv", "npy"]),
    default="parquet",
    show_default=True,
    help="npy: an array, and its rows' paths as CSV.",
)
@click.option("--to", metavar="DIR", help="Where to; default OUTPUT/export, of a bucket ./export.")
@click.option("--features", is_flag=True, help="The 1280 features as well as the components.")
@click.option("--force", is_flag=True, help="Replace files in DIR that no export made.")
@storage_options
def export_command(
    output: str,
    file_format: str,
    to: str | None,
    features: bool,
    force: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Write a result as single files: components with path and label, variances, errors.

    Files of an earlier export are replaced; others are not, unless --force says so.
    """
    from orchard.result.export import export
    from orchard.storage import Storage
    from orchard.store.output import Output

    place = Output.at(output, Storage(endpoint_url, region))
    folder = Path(to or (Path(output) / "export" if place.is_local else "export"))
    for path in export(place, folder, file_format, features=features, force=force):
        click.echo(path)


@click.command("erase", cls=Command, short_help="Erase images from a result for good.")
@click.argument("output", metavar="OUTPUT")
@click.option("--path", "paths", multiple=True, help="An image's path, as in the tables.")
@click.option("--prefix", "prefixes", multiple=True, help="All images whose path begins so.")
@click.option("--from-file", type=click.File("r", encoding="utf-8"), help="Paths, one a line.")
@click.option(
    "--contribution",
    "codes",
    multiple=True,
    metavar="CODE",
    help="An image that was left on the page of `orchard serve`.",
)
@storage_options
def erase_command(
    output: str,
    paths: tuple[str, ...],
    prefixes: tuple[str, ...],
    from_file: Any,
    codes: tuple[str, ...],
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Erase images from every table of OUTPUT, and keep them out of later runs.

    The files that held their rows are rewritten and deleted, with their old versions where a bucket
    keeps such; the report and exports are deleted, and the images leave the galleries of trained
    classifiers. The PCA that was fitted on them stays until the next run fits another. A salted
    hash of each path is kept, and a line in erasure/audit.jsonl that says how many rows went.
    --contribution deletes one image that somebody left on the page of `orchard serve`.
    """
    from orchard.storage import Storage, delete_old_versions
    from orchard.store.erase import erase

    lines = [line.rstrip("\r\n") for line in from_file or ()]
    if not all((*paths, *prefixes)):
        raise ConfigError("--path or --prefix '': expected a path, or how one begins")
    wanted = [*paths, *filter(None, lines)]
    if not wanted and not prefixes and not codes:
        raise ConfigError("nothing to erase: give --path, --prefix, --from-file or --contribution")
    place = existing_result(output, endpoint_url, region)
    _erase_contributions(place, codes)
    done = erase(place, wanted, prefixes) if wanted or prefixes else None
    if done:
        rows = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
        click.echo(f"rows erased: {rows}; {done.suppressed} paths are kept out of later runs")
    if done and not any(done.rows.values()):
        click.echo("no row has such a path; they are written in full, as in the tables", err=True)
    if output.startswith("s3://"):
        n_versions = delete_old_versions(output, Storage(endpoint_url, region))
        click.echo(f"{n_versions} old versions deleted from the bucket")
    if done:
        click.echo("run `orchard run` again to fit a PCA and draw a report without them")
    if done and done.classifier_rows:
        click.echo(
            f"{done.classifier_rows} rows left the galleries of classifiers, which were trained on "
            "them: train those again"
        )


def _erase_contributions(place: Output, written: tuple[str, ...]) -> None:
    from orchard.store import contributions

    codes = {text: contributions.parse_code(text) for text in written}
    for text, code in codes.items():
        if code is None:
            raise ConfigError(f"--contribution {text}: expected a code such as 7K3M-Q9XW-2RPD-H5VA")
        if not contributions.erase(place, code):
            raise TableError(f"{place.root} keeps no image under the code {code}")
        click.echo(f"erased: {code}")


@click.command("vacuum", cls=Command, short_help="Delete what killed runs left behind.")
@click.argument("output", metavar="OUTPUT")
@storage_options
def vacuum_command(output: str, endpoint_url: str | None, region: str | None) -> None:
    """Delete files of OUTPUT that no table names, staged ones too.

    What an interrupted run has embedded is among them: to keep it, run the same command again
    instead.
    """
    from orchard.store import tables

    place = existing_result(output, endpoint_url, region)
    with place.lock():
        click.echo(f"{tables.vacuum(place)} files deleted")


@click.command("optimize", cls=Command, short_help="Merge small files of a result.")
@click.argument("output", metavar="OUTPUT")
@click.option("--target-mb", default=32, show_default=True, help="Size of a merged file.")
@storage_options
def optimize_command(
    output: str, target_mb: int, endpoint_url: str | None, region: str | None
) -> None:
    """Merge the small files that many runs leave into larger ones; rows stay as they are."""
    from orchard.store.compaction import compact

    if not 1 <= target_mb <= _LARGEST_MB:
        raise ConfigError(f"--target-mb {target_mb}: expected 1 to {_LARGEST_MB}")
    place = existing_result(output, endpoint_url, region)
    with place.lock():
        for table, n_fewer in compact(place, target_mb * 1024 * 1024).items():
            click.echo(f"{table}: {n_fewer} files fewer")
