"""`orchard erase` and `orchard readmit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from orchard.cli.command import Command, existing_result, storage_options
from orchard.cli.path_list import read_drops
from orchard.cli.printing import echo
from orchard.errors import ConfigError, PathsUnknown, TableError

if TYPE_CHECKING:
    from orchard.store.erase import Erasure
    from orchard.store.known import Found, Unknown
    from orchard.store.output import Output


@click.command("erase", cls=Command, short_help="Erase images from a result for good.")
@click.argument("output", metavar="OUTPUT")
@click.option("--path", "paths", multiple=True, help="An image's path, as in the tables.")
@click.option("--prefix", "prefixes", multiple=True, help="All images whose path begins with this.")
@click.option(
    "--from-file",
    type=click.File("rb"),
    metavar="FILE",
    help="A list of paths, one per line, or the drops of a decisions file; - for standard input.",
)
@click.option(
    "--contribution",
    "codes",
    multiple=True,
    metavar="CODE",
    help="An image that somebody left on the page of `orchard serve`.",
)
@click.option("--keep-out", is_flag=True, help="Also keep out paths that no run has seen yet.")
@click.option("--dry-run", is_flag=True, help="Show what would be erased; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Scripts without a terminal are never asked.")
@storage_options
def erase_command(
    output: str,
    paths: tuple[str, ...],
    prefixes: tuple[str, ...],
    from_file: Any,
    codes: tuple[str, ...],
    keep_out: bool,
    dry_run: bool,
    yes: bool,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Erase images from every table of OUTPUT, and keep them out of later runs.

    The files that held their rows are rewritten and deleted, with their old versions if a bucket
    keeps any; the report and exports are deleted, and the images are removed from the galleries of
    classifiers. The PCA that was fitted on them stays until the next run fits another. A salted
    hash of each path is kept, and erasure/audit.jsonl gets a line that says how many rows went.
    --contribution erases one image that somebody left on the page of `orchard serve`, with what
    they said of it, what was decided, and what runs have read of it if it was accepted.

    A path must match exactly, in any Unicode form. A path that matches nothing is named, with the
    nearest known path, and the exit code is 11; the others are erased. If none matches, nothing is
    deleted. Damaged files are skipped and named, and the exit code is 5: repair them, and run the
    same command again. `orchard readmit` lets a run read a path again.
    """
    wanted = [*paths, *read_drops(from_file)]
    if not all((*paths, *prefixes)):
        raise ConfigError("--path or --prefix '': expected a path, or the beginning of one")
    if not wanted and not prefixes and not codes:
        raise ConfigError("nothing to erase: give --path, --prefix, --from-file or --contribution")
    given = _codes(codes)
    place = existing_result(output, endpoint_url, region, may_be_damaged=True)
    if dry_run or _is_asked(yes):
        found = _preview(place, wanted, prefixes, given)
        if dry_run:
            if found:
                _conclude_preview(place, found, keep_out)
            return
        if (given or (found and found.leaves)) and not click.confirm("Erase for good?", err=True):
            raise ConfigError("nothing was erased; with --yes it does not ask")
    done = _erase_images(place, wanted, prefixes, keep_out) if wanted or prefixes else None
    missing = _erase_contributions(place, given)
    for code in missing:
        echo(f"{code}: no image is kept under this code", err=True)
    if done:
        _conclude(place, done.remaining, done.unknown)
    if missing:
        raise TableError(f"{place.root} keeps no image under the code {', '.join(missing)}")


