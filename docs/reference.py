"""Write docs/reference.md, the manual of the command line, from the commands themselves.

python docs/reference.py           write it
python docs/reference.py --check   fail where it is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from orchard.cli import main

PAGE = Path(__file__).with_name("reference.md")


def page() -> str:
    parts = ["# Command line\n\nMade by `python docs/reference.py` from the commands' own help.\n"]
    context = click.Context(main, info_name="orchard", max_content_width=88, terminal_width=88)
    parts.append(f"```text\n{main.get_help(context)}\n```\n")
    parts += sections(main, context)
    return "\n".join(parts)


def sections(group: click.Group, above: click.Context) -> Iterator[str]:
    """A section a command, those of a group below the group's own."""
    for name, command in sorted(group.commands.items()):
        inner = click.Context(command, info_name=name, parent=above)
        yield f"## {inner.command_path}\n\n```text\n{command.get_help(inner)}\n```\n"
        if isinstance(command, click.Group):
            yield from sections(command, inner)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/reference.md is out of date: run python docs/reference.py")
