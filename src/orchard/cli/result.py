"""The commands on a result: compare, export, vacuum, optimize."""

from __future__ import annotations

from pathlib import Path

import click

from orchard.cli.command import (
    Command,
    ResultFolder,
    existing_result,
    storage_options,
)
from orchard.cli.printing import echo, echo_name, show
from orchard.errors import ConfigError, ResultsDiffer

_LARGEST_MB = 1024**2  # a terabyte


@click.command("compare", cls=Command, short_help="Check that two results are equal.")
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
    """Check that the results A and B are equal: same images, features, components up to sign.

    The images that differ are named, ten of each kind.
    """
    from orchard.cli.tables import comparison_table, differing_images
    from orchard.result.compare import compare
    from orchard.storage import Storage
    from orchard.store.output import Output

    left, right = (Output.at(place, Storage(endpoint_url, region)) for place in (a, b))
    found = compare(left, right, tolerance=tolerance, component_tolerance=component_tolerance)
    show(comparison_table(found), *differing_images(found))
    if not found.is_equal:
        raise ResultsDiffer(f"{a} and {b} differ")
    echo("equal")


@click.command("export", cls=Command, short_help="Write a result as CSV, NumPy or Parquet.")
@click.argument("output", metavar="OUTPUT", type=ResultFolder())
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv", "npy"]),
    default="parquet",
    show_default=True,
    help="npy: an array, with the paths of its rows as CSV.",
)
@click.option(
    "--to", metavar="DIR", help="Where to write. Default: OUTPUT/export, or ./export for a bucket."
)
@click.option("--features", is_flag=True, help="The features as well as the components.")
@click.option(
    "--raw",
    is_flag=True,
    help="In CSV files, write texts as they are. By default those that begin with =, +, -, @, a "
    "tab or a line end, which spreadsheets compute, have an apostrophe before them.",
)
@click.option("--force", is_flag=True, help="Also replace files in DIR that no export made.")
@storage_options
def export_command(
    output: str,
    file_format: str,
    to: str | None,
    features: bool,
    raw: bool,
    force: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Write a result as single files: components with path and label, variances, errors.

    Files of an earlier export are replaced; others only with --force.

    \b
    pandas takes a label such as NA for a missing value, and 007 for a number:
      pd.read_csv("components.csv", dtype={"label": str}, keep_default_na=False)
    reads them as they are.
    """
    from orchard.result.export import export
    from orchard.storage import Storage
    from orchard.store.output import Output

    place = Output.at(output, Storage(endpoint_url, region))
    folder = Path(to or (Path(output) / "export" if place.is_local else "export"))
    for path in export(place, folder, file_format, features=features, force=force, raw=raw):
        echo_name(path)


@click.command("vacuum", cls=Command, short_help="Delete what killed runs left behind.")
@click.argument("output", metavar="OUTPUT")
@storage_options
def vacuum_command(output: str, endpoint_url: str | None, region: str | None) -> None:
    """Delete files in OUTPUT that no table names, including staged ones.

    They include what an interrupted run has embedded: to keep it, run the same `orchard run` again
    instead.
    """
    from orchard.store.tables import Tables

    place = existing_result(output, endpoint_url, region)
    with place.lock():
        echo(f"{Tables(place).vacuum()} files deleted")


@click.command("optimize", cls=Command, short_help="Merge small files of a result.")
@click.argument("output", metavar="OUTPUT")
@click.option("--target-mb", default=32, show_default=True, help="Size of the merged files.")
@storage_options
def optimize_command(
    output: str, target_mb: int, endpoint_url: str | None, region: str | None
) -> None:
    """Merge the small files of many runs into larger ones; the rows do not change."""
    from orchard.store.compaction import compact

    if not 1 <= target_mb <= _LARGEST_MB:
        raise ConfigError(f"--target-mb {target_mb}: expected 1 to {_LARGEST_MB}")
    place = existing_result(output, endpoint_url, region)
    with place.lock():
        for table, n_fewer in compact(place, target_mb * 1024 * 1024).items():
            echo(f"{table}: {n_fewer} fewer files")
