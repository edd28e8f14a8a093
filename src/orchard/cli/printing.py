"""How the commands print: nothing that stands in a file name is obeyed by a terminal.

`echo` for a line, `show` for tables, `echo_name` and `echo_json` for what scripts read.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

from orchard.printable import printable, printable_json


def echo(text: str, *, err: bool = False) -> None:
    """One line; what a terminal would obey is shown as an escape, wherever the line goes."""
    click.echo(printable(text), err=err)


def echo_text(text: str) -> None:
    """Lines."""
    for line in text.splitlines():
        echo(line.expandtabs())


def echo_drawing(text: str) -> None:
    """Lines of our own making, whose escapes a terminal is to obey."""
    click.echo(text)


def echo_name(path: str | os.PathLike[str]) -> None:
    """The name of a file: as it is for a script, as `echo` shows it for a person."""
    if sys.stdout.isatty():
        echo(os.fspath(path))
    else:
        click.echo(os.fsencode(path))


def echo_json(text: str) -> None:
    """JSON: UTF-8 as it is for a script, the same JSON with more escapes for a person."""
    if sys.stdout.isatty():
        click.echo(printable_json(text))
    else:  # half a surrogate pair becomes \\udc80, which JSON can say and UTF-8 cannot
        click.echo(text.encode("utf-8", "backslashreplace"))


def echo_bytes(data: bytes) -> None:
    """What a script reads, as it is; as `echo` shows it for a person."""
    if sys.stdout.isatty():
        echo_text(data.decode("utf-8", "replace"))
    else:
        click.echo(data, nl=False)


def counted(n: int, thing: str) -> str:
    """ "1 shard", "2,000 shards"."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def show(*parts: Any) -> None:
    """Tables, and lines of any length."""
    from orchard.progress import Terminal

    console = Terminal(width=None if sys.stdout.isatty() else 100, soft_wrap=True)
    for part in parts:
        console.print(part)


def show_markdown(text: str) -> None:
    """As it is for a script; laid out in the width of its terminal for a person."""
    if not sys.stdout.isatty():
        echo_text(text)
        return
    from rich.markdown import Markdown

    from orchard.progress import Terminal

    Terminal().print(Markdown(printable_lines(text)))


def printable_lines(text: str) -> str:
    return "\n".join(printable(line.expandtabs()) for line in text.splitlines())


def accept_all_characters(*streams: TextIO) -> None:
    """Where the terminal's encoding lacks a character, its escape is written instead."""
    for stream in streams:
        if hasattr(stream, "reconfigure") and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(errors="backslashreplace")
