"""What the commands share: errors in one line, the options of a bucket, printing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orchard import surroundings
from orchard.cli.printing import accept_all_characters, echo
from orchard.errors import OrchardError
from orchard.printable import printable

if TYPE_CHECKING:
    from orchard.store.output import Output
    from orchard.store.tables import Tables

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Command(click.Command):
    """A command whose OrchardErrors end in one line and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            surroundings.check_names()
            return super().invoke(ctx)
        except OrchardError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted; run the same command again to continue", INTERRUPTED)
        except Exception as error:
            if (lacking := surroundings.lacking(error)) is None:
                raise
            _fail(str(lacking), lacking.exit_code)


class Commands(click.Group):
    """A group whose own sentences about what was typed do no harm to a terminal either."""

    def main(self, *args: Any, **extra: Any) -> Any:
        accept_all_characters(sys.stdout, sys.stderr)
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _printable_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        message = error.format_message()
        safe = "\n".join(map(printable, message.split("\n")))
        if safe == message:
            raise
        raise click.UsageError(safe, error.ctx) from None


def _fail(message: str, code: int) -> NoReturn:
    echo(f"orchard: {message}", err=True)
    sys.exit(code)


def storage_options(command: Any) -> Any:
    """--endpoint-url and --region, of every command that may reach into a bucket."""
    for option in (
        click.option("--region", help="Region of the bucket. Default: from the AWS environment."),
        click.option(
            "--endpoint-url",
            metavar="URL",
            help="Address of an S3-compatible server, for s3:// paths.",
        ),
    ):
        command = option(command)
    return command


def source_option(command: Any) -> Any:
    """--source, of every command that shows images of a result that may be somebody else's."""
    return click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="SOURCE",
        help="Read images for thumbnails only below this folder or URL. Default: below the sources "
        "that the result's runs record, except / and web addresses.",
    )(command)


class ResultFolder(click.Path):
    """An existing folder, or the URL of one, which is checked later."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


def existing_result(
    output: str, endpoint_url: str | None, region: str | None, *, may_be_damaged: bool = False
) -> Output:
    """An OUTPUT that holds a result. may_be_damaged: though its features' log cannot be read."""
    return existing_tables(output, endpoint_url, region, may_be_damaged=may_be_damaged).output


def existing_tables(
    output: str, endpoint_url: str | None, region: str | None, *, may_be_damaged: bool = False
) -> Tables:
    """The tables of an OUTPUT that holds a result, its features' log already read."""
    from orchard.errors import TableError
    from orchard.storage import Storage
    from orchard.store import ownership
    from orchard.store.output import Output
    from orchard.store.tables import Tables

    place = Output.at(output, Storage(endpoint_url, region))
    ownership.require(place)
    tables = Tables(place)
    try:
        version = tables["features"].version
    except TableError:
        if may_be_damaged:
            return tables
        raise
    if version < 0:
        raise TableError(f"{output} holds no features; expected the OUTPUT of a run")
    return tables
