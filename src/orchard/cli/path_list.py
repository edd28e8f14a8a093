"""Options that take a list of paths in a file, or the decisions about a result's images."""

from __future__ import annotations

from typing import BinaryIO

from orchard.errors import ConfigError


def read_paths(file: BinaryIO | None) -> list[str]:
    """The paths of a list, one per line. Raises ConfigError."""
    from orchard.images.path_list import lines_of

    return lines_of(_text(file)[0]) if file else []


def read_drops(file: BinaryIO | None) -> list[str]:
    """The paths of a list, or those that a decisions file drops. Raises ConfigError."""
    from orchard.images.decisions import paths_to_drop

    return paths_to_drop(*_text(file), "--from-file") if file else []


def _text(file: BinaryIO) -> tuple[str, str]:
    from orchard.images.path_list import decoded

    name = getattr(file, "name", "-")
    try:
        data = file.read()
    except OSError as error:
        raise ConfigError(f"--from-file {name}: cannot be read: {error.strerror}") from None
    return decoded(data, "--from-file", name), name
