"""`orchard findings`, `dedupe` and `split`: what is wrong with images, and lists to act on."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchard.cli.command import Command, existing_tables, storage_options
from orchard.cli.printing import echo, echo_bytes, echo_name, show
from orchard.errors import ConfigError
from orchard.store.kinds import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

_FORMATS = ("csv", "jsonl", "parquet")
_RAW = click.option(
    "--raw",
    is_flag=True,
    help="In CSV, write texts as they are. By default those that spreadsheets compute have an "
    "apostrophe before them.",
)
_TO = click.option("--to", metavar="FILE", help="Where to write. Default: standard output.")


@click.command("findings", cls=Command, short_help="Say what is wrong with a result's images.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this; repeatable."
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(("summary", *_FORMATS)),
    help="Default: what FILE ends in; summary, the number of each kind, on standard output.",
)
@_TO
@_RAW
@storage_options
def findings_command(
    output: str,
    kinds: tuple[str, ...],
    file_format: str | None,
    to: str | None,
    raw: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Say what is wrong with the images of OUTPUT: duplicates, wrong labels, poor pictures.

    \b
    kind             score
    exact_duplicate  1; of each group one has keep
    near_duplicate   likeness to the one that has keep, 0 to 1
    wrong_label      how much likelier suggested_label is than label, 0 to 1
    overlap          share of two classes' images that are taken for the other
    unusual          distance to the nearest images, over its median
    blurred          how many times less sharp than the median
    dark, bright     1 - brightness; brightness, 0 to 1
    tiny             how many times enlarged to 224 pixels
    uniform          1 for one colour, less where there are edges

    Each run stores them in OUTPUT/findings, the worst of each kind first; where they are missing,
    this makes them.

    \b
    Examples:
      orchard findings result
      orchard findings result --kind wrong_label --format csv
      orchard findings result --to findings.parquet
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from orchard.cli.tables import findings_table
    from orchard.findings import present

    rows = present(existing_tables(output, endpoint_url, region))
    if kinds:
        rows = rows.filter(pc.is_in(rows["kind"], value_set=pa.array(kinds)))
    wanted = file_format or (_format_of(to) if to else "summary")
    if wanted == "summary":
        show(findings_table(rows, kinds or KINDS))
    else:
        _write(rows, wanted, to, raw)


@click.command("dedupe", cls=Command, short_help="List the duplicates to leave out.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--keep",
    type=click.Choice(["best", "first"]),
    default="best",
    show_default=True,
    help="Of each group: the largest, then the sharpest; or the first by path.",
)
@click.option("--exact", is_flag=True, help="Only images whose bytes are equal.")
@click.option(
    "--decisions",
    metavar="FILE",
    help="A file of decisions (path,decision,label), whose keeps and drops go before.",
)
@_TO
@storage_options
def dedupe_command(
    output: str,
    keep: str,
    exact: bool,
    decisions: str | None,
    to: str | None,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """List the images of OUTPUT to leave out, so that of each group of duplicates one stays.

    One path a line; a FILE named .csv has the columns path, decision and label. Nothing else is
    changed: `orchard run --exclude-from` leaves the images out, `orchard erase --from-file` erases
    them. Every image of a group is a near duplicate of the best one.

    \b
    Examples:
      orchard dedupe result --to duplicates.txt
      orchard run photos result --exclude-from duplicates.txt
    """
    from orchard.findings import present
    from orchard.findings.choose import KINDS as DUPLICATES
    from orchard.findings.choose import to_drop
    from orchard.images.decisions import Decisions
    from orchard.storage import Storage

    given = [] if decisions is None else [
        Decisions.read(decisions, "--decisions", Storage(endpoint_url, region))
    ]  # fmt: skip
    tables = existing_tables(output, endpoint_url, region)
    dropped = to_drop(present(tables), keep, DUPLICATES[:1] if exact else DUPLICATES, *given)
    _write_paths(dropped, to)
    n = tables["features"].n_rows
    echo(f"{len(dropped):,} of {n:,} images to leave out", err=True)


@click.command("split", cls=Command, short_help="List images to train, validate and test with.")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--fractions",
    default="0.8,0.1,0.1",
    show_default=True,
    metavar="A,B,C",
    help="Of train, validation and test; two are train and test.",
)
@click.option("--seed", default=0, show_default=True, help="Another number, another split.")
@click.option(
    "--group",
    metavar="REGEX",
    help="What names an object in a path: its first group. Default: the folder and the name "
    "without its last number.",
)
@click.option(
    "--to",
    metavar="DIR",
    help="Write train.csv, validation.csv and test.csv here. Default: one CSV on standard output.",
)
@click.option("--force", is_flag=True, help="Replace such files in DIR.")
@_RAW
@storage_options
def split_command(
    output: str,
    fractions: str,
    seed: int,
    group: str | None,
    to: str | None,
    force: bool,
    raw: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """List the images of OUTPUT to train, validate and test with: path, label, split.

    Near duplicates and the photos of one object, by their names, all lie on one side (names alone
    are passed over where they would leave most labels without a test, unless --group is given).
    Each class is shared out by the fractions as far as that allows. Nothing in OUTPUT is changed;
    `orchard run --manifest` reads such lists.

    \b
    Examples:
      orchard split result --to lists
      orchard split result --fractions 0.9,0.1 --seed 1 > split.csv
    """
    from orchard.training.partition import fractions_of, partition

    shares = fractions_of(fractions)
    pattern = _pattern(group)
    found = partition(existing_tables(output, endpoint_url, region), shares, seed, pattern)
    if to is None:
        _write(found.rows, "csv", None, raw)
    else:
        for path in _write_sides(found.rows, Path(to), force, raw):
            echo_name(path)
    if not found.by_names:
        echo(
            "by their names, most labels are of one object: only near duplicates are bound",
            err=True,
        )
    for side, n in found.sizes.items():
        lacking = found.lacking.get(side, 0)
        more = f"; {lacking:,} labels have none there" if lacking else ""
        echo(f"{side}: {n:,} images{more}", err=True)


def _pattern(group: str | None) -> re.Pattern[str] | None:
    try:
        return None if group is None else re.compile(group)
    except re.error as error:
        raise ConfigError(f"--group {group}: not a regular expression: {error}") from None


def _format_of(to: str) -> str:
    ending = to.rpartition(".")[2].lower()
    if ending not in _FORMATS:
        raise ConfigError(f"--to {to}: expected a name that ends in .csv, .jsonl or .parquet")
    return ending


def _write(rows: pa.Table, file_format: str, to: str | None, raw: bool) -> None:
    from orchard.result.formats import as_bytes

    if to is None and file_format == "parquet" and sys.stdout.isatty():
        raise ConfigError("--format parquet: no text for a terminal; expected --to FILE")
    _put(as_bytes(rows, file_format, raw=raw), to)


def _write_paths(paths: list[str], to: str | None) -> None:
    import pyarrow as pa

    if to is not None and to.lower().endswith(".csv"):
        n = len(paths)
        drops = pa.table(
            {"path": paths, "decision": ["drop"] * n, "label": pa.nulls(n, pa.string())},
            schema=pa.schema({name: pa.string() for name in ("path", "decision", "label")}),
        )
        _write(drops, "csv", to, raw=True)
        return
    if broken := next((path for path in paths if "\n" in path or "\r" in path), None):
        raise ConfigError(f"{broken!r} holds a line end: expected --to FILE.csv")
    _put("".join(f"{path}\n" for path in paths).encode("utf-8", "surrogateescape"), to)


def _write_sides(rows: pa.Table, folder: Path, force: bool, raw: bool) -> list[Path]:
    import pyarrow.compute as pc

    sides = pc.unique(rows["split"]).to_pylist()
    there = [folder / f"{side}.csv" for side in sides if (folder / f"{side}.csv").exists()]
    if there and not force:
        raise ConfigError(f"{there[0]} is there already: expected another DIR, or --force")
    for side in sides:
        part = rows.filter(pc.equal(rows["split"], side)).select(["path", "label"])
        _write(part, "csv", str(folder / f"{side}.csv"), raw)
    return [folder / f"{side}.csv" for side in sides]


def _put(data: bytes, to: str | None) -> None:
    if to is None:
        echo_bytes(data)
        return
    try:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        Path(to).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"--to {to}: cannot be written: {error.strerror}") from None
