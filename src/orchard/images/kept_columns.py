"""The columns that `--keep-columns` carries along: which may be, and their values."""

from __future__ import annotations

import re

import pyarrow as pa

from orchard.errors import ConfigError
from orchard.images.containers.places import PLACE
from orchard.images.table_file import TableFile
from orchard.records import COMPONENTS, ERRORS, FEATURES, LISTING

_OWN = {name.lower() for schema in (FEATURES, ERRORS, COMPONENTS) for name in schema.names}
_REFUSED = re.compile(r"[ ,;{}()\n\t=/]")  # by Delta Lake's readers, all but the last


def check_names(names: tuple[str, ...]) -> None:
    """Raises ConfigError where a column cannot stand beside Orchard's own."""
    if len({name.lower() for name in names}) < len(names):
        raise ConfigError(f"--keep-columns {','.join(names)}: expected each column once")
    for name in names:
        if name.lower() in _OWN:
            raise ConfigError(
                f"--keep-columns {name}: the tables have a column of that name; rename it in the "
                "file"
            )
        if not name or _REFUSED.search(name):
            raise ConfigError(
                f"--keep-columns {name!r}: Delta tables take no space and none of ,;{{}}()=/ in a "
                "column's name; rename it in the file"
            )


def carried(images: pa.Table) -> list[str]:
    """The columns of a listing that are carried along: those of its own and a member's place are
    not."""
    own = {*LISTING.names, *PLACE.names}
    return [name for name in images.column_names if name not in own]


def among(names: tuple[str, ...], files: list[TableFile]) -> dict[str, TableFile]:
    """Each of the columns, and the first of the files that has it. Raises ConfigError."""
    found = {}
    for name in names:
        holding = [file for file in files if name in file.rows.column_names]
        if not holding:
            known = ", ".join(n for file in files for n in file.rows.column_names)
            raise ConfigError(f"--keep-columns {name}: no such column; there are {known}")
        found[name] = holding[0]
    return found