@click.command("readmit", cls=Command, short_help="Let a run read erased images again.")
@click.argument("output", metavar="OUTPUT")
@click.option("--path", "paths", multiple=True, help="A path that was erased, in full.")
@click.option(
    "--from-file",
    type=click.File("rb"),
    metavar="FILE",
    help="A list of paths, one per line, or the drops of a decisions file; - for standard input.",
)
@storage_options
def readmit_command(
    output: str,
    paths: tuple[str, ...],
    from_file: Any,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Stop keeping paths out of OUTPUT: later runs read those images again.

    This brings back nothing that was erased; the next `orchard run` reads the image if it still
    exists. Only hashes of the paths are kept, so give each path in full. The exit code is 11 if
    one of them was not kept out.
    """
    from orchard.store.erase import readmit

    wanted = [*paths, *read_drops(from_file)]
    if not all(wanted) or not wanted:
        raise ConfigError("nothing to readmit: give --path or --from-file")
    place = existing_result(output, endpoint_url, region, may_be_damaged=True)
    others = readmit(place, wanted)
    n = len(dict.fromkeys(wanted)) - len(others)
    echo(f"{n} {_paths(n)} will be read again by the next run")
    for path in others:
        echo(f"{path!r} is not kept out", err=True)
    if others:
        raise PathsUnknown(
            f"{len(others)} of {n + len(others)} paths were not kept out of {output}"
        )


def _conclude_preview(place: Output, found: Found, keep_out: bool) -> None:
    """What an erasure would leave undone; a prefix of nothing cannot be kept out."""
    undone = tuple(u for u in found.unknown if u.is_prefix or not keep_out)
    if n := len(found.unknown) - len(undone):
        echo(f"{n} unknown {_paths(n)} would be kept out too")
    _conclude(place, found.problems, undone)


def _is_asked(yes: bool) -> bool:
    return not yes and sys.stdin.isatty()


def _preview(
    place: Output, paths: list[str], prefixes: tuple[str, ...], codes: list[str]
) -> Found | None:
    """Say what would go; writes nothing."""
    from orchard.store.erase import preview

    for code in codes:
        echo(f"contribution {code} would be deleted")
    if not paths and not prefixes:
        return None
    found = preview(place, paths, prefixes)
    n = len(found.paths)
    echo(f"{n} {_images(n)} would be erased" + (":" if found.leaves else ""))
    if found.leaves:
        for name, count in found.rows.items():
            echo(f"  {name}: {count:,}")
        echo("  and all reports, exports, stored moments and staged files")
    if found.resumed:
        echo("an earlier attempt to erase them was not completed; this one finishes it")
    return found


def _erase_images(
    place: Output, paths: list[str], prefixes: tuple[str, ...], keep_out: bool
) -> Erasure:
    """Erase, and say what went."""
    from orchard.storage import delete_old_versions
    from orchard.store.erase import erase

    done = erase(place, paths, prefixes, keep_out=keep_out)
    rows = ", ".join(f"{count} of {table}" for table, count in done.rows.items())
    echo(f"rows erased: {rows}; {done.suppressed} paths are kept out of later runs")
    if done.erased_before:
        n = len(done.erased_before)
        echo(f"{n} {_paths(n)} erased before: already kept out, nothing more to delete")
    if done.begun_before:
        began = ", ".join(f"{count} of {table}" for table, count in done.begun_before.items())
        echo(f"earlier attempts, which were not completed, set out to erase: {began}")
    if done.kept_out:
        echo(f"kept out too: {done.kept_out} unknown {_paths(done.kept_out)}")
    if not (done.n_images or done.begun_before):
        echo("nothing was deleted")
        return done
    if place.root.startswith("s3://"):
        n_versions = delete_old_versions(place.root, place.storage)
        echo(f"{n_versions} old versions deleted from the bucket")
    echo("run `orchard run` again to fit a PCA and draw a report without them")
    if done.classifier_rows:
        echo(
            f"{done.classifier_rows} rows were removed from the galleries of classifiers, which "
            "were trained on them: train those again"
        )
    return done


def _conclude(place: Output, problems: tuple[str, ...], unknown: tuple[Unknown, ...]) -> None:
    """Name what was not erased. Raises TableError or PathsUnknown where there is any."""
    for missing in unknown:
        echo(str(missing), err=True)
    for problem in problems:
        echo(problem, err=True)
    not_found = f"{len(unknown)} of the paths and prefixes matched nothing" if unknown else ""
    if problems:
        rest = f", and {not_found}" if unknown else ""
        raise TableError(
            f"{len(problems)} files or tables in {place.root} could not be read or cleaned{rest}; "
            "repair or delete them, then run the same command again"
        )
    if unknown:
        raise PathsUnknown(
            f"{not_found} in {place.root}; write them as they are in the tables, or add "
            "--keep-out for images that no run has seen"
        )


def _codes(written: tuple[str, ...]) -> list[str]:
    from orchard.store.contributions import parse_code

    codes = {text: parse_code(text) for text in written}
    for text, code in codes.items():
        if code is None:
            raise ConfigError(f"--contribution {text}: expected a code such as 7K3M-Q9XW-2RPD-H5VA")
    return [code for code in codes.values() if code]


def _erase_contributions(place: Output, codes: list[str]) -> list[str]:
    """Delete images that people gave; the codes under which there was none."""
    from orchard.store import contributions

    missing = []
    for code in codes:
        if contributions.erase(place, code):
            echo(f"erased: {code}")
        else:
            missing.append(code)
    return missing


def _images(n: int) -> str:
    return "image" if n == 1 else "images"


def _paths(n: int) -> str:
    return "path" if n == 1 else "paths"
